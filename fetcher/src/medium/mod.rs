//! `anode-console`: what a person at the boot medium sees around the fetcher.
//!
//! One program in two parts. The *mirror* ([`mirror`]) opens every console of the machine, makes one pseudo-terminal and shows its output on all of
//! them; it believes and decides nothing. Inside the terminal runs the *session* ([`session`]): language, keyboard, network, then `anode-fetch`, then
//! the kernel that it loaded, or a page that says what to do. Neither verifies anything: what is believed is the fetcher's affair.
//!
//! Everything that is read or run lies below one folder, which is `/` on the medium and a temporary one in tests.

mod command;
mod firmware;
mod log;
mod mirror;
mod screen;
mod session;
mod site;

pub use command::run;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file longer than this is not one of ours.
const LIMIT: u64 = 1 << 20;

/// What stands for `/`.
#[derive(Debug, Clone)]
struct Machine {
    root: PathBuf,
}

impl Machine {
    fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// A small file's text; what can not be read is nothing.
    fn text(&self, below: &str) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(self.path(below)).ok()?.take(LIMIT).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A program of the medium, with nothing to read and its talk in the scripts' log.
    fn command(&self, below: &str) -> Command {
        let mut command = Command::new(self.path(below));
        // The scripts write paths as `$ANODE_ROOT/run/…`: nothing stands for `/`.
        let root = if self.root == Path::new("/") { PathBuf::new() } else { self.root.clone() };
        let log = self.log();
        let talk = || log.as_ref().and_then(|log| log.try_clone().ok()).map_or(Stdio::null(), Stdio::from);
        command.env("ANODE_ROOT", root).stdin(Stdio::null()).stdout(talk()).stderr(talk());
        command
    }

    fn log(&self) -> Option<File> {
        File::options().create(true).append(true).open(self.path("run/anode/scripts.log")).ok()
    }

    /// A line for the same log.
    fn note(&self, text: &str) {
        if let Some(mut log) = self.log() {
            let _ = writeln!(log, "{text}");
        }
    }

    /// Runs one to its end; did it succeed?
    fn run(&self, below: &str, arguments: &[&str]) -> bool {
        self.command(below).args(arguments).status().is_ok_and(|status| status.success())
    }
}
