//! Where nobody sits at the machine, it goes on by itself: after what another try can mend, with growing pauses, for ever.
//!
//! A medium with a code on it may stand in a rack whose switch starts slower than the machine. Whoever presses a key gets the menu, and no countdown
//! interrupts them; a menu that nobody answers for a while was noise on a serial line, or is left, and the machine goes on. A try is a run like the first
//! one: what it believes, what it asks and what it remembers is the same.
//!
//! Where no network comes, it goes on with the copy of the site on the medium, once, after a switch had its time. Whether that copy serves, with everything
//! that it takes, says the fetcher; what it refuses of a copy may be mended by a network, so the machine waits for one as if it had no copy.

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
/// How long a network is waited for where there is nothing else.
const NETWORK: Duration = Duration::from_secs(300);
/// The same in seconds, where the medium has a copy of the site: some switches let nothing through for a minute, and start for longer.
const COPY: u64 = 120;

/// Who sits at the machine, as far as it knows, and how long it waits for the next try.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// A key was pressed, and nothing was left to the machine since.
    attended: bool,
    pauses: u32,
    copy: OwnCopy,
}

/// The copy of the site on the medium, as far as the machine takes it without being told.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum OwnCopy {
    #[default]
    Untried,
    InUse,
    Tried,
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

/// Is it a verdict on a tree, of which a newer one may lead to another? Of the site's own tree a person has to see these.
pub(super) fn is_about_a_tree(exit: ExitCode) -> bool {
    (11..30).contains(&exit.number()) && exit != ExitCode::Clock
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

    /// After how long without a network the machine takes the copy on the medium. `None`: not by itself.
    pub(super) fn takes_copy_after(&self) -> Option<Duration> {
        let may = self.is_alone() && self.goes_on_alone() && self.patience.copy == OwnCopy::Untried;
        (may && !self.copies().is_empty()).then(|| Duration::from_secs(self.presets.offline.unwrap_or(COPY)))
    }

    /// How long a machine on which nobody sits waits for a network.
    pub(super) fn network_patience(&self) -> Duration {
        self.takes_copy_after().unwrap_or(NETWORK)
    }

    pub(super) fn take_copy(&mut self) -> Step {
        self.say(self.words.copy_taken);
        (self.patience.copy, self.offline) = (OwnCopy::InUse, true);
        Step::Activate
    }

    /// Did the run that just ended use a copy that nobody chose?
    pub(super) fn took_copy(&self) -> bool {
        self.patience.copy == OwnCopy::InUse
    }

    /// Mirrors are asked again, and the copy is not taken a second time.
    pub(super) fn leave_copy(&mut self) {
        if self.took_copy() {
            (self.patience.copy, self.offline) = (OwnCopy::Tried, false);
        }
    }

    /// A key was pressed: somebody is there.
    pub(super) fn is_seen(&mut self) {
        self.patience.attended = true;
    }

    /// The machine goes on by itself. After a person's own try the pauses are short again.
    pub(super) fn is_left(&mut self) {
        self.leave_copy();
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
                self.terminal.overwrite(&fill(self.words.retry, &[("time", &minutes(seconds))]));
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

/// `2:05`
pub(super) fn minutes(seconds: u128) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_have_an_end() {
        let pauses = |first| {
            [0, 1, 2, 3, 4, 5, 6, u32::MAX]
                .map(|pauses| Patience { pauses, ..Patience::default() }.pause(first).as_secs())
        };
        assert_eq!(pauses(FIRST), [15, 30, 60, 120, 240, 480, 600, 600]);
        assert_eq!(pauses(u64::MAX), [600; 8]);
    }

    #[test]
    fn no_page_that_needs_a_person_mends_itself() {
        let waits = ExitCode::ALL.into_iter().filter(|exit| may_mend_itself(*exit)).map(ExitCode::number);
        assert_eq!(waits.collect::<Vec<_>>(), [21, 30, 31, 32, 33]);
    }

    #[test]
    fn what_a_copy_says_is_not_the_last_word_and_what_a_machine_or_a_person_says_is() {
        let about = ExitCode::ALL.into_iter().filter(|exit| is_about_a_tree(*exit)).map(ExitCode::number);
        assert_eq!(about.collect::<Vec<_>>(), [11, 12, 13, 14, 15, 20, 21, 22, 23, 24, 25, 27]);
    }
}
