//! Where a proposal differs from the rebuild, and what a release changes against the published one; both in words for the person who signs.

use std::collections::BTreeMap;

use anode_bundle::Moment;
use anode_bundle::client::{Request, Transport};
use anode_bundle::document::{Document as _, MapRoot, MapStart, Release};
use anode_bundle::index::{self, Entry, Node};
use anode_bundle::name::{Id, Sha256, tree};
use anode_bundle::seal::{PACK_LIMIT, SealRoot};
use anyhow::{Result, anyhow, ensure};

use crate::build::Draft;
use crate::plan::Object;
use crate::repository::{CodeTerms, Repository};

/// More names than this are counted.
const NAMED: usize = 8;

type Key = [u8; 32];
type Entries = BTreeMap<Key, Entry>;

/// What the pseudonyms in an index mean, for somebody who has repository and seal keys.
pub struct Names {
    activations: BTreeMap<Key, String>,
    packs: BTreeMap<Key, String>,
}

impl Names {
    /// The names of everything that this repository can make.
    #[must_use]
    pub fn of(repository: &Repository, seal: &SealRoot, probe: &CodeTerms) -> Names {
        let mut names = Names { activations: BTreeMap::new(), packs: BTreeMap::new() };
        for terms in repository.codes.iter().chain([probe]) {
            names.activations.insert(terms.locator.0, format!("{}/{}", terms.organisation, terms.label));
            for profile in &terms.profiles {
                for organisation in [None, Some(&terms.organisation)] {
                    names.add_pack(seal, profile, organisation);
                }
            }
        }
        names
    }

    fn add_pack(&mut self, seal: &SealRoot, profile: &Id, organisation: Option<&Id>) {
        let name = organisation.map_or_else(|| profile.to_string(), |owner| format!("{owner}/{profile}"));
        self.packs.insert(seal.pack_id(profile, organisation).0, name);
    }
}

/// A tree or proposal that is compared, wherever it lies.
pub struct Side<'a> {
    /// How to reach it.
    pub transport: &'a mut dyn Transport,
    /// Its folder or address.
    pub base: &'a str,
    /// For certificates.
    pub now: Moment,
}

impl Side<'_> {
    fn get(&mut self, path: &str, limit: u64) -> Result<Vec<u8>> {
        let request = Request { base: self.base, path, limit, now: self.now };
        self.transport.get(&request).map_err(|error| anyhow!(error.refusal()))
    }

    fn object(&mut self, hash: &Sha256, limit: u64) -> Result<Vec<u8>> {
        let bytes = self.get(&tree::object(hash), limit)?;
        ensure!(Sha256::of(&bytes) == *hash, "`{}` has other bytes than its name says", tree::object(hash));
        Ok(bytes)
    }

    fn entries(&mut self, map: &MapRoot) -> Result<Entries> {
        entries(map, &mut |hash| self.object(hash, index::NODE_LIMIT))
    }
}

/// Everything in which a proposal is not what the rebuild gives; empty: every byte is equal.
///
/// # Errors
/// If the rebuild itself can not be walked, which would be a bug.
pub fn differences(ours: &Draft, their_body: &[u8], theirs: &mut Side<'_>, names: &Names) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let maps = [
        ("the pack of", &names.packs, &ours.release.index.packs),
        ("the activation of", &names.activations, &ours.release.index.activations),
    ];
    let mut meanings = BTreeMap::new();
    for (what, known, map) in &maps {
        for (key, entry) in own_entries(ours, map)? {
            meanings.insert(entry.sha256, format!("{what} {}", name_of(known, &key)));
        }
    }
    if their_body != ours.body {
        match Release::parse(their_body) {
            Err(refusal) => found.push(format!("its release is none: {refusal}")),
            Ok(release) => {
                found.extend(members(&ours.release, &release));
                let their_maps = [&release.index.packs, &release.index.activations];
                for ((what, known, map), their_map) in maps.iter().zip(their_maps) {
                    match theirs.entries(their_map) {
                        Ok(entries) => found.extend(compare(what, known, &own_entries(ours, map)?, &entries)),
                        Err(error) => found.push(format!("the index with {what} …: {error:#}")),
                    }
                }
            }
        }
        if found.is_empty() {
            found.push("its release says the same in other bytes, or has members that nobody here knows".to_owned());
        }
        return Ok(found);
    }
    for (hash, object) in &ours.plan.objects {
        let Object::New(bytes) = object else { continue };
        let path = tree::object(hash);
        let meaning = meanings.get(hash).map_or("a node of the index, or the list of public profiles", String::as_str);
        match theirs.get(&path, PACK_LIMIT) {
            Ok(there) if there == *bytes => {}
            Ok(_) => found.push(format!("`{path}`, {meaning}, has other bytes")),
            Err(error) => found.push(format!("`{path}`, {meaning}: {error:#}")),
        }
    }
    for (path, bytes) in &ours.plan.public_files {
        match theirs.get(path, PACK_LIMIT) {
            Ok(there) if there == *bytes => {}
            Ok(_) => found.push(format!("`{path}` has other bytes")),
            Err(error) => found.push(format!("`{path}`: {error:#}")),
        }
    }
    Ok(found)
}

