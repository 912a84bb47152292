//! Installer definitions: a folder with `manifest.toml` and templates. Everything that is known about an installer is in there.

use std::collections::BTreeMap;
use std::sync::Arc;

use anode_bundle::name::{Id, SafePath};
use anode_bundle::pack::HandOver;

use super::Snippets;
use super::boot::{BootTemplates, SecondStageCase, read_boot, read_second_stage};
use super::fields::{Fields, Located, read_toml};
use super::profile::is_word;
use super::value::{TYPE_WORDS, Variable, VariableType};
use crate::diagnose::{Origin, Problem, Problems, Source};

/// How one installer family is driven.
#[derive(Debug, Clone)]
pub struct InstallerDefinition {
    /// The folder's name.
    pub id: Id,
    /// One line for people.
    pub title: String,
    /// The installer program, such as `anaconda`; for people and for reports.
    pub family: String,
    /// The versions of the distribution that it was made for.
    pub versions: Vec<String>,
    /// The distribution's names of processor architectures.
    pub architectures: Vec<String>,
    /// How the files reach the installer.
    pub hand_over: HandOver,
    /// What to boot; templates.
    pub boot: Option<BootTemplates>,
    /// What is known about the parts that the installer fetches by itself: the first case that applies counts, the last one applies always.
    pub second_stage: Vec<SecondStageCase>,
    /// The definition layer.
    pub variables: BTreeMap<String, Variable>,
    /// What is written.
    pub files: Vec<FileTemplate>,
    /// Other people's parsers for what is written.
    pub validators: Vec<Validator>,
    /// What must be in the pinned initrd for the hand-over to work.
    pub hook_points: Vec<HookPoint>,
    /// The templates beside `manifest.toml`, and those that all definitions share.
    pub snippets: Snippets,
    /// `manifest.toml`
    pub origin: Origin,
}

/// `[[files]]`
#[derive(Debug, Clone)]
pub struct FileTemplate {
    /// The template's name among the snippets, so that nearer layers can replace it.
    pub template: Located<String>,
    /// Is it copied as it is, without being a template?
    pub verbatim: bool,
    /// Where it lies for the installer.
    pub path: Located<SafePath>,
    /// Decides the escaping.
    pub format: Format,
    /// Permission bits.
    pub mode: u32,
    /// It appears in `public/<profile>/` where the profile is public.
    pub public: bool,
    /// It is left out unless this expression of the template language is true.
    pub when: Option<Located<String>>,
}

/// `[[validators]]`
#[derive(Debug, Clone)]
pub struct Validator {
    /// The format of the files that it reads.
    pub format: Format,
    /// The program and its arguments; `{file}`, `{version}` and `{architecture}` are filled in.
    pub command: Vec<String>,
    /// The package that has the program.
    pub package: String,
    /// Some programs complain and exit 0.
    pub stderr_is_failure: bool,
    /// A configuration file of its own, and the environment variable that names it: some programs lock the system's.
    pub configuration: Option<(String, String)>,
}

/// `[[hook_points]]`: a file that must be in the pinned initrd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookPoint {
    /// Where it lies.
    pub path: String,
    /// What it must contain.
    pub contains: Option<String>,
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
    /// `key=value` lines, also systemd units; nothing can be quoted.
    Ini,
    /// Text for people.
    Text,
}

/// The words that manifests use.
pub const FORMAT_WORDS: [(&str, Format); 8] = [
    ("preseed", Format::Preseed),
    ("kickstart", Format::Kickstart),
    ("shell", Format::Shell),
    ("json", Format::Json),
    ("yaml", Format::Yaml),
    ("toml", Format::Toml),
    ("ini", Format::Ini),
    ("text", Format::Text),
];

impl Format {
    /// The word that manifests use.
    #[must_use]
    pub fn word(self) -> &'static str {
        FORMAT_WORDS.iter().find(|(_, format)| *format == self).map_or("text", |(word, _)| word)
    }
}

/// Names that templates have in any case.
pub const RESERVED_VARIABLES: [&str; 9] =
    ["prompt", "profile", "site", "installer", "version", "architecture", "ansible", "organisation", "image"];

/// Reads a definition from its files, whose names are relative to its folder. `shared` are templates of all definitions.
pub fn read(id: &Id, mut files: Snippets, shared: &Snippets, problems: &mut Problems) -> Option<InstallerDefinition> {
    let manifest = files.remove("manifest.toml")?;
    for (name, source) in shared {
        files.entry(name.clone()).or_insert_with(|| source.clone());
    }
    read_toml(&manifest, problems, |top| {
        let head = top.table("installer", |table| {
            let title = table.required_title("title", 72, "title = \"Debian\"");
            let family = table.required_title("family", 40, "family = \"debian-installer\"");
            let versions = words(table, "versions", "versions = [\"13\"]");
            let architectures = words(table, "architectures", "architectures = [\"amd64\"]");
            let ways = [("kexec", HandOver::Kexec), ("image", HandOver::Image), ("files", HandOver::Files)];
            let hand_over = table.word("hand_over", &ways).unwrap_or(HandOver::Kexec);
            Some((title?, family?, versions, architectures, hand_over))
        });
        if !top.has("installer") {
            top.missing("installer", "[installer]");
        }
        let boot = top.table("boot", read_boot).flatten();
        let second_stage = read_second_stage(top, boot.as_ref());
        let variables = top.named_tables("variables", read_variable);
        let file_templates: Vec<_> =
            top.tables("files", |table| read_file(table, &files)).into_iter().flatten().collect();
        let validators: Vec<_> = top.tables("validators", read_validator).into_iter().flatten().collect();
        let hook_points = top.tables("hook_points", |table| {
            let path = table.required("path", "path = \"init\"");
            let contains = table.text("contains").map(|text| text.value);
            path.map(|path| HookPoint { path: path.value, contains })
        });
        let (title, family, versions, architectures, hand_over) = head.flatten()?;
        if hand_over == HandOver::Kexec {
            // What the medium refuses to put into an initrd must not get as far as a medium.
            for file in &file_templates {
                if let Err(unfit) = anode_fetch::hand_over::check_path(&file.path.value) {
                    top.push(
                        Problem::at(&file.path.origin, unfit.to_string()).label("an initrd can not carry this file"),
                    );
                }
            }
        }
        Some(InstallerDefinition {
            id: id.clone(),
            title,
            family,
            versions,
            architectures,
            hand_over,
            boot,
            second_stage,
            variables: variables.into_iter().flatten().map(|variable| (variable.name.clone(), variable)).collect(),
            files: file_templates,
            validators,
            hook_points: hook_points.into_iter().flatten().collect(),
            snippets: files,
            origin: top.origin(),
        })
    })
    .flatten()
}

