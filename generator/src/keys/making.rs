//! New keys and imported ones: the secret goes to the key folder, the public half to `keys/<name>.pub` of the repository. Neither is ever overwritten,
//! and no secret is written below the repository.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anode_bundle::name::{Id, SiteId};
use anode_bundle::signature::ListedKey;
use anyhow::{Context as _, Result, ensure};
use zeroize::Zeroizing;

use super::public::{PublicKeys, public_file};
use super::ring::KeyRing;
use super::signer::Signer;

/// `inbox.key` is the operator's: it opens reports and signs nothing.
const RESERVED: &str = "inbox";

/// A key that was made and lies nowhere yet.
pub struct NewKey {
    /// Its name.
    pub name: Id,
    /// Its public half.
    pub listed: ListedKey,
    comment: String,
    secret: Zeroizing<String>,
}

impl NewKey {
    /// Makes a key, encrypted when a password is given.
    ///
    /// # Errors
    /// If no randomness can be had.
    pub fn make(name: &Id, role: &str, site: &SiteId, password: Option<&str>) -> Result<NewKey> {
        let secret = Signer::generate(&format!("anode {role} key {name} of {site}"), password)?;
        let given = password.unwrap_or_default();
        let signer = Signer::read(&secret, &mut || Ok(Zeroizing::new(given.to_owned())))?;
        let listed = signer.listed().clone();
        Ok(NewKey { name: name.clone(), listed, comment: made_for(role, name), secret })
    }

    /// Writes both halves; the path of the secret one.
    ///
    /// # Errors
    /// If either is there already, or the key folder lies in the repository.
    pub fn keep(&self, ring: &KeyRing, repository: &Path) -> Result<PathBuf> {
        check_place(ring, repository)?;
        check_free(&self.name, ring, repository)?;
        let secret = ring.create_file(&format!("{}.key", self.name), &self.secret)?;
        write_public(repository, &self.name, &self.listed, &self.comment)?;
        Ok(secret)
    }
}

/// The comment of a public key: what it was made for.
#[must_use]
pub fn made_for(role: &str, name: &Id) -> String {
    format!("anode {role} key {name}")
}

/// Refuses a name that is taken or reserved.
///
/// # Errors
/// Naming the file that has it.
pub fn check_free(name: &Id, ring: &KeyRing, repository: &Path) -> Result<()> {
    ensure!(name.as_str() != RESERVED, "`{RESERVED}.key` is the key that opens reports; choose another name");
    for path in [public_path(repository, name), ring.folder().join(format!("{name}.key"))] {
        ensure!(
            !path.exists(),
            "`{}` is there already; a key is never overwritten, choose another name",
            path.display()
        );
    }
    Ok(())
}

pub(super) fn check_place(ring: &KeyRing, repository: &Path) -> Result<()> {
    let repository = repository.canonicalize().with_context(|| format!("finding `{}`", repository.display()))?;
    // The folder may not be there yet; the nearest one above it is.
    let there = ring.folder().ancestors().find_map(|folder| folder.canonicalize().ok()).unwrap_or_default();
    ensure!(
        !there.starts_with(&repository),
        "the key folder `{}` lies in the repository, where secrets have no place; give another one with `--keys DIR`",
        ring.folder().display()
    );
    Ok(())
}

/// Gives somebody's public key a name in the repository.
///
/// # Errors
/// If the name, the id or the key is there already.
pub fn import(repository: &Path, keys: &PublicKeys, name: &Id, listed: &ListedKey, comment: &str) -> Result<PathBuf> {
    if let Some(twin) = keys.all().iter().find(|key| key.listed.id == listed.id || key.listed.key == listed.key) {
        let what = if twin.listed == *listed { "is" } else { "has the id or the bytes of" };
        anyhow::bail!("the key {} {what} `keys/{}.pub`, which is there already", listed.id, twin.name);
    }
    write_public(repository, name, listed, comment)
}

fn write_public(repository: &Path, name: &Id, listed: &ListedKey, comment: &str) -> Result<PathBuf> {
    let path = public_path(repository, name);
    let mut file = File::create_new(&path)
        .with_context(|| format!("creating `{}` (a key is never overwritten)", path.display()))?;
    file.write_all(public_file(listed, comment).as_bytes()).with_context(|| format!("writing `{}`", path.display()))?;
    Ok(path)
}

fn public_path(repository: &Path, name: &Id) -> PathBuf {
    repository.join(format!("keys/{name}.pub"))
}
