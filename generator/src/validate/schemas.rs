//! Validators that are JSON schemas. They belong to other projects and are not brought along: `ANODE_SCHEMAS` lists the folders that hold them.
//!
//! A schema may refer to others in its own folder, by their names. Nothing is ever fetched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use jsonschema::{Retrieve, Uri, ValidationError};
use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Value};

use super::Filled;
use crate::diagnose::{Problem, line_span};
use crate::repository::Format;

/// How many of a file's violations are shown: one mistake often breaks many rules.
const SHOWN: usize = 5;

/// A schema that was found, ready to judge.
pub struct Schema {
    name: String,
    validator: jsonschema::Validator,
}

/// Answers references with files of the schema's own folder.
struct Siblings(PathBuf);

impl Retrieve for Siblings {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let name = uri.path().as_str().rsplit('/').next().unwrap_or_default();
        if name.is_empty() || name.starts_with('.') {
            return Err(format!("`{uri}` names no file").into());
        }
        Ok(serde_json::from_slice(&fs::read(self.0.join(name))?)?)
    }
}

/// The file of that name below the first folder that has it.
pub fn find(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("ANODE_SCHEMAS")?;
    env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

impl Schema {
    /// Reads a schema and what it refers to.
    ///
    /// # Errors
    /// Why it can not judge anything.
    pub fn read(name: &str, path: &Path) -> Result<Schema, String> {
        let text = fs::read(path).map_err(|error| format!("can not be read: {error}"))?;
        let schema: Value = serde_json::from_slice(&text).map_err(|error| format!("is not JSON: {error}"))?;
        let siblings = Siblings(path.parent().map(Path::to_owned).unwrap_or_default());
        let validator = jsonschema::options().with_retriever(siblings).build(&schema);
        let validator = validator.map_err(|error| format!("is not a schema that can be used: {error}"))?;
        Ok(Schema { name: name.to_owned(), validator })
    }

    /// What the schema does not allow, at its line.
    pub fn check(&self, file: &Filled<'_>) -> Vec<Problem> {
        // One that can not be parsed has been reported.
        let Some(value) = value_of(file) else { return Vec::new() };
        let lines = lines_of(file);
        let mut errors: Vec<_> = self.validator.iter_errors(&value).collect();
        errors.truncate(SHOWN);
        errors.iter().map(|error| self.problem(error, file, &lines)).collect()
    }

    fn problem(&self, error: &ValidationError<'_>, file: &Filled<'_>, lines: &BTreeMap<String, usize>) -> Problem {
        let pointer = error.instance_path().to_string();
        let place = if pointer.is_empty() { "at the top".to_owned() } else { format!("at `{pointer}`") };
        let problem = Problem::error(&file.source.path, format!("the schema `{}` does not accept it", self.name));
        let mut words: String = error.to_string().chars().take(240).collect();
        words = format!("{place}: {words}");
        match lines.get(&pointer) {
            Some(line) => problem.in_source(&file.source, line_span(&file.source.text, *line)).label(words),
            None => problem.help(words),
        }
    }
}

fn value_of(file: &Filled<'_>) -> Option<Value> {
    let text = &file.source.text;
    match file.format {
        Format::Json => serde_json::from_str(text).ok(),
        Format::Toml => serde_json::to_value(text.parse::<toml::Table>().ok()?).ok(),
        Format::Yaml => MarkedYaml::load_from_str(text).ok()?.first().map(to_json),
        _ => None,
    }
}

/// JSON is YAML: one reader knows the lines of both.
fn lines_of(file: &Filled<'_>) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    if file.format != Format::Toml
        && let Ok(documents) = MarkedYaml::load_from_str(&file.source.text)
        && let Some(document) = documents.first()
    {
        collect_lines(document, String::new(), &mut lines);
    }
    lines
}

fn collect_lines(node: &MarkedYaml<'_>, pointer: String, lines: &mut BTreeMap<String, usize>) {
    match &node.data {
        YamlData::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_lines(item, format!("{pointer}/{index}"), lines);
            }
        }
        YamlData::Mapping(entries) => {
            for (key, value) in entries {
                let name = key_of(key).replace('~', "~0").replace('/', "~1");
                collect_lines(value, format!("{pointer}/{name}"), lines);
            }
        }
        _ => {}
    }
    lines.insert(pointer, node.span.start.line());
}

fn key_of(key: &MarkedYaml<'_>) -> String {
    match to_json(key) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn to_json(node: &MarkedYaml<'_>) -> Value {
    match &node.data {
        YamlData::Value(Scalar::Boolean(switch)) => Value::from(*switch),
        YamlData::Value(Scalar::Integer(number)) => Value::from(*number),
        YamlData::Value(Scalar::FloatingPoint(number)) => Value::from(number.into_inner()),
        YamlData::Value(Scalar::String(text)) => Value::from(text.as_ref()),
        YamlData::Representation(text, _, _) => Value::from(text.as_ref()),
        YamlData::Sequence(items) => items.iter().map(to_json).collect(),
        YamlData::Mapping(entries) => {
            entries.iter().map(|(key, value)| (key_of(key), to_json(value))).collect::<Map<_, _>>().into()
        }
        YamlData::Tagged(_, inner) => to_json(inner),
        YamlData::Value(Scalar::Null) | YamlData::Alias(_) | YamlData::BadValue => Value::Null,
    }
}