fn words(table: &mut Fields<'_, '_, '_>, key: &'static str, example: &str) -> Vec<String> {
    let words = table.texts(key);
    if words.is_empty() {
        table.missing(key, example);
    }
    let plain = |text: &str| {
        !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    for word in words.iter().filter(|word| !plain(&word.value)) {
        let problem = Problem::at(&word.origin, format!("`{key}` holds a word that can not be used in an address"));
        table.push(problem.label("letters, digits and `. _ -` only"));
    }
    words.into_iter().map(|word| word.value).collect()
}

fn read_variable(name: &str, origin: Origin, table: &mut Fields<'_, '_, '_>) -> Option<Variable> {
    if !is_word(name) || RESERVED_VARIABLES.contains(&name) {
        let problem = Problem::at(&origin, format!("`{name}` can not be the name of a variable"));
        let reserved = RESERVED_VARIABLES.join(", ");
        table.push(problem.label(format!("lower-case letters, digits and `_`; not one of {reserved}")));
    }
    if !table.has("type") {
        table.missing("type", "type = \"line\"");
    }
    let kind = table.word("type", &TYPE_WORDS);
    let items = table.word("items", &TYPE_WORDS).unwrap_or(VariableType::Line);
    let choices: Vec<_> = table.texts("choices").into_iter().map(|choice| choice.value).collect();
    let default = table.value("default");
    let help = table.title("help", 240).unwrap_or_default();
    let variable = Variable { name: name.to_owned(), kind: kind?, items, choices, default, help, origin };
    if (variable.kind == VariableType::Choice) == variable.choices.is_empty() {
        table.push(Problem::at(&variable.origin, "a variable has `choices` if and only if its type is `choice`"));
    }
    if matches!(variable.items, VariableType::List | VariableType::Map | VariableType::Choice) {
        table.push(Problem::at(&variable.origin, "items can not be lists, maps or choices"));
    }
    if let Some(default) = &variable.default
        && let Err(problem) = variable.check(&default.value)
    {
        table.push(Problem::at(&default.origin, format!("the default of `{name}` {problem}")));
    }
    Some(variable)
}

fn read_file(table: &mut Fields<'_, '_, '_>, files: &Snippets) -> Option<FileTemplate> {
    let (template, copy) = (table.text("template"), table.text("copy"));
    let path = table.required_name("path", "path = \"preseed.cfg\"", SafePath::new);
    if !table.has("format") {
        table.missing("format", "format = \"text\"");
    }
    let format = table.word("format", &FORMAT_WORDS);
    let mode = table.text("mode");
    let public = table.switch("public").unwrap_or(false);
    let when = table.text("when");
    let verbatim = copy.is_some();
    let source = match (template, copy) {
        (Some(source), None) | (None, Some(source)) => source,
        _ => {
            table.push(Problem::at(&table.origin(), "a file needs either `template` or `copy`"));
            return None;
        }
    };
    if !files.contains_key(&source.value) {
        let problem = Problem::at(&source.origin, format!("there is no `{}` in this folder", source.value));
        table.push(problem.nearest(&source.value, files.keys().map(String::as_str)));
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
    Some(FileTemplate { template: source, verbatim, path: path?, format: format?, mode: bits?, public, when })
}

fn read_validator(table: &mut Fields<'_, '_, '_>) -> Option<Validator> {
    if !table.has("format") {
        table.missing("format", "format = \"text\"");
    }
    let format = table.word("format", &FORMAT_WORDS);
    let command: Vec<_> = table.texts("command").into_iter().map(|word| word.value).collect();
    let package = table.required("package", "package = \"debconf\"");
    let stderr_is_failure = table.switch("stderr_is_failure").unwrap_or(false);
    let configuration = table.table("configuration", |own| {
        let variable = own.required("variable", "variable = \"DEBCONF_SYSTEMRC\"");
        let text = own.required("text", "text = \"…\"");
        Some((variable?.value, text?.value))
    });
    if !command.iter().any(|word| word.contains("{file}")) {
        table.push(Problem::at(&table.origin(), "`command` must name `{file}`"));
    }
    let configuration = configuration.flatten();
    Some(Validator { format: format?, command, package: package?.value, stderr_is_failure, configuration })
}

/// The templates of a folder of built-in or own files.
pub fn snippets(prefix: &str, files: impl IntoIterator<Item = (String, String)>) -> Snippets {
    let source = |(name, text): (String, String)| {
        let path = format!("{prefix}/{name}");
        (name, Arc::new(Source { path, text }))
    };
    files.into_iter().map(source).collect()
}
