//! Answers that nobody gave: for validators and previews.

use anode_bundle::hardware::Facts;
use anode_bundle::pack::{Answers, Contents, Prompt, PromptType};

/// Harmless answers of the right types, for validators and previews.
#[must_use]
pub fn sample_answers(contents: &Contents) -> Answers {
    let prompts = contents.manifest().prompts.iter();
    prompts.map(|prompt| (prompt.name.clone(), sample_answer(prompt).into())).collect()
}

/// A harmless answer of the right type: the default where there is one.
#[must_use]
pub fn sample_answer(prompt: &Prompt) -> String {
    match (prompt.default_on(&Facts::default()), prompt.kind) {
        (Some(default), _) => default,
        (None, PromptType::Hostname) => "sample-pc".to_owned(),
        (None, PromptType::Username) => "sample".to_owned(),
        (None, PromptType::FullName) => "Sample Person".to_owned(),
        (None, PromptType::Password) => format!("$6$samplesample$./{}", "0".repeat(84)),
        (None, PromptType::Passphrase) => "sample passphrase".to_owned(),
        (None, PromptType::Disk) => "/dev/sda".to_owned(),
        (None, PromptType::Language) => "en_US.UTF-8".to_owned(),
        (None, PromptType::Keyboard) => "us".to_owned(),
        (None, PromptType::Choice) => prompt.choices.first().map(|choice| choice.value.clone()).unwrap_or_default(),
        (None, PromptType::Number) => prompt.min.unwrap_or(1).min(prompt.max.unwrap_or(u64::MAX)).to_string(),
        (None, PromptType::Text) => "sample".to_owned(),
    }
}
