//! What was rendered, read by others: the installer's own parser or schema where it is there, and our checks where that parser looks away.
//!
//! Inserts are filled with harmless answers of the right type. Problems point into the rendered file, which lies nowhere: its name says so.
//! What could not be asked is listed, never passed over.

mod own;
mod playbooks;
mod programs;
mod schemas;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anode_bundle::name::SafePath;
use rayon::prelude::*;
use serde::Serialize;

use crate::diagnose::{Problem, Problems, Source};
use crate::render::{Rendered, sample_answers};
use crate::repository::{Case, Format, InstallerDefinition, Judge, Repository, Validator};

use own::own_checks;
use programs::Program;
use schemas::Schema;

/// Something rendered that is to be judged, and what messages call it.
pub struct Subject<'r> {
    /// Such as `web-server for example-school`.
    pub name: String,
    /// What was rendered.
    pub rendered: &'r Rendered,
}

impl<'r> Subject<'r> {
    /// A pack, named by its profile and organisation.
    #[must_use]
    pub fn pack(rendered: &'r Rendered) -> Subject<'r> {
        let manifest = rendered.contents.manifest();
        let organisation = manifest.organisation.as_ref().map(|id| format!(" for {id}")).unwrap_or_default();
        Subject { name: format!("{}{organisation}", manifest.profile), rendered }
    }

    /// What a definition is tried with, named by its file and version.
    #[must_use]
    pub fn case(case: &Case, rendered: &'r Rendered) -> Subject<'r> {
        let path = case.path().trim_end_matches(".toml");
        Subject { name: format!("{path} {}", rendered.contents.manifest().installer.version), rendered }
    }
}

/// What a run of the validators found.
#[derive(Default)]
pub struct Judgement {
    /// What is wrong, and a warning for each validator that could not be asked.
    pub problems: Problems,
    /// Who was asked, by name.
    pub validators: Vec<Asked>,
}

/// A validator, and how many files it was for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The program, or the schema's path.
    pub name: String,
    /// Whether it is a program or a schema.
    pub kind: Kind,
    /// The files that it is for.
    pub files: usize,
    /// Why it did not read them; `None`: it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_run: Option<String>,
}

/// Kinds of validators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A program of other people's.
    Program,
    /// A JSON schema of other people's.
    Schema,
}

/// A rendered file with answers in it.
struct Filled<'r> {
    definition: &'r InstallerDefinition,
    version: &'r str,
    architecture: &'r str,
    path: SafePath,
    format: Format,
    source: Arc<Source>,
}

/// What one program is to read.
type Runs<'r> = Vec<(Program<'r>, &'r Filled<'r>)>;

/// Our own checks, then every validator of the definitions that is there.
#[must_use]
pub fn validate<'r>(repository: &'r Repository, subjects: impl IntoIterator<Item = Subject<'r>>) -> Judgement {
    let (files, mut problems) = fill(repository, subjects);
    problems.extend(files.par_iter().flat_map_iter(own_checks).collect::<Vec<_>>());
    let mut judgement = Judgement { problems, validators: Vec::new() };
    judgement.ask(&files);
    judgement
}

/// Our own checks alone: fast enough for every build.
#[must_use]
pub fn check_rendered<'r>(repository: &'r Repository, subjects: impl IntoIterator<Item = Subject<'r>>) -> Problems {
    let (files, mut problems) = fill(repository, subjects);
    problems.extend(files.par_iter().flat_map_iter(own_checks).collect::<Vec<_>>());
    problems
}

/// The validators that a definition has for one of its files.
pub fn judges<'d>(
    definition: &'d InstallerDefinition,
    version: &str,
    path: &SafePath,
    format: Format,
) -> impl Iterator<Item = &'d Validator> {
    definition.validators.iter().filter(move |validator| {
        let named = validator.path.as_ref().is_none_or(|named| named == path);
        named && validator.format == format && validator.versions.cover(version)
    })
}

