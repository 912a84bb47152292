//! Which files an entry of `[[files]]` stands for: one, or one for each entry of a variable.
//!
//! A list is a sequence, so the files are numbered: a folder in the order of its names is read in the order of the list. A map says where each
//! file belongs.

use anode_bundle::name::SafePath;

use super::layers::{Layers, WHERE_SNIPPETS_LIE};
use crate::diagnose::{Problem, Problems};
use crate::repository::{FileTemplate, Setting, Value};

/// Two digits are enough for any list that a person writes, and more would not sort.
const FIRST_NUMBER: usize = 10;
const MOST: usize = 90;

/// One file that is to be written.
pub struct Entry<'r> {
    /// The snippet that it is made of.
    pub name: &'r str,
    /// Where it lies.
    pub path: SafePath,
    /// Is it copied as it is?
    pub verbatim: bool,
    // Where the snippet is named, if not by the manifest.
    setting: Option<&'r Setting>,
}

impl Entry<'_> {
    /// The snippet, and what to say if there is none: what a manifest names was checked when it was loaded.
    pub fn main(&self) -> (String, Option<Problem>) {
        let missing = |setting: &Setting| {
            Problem::at(&setting.origin, format!("there is no snippet `{}`", self.name)).help(WHERE_SNIPPETS_LIE)
        };
        (self.name.to_owned(), self.setting.map(missing))
    }
}

/// The files in order. `None`: something is wrong, and was said.
pub fn entries<'r>(layers: &Layers<'r>, file: &'r FileTemplate, problems: &mut Problems) -> Option<Vec<Entry<'r>>> {
    let verbatim = file.verbatim;
    let Some(each) = &file.each else {
        let name = file.template.value.as_str();
        return Some(vec![Entry { name, path: file.path.value.clone(), verbatim, setting: None }]);
    };
    // A list that nobody set is an empty one.
    let Some(setting) = layers.setting(&each.value) else { return Some(Vec::new()) };
    let folder = &file.path.value;
    let wrong = |what: String| Problem::at(&setting.origin, format!("`{}` {what}", each.value));
    let mut entries = Vec::new();
    if setting.value.has_secrets() {
        problems.push(wrong("names files, which can not be secrets".to_owned()).help("write the names of snippets"));
        return None;
    }
    match &setting.value {
        Value::List(items) => {
            if items.len() > MOST {
                problems.push(wrong(format!("has more than {MOST} entries")).help("join some of them"));
                return None;
            }
            for (number, name) in (FIRST_NUMBER..).zip(items.iter().filter_map(text)) {
                let last = name.rsplit('/').next().unwrap_or(name);
                match SafePath::new(&format!("{folder}/{number}-{last}")) {
                    Ok(path) => entries.push(Entry { name, path, verbatim, setting: Some(setting) }),
                    Err(bad) => problems.push(
                        wrong(format!("names the snippet `{name}`, which can not be a file: not {}", bad.wanted))
                            .help("rename the snippet"),
                    ),
                }
            }
        }
        Value::Map(items) => {
            for (target, name) in items.iter().filter_map(|(target, name)| Some((target, text(name)?))) {
                let path = target.starts_with('/').then(|| SafePath::new(&format!("{folder}{target}")));
                match path {
                    Some(Ok(path)) => entries.push(Entry { name, path, verbatim, setting: Some(setting) }),
                    _ => problems.push(
                        wrong(format!("has the path `{target}`, which can not be a file of a system"))
                            .help("write an absolute path such as `/etc/motd`"),
                    ),
                }
            }
        }
        // Of another type than declared: that was reported when it was loaded.
        Value::Text(_) | Value::Number(_) | Value::Switch(_) | Value::Secret(_) => {}
    }
    for entry in entries.iter().filter(|entry| verbatim && layers.snippet(entry.name).is_none()) {
        problems.extend(entry.main().1.map(|problem| problem.nearest(entry.name, layers.snippet_names())));
    }
    Some(entries)
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
