//! Taking every secret value out of a loaded repository, so that what is rendered afterwards can be shown to anybody.
//!
//! A value is replaced by another one of its type: the files are the real ones in all other respects.

use std::collections::BTreeMap;

use crate::canary::is_crypt_hash;
use crate::repository::{Repository, Settings, Value, Variable};

/// What stands for a hash: of the form that installers take, and no password has it.
const HASH: &str = "$6$hidden$hidden.hidden.hidden.hidden.hidden.hidden.hidden.hidden.hidden.hidden.hidden.hidden.hid";
/// What stands for any other secret.
const SECRET: &str = "hidden";

/// Replaces crypt hashes and the values of secret variables in every layer.
pub fn hide_secrets(repository: &mut Repository) {
    let mut declared: BTreeMap<String, Vec<Variable>> = BTreeMap::new();
    for variable in repository.installers.values().flat_map(|definition| definition.variables.values()) {
        if variable.holds_secrets() {
            declared.entry(variable.name.clone()).or_default().push(variable.clone());
        }
    }
    let profiles = repository.profiles.iter_mut().map(|profile| &mut profile.variables);
    let bases = repository.bases.iter_mut().map(|base| &mut base.variables);
    let organisations = repository.organisations.iter_mut().map(|organisation| &mut organisation.variables);
    for settings in profiles.chain(bases).chain(organisations).chain([&mut repository.site.variables]) {
        hide(settings, &declared);
    }
}

fn hide(settings: &mut Settings, declared: &BTreeMap<String, Vec<Variable>>) {
    for (name, setting) in settings {
        let variables: Vec<&Variable> = declared.get(name).into_iter().flatten().collect();
        hide_value(&mut setting.value, &variables);
    }
}

fn hide_value(value: &mut Value, variables: &[&Variable]) {
    match value {
        Value::Text(text) if is_crypt_hash(text) => *text = HASH.to_owned(),
        Value::Text(text) if variables.iter().any(|variable| variable.secret) => *text = SECRET.to_owned(),
        // A name shows nothing, and what is rendered has samples in its place.
        Value::Text(_) | Value::Number(_) | Value::Switch(_) | Value::Secret(_) => {}
        Value::List(items) => items.iter_mut().for_each(|item| hide_value(item, variables)),
        Value::Map(items) => {
            for (name, item) in items {
                let fields = variables.iter().flat_map(|variable| &variable.fields).filter(|field| field.name == *name);
                let inner: Vec<_> = variables.iter().copied().filter(|v| v.fields.is_empty()).chain(fields).collect();
                hide_value(item, &inner);
            }
        }
    }
}
