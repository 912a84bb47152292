//! Questions and answers, line by line: works on a serial console and on 80 × 25.
//!
//! Everything that comes from a document goes through [`anode_bundle::display`]. The code and passwords are not shown while they are typed, and a code is
//! checked before anything is sent.

mod keys;
mod progress;
mod questions;
mod terminal;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anode_bundle::activation::{Menu, Offer};
use anode_bundle::client::Event;
use anode_bundle::code::{BadCode, Secret};
use anode_bundle::display::line;
use anode_bundle::pack::network::{Left, hand_over};
use anode_bundle::pack::{Answers, Manifest, NetworkSettings, NetworkWords, PromptType};
use anode_bundle::{Moment, Refusal};
use zeroize::Zeroizing;

use crate::activate::{Choice, Person, Unasked};
use crate::answers::Sheet;
use crate::error::{Failure, reason};
use crate::facts::Disk;
use crate::hand_over::Way;

use crate::words::{Language, Words, fill};
use progress::Transfer;
pub(crate) use terminal::EachKey;
pub use terminal::{Echo, Standard, Terminal, Verdicts};

/// How often a code may be mistyped.
const TRIES: usize = 5;
/// The widest line.
pub(crate) const WIDTH: usize = 79;

/// A person at a terminal, or, with a code given in advance, somebody who only watches.
pub struct Console<'a> {
    terminal: &'a mut dyn Terminal,
    language: Language,
    words: &'static Words,
    unasked: Option<Unasked>,
    /// The code was given, and a person is there for everything else.
    preset: Option<Secret>,
    is_preset: bool,
    /// Where a code that is typed is kept for the next run.
    keep: Option<PathBuf>,
    disks: Vec<Disk>,
    /// `/`, or a folder in tests.
    root: PathBuf,
    target: String,
    /// What is confirmed leads to a disk that is erased.
    erases: bool,
    transfer: Option<Transfer>,
    /// What the installer is to be given.
    network: NetworkSettings,
    /// What went wrong and did not stop the run.
    pub warnings: Vec<String>,
}

