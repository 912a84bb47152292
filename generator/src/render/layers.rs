//! Which value a variable has, and which file a name means: definition < site < organisation < profile.

use std::collections::BTreeMap;
use std::sync::Arc;

use anode_bundle::name::Id;
use anode_bundle::pack::Blob;
use tera::{Context, Map};

use super::markers::Nonce;
use crate::diagnose::Source;
use crate::repository::{
    AnsibleSettings, InstallerDefinition, Located, Organisation, Profile, Repository, SecretUse, Setting, Snippets,
    Value, Variable, VariableType,
};

/// Where a snippet of any name would be found; said where no known one has a name that is near.
pub const WHERE_SNIPPETS_LIE: &str =
    "a snippet lies beside the profile, in `orgs/<org>/snippets/`, in `snippets/`, or with the definition";

/// The layers of one rendering.
#[derive(Clone, Copy)]
pub struct Layers<'r> {
    pub repository: &'r Repository,
    pub definition: &'r InstallerDefinition,
    pub organisation: Option<&'r Organisation>,
    pub profile: &'r Profile,
}

impl<'r> Layers<'r> {
    /// The value of a variable, from the nearest layer that sets it.
    pub fn setting(&self, name: &str) -> Option<&'r Setting> {
        let lower = self.repository.site.variables.get(name);
        self.profile
            .variables
            .get(name)
            .or_else(|| self.organisation.and_then(|organisation| organisation.variables.get(name)))
            .or(lower)
            .or_else(|| self.definition.variables.get(name).and_then(|variable| variable.default.as_ref()))
    }

    /// Where `anode show` says the value comes from.
    pub fn settings(&self) -> BTreeMap<&'r str, &'r Setting> {
        let names = self.definition.variables.keys();
        names.filter_map(|name| Some((name.as_str(), self.setting(name)?))).collect()
    }

    /// The file that a name means.
    pub fn snippet(&self, name: &str) -> Option<&'r Arc<Source>> {
        self.snippet_layers().find_map(|snippets| snippets.get(name))
    }

    /// All names that mean a file.
    pub fn snippet_names(&self) -> impl Iterator<Item = &'r str> {
        self.snippet_layers().flat_map(|snippets| snippets.keys().map(String::as_str))
    }

    fn snippet_layers(&self) -> impl Iterator<Item = &'r Snippets> {
        let organisation = self.organisation.map(|organisation| &organisation.snippets);
        [Some(&self.profile.snippets), organisation, Some(&self.repository.snippets), Some(&self.definition.snippets)]
            .into_iter()
            .flatten()
    }

    /// What configures the machine, as the profile and the site say it.
    pub fn ansible(&self) -> AnsibleSettings {
        self.profile.ansible.over(&self.repository.site.ansible)
    }

    /// What templates see.
    pub fn context(&self, nonce: Nonce) -> Context {
        let mut context = Context::new();
        for (name, setting) in self.settings() {
            let value = match self.definition.variables.get(name) {
                Some(variable) => self.of_variable(variable, &setting.value),
                None => continue,
            };
            context.insert_value(name.to_owned(), value);
        }
        let text = |text: &str| tera::Value::normal_string(text);
        let site = &self.repository.site;
        let url = site.urls.first().map_or("", String::as_str);
        let profile = [("id", self.profile.id.as_str()), ("title", &self.profile.title)];
        let site = [("id", site.id.as_str()), ("name", &site.name), ("title", &site.title), ("url", url)];
        let installer = [("id", self.definition.id.as_str()), ("title", &self.definition.title)];
        let unattended = [("unattended", self.profile.unattended.into())];
        let profile = profile.map(|(name, value)| (name, text(value))).into_iter().chain(unattended);
        context.insert_value("profile", table(profile));
        context.insert_value("site", table(site.map(|(name, value)| (name, text(value)))));
        context.insert_value("installer", table(installer.map(|(name, value)| (name, text(value)))));
        context.insert_value("version", text(&self.profile.version.value));
        context.insert_value("architecture", text(&self.profile.architecture.value));
        context.insert_value("ansible", self.ansible_value());
        let prompts = self.profile.prompts.iter().enumerate();
        let markers = prompts.map(|(number, prompt)| (prompt.value.name.as_str(), text(&nonce.marker(number))));
        context.insert_value("prompt", table(markers));
        context
    }

    /// `ansible.*`; `ansible` itself is false where nothing configures the machine.
    fn ansible_value(&self) -> tera::Value {
        let settings = self.ansible();
        let Some(public) = settings.public_part() else { return tera::Value::none() };
        let text = |text: &str| tera::Value::normal_string(text);
        let optional = |value: &Option<String>| value.as_deref().map_or_else(tera::Value::none, text);
        let list = |list: &Option<Vec<Located<String>>>| {
            list.iter().flatten().map(|item| text(&item.value)).collect::<Vec<_>>().into()
        };
        let secret = |name: Option<&Located<String>>, kind| {
            name.map_or_else(tera::Value::none, |name| self.secret(SecretUse::of(&name.value, kind)))
        };
        table([
            ("repository", text(&public.repository)),
            ("commit", optional(&public.commit)),
            ("branch", optional(&public.branch)),
            ("playbook", text(&public.playbook)),
            ("groups", list(&settings.groups)),
            ("requirements", optional(&public.requirements)),
            ("known_hosts", list(&settings.known_hosts)),
            ("signers", list(&settings.signers)),
            ("vault", secret(settings.vault.as_ref(), VariableType::Line)),
            ("deploy_key", secret(settings.key_of_repository(), VariableType::Text)),
            ("schedule", optional(&public.schedule)),
            ("jitter", text(settings.spread())),
            ("only_if_changed", public.only_if_changed.into()),
        ])
    }

    /// A value as its variable declares it: in a record, templates find every field; a secret becomes the text that stands for it.
    fn of_variable(&self, variable: &Variable, value: &Value) -> tera::Value {
        match (variable.kind, value) {
            (_, Value::Secret(name)) => self.secret(variable.secret(name)),
            (VariableType::Record, value) => self.record(variable, value),
            (_, Value::List(items)) => items.iter().map(|item| self.of_item(variable, item)).collect::<Vec<_>>().into(),
            (_, Value::Map(items)) => {
                table(items.iter().map(|(name, value)| (name.as_str(), self.of_item(variable, value))))
            }
            (_, value) => to_tera(value),
        }
    }

    fn of_item(&self, list: &Variable, item: &Value) -> tera::Value {
        match item {
            Value::Map(_) if list.items == VariableType::Record => self.record(list, item),
            Value::Secret(name) => self.secret(list.secret_item(name)),
            item => to_tera(item),
        }
    }

    fn record(&self, variable: &Variable, value: &Value) -> tera::Value {
        let Value::Map(given) = value else { return tera::Value::none() };
        table(variable.fields.iter().map(|field| {
            let value = given.get(&field.name).or(field.default.as_ref().map(|default| &default.value));
            (field.name.as_str(), value.map_or_else(tera::Value::none, |value| self.of_variable(field, value)))
        }))
    }

    /// One that is not there was refused before anything is rendered.
    fn secret(&self, used: SecretUse<'_>) -> tera::Value {
        self.repository.secrets.text(used).map_or_else(tera::Value::none, tera::Value::normal_string)
    }
}

