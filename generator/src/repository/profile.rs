//! `profile.toml` and `org.toml`: profiles, their prompts, organisations.

use std::sync::Arc;

use anode_bundle::name::Id;
use anode_bundle::pack::{Choice, Prompt, PromptType};

use super::Snippets;
use super::ansible::{AnsibleSettings, read_ansible};
use super::fields::{Fields, Located, read_toml};
use super::value::Settings;
use crate::diagnose::{Origin, Problem, Problems, Source};

/// What a machine becomes.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The folder's name.
    pub id: Id,
    /// The organisation that it belongs to; `None`: everybody's.
    pub organisation: Option<Id>,
    /// One line for people.
    pub title: String,
    /// A sentence for people.
    pub description: String,
    /// The installer definition.
    pub installer: Located<Id>,
    /// The distribution's version.
    pub version: Located<String>,
    /// The distribution's name of the processor architecture.
    pub architecture: Located<String>,
    /// Its files appear in `public/<profile>/`.
    pub public: bool,
    /// Goes ahead without the last question.
    pub unattended: bool,
    /// May be offered, with its secrets, to a machine that activates itself.
    pub hardware_secrets: bool,
    /// The profile layer.
    pub variables: Settings,
    /// What a person is asked, in this order.
    pub prompts: Vec<Located<Prompt>>,
    /// What configures the machine after its first boot.
    pub ansible: AnsibleSettings,
    /// The templates beside `profile.toml`, and those of its ancestors that it does not replace.
    pub snippets: Snippets,
    /// What it extends, the nearest first.
    pub ancestors: Vec<Ancestor>,
    /// `profile.toml`.
    pub origin: Origin,
}

/// A profile that another one extends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// Its id.
    pub id: Id,
    /// The organisation that it belongs to.
    pub organisation: Option<Id>,
    /// Its `profile.toml`.
    pub origin: Origin,
}

/// What a `profile.toml` says, before it is known whether that makes a profile: much of it may come from what it extends.
#[derive(Debug, Clone)]
pub struct ProfileDraft {
    /// The folder's name.
    pub id: Id,
    /// The organisation that it belongs to; `None`: everybody's.
    pub organisation: Option<Id>,
    /// One line for people.
    pub title: String,
    /// A sentence for people.
    pub description: String,
    /// The profile that it takes everything from that it does not say itself.
    pub extends: Option<Located<Id>>,
    /// It is there to be extended: nobody is offered it, and nothing is rendered for it.
    pub is_abstract: bool,
    /// The installer definition.
    pub installer: Option<Located<Id>>,
    /// The distribution's version.
    pub version: Option<Located<String>>,
    /// The distribution's name of the processor architecture.
    pub architecture: Option<Located<String>>,
    /// Its files appear in `public/<profile>/`.
    pub public: bool,
    /// Goes ahead without the last question.
    pub unattended: Option<bool>,
    /// May be offered, with its secrets, to a machine that activates itself.
    pub hardware_secrets: bool,
    /// The profile layer.
    pub variables: Settings,
    /// What a person is asked, in this order.
    pub prompts: Vec<Located<Prompt>>,
    /// The prompts of its ancestors that it leaves out.
    pub remove_prompts: Vec<Located<Id>>,
    /// What configures the machine after its first boot.
    pub ansible: AnsibleSettings,
    /// The templates beside `profile.toml`.
    pub snippets: Snippets,
    /// What it extends, the nearest first; empty until that is looked up.
    pub ancestors: Vec<Ancestor>,
    /// `profile.toml`.
    pub origin: Origin,
}

/// Somebody's part of the repository.
#[derive(Debug, Clone)]
pub struct Organisation {
    /// The folder's name.
    pub id: Id,
    /// One line for people.
    pub title: String,
    /// The organisation layer.
    pub variables: Settings,
    /// `orgs/<org>/snippets/`
    pub snippets: Snippets,
    /// `org.toml`
    pub origin: Origin,
}

/// Reads `org.toml`.
pub fn read_organisation(
    source: &Arc<Source>,
    id: &Id,
    snippets: Snippets,
    problems: &mut Problems,
) -> Option<Organisation> {
    read_toml(source, problems, |top| {
        let title = top.required_title("title", 72, "title = \"Example school\"");
        let variables = top.values("variables");
        Some(Organisation { id: id.clone(), title: title?, variables, snippets, origin: top.origin() })
    })
    .flatten()
}

