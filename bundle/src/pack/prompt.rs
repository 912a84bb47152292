//! Prompts: what a person may answer, and which characters each type of answer allows.
//!
//! The allowed characters of every type need no escaping in any output format (preseed, kickstart, shell words in single or double quotes, JSON,
//! YAML, TOML), except that a crypt hash holds `$` and must not stand in double quotes in a shell.

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::hardware::{FACTS, Facts, Known, fill, is_pattern};
use crate::name::Id;

/// A question to the person at the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// The name that templates and `--answer NAME=VALUE` use.
    pub name: Id,
    /// Which answers are allowed.
    #[serde(rename = "type")]
    pub kind: PromptType,
    /// The question, one line. Empty: the console's own wording for the type.
    #[serde(default)]
    pub title: String,
    /// A second line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub help: String,
    /// What an empty answer means; without one an answer is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The answers of a [`PromptType::Choice`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// The smallest [`PromptType::Number`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// The largest [`PromptType::Number`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// One answer of a choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What is inserted.
    pub value: String,
    /// What is shown.
    pub title: String,
}

/// The types of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptType {
    /// RFC 1123 label or dotted name, lower case, at most 63 characters.
    Hostname,
    /// `[a-z_][a-z0-9_-]{0,31}`, as `useradd` wants it.
    Username,
    /// Letters of any script, digits, blank, `.` and `-`.
    FullName,
    /// Typed as plain text, inserted as a crypt hash.
    Password,
    /// Inserted as it is typed, for what has to be opened again: 8 to 128 of `a-z A-Z 0-9`, blank and `. _ @ + / : -`.
    Passphrase,
    /// `/dev/…` of letters, digits and `. _ : + / -`.
    Disk,
    /// A locale such as `de_DE.UTF-8`.
    Language,
    /// A keyboard layout such as `de` or `de-nodeadkeys`.
    Keyboard,
    /// One of the listed values.
    Choice,
    /// A whole number between `min` and `max`.
    Number,
    /// One line of letters, digits, blank and `. _ @ + / : -`.
    Text,
}

impl PromptType {
    /// Not shown while it is typed, never given in advance by a profile, never in a public file.
    #[must_use]
    pub fn is_secret(self) -> bool {
        matches!(self, Self::Password | Self::Passphrase)
    }
}

impl Prompt {
    /// Checks what is about to be inserted: for a password a crypt hash, for everything else what the person typed.
    ///
    /// # Errors
    /// [`Refusal::AnswerInvalid`], which names the prompt and the form, never the answer.
    pub fn check(&self, answer: &str) -> Result<(), Refusal> {
        let problem = match self.kind {
            PromptType::Hostname if !is_hostname(answer) => {
                "must be 1 to 63 characters `a-z 0-9 -` with dots between parts, none beginning or ending with `-`"
                    .to_owned()
            }
            PromptType::Username if !is_username(answer) => {
                "must be 1 to 32 characters `a-z 0-9 _ -`, beginning with a letter, and no name that every system has already".to_owned()
            }
            PromptType::FullName if !is_text(answer, " .-") => {
                "must be 1 to 128 letters, digits, blanks, `.` or `-`".to_owned()
            }
            PromptType::Password if !is_crypt_hash(answer) => {
                "must become a crypt hash (`$6$…` or `$y$…`) before it is used; `openssl passwd -6` makes one".to_owned()
            }
            PromptType::Passphrase if !is_passphrase(answer) => {
                "must be 8 to 128 letters `a-z A-Z`, digits, blanks or `. _ @ + / : -`, and neither begin nor end with a blank".to_owned()
            }
            PromptType::Disk if !is_disk(answer) => "must be a device such as `/dev/sda`".to_owned(),
            PromptType::Language if !is_locale(answer) => "must be a locale such as `de_DE.UTF-8`".to_owned(),
            PromptType::Keyboard if !is_keyboard(answer) => "must be a keyboard layout such as `de`".to_owned(),
            PromptType::Choice if !self.choices.iter().any(|choice| choice.value == answer) => {
                let values: Vec<_> = self.choices.iter().map(|choice| format!("`{}`", choice.value)).collect();
                format!("must be one of {}", values.join(", "))
            }
            PromptType::Number => match self.check_number(answer) {
                None => return Ok(()),
                Some(problem) => problem,
            },
            PromptType::Text if !is_text(answer, " ._@+/:-") => {
                "must be 1 to 128 letters, digits, blanks or `. _ @ + / : -`".to_owned()
            }
            _ => return Ok(()),
        };
        Err(Refusal::AnswerInvalid { prompt: self.name.to_string(), problem })
    }

