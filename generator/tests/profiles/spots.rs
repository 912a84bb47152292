//! The free texts of a definition: where a person may write what they like.

use std::collections::BTreeMap;
use std::sync::Arc;

use anode::diagnose::{Origin, Source};
use anode::repository::{InstallerDefinition, Located, Profile, Value, Variable, VariableType};

/// Where a text goes.
#[derive(Clone)]
pub enum Within {
    Itself,
    Item,
    /// Of the record in a list.
    Field {
        name: String,
        is_list: bool,
    },
}

#[derive(Clone)]
pub struct Spot<'r> {
    pub variable: &'r Variable,
    pub within: Within,
    /// `variable`, or `variable.field`.
    pub name: String,
}

/// The spots of a definition, but those whose texts are names of snippets.
pub fn spots(definition: &InstallerDefinition) -> impl Iterator<Item = Spot<'_>> {
    let named =
        |name: &str| definition.files.iter().any(|file| file.each.as_ref().is_some_and(|each| each.value == name));
    definition.variables.values().filter(move |variable| !named(&variable.name)).flat_map(of_variable)
}

/// Ways to put a text into a variable.
fn of_variable(variable: &Variable) -> Vec<Spot<'_>> {
    let free = |kind| matches!(kind, VariableType::Line | VariableType::Text);
    let spot = |within, name: String| Spot { variable, within, name };
    let name = variable.name.clone();
    match variable.kind {
        kind if free(kind) => vec![spot(Within::Itself, name)],
        VariableType::List if free(variable.items) => vec![spot(Within::Item, name)],
        VariableType::List if variable.items == VariableType::Record => {
            let is_list = |field: &Variable| field.kind == VariableType::List;
            let fields = variable.fields.iter().filter(|field| free(field.kind) || is_list(field) && free(field.items));
            let of = |field: &Variable| {
                let within = Within::Field { name: field.name.clone(), is_list: is_list(field) };
                spot(within, format!("{name}.{}", field.name))
            };
            fields.map(of).collect()
        }
        _ => Vec::new(),
    }
}

/// The values of the variables with a text in each spot.
fn filled<'r>(texts: &[(&Spot<'r>, &str)]) -> BTreeMap<&'r str, Value> {
    let mut variables: BTreeMap<&str, Value> = BTreeMap::new();
    for (Spot { variable, within, .. }, text) in texts {
        let text = Value::Text((*text).to_owned());
        let value = match within {
            Within::Itself => text,
            Within::Item => Value::List(vec![text]),
            Within::Field { name, is_list } => {
                let empty = || vec![Value::Map([("name".to_owned(), Value::Text("anna".to_owned()))].into())];
                let known = variables.remove(variable.name.as_str());
                let Value::List(mut records) = known.unwrap_or_else(|| Value::List(empty())) else { unreachable!() };
                let Some(Value::Map(record)) = records.first_mut() else { unreachable!() };
                record.insert(name.clone(), if *is_list { Value::List(vec![text]) } else { text });
                Value::List(records)
            }
        };
        variables.insert(&variable.name, value);
    }
    variables
}

/// The case with a text in each spot; each variable is set in a file of its name.
pub fn with(profile: &Profile, texts: &[(&Spot<'_>, &str)]) -> Profile {
    let mut profile = profile.clone();
    for (name, value) in filled(texts) {
        let source = Arc::new(Source { path: format!("set/{name}"), text: "here".to_owned() });
        profile.variables.insert(name.to_owned(), Located { value, origin: Origin { source, span: 0..4 } });
    }
    profile
}

pub fn is_of_its_type(spot: &Spot<'_>, text: &str) -> bool {
    filled(&[(spot, text)]).into_values().all(|value| spot.variable.check(&value).is_ok())
}

pub fn harmless(number: usize) -> String {
    format!("harmless{number}x")
}
