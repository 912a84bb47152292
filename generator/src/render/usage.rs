//! What was written and has no effect: a variable that nothing in any rendering used, a snippet that nobody includes, a variable of a definition
//! that nothing mentions. Each is most often a slip: a misspelt override, a static address beside `network = "dhcp"`.
//!
//! A value may be of use to one heir and to no other, so nothing is said before everything was rendered, and in the order of files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use anode_bundle::name::Id;

use super::layers::Layers;
use super::tags::{Tag, includes, tags};
use super::{Parsed, address};
use crate::diagnose::{Origin, Problem, Problems, Source};
use crate::repository::{
    FileTemplate, InstallerDefinition, LoaderTemplates, Located, NetworkTemplates, Profile, Repository, Setting,
    Settings, Snippets, Value,
};

/// What all renderings of a run made use of.
#[derive(Default)]
pub struct Seen {
    // By file and place.
    settings: HashMap<(usize, usize), SeenSetting>,
    // Snippets by address, and the names that a definition's templates ask for.
    files: HashSet<usize>,
    names: BTreeMap<Id, BTreeSet<String>>,
}

struct SeenSetting {
    name: String,
    origin: Origin,
    used: bool,
    // A place that mentions it and that nobody came by.
    mention: Option<String>,
}

/// What one rendering made use of.
pub struct Trace<'a, 'r> {
    pub layers: &'a Layers<'r>,
    pub context: &'a tera::Context,
    /// The files so far, for templates that carry one.
    pub texts: &'a BTreeMap<String, String>,
    /// The templates that were rendered.
    pub made: &'a [(Parsed, &'r str)],
    /// The snippets that were reached, by name and address.
    pub reached: &'a BTreeSet<(String, usize)>,
}

/// What one rendering says to [`Seen`].
pub struct Noted<'a> {
    definition: &'a Id,
    settings: Vec<SeenSetting>,
    reached: &'a BTreeSet<(String, usize)>,
}

impl Seen {
    /// One more rendering.
    pub fn add(&mut self, noted: Noted<'_>) {
        for setting in noted.settings {
            let place = (address(&setting.origin.source), setting.origin.span.start);
            match self.settings.get_mut(&place) {
                Some(seen) => {
                    seen.used |= setting.used;
                    seen.mention = [seen.mention.take(), setting.mention].into_iter().flatten().min();
                }
                None => _ = self.settings.insert(place, setting),
            }
        }
        let names = self.names.entry(noted.definition.clone()).or_default();
        for (name, file) in noted.reached {
            self.files.insert(*file);
            if !names.contains(name) {
                names.insert(name.clone());
            }
        }
    }

    /// What nothing used, as warnings.
    pub fn unused(&self, repository: &Repository) -> Problems {
        let mut problems = Problems::new();
        for seen in self.settings.values().filter(|seen| !seen.used) {
            let problem = Problem::at(&seen.origin, format!("nothing uses `{}`", seen.name)).as_warning();
            problems.push(match &seen.mention {
                Some(place) => problem.help(format!("`{place}` would, under a condition that does not hold")),
                None => problem.help("no template that is rendered with it mentions it: remove it"),
            });
        }
        self.idle_snippets(repository, &mut problems);
        problems
    }

    fn idle_snippets(&self, repository: &Repository, problems: &mut Problems) {
        let mut named = BTreeSet::new();
        let organisations = repository.organisations.iter().map(|organisation| &organisation.variables);
        let profiles = repository.profiles.iter().map(|profile| &profile.variables);
        organisations.chain(profiles).chain([&repository.site.variables]).for_each(|set| texts_of(set, &mut named));
        let all: BTreeSet<&Id> = self.names.keys().collect();
        let mut judge = |snippets: &Snippets, folder: &str, definitions: &BTreeSet<&Id>| {
            let known: BTreeSet<&str> =
                definitions.iter().filter_map(|id| self.names.get(*id)).flatten().map(String::as_str).collect();
            let own = snippets.iter().filter(|(_, source)| source.path.starts_with(folder));
            for (name, source) in own.filter(|_| !known.is_empty()) {
                let idle =
                    !self.files.contains(&address(source)) && !known.contains(&**name) && !named.contains(&**name);
                problems.extend(idle.then(|| idle_snippet(name, source, &known)));
            }
        };
        judge(&repository.snippets, "snippets/", &all);
        for organisation in &repository.organisations {
            let visible = repository.visible_to(&organisation.id).map(|profile| &profile.installer.value).collect();
            judge(&organisation.snippets, &folder(&organisation.origin), &visible);
        }
        for profile in &repository.profiles {
            let heirs =
                repository.profiles.iter().filter(|heir| is_from(heir, &profile.id, profile.organisation.as_ref()));
            let definitions = heirs.chain([profile]).map(|heir| &heir.installer.value).collect();
            judge(&profile.snippets, &folder(&profile.origin), &definitions);
        }
        for base in &repository.bases {
            let heirs = repository.profiles.iter().filter(|heir| is_from(heir, &base.id, base.organisation.as_ref()));
            judge(&base.snippets, &folder(&base.origin), &heirs.map(|heir| &heir.installer.value).collect());
        }
    }
}

