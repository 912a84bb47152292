//! From a signed proposal to a tree: CI's last step, with the timestamp key alone.

use std::path::Path;

use anode_bundle::Moment;
use anode_bundle::name::tree;
use anyhow::{Context as _, Result, ensure};
use walkdir::WalkDir;

use super::{BODY, PROPOSAL, Proposed, SIGNATURE};
use crate::build::{Previous, last_timestamp};
use crate::documents;
use crate::keys::Signer;
use crate::tree::{Staging, TreeFolder};
use crate::trusted::TrustedSite;

/// What came out.
pub struct Finished {
    /// The release's version.
    pub release: u64,
    /// The timestamp's version.
    pub timestamp: u64,
}

/// Makes a tree of the proposal in `from` and the signature of its release, which has to be that of a key in the newest root.
///
/// # Errors
/// If the signature is missing or wrong, the proposal was not built on what is published, or `out` holds something else.
pub fn finish(
    site: &mut TrustedSite,
    timestamp_key: &Signer,
    from: &Path,
    signature: Option<Vec<u8>>,
    published: Option<Previous>,
    out: &Path,
    now: Moment,
) -> Result<Finished> {
    let base = from.display().to_string();
    let proposed = Proposed::read(&mut TreeFolder::new(from), &base, now)?;
    let Proposed { proposal, body, signature: beside } = proposed;
    ensure!(proposal.site == *site.id(), "the proposal is for the site {}", proposal.site);
    proposal.check_previous(published.as_ref())?;
    let version = proposal.release.version;
    let signature = signature.or(beside).with_context(|| {
        format!("release {version} is not signed yet; a maintainer runs `anode release sign --proposal {base}`")
    })?;
    let release =
        site.chain.trust.release(&signature, &body).context("verifying the signature of the release")?.document;
    let staging = Staging::begin(out)?;
    for entry in WalkDir::new(from).min_depth(1).sort_by_file_name() {
        let entry = entry.with_context(|| format!("reading the proposal `{base}`"))?;
        let path = entry.path().strip_prefix(from)?.to_str().context("a name in the proposal is not UTF-8")?;
        if entry.file_type().is_dir() || [PROPOSAL, BODY, SIGNATURE].contains(&path) {
            continue;
        }
        ensure!(entry.file_type().is_file(), "`{}` is no file; a proposal has no other", entry.path().display());
        staging.keep(from, path)?;
    }
    let trees: Vec<Previous> = published.into_iter().collect();
    let timestamp = last_timestamp(&trees) + 1;
    let at = now.max(release.issued);
    let signed = documents::timestamp(proposal.release, timestamp, site.root(), site.days(), at, timestamp_key)?;
    staging.write(&tree::release(version), &body)?;
    staging.write(&tree::release_signature(version), &signature)?;
    for (path, bytes) in signed.timestamp_files() {
        staging.write(path, &bytes)?;
    }
    staging.commit()?;
    Ok(Finished { release: version, timestamp })
}
