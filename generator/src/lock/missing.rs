//! Which profiles no medium can install yet: those whose kernel or initrds are not pinned, so that their packs do not say what to boot.

use std::collections::BTreeMap;

use anode_bundle::name::Id;

use crate::diagnose::Problems;
use crate::plan::wanted_packs;
use crate::render::Renderer;
use crate::repository::Repository;

/// What the profiles of a repository boot.
#[derive(Debug, Default)]
pub struct Bootable<'r> {
    /// How many can be installed.
    pub ready: usize,
    /// The others, with an address that is not pinned.
    pub missing: BTreeMap<&'r Id, String>,
}

/// Asks every profile, as every organisation that uses it sees it. One that boots nothing is in neither list.
///
/// # Errors
/// All problems of all profiles.
pub fn bootable(repository: &Repository) -> Result<Bootable<'_>, Problems> {
    let renderer = Renderer::new(repository)?;
    let mut found = Bootable::default();
    let mut ready = std::collections::BTreeSet::new();
    for (name, profile) in wanted_packs(repository) {
        let organisation = name.1.as_ref().and_then(|id| repository.organisation(id));
        let Some(addresses) = renderer.addresses(profile, organisation)? else { continue };
        let mut files = [&addresses.kernel].into_iter().chain(&addresses.initrd);
        match files.find(|file| repository.lock.pinned(&file.value).is_none()) {
            Some(file) => {
                found.missing.entry(&profile.id).or_insert_with(|| file.value.clone());
            }
            None => {
                ready.insert(&profile.id);
            }
        }
    }
    found.ready = ready.len();
    Ok(found)
}
