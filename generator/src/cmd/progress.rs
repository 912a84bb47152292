//! Progress of long work: bars on a terminal after half a second, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::plan::Progress;

/// Nobody wants to see a bar that is gone at once.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) struct Bars {
    begun: Instant,
    terminal: bool,
    bar: Mutex<ProgressBar>,
}

impl Bars {
    pub fn new() -> Bars {
        Bars {
            begun: Instant::now(),
            terminal: std::io::stderr().is_terminal(),
            bar: Mutex::new(ProgressBar::hidden()),
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        if let Ok(bar) = self.bar.lock() {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Bars {
    fn begin(&self, stage: &'static str, count: usize) {
        let Ok(mut bar) = self.bar.lock() else { return };
        bar.finish_and_clear();
        // Short work is done before anybody could read about it.
        if !self.terminal {
            if count >= 1000 {
                super::say(&format!("{stage} {count} …"));
            }
            return;
        }
        *bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{msg:<20} {wide_bar} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(stage);
    }

    fn step(&self) {
        let Ok(bar) = self.bar.lock() else { return };
        bar.inc(1);
        if self.terminal && bar.is_hidden() && self.begun.elapsed() > PATIENCE {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}
