//! What the texts of a case stand for: `+8d` is a time, `{pack}` a path, `/roles/root/threshold` a member of a document.

use std::collections::BTreeMap;

use anode_bundle::Moment;
use anode_bundle::name::Sha256;
use serde_json::{Value, json};

use crate::case::Patch;
use crate::objects::CODE;
use crate::publisher::Publisher;
use crate::signer::Signer;

/// Placeholders and what they stand for at one point of a case.
#[derive(Default)]
pub(crate) struct Words(BTreeMap<String, String>);

impl Words {
    /// A site's name is its id; `{activation}`, `{node}` and `{pack}` are the paths of what it published last, of another site as `{NAME.pack}`.
    pub fn learn_site(&mut self, name: &str, publisher: &Publisher) {
        self.0.insert(name.to_owned(), publisher.id.as_str().to_owned());
        let mut path = |word: &str, path: Option<String>| {
            let word = if name == "site" { word.to_owned() } else { format!("{name}.{word}") };
            if let Some(path) = path {
                self.0.insert(word, path);
            }
        };
        path("activation", publisher.activations.get(CODE).cloned());
        let published = publisher.release["index"]["packs"]["node"].is_string();
        let index = &publisher.release["index"]["activations"];
        path("node", index["sha256"].is_string().then(|| publisher.index_path()));
        path("pack", published.then(|| publisher.pack_path()));
    }

    /// `{url:NAME}` is the address of a mirror.
    pub fn learn_mirror(&mut self, name: &str, url: &str) {
        self.0.insert(format!("url:{name}"), url.to_owned());
    }

    /// The text with everything filled in. `{id:NAME}` is a key's id.
    pub fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (word, after) = after.split_once('}').unwrap_or_else(|| panic!("`{text}` has a brace without an end"));
            filled.push_str(before);
            filled.push_str(&self.word(word));
            rest = after;
        }
        filled + rest
    }

    fn word(&self, word: &str) -> String {
        if let Some(name) = word.strip_prefix("id:") {
            return Signer::named(name).listed.id.to_string();
        }
        let known = || self.0.keys().map(String::as_str).collect::<Vec<_>>().join("`, `");
        self.0.get(word).unwrap_or_else(|| panic!("`{{{word}}}` stands for nothing; there is `{}`", known())).clone()
    }

    /// Changes a document by JSON pointers. Times such as `+8d` count from when the document is issued.
    pub fn patch(&self, document: &mut Value, patch: &Patch) {
        let issued = document["issued"].as_str().and_then(|text| Moment::parse(text).ok());
        for (pointer, value) in patch {
            apply(document, pointer, self.value(value, issued.unwrap_or(crate::publisher::start())));
        }
    }

    fn value(&self, value: &Value, now: Moment) -> Value {
        match value {
            // TOML has no null.
            Value::String(text) if text == "{absent}" => Value::Null,
            Value::String(text) if text.starts_with("{listed:") => {
                let name = text.trim_start_matches("{listed:").trim_end_matches('}');
                serde_json::to_value(&Signer::named(name).listed).expect("a key")
            }
            Value::String(text) if text.starts_with("{sha256:") => {
                let of = text.trim_start_matches("{sha256:").trim_end_matches('}');
                json!(Sha256::of(of.as_bytes()))
            }
            Value::String(text) if is_offset(text) => json!(moment(text, now)),
            Value::String(text) => json!(self.fill(text)),
            Value::Array(values) => values.iter().map(|value| self.value(value, now)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), self.value(value, now))).collect()
            }
            other => other.clone(),
        }
    }
}

/// A time: a whole one, or an offset such as `+8d`, `-1h`, `+30s`, `+1d1s`.
///
/// # Panics
/// If it is neither.
pub(crate) fn moment(text: &str, from: Moment) -> Moment {
    if !is_offset(text) {
        return Moment::parse(text).unwrap_or_else(|error| panic!("`{text}` is {error}"));
    }
    let (back, rest) = (text.starts_with('-'), &text[1..]);
    let seconds = rest.split_inclusive(['d', 'h', 's']).map(|part| {
        let (number, unit) = part.split_at(part.len() - 1);
        let unit = match unit {
            "d" => crate::publisher::DAY,
            "h" => crate::publisher::HOUR,
            _ => 1,
        };
        number.parse::<u64>().unwrap_or_else(|error| panic!("`{text}`: {error}")) * unit
    });
    let seconds: u64 = seconds.sum();
    if back { Moment::from_seconds(from.seconds() - seconds) } else { from.plus(seconds) }
}

fn is_offset(text: &str) -> bool {
    let rest = text.strip_prefix(['+', '-']).unwrap_or_default();
    rest.starts_with(|first: char| first.is_ascii_digit()) && rest.ends_with(['d', 'h', 's'])
}

/// Sets a member or an element, `null` removes a member, `-` appends to an array.
fn apply(document: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_else(|| panic!("`{pointer}` is no JSON pointer"));
    let place = document.pointer_mut(parent).unwrap_or_else(|| panic!("there is no `{parent}`"));
    match place {
        Value::Object(members) if value.is_null() => {
            members.remove(name).unwrap_or_else(|| panic!("there is no `{pointer}`"));
        }
        Value::Object(members) => {
            members.insert(name.to_owned(), value);
        }
        Value::Array(elements) if name == "-" => elements.push(value),
        Value::Array(elements) => elements[name.parse::<usize>().expect("the number of an element")] = value,
        other => panic!("`{parent}` is {other}"),
    }
}