fn idle_snippet(name: &str, source: &Arc<Source>, known: &BTreeSet<&str>) -> Problem {
    let problem = Problem::warning(&source.path, format!("nothing includes `{name}`"));
    match problem.nearest(name, known.iter().copied()) {
        problem if problem.help.is_some() => problem,
        problem => problem.help("name it in a variable or a snippet that is included, or remove it"),
    }
}

fn is_from(heir: &Profile, id: &Id, organisation: Option<&Id>) -> bool {
    heir.ancestors.iter().any(|ancestor| ancestor.id == *id && ancestor.organisation.as_ref() == organisation)
}

/// The folder of a TOML file, with its `/`.
fn folder(origin: &Origin) -> String {
    let path = &origin.source.path;
    path.get(..path.rfind('/').map_or(0, |slash| slash + 1)).unwrap_or_default().to_owned()
}

fn texts_of<'s>(settings: &'s Settings, texts: &mut BTreeSet<&'s str>) {
    fn collect<'s>(value: &'s Value, texts: &mut BTreeSet<&'s str>) {
        match value {
            Value::Text(text) => _ = texts.insert(text),
            Value::List(items) => items.iter().for_each(|item| collect(item, texts)),
            Value::Map(items) => items.values().for_each(|item| collect(item, texts)),
            Value::Number(_) | Value::Switch(_) | Value::Secret(_) => {}
        }
    }
    settings.values().for_each(|setting| collect(&setting.value, texts));
}

impl<'a> Trace<'a, '_> {
    /// Which settings of the repository had a part in a rendering that succeeded.
    pub fn note(&self) -> Noted<'a> {
        let used = self.used();
        let variables = &self.layers.definition.variables;
        let is_default = |name: &str, setting: &Setting| {
            let default = variables.get(name).and_then(|variable| variable.default.as_ref());
            default.is_some_and(|default| std::ptr::eq(default, setting))
        };
        let settings = self.layers.settings().into_iter().filter(|(name, setting)| !is_default(name, setting));
        let settings = settings.map(|(name, setting)| {
            let used = used.contains(name);
            let mention = if used { None } else { self.mention(name) };
            SeenSetting { name: name.to_owned(), origin: setting.origin.clone(), used, mention }
        });
        Noted { definition: &self.layers.definition.id, settings: settings.collect(), reached: self.reached }
    }

    /// The variables that had a part in what was rendered.
    fn used(&self) -> BTreeSet<String> {
        let definition = self.layers.definition;
        let version = &self.layers.profile.version.value;
        let snippet = |name: &str| self.layers.snippet(name).map(|source| source.text.as_str());
        let mut used = BTreeSet::new();
        for file in definition.files.iter().filter(|file| file.versions.cover(version)) {
            of_file(file, &mut used);
        }
        of_boot(definition, &snippet, &mut used);
        let templates = || self.made.iter().filter_map(|(parsed, name)| Some((parsed.as_ref().as_ref().ok()?, *name)));
        for (templates, name) in templates() {
            used.extend(templates.branches().always(name).into_iter().map(str::to_owned));
        }
        let settings = self.layers.settings();
        if settings.keys().all(|name| used.contains(*name)) {
            return used;
        }
        for (templates, name) in templates() {
            let texts = templates.texts(self.layers, self.texts).map(|texts| texts.into_context(self.context));
            match templates.branches().passed(name, texts.as_ref().unwrap_or(self.context)) {
                Some(names) => used.extend(names.into_iter().map(str::to_owned)),
                // What can not be found out is nobody's mistake.
                None => used.extend(settings.keys().map(|name| (*name).to_owned())),
            }
        }
        used
    }

    /// The first place that mentions a variable, as `file:line`.
    fn mention(&self, variable: &str) -> Option<String> {
        let templates = self.made.iter().filter_map(|(parsed, _)| parsed.as_ref().as_ref().ok());
        let place = |source: &Arc<Source>| {
            let names = tags(&source.text).iter().flat_map(Tag::names).find(|(name, _)| *name == variable)?.1;
            let line = crate::diagnose::position(&source.text, names.start).0;
            Some((source.path.clone(), line))
        };
        let (path, line) = templates.flat_map(super::Templates::sources).filter_map(place).min()?;
        Some(format!("{path}:{line}"))
    }
}

