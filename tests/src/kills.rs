//! Programs that are killed at every moment of their run.

use std::time::Duration;

use crate::program::Program;

/// Kills at moments that are spread over a run without being the same in any two rounds. It learns how long a run takes: one that was over before its moment
/// makes the next moments earlier, so that a single slow run in the beginning does not let all others get away.
pub struct Kills {
    run: Duration,
    round: u32,
    killed: u32,
}

impl Kills {
    /// Over a run that takes about this long.
    #[must_use]
    pub fn over(run: Duration) -> Kills {
        Kills { run, round: 0, killed: 0 }
    }

    /// Starts it, and kills it if it is still running at the next moment.
    ///
    /// # Panics
    /// If it can not be started.
    pub fn strike(&mut self, program: Program) {
        let moment = self.run.mul_f64((f64::from(self.round) * 0.618_034).fract() * 1.1);
        self.round += 1;
        if program.killed_after(moment) {
            self.killed += 1;
        } else {
            self.run = self.run.min(moment);
        }
    }

    /// Whether as many rounds as these were run, and as many programs killed.
    ///
    /// # Panics
    /// If so many never are.
    #[must_use]
    pub fn suffice(&self, rounds: u32, killed: u32) -> bool {
        let (tried, hit) = (self.round, self.killed);
        let is_enough = tried >= rounds && hit >= killed;
        assert!(is_enough || tried < 10 * rounds, "killed {hit} of {tried}");
        is_enough
    }
}
