//! Where a proposal lies: its body and its signatures beside the root chain of the repository. Bodies are replaced in one step; a signature file
//! is only ever added, or removed together with the body that it signed.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anode_bundle::name::{KeyId, SiteId, tree};
use anode_bundle::signature;
use anyhow::{Context as _, Result, bail};

/// Signature files of a root, by name. Of a version without a body they are left over from somebody's proposal.
///
/// # Errors
/// If the folder can not be read.
pub fn strays(repository: &Path, version: u64) -> Result<Vec<PathBuf>> {
    let folder = repository.join("keys/root");
    let prefix = format!("{version}.json.");
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading `{}`", folder.display()))? {
        let entry = entry.with_context(|| format!("reading `{}`", folder.display()))?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix) && name.ends_with(".minisig")) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Writes the body of a proposal in the place of the one that is there; its signatures go first, because they are of other bytes.
///
/// # Errors
/// If the folder can not be written.
pub fn replace(repository: &Path, version: u64, body: &[u8]) -> Result<PathBuf> {
    drop_signatures(repository, version)?;
    let path = repository.join("keys").join(tree::root(version));
    let parent = path.parent().context("the folder of the root chain")?;
    let mut file = tempfile::NamedTempFile::new_in(parent).with_context(|| format!("writing `{}`", path.display()))?;
    file.write_all(body).with_context(|| format!("writing `{}`", path.display()))?;
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(readable).with_context(|| format!("writing `{}`", path.display()))?;
    file.persist(&path).with_context(|| format!("writing `{}`", path.display()))?;
    Ok(path)
}

/// Removes a proposal with its signatures.
///
/// # Errors
/// If a file can not be removed.
pub fn discard(repository: &Path, version: u64) -> Result<()> {
    drop_signatures(repository, version)?;
    let path = repository.join("keys").join(tree::root(version));
    fs::remove_file(&path).with_context(|| format!("removing `{}`", path.display()))
}

fn drop_signatures(repository: &Path, version: u64) -> Result<()> {
    for path in strays(repository, version)? {
        fs::remove_file(&path).with_context(|| format!("removing `{}`", path.display()))?;
    }
    Ok(())
}

/// Adds a signature. Never overwrites one.
///
/// # Errors
/// If it is there already or can not be written.
pub fn put_signature(repository: &Path, version: u64, key: KeyId, signature: &[u8]) -> Result<PathBuf> {
    let path = repository.join("keys").join(tree::root_signature(version, key));
    match File::create_new(&path) {
        Ok(mut file) => file.write_all(signature).with_context(|| format!("writing `{}`", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!("`{}` is there already; a signature is never overwritten", path.display())
        }
        Err(error) => return Err(error).with_context(|| format!("writing `{}`", path.display())),
    }
    Ok(path)
}

/// What somebody without this program types in `keys/root/` to sign (format, section 2).
#[must_use]
pub fn ceremony_line(version: u64, site: &SiteId, key: KeyId, secret: &str) -> String {
    let comment = signature::comment("root", version, site);
    format!("minisign -SHm {version}.json -s {secret} -t '{comment}' -x {version}.json.{key}.minisig")
}
