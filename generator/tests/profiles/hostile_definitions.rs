//! Hostile values through every free text of every built-in definition, rendered by the definition's own case: what is written has the shape that
//! it has with a harmless value, or the value is refused where it was set.
//!
//! That a written value comes out of its format's parser as it went in is `injection`'s; here it is about the templates.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::corpus::values;
use crate::fixture::{Fixture, lines};
use crate::golden::cases;
use anode::diagnose::{Origin, Source};
use anode::render::{Rendered, Renderer, sample_answers};
use anode::repository::{Format, InstallerDefinition, Located, Profile, Value, Variable, VariableType};
use rayon::prelude::*;
use saphyr::{LoadableYamlNode as _, Yaml};

/// How many values each variable gets; together they get all of them several times.
const EACH: usize = 12;

type Holder = Box<dyn Fn(&str) -> Value + Sync>;

struct Trial<'r> {
    definition: &'r InstallerDefinition,
    profile: &'r Profile,
    variable: &'r Variable,
    holder: Holder,
}

/// Ways to put a text into a variable: itself, an item of its list, a field of its record.
fn holders(variable: &Variable) -> Vec<Holder> {
    let free = |kind| matches!(kind, VariableType::Line | VariableType::Text);
    let text = |text: &str| Value::Text(text.to_owned());
    match variable.kind {
        kind if free(kind) => vec![Box::new(text)],
        VariableType::List if free(variable.items) => vec![Box::new(move |value| Value::List(vec![text(value)]))],
        VariableType::List if variable.items == VariableType::Record => {
            let fields = variable
                .fields
                .iter()
                .filter(|field| free(field.kind) || field.kind == VariableType::List && free(field.items));
            let holder = |field: &Variable| -> Holder {
                let (name, list) = (field.name.clone(), field.kind == VariableType::List);
                Box::new(move |value| {
                    let value = if list { Value::List(vec![text(value)]) } else { text(value) };
                    let fields = [("name".to_owned(), text("anna")), (name.clone(), value)];
                    Value::List(vec![Value::Map(fields.into_iter().collect())])
                })
            };
            fields.map(holder).collect()
        }
        _ => Vec::new(),
    }
}

/// Variables whose texts are names of snippets.
fn names_of_snippets(definition: &InstallerDefinition) -> BTreeSet<&str> {
    definition.files.iter().filter_map(|file| file.each.as_ref()).map(|each| each.value.as_str()).collect()
}

fn with(profile: &Profile, variable: &Variable, value: Value) -> Option<Profile> {
    variable.check(&value).ok()?;
    let source = Arc::new(Source { path: "set/here".to_owned(), text: "here".to_owned() });
    let mut profile = profile.clone();
    profile.variables.insert(variable.name.clone(), Located { value, origin: Origin { source, span: 0..4 } });
    Some(profile)
}

fn json_shape(value: &serde_json::Value) -> String {
    use serde_json::Value as Json;
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(json_shape).collect::<Vec<_>>().join(",")),
        Json::Object(fields) => {
            format!(
                "{{{}}}",
                fields.iter().map(|(key, value)| format!("{key}:{}", json_shape(value))).collect::<String>()
            )
        }
        Json::String(_) => "s".to_owned(),
        other => other.to_string(),
    }
}

/// `name` is the value under trial: as a key it stays one key.
fn yaml_shape(value: &Yaml<'_>, name: &str) -> String {
    match value {
        Yaml::Sequence(items) => {
            format!("[{}]", items.iter().map(|item| yaml_shape(item, name)).collect::<Vec<_>>().join(","))
        }
        Yaml::Mapping(fields) => {
            let key = |key: &Yaml<'_>| match key {
                Yaml::Value(saphyr::Scalar::String(text)) if text == name => "the value".to_owned(),
                other => format!("{other:?}"),
            };
            fields.iter().map(|(name_of, value)| format!("{}:{};", key(name_of), yaml_shape(value, name))).collect()
        }
        Yaml::Value(saphyr::Scalar::String(_)) => "s".to_owned(),
        other => format!("{other:?}"),
    }
}

