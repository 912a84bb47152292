//! A person at a terminal: a program inside a pseudo-terminal, what it shows, what is typed.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::program::Program;

/// For what is computed between two lines as well, in programs that are not optimised.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program that runs in a terminal of its own. It ends with this value.
pub struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
    // What was waited for before, so that the same words can come twice.
    seen: usize,
}

impl Terminal {
    /// Runs a command line; every word must be free of quotes.
    ///
    /// # Panics
    /// If `script`, which makes the terminal, is not there.
    #[must_use]
    pub fn run(words: &[String]) -> Terminal {
        let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
        let mut command = Program::new("script")
            .args(["-q", "-e", "-f", "-c", &format!("exec {}", quoted.join(" ")), "/dev/null"])
            .into_command();
        let child =
            command.env("TERM", "vt100").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("starting `script`: {error}"));
        let keyboard = child.stdin.take().expect("a pipe");
        let mut output = child.stdout.take().expect("a pipe");
        let screen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                shared.lock().expect("the screen").extend_from_slice(&buffer[..count]);
            }
        });
        Terminal { child, keyboard, screen, seen: 0 }
    }

    /// Everything that was shown.
    #[must_use]
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().expect("the screen")).into_owned()
    }

    /// Waits until `words` are shown after what was waited for before.
    ///
    /// # Panics
    /// If they do not come.
    #[track_caller]
    pub fn expect(&mut self, words: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if let Some(found) = screen.get(self.seen..).and_then(|new| new.find(words)) {
                self.seen += found + words.len();
                return;
            }
            assert!(Instant::now() < end, "`{words}` is not shown:\n{screen}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Types a line.
    ///
    /// # Panics
    /// If nobody reads it.
    pub fn type_line(&mut self, line: &str) {
        self.keyboard.write_all(format!("{line}\r").as_bytes()).expect("typing");
        self.keyboard.flush().expect("typing");
    }

    /// Waits for the end; its exit status.
    ///
    /// # Panics
    /// If it does not end.
    #[track_caller]
    pub fn exit(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("waiting for a child") {
                return status.code();
            }
            assert!(Instant::now() < end, "does not end:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // `script` hangs up on the program in its terminal when it goes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