fn members(ours: &Release, theirs: &Release) -> Vec<String> {
    let rows = [
        ("version", ours.version.to_string(), theirs.version.to_string()),
        ("root", ours.root.to_string(), theirs.root.to_string()),
        ("issued", ours.issued.to_string(), theirs.issued.to_string()),
        ("expires", ours.expires.to_string(), theirs.expires.to_string()),
        ("offline_until", ours.offline_until.to_string(), theirs.offline_until.to_string()),
        ("inbox_url", format!("{:?}", ours.inbox_url), format!("{:?}", theirs.inbox_url)),
        ("the list of public profiles", ours.public.sha256.to_string(), theirs.public.sha256.to_string()),
    ];
    let differing = rows.into_iter().filter(|(_, ours, theirs)| ours != theirs);
    differing.map(|(name, ours, theirs)| format!("{name} is {theirs} and should be {ours}")).collect()
}

fn compare(what: &str, known: &BTreeMap<Key, String>, ours: &Entries, theirs: &Entries) -> Vec<String> {
    let mut found = Vec::new();
    for (key, entry) in ours {
        match theirs.get(key) {
            None => found.push(format!("{what} {} is missing", name_of(known, key))),
            Some(there) if there.sha256 != entry.sha256 || there.length != entry.length => {
                found.push(format!("{what} {} has other contents", name_of(known, key)));
            }
            Some(_) => {}
        }
    }
    let extra = theirs.keys().filter(|key| !ours.contains_key(*key)).count();
    if extra > 0 {
        found.push(format!("{what} something that the commit does not make: {extra}"));
    }
    found
}

/// What a release changes in one of the two maps.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Names of what is new.
    pub new: Vec<String>,
    /// Names of what has other contents.
    pub changed: Vec<String>,
    /// How many are gone; their names went with them.
    pub gone: usize,
}

impl std::fmt::Display for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |names: &[String]| {
            let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
            if names.len() > NAMED { format!("{shown} and {} more", names.len() - NAMED) } else { shown }
        };
        let mut parts = Vec::new();
        for (word, names) in [("new", &self.new), ("changed", &self.changed)] {
            if !names.is_empty() {
                parts.push(format!("{} {word}: {}", names.len(), list(names)));
            }
        }
        if self.gone > 0 {
            parts.push(format!("{} gone", self.gone));
        }
        f.write_str(&if parts.is_empty() { "as they are".to_owned() } else { parts.join("; ") })
    }
}

/// What the rebuild changes against the published release: in packs, and in activations.
///
/// # Errors
/// If the published index can not be walked.
pub fn changes(ours: &Draft, published: Option<(&Release, Side<'_>)>, names: &Names) -> Result<[Changes; 2]> {
    let (mut packs, mut activations) = (Entries::new(), Entries::new());
    if let Some((release, mut side)) = published {
        packs = side.entries(&release.index.packs)?;
        activations = side.entries(&release.index.activations)?;
    }
    let index = &ours.release.index;
    Ok([
        change(&names.packs, &packs, &own_entries(ours, &index.packs)?),
        change(&names.activations, &activations, &own_entries(ours, &index.activations)?),
    ])
}

fn change(known: &BTreeMap<Key, String>, old: &Entries, new: &Entries) -> Changes {
    let mut changes = Changes::default();
    for (key, entry) in new {
        match old.get(key) {
            None => changes.new.push(name_of(known, key)),
            Some(before) if before.sha256 != entry.sha256 => changes.changed.push(name_of(known, key)),
            Some(_) => {}
        }
    }
    changes.new.sort();
    changes.changed.sort();
    changes.gone = old.keys().filter(|key| !new.contains_key(*key)).count();
    changes
}

fn name_of(known: &BTreeMap<Key, String>, key: &Key) -> String {
    known.get(key).map_or_else(|| "an unknown name".to_owned(), |name| format!("`{name}`"))
}

fn own_entries(draft: &Draft, map: &MapRoot) -> Result<Entries> {
    entries(map, &mut |hash| match draft.plan.objects.get(hash) {
        Some(Object::New(bytes)) => Ok(bytes.clone()),
        _ => Err(anyhow!("the rebuild has no node {hash}")),
    })
}

fn entries(map: &MapRoot, get: &mut dyn FnMut(&Sha256) -> Result<Vec<u8>>) -> Result<Entries> {
    let root = match map.start()? {
        MapStart::Inline(node) => node,
        MapStart::Object(hash) => get(&hash)?,
    };
    index::check_root(&root, map.count)?;
    let mut found = Entries::new();
    walk(&root, 0, &[0; 32], get, &mut found)?;
    Ok(found)
}

fn walk(
    node: &[u8],
    depth: u8,
    on_path: &Key,
    get: &mut dyn FnMut(&Sha256) -> Result<Vec<u8>>,
    found: &mut Entries,
) -> Result<()> {
    match index::read(node, depth, on_path)? {
        Node::Leaf(entries) => found.extend(entries.into_iter().map(|entry| (entry.key, entry))),
        Node::Inner(children) => {
            for (child, hash) in children {
                walk(&get(&hash)?, depth + 1, &index::descend(on_path, depth, child), get, found)?;
            }
        }
    }
    Ok(())
}
