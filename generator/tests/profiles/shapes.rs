//! What a rendered file says beside its values, and, where its format has values of its own, these values one by one.

use std::collections::BTreeSet;

use anode::render::{Rendered, sample_answers};
use anode::repository::Format;
use saphyr::{LoadableYamlNode as _, Yaml};

/// One file.
pub struct Shape {
    pub path: String,
    /// The same for two files that differ in values alone.
    pub outline: String,
    /// The texts that the format's reader gets, in their order; empty where a reader has to be run for that.
    pub texts: Vec<String>,
}

/// The files of a rendering, in which the texts of `keys` may be keys as well.
pub fn shapes(rendered: &Rendered, keys: &BTreeSet<&str>) -> Vec<Shape> {
    let files = rendered.contents.fill(&sample_answers(&rendered.contents)).unwrap();
    let shape = |(file, format): (&anode_bundle::pack::FilledFile, &Format)| {
        let mut texts = Vec::new();
        let outline = outline(*format, std::str::from_utf8(&file.bytes).unwrap(), keys, &mut texts);
        Shape { path: file.path.to_string(), outline, texts }
    };
    let mut shapes: Vec<_> = files.iter().zip(&rendered.formats).map(shape).collect();
    if let Some(boot) = &rendered.contents.manifest().boot {
        let outline = boot.command_line.split(' ').count().to_string();
        shapes.push(Shape { path: "the command line".to_owned(), outline, texts: Vec::new() });
    }
    shapes
}

/// Does it stand in a file, or in the command line?
pub fn is_written(rendered: &Rendered, text: &str) -> bool {
    let boots = rendered.contents.manifest().boot.as_ref().is_some_and(|boot| boot.command_line.contains(text));
    boots || rendered.readable().iter().any(|(_, written)| written.contains(text))
}

fn outline(format: Format, text: &str, keys: &BTreeSet<&str>, texts: &mut Vec<String>) -> String {
    match format {
        Format::Json => json(&serde_json::from_str(text).unwrap(), texts),
        Format::Yaml => Yaml::load_from_str(text).unwrap().iter().map(|document| yaml(document, keys, texts)).collect(),
        Format::Preseed => {
            let line = |line: &str| {
                let words: Vec<_> = line.splitn(4, ' ').collect();
                texts.extend(words.get(3).map(|value| (*value).to_owned()));
                words.into_iter().take(3).collect::<Vec<_>>().join(" ")
            };
            text.lines().map(line).collect::<Vec<_>>().join("\n")
        }
        // Values have no '<': it is escaped.
        Format::Xml => text.split('<').skip(1).map(|tag| tag.split(['>', ' ']).next().unwrap_or_default()).collect(),
        Format::Ini => {
            let line = |line: &str| {
                let (key, value) = line.split_once('=').unwrap_or((line, ""));
                texts.push(value.to_owned());
                key.to_owned()
            };
            text.lines().map(line).collect::<Vec<_>>().join("\n")
        }
        // A line may begin with a value: one line each is all that can be said of lists.
        Format::Kickstart | Format::Shell | Format::Toml | Format::Text => text.lines().count().to_string(),
    }
}

fn json(value: &serde_json::Value, texts: &mut Vec<String>) -> String {
    use serde_json::Value as Json;
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(|item| json(item, texts)).collect::<Vec<_>>().join(",")),
        Json::Object(fields) => {
            let field = |(key, value)| format!("{key}:{};", json(value, texts));
            format!("{{{}}}", fields.iter().map(field).collect::<String>())
        }
        Json::String(text) => {
            texts.push(text.clone());
            "s".to_owned()
        }
        other => other.to_string(),
    }
}

fn yaml(value: &Yaml<'_>, keys: &BTreeSet<&str>, texts: &mut Vec<String>) -> String {
    match value {
        Yaml::Sequence(items) => {
            format!("[{}]", items.iter().map(|item| yaml(item, keys, texts)).collect::<Vec<_>>().join(","))
        }
        Yaml::Mapping(fields) => {
            let key = |key: &Yaml<'_>| match key {
                Yaml::Value(saphyr::Scalar::String(text)) if keys.contains(&**text) => "the value".to_owned(),
                other => format!("{other:?}"),
            };
            let mut all = String::new();
            for (name, value) in fields {
                all += &format!("{}:{};", key(name), yaml(value, keys, texts));
            }
            all
        }
        Yaml::Value(saphyr::Scalar::String(text)) => {
            texts.push(text.to_string());
            "s".to_owned()
        }
        other => format!("{other:?}"),
    }
}