/// Reads `profile.toml`; `required` are the keys that it must have if it extends nothing.
pub fn read_profile(
    source: &Arc<Source>,
    id: &Id,
    organisation: Option<&Id>,
    snippets: Snippets,
    required: &[(&str, &str)],
    problems: &mut Problems,
) -> Option<ProfileDraft> {
    read_toml(source, problems, |top| {
        // A trial of a definition is offered to nobody, so it needs no title.
        let title = match required {
            [] => Some(top.title("title", 72).unwrap_or_else(|| id.to_string())),
            _ => top.required_title("title", 72, "title = \"Debian server\""),
        };
        let description = top.title("description", 240);
        let stated = top.has("extends");
        let extends = top.name("extends", Id::new);
        let is_abstract = top.switch("abstract").unwrap_or(false);
        if !stated && !is_abstract {
            for (key, example) in required {
                if !top.has(key) {
                    top.missing(key, example);
                }
            }
        }
        let installer = top.name("installer", Id::new);
        let version = top.text("version");
        let architecture = top.text("architecture");
        let public = top.switch("public").unwrap_or(false);
        let unattended = top.switch("unattended");
        let hardware_secrets = top.switch("hardware_secrets").unwrap_or(false);
        let variables = top.values("variables");
        let prompts: Vec<_> = top.tables("prompts", read_prompt).into_iter().flatten().collect();
        let remove_prompts = top.names("remove_prompts", Id::new);
        let ansible = top.table("ansible", read_ansible).unwrap_or_default();
        for (index, prompt) in prompts.iter().enumerate() {
            if prompts.iter().take(index).any(|other| other.value.name == prompt.value.name) {
                let message = format!("the prompt `{}` occurs twice", prompt.value.name);
                top.push(Problem::at(&prompt.origin, message).help("remove or rename one of the two"));
            }
        }
        if public && organisation.is_some() {
            let problem = Problem::at(&top.origin(), "an organisation's own profile can not be public");
            top.push(problem.help("remove `public`, or move the profile to the top of the repository"));
        }
        for (key, set) in [("public", public), ("hardware_secrets", hardware_secrets)] {
            if set && is_abstract {
                let problem = Problem::at(&top.origin(), format!("an abstract profile can not be `{key}`"));
                top.push(
                    problem.help(format!("remove `{key}` here: it is not inherited, each profile says it itself")),
                );
            }
        }
        // Half a draft would only add problems that are none: what it inherits would be counted as missing.
        if stated && extends.is_none() {
            return None;
        }
        Some(ProfileDraft {
            id: id.clone(),
            organisation: organisation.cloned(),
            title: title?,
            description: description.unwrap_or_default(),
            extends,
            is_abstract,
            installer,
            version,
            architecture,
            public,
            unattended,
            hardware_secrets,
            variables,
            prompts,
            remove_prompts,
            ansible,
            snippets,
            ancestors: Vec::new(),
            origin: top.origin(),
        })
    })
    .flatten()
}

/// What a profile has to say, itself or by what it extends, and how.
pub const REQUIRED: [(&str, &str); 3] = [
    ("installer", "installer = \"debian\""),
    ("version", "version = \"13\""),
    ("architecture", "architecture = \"amd64\""),
];

const PROMPT_TYPES: [(&str, PromptType); 11] = [
    ("hostname", PromptType::Hostname),
    ("username", PromptType::Username),
    ("full-name", PromptType::FullName),
    ("password", PromptType::Password),
    ("passphrase", PromptType::Passphrase),
    ("disk", PromptType::Disk),
    ("language", PromptType::Language),
    ("keyboard", PromptType::Keyboard),
    ("choice", PromptType::Choice),
    ("number", PromptType::Number),
    ("text", PromptType::Text),
];

fn read_prompt(table: &mut Fields<'_, '_, '_>) -> Option<Located<Prompt>> {
    let name = table.required_name("name", "name = \"hostname\"", Id::new);
    if let Some(name) = &name
        && !is_word(name.value.as_str())
    {
        let problem = Problem::at(&name.origin, format!("`{}` can not be the name of a prompt", name.value));
        table.push(problem.label("letters, digits and `_` only, so that templates can write `prompt.name`"));
    }
    if !table.has("type") {
        table.missing("type", "type = \"hostname\"");
    }
    let kind = table.word("type", &PROMPT_TYPES);
    let title = table.title("title", 72).unwrap_or_default();
    let help = table.title("help", 160).unwrap_or_default();
    let default = table.text("default").map(|text| text.value);
    let choices = read_choices(table);
    let (min, max) = (table.number("min", 0..=u64::from(u32::MAX)), table.number("max", 0..=u64::from(u32::MAX)));
    let name = name?;
    let prompt = Prompt { name: name.value, kind: kind?, title, help, default, choices, min, max };
    if let Err(problem) = prompt.check_definition() {
        table.push(Problem::at(&name.origin, format!("the prompt `{}` {problem}", prompt.name)));
    }
    Some(Located { value: prompt, origin: name.origin })
}

fn read_choices(table: &mut Fields<'_, '_, '_>) -> Vec<Choice> {
    let choices = table.tables("choices", |choice| {
        let value = choice.required("value", "value = \"office\"");
        let title = choice.title("title", 72);
        let value = value?.value;
        Some(Choice { title: title.unwrap_or_else(|| value.clone()), value })
    });
    choices.into_iter().flatten().collect()
}

/// Can templates use it as a name?
pub fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && name.len() <= 64
}
