//! The files of `root/`: bodies `<N>.json`, and beside each any number of signatures `<N>.json.<keyid>.minisig`. Read once, before anything is judged.
//!
//! A signature file with another name would be overlooked in silence, so it is refused, with the name that it must have.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anode_bundle::document::ROOT_LIMIT;
use anode_bundle::name::{KeyId, tree};
use anode_bundle::signature::{self, SignatureFile};
use anyhow::{Context as _, Result, bail, ensure};

/// One version.
#[derive(Debug, Default)]
pub struct Version {
    /// The document.
    pub body: Option<Vec<u8>>,
    /// The signature files by the key in their name.
    pub signatures: BTreeMap<KeyId, Vec<u8>>,
}

/// Every version that lies in a folder.
#[derive(Debug)]
pub struct RootFiles {
    folder: PathBuf,
    versions: BTreeMap<u64, Version>,
}

impl RootFiles {
    /// Reads `<folder>/root/`.
    ///
    /// # Errors
    /// If it can not be read, a file is larger than a medium reads, or a signature file has a name that nobody would look for.
    pub fn read(folder: &Path) -> Result<RootFiles> {
        let mut files = RootFiles { folder: folder.to_owned(), versions: BTreeMap::new() };
        let root = folder.join("root");
        for entry in fs::read_dir(&root).with_context(|| format!("reading the root chain `{}`", root.display()))? {
            let path = entry.with_context(|| format!("reading the root chain `{}`", root.display()))?.path();
            let Some((version, rest)) = path.file_name().and_then(|name| name.to_str()).and_then(split) else {
                continue;
            };
            let entry = files.versions.entry(version).or_default();
            if rest.is_empty() {
                entry.body = Some(read(&path, ROOT_LIMIT)?);
            } else if rest.ends_with(".minisig") {
                let bytes = read(&path, signature::LIMIT)?;
                let key = rest.strip_prefix('.').and_then(|rest| KeyId::parse(rest.strip_suffix(".minisig")?).ok());
                let Some(key) = key else { bail!("{}", misnamed(&path, version, &bytes)) };
                entry.signatures.insert(key, bytes);
            }
        }
        Ok(files)
    }

    /// One version, if anything of it is there.
    #[must_use]
    pub fn version(&self, version: u64) -> Option<&Version> {
        self.versions.get(&version)
    }

    /// Where a version's body lies.
    #[must_use]
    pub fn body_path(&self, version: u64) -> PathBuf {
        self.folder.join(tree::root(version))
    }

    /// Where a key's signature of a version lies.
    #[must_use]
    pub fn signature_path(&self, version: u64, key: KeyId) -> PathBuf {
        self.folder.join(tree::root_signature(version, key))
    }

    /// Refuses bodies after `last`: they can not join a chain that has a gap.
    ///
    /// # Errors
    /// Naming the first of them.
    pub fn end_at(&self, last: u64) -> Result<()> {
        let beyond = self.versions.iter().find(|(version, files)| **version > last && files.body.is_some());
        if let Some((version, _)) = beyond {
            bail!(
                "`{}` is there, and the chain ends with root {last}: roots follow one another without a gap, and a \
                 proposal is the last; remove it, or bring the root that is missing",
                self.body_path(*version).display()
            );
        }
        Ok(())
    }
}

/// `12.json.rest` to 12 and `.rest`.
fn split(name: &str) -> Option<(u64, &str)> {
    let (number, rest) = name.split_once(".json")?;
    let version: u64 = number.parse().ok()?;
    (version.to_string() == number).then_some((version, rest))
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let length = fs::metadata(path).with_context(|| format!("reading `{}`", path.display()))?.len();
    ensure!(length <= limit, "`{}` has {length} bytes, and a medium reads at most {limit}", path.display());
    fs::read(path).with_context(|| format!("reading `{}`", path.display()))
}

fn misnamed(path: &Path, version: u64, bytes: &[u8]) -> String {
    let wanted = match SignatureFile::parse(bytes) {
        Ok(file) => tree::root_signature(version, file.key),
        Err(_) => format!("{}.<key id in 16 upper-case hex digits>.minisig", tree::root(version)),
    };
    format!("`{}` has a name that no medium asks for; it must be `{wanted}`", path.display())
}