/// What templates see as `image`: the pinned second stages by name, each with `url`, `urls`, `sha256` and `length`.
pub fn images(images: &[Blob]) -> tera::Value {
    table(images.iter().map(|blob| {
        let urls: Vec<_> = blob.urls.iter().map(|url| tera::Value::normal_string(url)).collect();
        let facts = [
            ("url", urls.first().cloned().unwrap_or_else(tera::Value::none)),
            ("urls", urls.into()),
            ("sha256", tera::Value::normal_string(&blob.sha256.to_string())),
            ("length", blob.length.into()),
        ];
        (blob.name.as_ref().map_or("", Id::as_str), table(facts))
    }))
}

fn table<'k>(entries: impl IntoIterator<Item = (&'k str, tera::Value)>) -> tera::Value {
    let map: Map = entries.into_iter().map(|(name, value)| (name.to_owned().into(), value)).collect();
    map.into()
}

/// A value with no secret in it: where one may stand, its variable says so.
fn to_tera(value: &Value) -> tera::Value {
    match value {
        Value::Text(text) => tera::Value::normal_string(text),
        Value::Number(number) => (*number).into(),
        Value::Switch(switch) => (*switch).into(),
        Value::List(items) => items.iter().map(to_tera).collect::<Vec<_>>().into(),
        Value::Map(items) => table(items.iter().map(|(name, value)| (name.as_str(), to_tera(value)))),
        Value::Secret(_) => tera::Value::none(),
    }
}
