//! Which files a rendering is made of: what `anode show` says about templates and what they include.

use std::collections::BTreeMap;

use super::layers::Layers;
use super::{each, pass, templates};
use crate::diagnose::Problems;
use crate::repository::{Organisation, Profile, Repository};

/// A file of a pack and the snippets behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeOf {
    /// Where it lies for the installer.
    pub path: String,
    /// The snippet that it is made of.
    pub template: String,
    /// The file that this name means.
    pub source: String,
    /// Every name that the template includes or carries, also through others, and the file that it means.
    pub includes: BTreeMap<String, String>,
}

/// What each file of a profile is made of, also of those that a condition leaves out. What can not be found is a problem of the rendering.
#[must_use]
pub fn made_of(repository: &Repository, profile: &Profile, organisation: Option<&Organisation>) -> Vec<MadeOf> {
    let Some(definition) = repository.definition(profile) else { return Vec::new() };
    let layers = Layers { repository, definition, organisation, profile };
    let entries = pass::files(&layers)
        .flat_map(|file| each::entries(&layers, file, &mut Problems::new()).unwrap_or_default())
        .collect::<Vec<_>>();
    let made = entries.iter().filter_map(|entry| {
        let closure = templates::closure(&layers, [(entry.main(), entry.verbatim)]).ok()?;
        let mut includes: BTreeMap<_, _> =
            closure.all().map(|(name, source)| (name.clone(), source.path.clone())).collect();
        let source = includes.remove(entry.name)?;
        Some(MadeOf { path: entry.path.to_string(), template: entry.name.to_owned(), source, includes })
    });
    made.collect()
}
