//! One pack per (profile, organisation), with no organisation where that layer changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anode_bundle::index::Entry;
use anode_bundle::name::{Id, SafePath, Sha256};
use anode_bundle::pack::{Contents, File, HandOver, Installer, Manifest, SecondStage};
use anyhow::{Context as _, Result, anyhow};
use rayon::prelude::*;
use zeroize::Zeroizing;

use super::{Ingredients, Object, Progress, Rendering, add_objects};
use crate::diagnose::{Origin, Problems};
use crate::render::{Rendered, Renderer, idle_files, organisation_matters, unused_variables};
use crate::repository::{Organisation, Profile, Repository, SecretUse};

/// Which pack: a profile, and an organisation where its layer changes something.
pub type PackName = (Id, Option<Id>);

/// The pack that an organisation gets for a profile.
#[must_use]
pub fn pack_name(repository: &Repository, profile: &Profile, organisation: &Organisation) -> PackName {
    let own = profile.organisation.is_some() || organisation_matters(repository, profile, organisation);
    (profile.id.clone(), own.then(|| organisation.id.clone()))
}

/// Every rendered pack that can be offered.
pub struct Packs {
    /// By name.
    pub rendered: BTreeMap<PackName, Rendered>,
    /// Which pack an organisation gets for a profile that it can see.
    offered: BTreeMap<(Id, Id), PackName>,
}

impl Packs {
    /// The pack of `profile` for `organisation`.
    #[must_use]
    pub fn offered(&self, profile: &Id, organisation: &Id) -> Option<(&PackName, &Rendered)> {
        let name = self.offered.get(&(profile.clone(), organisation.clone()))?;
        self.rendered.get(name).map(|rendered| (name, rendered))
    }
}

/// Which packs there are, and which of them an organisation gets for a profile that it can see.
type Wanted<'r> = (BTreeMap<PackName, &'r Profile>, BTreeMap<(Id, Id), PackName>);

/// Every profile, and its variants for the organisations that use it.
#[must_use]
pub fn wanted_packs(repository: &Repository) -> BTreeMap<PackName, &Profile> {
    wanted(repository).0
}

fn wanted(repository: &Repository) -> Wanted<'_> {
    let codes = repository.codes.iter();
    let offers = codes.flat_map(|code| code.profiles.iter().map(move |profile| (profile, &code.organisation)));
    // There may be a hundred thousand codes for a few profiles: only the few are put in order.
    let used: BTreeSet<(&Id, &Id)> = offers.collect::<HashSet<_>>().into_iter().collect();
    let mut offered = BTreeMap::new();
    let mut wanted: BTreeMap<PackName, &Profile> = BTreeMap::new();
    for profile in &repository.profiles {
        if profile.organisation.is_none() {
            wanted.insert((profile.id.clone(), None), profile);
        }
    }
    for (profile_id, organisation_id) in used {
        let Some(profile) = repository.profile(profile_id, Some(organisation_id)) else { continue };
        let Some(organisation) = repository.organisation(organisation_id) else { continue };
        let name = pack_name(repository, profile, organisation);
        offered.insert((profile.id.clone(), organisation.id.clone()), name.clone());
        wanted.insert(name, profile);
    }
    for profile in repository.profiles.iter().filter(|profile| profile.organisation.is_some()) {
        wanted.insert((profile.id.clone(), profile.organisation.clone()), profile);
    }
    (wanted, offered)
}

/// The secrets that the packs of a repository need, each with the place that names it, and the variable there.
#[must_use]
pub fn needed_secrets(repository: &Repository) -> Vec<(&Origin, &str, SecretUse<'_>)> {
    let packs = wanted_packs(repository).into_iter();
    let organisation = |name: &PackName| name.1.as_ref().and_then(|id| repository.organisation(id));
    packs.flat_map(|(name, profile)| repository.secret_uses(profile, organisation(&name))).collect()
}