/// What a file says beside its values.
fn shape(format: Format, text: &str, value: &str) -> String {
    let words = |count: usize| {
        let line = |line: &str| line.split_whitespace().take(count).collect::<Vec<_>>().join(" ");
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    match format {
        Format::Json => json_shape(&serde_json::from_str(text).unwrap()),
        Format::Yaml => Yaml::load_from_str(text).unwrap().iter().map(|document| yaml_shape(document, value)).collect(),
        Format::Preseed => words(3),
        // Values have no '<': it is escaped.
        Format::Xml => text.split('<').skip(1).map(|tag| tag.split(['>', ' ']).next().unwrap_or_default()).collect(),
        Format::Ini => {
            text.lines().map(|line| line.split('=').next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
        }
        // A line may begin with a value: one line each is all that can be said of lists.
        Format::Kickstart | Format::Shell | Format::Toml | Format::Text => text.lines().count().to_string(),
    }
}

fn shapes(rendered: &Rendered, value: &str) -> Vec<(String, String)> {
    let files = rendered.contents.fill(&sample_answers(&rendered.contents)).unwrap();
    let shape = |(file, format): (&anode_bundle::pack::FilledFile, &Format)| {
        (file.path.to_string(), shape(*format, std::str::from_utf8(&file.bytes).unwrap(), value))
    };
    files.iter().zip(&rendered.formats).map(shape).collect()
}

#[test]
fn no_value_changes_the_shape_of_what_a_definition_writes() {
    let fixture = Fixture::example();
    let repository = fixture.load();
    let values = values();
    let cases = cases(&repository);
    let mut trials = Vec::new();
    for definition in repository.installers.values() {
        let own: Vec<_> = cases.iter().filter(|(case, _)| case.installer == definition.id).collect();
        let Some((case, _)) = own.iter().find(|(case, _)| case.name.as_str() == "full").or(own.first()) else {
            continue;
        };
        let named = names_of_snippets(definition);
        for variable in definition.variables.values().filter(|variable| !named.contains(variable.name.as_str())) {
            for holder in holders(variable) {
                trials.push(Trial { definition, profile: &case.profile, variable, holder });
            }
        }
    }
    assert!(trials.len() > 50, "{} variables", trials.len());
    let run = |(number, trial): (usize, &Trial<'_>)| {
        let Trial { definition, profile, variable, holder } = trial;
        let mine = (0..EACH).map(|step| values[(number * EACH + step) % values.len()].as_str());
        let texts: Vec<_> = ["harmless"].into_iter().chain(mine).collect();
        let profiles: Vec<_> = texts.iter().map(|text| (*text, with(profile, variable, holder(text)))).collect();
        let renderer = Renderer::new(&repository).unwrap();
        let mut harmless = None;
        let mut found = Vec::new();
        for (text, profile) in &profiles {
            // Of a type that excludes it, or too long: refused where it is set.
            let Some(profile) = profile else { continue };
            let place = format!("{} {} {text:?}", definition.id, variable.name);
            match (renderer.render(profile, None), &harmless) {
                (Ok(rendered), None) => harmless = Some(shapes(&rendered, text)),
                (Ok(rendered), Some(harmless)) => {
                    let shapes = shapes(&rendered, text);
                    if shapes != *harmless {
                        let differ = shapes.iter().zip(harmless).find(|(a, b)| a != b);
                        found.push(format!("{place}: {differ:?}"));
                    }
                }
                // This variable does not stand alone, or is no free text after all: the definition refuses even the harmless one.
                (Err(_), None) => break,
                // Where it was set; or, where a list is written word by word, the template's line that writes it.
                (Err(problems), Some(_)) => {
                    let lines = lines(&problems);
                    let said = |line: &&String| {
                        let word_by_word = ["is not one word", "stands among packages, where nothing can be quoted"];
                        line.starts_with("set/here:1:1:") || word_by_word.iter().any(|words| line.contains(words))
                    };
                    // Nothing is pinned here; that is no news.
                    let lines = lines.iter().filter(|line| !line.contains("is not pinned"));
                    found.extend(lines.filter(|line| !said(line)).map(|line| format!("{place}: {line}")));
                }
            }
        }
        found
    };
    let found: Vec<_> = trials.par_iter().enumerate().flat_map_iter(run).collect();
    assert!(found.is_empty(), "{} of {} variables:\n{}", found.len(), trials.len(), found.join("\n"));
}

#[test]
fn what_is_rendered_does_not_depend_on_the_order_of_files_and_tables() {
    let fixture = Fixture::example();
    let reversed = tempfile::tempdir().unwrap();
    // The same files, made in the opposite order, so that a folder lists them in another one.
    let mut all = crate::fixture::files(fixture.path());
    all.reverse();
    for path in all {
        let target = reversed.path().join(path.strip_prefix(fixture.path()).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let own_profile = path.ends_with("debian-server/profile.toml");
        std::fs::write(target, if own_profile { permuted(&text) } else { text }).unwrap();
    }
    let packs = |folder: &std::path::Path| {
        let (repository, _) = anode::repository::load(folder).ok().unwrap();
        let renderer = Renderer::new(&repository).unwrap();
        let pack = |profile| renderer.render(profile, None).ok().unwrap().contents.encode().unwrap().to_vec();
        repository.profiles.iter().map(pack).collect::<Vec<_>>()
    };
    assert_eq!(packs(fixture.path()), packs(reversed.path()));
}

/// The lines of `[variables]` in the opposite order.
fn permuted(text: &str) -> String {
    let (head, rest) = text.split_once("[variables]\n").unwrap();
    let end = rest.find("\n\n").unwrap_or(rest.len());
    let mut lines: Vec<_> = rest[..end].lines().collect();
    assert!(lines.iter().all(|line| line.contains(" = ") && !line.ends_with(['[', '{'])), "{lines:?}");
    lines.reverse();
    format!("{head}[variables]\n{}{}", lines.join("\n"), &rest[end..])
}
