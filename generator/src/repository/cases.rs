//! What a definition is tried with: `installers/<name>/tests/<case>.toml` is a profile without `installer`, and snippets for it lie in a folder of
//! the same name. One without `version` is for each version of the definition, with the first architecture.

use std::collections::{BTreeMap, BTreeSet};

use anode_bundle::name::Id;

use super::fields::Located;
use super::installer::InstallerDefinition;
use super::profile::{Profile, ProfileDraft, read_profile};
use super::tree::{Tree, check_id, join};
use super::{Snippets, check, inheritance};
use crate::diagnose::{Problem, Problems};

/// One trial of a definition.
#[derive(Debug, Clone)]
pub struct Case {
    /// The definition.
    pub installer: Id,
    /// The file's name without its ending.
    pub name: Id,
    /// What is rendered; its version says for which one.
    pub profile: Profile,
}

impl Case {
    /// Where it is written.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.profile.origin.source.path
    }
}

/// Reads the cases of the repository's own definitions, by definition, version and name.
pub fn read(tree: &Tree, installers: &BTreeMap<Id, InstallerDefinition>, problems: &mut Problems) -> Vec<Case> {
    let mut cases = Vec::new();
    for definition in installers.values() {
        let folder = format!("installers/{}/tests", definition.id);
        let mut names = BTreeSet::new();
        for file in tree.below(&folder) {
            let path = join(&folder, file);
            match (file.strip_suffix(".toml"), file.split_once('/')) {
                (Some(stem), None) => names.extend(check_id(&path, stem, "a test case", problems)),
                (_, Some((case, _))) if tree.has(&format!("{folder}/{case}.toml")) => {}
                (_, Some((case, _))) => {
                    let problem = Problem::error(&path, format!("there is no test case `{case}` that could use it"));
                    problems.push(problem.help(format!("add `{folder}/{case}.toml`, or remove the folder")));
                }
                (None, None) => {
                    let problem = Problem::error(&path, "is not a test case");
                    problems.push(problem.help("a test case is `<case>.toml`, its snippets lie in `<case>/`"));
                }
            }
        }
        let mut own: Vec<_> =
            names.iter().flat_map(|name| read_case(tree, definition, &folder, name, installers, problems)).collect();
        let place = |case: &Case| definition.versions.iter().position(|known| *known == case.profile.version.value);
        own.sort_by_key(place);
        cases.append(&mut own);
    }
    cases
}

fn read_case(
    tree: &Tree,
    definition: &InstallerDefinition,
    folder: &str,
    name: &Id,
    installers: &BTreeMap<Id, InstallerDefinition>,
    problems: &mut Problems,
) -> Vec<Case> {
    let Some(source) = tree.toml(&format!("{folder}/{name}.toml"), problems) else { return Vec::new() };
    let inner = format!("{folder}/{name}");
    let files = tree.below(&inner).map(str::to_owned).collect::<Vec<_>>();
    let snippets: Snippets =
        files.into_iter().filter_map(|file| Some((file.clone(), tree.text(&join(&inner, &file), problems)?))).collect();
    let Some(draft) = read_profile(&source, name, None, snippets, &[], problems) else { return Vec::new() };
    if let Some(problem) = misplaced(&draft) {
        problems.push(problem);
        return Vec::new();
    }
    let located = |value: &String| Located { value: value.clone(), origin: draft.origin.clone() };
    let versions = match &draft.version {
        Some(version) => vec![version.clone()],
        None => definition.versions.iter().map(located).collect(),
    };
    let architecture = draft.architecture.clone().or_else(|| definition.architectures.first().map(located));
    let mut cases = Vec::new();
    for version in versions {
        let whole = ProfileDraft {
            installer: Some(Located { value: definition.id.clone(), origin: draft.origin.clone() }),
            version: Some(version),
            architecture: architecture.clone(),
            ..draft.clone()
        };
        // What is wrong with one version's profile is wrong with all of them: it is said once.
        let mut found = Problems::new();
        let profile = inheritance::join(&whole, &[], &[], &mut found);
        if let Some(profile) = profile.inspect(|profile| check::profile(profile, installers, &mut found)) {
            cases.push(Case { installer: definition.id.clone(), name: name.clone(), profile });
        }
        // Warnings are for profiles: a passphrase that stands in a case in clear is nobody's.
        if found.has_errors() {
            problems.append(found);
            return Vec::new();
        }
    }
    cases
}

fn misplaced(draft: &ProfileDraft) -> Option<Problem> {
    if let Some(installer) = &draft.installer {
        let problem = Problem::at(&installer.origin, "a test case has no `installer` of its own");
        return Some(problem.help("remove the line: it is tried with the definition that it lies beside"));
    }
    if let Some(extends) = &draft.extends {
        let problem = Problem::at(&extends.origin, "a test case extends nothing");
        return Some(problem.help("write out what it needs: a definition is tried without any profile"));
    }
    draft.is_abstract.then(|| {
        Problem::at(&draft.origin, "a test case can not be abstract").help("remove `abstract`: a case is rendered")
    })
}
