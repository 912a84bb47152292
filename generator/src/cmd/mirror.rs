//! `anode build --mirror`: the files that packs name, brought together for the tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anode_bundle::name::{Sha256, tree};
use anyhow::Result;

use super::lock::{Files, Transfer};
use crate::diagnose::{Faulty, Problems};
use crate::lock::{Desk, pinned_file, wishes};
use crate::repository::{Pinned, Repository};

/// Whether the tree holds what is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mirroring {
    /// If `anode.toml` says so.
    AsTheSiteSays,
    /// In any case.
    Always,
}

/// The files that the tree at `out` does not have yet, by their hashes: from the cache, else from where they were pinned.
pub(super) fn gather(repository: &Repository, out: &Path, files: &Files) -> Result<BTreeMap<Sha256, PathBuf>> {
    if !repository.lock.is_mirrored() {
        return Ok(BTreeMap::new());
    }
    // The next build keeps it, and `anode publish` hashes every object.
    let is_kept = |pinned: &Pinned| {
        fs::metadata(out.join(tree::object(&pinned.sha256))).is_ok_and(|kept| kept.len() == pinned.length)
    };
    pinned_files(repository, files, is_kept)
}

/// Everything that profiles boot and that is pinned, by hash, but for what `is_there` already.
pub(super) fn pinned_files(
    repository: &Repository,
    files: &Files,
    is_there: impl Fn(&Pinned) -> bool,
) -> Result<BTreeMap<Sha256, PathBuf>> {
    let mut gathered = BTreeMap::new();
    let (client, cache, progress) = (files.client()?, files.cache()?, Transfer::new());
    let desk = Desk { repository, client: &client, cache: &cache, progress: &progress };
    let wishes = wishes(repository).map_err(Faulty)?;
    let mut problems = Problems::new();
    for (url, wanted) in &wishes.files {
        let Some(pinned) = repository.lock.pinned(url) else { continue };
        if is_there(pinned) || gathered.contains_key(&pinned.sha256) {
            continue;
        }
        match pinned_file(&desk, url, wanted, pinned) {
            Ok(path) => {
                gathered.insert(pinned.sha256, path);
            }
            Err(problem) => problems.push(*problem),
        }
    }
    if problems.has_errors() { Err(Faulty(problems).into()) } else { Ok(gathered) }
}