/// Renders every profile, and its variants for the organisations that use it.
///
/// # Errors
/// All problems of all profiles.
pub fn render_packs(repository: &Repository, progress: &dyn Progress) -> Rendering<(Packs, Problems)> {
    let (wanted, offered) = wanted(repository);
    let renderer = Renderer::new(repository)?;
    progress.begin("rendering", wanted.len());
    let results: Vec<(PackName, Rendering<Rendered>)> = wanted
        .into_par_iter()
        .map(|(name, profile)| {
            let organisation = name.1.as_ref().and_then(|id| repository.organisation(id));
            let rendered = renderer.render(profile, organisation);
            progress.step();
            (name, rendered)
        })
        .collect();
    let mut problems = Problems::new();
    for definition in repository.installers.values().filter(|definition| !definition.is_built_in()) {
        problems.append(unused_variables(definition));
        problems.append(idle_files(definition));
    }
    let mut rendered = BTreeMap::new();
    for (name, result) in results {
        match result {
            Ok(mut done) => {
                problems.append(std::mem::take(&mut done.warnings));
                rendered.insert(name, done);
            }
            Err(found) => problems.append(found),
        }
    }
    // What could not be rendered may have used it.
    if !problems.has_errors() {
        problems.append(renderer.unused());
    }
    problems.unless_errors(Packs { rendered, offered })
}

/// The name of the probe's profile and organisation.
pub(super) fn probe_name() -> Result<Id> {
    Id::new("probe").map_err(|bad| anyhow!(bad))
}

/// Seals the packs that somebody is offered, and the probe's.
pub(super) fn seal(
    ingredients: &Ingredients<'_>,
    packs: &Packs,
    objects: &mut BTreeMap<Sha256, Object>,
) -> Result<Vec<Entry>> {
    let probe = probe_name()?;
    let probe_contents = probe_contents(ingredients.repository)?;
    let offered: BTreeSet<&PackName> = packs.offered.values().collect();
    let probe_pack = (probe.clone(), Some(probe));
    let mut wanted: Vec<(&PackName, &Contents)> = offered
        .into_iter()
        .filter_map(|name| packs.rendered.get(name).map(|rendered| (name, &rendered.contents)))
        .collect();
    wanted.push((&probe_pack, &probe_contents));
    ingredients.progress.begin("sealing packs", wanted.len());
    let sealed: Vec<_> = wanted
        .into_par_iter()
        .map(|(name, contents)| {
            let result =
                seal_one(ingredients, name, contents).with_context(|| format!("sealing the pack of `{}`", name.0));
            ingredients.progress.step();
            result
        })
        .collect::<Result<_>>()?;
    Ok(add_objects(sealed, objects))
}

fn seal_one(ingredients: &Ingredients<'_>, name: &PackName, contents: &Contents) -> Result<(Entry, Option<Vec<u8>>)> {
    let (profile, organisation) = (&name.0, name.1.as_ref());
    let site = &ingredients.repository.site.id;
    let generation = ingredients.repository.generations.of(profile, organisation);
    let plain: Zeroizing<Vec<u8>> = contents.encode()?;
    let pack_id = ingredients.seal.pack_id(profile, organisation);
    let inputs: [&[u8]; 5] = [b"pack", site.as_str().as_bytes(), pack_id.as_bytes(), &generation.to_be_bytes(), &plain];
    let (sealed, object) = ingredients
        .memo
        .sealed(&inputs, || Ok(ingredients.seal.seal_pack(site, profile, organisation, generation, &plain)?))?;
    Ok((Entry { key: pack_id.0, sha256: sealed.0, length: sealed.1 }, object))
}

/// A pack that holds no secret and depends on no profile.
fn probe_contents(repository: &Repository) -> Result<Contents> {
    let text = b"This pack shows that a published tree can be activated.\n".to_vec();
    let manifest = Manifest {
        format: 1,
        site: repository.site.id.clone(),
        profile: probe_name()?,
        organisation: Some(probe_name()?),
        title: "Probe".to_owned(),
        description: String::new(),
        installer: Installer {
            id: probe_name()?,
            title: "none".to_owned(),
            version: "1".to_owned(),
            architecture: "none".to_owned(),
        },
        hand_over: HandOver::Files,
        unattended: true,
        second_stage: SecondStage { pinned: true, how: "there is none".to_owned() },
        boot: None,
        files: vec![File {
            path: SafePath::new("probe.txt")?,
            mode: 0o644,
            length: text.len() as u64,
            inserts: Vec::new(),
        }],
        prompts: Vec::new(),
        ansible: None,
        critical: Vec::new(),
    };
    Ok(Contents::new(manifest, vec![text])?)
}