fn fill<'r>(
    repository: &'r Repository,
    subjects: impl IntoIterator<Item = Subject<'r>>,
) -> (Vec<Filled<'r>>, Problems) {
    let mut files = Vec::new();
    let mut problems = Problems::new();
    for Subject { name: subject, rendered } in subjects {
        let manifest = rendered.contents.manifest();
        let Some(definition) = repository.installers.get(&manifest.installer.id) else { continue };
        let name = |path: &str| format!("{subject}: {path} (rendered)");
        let filled = match rendered.contents.fill(&sample_answers(&rendered.contents)) {
            Ok(filled) => filled,
            Err(refusal) => {
                problems.push(Problem::error(&name("answers"), refusal.to_string()));
                continue;
            }
        };
        for (file, format) in filled.iter().zip(&rendered.formats) {
            let Ok(text) = String::from_utf8(file.bytes.to_vec()) else { continue };
            files.push(Filled {
                definition,
                version: &manifest.installer.version,
                architecture: &manifest.installer.architecture,
                path: file.path.clone(),
                format: *format,
                source: Arc::new(Source { path: name(file.path.as_str()), text }),
            });
        }
    }
    (files, problems)
}

impl Judgement {
    fn ask<'r>(&mut self, files: &'r [Filled<'r>]) {
        let mut programs: BTreeMap<&str, Runs<'_>> = BTreeMap::new();
        let mut schemas: BTreeMap<&str, Vec<&Filled<'_>>> = BTreeMap::new();
        for file in files {
            for validator in judges(file.definition, file.version, &file.path, file.format) {
                match &validator.judge {
                    Judge::Schema(schema) => schemas.entry(schema.as_str()).or_default().push(file),
                    Judge::Program { command, package, stderr_is_failure, configuration } => {
                        let Some(name) = command.first() else { continue };
                        let program =
                            Program { command, package, stderr_is_failure: *stderr_is_failure, configuration };
                        programs.entry(name).or_default().push((program, file));
                    }
                }
            }
        }
        let mut runs: Runs<'_> = Vec::new();
        let mut seen = BTreeSet::new();
        for (name, wanted) in programs {
            let installed = programs::is_installed(name);
            let manifest = wanted.first().map_or("", |(_, file)| &file.definition.origin.source.path);
            let package = wanted.first().map_or("", |(program, _)| program.package);
            let not_run = (!installed).then(|| format!("install `{package}`"));
            self.asked(name, Kind::Program, wanted.len(), not_run, manifest);
            let wanted = wanted.into_iter().filter(|_| installed);
            runs.extend(wanted.filter(|(program, file)| seen.insert((program.arguments(file), &file.source.text))));
        }
        self.problems
            .extend(runs.par_iter().filter_map(|(program, file)| programs::run(*program, file)).collect::<Vec<_>>());
        for (name, wanted) in schemas {
            let manifest = wanted.first().map_or("", |file| &file.definition.origin.source.path);
            let path = schemas::find(name);
            let remedy = "put the schema below a folder that `ANODE_SCHEMAS` names".to_owned();
            self.asked(name, Kind::Schema, wanted.len(), path.is_none().then_some(remedy), manifest);
            match path.map(|path| Schema::read(name, &path)) {
                Some(Ok(schema)) => {
                    let found = wanted.par_iter().flat_map_iter(|file| schema.check(file));
                    self.problems.extend(found.collect::<Vec<_>>());
                }
                Some(Err(wrong)) => self.problems.push(
                    Problem::error(manifest, format!("the schema `{name}` {wrong}"))
                        .help("take it anew from its project, or remove it from `ANODE_SCHEMAS`"),
                ),
                None => {}
            }
        }
    }

    fn asked(&mut self, name: &str, kind: Kind, files: usize, not_run: Option<String>, manifest: &str) {
        if let Some(remedy) = &not_run {
            let what = if kind == Kind::Schema { "the schema " } else { "" };
            let problem = Problem::warning(manifest, format!("{what}`{name}` was not run"));
            self.problems.push(problem.help(remedy.clone()));
        }
        self.validators.push(Asked { name: name.to_owned(), kind, files, not_run });
    }
}
