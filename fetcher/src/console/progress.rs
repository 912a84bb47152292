//! A long transfer: on a screen one line with a bar and a rate that is written over, elsewhere a line for every tenth.

use std::time::{Duration, Instant};

use anode_bundle::display::line;

use super::Console;

/// A serial line at 9,600 baud carries ten such lines a second.
const PAUSE: Duration = Duration::from_millis(250);
const BAR: usize = 24;

/// What is being transferred.
pub(super) struct Transfer {
    name: String,
    begun: Instant,
    /// When, or at which tenth, something was shown.
    shown: Option<Instant>,
    tenth: u64,
}

impl Console<'_> {
    /// There are `length` of `total` bytes of `name`.
    pub fn progress(&mut self, name: &str, length: u64, total: u64) {
        let begins = self.transfer.as_ref().is_none_or(|transfer| transfer.name != name);
        if begins {
            let name = name.to_owned();
            self.transfer = Some(Transfer { name, begun: Instant::now(), shown: None, tenth: 0 });
        }
        let is_typed = self.terminal.is_typed();
        let Some(transfer) = &mut self.transfer else { return };
        let percent = (length * 100).checked_div(total).unwrap_or(100);
        let is_done = length >= total;
        if is_typed {
            if !is_done && transfer.shown.is_some_and(|shown| shown.elapsed() < PAUSE) {
                return;
            }
            transfer.shown = Some(Instant::now());
            let text = bar(&transfer.name, percent, length, total, transfer.begun.elapsed());
            if is_done {
                self.terminal.overwrite("");
                self.terminal.say(&text);
            } else {
                self.terminal.overwrite(&text);
            }
        } else if percent / 10 > transfer.tenth {
            transfer.tenth = percent / 10;
            self.terminal.say(&format!("{}: {percent} %", line(&transfer.name, 60)));
        }
        if is_done {
            self.transfer = None;
        }
    }
}

fn bar(name: &str, percent: u64, length: u64, total: u64, elapsed: Duration) -> String {
    let full = usize::try_from(percent).map_or(BAR, |percent| percent.min(100) * BAR / 100);
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = tenths(length.saturating_mul(1000) / millis);
    let (full, rest) = ("#".repeat(full), ".".repeat(BAR - full));
    format!(
        "{:14} [{full}{rest}] {percent:3} %  {} of {} MB  {rate} MB/s",
        line(name, 14),
        tenths(length),
        tenths(total)
    )
}

/// Megabytes with one digit behind the point.
fn tenths(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fits_the_narrowest_screen() {
        let text = bar("initrd.gz", 45, 18_300_000, 40_700_000, Duration::from_secs(4));
        assert_eq!(text, "initrd.gz      [##########..............]  45 %  18.3 of 40.7 MB  4.5 MB/s");
        let long = bar(&"x".repeat(40), 100, 4_000_000_000, 4_000_000_000, Duration::ZERO);
        assert!(bar("a", 1, 1, 4_000_000_000, Duration::from_secs(1)).len() < 80, "{long}");
    }
}
