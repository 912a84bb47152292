//! `boot/` of a tree: the medium and its netboot files, published beside the site for people. No machine reads them from there to believe them; who downloads
//! one checks it with stock tools, by [`SUMS`] and its signature, which is the release key's. What is taken over from an earlier tree is compared with its
//! list first: a signature is never put under what somebody else laid there. A medium with a code or a key on it is refused: everybody could load it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anode_bundle::Moment;
use anode_bundle::client::{FetchError, Request, Transport};
use anode_bundle::name::{SafePath, Sha256, SiteId};
use anode_bundle::signature::{self, ListedKey, SignatureFile};
use anyhow::{Context as _, Result, anyhow, ensure};
use serde::Serialize;
use tempfile::TempDir;
use walkdir::WalkDir;

use super::{Finding, Staging, hash_file};
use crate::keys::Signer;
use crate::medium::{initramfs, iso};

/// Where they lie.
pub const BOOT: &str = "boot";
const SUMS: &str = "SHA256SUMS";
const SIGNATURE: &str = "SHA256SUMS.minisig";
/// More is no list of files.
const SUMS_LIMIT: u64 = 1 << 20;
/// More is no medium.
const FILE_LIMIT: u64 = 2 << 30;
const OTHER_BYTES: &str = "has other bytes than its signed hash says";
/// What an initramfs can begin with: cpio, gzip, zstd, xz, LZ4, bzip2.
const ARCHIVES: [&[u8]; 6] =
    [b"070701", &[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"\xfd7zXZ", &[2, 0x21, 0x4c, 0x18], b"BZh"];

/// The files.
#[derive(Debug, Default)]
pub struct BootFiles {
    files: BTreeMap<String, PathBuf>,
    /// Where fetched ones lie for as long as they are needed.
    _fetched: Option<TempDir>,
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
            check_public(path)?;
            let sha256 = hash_file(path).with_context(reading)?;
            found.listed.push(BootFile { path: name.as_str().to_owned(), sha256, length });
            found.files.insert(name.as_str().to_owned(), path.to_owned());
        }
        Ok(found)
    }

    /// Those of an earlier tree, each with the bytes that one of these keys signed; none, if it has none. Without a folder, they are fetched.
    ///
    /// # Errors
    /// If the list is signed by no such key, a file has other bytes, or one can not be had.
    pub fn published(
        transport: &mut dyn Transport,
        base: &str,
        folder: Option<&Path>,
        keys: &[ListedKey],
        now: Moment,
    ) -> Result<BootFiles> {
        let mut get = asking(transport, base, now);
        let Some(signed) = signed_list(&mut get, keys).map_err(|wrong| refused(base, &wrong))? else {
            return Ok(BootFiles::default());
        };
        let mut found = BootFiles::default();
        let fetched = tempfile::tempdir().context("making a temporary folder")?;
        for (number, (sha256, name)) in signed.into_iter().enumerate() {
            let wrong = |problem: &str| refused(base, &Wrong { name: name.to_string(), problem: problem.to_owned() });
            let path = match folder {
                Some(folder) => folder.join(BOOT).join(name.as_str()),
                None => {
                    let bytes = get(name.as_str(), FILE_LIMIT).map_err(|error| wrong(&error.to_string()))?;
                    let path = fetched.path().join(number.to_string());
                    fs::write(&path, bytes).with_context(|| format!("writing `{}`", path.display()))?;
                    path
                }
            };
            let reading = || format!("reading `{}`", path.display());
            ensure!(hash_file(&path).with_context(reading)? == sha256, wrong(OTHER_BYTES));
            let length = fs::metadata(&path).with_context(reading)?.len();
            found.listed.push(BootFile { path: name.as_str().to_owned(), sha256, length });
            found.files.insert(name.as_str().to_owned(), path);
        }
        found._fetched = Some(fetched);
        Ok(found)
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
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
            staging.write(&format!("{BOOT}/{}", file.path), &bytes)?;
        }
        let sums: String = self.listed.iter().map(|file| format!("{}  {}\n", file.sha256, file.path)).collect();
        let signature = signer.sign("boot", release, site, sums.as_bytes()).context("signing the boot files")?;
        staging.write(&format!("{BOOT}/{SUMS}"), sums.as_bytes())?;
        staging.write(&format!("{BOOT}/{SIGNATURE}"), &signature)
    }
}

