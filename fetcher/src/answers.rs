//! From prompts to answers: what the code presets, what the command line gives, what a person types, and defaults.
//!
//! Every value is checked by its prompt before it is kept, and all wrong ones are reported at once. No message repeats an answer: it may be a password.

use std::collections::BTreeMap;

use anode_bundle::Refusal;
use anode_bundle::hardware::Facts;
use anode_bundle::name::Id;
use anode_bundle::pack::{Answers, Prompt, PromptType};
use zeroize::Zeroizing;

use crate::crypt;

/// Longer passwords are typing accidents, and cost the hash more than a person's patience.
const PASSWORD_LIMIT: usize = 256;

/// Answers from the command line by the prompt's name, not checked yet.
pub type Given = BTreeMap<String, Zeroizing<String>>;

/// Twelve bytes for a salt, as random as the system can make them.
pub type RandomSalt<'a> = &'a mut dyn FnMut() -> Option<[u8; 12]>;

/// The answers so far.
pub struct Sheet {
    prompts: Vec<Prompt>,
    answers: Answers,
    wrong: Vec<Refusal>,
}

impl Sheet {
    /// Begins with what is given (which wins) and what the code presets. Patterns become what `machine` makes of them.
    #[must_use]
    pub fn begin(prompts: &[Prompt], presets: &Answers, given: &Given, machine: &Facts, salt: RandomSalt<'_>) -> Sheet {
        let on_this_machine = |prompt: &Prompt| Prompt { default: prompt.default_on(machine), ..prompt.clone() };
        let prompts = prompts.iter().map(on_this_machine).collect();
        let mut sheet = Sheet { prompts, answers: Answers::new(), wrong: Vec::new() };
        let prompts = sheet.prompts.clone();
        let unknown = given.keys().filter(|name| !prompts.iter().any(|prompt| prompt.name.as_str() == name.as_str()));
        sheet.wrong.extend(
            unknown.map(|name| invalid(&anode_bundle::display::line(name, 64), "has no prompt in this profile")),
        );
        for prompt in &prompts {
            let preset = presets.get(&prompt.name).and_then(|value| prompt.pattern_on(value, machine));
            let value = given.get(prompt.name.as_str()).cloned().or(preset.map(Zeroizing::new));
            let Some(value) = value else { continue };
            match prepare(prompt, &value, &mut *salt) {
                Ok(answer) => sheet.put(&prompt.name, answer),
                Err(refusal) => sheet.wrong.push(refusal),
            }
        }
        sheet
    }

    /// The prompts that nobody has answered yet, in their order. A prompt with a wrong answer is not asked again here.
    #[must_use]
    pub fn open(&self) -> Vec<Prompt> {
        let wrong = |prompt: &Prompt| {
            self.wrong.iter().any(|refusal| matches!(refusal, Refusal::AnswerInvalid { prompt: name, .. } if name == prompt.name.as_str()))
        };
        self.prompts
            .iter()
            .filter(|prompt| !self.answers.contains_key(&prompt.name) && !wrong(prompt))
            .cloned()
            .collect()
    }

    /// What is wrong so far.
    #[must_use]
    pub fn wrong(&self) -> &[Refusal] {
        &self.wrong
    }

    /// Keeps an answer that [`prepare`] made.
    pub fn put(&mut self, name: &Id, answer: Zeroizing<String>) {
        self.answers.insert(name.clone(), answer);
    }

    /// The answers, with defaults where nobody said anything.
    ///
    /// # Errors
    /// Every wrong and every missing answer.
    pub fn finish(mut self) -> Result<Answers, Vec<Refusal>> {
        for prompt in self.open() {
            match &prompt.default {
                Some(default) => self.put(&prompt.name, Zeroizing::new(default.clone())),
                None => self.wrong.push(invalid(prompt.name.as_str(), "is missing, and there is no default")),
            }
        }
        if self.wrong.is_empty() { Ok(self.answers) } else { Err(self.wrong) }
    }
}

/// What will be inserted for `value`: a plain password becomes a crypt hash, everything else stays as it is.
///
/// # Errors
/// [`Refusal::AnswerInvalid`] if it does not fit the prompt.
pub fn prepare(prompt: &Prompt, value: &str, salt: RandomSalt<'_>) -> Result<Zeroizing<String>, Refusal> {
    let as_it_is = prompt.check(value);
    if prompt.kind != PromptType::Password || as_it_is.is_ok() {
        return as_it_is.map(|()| Zeroizing::new(value.to_owned()));
    }
    if value.is_empty() || value.len() > PASSWORD_LIMIT || value.chars().any(char::is_control) {
        return Err(invalid(prompt.name.as_str(), "must be 1 to 256 bytes without control characters"));
    }
    let salt =
        salt().ok_or_else(|| invalid(prompt.name.as_str(), "can not be hashed: the system has no random numbers"))?;
    let hash = crypt::sha512(value, &salt);
    prompt.check(&hash)?;
    Ok(hash)
}

