//! Variables of a manifest: taken from the shared catalogue as they are, narrowed, or declared.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::RESERVED_VARIABLES;
use crate::diagnose::{Origin, Problem, Problems, Source};
use crate::repository::fields::{Fields, Located, read_toml};
use crate::repository::profile::is_word;
use crate::repository::value::{TYPE_WORDS, Variable, VariableType};

/// The variables that have one meaning for all installers, by name.
pub type Catalogue = BTreeMap<String, Variable>;

/// Reads `installers/shared/variables.toml`: nothing but `[variables]`.
pub fn read_catalogue(source: &Arc<Source>, problems: &mut Problems) -> Catalogue {
    let read = read_toml(source, problems, |top| top.named_tables("variables", declared));
    read.unwrap_or_default().into_iter().flatten().map(|variable| (variable.name.clone(), variable)).collect()
}

/// Reads `[variables]` of a manifest, and adds those that `standard` names.
pub(super) fn read(
    top: &mut Fields<'_, '_, '_>,
    standard: &[Located<String>],
    catalogue: &Catalogue,
) -> BTreeMap<String, Variable> {
    let mut variables = BTreeMap::new();
    for name in standard {
        match catalogue.get(&name.value) {
            Some(variable) => {
                variables.insert(name.value.clone(), variable.clone());
            }
            None => {
                let problem = Problem::at(&name.origin, format!("there is no standard variable `{}`", name.value));
                let known = catalogue.keys().map(String::as_str);
                top.push(match problem.nearest(&name.value, known) {
                    problem if problem.help.is_some() => problem,
                    problem => problem.help(format!("declare it in `[variables.{}]`", name.value)),
                });
            }
        }
    }
    let own = top.named_tables("variables", |name, origin, table| match catalogue.get(name) {
        Some(variable) if !table.has("type") => narrowed(variable, origin, table),
        _ => declared(name, origin, table),
    });
    variables.extend(own.into_iter().flatten().map(|variable| (variable.name.clone(), variable)));
    variables
}

/// A standard variable with another default, help or fewer choices.
fn narrowed(standard: &Variable, origin: Origin, table: &mut Fields<'_, '_, '_>) -> Option<Variable> {
    let name = &standard.name;
    let mut variable = Variable { origin, ..standard.clone() };
    let choices = table.texts("choices");
    for choice in choices.iter().filter(|choice| !standard.choices.contains(&choice.value)) {
        let message = format!("the standard variable `{name}` has no choice `{}`", choice.value);
        let problem =
            Problem::at(&choice.origin, message).nearest(&choice.value, standard.choices.iter().map(|c| &**c));
        table.push(match problem.help {
            Some(_) => problem,
            None => problem.help("with a `type` of its own, the variable is this definition's alone"),
        });
    }
    if table.has("choices") {
        variable.choices = choices.into_iter().map(|choice| choice.value).collect();
    }
    variable.default = table.value("default").or(variable.default);
    variable.help = table.title("help", 240).unwrap_or(variable.help);
    check_default(&variable, table);
    Some(variable)
}

fn declared(name: &str, origin: Origin, table: &mut Fields<'_, '_, '_>) -> Option<Variable> {
    if !is_word(name) || RESERVED_VARIABLES.contains(&name) {
        let problem = Problem::at(&origin, format!("`{name}` can not be the name of a variable"));
        let reserved = RESERVED_VARIABLES.join(", ");
        table.push(problem.label(format!("lower-case letters, digits and `_`; not one of {reserved}")));
    }
    let mut variable = read_one(name, origin, table)?;
    variable.fields = table
        .named_tables("fields", |name, origin, table| {
            let optional = table.switch("optional").unwrap_or(false);
            let mut field = read_one(name, origin, table)?;
            field.optional = optional;
            if [field.kind, field.items].contains(&VariableType::Record) {
                table.push(Problem::at(&field.origin, "a field of a record can not be a record"));
            }
            Some(field)
        })
        .into_iter()
        .flatten()
        .collect();
    let record = [variable.kind, variable.items].contains(&VariableType::Record);
    if record == variable.fields.is_empty() {
        let problem = Problem::at(&variable.origin, "a variable has `fields` if and only if it holds records");
        table.push(problem.help(format!("add `[variables.{name}.fields.name]`, or change `type` or `items`")));
    }
    check_default(&variable, table);
    Some(variable)
}

fn read_one(name: &str, origin: Origin, table: &mut Fields<'_, '_, '_>) -> Option<Variable> {
    if !table.has("type") {
        table.missing("type", "type = \"line\"");
    }
    let kind = table.word("type", &TYPE_WORDS);
    let items = table.word("items", &TYPE_WORDS).unwrap_or(VariableType::Line);
    let choices: Vec<_> = table.texts("choices").into_iter().map(|choice| choice.value).collect();
    let default = table.value("default");
    let help = table.title("help", 240).unwrap_or_default();
    let secret = table.switch("secret").unwrap_or(false);
    let variable = Variable {
        name: name.to_owned(),
        kind: kind?,
        items,
        choices,
        fields: Vec::new(),
        default,
        help,
        secret,
        optional: false,
        origin,
    };
    if (variable.kind == VariableType::Choice) == variable.choices.is_empty() {
        table.push(Problem::at(&variable.origin, "a variable has `choices` if and only if its type is `choice`"));
    }
    if matches!(variable.items, VariableType::List | VariableType::Map | VariableType::Choice) {
        table.push(Problem::at(&variable.origin, "items can not be lists, maps or choices"));
    }
    Some(variable)
}

fn check_default(variable: &Variable, table: &mut Fields<'_, '_, '_>) {
    let fields = variable.fields.iter().filter_map(|field| Some((field, field.default.as_ref()?)));
    for (declared, default) in variable.default.as_ref().map(|default| (variable, default)).into_iter().chain(fields) {
        if let Err(problem) = declared.check(&default.value) {
            table.push(Problem::at(&default.origin, format!("the default of `{}` {problem}", declared.name)));
        }
    }
}