/// A medium for one customer does not belong on a page for everybody.
fn check_public(path: &Path) -> Result<()> {
    let reading = || format!("reading `{}`", path.display());
    let mut file = fs::File::open(path).with_context(reading)?;
    let mode = file.metadata().with_context(reading)?.permissions().mode();
    let mut begin = Vec::new();
    file.by_ref().take(6).read_to_end(&mut begin).with_context(reading)?;
    let is_archive = ARCHIVES.iter().any(|magic| begin.starts_with(magic));
    let has_secret = iso::has_secret(path).with_context(reading)?
        || is_archive && initramfs::has_secret(&fs::read(path).with_context(reading)?);
    ensure!(
        !has_secret,
        "`{}` has an activation code or a client key on it, and everybody could load it from the site: nothing was built; publish a \
         medium that was made without `--code-file` and `--client-key`",
        path.display()
    );
    ensure!(
        mode & 0o004 != 0,
        "`{0}` may not be read by others, as a medium with a code on it, and on the site everybody could load it: nothing was built; if \
         there is no secret in it, run `chmod a+r {0}`",
        path.display()
    );
    Ok(())
}

/// What is wrong with a boot file.
struct Wrong {
    name: String,
    problem: String,
}

fn refused(base: &str, wrong: &Wrong) -> anyhow::Error {
    let Wrong { name, problem } = wrong;
    anyhow!(
        "`{BOOT}/{name}` of `{base}` {problem}: nothing of it is published again; name the folder with the boot files by `--boot`, or an \
         empty one"
    )
}

fn asking<'a>(
    transport: &'a mut dyn Transport,
    base: &'a str,
    now: Moment,
) -> impl FnMut(&str, u64) -> Result<Vec<u8>, FetchError> + 'a {
    move |name, limit| {
        let path = format!("{BOOT}/{name}");
        transport.get(&Request { base, path: &path, limit, now })
    }
}

/// The list that one of the keys signed; `None` where there is no list.
fn signed_list(
    get: &mut impl FnMut(&str, u64) -> Result<Vec<u8>, FetchError>,
    keys: &[ListedKey],
) -> Result<Option<Vec<(Sha256, SafePath)>>, Wrong> {
    let wrong = |name: &str, problem: String| Wrong { name: name.to_owned(), problem };
    let sums = match get(SUMS, SUMS_LIMIT) {
        Ok(sums) => sums,
        Err(FetchError::Absent(_)) => return Ok(None),
        Err(error) => return Err(wrong(SUMS, error.to_string())),
    };
    let signature = get(SIGNATURE, signature::LIMIT).ok();
    let signed = signature.and_then(|file| SignatureFile::parse(&file).ok());
    if !signed.is_some_and(|signed| keys.iter().any(|key| signed.verifies(key, &sums))) {
        return Err(wrong(SIGNATURE, "is no signature of a release key".to_owned()));
    }
    let entry = |line: &str| {
        let (sum, name) = line.split_once("  ")?;
        Some((Sha256::parse(sum).ok()?, SafePath::new(name).ok()?))
    };
    let entries: Option<Vec<_>> = String::from_utf8_lossy(&sums).lines().map(entry).collect();
    entries.map(Some).ok_or_else(|| wrong(SUMS, "has a line that is no hash and no path".to_owned()))
}

/// Are the boot files of a tree what a key of its release signed? A tree without any is in order.
#[must_use]
pub fn audit_boot_files(transport: &mut dyn Transport, base: &str, keys: &[ListedKey], now: Moment) -> Vec<Finding> {
    let mut get = asking(transport, base, now);
    let finding = |Wrong { name, problem }| Finding {
        fatal: true,
        what: format!("{BOOT}/{name}"),
        problem: format!("{problem}; publish again"),
    };
    let entries = match signed_list(&mut get, keys) {
        Ok(entries) => entries.unwrap_or_default(),
        Err(wrong) => return vec![finding(wrong)],
    };
    let mut findings = Vec::new();
    for (sum, name) in entries {
        let problem = match get(name.as_str(), FILE_LIMIT) {
            Ok(bytes) if Sha256::of(&bytes) == sum => continue,
            Ok(_) => OTHER_BYTES.to_owned(),
            Err(error) => error.to_string(),
        };
        findings.push(finding(Wrong { name: name.to_string(), problem }));
    }
    findings
}
