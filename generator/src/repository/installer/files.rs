//! `[[files]]` of a manifest: what is written, where, and how its format escapes values.

use std::collections::BTreeMap;

use anode_bundle::name::SafePath;

use super::Versions;
use crate::diagnose::Problem;
use crate::repository::Snippets;
use crate::repository::fields::{Fields, Located};
use crate::repository::value::{Variable, VariableType};

/// The template of a file of which there is one for each entry of a variable.
pub const EACH: &str = "{each}";

/// `[[files]]`
#[derive(Debug, Clone)]
pub struct FileTemplate {
    /// The template's name among the snippets, so that nearer layers can replace it; [`EACH`]: each entry names its own.
    pub template: Located<String>,
    /// Is it copied as it is, without being a template?
    pub verbatim: bool,
    /// Where it lies for the installer; a folder where there is one for each entry.
    pub path: Located<SafePath>,
    /// The list or map variable that names the files.
    pub each: Option<Located<String>>,
    /// Decides the escaping.
    pub format: Format,
    /// Permission bits.
    pub mode: u32,
    /// It appears in `public/<profile>/` where the profile is public.
    pub public: bool,
    /// It is left out unless this expression of the template language is true.
    pub when: Option<Located<String>>,
    /// The versions that have it.
    pub versions: Versions,
}

/// What a file is, which decides how a value is written into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Debconf answers, one a line; nothing can be quoted.
    Preseed,
    /// Commands in shell words, and scripts.
    Kickstart,
    /// POSIX shell.
    Shell,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// TOML.
    Toml,
    /// XML 1.0.
    Xml,
    /// `key=value` lines, also systemd units; nothing can be quoted.
    Ini,
    /// Text for people.
    Text,
}

/// The words that manifests use.
pub const FORMAT_WORDS: [(&str, Format); 9] = [
    ("preseed", Format::Preseed),
    ("kickstart", Format::Kickstart),
    ("shell", Format::Shell),
    ("json", Format::Json),
    ("yaml", Format::Yaml),
    ("toml", Format::Toml),
    ("xml", Format::Xml),
    ("ini", Format::Ini),
    ("text", Format::Text),
];

impl Format {
    /// The word that manifests use.
    #[must_use]
    pub fn word(self) -> &'static str {
        FORMAT_WORDS.iter().find(|(_, format)| *format == self).map_or("text", |(word, _)| word)
    }

    /// Reads `format`, which must be there.
    pub(super) fn read(table: &mut Fields<'_, '_, '_>) -> Option<Format> {
        if !table.has("format") {
            table.missing("format", "format = \"text\"");
        }
        table.word("format", &FORMAT_WORDS)
    }
}

pub(super) fn read(
    table: &mut Fields<'_, '_, '_>,
    files: &Snippets,
    variables: &BTreeMap<String, Variable>,
    known: Option<&[String]>,
) -> Option<FileTemplate> {
    let (template, copy) = (table.text("template"), table.text("copy"));
    let path = table.required_name("path", "path = \"preseed.cfg\"", SafePath::new);
    let each = table.text("each");
    let format = Format::read(table);
    let mode = table.text("mode");
    let public = table.switch("public").unwrap_or(false);
    let when = table.text("when");
    let versions = Versions::read(table, known);
    let verbatim = copy.is_some();
    let template = match (template, copy) {
        (Some(source), None) | (None, Some(source)) => source,
        _ => {
            table.push(Problem::at(&table.origin(), "a file needs either `template` or `copy`"));
            return None;
        }
    };
    match &each {
        Some(each) => check_each(table, each, &template, variables),
        None if !files.contains_key(&template.value) => {
            let problem = Problem::at(&template.origin, format!("there is no `{}` in this folder", template.value));
            table.push(problem.nearest(&template.value, files.keys().map(String::as_str)));
        }
        None => {}
    }
    let bits = match &mode {
        None => Some(0o644),
        Some(text) => {
            u32::from_str_radix(&text.value, 8).ok().filter(|bits| bits & !0o777 == 0 && text.value.len() == 4)
        }
    };
    if let (None, Some(mode)) = (bits, &mode) {
        table.push(Problem::at(&mode.origin, "`mode` must be permission bits such as \"0644\""));
    }
    Some(FileTemplate { template, verbatim, path: path?, each, format: format?, mode: bits?, public, when, versions })
}

fn check_each(
    table: &mut Fields<'_, '_, '_>,
    each: &Located<String>,
    template: &Located<String>,
    variables: &BTreeMap<String, Variable>,
) {
    if template.value != EACH {
        let problem = Problem::at(&template.origin, "with `each`, every entry names its own template");
        table.push(problem.help(format!("write `{EACH}`")));
    }
    match variables.get(&each.value) {
        // One that was not declared rightly has been reported where it was declared.
        Some(variable) => {
            let compound = matches!(variable.kind, VariableType::List | VariableType::Map);
            if !compound || !variable.items.is_text() {
                let message = format!("`{}` is neither a list nor a map of names", each.value);
                table.push(Problem::at(&each.origin, message).help("declare it with `type = \"list\"`"));
            }
        }
        None => {
            let problem = Problem::at(&each.origin, format!("there is no variable `{}`", each.value));
            table.push(problem.nearest(&each.value, variables.keys().map(String::as_str)));
        }
    }
}
