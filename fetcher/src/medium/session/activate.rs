//! Starting the fetcher in this terminal, and what it reports.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anode_bundle::ExitCode;
use anode_bundle::name::tree::TIMESTAMP;
use serde::Deserialize;
use signal_hook::consts::{SIGINT, SIGKILL};

use super::stage::Place;
use super::{End, Session, Step};
use crate::beneath::Beneath;
use crate::words::fill;

/// The fetcher's report is one line of a few hundred bytes and a list of files.
const REPORT: u64 = 1 << 20;

/// What the fetcher's `--json` says of a success.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    pub profile: String,
    /// Nobody confirmed it on screen. Not said: nobody did.
    pub unattended: Option<bool>,
    /// Nothing is loaded: the firmware is to start this.
    pub staged: Option<Staged>,
}

/// What lies staged.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Staged {
    /// From the folder that the fetcher was given.
    pub loader: String,
}

/// A person ends the fetcher with Ctrl-C, and the kernel where memory runs out: that is where a large file is loaded.
fn meaning(status: ExitStatus) -> ExitCode {
    match (status.code(), status.signal()) {
        (_, Some(SIGINT)) => ExitCode::Declined,
        (_, Some(SIGKILL)) => ExitCode::HandOver,
        (number, _) => {
            let known = ExitCode::ALL.into_iter().find(|code| Some(i32::from(code.number())) == number);
            known.unwrap_or(ExitCode::Internal)
        }
    }
}

/// A copy that is damaged, incomplete or too old ends a run in one of these ways; so may a mirror.
fn is_perhaps_the_copys_fault(exit: ExitCode) -> bool {
    matches!(
        exit,
        ExitCode::SignatureInvalid
            | ExitCode::MetadataExpired
            | ExitCode::Rollback
            | ExitCode::Integrity
            | ExitCode::Unreachable
    )
}

/// Is it a copy of a tree, as far as the first byte of it tells?
fn begins(tree: &Path) -> bool {
    let opened = Beneath::open(tree).and_then(|tree| tree.read(TIMESTAMP));
    opened.and_then(|mut file| file.read_exact(&mut [0])).is_ok()
}

/// How a run of the fetcher ended.
pub(super) enum Loaded {
    /// A kernel is loaded.
    Ready(Told),
    Not(ExitCode),
}

