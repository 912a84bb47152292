//! Where nobody sits at the machine, it goes on by itself: after what another try can mend, with growing pauses, for ever.
//!
//! A medium with a code on it may stand in a rack whose switch starts slower than the machine. Whoever presses a key gets the menu, and no countdown
//! interrupts them; a menu that nobody answers for a while was noise on a serial line, or is left, and the machine goes on. A try is a run like the first
//! one: what it believes, what it asks and what it remembers is the same.

use std::io;
use std::time::{Duration, Instant};

use anode_bundle::ExitCode;

use super::{Session, Step, Way};
use crate::words::fill;

/// The first pause, in seconds; each one is twice as long as the one before.
const FIRST: u64 = 15;
/// Ten minutes: a site that is back is noticed soon enough, and of a thousand machines that wait two try each second.
const LONGEST: u64 = 600;
/// How long a menu stays a person's who does not answer it.
const LEFT: Duration = Duration::from_secs(600);

/// Who sits at the machine, as far as it knows, and how long it waits for the next try.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// A key was pressed, and nothing was left to the machine since.
    attended: bool,
    pauses: u32,
}

/// What ended a countdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// A person.
    Key,
    /// The time is over, or a network is there that was not.
    Time,
}

/// May the same run end better some time later, although nobody did anything? Not what a code, an answer or a clock is the reason for; and nothing that
/// somebody may have tampered with: a person has to see that page.
pub(super) fn may_mend_itself(exit: ExitCode) -> bool {
    matches!(
        exit,
        ExitCode::MetadataExpired | ExitCode::Unreachable | ExitCode::Tls | ExitCode::TooSlow | ExitCode::NotASite
    )
}

impl Patience {
    /// The next pause, where the first one had so many seconds.
    fn pause(&self, first: u64) -> Duration {
        let pause = first.saturating_mul(2_u64.saturating_pow(self.pauses));
        Duration::from_secs(pause.min(LONGEST))
    }
}

impl Session<'_> {
    /// Is nobody there, as far as it knows? Never where a person types the code.
    pub(super) fn is_alone(&self) -> bool {
        self.code_is_preset() && !self.patience.attended
    }

    fn goes_on_alone(&self) -> bool {
        self.code_is_preset() && self.presets.retry != Some(0)
    }

    /// A key was pressed: somebody is there.
    pub(super) fn is_seen(&mut self) {
        self.patience.attended = true;
    }

    /// The machine goes on by itself. After a person's own try the pauses are short again.
    pub(super) fn is_left(&mut self) {
        self.patience = Patience::default();
    }

    /// The menu of a page behind which the machine may go on by itself; `None`: it does, because time is over and nobody is there, or not any more.
    pub(super) fn choose_or_go_on(&mut self, ways: &[Way]) -> io::Result<Option<Way>> {
        if !self.goes_on_alone() {
            return self.choose(ways, None).map(Some);
        }
        loop {
            if self.is_alone() {
                match self.count_down()? {
                    Ended::Time => return Ok(None),
                    Ended::Key => self.is_seen(),
                }
            }
            match self.choose(ways, Some(LEFT)) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => self.is_left(),
                way => return way.map(Some),
            }
        }
    }

    /// Counts down to the next try.
    fn count_down(&mut self) -> io::Result<Ended> {
        let pause = self.pause();
        self.patience.pauses = self.patience.pauses.saturating_add(1);
        let was_up = self.network_is_up();
        let keys = self.terminal.each_key()?;
        let end = Instant::now() + pause;
        let mut shown = None;
        let ended = loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || (!was_up && self.network_is_up()) {
                break Ended::Time;
            }
            let seconds = left.as_millis().div_ceil(1000);
            // Not every second of ten minutes: a serial line may be recorded.
            if shown.is_none_or(|shown| shown != seconds)
                && (shown.is_none() || seconds <= 60 || seconds.is_multiple_of(10))
            {
                let time = format!("{}:{:02}", seconds / 60, seconds % 60);
                self.terminal.overwrite(&fill(self.words.retry, &[("time", &time)]));
                shown = Some(seconds);
            }
            if self.terminal.typed_within(left.min(Duration::from_millis(500)))? {
                self.terminal.forget_typed();
                break Ended::Key;
            }
        };
        drop(keys);
        self.say("");
        Ok(ended)
    }

    /// Another try, from the network on. One that was there may have become another; after a long time everything is looked for again.
    pub(super) fn try_again(&mut self) -> Step {
        if self.pause() == Duration::from_secs(LONGEST) {
            self.network_up();
        }
        Step::WaitForNetwork
    }

    fn pause(&self) -> Duration {
        self.patience.pause(self.presets.retry.unwrap_or(FIRST))
    }

    pub(super) fn network_is_up(&self) -> bool {
        self.machine.text("run/anode/network").is_some_and(|report| report.starts_with("up"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_have_an_end() {
        let pauses = |first| {
            [0, 1, 2, 3, 4, 5, 6, u32::MAX].map(|pauses| Patience { attended: false, pauses }.pause(first).as_secs())
        };
        assert_eq!(pauses(FIRST), [15, 30, 60, 120, 240, 480, 600, 600]);
        assert_eq!(pauses(u64::MAX), [600; 8]);
    }

    #[test]
    fn no_page_that_needs_a_person_mends_itself() {
        let waits = ExitCode::ALL.into_iter().filter(|exit| may_mend_itself(*exit)).map(ExitCode::number);
        assert_eq!(waits.collect::<Vec<_>>(), [21, 30, 31, 32, 33]);
    }
}
