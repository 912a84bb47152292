//! What several definitions have in common: `[installer] parts` names files of `installers/shared/` with the tables of a manifest.
//!
//! Parts are read in their order, the manifest last. Variables and files of a later one take the place of earlier ones of that name or path; so does
//! what is booted, and the cases of the second stage as a whole. Everything else is added up.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::variables::{self, Catalogue};
use super::{FileTemplate, HookPoint, Refusal, Validator, files, validators};
use crate::diagnose::{Problem, Problems, Source};
use crate::repository::Snippets;
use crate::repository::boot::{BootTemplates, SecondStageCase, read_boot, read_second_stage};
use crate::repository::checksums::{self, Checksums};
use crate::repository::fields::{Fields, Located, read_toml};
use crate::repository::value::Variable;

/// The tables that a part and a manifest may both have, besides the variables.
#[derive(Default)]
pub(super) struct Body {
    pub boot: Option<BootTemplates>,
    pub second_stage: Vec<SecondStageCase>,
    pub files: Vec<FileTemplate>,
    pub refusals: Vec<Refusal>,
    pub validators: Vec<Validator>,
    pub hook_points: Vec<HookPoint>,
    pub checksums: Vec<Checksums>,
}

impl Body {
    /// `known` are the versions of the installer, `None` in a part.
    pub fn read(
        top: &mut Fields<'_, '_, '_>,
        snippets: &Snippets,
        variables: &BTreeMap<String, Variable>,
        known: Option<&[String]>,
    ) -> Body {
        Body {
            boot: top.table("boot", read_boot).flatten(),
            second_stage: read_second_stage(top),
            files: right(top.tables("files", |table| files::read(table, snippets, variables, known))),
            refusals: right(top.tables("refusals", |table| validators::read_refusal(table, variables, known))),
            validators: right(top.tables("validators", |table| validators::read(table, known))),
            hook_points: right(top.tables("hook_points", |table| validators::read_hook_point(table, known))),
            checksums: right(top.tables("checksums", |table| checksums::read(table, known))),
        }
    }

    /// Adds what is nearer to the definition.
    pub fn join(&mut self, nearer: Body) {
        self.boot = nearer.boot.or(self.boot.take());
        if !nearer.second_stage.is_empty() {
            self.second_stage = nearer.second_stage;
        }
        self.files.retain(|file| !nearer.files.iter().any(|other| other.path.value == file.path.value));
        self.files.extend(nearer.files);
        self.refusals.extend(nearer.refusals);
        self.validators.extend(nearer.validators);
        self.hook_points.extend(nearer.hook_points);
        self.checksums.extend(nearer.checksums);
    }
}

/// Without those that were reported as wrong.
fn right<T>(read: Vec<Option<T>>) -> Vec<T> {
    read.into_iter().flatten().collect()
}

/// The files that `parts` names.
pub(super) fn find(names: &[Located<String>], snippets: &Snippets, top: &mut Fields<'_, '_, '_>) -> Vec<Arc<Source>> {
    let mut found = Vec::new();
    for name in names {
        match snippets.get(&name.value) {
            Some(source) => found.push(source.clone()),
            None => {
                let problem = Problem::at(&name.origin, format!("there is no part `{}`", name.value));
                let known = snippets.keys().map(String::as_str).filter(|known| known.ends_with(".toml"));
                top.push(match problem.nearest(&name.value, known) {
                    problem if problem.help.is_some() => problem,
                    problem => problem.help(format!("add `installers/shared/{}`", name.value)),
                });
            }
        }
    }
    found
}

/// The variables of the parts, and the catalogue with them: a manifest may narrow what a part declares. What is wrong with them is said by [`read`].
pub(super) fn variables(parts: &[Arc<Source>], catalogue: &Catalogue) -> (BTreeMap<String, Variable>, Catalogue) {
    let (mut declared, mut all) = (BTreeMap::new(), catalogue.clone());
    for part in parts {
        let read = read_toml(part, &mut Problems::new(), |top| {
            let standard = top.texts("standard");
            variables::read(top, &standard, &all)
        });
        let read = read.unwrap_or_default();
        all.extend(read.clone());
        declared.extend(read);
    }
    (declared, all)
}

/// Reads one part; `variables` are those of the whole definition.
pub(super) fn read(
    part: &Arc<Source>,
    catalogue: &Catalogue,
    snippets: &Snippets,
    variables: &BTreeMap<String, Variable>,
    top: &mut Fields<'_, '_, '_>,
) -> Body {
    let mut problems = Problems::new();
    let body = read_toml(part, &mut problems, |inner| {
        let standard = inner.texts("standard");
        let _ = variables::read(inner, &standard, catalogue);
        Body::read(inner, snippets, variables, None)
    });
    problems.into_iter().for_each(|problem| top.push(problem));
    body.unwrap_or_default()
}
