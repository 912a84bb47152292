//! `boot/` of a tree: the medium and its netboot files, published beside the site for people. No machine reads them from there to believe them; who downloads
//! one checks it with stock tools, by [`SUMS`] and its signature, which is the release key's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anode_bundle::Moment;
use anode_bundle::client::{FetchError, Request, Transport};
use anode_bundle::name::{SafePath, Sha256, SiteId};
use anode_bundle::signature::{self, ListedKey, SignatureFile};
use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use walkdir::WalkDir;

use super::{Finding, Staging, hash_file};
use crate::keys::Signer;

/// Where they lie.
pub const FOLDER: &str = "boot";
const SUMS: &str = "SHA256SUMS";
const SIGNATURE: &str = "SHA256SUMS.minisig";
/// More is no list of files.
const SUMS_LIMIT: u64 = 1 << 20;
/// More is no medium.
const FILE_LIMIT: u64 = 2 << 30;

/// The files.
#[derive(Debug, Default)]
pub struct BootFiles {
    files: BTreeMap<String, PathBuf>,
    /// As the web page shows them.
    pub listed: Vec<BootFile>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub struct BootFile {
    /// Its path below `boot/`.
    pub path: String,
    /// Its hash.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub length: u64,
}

impl BootFiles {
    /// Everything in a folder, but for a list of hashes at its top: the one that is published is made anew.
    ///
    /// # Errors
    /// If it can not be read, or holds something that a tree can not.
    pub fn read(folder: &Path) -> Result<BootFiles> {
        let mut found = BootFiles::default();
        for entry in WalkDir::new(folder).min_depth(1).sort_by_file_name() {
            let entry = entry.with_context(|| format!("reading `{}`", folder.display()))?;
            let path = entry.path();
            let reading = || format!("reading `{}`", path.display());
            ensure!(
                entry.file_type().is_dir() || entry.file_type().is_file(),
                "`{}` is neither a file nor a folder; a tree has no other",
                path.display()
            );
            let name =
                path.strip_prefix(folder)?.to_str().with_context(|| format!("`{}` is not text", path.display()))?;
            if entry.file_type().is_dir() || [SUMS, SIGNATURE].contains(&name) {
                continue;
            }
            let name = SafePath::new(name).with_context(|| format!("`{}` can not lie in a tree", path.display()))?;
            let length = entry.metadata().with_context(reading)?.len();
            ensure!(length <= FILE_LIMIT, "`{}` is larger than {FILE_LIMIT} bytes", path.display());
            let sha256 = hash_file(path).with_context(reading)?;
            found.listed.push(BootFile { path: name.as_str().to_owned(), sha256, length });
            found.files.insert(name.as_str().to_owned(), path.to_owned());
        }
        Ok(found)
    }

    /// Those of an earlier tree; none, if it has none.
    ///
    /// # Errors
    /// As [`BootFiles::read`].
    pub fn of_tree(tree: &Path) -> Result<BootFiles> {
        let folder = tree.join(FOLDER);
        if folder.is_dir() { BootFiles::read(&folder) } else { Ok(BootFiles::default()) }
    }

    /// Writes them into a new tree, with the list and its signature.
    ///
    /// # Errors
    /// If the disk is full, or a file changed since it was read.
    pub fn write(&self, staging: &Staging, signer: &Signer, site: &SiteId, release: u64) -> Result<()> {
        if self.listed.is_empty() {
            return Ok(());
        }
        for file in &self.listed {
            let from = self.files.get(&file.path).with_context(|| format!("`{}` was not read", file.path))?;
            let bytes = fs::read(from).with_context(|| format!("reading `{}`", from.display()))?;
            let changed = || format!("`{}` has other bytes than it had: run the command again", from.display());
            ensure!(Sha256::of(&bytes) == file.sha256, "{}", changed());
            staging.write(&format!("{FOLDER}/{}", file.path), &bytes)?;
        }
        let sums: String = self.listed.iter().map(|file| format!("{}  {}\n", file.sha256, file.path)).collect();
        let signature = signer.sign("boot", release, site, sums.as_bytes()).context("signing the boot files")?;
        staging.write(&format!("{FOLDER}/{SUMS}"), sums.as_bytes())?;
        staging.write(&format!("{FOLDER}/{SIGNATURE}"), &signature)
    }
}

/// Are the boot files of a tree what a key of its release signed? A tree without any is in order.
#[must_use]
pub fn audit_boot_files(transport: &mut dyn Transport, base: &str, keys: &[ListedKey], now: Moment) -> Vec<Finding> {
    let mut get = |name: &str, limit| {
        let path = format!("{FOLDER}/{name}");
        transport.get(&Request { base, path: &path, limit, now })
    };
    let mut findings = Vec::new();
    let mut fatal = |name: &str, problem: String| {
        findings.push(Finding { fatal: true, what: format!("{FOLDER}/{name}"), problem });
    };
    let sums = match get(SUMS, SUMS_LIMIT) {
        Ok(sums) => sums,
        Err(FetchError::Absent(_)) => return findings,
        Err(error) => {
            fatal(SUMS, format!("{error}; publish again"));
            return findings;
        }
    };
    let signature = get(SIGNATURE, signature::LIMIT).ok();
    let signed = signature.and_then(|file| SignatureFile::parse(&file).ok());
    if !signed.is_some_and(|signed| keys.iter().any(|key| signed.verifies(key, &sums))) {
        fatal(SIGNATURE, "is no signature of a release key; publish again".to_owned());
        return findings;
    }
    for line in String::from_utf8_lossy(&sums).lines() {
        let parts =
            line.split_once("  ").and_then(|(sum, name)| Some((Sha256::parse(sum).ok()?, SafePath::new(name).ok()?)));
        let Some((sum, name)) = parts else {
            fatal(SUMS, "has a line that is no hash and no path; publish again".to_owned());
            continue;
        };
        match get(name.as_str(), FILE_LIMIT) {
            Ok(bytes) if Sha256::of(&bytes) == sum => {}
            Ok(_) => fatal(name.as_str(), "has other bytes than its signed hash says; publish again".to_owned()),
            Err(error) => fatal(name.as_str(), format!("{error}; publish again")),
        }
    }
    findings
}
