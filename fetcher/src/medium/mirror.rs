//! One terminal on every console at once.
//!
//! A console may be dead: a serial line without a cable, or one that was stopped by XOFF. Each has a queue of its own with an end; what does not
//! fit is lost on that console alone, and no write ever waits. Whatever is typed on any of them is typed in the one terminal.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Winsize, tcgetattr, tcsetattr,
    tcsetwinsize,
};

use super::log::Log;
use super::session::End;
use super::{Machine, site};

/// A few screens. A serial line of 9600 baud takes a minute for them.
const QUEUE: usize = 64 << 10;
/// How long the last words may take to reach the consoles.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// There, if the machine went on although a session ended it.
pub(super) const NOT_ENDED: &str = "run/anode/not-ended";

/// Shows sessions, one after the other, until the machine starts something else or is switched off.
pub(super) fn run(machine: &Machine, named: &[PathBuf]) -> io::Result<()> {
    let paths: Vec<PathBuf> = if named.is_empty() {
        site::consoles(machine).iter().map(|name| machine.path("dev").join(name)).collect()
    } else {
        named.to_vec()
    };
    let mut consoles: Vec<Console> = paths.iter().filter_map(|path| Console::open(path).ok()).collect();
    if consoles.is_empty() {
        return Err(io::Error::other(format!("none of the {} consoles can be opened", paths.len())));
    }
    let mut log = Log::open(&machine.path("run/anode/log"));
    loop {
        let status = show_session(machine, &mut consoles, &mut log)?;
        drain(&mut consoles);
        match End::of(status) {
            Some(end) if machine.run("lib/anode/end", &[end.word()]) => return Ok(()),
            // The next session says it.
            Some(_) => drop(File::create(machine.path(NOT_ENDED))),
            None => {}
        }
        // Nobody is served by a loop without a pause.
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Runs one session in a terminal of its own: its end hangs up the terminal.
fn show_session(machine: &Machine, consoles: &mut Vec<Console>, log: &mut Log) -> io::Result<Option<i32>> {
    let (master, mut child) = begin(machine)?;
    loop {
        let mut waited: Vec<PollFd<'_>> = vec![PollFd::new(&master, PollFlags::IN)];
        for console in consoles.iter() {
            let out = if console.queue.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            waited.push(PollFd::new(&console.fd, PollFlags::IN | out));
        }
        let tick = Timespec { tv_sec: 1, tv_nsec: 0 };
        match poll(&mut waited, Some(&tick)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        drop(waited);
        let mut buffer = [0; 4096];
        match rustix::io::read(&master, &mut buffer) {
            Ok(0) | Err(rustix::io::Errno::IO) => break,
            Ok(count) => {
                let printed = buffer.get(..count).unwrap_or_default();
                log.write(printed);
                consoles.iter_mut().for_each(|console| console.show(printed));
            }
            Err(_) => {}
        }
        consoles.retain_mut(|console| console.flush());
        consoles.retain_mut(|console| {
            let count = match rustix::io::read(&console.fd, &mut buffer) {
                Ok(0) | Err(rustix::io::Errno::IO) => return false,
                Ok(count) => count,
                Err(_) => return true,
            };
            let typed = buffer.get(..count).unwrap_or_default();
            if tcgetattr(&master).is_ok_and(|modes| modes.local_modes.contains(LocalModes::ECHO)) {
                log.expect_echo(typed);
            }
            // A terminal that nobody reads is full at some time: more keys are lost, as on every console.
            let _ = rustix::io::write(&master, typed);
            buffer.fill(0);
            true
        });
    }
    drop(master);
    Ok(child.wait()?.code())
}

fn begin(machine: &Machine) -> io::Result<(OwnedFd, Child)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    rustix::io::ioctl_fionbio(&master, true)?;
    let name = ptsname(&master, Vec::new())?;
    let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    tcsetwinsize(&slave, Winsize { ws_row: 25, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 })?;
    let mut modes = tcgetattr(&slave)?;
    modes.input_modes |= InputModes::IUTF8;
    // Nothing here can be suspended, and nobody wants a core.
    modes.special_codes[SpecialCodeIndex::VSUSP] = 0;
    modes.special_codes[SpecialCodeIndex::VQUIT] = 0;
    tcsetattr(&slave, OptionalActions::Now, &modes)?;
    let child = Command::new(std::env::current_exe()?)
        .arg("session")
        .arg("--root")
        .arg(&machine.root)
        .stdin(Stdio::from(slave.try_clone()?))
        .stdout(Stdio::from(slave.try_clone()?))
        .stderr(Stdio::from(slave))
        .spawn()?;
    Ok((master, child))
}

/// Waits until every console that lives has shown the last words.
fn drain(consoles: &mut Vec<Console>) {
    let end = Instant::now() + LAST_WORDS;
    while consoles.iter().any(|console| !console.queue.is_empty()) && Instant::now() < end {
        consoles.retain_mut(|console| console.flush());
        std::thread::sleep(Duration::from_millis(20));
    }
}

struct Console {
    fd: OwnedFd,
    queue: VecDeque<u8>,
}

impl Console {
    /// Takes a terminal over: every key as it comes, nothing shown by itself, whether or not a cable is plugged in.
    fn open(path: &Path) -> io::Result<Console> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        let mut modes = tcgetattr(&fd)?;
        modes.make_raw();
        modes.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
        tcsetattr(fd.as_fd(), OptionalActions::Now, &modes)?;
        Ok(Console { fd, queue: VecDeque::new() })
    }

    fn show(&mut self, bytes: &[u8]) {
        if self.queue.len() + bytes.len() <= QUEUE {
            self.queue.extend(bytes);
        }
    }

    /// Writes what can be written now. `false`: this console is gone.
    fn flush(&mut self) -> bool {
        while !self.queue.is_empty() {
            let (front, _) = self.queue.as_slices();
            match rustix::io::write(&self.fd, front) {
                Ok(0) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return true,
                Ok(count) => drop(self.queue.drain(..count)),
                Err(_) => return false,
            }
        }
        true
    }
}
