//! The command line of `anode-console`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use lexopt::prelude::*;

use super::session::{End, Session};
use super::{Machine, mirror};
use crate::console::Standard;

const HELP: &str = "\
anode-console: what a person at the boot medium sees

usage: anode-console [options]            every console of the machine at once
       anode-console session [options]    the same questions in this terminal
       anode-console start-kernel         begin the kernel that was loaded
       anode-console unstage DIR          remove what was staged below DIR

  --root DIR       the folder that stands for /
  --console PATH   a terminal to show it on, instead of those that the medium
                   and the kernel's arguments name; repeat it for more
  -h, --help       this text
  -V, --version    the version
";

enum What {
    Mirror,
    Session,
    StartKernel,
    Unstage(PathBuf),
    Say(String),
}

/// Runs the program; returns its exit status.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> u8 {
    let (what, machine, consoles) = match parse(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}\nhelp: try `anode-console --help`");
            return 2;
        }
    };
    let ended = match what {
        What::Say(text) => io::stdout().write_all(text.as_bytes()).map(|()| 0),
        What::Mirror => mirror::run(&machine, &consoles).map(|()| 0),
        What::Session => session(machine).map(End::status),
        // It does not return if it can.
        What::StartKernel => {
            rustix::system::reboot(rustix::system::RebootCommand::Kexec).map(|()| 0).map_err(Into::into)
        }
        What::Unstage(dir) => crate::kexec::unstage(&dir).map(|_| 0),
    };
    ended.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "error: {}", crate::error::reason(&error));
        1
    })
}

fn session(machine: Machine) -> io::Result<End> {
    // A terminal of its own, where the mirror gave it one: Ctrl-C reaches the fetcher. Below another program's terminal neither is possible.
    if rustix::process::setsid().is_ok() {
        rustix::process::ioctl_tiocsctty(io::stdin())?;
    }
    // Ctrl-C ends what runs in the session, never the session.
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGQUIT] {
        signal_hook::flag::register(signal, std::sync::Arc::default())?;
    }
    let mut terminal = Standard;
    Session::new(machine, &mut terminal).run()
}

fn parse(arguments: Vec<OsString>) -> Result<(What, Machine, Vec<PathBuf>), lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut what, mut root, mut consoles) = (What::Mirror, PathBuf::from("/"), Vec::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => what = What::Say(HELP.to_owned()),
            Short('V') | Long("version") => what = What::Say(format!("anode-console {}\n", env!("CARGO_PKG_VERSION"))),
            Long("root") => root = parser.value()?.into(),
            Long("console") => consoles.push(parser.value()?.into()),
            Value(word) if word == "session" => what = What::Session,
            Value(word) if word == "start-kernel" => what = What::StartKernel,
            Value(word) if word == "unstage" => what = What::Unstage(parser.value()?.into()),
            other => return Err(other.unexpected()),
        }
    }
    Ok((what, Machine { root }, consoles))
}
