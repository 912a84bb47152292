//! A boot medium without a machine: a folder that stands for `/`, with the real `anode-console` and scripts that play the fetcher, network and stick.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::program::binary;
use crate::terminal::Terminal;

/// The folder.
pub struct Medium(tempfile::TempDir);

impl Medium {
    /// With a network that is up, a stick that can be written, keyboards, and a fetcher that loads a kernel.
    ///
    /// # Panics
    /// If the folder can not be made.
    #[must_use]
    pub fn new() -> Medium {
        let medium = Medium(tempfile::tempdir().expect("a folder"));
        for folder in ["proc", "bin", "etc/anode", "lib/anode", "run/anode/stick", "run/anode/state", "dev"] {
            fs::create_dir_all(medium.path(folder)).expect("a folder");
        }
        medium.write("proc/cmdline", "quiet\n");
        let site = r#"{"format":1,"site":"AAAA","title":"Example site","urls":["https://a.example"],
                       "built":"2026-11-21T10:00:00Z","language":"en"}"#;
        medium.write("etc/anode/medium.json", site);
        symlink(crate::source().join("site/medium/keyboards"), medium.path("etc/anode/keyboards")).expect("a link");
        medium.write("run/anode/network", "up\neth0 ready 192.0.2.10/24\n");
        medium.write("run/anode/medium.state", "found sda1\n");
        medium.script("lib/anode/network", "echo network \"$@\" >>\"$ANODE_ROOT/calls\"");
        medium.script("lib/anode/wifi", "exit 1");
        medium.script("lib/anode/stick", "echo stick \"$@\" >>\"$ANODE_ROOT/calls\"");
        medium.script("lib/anode/end", "echo end \"$@\" >>\"$ANODE_ROOT/calls\"");
        medium.fetcher("echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":false}'");
        medium
    }

    /// A path below the folder.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// A file below it.
    ///
    /// # Panics
    /// If it can not be written.
    pub fn write(&self, below: &str, text: &str) {
        fs::write(self.path(below), text).unwrap_or_else(|error| panic!("writing {below}: {error}"));
    }

    /// What a file holds; nothing, if it is not there.
    #[must_use]
    pub fn read(&self, below: &str) -> String {
        fs::read(self.path(below)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// A program below it.
    pub fn script(&self, below: &str, text: &str) {
        crate::program_file(&self.path(below), &format!("#!/bin/sh\n{text}\n"));
    }

    /// Plays the fetcher; its arguments are kept.
    pub fn fetcher(&self, text: &str) {
        let arguments = self.path("arguments");
        self.script("bin/anode-fetch", &format!("echo \"$@\" >>'{}'\n{text}", arguments.display()));
    }

    /// The session alone, in a terminal.
    #[must_use]
    pub fn session(&self) -> Terminal {
        Terminal::run(&words(&["anode-console", "session", "--root"], &[self.0.path()]))
    }

    /// The real program on these terminals.
    #[must_use]
    pub fn mirror(&self, consoles: &[PathBuf]) -> Terminal {
        let mut words = words(&["anode-console", "--root"], &[self.0.path()]);
        for console in consoles {
            words.extend(["--console".to_owned(), console.display().to_string()]);
        }
        Terminal::run(&words)
    }

    /// A console that shows what is written on it, and where it is.
    #[must_use]
    pub fn console(&self, name: &str) -> (Terminal, PathBuf) {
        self.script("console", "tty >\"$1.new\" && mv \"$1.new\" \"$1\" && exec sleep 120");
        self.place(name, &[self.path("console").display().to_string()])
    }

    /// A console whose other end nobody reads: it is full at some time.
    #[must_use]
    pub fn dead_console(&self, name: &str) -> (Terminal, PathBuf) {
        let text = "import os, pty, sys, time\nends = pty.openpty()\nopen(sys.argv[1] + '.new', 'w').write(os.ttyname(ends[1]))\n\
                    os.rename(sys.argv[1] + '.new', sys.argv[1])\ntime.sleep(120)\n";
        self.write("dead.py", text);
        self.place(name, &["python3".to_owned(), self.path("dead.py").display().to_string()])
    }

    fn place(&self, name: &str, program: &[String]) -> (Terminal, PathBuf) {
        let place = self.path(&format!("dev/{name}.path"));
        let words: Vec<String> = program.iter().cloned().chain([place.display().to_string()]).collect();
        let terminal = Terminal::run(&words);
        crate::wait_for("a terminal", || place.exists());
        (terminal, PathBuf::from(self.read(&format!("dev/{name}.path")).trim()))
    }
}

impl Default for Medium {
    fn default() -> Medium {
        Medium::new()
    }
}

fn words(program: &[&str], paths: &[&Path]) -> Vec<String> {
    let (name, options) = program.split_first().expect("a program");
    let mut words = vec![binary(name).display().to_string()];
    words.extend(options.iter().map(|option| (*option).to_owned()));
    words.extend(paths.iter().map(|path| path.display().to_string()));
    words
}