/// The variables that decide about a file.
fn of_file(file: &FileTemplate, names: &mut BTreeSet<String>) {
    names.extend(file.each.iter().map(|each| each.value.clone()));
    names.extend(file.when.iter().flat_map(condition));
}

fn condition(when: &Located<String>) -> Vec<String> {
    of_text(&format!("{{% if {} %}}", when.value))
}

fn of_text(text: &str) -> Vec<String> {
    tags(text).iter().flat_map(Tag::names).map(|(name, _)| name.to_owned()).collect()
}

/// The variables that decide about what is booted, and those of every snippet on the way.
fn of_boot<'s>(
    definition: &'s InstallerDefinition,
    snippet: &dyn Fn(&str) -> Option<&'s str>,
    names: &mut BTreeSet<String>,
) {
    names.extend(definition.second_stage.iter().filter_map(|case| case.when.as_ref()).flat_map(condition));
    let Some(boot) = &definition.boot else { return };
    let images = boot.images.iter().map(|(_, image)| image);
    let loaders = boot.loaders.iter().flat_map(LoaderTemplates::texts);
    let network = boot.network.iter().flat_map(NetworkTemplates::texts);
    names.extend(boot.network.iter().flat_map(NetworkTemplates::conditions).flat_map(condition));
    let texts = [&boot.kernel, &boot.command_line].into_iter().chain(&boot.initrd).chain(images).chain(loaders);
    let texts = texts.chain(network);
    of_all(texts.map(|text| text.value.as_str()).collect(), snippet, names);
}

/// The names in these texts and in all that they include.
fn of_all<'s>(mut open: Vec<&'s str>, snippet: &dyn Fn(&str) -> Option<&'s str>, names: &mut BTreeSet<String>) {
    let mut seen = BTreeSet::new();
    while let Some(text) = open.pop() {
        names.extend(of_text(text));
        open.extend(
            includes(text).into_iter().filter(|(name, _)| seen.insert(*name)).filter_map(|(name, _)| snippet(name)),
        );
    }
}

/// The variables that a definition declares and that no template, boot line, condition or refusal of it mentions: a value would have no effect.
#[must_use]
pub fn unused_variables(definition: &InstallerDefinition) -> Problems {
    let mut problems = Problems::new();
    // It is never rendered, so there is nothing to mention.
    if definition.interactive_only.is_some() {
        return problems;
    }
    let snippet = |name: &str| definition.snippets.get(name).map(|source| source.text.as_str());
    let mut names = BTreeSet::new();
    definition.files.iter().for_each(|file| of_file(file, &mut names));
    of_boot(definition, &snippet, &mut names);
    for refusal in &definition.refusals {
        names.insert(refusal.variable.clone());
        names.extend(condition(&refusal.when));
    }
    let own = folder(&definition.origin);
    let written =
        definition.files.iter().filter(|file| !file.verbatim).filter_map(|file| snippet(&file.template.value));
    let beside =
        definition.snippets.values().filter(|source| source.path.starts_with(&own)).map(|source| &*source.text);
    of_all(written.chain(beside).collect(), &snippet, &mut names);
    for variable in definition.variables.values().filter(|variable| !names.contains(&variable.name)) {
        let message = format!("`{}` declares `{}`, and nothing in it uses that", definition.id, variable.name);
        problems.push(match variable.origin.source.path == definition.origin.source.path {
            true => Problem::at(&variable.origin, message).help("write it in a template, or remove the variable"),
            false => Problem::at(&definition.origin, message)
                .help(format!("write it in a template, or remove `{}` from `standard`", variable.name)),
        });
    }
    problems
}

/// The files in a definition's own folder that neither its manifest nor any template names: a misspelt override leaves the shared snippet in its place.
#[must_use]
pub fn idle_files(definition: &InstallerDefinition) -> Problems {
    let own = folder(&definition.origin);
    let texts = || definition.snippets.values().chain([&definition.origin.source]);
    let is_named = |name: &str| {
        let quoted = [format!("\"{name}\""), format!("'{name}'")];
        texts().any(|source| quoted.iter().any(|word| source.text.contains(word)))
    };
    let shared = definition.snippets.iter().filter(|(_, source)| !source.path.starts_with(&own));
    let known: BTreeSet<&str> = shared.map(|(name, _)| name.as_str()).collect();
    let files = definition.snippets.iter().filter(|(name, source)| source.path.starts_with(&own) && !is_named(name));
    let mut problems = Problems::new();
    problems.extend(files.map(|(name, source)| idle_snippet(name, source, &known)));
    problems
}