    /// Checks the prompt itself: choices only and always for a choice, bounds only for a number, values and default allowed by the type.
    ///
    /// # Errors
    /// What is wrong with it, as a predicate of the prompt.
    pub fn check_definition(&self) -> Result<(), String> {
        if (self.kind == PromptType::Choice) == self.choices.is_empty() {
            return Err("has choices if and only if its type is `choice`".to_owned());
        }
        if self.kind != PromptType::Number && (self.min.is_some() || self.max.is_some()) {
            return Err("has `min` or `max`, which only a `number` has".to_owned());
        }
        if let Some(choice) = self.choices.iter().find(|choice| !is_text(&choice.value, " ._@+/:-")) {
            return Err(format!(
                "offers `{}`, which has a character outside letters, digits, blank and `. _ @ + / : -`",
                crate::display::line(&choice.value, 40)
            ));
        }
        match &self.default {
            Some(_) if self.kind.is_secret() => Err("is secret and must not have a default".to_owned()),
            Some(pattern) if self.kind == PromptType::Hostname && is_pattern(pattern) => self.check_pattern(pattern),
            Some(default) => match self.check(default) {
                Err(Refusal::AnswerInvalid { problem, .. }) => {
                    Err(format!("has a default that does not fit: it {problem}"))
                }
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// Every fact that a pattern names exists, and with a short value for each it is a host name.
    fn check_pattern(&self, pattern: &str) -> Result<(), String> {
        let sample = Facts(FACTS.map(|(_, fact)| (fact, Known::Text("x".to_owned()))).into());
        match fill(pattern, &sample) {
            Ok(Some(name)) if is_hostname(&name) => Ok(()),
            Ok(_) => Err("has a default that does not become a host name".to_owned()),
            Err(Refusal::AnswerInvalid { problem, .. }) => Err(format!("has a default that {problem}")),
            Err(other) => Err(other.to_string()),
        }
    }

    /// Checks what the terms of a code preset: an answer, or for a host name a pattern.
    ///
    /// # Errors
    /// [`Refusal::AnswerInvalid`], as [`Prompt::check`].
    pub fn check_preset(&self, value: &str) -> Result<(), Refusal> {
        if self.kind != PromptType::Hostname || !is_pattern(value) {
            return self.check(value);
        }
        let invalid = |problem| Refusal::AnswerInvalid { prompt: self.name.to_string(), problem };
        self.check_pattern(value).map_err(invalid)
    }

    /// What an empty answer means on this machine: a pattern is filled in. `None`: an answer is required.
    #[must_use]
    pub fn default_on(&self, facts: &Facts) -> Option<String> {
        self.pattern_on(self.default.as_deref()?, facts)
    }

    /// A value that may be a pattern, on this machine; `None` where the machine does not say what it needs, or where no host name comes out.
    #[must_use]
    pub fn pattern_on(&self, value: &str, facts: &Facts) -> Option<String> {
        if self.kind != PromptType::Hostname || !is_pattern(value) {
            return Some(value.to_owned());
        }
        fill(value, facts).ok().flatten().filter(|name| is_hostname(name))
    }

    fn check_number(&self, answer: &str) -> Option<String> {
        let plain = !answer.is_empty() && answer.len() <= 16 && answer.bytes().all(|b| b.is_ascii_digit());
        let value = answer.parse::<u64>().ok().filter(|_| plain);
        let (min, max) = (self.min.unwrap_or(0), self.max.unwrap_or(MAX_NUMBER));
        match value {
            Some(value) if (min..=max).contains(&value) => None,
            _ => Some(format!("must be a whole number from {min} to {max}")),
        }
    }
}

fn is_hostname(text: &str) -> bool {
    let label = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= 63 && text.split('.').all(label)
}

/// The largest number where a prompt names none: sixteen digits.
pub const MAX_NUMBER: u64 = 9_999_999_999_999_999;

/// Accounts that the installers' systems bring along: an installer refuses them, but only after the disk was erased.
const RESERVED_USERNAMES: [&str; 24] = [
    "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data",
    "backup", "list", "irc", "nobody", "adm", "shutdown", "halt", "operator", "ftp", "dbus", "sshd",
];

fn is_username(text: &str) -> bool {
    text.len() <= 32
        && !RESERVED_USERNAMES.contains(&text)
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

fn is_text(text: &str, also: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() && crate::display::is_printable(c) || also.contains(c);
    !text.is_empty() && text.chars().count() <= 128 && text.trim() == text && text.chars().all(allowed)
}

/// Letters that every keyboard layout has: it is typed again when nothing of the system is there yet.
fn is_passphrase(text: &str) -> bool {
    (8..=128).contains(&text.len())
        && text.trim() == text
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b" ._@+/:-".contains(&b))
}

fn is_crypt_hash(text: &str) -> bool {
    let known = ["$6$", "$5$", "$y$", "$gy$", "$2b$"].iter().any(|prefix| text.starts_with(prefix));
    known
        && (20..=256).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"./$=,".contains(&b))
}

fn is_disk(text: &str) -> bool {
    text.len() <= 128
        && text.strip_prefix("/dev/").is_some_and(|rest| {
            let plain = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:+/-".contains(&b));
            plain && rest.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        })
}

fn is_locale(text: &str) -> bool {
    text.len() <= 32
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.@-".contains(&b))
}

fn is_keyboard(text: &str) -> bool {
    text.len() <= 32
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(kind: PromptType) -> Prompt {
        let choices = match kind {
            PromptType::Choice => vec![Choice { value: "a b".into(), title: String::new() }],
            _ => Vec::new(),
        };
        Prompt {
            name: Id::new("p").unwrap(),
            kind,
            title: String::new(),
            help: String::new(),
            default: None,
            choices,
            min: (kind == PromptType::Number).then_some(2),
            max: (kind == PromptType::Number).then_some(8),
        }
    }

    #[test]
    fn each_type_takes_what_it_describes() {
        for (kind, good, bad) in [
            (
                PromptType::Hostname,
                vec!["pc-07", "a", "pc.example.org"],
                vec!["", "PC", "-a", "a-", "a..b", "a_b", "a b"],
            ),
            (
                PromptType::Username,
                vec!["anna", "_x", "a-b_c1"],
                vec!["", "Anna", "1a", "a b", "a$", "root", "www-data"],
            ),
            (
                PromptType::FullName,
                vec!["Änne Müller-Lüdenscheidt", "李 明"],
                vec!["", " a", "a\"b", "a\nb", "a'b", "a\u{202e}b", "a:b"],
            ),
            (
                PromptType::Password,
                vec!["$6$saltsaltsalt$abcdefghijklmno"],
                vec!["", "secret", "$6$x", "$6$saltsalt$abc\"defghijklmno", "$1$saltsalt$abcdefghijklm"],
            ),
            (
                PromptType::Passphrase,
                vec!["12345678", "correct horse 7"],
                vec!["", "1234567", " 12345678", "passw\u{f6}rter", "a\"bcdefgh", "$abcdefgh", "a\nbcdefgh"],
            ),
            (
                PromptType::Disk,
                vec!["/dev/sda", "/dev/disk/by-id/nvme-X_1:2"],
                vec!["", "sda", "/dev/", "/dev/../etc", "/dev/s da", "/dev//a"],
            ),
            (PromptType::Language, vec!["de_DE.UTF-8", "C.UTF-8"], vec!["", "de DE", "de;DE"]),
            (PromptType::Keyboard, vec!["de", "us-intl"], vec!["", "DE", "d e"]),
            (PromptType::Choice, vec!["a b"], vec!["", "a", "b"]),
            (
                PromptType::Number,
                vec!["2", "8", "05"],
                vec!["", "1", "9", "-3", "+3", "3.0", "00000000000000005", "99999999999999999999"],
            ),
            (PromptType::Text, vec!["Raum 12/3", "a@b"], vec!["", "a\tb", "$(x)", "`x`", "a\\b", "a#b", "a\"b"]),
        ] {
            for answer in good {
                assert_eq!(prompt(kind).check(answer), Ok(()), "{kind:?} {answer:?}");
            }
            for answer in bad {
                assert!(prompt(kind).check(answer).is_err(), "{kind:?} {answer:?}");
            }
        }
    }

    #[test]
    fn a_refused_answer_is_never_part_of_the_message() {
        let refusal = prompt(PromptType::Password).check("hunter2-hunter2").unwrap_err();
        assert!(!refusal.to_string().contains("hunter2"));
    }

    #[test]
    fn a_prompt_that_makes_sense_is_taken_and_a_choice_that_could_need_escaping_is_not() {
        for (kind, default) in [
            (PromptType::Number, Some("5")),
            (PromptType::Choice, Some("a b")),
            (PromptType::Choice, None),
            (PromptType::Hostname, Some("pc-07")),
            (PromptType::Hostname, Some("lab-{serial}")),
            (PromptType::Password, None),
        ] {
            let prompt = Prompt { default: default.map(str::to_owned), ..prompt(kind) };
            assert_eq!(prompt.check_definition(), Ok(()), "{kind:?} {default:?}");
        }
        let mut choice = prompt(PromptType::Choice);
        choice.choices.push(Choice { value: "a\"b".into(), title: String::new() });
        assert!(choice.check_definition().is_err());
    }

    #[test]
    fn a_prompt_with_an_impossible_default_is_refused() {
        let mut number = prompt(PromptType::Number);
        number.default = Some("9".into());
        assert!(number.check_definition().is_err());
        let mut password = prompt(PromptType::Password);
        password.default = Some("$6$saltsaltsalt$abcdefghijklmno".into());
        assert!(password.check_definition().is_err());
        let mut passphrase = prompt(PromptType::Passphrase);
        passphrase.default = Some("12345678".into());
        assert!(passphrase.check_definition().is_err());
        for pattern in ["lab-{room}", "Lab-{serial}", "lab-{serial", "-{serial}"] {
            let mut hostname = prompt(PromptType::Hostname);
            hostname.default = Some(pattern.into());
            assert!(hostname.check_definition().is_err(), "{pattern}");
        }
        let mut empty = prompt(PromptType::Choice);
        empty.choices.clear();
        assert!(empty.check_definition().is_err());
    }

    #[test]
    fn a_pattern_is_what_the_machine_makes_of_it_or_no_default_at_all() {
        use crate::hardware::Fact;
        let hostname = Prompt { default: Some("lab-{serial}".into()), ..prompt(PromptType::Hostname) };
        let machine = |serial: &str| Facts(vec![(Fact::Serial, Known::Text(serial.to_owned()))]);
        assert_eq!(hostname.default_on(&machine("AB 12")).as_deref(), Some("lab-ab-12"));
        assert_eq!(hostname.default_on(&Facts::default()), None);
        // 63 characters are the most that a name has.
        assert_eq!(hostname.default_on(&machine(&"x".repeat(60))), None);
        let text = Prompt { default: Some("a".into()), ..prompt(PromptType::Text) };
        assert_eq!(text.default_on(&Facts::default()).as_deref(), Some("a"));
    }

    #[test]
    fn a_code_presets_what_a_person_could_answer_or_a_pattern_that_becomes_a_host_name() {
        let hostname = prompt(PromptType::Hostname);
        for (value, fits) in [("pc-07", true), ("lab-{serial}", true), ("Not A Host", false), ("lab-{room}", false)] {
            assert_eq!(hostname.check_preset(value).is_ok(), fits, "{value}");
        }
        // No other type has patterns.
        let text = prompt(PromptType::Text);
        for (value, fits) in [("Room 12", true), ("lab-{serial}", false)] {
            assert_eq!(text.check_preset(value).is_ok(), fits, "{value}");
        }
    }
}
