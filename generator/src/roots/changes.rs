//! What a root changes against the one before, in plain words: what somebody reads before signing.
//!
//! The two documents are compared as JSON, member by member, so that nothing that is signed can stay unsaid, not even a member that this
//! version does not know.

use std::collections::BTreeSet;

use anode_bundle::display;
use anode_bundle::document::Root;
use anode_bundle::signature::ListedKey;
use serde_json::{Map, Value};

use crate::keys::{PublicKeys, key_line};

/// Text of a document is shown up to this many columns.
const COLUMNS: usize = 160;

/// One line per change. Both are well-formed roots; the bodies are theirs.
#[must_use]
pub fn changes(before: (&Root, &[u8]), next: (&Root, &[u8]), names: &PublicKeys) -> Vec<String> {
    let mut lines = Vec::new();
    for ((role, old), (_, new)) in before.0.roles.named().into_iter().zip(next.0.roles.named()) {
        let whole = |key: &ListedKey| format!("{role} key {}  {}", names.describe(key), key_line(key));
        lines.extend(new.keys.iter().filter(|key| !old.keys.contains(key)).map(|key| format!("+ {}", whole(key))));
        lines.extend(old.keys.iter().filter(|key| !new.keys.contains(key)).map(|key| format!("- {}", whole(key))));
        let (was, is) = ((old.threshold, old.keys.len()), (new.threshold, new.keys.len()));
        if was != is {
            lines.push(format!("  {} of {} {role} keys must sign; it was {} of {}", is.0, is.1, was.0, was.1));
        }
    }
    let (old, new) = (value(before.1), value(next.1));
    compare("", &old, &new, &mut lines);
    lines
}

fn value(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

/// What the keys' own lines say already.
fn is_said(path: &str, inner: &str) -> bool {
    let told = ["root", "release", "timestamp"]
        .iter()
        .any(|role| path == format!("roles.{role}") && ["keys", "threshold"].contains(&inner));
    told || path.is_empty() && inner == "version"
}

fn compare(path: &str, old: &Value, new: &Value, lines: &mut Vec<String>) {
    let empty = Map::new();
    let members = |value: &'_ Value| -> Option<Map<String, Value>> { value.as_object().cloned() };
    let (was, is) = (members(old), members(new));
    if was.is_none() && is.is_none() {
        if old != new {
            lines.push(format!("  {path}: {}; it was {}", shown(new), shown(old)));
        }
        return;
    }
    // A member that is an object on one side only is compared with an empty one: all of it is new, or gone.
    if old.as_object().is_none() && !old.is_null() || new.as_object().is_none() && !new.is_null() {
        lines.push(format!("  {path}: {}; it was {}", shown(new), shown(old)));
        return;
    }
    let (was, is) = (was.as_ref().unwrap_or(&empty), is.as_ref().unwrap_or(&empty));
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    for name in names.into_iter().filter(|name| !is_said(path, name)) {
        let name_shown = display::line(name, COLUMNS);
        let below = if path.is_empty() { name_shown } else { format!("{path}.{name_shown}") };
        compare(&below, was.get(name).unwrap_or(&Value::Null), is.get(name).unwrap_or(&Value::Null), lines);
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "absent".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => format!("`{}`", display::line(text, COLUMNS)),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => display::line(&other.to_string(), COLUMNS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(old: &Value, new: &Value) -> Vec<String> {
        let mut lines = Vec::new();
        compare("", old, new, &mut lines);
        lines
    }

    #[test]
    fn every_member_that_differs_is_said_also_one_that_nobody_knows() {
        let old = json!({"version": 1, "expires": "a", "policy": {"phrases": false, "mirrors": []}, "x": {"y": 1}});
        let new = json!({"version": 2, "expires": "b", "policy": {"phrases": true, "mirrors": ["https://m/"]}, "backdoor": {"open": true}});
        assert_eq!(
            said(&old, &new),
            [
                "  backdoor.open: yes; it was absent",
                "  expires: `b`; it was `a`",
                "  policy.mirrors: `https://m/`; it was none",
                "  policy.phrases: yes; it was no",
                "  x.y: absent; it was 1",
            ]
        );
    }

    #[test]
    fn only_what_the_lines_of_keys_say_is_left_out() {
        let old = json!({"roles": {"root": {"threshold": 1, "keys": []}}, "other": {"threshold": 1, "version": 1}});
        let new = json!({"roles": {"root": {"threshold": 2, "keys": [1], "more": 3}}, "other": {"threshold": 2, "version": 2}});
        assert_eq!(
            said(&old, &new),
            ["  other.threshold: 2; it was 1", "  other.version: 2; it was 1", "  roles.root.more: 3; it was absent"]
        );
    }

    #[test]
    fn text_of_a_document_can_not_write_on_the_terminal() {
        let lines = said(&json!({"name": "a"}), &json!({"name": "b\u{1b}[2Jc", "\u{1b}[1mz": 1}));
        assert!(lines.iter().all(|line| !line.contains('\u{1b}')), "{lines:?}");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn a_value_that_becomes_an_object_is_said() {
        assert_eq!(said(&json!({"a": 1}), &json!({"a": {"b": 1}})), [r#"  a: {"b":1}; it was 1"#]);
    }
}
