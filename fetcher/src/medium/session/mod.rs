//! What a person at the medium is asked, in order: language, keyboard, network; then the fetcher asks, and either another kernel is started or a page
//! says what to do. Kernel arguments answer and skip questions.
//!
//! Every page has ways on, and none of them is "without verification".

mod activate;
mod keyboard;
mod memory;
mod network;
mod pages;
mod patience;
mod stage;
mod typed;
mod wireless;

#[cfg(test)]
mod tests;

use std::io;
use std::time::{Duration, Instant};

use anode_bundle::ExitCode;
use anode_bundle::display::line;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::Machine;
use super::mirror::NOT_ENDED;
use super::screen::Screen;
use super::site::{Presets, Site};
use crate::console::{Echo, WIDTH, fold};
use crate::words::{Language, MediumWords, fill};
use activate::Loaded;
use patience::Patience;
use typed::{KNOWN, TypedCode};

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The kernel that was loaded begins.
    Start,
    /// The machine is switched off.
    Off,
    /// The machine starts anew.
    Again,
}

impl End {
    const ALL: [End; 3] = [Self::Start, Self::Off, Self::Again];

    /// The session's exit status. Others are those of a session that broke.
    pub(super) fn status(self) -> u8 {
        match self {
            Self::Start => 100,
            Self::Off => 101,
            Self::Again => 102,
        }
    }

    pub(super) fn of(status: Option<i32>) -> Option<End> {
        Self::ALL.into_iter().find(|end| Some(i32::from(end.status())) == status)
    }

    /// What `/lib/anode/end` calls it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Off => "off",
            Self::Again => "again",
        }
    }
}

/// What comes next.
enum Step {
    WaitForNetwork,
    NetworkMenu,
    Activate,
    Failed(ExitCode),
    Rest,
    End(End),
}

/// What a person can choose on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Again,
    OtherCode,
    Network,
    NetworkAgain,
    Address,
    Vlan,
    Proxy,
    Wireless,
    Copy,
    GoOn,
    ShowLog,
    WriteLog,
    Restart,
    PowerOff,
    Shell,
}

/// One conversation.
pub struct Session<'t> {
    machine: Machine,
    terminal: &'t mut dyn Screen,
    site: Site,
    presets: Presets,
    language: Language,
    words: &'static MediumWords,
    /// No mirror is asked: a person chose the copy on the medium, or nobody is there and there is nothing else.
    offline: bool,
    /// Which installation of this machine was found on the stick, and a person wanted it again.
    wanted_again: bool,
    /// Where the installer lies staged.
    place: Option<stage::Place>,
    patience: Patience,
    typed: TypedCode,
    /// How the terminal was before anything ran in it.
    modes: Option<Termios>,
}

