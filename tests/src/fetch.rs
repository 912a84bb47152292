//! The fetcher, as a script on the medium would call it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Output, Program, binary};

/// One run of `anode-fetch activate --json` that is being put together.
pub struct Fetch {
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, &'static str)>,
    folder: TempDir,
    files: PathBuf,
}

/// How it ended.
#[derive(Debug)]
pub struct Fetched {
    /// Exit status, standard output, standard error.
    pub output: Output,
    /// The JSON object on standard output.
    pub json: Value,
    /// The folder that was given to `--files`.
    pub files: PathBuf,
    // Holds the files for as long as the result lives.
    _folder: TempDir,
}

impl Fetch {
    /// With a root document; the files go to a new folder.
    #[must_use]
    pub fn new(root: &Path) -> Fetch {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = folder.path().join("files");
        Fetch { arguments: Vec::new(), environment: Vec::new(), folder, files }.option("--root", root)
    }

    /// One more option with its value.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl AsRef<OsStr>) -> Fetch {
        self.arguments.extend([OsString::from(name), value.as_ref().to_owned()]);
        self
    }

    /// One more switch.
    #[must_use]
    pub fn switch(mut self, name: &str) -> Fetch {
        self.arguments.push(name.into());
        self
    }

    /// Answers to prompts, each as `NAME=VALUE`.
    #[must_use]
    pub fn answers(self, answers: &[&str]) -> Fetch {
        answers.iter().fold(self, |fetch, answer| fetch.option("--answer", answer))
    }

    /// An environment variable.
    #[must_use]
    pub fn environment(mut self, name: &'static str, value: &'static str) -> Fetch {
        self.environment.push((name, value));
        self
    }

    /// Writes the files somewhere else.
    #[must_use]
    pub fn into(mut self, files: impl AsRef<Path>) -> Fetch {
        self.files = files.as_ref().to_owned();
        self
    }

    /// Runs it.
    #[must_use]
    #[track_caller]
    pub fn run(self) -> Fetched {
        let program = Program::new(binary("anode-fetch")).arg("activate").args(&self.arguments);
        let program = self.environment.iter().fold(program, |program, (name, value)| program.env(name, value));
        let output = program.arg("--files").arg(&self.files).arg("--json").run();
        let json = output.json();
        Fetched { output, json, files: self.files, _folder: self.folder }
    }
}

impl Fetched {
    /// The run succeeded; returns what it wrote: path to bytes.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn files(&self) -> std::collections::BTreeMap<String, Vec<u8>> {
        assert_eq!(self.output.exit, Some(0), "{}", self.output);
        assert_eq!(self.json["ok"], true, "{}", self.output);
        crate::files(&self.files)
    }

    /// The record of the choice.
    ///
    /// # Panics
    /// If the run failed.
    #[track_caller]
    #[must_use]
    pub fn selection(&self) -> Value {
        let files = self.files();
        let record = files.get("provisioning-selection.json").expect("the record of the choice");
        serde_json::from_slice(record).expect("JSON")
    }

    /// The run was refused: exit status, `code` in the JSON, a message and a remedy for people, and no file. Returns the message.
    ///
    /// # Panics
    /// If anything of that is not so.
    #[track_caller]
    pub fn refused(&self, exit: i32, code: &str) -> String {
        assert_eq!(self.output.exit, Some(exit), "{}", self.output);
        assert_eq!(self.json["ok"], false, "{}", self.output);
        assert_eq!(self.json["exit"], exit, "{}", self.output);
        assert_eq!(self.json["code"], code, "{}", self.output);
        let message = self.json["message"].as_str().unwrap_or_default();
        let remedy = self.json["remedy"].as_str().unwrap_or_default();
        assert!(!message.is_empty() && !remedy.is_empty(), "{}", self.output);
        assert!(self.output.stderr.contains("error: ") && self.output.stderr.contains("help: "), "{}", self.output);
        assert!(!self.files.exists(), "something was written\n{}", self.output);
        message.to_owned()
    }
}