impl<'a> Console<'a> {
    /// `code`, if it was given in advance: then nothing is asked. `disks` are shown where a disk is asked for, `target` is named before the last
    /// question; `None` is this machine's memory.
    pub fn new(
        terminal: &'a mut dyn Terminal,
        language: Language,
        code: Option<Secret>,
        disks: Vec<Disk>,
        target: Option<String>,
    ) -> Console<'a> {
        let words = language.words();
        Console {
            terminal,
            language,
            words,
            unasked: code.map(Unasked::new),
            preset: None,
            is_preset: false,
            keep: None,
            disks,
            root: PathBuf::from("/"),
            erases: target.is_none(),
            target: target.unwrap_or_else(|| words.memory.to_owned()),
            transfer: None,
            network: NetworkSettings::default(),
            warnings: Vec::new(),
        }
    }

    /// With a code that need not be typed; all the rest is asked. Nothing is erased because somebody else knew a code.
    #[must_use]
    pub fn preset(mut self, code: Option<Secret>) -> Console<'a> {
        self.is_preset = code.is_some();
        self.preset = code;
        self
    }

    /// With a code that a person typed before, if there is one; one that is typed now is kept in the file, which only its owner may read.
    #[must_use]
    pub fn typed(mut self, code: Option<Secret>, file: PathBuf) -> Console<'a> {
        self.preset = code;
        self.keep = Some(file);
        self
    }

    /// A convenience: where nothing can be written, the code is typed again.
    fn keep(&self, code: &str) {
        let Some(file) = &self.keep else { return };
        let new = File::options().write(true).create_new(true).mode(0o600).open(file);
        let _ = new.and_then(|mut file| file.write_all(code.as_bytes()));
    }

    /// With the network of this machine, which the installer is to be given: what it can not be given is said before the last question.
    #[must_use]
    pub fn network(mut self, settings: NetworkSettings) -> Console<'a> {
        self.network = settings;
        self
    }

    /// The last line of a run.
    pub fn done(&mut self, count: usize) {
        let text = fill(self.words.done, &[("count", &count.to_string()), ("folder", &line(&self.target, 60))]);
        self.say(&text);
    }

    /// Folds what is too wide for a person's screen. Columns and a pipe's lines stay as they are.
    fn say(&mut self, text: &str) {
        if text.chars().count() <= WIDTH || !self.terminal.is_typed() {
            return self.terminal.say(text);
        }
        for row in fold(text, WIDTH) {
            self.terminal.say(&row);
        }
    }

    fn ask(&mut self, question: &str, echo: Echo) -> Result<Zeroizing<String>, Failure> {
        match self.terminal.ask(question, echo) {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(Failure::NoAnswer(question.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(Failure::Declined),
            Err(error) => Err(Failure::io(format!("reading the answer to `{question}`: {}", reason(&error)))),
        }
    }

    /// A numbered list; returns the name of the chosen one. Names can be typed too; an empty answer is the default, or the next page.
    fn choose(&mut self, names: &[String], titles: &[String], default: Option<&str>) -> Result<String, Failure> {
        // One screen of 25 lines, with room for what was said before.
        const PAGE: usize = 18;
        let pages = titles.len().div_ceil(PAGE).max(1);
        let mut page = 0;
        let mut listed = false;
        loop {
            if !listed {
                for (number, title) in titles.iter().enumerate().skip(page * PAGE).take(PAGE) {
                    self.say(&format!("{:3}  {}", number + 1, line(title, WIDTH - 5)));
                }
                listed = true;
            }
            let question = if pages > 1 { self.words.choose_more } else { self.words.choose };
            let answer = self.ask(question, Echo::Shown)?;
            let answer = answer.trim();
            let number = answer.parse::<usize>().ok().filter(|number| (1..=titles.len()).contains(number));
            let by_name = names.iter().find(|name| *name == answer);
            let chosen = by_name.or_else(|| names.get(number?.checked_sub(1)?)).map(String::as_str);
            if let Some(name) = chosen.or(default.filter(|_| answer.is_empty())) {
                return Ok(name.to_owned());
            }
            if answer.is_empty() && pages > 1 {
                page = (page + 1) % pages;
                listed = false;
            } else {
                self.say(self.words.choose_wrong);
            }
        }
    }

    fn code_problem(&self, bad: &BadCode) -> String {
        match bad {
            BadCode::Foreign { character, position } => {
                fill(self.words.code_foreign, &[("character", character), ("position", &position.to_string())])
            }
            BadCode::Length { found } => fill(self.words.code_length, &[("found", &found.to_string())]),
            BadCode::Checksum => self.words.code_checksum.to_owned(),
            other => other.to_string(),
        }
    }

    fn summary(&mut self, choice: &Choice<'_>) {
        let manifest = choice.manifest;
        let installer = &manifest.installer;
        let release = format!("{} ({})", choice.snapshot.release.version, choice.snapshot.timestamp.issued.date());
        let installer = format!("{} {} {}", installer.title, installer.version, installer.architecture);
        let words = self.words;
        let mut rows = vec![
            (words.site.to_owned(), choice.site.to_owned()),
            (words.organisation.to_owned(), choice.organisation.to_owned()),
            (words.profile.to_owned(), manifest.title.clone()),
            (words.installer.to_owned(), installer),
            (words.release.to_owned(), release),
        ];
        for prompt in &manifest.prompts {
            let Some(answer) = choice.answers.get(&prompt.name) else { continue };
            let shown = match prompt.kind {
                kind if kind.is_secret() => words.hidden.to_owned(),
                PromptType::Disk => self.describe_disk(answer),
                _ => answer.to_string(),
            };
            rows.push((self.label(prompt), shown));
        }
        // Where a disk is erased, it is named below.
        if !self.erases {
            rows.push((words.folder.to_owned(), self.target.clone()));
        }
        self.say("");
        self.say(words.summary);
        let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0).min(30);
        for (label, value) in rows {
            self.say(&format!("  {:width$}  {}", line(&label, width), line(&value, WIDTH - width - 4)));
        }
        if !manifest.second_stage.pinned {
            self.say(&fill(words.unpinned, &[("how", &line(&manifest.second_stage.how, 160))]));
        }
        self.tell_what_is_left(manifest.boot.as_ref().and_then(|boot| boot.network.as_ref()));
    }

    /// What of this machine's network the installer can not be given.
    fn tell_what_is_left(&mut self, known: Option<&NetworkWords>) {
        let words = self.words;
        for left in hand_over(known, &self.network).left {
            self.say(match left {
                Left::Address => words.left_address,
                Left::NameServers => words.left_servers,
                Left::Vlan => words.left_vlan,
                Left::Interface => words.left_interface,
                Left::Proxy => words.left_proxy,
                Left::OwnNetwork => words.own_network,
                Left::OwnProxy => words.own_proxy,
                Left::Wireless => words.left_wireless,
            });
        }
    }

    /// Where the answers will lie, or may.
    fn tell_of_staging(&mut self, way: &Way) {
        match way {
            Way::AtOnce => {}
            Way::Staged(_) => self.say(self.words.staged),
            Way::Tried(dir) => {
                self.say(&fill(self.words.perhaps_staged, &[("place", &line(&dir.display().to_string(), WIDTH))]));
            }
        }
    }
}

