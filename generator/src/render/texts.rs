//! Whole texts as values: `verbatim(name="…")` is a snippet as it is, `rendered(path="…")` a file of this pack that was declared earlier.
//!
//! Both are values like any other, so the file that writes them escapes them. That is how a format without scripts carries scripts.

use std::collections::{BTreeMap, BTreeSet};

use tera::{Context, Error, Kwargs, Map, State, Tera, TeraResult, Value};

use super::layers::Layers;
use super::markers;
use super::tags::{Call, calls};

const SNIPPETS: &str = "__anode_snippets";
const FILES: &str = "__anode_files";

/// Which texts a set of templates asks for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// The snippets that are named as they are.
    pub snippets: BTreeSet<String>,
    /// A name is computed: any snippet may be meant.
    pub any_snippet: bool,
    /// Files of the pack.
    pub files: bool,
}

impl Wanted {
    /// By these templates.
    pub fn by<'t>(templates: impl IntoIterator<Item = &'t str>) -> Wanted {
        let mut wanted = Wanted::default();
        for (call, _) in templates.into_iter().flat_map(calls) {
            match call {
                Call::Verbatim(Some(name)) => _ = wanted.snippets.insert(name.to_owned()),
                Call::Verbatim(None) => wanted.any_snippet = true,
                Call::Rendered => wanted.files = true,
            }
        }
        wanted
    }

    /// The texts, if any are wanted.
    pub fn gather(&self, layers: &Layers<'_>, files: &BTreeMap<String, String>) -> Option<Texts> {
        if self.snippets.is_empty() && !self.any_snippet && !self.files {
            return None;
        }
        let names: BTreeSet<&str> = match self.any_snippet {
            true => layers.snippet_names().collect(),
            false => self.snippets.iter().map(String::as_str).collect(),
        };
        let snippet = |name: &str| Some((name.to_owned(), Value::normal_string(&layers.snippet(name)?.text)));
        let snippets = table(names.into_iter().filter_map(snippet));
        let file = |(path, text): (&String, &String)| (path.clone(), Value::normal_string(text));
        let files = if self.files { table(files.iter().map(file)) } else { table([]) };
        Some(Texts { snippets, files })
    }
}

/// The texts that one file may carry.
pub struct Texts {
    snippets: Value,
    files: Value,
}

impl Texts {
    /// What a template sees.
    pub fn into_context(self, context: &Context) -> Context {
        let mut context = context.clone();
        context.insert_value(SNIPPETS, self.snippets);
        context.insert_value(FILES, self.files);
        context
    }
}

fn table(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    entries.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map>().into()
}

/// Makes a template engine know the functions, and `base64`.
pub fn install(tera: &mut Tera) {
    tera.register_function("verbatim", |arguments: Kwargs, state: &State| -> TeraResult<Value> {
        let name: &str = arguments.must_get("name")?;
        find(state, SNIPPETS, name, "there is no snippet")
    });
    tera.register_function("rendered", |arguments: Kwargs, state: &State| -> TeraResult<Value> {
        let path: &str = arguments.must_get("path")?;
        find(state, FILES, path, "no file before this one is written to")
    });
    tera.register_filter("base64", |text: &str, _: Kwargs, _: &State| -> TeraResult<Value> {
        if markers::might_be(text) {
            return Err(Error::message("an answer is not known yet, so a text with a prompt in it has no base64"));
        }
        Ok(Value::normal_string(&data_encoding::BASE64.encode(text.as_bytes())))
    });
}

fn find(state: &State, place: &str, name: &str, missing: &str) -> TeraResult<Value> {
    let texts = state.get::<Value>(place)?;
    let text =
        texts.as_ref().and_then(Value::as_map).and_then(|texts| texts.get(&tera::value::Key::from(name.to_owned())));
    text.cloned().ok_or_else(|| {
        let known = texts.as_ref().and_then(Value::as_map).map(|texts| texts.keys().map(ToString::to_string));
        let known: Vec<_> = known.into_iter().flatten().collect();
        match crate::diagnose::nearest(name, known.iter().map(String::as_str)) {
            Some(near) => Error::message(format!("{missing} `{name}`: did you mean `{near}`?")),
            None => Error::message(format!("{missing} `{name}`")),
        }
    })
}