impl<'t> Session<'t> {
    pub(super) fn new(machine: Machine, terminal: &'t mut dyn Screen) -> Session<'t> {
        let (site, presets) = (Site::read(&machine), Presets::read(&machine));
        let language = presets.language.or_else(|| Language::of(&site.language)).unwrap_or_default();
        let modes = tcgetattr(io::stdin()).ok();
        Session {
            machine,
            terminal,
            site,
            presets,
            language,
            words: language.medium(),
            offline: false,
            wanted_again: false,
            place: None,
            patience: Patience::default(),
            typed: TypedCode::default(),
            modes,
        }
    }

    /// # Errors
    /// That nobody is at the terminal any more.
    pub(super) fn run(mut self) -> io::Result<End> {
        if std::fs::remove_file(self.machine.path(NOT_ENDED)).is_ok() {
            self.say(self.words.not_started);
        }
        self.forget_next();
        self.choose_language()?;
        self.choose_keyboard()?;
        let mut step = if self.may_begin()? { Step::WaitForNetwork } else { Step::Rest };
        loop {
            step = match step {
                Step::WaitForNetwork => self.wait_for_network()?,
                Step::NetworkMenu => self.network_menu()?,
                Step::Activate => match self.activate()? {
                    Loaded::Ready(told) => self.before_start(&told)?,
                    Loaded::Not(exit) => Step::Failed(exit),
                },
                Step::Failed(exit) => self.failed(exit)?,
                Step::Rest => self.rest()?,
                Step::End(end) => return Ok(end),
            }
        }
    }

    fn choose_language(&mut self) -> io::Result<()> {
        let title = line(&self.site.title, 50);
        let built = fill(self.words.built, &[("date", &line(self.site.built.get(..10).unwrap_or_default(), 10))]);
        self.say("");
        self.say(&"=".repeat(WIDTH));
        self.say(&format!("{}  {title}", self.words.welcome));
        self.say(&built);
        if self.presets.shell {
            self.say(self.words.shell_offered);
        }
        for word in std::mem::take(&mut self.presets.refused) {
            let said = fill(self.words.address_refused, &[("word", &line(&word, 60))]);
            self.say(&said);
        }
        // Where a code came with the medium, nobody may be there: its site's language is taken.
        if self.presets.language.is_some() || self.code_is_preset() {
            return Ok(());
        }
        self.say("");
        for (number, language) in Language::ALL.into_iter().enumerate() {
            self.say(&format!("{:3}  {} ({})", number + 1, language.name(), language.tag()));
        }
        loop {
            let typed = self.ask(&format!("Language / Sprache [{}]", self.language.tag()), Echo::Shown)?;
            let typed = typed.trim().to_ascii_lowercase();
            let by_number = typed.parse::<usize>().ok().and_then(|number| Language::ALL.get(number.checked_sub(1)?));
            let by_name = Language::ALL.iter().find(|language| {
                language.tag() == typed || (typed.len() > 2 && language.name().to_ascii_lowercase().starts_with(&typed))
            });
            match by_number.or(by_name) {
                Some(language) => self.language = *language,
                None if typed.is_empty() => {}
                None => {
                    self.say(self.words.number_wrong);
                    continue;
                }
            }
            self.words = self.language.medium();
            return Ok(());
        }
    }

    /// Shows ways on and waits until one of them is chosen; `TimedOut`, if nothing is typed for longer than `patience`.
    fn choose(&mut self, ways: &[Way], patience: Option<Duration>) -> io::Result<Way> {
        self.say("");
        for (number, way) in ways.iter().enumerate() {
            self.say(&format!("{:3}  {}", number + 1, self.way(*way)));
        }
        loop {
            let typed = match patience {
                None => self.ask(self.words.number, Echo::Shown)?,
                Some(patience) => {
                    let typed = self.terminal.ask_within(self.words.number, patience)?;
                    typed.ok_or(io::ErrorKind::UnexpectedEof)?
                }
            };
            let chosen = typed.trim().parse::<usize>().ok().and_then(|number| ways.get(number.checked_sub(1)?));
            match chosen {
                Some(way) => return Ok(*way),
                None => self.say(self.words.number_wrong),
            }
        }
    }

    fn way(&self, way: Way) -> &'static str {
        let words = self.words;
        match way {
            Way::Again => words.again,
            Way::OtherCode => words.other_code,
            Way::Network => words.network,
            Way::NetworkAgain => words.network_again,
            Way::Address => words.address,
            Way::Vlan => words.vlan,
            Way::Proxy => words.proxy,
            Way::Wireless => words.wireless,
            Way::Copy => words.copy,
            Way::GoOn => words.go_on,
            Way::ShowLog => words.show_log,
            Way::WriteLog => words.write_log,
            Way::Restart => words.restart,
            Way::PowerOff => words.power_off,
            Way::Shell => words.shell,
        }
    }

    /// The ways that every page has, besides its own.
    fn with_common_ways(&self, own: &[Way]) -> Vec<Way> {
        let shell = self.presets.shell.then_some(Way::Shell);
        own.iter().copied().chain([Way::ShowLog, Way::WriteLog, Way::Restart, Way::PowerOff]).chain(shell).collect()
    }

