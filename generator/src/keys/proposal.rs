//! A root that is complete, or waits for signatures: the next version lies beside the chain, and counts from the moment on when enough
//! signatures lie beside it. There is no step in between that somebody could forget or that somebody else could take.
//!
//! Every signature that is there has to be right, also those beyond the threshold: a wrong one is a mistake or an attack, never nothing.

use std::collections::BTreeSet;

use anode_bundle::document::{Document as _, Role, Root};
use anode_bundle::name::{KeyId, tree};
use anode_bundle::signature::{ListedKey, SignatureFile, comment};
use anyhow::{Context as _, Result, bail, ensure};

use super::public::PublicKeys;
use super::root_files::{RootFiles, Version};

/// The next root, as far as it is signed.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// What it says.
    pub root: Root,
    /// Its bytes: what is signed.
    pub body: Vec<u8>,
    /// The root before it.
    pub before: Root,
    /// The keys whose signature lies beside it and is right.
    pub signed: BTreeSet<KeyId>,
}

/// What one of the two thresholds still wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The root whose threshold it is.
    pub root: u64,
    /// How many signatures.
    pub count: u64,
    /// The keys that have not signed yet.
    pub of: Vec<ListedKey>,
}

impl Proposal {
    /// Reads the successor of `before` and every signature beside it.
    ///
    /// # Errors
    /// If it is no root of that site and version, or a signature is not right; naming the file.
    pub(super) fn read(before: &Root, files: &RootFiles, version: &Version) -> Result<Option<Proposal>> {
        let number = before.version + 1;
        let Some(body) = &version.body else { return Ok(None) };
        let path = files.body_path(number);
        let root = Root::parse(body).with_context(|| format!("reading the root `{}`", path.display()))?;
        ensure!(
            root.site == before.site && root.version == number,
            "`{}` is root {} of the site {}, and root {number} of {} was expected",
            path.display(),
            root.version,
            root.site,
            before.site
        );
        for key in version.signatures.keys() {
            let file = files.signature_path(number, *key);
            check_signature(&[&before.roles.root, &root.roles.root], &root, body, version, *key)
                .with_context(|| format!("checking the signature `{}`", file.display()))?;
        }
        let signed = version.signatures.keys().copied().collect();
        Ok(Some(Proposal { root, body: body.clone(), before: before.clone(), signed }))
    }

    /// What is missing: of the old root's threshold, then of its own.
    #[must_use]
    pub fn missing(&self) -> Vec<Missing> {
        let side = |root: &Root| {
            let Role { threshold, keys } = &root.roles.root;
            let of: Vec<ListedKey> = keys.iter().filter(|key| !self.signed.contains(&key.id)).cloned().collect();
            let count = threshold.saturating_sub((keys.len() - of.len()) as u64);
            Missing { root: root.version, count, of }
        };
        [side(&self.before), side(&self.root)].into_iter().filter(|side| side.count > 0).collect()
    }

    /// The fewest signatures that can complete it: a key of both roots counts for both.
    #[must_use]
    pub fn fewest(&self) -> u64 {
        match self.missing().as_slice() {
            [] => 0,
            [one] => one.count,
            [old, own, ..] => {
                let shared = old.of.iter().filter(|key| own.of.contains(key)).count() as u64;
                old.count + own.count - shared.min(old.count).min(own.count)
            }
        }
    }

    /// The keys that can still sign it: the old root's, then new ones.
    #[must_use]
    pub fn signers(&self) -> Vec<ListedKey> {
        let mut keys = self.before.roles.root.keys.clone();
        keys.extend(self.root.roles.root.keys.iter().filter(|key| !self.before.roles.root.keys.contains(key)).cloned());
        keys
    }

    /// Whom it waits for, in one line: `root 3 waits for 1 more signature of: …`.
    #[must_use]
    pub fn waits_for(&self, names: &PublicKeys) -> String {
        let keys = |of: &[ListedKey]| of.iter().map(|key| names.describe(key)).collect::<Vec<_>>().join(", ");
        let fewest = self.fewest();
        let begin = format!(
            "root {} waits for {fewest} more signature{}",
            self.root.version,
            if fewest == 1 { "" } else { "s" }
        );
        match self.missing().as_slice() {
            [] => begin,
            [side] => format!("{begin} of: {}", keys(&side.of)),
            [old, own, ..] if (old.count, &old.of) == (own.count, &own.of) => format!("{begin} of: {}", keys(&own.of)),
            [old, own, ..] => format!(
                "{begin}: {} of root {}'s keys {}, and {} of its own {}",
                old.count,
                old.root,
                keys(&old.of),
                own.count,
                keys(&own.of)
            ),
        }
    }

    /// Where its body lies, below the folder of keys.
    #[must_use]
    pub fn path(&self) -> String {
        tree::root(self.root.version)
    }
}

/// The first root has nobody before it.
///
/// # Errors
/// If a signature beside it is not right; naming the file.
pub(super) fn check_first(root: &Root, files: &RootFiles, version: &Version) -> Result<()> {
    for key in version.signatures.keys() {
        let file = files.signature_path(root.version, *key);
        let body = version.body.as_deref().unwrap_or_default();
        check_signature(&[&root.roles.root], root, body, version, *key)
            .with_context(|| format!("checking the signature `{}`", file.display()))?;
    }
    Ok(())
}

fn check_signature(roles: &[&Role], root: &Root, body: &[u8], version: &Version, key: KeyId) -> Result<()> {
    let bytes = version.signatures.get(&key).map(Vec::as_slice).unwrap_or_default();
    let file = match SignatureFile::parse(bytes) {
        Ok(file) => file,
        Err(problem) => {
            bail!("the signature file {problem}; remove it, and sign again as `anode root status` says then")
        }
    };
    ensure!(file.key == key, "it is a signature of the key {}, so it must be named after that one", file.key);
    let mut listed = roles.iter().flat_map(|role| &role.keys).filter(|listed| listed.id == key).peekable();
    ensure!(
        listed.peek().is_some(),
        "the key {key} is a root key of neither side, so its signature counts for nothing; remove the file"
    );
    ensure!(
        listed.all(|listed| file.verifies(listed, body)),
        "it does not verify: the root was changed after it was signed, or it was signed with another key; remove the \
         file and sign again"
    );
    let wanted = comment(Root::KIND, root.version, &root.site);
    ensure!(
        file.comment == wanted,
        "its trusted comment is `{}` and must be `{wanted}`; remove the file and sign again with that `-t`",
        anode_bundle::display::line(&file.comment, 120)
    );
    Ok(())
}
