//! The published tree on the medium itself: what a machine uses where no mirror answers.
//!
//! It is what an audit of the site read, and nothing else: every signature, index node and object of it was judged by the medium's own code on its way.

use std::fs;
use std::path::{Path, PathBuf};

use anode_bundle::Moment;
use anode_bundle::client::{FetchError, Request, Transport};
use anode_bundle::name::{Sha256, tree};
use anode_fetch::activate::Shipped;
use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::site::Site;
use crate::tree::audit;

/// Where it lies on the medium.
pub const FOLDER: &str = "anode/tree";

/// A copy of a site's tree, in a folder that goes with this value.
pub struct TreeCopy {
    folder: TempDir,
    /// How many files, and their bytes.
    pub count: usize,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl TreeCopy {
    /// Audits the site at the first of its addresses that has a sound tree, and keeps what was read.
    ///
    /// # Errors
    /// If none has, with what each one's audit found first.
    pub fn take(site: &Site, transport: &mut dyn Transport, now: Moment) -> Result<TreeCopy> {
        let mut wrong = Vec::new();
        // With its floor, the site would be found to be as new as the medium, and not read at all.
        let Shipped { root, signatures, .. } = site.shipped.clone();
        let begin = Shipped { root, signatures, floor: None };
        for url in &site.urls {
            let base = url.trim_end_matches('/');
            let folder = tempfile::tempdir().context("making a temporary folder")?;
            let mut recorder = Recorder { transport, base, folder: folder.path(), count: 0, bytes: 0, failed: None };
            let audited = audit(&mut recorder, base, &begin, now);
            let Recorder { count, bytes, failed, .. } = recorder;
            if let Some(failed) = failed {
                return Err(failed).context("copying the tree");
            }
            match audited {
                Ok(audit) if audit.timestamp.version < site.timestamp => {
                    wrong.push(format!("{url}: its timestamp {} is older than the medium's", audit.timestamp.version));
                }
                Ok(audit) if audit.is_sound() => return Ok(TreeCopy { folder, count, bytes }),
                Ok(audit) => {
                    let first = audit.findings.iter().find(|finding| finding.fatal);
                    wrong.push(format!("{url}: {}", first.map_or("", |finding| &finding.problem)));
                }
                Err(refusal) => wrong.push(format!("{url}: {refusal}")),
            }
        }
        bail!("no address of the site has a sound tree: {}; look at it with `anode verify`", wrong.join("; "))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder, and where it belongs on the medium.
    #[must_use]
    pub fn graft(&self) -> (PathBuf, String) {
        (self.folder.path().to_owned(), FOLDER.to_owned())
    }
}

/// A mirrored file, and where it belongs on the medium.
#[must_use]
pub fn object(path: &Path, sha256: &Sha256) -> (PathBuf, String) {
    (path.to_owned(), format!("{FOLDER}/{}", tree::object(sha256)))
}

/// Keeps what an address answers.
struct Recorder<'a> {
    transport: &'a mut dyn Transport,
    base: &'a str,
    folder: &'a Path,
    count: usize,
    bytes: u64,
    failed: Option<anyhow::Error>,
}

impl Transport for Recorder<'_> {
    fn get(&mut self, request: &Request<'_>) -> Result<Vec<u8>, FetchError> {
        let bytes = self.transport.get(request)?;
        if request.base == self.base {
            match keep(&self.folder.join(request.path), &bytes) {
                Ok(New::Yes) => {
                    self.count += 1;
                    self.bytes += bytes.len() as u64;
                }
                Ok(New::No) => {}
                Err(error) => self.failed = Some(error),
            }
        }
        Ok(bytes)
    }
}

/// Was a file not there before?
enum New {
    Yes,
    No,
}

fn keep(path: &Path, bytes: &[u8]) -> Result<New> {
    let writing = || format!("writing `{}`", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(writing)?;
    }
    let new = if path.exists() { New::No } else { New::Yes };
    fs::write(path, bytes).with_context(writing)?;
    Ok(new)
}