/// A salt from the operating system.
#[must_use]
pub fn system_salt() -> Option<[u8; 12]> {
    let mut salt = [0; 12];
    getrandom::fill(&mut salt).ok().map(|()| salt)
}

fn invalid(prompt: &str, problem: &str) -> Refusal {
    Refusal::AnswerInvalid { prompt: prompt.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn prompt(name: &str, kind: PromptType, default: Option<&str>) -> Prompt {
        Prompt {
            name: Id::new(name).unwrap(),
            kind,
            title: String::new(),
            help: String::new(),
            default: default.map(str::to_owned),
            choices: Vec::new(),
            min: None,
            max: None,
        }
    }

    fn given(pairs: &[(&str, &str)]) -> Given {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Zeroizing::new((*value).to_owned()))).collect()
    }

    fn sheet(prompts: &[Prompt], presets: &[(&str, &str)], given_pairs: &[(&str, &str)]) -> Sheet {
        let presets =
            presets.iter().map(|(name, value)| (Id::new(name).unwrap(), Zeroizing::new((*value).to_owned()))).collect();
        Sheet::begin(prompts, &presets, &given(given_pairs), &Facts::default(), &mut || Some([7; 12]))
    }

    #[test]
    fn what_is_given_wins_over_presets_and_presets_over_defaults() {
        let prompts = [
            prompt("a", PromptType::Hostname, Some("from-default")),
            prompt("b", PromptType::Hostname, Some("from-default")),
            prompt("c", PromptType::Hostname, Some("from-default")),
        ];
        let sheet = sheet(&prompts, &[("a", "from-code"), ("b", "from-code")], &[("a", "given")]);
        assert_eq!(sheet.open().len(), 1);
        let answers = sheet.finish().unwrap_or_default();
        let values: Vec<_> = answers.values().map(|value| value.as_str()).collect();
        assert_eq!(values, ["given", "from-code", "from-default"]);
    }

    #[test]
    fn all_wrong_answers_are_reported_at_once_and_none_is_repeated() {
        let prompts = [
            prompt("host", PromptType::Hostname, None),
            prompt("user", PromptType::Username, None),
            prompt("word", PromptType::Password, None),
        ];
        let wrong =
            sheet(&prompts, &[], &[("host", "NOT VALID"), ("other", "x"), ("word", "new\nline")]).finish().unwrap_err();
        let text: Vec<_> = wrong.iter().map(Refusal::to_string).collect();
        assert_eq!(wrong.len(), 4, "{text:?}");
        for name in ["`host`", "`user`", "`word`", "`other`"] {
            assert!(text.iter().any(|line| line.contains(name)), "{text:?}");
        }
        assert!(!text.concat().contains("NOT VALID") && !text.concat().contains("new"));
    }

    #[test]
    fn a_plain_password_becomes_a_hash_and_a_hash_stays() {
        let prompts = [prompt("word", PromptType::Password, None)];
        let answers = sheet(&prompts, &[], &[("word", "correct horse")]).finish().unwrap_or_default();
        let hash = answers.values().next().unwrap();
        assert!(hash.starts_with("$6$") && !hash.contains("horse"));
        let again = sheet(&prompts, &[], &[("word", hash)]).finish().unwrap_or_default();
        assert_eq!(again.values().next(), Some(hash));
    }

    #[test]
    fn a_pattern_is_filled_in_by_the_machine_and_asked_for_where_the_machine_does_not_say() {
        use anode_bundle::hardware::{Fact, Known};
        let prompts = [
            prompt("a", PromptType::Hostname, Some("lab-{serial}")),
            prompt("b", PromptType::Hostname, None),
            prompt("c", PromptType::Hostname, Some("{mac}")),
        ];
        let machine = Facts(vec![(Fact::Serial, Known::Text("X1".into()))]);
        let presets = [(Id::new("b").unwrap(), Zeroizing::new("pc-{serial}".to_owned()))].into();
        let sheet = Sheet::begin(&prompts, &presets, &Given::new(), &machine, &mut || None);
        let open: Vec<_> = sheet.open().into_iter().map(|prompt| (prompt.name.to_string(), prompt.default)).collect();
        assert_eq!(open, [("a".to_owned(), Some("lab-x1".to_owned())), ("c".to_owned(), None)]);
        let wrong = sheet.finish().unwrap_err();
        assert!(wrong.len() == 1 && wrong[0].to_string().contains("`c`"), "{wrong:?}");
        // Nobody types a pattern.
        let given = given(&[("a", "lab-{serial}"), ("b", "x"), ("c", "y")]);
        assert!(Sheet::begin(&prompts, &Answers::new(), &given, &machine, &mut || None).finish().is_err());
    }

    #[test]
    fn two_salts_of_the_system_differ() {
        assert_ne!(system_salt().unwrap(), system_salt().unwrap());
    }

    #[test]
    fn without_random_numbers_no_password_is_hashed() {
        let prompts = [prompt("word", PromptType::Password, None)];
        let sheet =
            Sheet::begin(&prompts, &Answers::new(), &given(&[("word", "secret")]), &Facts::default(), &mut || None);
        assert!(sheet.finish().is_err());
    }
}
