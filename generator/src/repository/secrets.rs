//! `[secrets.NAME]` of `anode.toml`: where a value comes from that no repository may hold, and which variables name it.
//!
//! A repository says the name and the place, never the value. What is known here is everything that `anode check` needs; the values are
//! [`crate::secrets`]' business, and only a build asks for them.

use std::collections::BTreeMap;

use anode_bundle::name::Id;

use super::fields::Fields;
use super::value::{Setting, Value, Variable, VariableType, check_text};
use crate::diagnose::{Origin, Problem};
use crate::keys::SecretName;

/// `[secrets.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretDefinition {
    /// Where its value comes from.
    pub place: SecretPlace,
    /// Where that is said.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// An environment variable.
    Variable(String),
    /// A file outside the repository; absolute, or below `~`.
    File(String),
    /// The standard output of a program, which gets no shell and, of the environment, only what it needs and what is named.
    Command(Vec<String>, Vec<String>),
}

/// The secrets of a site, by name.
pub type SecretDefinitions = BTreeMap<String, SecretDefinition>;

/// A secret in the place of a value, and what may stand there.
#[derive(Debug, Clone, Copy)]
pub struct SecretUse<'v> {
    /// The secret's name.
    pub name: &'v str,
    /// The type of the value.
    pub kind: VariableType,
    choices: &'v [String],
}

impl<'v> SecretUse<'v> {
    /// A secret in the place of a text that no manifest declares.
    #[must_use]
    pub fn of(name: &'v str, kind: VariableType) -> SecretUse<'v> {
        SecretUse { name, kind, choices: &[] }
    }

    /// # Errors
    /// Why the value does not fit, as a predicate that does not repeat it.
    pub fn check(&self, text: &str) -> Result<(), String> {
        check_text(self.kind, self.choices, text)
    }

    /// A harmless value of the right type, for whoever does not have the secret.
    #[must_use]
    pub fn sample(&self) -> &'v str {
        match self.kind {
            VariableType::Locale => "en_US.UTF-8",
            VariableType::Keyboard => "us",
            VariableType::Timezone => "Etc/UTC",
            VariableType::Path => "/sample",
            VariableType::Url => "https://sample.example/",
            VariableType::Size => "1GiB",
            VariableType::Ip => "192.0.2.1",
            VariableType::Cidr => "192.0.2.1/24",
            VariableType::Port => "22/tcp",
            VariableType::Crypt => "$6$samplesample$./0000000000000000000000000000",
            VariableType::Choice => self.choices.first().map_or("", String::as_str),
            _ => "sample",
        }
    }
}

impl Value {
    /// Is it `{ secret = "…" }`, or does it hold one?
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        !self.secret_names().is_empty()
    }

    /// The secrets that it names.
    #[must_use]
    pub fn secret_names(&self) -> Vec<&str> {
        match self {
            Value::Secret(name) => vec![name],
            Value::List(items) => items.iter().flat_map(Value::secret_names).collect(),
            Value::Map(items) => items.values().flat_map(Value::secret_names).collect(),
            Value::Text(_) | Value::Number(_) | Value::Switch(_) => Vec::new(),
        }
    }
}

impl Variable {
    /// The secrets that a value of this variable names, each with what may stand in its place.
    #[must_use]
    pub fn secret_uses<'v>(&'v self, value: &'v Value) -> Vec<SecretUse<'v>> {
        match (self.kind, value) {
            (_, Value::Secret(name)) => vec![self.secret(name)],
            (VariableType::Record, value) => self.uses_in_record(value),
            (_, Value::List(items)) => items.iter().flat_map(|item| self.uses_in_item(item)).collect(),
            (_, Value::Map(items)) => items.values().flat_map(|item| self.uses_in_item(item)).collect(),
            _ => Vec::new(),
        }
    }

    /// A secret in the place of the whole value.
    #[must_use]
    pub fn secret<'v>(&'v self, name: &'v str) -> SecretUse<'v> {
        SecretUse { name, kind: self.kind, choices: &self.choices }
    }

    /// A secret in the place of an item.
    #[must_use]
    pub fn secret_item<'v>(&'v self, name: &'v str) -> SecretUse<'v> {
        SecretUse { name, kind: self.items, choices: &self.choices }
    }

