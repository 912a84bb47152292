//! The questions of a profile: one prompt after the other, each answer checked before the next.

use anode_bundle::Refusal;
use anode_bundle::display::line;
use anode_bundle::pack::{Answers, MAX_NUMBER, Prompt, PromptType};
use zeroize::Zeroizing;

use super::{Console, Echo, WIDTH, fill};
use crate::answers::{Sheet, prepare, system_salt};
use crate::contents::{Contents, State};
use crate::error::Failure;

impl Console<'_> {
    /// Asks what is open. Wrong answers of the command line are reported before the first question.
    pub(super) fn answer_all(&mut self, mut sheet: Sheet) -> Result<Answers, Failure> {
        if !sheet.wrong().is_empty() {
            return sheet.finish().map_err(Failure::Answers);
        }
        for prompt in sheet.open() {
            let answer = self.answer(&prompt)?;
            sheet.put(&prompt.name, answer);
        }
        sheet.finish().map_err(Failure::Answers)
    }

    fn answer(&mut self, prompt: &Prompt) -> Result<Zeroizing<String>, Failure> {
        if !prompt.help.is_empty() {
            self.say(&line(&prompt.help, WIDTH));
        }
        loop {
            let typed = match prompt.kind {
                kind if kind.is_secret() => self.password(prompt)?,
                PromptType::Choice => self.choice(prompt)?,
                PromptType::Disk => self.disk(prompt)?,
                _ => self.text(prompt)?,
            };
            if typed.is_empty() && !prompt.kind.is_secret() {
                self.say(self.words.required);
                continue;
            }
            match prepare(prompt, &typed, &mut system_salt) {
                Ok(answer) => return Ok(answer),
                Err(Refusal::AnswerInvalid { problem, .. }) => {
                    let problem = self.language.rule(prompt.kind).map_or(problem, |rule| {
                        let bound = |bound: Option<u64>, other: u64| bound.unwrap_or(other).to_string();
                        fill(rule, &[("min", &bound(prompt.min, 0)), ("max", &bound(prompt.max, MAX_NUMBER))])
                    });
                    let text = fill(self.words.invalid, &[("problem", &problem)]);
                    self.say(&text);
                }
                Err(refusal) => return Err(refusal.into()),
            }
        }
    }

    /// The prompt's own title, or our wording for its type.
    pub(super) fn label(&self, prompt: &Prompt) -> String {
        if !prompt.title.is_empty() {
            return line(&prompt.title, 60);
        }
        match prompt.kind {
            PromptType::Hostname => self.words.hostname.to_owned(),
            PromptType::Username => self.words.username.to_owned(),
            PromptType::FullName => self.words.full_name.to_owned(),
            PromptType::Password => self.words.password.to_owned(),
            PromptType::Passphrase => self.words.passphrase.to_owned(),
            PromptType::Disk => self.words.disk.to_owned(),
            PromptType::Language => self.words.language.to_owned(),
            PromptType::Keyboard => self.words.keyboard.to_owned(),
            PromptType::Choice | PromptType::Number | PromptType::Text => prompt.name.to_string(),
        }
    }

    fn question(&self, prompt: &Prompt) -> String {
        match &prompt.default {
            Some(default) => format!("{} [{}]", self.label(prompt), line(default, 40)),
            None => self.label(prompt),
        }
    }

    fn text(&mut self, prompt: &Prompt) -> Result<Zeroizing<String>, Failure> {
        let question = self.question(prompt);
        let typed = self.ask(&question, Echo::Shown)?;
        Ok(match (typed.trim(), &prompt.default) {
            ("", Some(default)) => Zeroizing::new(default.clone()),
            (typed, _) => Zeroizing::new(typed.to_owned()),
        })
    }

    /// Twice, because nobody sees what is typed; a pipe does not mistype.
    fn password(&mut self, prompt: &Prompt) -> Result<Zeroizing<String>, Failure> {
        let question = self.label(prompt);
        loop {
            let first = self.ask(&question, Echo::Hidden)?;
            if first.is_empty() || !self.terminal.is_typed() {
                return Ok(first);
            }
            let second = self.ask(self.words.again, Echo::Hidden)?;
            if *first == *second {
                return Ok(first);
            }
            self.say(self.words.again_wrong);
        }
    }

    fn choice(&mut self, prompt: &Prompt) -> Result<Zeroizing<String>, Failure> {
        let label = self.label(prompt);
        self.say(&format!("{label}:"));
        let values: Vec<String> = prompt.choices.iter().map(|choice| choice.value.clone()).collect();
        let titles: Vec<String> = prompt
            .choices
            .iter()
            .map(|choice| {
                let title = if choice.title.is_empty() { &choice.value } else { &choice.title };
                let mark = if prompt.default.as_ref() == Some(&choice.value) { " *" } else { "" };
                format!("{}{mark}", line(title, 70))
            })
            .collect();
        self.choose(&values, &titles, prompt.default.as_deref()).map(Zeroizing::new)
    }

    /// The disks of this machine by number or path, and no other; a name that a later system gives is taken as it is.
    fn disk(&mut self, prompt: &Prompt) -> Result<Zeroizing<String>, Failure> {
        if self.disks.is_empty() {
            return self.text(prompt);
        }
        let paths: Vec<String> = self.disks.iter().map(|disk| disk.path.clone()).collect();
        loop {
            for (number, path) in paths.iter().enumerate() {
                let shown = self.describe_disk(path);
                self.say(&format!("{:3}  {}", number + 1, line(&shown, WIDTH - 5)));
                let held = self.describe_contents(path);
                self.say(&format!("       {}", line(&held, WIDTH - 7)));
            }
            let typed = self.text(prompt)?;
            let chosen = typed.parse::<usize>().ok().and_then(|number| paths.get(number.checked_sub(1)?));
            if let Some(path) = chosen {
                return Ok(Zeroizing::new(path.clone()));
            }
            // Names in a folder, such as /dev/disk/by-id/…, are made by the installer's own system.
            let is_bare = typed.strip_prefix("/dev/").is_some_and(|name| !name.contains('/'));
            if !is_bare || paths.contains(&*typed) {
                return Ok(typed);
            }
            self.say(self.words.erased_unknown);
            self.say(&line(&typed, WIDTH));
        }
    }

    /// Path, size and model, so that nobody erases the wrong one.
    pub(super) fn describe_disk(&self, path: &str) -> String {
        let Some(disk) = self.disks.iter().find(|disk| disk.path == path) else { return path.to_owned() };
        let model = disk.model.as_deref().unwrap_or_default();
        let removable = if disk.removable { format!(" ({})", self.words.removable) } else { String::new() };
        format!("{}  {}  {model}{removable}", disk.path, size(disk.size))
    }

    /// `Windows: FAT, NTFS`, or that there is nothing.
    fn describe_contents(&self, path: &str) -> String {
        let Some(disk) = self.disks.iter().find(|disk| disk.path == path) else { return String::new() };
        let contents = Contents::read(&self.root, disk);
        let parts = contents.parts.join(", ");
        match contents.state {
            State::Unreadable => self.words.disk_unreadable.to_owned(),
            State::Empty => self.words.disk_empty.to_owned(),
            State::Used if parts.is_empty() => self.words.disk_unknown.to_owned(),
            State::Used if contents.systems.is_empty() => parts,
            State::Used => format!("{}: {parts}", contents.systems.join(", ")),
        }
    }

    /// Which disk it is, in words, before the last question; all of them where only the profile knows.
    pub(super) fn warn_of_erasing(&mut self, chosen: &[String]) {
        let is_known = |path: &String| self.disks.iter().any(|disk| disk.path == *path);
        let (head, paths) = match chosen {
            [] => (self.words.erased_unnamed, self.disks.iter().map(|disk| disk.path.clone()).collect()),
            chosen if chosen.iter().all(is_known) => (self.words.erased, chosen.to_vec()),
            chosen => (self.words.erased_unknown, chosen.to_vec()),
        };
        self.say("");
        self.say(head);
        for path in &paths {
            let shown = self.describe_disk(path);
            self.say(&format!("  {}", line(&shown, WIDTH - 2)));
            let held = self.describe_contents(path);
            if !held.is_empty() {
                self.say(&format!("    {}", line(&held, WIDTH - 4)));
            }
        }
    }
}

/// Decimal units, as they are printed on disks.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        1_000_000_000..10_000_000_000_000 => format!("{} GB", bytes / 1_000_000_000),
        _ => format!("{} TB", bytes / 1_000_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_those_printed_on_disks() {
        assert_eq!(super::size(512_110_190_592), "512 GB");
        assert_eq!(super::size(31_000_000), "31 MB");
        assert_eq!(super::size(16_000_900_661_248), "16 TB");
    }
}
