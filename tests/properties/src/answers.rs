//! Answers to prompts: what is taken needs no escaping anywhere.

use anode_bundle::Refusal;
use anode_bundle::hardware::{Fact, Facts, Known};
use anode_bundle::name::Id;
use anode_bundle::pack::{Choice, Prompt, PromptType};
use anode_fetch::answers::prepare;

use crate::Verdict::{self, Accepted, Refused};
use crate::text;

const KINDS: [PromptType; 11] = [
    PromptType::Hostname,
    PromptType::Username,
    PromptType::FullName,
    PromptType::Password,
    PromptType::Disk,
    PromptType::Language,
    PromptType::Keyboard,
    PromptType::Choice,
    PromptType::Number,
    PromptType::Text,
    PromptType::Passphrase,
];

/// The type of the prompt in the first byte, the answer behind it; for a choice one offered value, a line feed, the answer.
pub fn answer(data: &[u8]) -> Verdict {
    let Some((first, rest)) = data.split_first() else { return Refused };
    let Some(rest) = text(rest) else { return Refused };
    let kind = KINDS[usize::from(*first) % KINDS.len()];
    let (offered, answer) =
        if kind == PromptType::Choice { rest.split_once('\n').unwrap_or((rest, rest)) } else { ("", rest) };
    let choices =
        if offered.is_empty() { Vec::new() } else { vec![Choice { value: offered.to_owned(), title: String::new() }] };
    let (min, max) = if kind == PromptType::Number { (Some(2), Some(65_535)) } else { (None, None) };
    let name = Id::new("prompt").unwrap();
    let mut prompt = Prompt { name, kind, title: String::new(), help: String::new(), default: None, choices, min, max };
    if prompt.check_definition().is_err() {
        return Refused;
    }
    let checked = prompt.check(answer);
    if kind != PromptType::Password {
        // A password in clear becomes a hash here, which takes too long.
        assert_eq!(prepare(&prompt, answer, &mut || None).is_ok(), checked.is_ok());
        prompt.default = Some(answer.to_owned());
        let is_pattern = kind == PromptType::Hostname && answer.contains('{');
        assert!(is_pattern || prompt.check_definition().is_ok() == (checked.is_ok() && !kind.is_secret()));
        // Whatever a pattern becomes on a machine is a name.
        let facts = Facts(vec![(Fact::Serial, Known::Text("Some Serial".to_owned()))]);
        let name = Some(prompt).filter(|_| is_pattern).and_then(|prompt| Some((prompt.default_on(&facts)?, prompt)));
        assert!(name.is_none_or(|(name, prompt)| prompt.check(&name).is_ok()));
    }
    if let Err(refusal) = checked {
        assert!(matches!(refusal, Refusal::AnswerInvalid { .. }));
        assert!(answer.len() < 40 || !refusal.to_string().contains(answer), "the answer is repeated");
        return Refused;
    }
    let free =
        |c: char| c.is_alphanumeric() || " ._@+/:-".contains(c) || kind == PromptType::Password && "$=,".contains(c);
    assert!(!answer.is_empty() && answer.chars().all(free), "{kind:?} {answer:?}");
    assert!(answer.trim() == answer && answer.len() <= 1024);
    assert_eq!(serde_json::to_string(answer).unwrap(), format!("\"{answer}\""));
    match kind {
        PromptType::Number => assert!((2..=65_535).contains(&answer.parse::<u64>().unwrap())),
        PromptType::Disk => {
            assert!(std::path::Path::new(answer).components().skip(1).all(|part| part.as_os_str() != ".."))
        }
        PromptType::Choice => assert_eq!(answer, offered),
        PromptType::Hostname | PromptType::Username => assert!(!answer.contains(char::is_uppercase)),
        _ => {}
    }
    Accepted
}