    fn uses_in_item<'v>(&'v self, item: &'v Value) -> Vec<SecretUse<'v>> {
        match item {
            Value::Secret(name) => vec![self.secret_item(name)],
            item if self.items == VariableType::Record => self.uses_in_record(item),
            _ => Vec::new(),
        }
    }

    fn uses_in_record<'v>(&'v self, value: &'v Value) -> Vec<SecretUse<'v>> {
        let Value::Map(given) = value else { return Vec::new() };
        let field = |field: &'v Variable| Some(field.secret_uses(given.get(&field.name)?));
        self.fields.iter().filter_map(field).flatten().collect()
    }
}

/// What a person wrote in the place of a secret that must not stand in a repository.
pub fn in_clear<'s>(variable: &Variable, setting: &'s Setting) -> Option<&'s Origin> {
    let text = matches!(&setting.value, Value::Text(text) if !text.is_empty());
    (variable.secret && variable.kind != VariableType::Crypt && text).then_some(&setting.origin)
}

/// Reads `[secrets]`.
pub fn read_secrets(top: &mut Fields<'_, '_, '_>) -> SecretDefinitions {
    let read = |name: &str, origin: Origin, fields: &mut Fields<'_, '_, '_>| {
        if let Err(bad) = Id::new(name) {
            let problem = Problem::at(&origin, format!("`{name}` can not be the name of a secret"));
            fields.push(problem.label(format!("not {}", bad.wanted)));
        } else if SecretName::given(name).is_some() {
            let problem = Problem::at(&origin, format!("`{name}` is a secret of the site itself"));
            fields.push(problem.help("give it another name: `--secret` must tell the two apart"));
        }
        let place = read_place(fields)?;
        Some((name.to_owned(), SecretDefinition { place, origin }))
    };
    top.named_tables("secrets", read).into_iter().flatten().collect()
}

fn read_place(fields: &mut Fields<'_, '_, '_>) -> Option<SecretPlace> {
    let known = ["env", "file", "command"];
    let given: Vec<_> = known.into_iter().filter(|key| fields.has(key)).collect();
    let (variable, file, command) = (fields.text("env"), fields.text("file"), fields.texts("command"));
    let environment = fields.texts("environment");
    let origin = fields.origin();
    let mut refuse = |origin: &Origin, message: &str, help: &str| {
        fields.push(Problem::at(origin, message).help(help));
        None
    };
    if given.len() != 1 {
        let help = "say one of `env = \"WIFI_KEY\"`, `file = \"~/secrets/wifi\"` and `command = [\"pass\", \"show\", \"wifi\"]`";
        return refuse(&origin, "a secret comes from one place", help);
    }
    if let Some(name) = environment.iter().find(|name| !is_variable(&name.value)) {
        return refuse(&name.origin, "this is not the name of an environment variable", "write it like `VAULT_ADDR`");
    }
    if !environment.is_empty() && !fields.has("command") {
        let help = "remove `environment`: it names the variables that a `command` gets";
        fields.push(Problem::at(&origin, "only a command has an environment").help(help));
        return None;
    }
    if let Some(variable) = variable {
        let site = variable.value.starts_with("ANODE_");
        if !is_variable(&variable.value) || site {
            let help = "write it like `WIFI_KEY`; `ANODE_…` is what the site's own secrets are called";
            fields.push(Problem::at(&variable.origin, "this is not the name of a variable for a secret").help(help));
            return None;
        }
        return Some(SecretPlace::Variable(variable.value));
    }
    if let Some(file) = file {
        if !file.value.starts_with('/') && !file.value.starts_with("~/") {
            let help = "begin it with `/` or `~/`: the file of a secret lies outside the repository";
            fields.push(Problem::at(&file.origin, "the path of a secret must be absolute").help(help));
            return None;
        }
        return Some(SecretPlace::File(file.value));
    }
    if command.first().is_none_or(|program| program.value.is_empty()) {
        let help =
            "write the program and its arguments: `command = [\"pass\", \"show\", \"wifi\"]`; no shell reads them";
        fields.push(Problem::at(&origin, "a command needs a program").help(help));
        return None;
    }
    let words = |texts: Vec<super::Located<String>>| texts.into_iter().map(|text| text.value).collect();
    Some(SecretPlace::Command(words(command), words(environment)))
}

fn is_variable(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