impl Session<'_> {
    /// Runs `anode-fetch activate` with a person at the same terminal; once more, if the copy on the stick may be what is wrong.
    pub(super) fn activate(&mut self) -> io::Result<Loaded> {
        // The copy on the medium may be the only one: it is waited for, as long as it is looked for.
        self.wait_for_medium();
        self.tell_of_the_stick();
        let mut copies = self.copies().into_iter();
        let first = self.fetch(copies.next())?;
        let Loaded::Not(exit) = first else { return Ok(first) };
        let Some(other) = copies.next().filter(|_| is_perhaps_the_copys_fault(exit)) else { return Ok(first) };
        self.say("");
        self.say(self.words.other_copy);
        Ok(match self.fetch(Some(other))? {
            // Neither did; the newer one's page says more.
            Loaded::Not(again) if is_perhaps_the_copys_fault(again) => Loaded::Not(exit),
            ended => ended,
        })
    }

    fn fetch(&mut self, copy: Option<PathBuf>) -> io::Result<Loaded> {
        let ended = self.run_fetcher(copy)?;
        self.take_typed_code(&ended);
        Ok(ended)
    }

    fn run_fetcher(&mut self, copy: Option<PathBuf>) -> io::Result<Loaded> {
        let place = self.open_stage();
        let mut command = self.fetch_command(copy, place.as_ref())?;
        self.say("");
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                self.say(&format!("error: anode-fetch: {}", crate::error::reason(&error)));
                self.close_stage(place);
                return Ok(Loaded::Not(ExitCode::Io));
            }
        };
        let mut report = String::new();
        if let Some(stdout) = child.stdout.take() {
            let _ = stdout.take(REPORT).read_to_string(&mut report);
        }
        let status = child.wait()?;
        self.restore_terminal();
        let _ = std::fs::remove_file(self.machine.path("run/anode/code"));
        if status.success() {
            let told: Told = serde_json::from_str(&report).unwrap_or_default();
            match told.staged {
                Some(_) => self.place = place,
                None => self.close_stage(place),
            }
            return Ok(Loaded::Ready(told));
        }
        self.close_stage(place);
        if status.signal() == Some(SIGKILL) {
            self.say(self.words.killed);
        }
        Ok(Loaded::Not(meaning(status)))
    }

    fn fetch_command(&self, copy: Option<PathBuf>, place: Option<&Place>) -> io::Result<Command> {
        let machine = &self.machine;
        let mut command = Command::new(machine.path("bin/anode-fetch"));
        command.arg("activate");
        if place.is_none() || !self.presets.stage {
            command.arg("--kexec");
        }
        command.args(["--json", "--lang", self.language.tag()]);
        if let Some(place) = place {
            command.arg("--stage").arg(&place.folder);
        }
        command.arg("--root").arg(machine.path("etc/anode/root.json"));
        command.arg("--state").arg(machine.path("run/anode/state"));
        if !self.offline {
            for url in self.presets.urls.iter().chain(&self.site.urls) {
                command.arg("--site").arg(url);
            }
            if let Some(proxy) = &self.presets.proxy {
                command.arg("--proxy").arg(proxy);
            }
        }
        command.args(self.network_options());
        let mut file = |option: &str, path: PathBuf| {
            if path.exists() {
                command.arg(option).arg(path);
            }
        };
        if let Some(copy) = copy {
            file("--cache", copy);
        }
        file("--ca", machine.path("etc/anode/ca.pem"));
        file("--client-cert", machine.path("etc/anode/client.pem"));
        file("--client-key", machine.path("etc/anode/client.key"));
        if let Some(code) = self.code_file()? {
            command.arg("--code-file").arg(code);
        }
        if let Some(file) = self.lay_typed_code() {
            command.arg("--typed-code").arg(file);
        }
        if let Some(profile) = &self.presets.profile {
            command.arg("--profile").arg(profile);
        }
        command.stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        Ok(command)
    }

    /// The signed trees on the medium: the one that was refreshed on a stick, then the one that came with the image. Which is newer, the fetcher says.
    pub(super) fn copies(&self) -> Vec<PathBuf> {
        let refreshed = self.machine.path("run/anode/data/anode/tree");
        let came_along = self.machine.path("run/anode/medium/anode/tree");
        let first = Some(refreshed).filter(|tree| begins(tree));
        first.into_iter().chain(Some(came_along).filter(|tree| tree.exists())).collect()
    }

    /// Does the code come from the medium, rather than from a person?
    pub(super) fn code_is_preset(&self) -> bool {
        self.presets.code.is_some() || self.medium_code().is_some()
    }

    fn medium_code(&self) -> Option<PathBuf> {
        Some(self.machine.path("etc/anode/code")).filter(|path| !self.presets.forgotten && path.exists())
    }

    /// Not an argument: whoever opens a shell could read those of other programs.
    fn code_file(&self) -> io::Result<Option<PathBuf>> {
        let Some(code) = &self.presets.code else { return Ok(self.medium_code()) };
        let path = self.machine.path("run/anode/code");
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(code.as_bytes())?;
        Ok(Some(path))
    }

    /// A preset that did not work is asked for next time.
    pub(super) fn forget_presets(&mut self) {
        self.presets.code = None;
        self.presets.profile = None;
        self.presets.forgotten = true;
    }

    /// The installer is ready. What was done is remembered where that prevents doing it again unasked.
    pub(super) fn before_start(&mut self, told: &Told) -> io::Result<Step> {
        if !self.remember(told)? {
            self.unstage();
            return Ok(Step::Rest);
        }
        let end = match &told.staged {
            None => End::Start,
            Some(staged) => match self.start_next(&staged.loader) {
                Ok(()) => End::Again,
                Err(error) => {
                    self.say(&fill(self.words.not_next, &[("problem", &crate::error::reason(&error))]));
                    self.unstage();
                    return Ok(Step::Failed(ExitCode::HandOver));
                }
            },
        };
        self.say(if end == End::Again { self.words.starting_anew } else { self.words.starting });
        self.keep_log();
        Ok(Step::End(end))
    }
}
