//! What the profiles of a repository boot: every address once, with the profiles that use it and those who can vouch for it.

use std::collections::{BTreeMap, BTreeSet};

use anode_bundle::name::Id;

use crate::diagnose::{Origin, Problem, Problems};
use crate::plan::wanted_packs;
use crate::render::{Addresses, Renderer, Vouching};
use crate::repository::{FileTemplate, HookPoint, InstallerDefinition, Located, Repository, is_address};

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A kernel.
    Kernel,
    /// A kernel whose definition names boot loaders for it.
    KernelBehindLoaders,
    /// An initrd or a second stage.
    Payload,
    /// shim.
    Shim,
    /// The GRUB that shim starts.
    Grub,
}

/// A file that some profile boots.
pub struct Wanted<'r> {
    /// Who uses it.
    pub profiles: BTreeSet<&'r Id>,
    /// What for.
    pub parts: BTreeSet<Part>,
    /// Who can say what it hashes to, the best first.
    pub checksums: Vec<Vouching>,
    /// Where its address stands.
    pub origin: Origin,
}

impl Wanted<'_> {
    /// Is it a boot loader and nothing else? Without one, a profile installs wherever the medium trusts the kernel.
    #[must_use]
    pub fn can_be_missed(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Shim | Part::Grub))
    }

    /// Is it a kernel?
    #[must_use]
    pub fn is_kernel(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Kernel | Part::KernelBehindLoaders))
    }
}

/// The initrds that are unpacked one behind the other, and what a definition relies on in them.
pub struct Chain<'r> {
    /// Their addresses.
    pub initrd: Vec<String>,
    /// The definition.
    pub definition: &'r InstallerDefinition,
    /// What has to be in them.
    pub hooks: Vec<&'r HookPoint>,
    /// What the medium adds to them.
    pub files: Vec<&'r FileTemplate>,
}

/// Everything that is to be pinned.
#[derive(Default)]
pub struct Wishes<'r> {
    /// By address.
    pub files: BTreeMap<String, Wanted<'r>>,
    /// Each once.
    pub chains: Vec<Chain<'r>>,
}

/// Asks every profile, as every organisation that uses it sees it.
///
/// # Errors
/// All problems of all profiles.
pub fn wishes(repository: &Repository) -> Result<Wishes<'_>, Problems> {
    let renderer = Renderer::new(repository)?;
    let mut wishes = Wishes::default();
    let mut problems = Problems::new();
    for (name, profile) in wanted_packs(repository) {
        let organisation = name.1.as_ref().and_then(|id| repository.organisation(id));
        let addresses = match renderer.addresses(profile, organisation) {
            Ok(Some(addresses)) => addresses,
            Ok(None) => continue,
            Err(found) => {
                problems.append(found);
                continue;
            }
        };
        for (file, part) in parts(&addresses) {
            if let Some(problem) = unfit(file) {
                problems.push(problem);
                continue;
            }
            let wanted = wishes.files.entry(file.value.clone()).or_insert_with(|| Wanted {
                profiles: BTreeSet::new(),
                parts: BTreeSet::new(),
                checksums: Vec::new(),
                origin: file.origin.clone(),
            });
            wanted.profiles.insert(&profile.id);
            wanted.parts.insert(part);
            for vouching in &addresses.checksums {
                if !wanted.checksums.iter().any(|known| known.says_the_same(vouching)) {
                    wanted.checksums.push(vouching.clone());
                }
            }
        }
        let Some(definition) = repository.definition(profile) else { continue };
        let initrd: Vec<_> = addresses.initrd.into_iter().map(|initrd| initrd.value).collect();
        let version = &profile.version.value;
        let hooks: Vec<_> = definition.hook_points.iter().filter(|hook| hook.versions.cover(version)).collect();
        let files = definition.files.iter().filter(|file| file.versions.cover(version)).collect();
        let known =
            |chain: &Chain<'_>| chain.definition.id == definition.id && chain.initrd == initrd && chain.hooks == hooks;
        if !hooks.is_empty() && !wishes.chains.iter().any(known) {
            wishes.chains.push(Chain { initrd, definition, hooks, files });
        }
    }
    if problems.has_errors() { Err(problems) } else { Ok(wishes) }
}

/// Every file of a profile, and what it is for.
fn parts(addresses: &Addresses) -> Vec<(&Located<String>, Part)> {
    let kernel = if addresses.loaders.is_some() { Part::KernelBehindLoaders } else { Part::Kernel };
    let mut parts = vec![(&addresses.kernel, kernel)];
    parts.extend(addresses.initrd.iter().chain(&addresses.images).map(|file| (file, Part::Payload)));
    if let Some([shim, grub]) = &addresses.loaders {
        parts.extend([(shim, Part::Shim), (grub, Part::Grub)]);
    }
    parts
}

/// Why an address can not be asked.
fn unfit(file: &Located<String>) -> Option<Problem> {
    let http = ["https://", "http://"].iter().any(|scheme| file.value.starts_with(scheme));
    (!http || !is_address(&file.value)).then(|| {
        let problem = Problem::at(&file.origin, format!("`{}` is not an address of the web", file.value));
        problem
            .help("kernels, initrds, images and boot loaders come by https or http: set the mirror to such an address")
    })
}
