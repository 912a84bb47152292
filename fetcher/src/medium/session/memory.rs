//! A medium with a code on it remembers which machines it installed: left in the machine, it would install it again at every start.
//!
//! The memory is a file on the stick, readable by anybody, without secrets: a time, a hash that stands for the machine, the profile. Where it can not
//! be read or written, an unattended installation is asked for: in doubt, nothing happens.

use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant, SystemTime};

use anode_bundle::Moment;
use anode_bundle::display::line;
use anode_bundle::name::Sha256;

use super::Session;
use super::activate::Told;
use crate::beneath::Beneath;
use crate::facts::Facts;
use crate::words::fill;

const FILE: &str = "anode-done.txt";
const FILE_DRAFT: &str = "anode-done.new";
const LOG_FILE: &str = "anode-log.txt";
const LOG_DRAFT: &str = "anode-log.new";
const HEAD: &str = "# What this medium installed: when, the machine (a hash of its UUID and serial number), the profile. Without the\n\
                    # line of a machine it is installed again without a question, if its profile is unattended.\n";
/// Some thousand machines.
const LIMIT: u64 = 1 << 18;
/// The search for the medium ends by itself before.
const PATIENCE: Duration = Duration::from_secs(25);

impl Session<'_> {
    /// May the code on the medium be used? Asked before anything happens where this machine was installed before.
    pub(super) fn may_begin(&mut self) -> io::Result<bool> {
        if !self.code_is_preset() {
            return Ok(true);
        }
        self.wait_for_medium();
        let Some(before) = self.on_stick(|stick| Self::remembered(stick, &self.machine_mark())) else {
            return Ok(true);
        };
        let (when, profile) = match before {
            Ok(None) => return Ok(true),
            Ok(Some((when, profile))) => (when, profile),
            Err(_) => unreadable(),
        };
        self.wants_again(&when, &profile)
    }

    /// This machine was installed before: only a person's yes lets it happen again.
    fn wants_again(&mut self, when: &str, profile: &str) -> io::Result<bool> {
        self.say("");
        let said = fill(self.words.done_before, &[("when", &line(when, 30)), ("profile", &line(profile, 60))]);
        self.say(&said);
        self.wanted_again = self.ask_yes(self.words.again_question)?;
        Ok(self.wanted_again)
    }

    /// Writes down what will be started; without that, a person is asked where nobody was. May it be started?
    ///
    /// The stick may have appeared only since [`Self::may_begin`]: it is read once more, before anything is written on it.
    pub(super) fn remember(&mut self, told: &Told) -> io::Result<bool> {
        if self.code_is_preset() {
            self.wait_for_medium();
            let mark = self.machine_mark();
            let entry = format!("{} {mark} {}\n", now(), line(&told.profile, 64));
            let wanted_again = self.wanted_again;
            let (before, is_remembered) = self
                .on_stick(|stick| {
                    let before = Self::remembered(stick, &mark).unwrap_or_else(|_| Some(unreadable()));
                    let is_new = wanted_again || before.is_none();
                    (before, is_new && Self::append(stick, &entry).is_ok())
                })
                .unwrap_or_default();
            if let Some((when, profile)) = before.filter(|_| !wanted_again)
                && !self.wants_again(&when, &profile)?
            {
                return Ok(false);
            }
            let was_asked = self.wanted_again || told.unattended == Some(false);
            if !is_remembered && !was_asked {
                self.say("");
                self.say(self.words.not_remembered);
                let question = fill(self.words.start_question, &[("profile", &line(&told.profile, 40))]);
                return self.ask_yes(&question);
            }
        }
        Ok(true)
    }

    /// Machines without an identity of their own share one mark: in doubt, a person is asked.
    fn machine_mark(&self) -> String {
        let system = Facts::read(&self.machine.root).system;
        let (uuid, serial) = (system.uuid.unwrap_or_default(), system.serial.unwrap_or_default());
        let text = format!("anode/1 done\n{}\n{uuid}\n{serial}\n", self.site.site);
        Sha256::of(text.as_bytes()).to_string().get(..32).unwrap_or_default().to_owned()
    }

    fn remembered(stick: &Beneath, mark: &str) -> io::Result<Option<(String, String)>> {
        let mut text = String::new();
        match stick.read(FILE) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?.take(LIMIT).read_to_string(&mut text)?,
        };
        let mut found = text.lines().rev().filter_map(|line| {
            let mut words = line.split(' ');
            let (when, machine, profile) = (words.next()?, words.next()?, words.next().unwrap_or_default());
            (machine == mark).then(|| (when.to_owned(), profile.to_owned()))
        });
        Ok(found.next())
    }

    fn append(stick: &Beneath, entry: &str) -> io::Result<()> {
        let mut text = Vec::new();
        match stick.read(FILE) {
            Err(error) if error.kind() == ErrorKind::NotFound => text.extend(HEAD.as_bytes()),
            opened => drop(opened?.take(LIMIT + 1).read_to_end(&mut text)?),
        }
        if text.len() as u64 > LIMIT {
            return Err(ErrorKind::FileTooLarge.into());
        }
        text.extend(entry.as_bytes());
        stick.replace(FILE, FILE_DRAFT, &text)
    }

    /// With the stick's folder, while it can be written. `None`: there is no stick, or nobody may write on it.
    pub(super) fn on_stick<T>(&self, work: impl FnOnce(&Beneath) -> T) -> Option<T> {
        if !self.machine.run("lib/anode/stick", &["open"]) {
            return None;
        }
        let stick = Beneath::open(&self.machine.path("run/anode/stick"));
        let done = stick.ok().map(|stick| work(&stick));
        self.machine.run("lib/anode/stick", &["close"]);
        done
    }

    /// The log onto the stick; where that is not possible, nobody is told: it is wanted for later.
    pub(super) fn keep_log(&self) -> bool {
        let text = self.whole_log();
        matches!(self.on_stick(|stick| stick.replace(LOG_FILE, LOG_DRAFT, text.as_bytes())), Some(Ok(())))
    }

    /// Until the search for the medium is over. Where nothing is said of it, it has not begun.
    pub(super) fn wait_for_medium(&mut self) {
        let end = Instant::now() + PATIENCE;
        let mut told = false;
        while self.machine.text("run/anode/medium.state").is_none_or(|state| state.trim() == "searching") {
            if Instant::now() > end {
                return;
            }
            if !std::mem::replace(&mut told, true) {
                self.say(self.words.searching);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// A file that can not be read may hold this machine: when, which profile.
fn unreadable() -> (String, String) {
    ("?".to_owned(), "?".to_owned())
}

fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Moment::from_seconds(since.as_secs()).to_string()
}