    /// Goes a way that leads back to where it began, or out. `None`: it is the caller's own.
    fn go(&mut self, way: Way) -> io::Result<Option<Step>> {
        match way {
            Way::ShowLog => self.show_log()?,
            Way::WriteLog => self.write_log(),
            Way::Restart => return Ok(Some(Step::End(End::Again))),
            Way::PowerOff => return Ok(Some(Step::End(End::Off))),
            Way::Shell => self.shell(),
            Way::Address => return self.set_address().map(Some),
            Way::Vlan => return self.set_vlan().map(Some),
            Way::Proxy => return self.set_proxy().map(Some),
            Way::Wireless => return self.join_wireless().map(Some),
            Way::NetworkAgain => {
                self.is_left();
                self.network_up();
                return Ok(Some(Step::WaitForNetwork));
            }
            Way::Copy => {
                self.offline = true;
                return Ok(Some(Step::Activate));
            }
            Way::Again | Way::OtherCode | Way::Network | Way::GoOn => {}
        }
        Ok(None)
    }

    /// Nothing was installed, and a person did not want what would have come.
    fn rest(&mut self) -> io::Result<Step> {
        self.say("");
        self.say(self.words.rest);
        let ways = self.with_common_ways(&[Way::OtherCode]);
        let way = self.choose(&ways, None)?;
        if way == Way::OtherCode {
            self.forget_presets();
            return Ok(Step::WaitForNetwork);
        }
        Ok(self.go(way)?.unwrap_or(Step::Rest))
    }

    fn shell(&mut self) {
        self.say(self.words.shell_leave);
        let shell = std::process::Command::new(self.machine.path("bin/sh")).status();
        if let Err(error) = shell {
            self.say(&format!("error: {}", crate::error::reason(&error)));
        }
        self.restore_terminal();
    }

    /// A program that was ended in the middle of a hidden question leaves a terminal without echo.
    fn restore_terminal(&self) {
        if let Some(modes) = &self.modes {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, modes);
        }
    }

    /// Lines that are too wide are folded; every line is already free of what a terminal would obey.
    fn say(&mut self, text: &str) {
        for row in fold(text, WIDTH) {
            self.terminal.say(&row);
        }
    }

    fn ask(&mut self, question: &str, echo: Echo) -> io::Result<Zeroizing<String>> {
        // A long question is told, and its last row asked.
        let mut rows = fold(question, WIDTH - 20);
        let last = rows.pop().unwrap_or_default();
        for row in rows {
            self.terminal.say(&row);
        }
        let began = Instant::now();
        let mut answered = match echo {
            Echo::Shown if self.typed.is_known() => self.terminal.ask_within(&last, KNOWN),
            echo => self.terminal.ask(&last, echo),
        };
        let is_late = matches!(&answered, Err(error) if error.kind() == io::ErrorKind::TimedOut);
        if self.typed.is_known() && (is_late || began.elapsed() >= KNOWN) {
            self.forget_typed_code();
        }
        if is_late {
            answered = self.terminal.ask(&last, echo);
        }
        match answered {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(io::ErrorKind::UnexpectedEof.into()),
            // Ctrl-C at a hidden question: an empty answer.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Zeroizing::default()),
            Err(error) => Err(error),
        }
    }

    /// Only a whole word is a yes; an empty answer is a no.
    fn ask_yes(&mut self, question: &str) -> io::Result<bool> {
        loop {
            let typed = self.ask(question, Echo::Shown)?;
            match typed.trim().to_ascii_lowercase().as_str() {
                yes if yes == self.words.yes || yes == "yes" => return Ok(true),
                no if no.is_empty() || no == self.words.no || no == "no" => return Ok(false),
                _ => self.say(self.words.yes_or_no),
            }
        }
    }
}
