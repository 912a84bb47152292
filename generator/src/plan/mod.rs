//! What a build will contain: a pure function of the repository, the seal keys and a moment. Nothing is written and nothing is signed here;
//! `check`, `build` and the demonstration are consumers of one plan.

mod activations;
mod memo;
mod packs;
mod public;

use std::collections::BTreeMap;

use anode_bundle::Moment;
use anode_bundle::document::{Index, MapRoot, ObjectRef};
use anode_bundle::index::{self, Entry};
use anode_bundle::name::Sha256;
use anode_bundle::seal::SealRoot;
use anyhow::Result;

use crate::diagnose::Problems;
use crate::documents::ReleaseContent;
use crate::repository::Repository;

pub use memo::Memo;
pub use packs::{PackName, Packs, needed_secrets, pack_name, render_packs, wanted_packs};
pub use public::{PublicFile, PublicProfile};

/// An object of the new tree.
pub enum Object {
    /// Its bytes.
    New(Vec<u8>),
    /// The previous tree has it.
    Known,
}

/// Everything that a release refers to.
pub struct Plan {
    /// The objects by name.
    pub objects: BTreeMap<Sha256, Object>,
    /// What the release says.
    pub content: ReleaseContent,
    /// Files of public profiles, by path in the tree.
    pub public_files: BTreeMap<String, Vec<u8>>,
    /// What the web pages list.
    pub public_profiles: Vec<PublicProfile>,
    /// Activations in the tree.
    pub activations: usize,
    /// Packs in the tree.
    pub packs: usize,
}

/// Progress of a plan, for the person who waits.
pub trait Progress: Sync {
    /// A stage begins, with this many things to do.
    fn begin(&self, stage: &'static str, count: usize);
    /// One of them is done.
    fn step(&self);
}

/// What a plan is made from.
pub struct Ingredients<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The seal keys.
    pub seal: &'a SealRoot,
    /// What earlier builds sealed.
    pub memo: &'a Memo,
    /// When.
    pub at: Moment,
    /// Terms of the probe code.
    pub probe: &'a crate::repository::CodeTerms,
    /// Who is told.
    pub progress: &'a dyn Progress,
}

/// Seals rendered packs and the activations, and builds the two maps.
///
/// # Errors
/// If something can not be sealed: too large, or a public key that is none.
pub fn plan(ingredients: &Ingredients<'_>, packs: &Packs) -> Result<Plan> {
    let mut objects = BTreeMap::new();
    let pack_entries = packs::seal(ingredients, packs, &mut objects)?;
    let activation_entries = activations::seal(ingredients, packs, &mut objects)?;
    let (activations, packs_count) = (activation_entries.len(), pack_entries.len());
    let index =
        Index { activations: add_map(activation_entries, &mut objects), packs: add_map(pack_entries, &mut objects) };
    let public = public::collect(packs)?;
    let list = public.list(&ingredients.repository.site.id)?;
    let public_list = ObjectRef { sha256: Sha256::of(&list), length: list.len() as u64 };
    objects.insert(public_list.sha256, Object::New(list));
    let inbox_url = ingredients.repository.site.inbox.clone();
    Ok(Plan {
        objects,
        content: ReleaseContent { index, public: public_list, inbox_url },
        public_files: public.files,
        public_profiles: public.profiles,
        activations,
        packs: packs_count,
    })
}

/// Sealed objects join the others; what the index says of them comes back.
fn add_objects(sealed: Vec<(Entry, Option<Vec<u8>>)>, objects: &mut BTreeMap<Sha256, Object>) -> Vec<Entry> {
    let add = |(entry, bytes): (Entry, Option<Vec<u8>>)| {
        objects.insert(entry.sha256, bytes.map_or(Object::Known, Object::New));
        entry
    };
    sealed.into_iter().map(add).collect()
}

fn add_map(entries: Vec<Entry>, objects: &mut BTreeMap<Sha256, Object>) -> MapRoot {
    let count = entries.len() as u64;
    let map = index::build(entries);
    let root = MapRoot::new(count, &map.root);
    if let Some(hash) = root.sha256 {
        objects.insert(hash, Object::New(map.root));
    }
    objects.extend(map.nodes.into_iter().map(|(hash, node)| (hash, Object::New(node))));
    root
}

/// Problems of a rendering, or what it gave.
pub type Rendering<T> = Result<T, Problems>;
