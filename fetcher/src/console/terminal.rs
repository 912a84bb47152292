//! Lines from a keyboard: shown, hidden, or shown as the shape of a code.
//!
//! Bytes are read one by one and without a buffer of the standard library, so that no copy of a code or password stays behind in one.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use super::keys::{Keys, Pressed};

/// What a person sees while typing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// What is typed.
    Shown,
    /// Groups of four asterisks, as a code is printed, and whether it is right as soon as that is known.
    Code(Verdicts),
    /// Nothing.
    Hidden,
}

/// What is said behind a code while it is typed. A code's check symbol is no secret: it catches slips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdicts {
    /// Its check symbol is right.
    pub right: &'static str,
    /// It would be wrong if it ended here, and there are longer codes.
    pub wrong_yet: &'static str,
    /// It is wrong.
    pub wrong: &'static str,
}

/// The person's side of the screen. Talk goes to standard error: standard output is for data.
pub trait Terminal {
    /// One line.
    fn say(&mut self, line: &str);

    /// One line in the place of the one before, if that was said in this way too.
    fn overwrite(&mut self, line: &str);

    /// Asks, and reads one line; `None` at the end of the input.
    ///
    /// # Errors
    /// What reading can say; `Interrupted` if the person gave up with Ctrl-C.
    fn ask(&mut self, question: &str, echo: Echo) -> io::Result<Option<Zeroizing<String>>>;

    /// Is a person typing, rather than a pipe?
    fn is_typed(&self) -> bool;
}

/// Standard input and standard error.
#[derive(Debug, Default)]
pub struct Standard;

impl Terminal for Standard {
    fn say(&mut self, line: &str) {
        // Nobody may be reading; that is no reason to stop.
        let _ = writeln!(io::stderr(), "{line}");
    }

    fn overwrite(&mut self, line: &str) {
        // Back to the first column, the line, and nothing behind it (ECMA-48, EL).
        let _ = write!(io::stderr(), "\r{line}\x1b[K");
    }

    fn ask(&mut self, question: &str, echo: Echo) -> io::Result<Option<Zeroizing<String>>> {
        // Before the question is seen: whoever answers at once, or a scanner, would be shown what is to be hidden, and lose it.
        let quiet = (echo != Echo::Shown && self.is_typed()).then(Quiet::begin).transpose()?;
        let mut screen = io::stderr();
        write!(screen, "{question}: ")?;
        screen.flush()?;
        if quiet.is_none() {
            return read_line(&mut |_| Ok(()), Keys::plain());
        }
        let line = read_line(
            &mut |feedback| {
                screen.write_all(feedback.as_bytes())?;
                screen.flush()
            },
            Keys::typed(echo),
        );
        writeln!(screen)?;
        line
    }

    fn is_typed(&self) -> bool {
        io::stdin().is_terminal()
    }
}

fn read_line(show: &mut dyn FnMut(&str) -> io::Result<()>, mut keys: Keys) -> io::Result<Option<Zeroizing<String>>> {
    let stdin = io::stdin();
    loop {
        let mut byte = Zeroizing::new([0_u8; 1]);
        let count = match rustix::io::read(stdin.as_fd(), &mut byte[..]) {
            Ok(count) => count,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let [byte] = *byte;
        match keys.press((count > 0).then_some(byte)) {
            Pressed::Go(feedback) => show(&feedback)?,
            Pressed::Line(line) => return Ok(Some(line)),
            Pressed::End => return Ok(None),
            Pressed::GiveUp => return Err(io::ErrorKind::Interrupted.into()),
        }
    }
}

impl Standard {
    /// Waits for something to read, at most so long; is there something? Nothing is read.
    pub(crate) fn typed_within(time: Duration) -> io::Result<bool> {
        let (stdin, end) = (io::stdin(), Instant::now() + time);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let left = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&left)) {
                // Ctrl-C where it ends nothing.
                Err(Errno::INTR) => {}
                other => return Ok(other? > 0),
            }
        }
    }

    /// Forgets what was typed and not read, also the rest of a key that sends several bytes.
    pub(crate) fn forget_typed() {
        std::thread::sleep(Duration::from_millis(50));
        let _ = tcflush(io::stdin(), QueueSelector::IFlush);
    }

    /// Asks with everything shown; `TimedOut`, if no line is typed for so long.
    pub(crate) fn ask_within(question: &str, time: Duration) -> io::Result<Option<Zeroizing<String>>> {
        let mut screen = io::stderr();
        write!(screen, "{question}: ")?;
        screen.flush()?;
        if !Standard::typed_within(time)? {
            writeln!(screen)?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        read_line(&mut |_| Ok(()), Keys::plain())
    }
}

/// A terminal where each key can be read at once and none is shown, until this is dropped.
pub(crate) struct EachKey {
    _quiet: Quiet,
}

impl EachKey {
    /// What was typed before is forgotten.
    pub(crate) fn begin() -> io::Result<EachKey> {
        Ok(EachKey { _quiet: Quiet::begin()? })
    }
}

/// The terminal without echo and without line editing of its own, until it is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> io::Result<Quiet> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        // Signals too are ours: a Ctrl-C that ends the program here would leave the terminal mute.
        quiet.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Quiet(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
