//! Whether enough comes: a server that sends a byte now and then would hold a run for ever.

use std::time::{Duration, Instant};

/// Counts bytes over windows of time.
#[derive(Debug)]
pub struct Pace {
    window: Duration,
    bytes_per_second: u64,
    begun: Instant,
    bytes: u64,
}

impl Pace {
    /// Fewer than so many bytes in each second, over a window, are too few.
    #[must_use]
    pub fn begin(window: Duration, bytes_per_second: u64) -> Pace {
        Pace { window, bytes_per_second, begun: Instant::now(), bytes: 0 }
    }

    /// So many more bytes came. Judged when a window is over; the next one begins then.
    pub fn is_too_slow(&mut self, more: u64) -> bool {
        let elapsed = self.begun.elapsed();
        let is_over = elapsed >= self.window;
        let is_too_slow = self.is_too_slow_after(elapsed, more);
        if is_over {
            *self = Pace::begin(self.window, self.bytes_per_second);
        }
        is_too_slow
    }

    fn is_too_slow_after(&mut self, elapsed: Duration, more: u64) -> bool {
        self.bytes = self.bytes.saturating_add(more);
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        elapsed >= self.window && self.bytes < self.bytes_per_second.saturating_mul(millis) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crumbs_are_too_slow_when_a_window_ends_and_not_before() {
        let seconds = Duration::from_secs;
        let after = |bytes, elapsed| {
            let mut pace = Pace { bytes: 10, ..Pace::begin(seconds(30), 1024) };
            pace.is_too_slow_after(elapsed, bytes)
        };
        assert!(!after(0, seconds(29)));
        assert!(after(1024 * 30 - 11, seconds(30)) && !after(1024 * 30 - 10, seconds(30)));
        // A window ends when the next bytes come, however late: they are those of all of that time.
        assert!(after(1024 * 30, seconds(60)) && !after(1024 * 60, seconds(60)));
        assert!(!after(u64::MAX, seconds(u64::MAX / 1000)));
    }

    #[test]
    fn every_window_begins_anew() {
        let mut pace = Pace::begin(Duration::ZERO, u64::MAX);
        std::thread::sleep(Duration::from_millis(2));
        assert!(pace.is_too_slow(1) && pace.bytes == 0);
        let mut pace = Pace::begin(Duration::from_secs(3600), u64::MAX);
        assert!(!pace.is_too_slow(1) && pace.bytes == 1);
    }
}
