//! A terminal at which nobody may sit: waiting for a key, and giving up the wait.

use std::io;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::console::{EachKey, Standard, Terminal};

/// What the session needs of its terminal beside what the fetcher needs.
pub(super) trait Screen: Terminal {
    /// From now on every key counts by itself and none is shown, until the value is dropped. `None`: that is no terminal.
    ///
    /// # Errors
    /// What the terminal can say.
    fn each_key(&mut self) -> io::Result<Option<EachKey>>;

    /// Waits for something to read, at most so long; is there something? Nothing is read.
    ///
    /// # Errors
    /// What waiting can say.
    fn typed_within(&mut self, time: Duration) -> io::Result<bool>;

    /// Forgets what was typed and not read.
    fn forget_typed(&mut self);

    /// Asks as [`Terminal::ask`] does with everything shown; `TimedOut`, if no line is typed for so long.
    ///
    /// # Errors
    /// What reading can say.
    fn ask_within(&mut self, question: &str, time: Duration) -> io::Result<Option<Zeroizing<String>>>;
}

impl Screen for Standard {
    fn each_key(&mut self) -> io::Result<Option<EachKey>> {
        self.is_typed().then(EachKey::begin).transpose()
    }

    fn typed_within(&mut self, time: Duration) -> io::Result<bool> {
        Standard::typed_within(time)
    }

    fn forget_typed(&mut self) {
        Standard::forget_typed();
    }

    fn ask_within(&mut self, question: &str, time: Duration) -> io::Result<Option<Zeroizing<String>>> {
        Standard::ask_within(question, time)
    }
}