/// Rows of at most `width` characters, broken between words; a word that is longer is a row of its own. A text that fits stays as it is.
pub(crate) fn fold(text: &str, width: usize) -> Vec<String> {
    if text.chars().count() <= width {
        return vec![text.to_owned()];
    }
    let mut rows = Vec::new();
    let mut row = String::new();
    for word in text.split_whitespace() {
        if !row.is_empty() && row.chars().count() + 1 + word.chars().count() > width {
            rows.push(std::mem::take(&mut row));
        }
        if !row.is_empty() {
            row.push(' ');
        }
        row.push_str(word);
    }
    rows.push(row);
    rows
}

impl Person for Console<'_> {
    fn code(&mut self) -> Result<Secret, Failure> {
        if let Some(unasked) = &mut self.unasked {
            return unasked.code();
        }
        if let Some(code) = self.preset.take() {
            return Ok(code);
        }
        let words = self.words;
        let verdicts =
            Verdicts { right: words.code_right, wrong_yet: words.code_wrong_yet, wrong: words.code_wrong_now };
        let mut last = None;
        for _ in 0..TRIES {
            let typed = match (self.ask(words.code, Echo::Code(verdicts)), last.take()) {
                (Ok(typed), _) => typed,
                // A pipe with one wrong code in it: the code is the problem, not the end of the pipe.
                (Err(Failure::NoAnswer(_)), Some(bad)) => return Err(Refusal::CodeMalformed(bad).into()),
                (Err(failure), _) => return Err(failure),
            };
            match Secret::parse(&typed) {
                Ok(secret) => {
                    self.keep(&typed);
                    return Ok(secret);
                }
                Err(bad) => {
                    let text = fill(self.words.code_wrong, &[("problem", &self.code_problem(&bad))]);
                    self.say(&text);
                    last = Some(bad);
                }
            }
        }
        Err(Refusal::CodeMalformed(last.unwrap_or(BadCode::Checksum)).into())
    }

    fn today(&mut self, newest: Moment) -> Result<Option<Moment>, Failure> {
        // A medium with a code on it may stand in a rack: nobody waits for a date there.
        if self.unasked.is_some() || self.is_preset {
            return Ok(None);
        }
        let question = fill(self.words.today, &[("date", &newest.date())]);
        let (lines, question) = question.rsplit_once('\n').unwrap_or(("", &question));
        self.say(lines);
        loop {
            let answer = self.ask(question, Echo::Shown)?;
            let answer = answer.trim();
            if answer.is_empty() {
                return Ok(None);
            }
            match Moment::parse(&format!("{answer}T00:00:00Z")) {
                Ok(today) => return Ok(Some(today)),
                Err(_) => self.say(self.words.today_wrong),
            }
        }
    }

    fn profile(&mut self, menu: &Menu<'_>) -> Result<String, Failure> {
        if let Some(unasked) = &mut self.unasked {
            return unasked.profile(menu);
        }
        let preselected = menu.preselected.map(|offer| offer.profile.as_str());
        let title = |offer: &&Offer| {
            let mark = if preselected == Some(offer.profile.as_str()) { " *" } else { "" };
            format!("{} ({}){mark}", line(&offer.title, 50), offer.profile)
        };
        let whose = fill(self.words.code_for, &[("organisation", &line(menu.organisation, 60))]);
        self.say(&whose);
        self.say(self.words.profiles);
        if let [offer] = menu.offers.as_slice() {
            self.say(&format!("     {}", title(offer)));
        }
        if menu.offers.len() < 2 {
            return Unasked::only_profile(menu);
        }
        let names: Vec<String> = menu.offers.iter().map(|offer| offer.profile.to_string()).collect();
        let titles: Vec<String> = menu.offers.iter().map(title).collect();
        self.choose(&names, &titles, preselected)
    }

    fn answers(&mut self, manifest: &Manifest, sheet: Sheet) -> Result<Answers, Failure> {
        if let Some(unasked) = &mut self.unasked {
            return unasked.answers(manifest, sheet);
        }
        self.answer_all(sheet)
    }

    fn confirm(&mut self, choice: &Choice<'_>) -> Result<(), Failure> {
        if let Way::Staged(dir) = choice.way {
            self.target = dir.display().to_string();
        }
        self.summary(choice);
        self.tell_of_staging(choice.way);
        let question = if self.erases { self.words.confirm_erase } else { self.words.confirm };
        if self.erases {
            let disks = choice.manifest.prompts.iter().filter(|prompt| prompt.kind == PromptType::Disk);
            let chosen: Vec<String> =
                disks.filter_map(|prompt| Some(choice.answers.get(&prompt.name)?.to_string())).collect();
            self.warn_of_erasing(&chosen);
        }
        if self.unasked.is_some() || choice.unattended {
            return Ok(());
        }
        loop {
            let answer = self.ask(question, Echo::Shown)?;
            let answer = answer.trim().to_ascii_lowercase();
            // The English words are understood in every language: they are what people try.
            match answer.as_str() {
                yes if yes == self.words.yes || yes == "yes" => return Ok(()),
                no if no == self.words.no || no == "no" => return Err(Failure::Declined),
                _ => self.say(self.words.yes_or_no),
            }
        }
    }

    fn tell(&mut self, event: &Event) {
        let text = match event {
            Event::Root { version } => fill(self.words.new_root, &[("version", &version.to_string())]),
            Event::Current { release, issued, source, .. } => {
                let (release, date) = (release.to_string(), issued.date());
                let source = match source.as_str() {
                    "state" => self.words.from_state.to_owned(),
                    "cache" => self.words.from_copy.to_owned(),
                    address => fill(self.words.from_mirror, &[("address", address)]),
                };
                fill(self.words.current, &[("release", &release), ("date", &date), ("source", &source)])
            }
            Event::Offline { issued, until } => {
                fill(self.words.offline, &[("date", &issued.date()), ("until", &until.date())])
            }
            Event::Deriving => self.words.deriving.to_owned(),
            Event::Warning(text) => {
                let text = line(text, 400);
                let shown = fill(self.words.warning, &[("text", &text)]);
                self.warnings.push(text);
                shown
            }
            Event::Fetched { .. } => return,
        };
        self.say(&text);
    }
}
