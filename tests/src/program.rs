//! Programs with a limit of time and a clean environment.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything takes on a slow machine, shorter than anybody's patience.
const LIMIT: Duration = Duration::from_secs(120);

/// How a program ended.
#[derive(Debug)]
pub struct Output {
    /// Its command line.
    pub command: String,
    /// Its exit status; `None` if a signal ended it.
    pub exit: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Output {
    /// The same, if it succeeded.
    ///
    /// # Panics
    /// If it did not.
    #[must_use]
    #[track_caller]
    pub fn ok(self) -> Output {
        assert_eq!(self.exit, Some(0), "{self}");
        self
    }

    /// The same, if it failed with a message that holds every one of `words`.
    ///
    /// # Panics
    /// If it succeeded, was killed, panicked, or said something else.
    #[must_use]
    #[track_caller]
    pub fn fails(self, words: &[&str]) -> Output {
        assert!(matches!(self.exit, Some(status) if status != 0), "{self}");
        assert!(!self.stderr.contains("panicked"), "{self}");
        for word in words {
            assert!(self.stderr.contains(word) || self.stdout.contains(word), "`{word}` is not in the message\n{self}");
        }
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// If it is not one JSON value.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON: {error}\n{self}"))
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let exit = self.exit.map_or("a signal".to_owned(), |status| status.to_string());
        write!(f, "$ {}\n{}{}[{exit}]", self.command, self.stdout, self.stderr)
    }
}

/// A program that will run.
pub struct Program {
    command: Command,
    input: Vec<u8>,
    limit: Duration,
}

impl Program {
    /// With an environment that holds PATH with the binaries under test before it, and nothing of the person who runs the tests.
    pub fn new(program: impl AsRef<OsStr>) -> Program {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env_clear()
            .env("PATH", format!("{}:{path}:/usr/sbin:/sbin", binaries().display()))
            .env("LC_ALL", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Test")
            .env("GIT_AUTHOR_EMAIL", "test@example.org")
            .env("GIT_COMMITTER_NAME", "Test")
            .env("GIT_COMMITTER_EMAIL", "test@example.org");
        Program { command, input: Vec::new(), limit: LIMIT }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Program {
        self.command.arg(argument);
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Program {
        self.command.args(arguments);
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Program {
        self.command.env(name, value);
        self
    }

    /// The folder to run in.
    #[must_use]
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Program {
        self.command.current_dir(folder);
        self
    }

    /// What it reads from standard input.
    #[must_use]
    pub fn input(mut self, text: &str) -> Program {
        self.input = text.as_bytes().to_vec();
        self
    }

    /// How long it may take.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Program {
        self.limit = limit;
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it can not be started or takes too long.
    #[must_use]
    #[track_caller]
    pub fn run(mut self) -> Output {
        let command = self.line();
        let mut child = self.spawn();
        let mut stdin = child.stdin.take().expect("a pipe");
        // A program that does not read its input is none of our business.
        let _ = stdin.write_all(&self.input);
        drop(stdin);
        let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
        let end = Instant::now() + self.limit;
        let status = loop {
            if let Some(status) = child.try_wait().expect("waiting for a child") {
                break status;
            }
            if Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                panic!("took longer than {:?}: {command}\n{}", self.limit, text(stderr));
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        Output { command, exit: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Runs it and kills it with SIGKILL after `delay`, unless it ended before. True if it was killed.
    ///
    /// # Panics
    /// If it can not be started.
    #[must_use]
    pub fn killed_after(mut self, delay: Duration) -> bool {
        let mut child = self.spawn();
        drop(child.stdin.take());
        let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
        let end = Instant::now() + delay;
        while Instant::now() < end && child.try_wait().expect("waiting for a child").is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        let _ = child.kill();
        let status = child.wait().expect("waiting for a child");
        let _ = (text(stdout), text(stderr));
        status.code().is_none()
    }

    fn line(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    fn spawn(&mut self) -> Child {
        let line = self.line();
        let command = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap_or_else(|error| panic!("starting `{line}`: {error}; `ci/test` installs what is needed"))
    }

    /// The command itself, for what is watched while it runs.
    #[must_use]
    pub fn into_command(self) -> Command {
        self.command
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    let mut pipe = pipe.expect("a pipe");
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

fn text(pipe: JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&pipe.join().expect("a reader")).into_owned()
}

/// A binary under test: beside the test's own executable, or in the folder ANODE_TEST_BIN.
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let path = binaries().join(name);
    assert!(
        path.is_file(),
        "`{}` is not built: run `cargo build --workspace --bins` first, as `ci/test` does",
        path.display()
    );
    path
}

fn binaries() -> PathBuf {
    std::env::var_os("ANODE_TEST_BIN").map(PathBuf::from).unwrap_or_else(|| {
        let test = std::env::current_exe().expect("the test's own path");
        let deps = test.parent().expect("target/*/deps");
        if deps.ends_with("deps") { deps.parent().expect("target/*").to_owned() } else { deps.to_owned() }
    })
}

/// The operator's program with arguments.
pub fn anode(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Program {
    Program::new(binary("anode")).args(arguments)
}
