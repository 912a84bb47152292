//! Strict mode: CI proposes a release and can not sign it; a maintainer rebuilds it from the same commit and signs; CI adds the timestamp.
//!
//! A proposal is a folder with everything that a tree has but the signature of its release and the timestamp: no client begins with it and
//! `anode publish` refuses it. What is signed is the body of the release, which names everything else by hash. The rebuild takes commit, moment and
//! published release from the proposal, the seal secret from the maintainer, and nothing else: equal inputs give equal bytes.

mod checkout;
mod compare;
mod finish;

use std::fs;
use std::path::Path;

use anode_bundle::Moment;
use anode_bundle::client::{Request, Transport};
use anode_bundle::document::{RELEASE_LIMIT, Release, ReleaseRef};
use anode_bundle::name::SiteId;
use anode_bundle::signature;
use anyhow::{Context as _, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};

use crate::build::{Draft, Order, Previous, draft, lineage, write_content};
use crate::documents;
use crate::plan::Memo;
use crate::tree::{LINEAGE, Staging};
use crate::trusted;

pub use checkout::head;
pub use compare::{Changes, Names, Side, changes, differences};
pub use finish::{Finished, finish};

/// What CI says of its proposal; nothing is believed of it that the rebuild does not show.
pub const PROPOSAL: &str = "proposal.json";
/// The body that is to be signed.
pub const BODY: &str = "release.json";
/// Where its signature belongs.
pub const SIGNATURE: &str = "release.json.minisig";

/// A maintainer signs what was proposed in the last week: an older release would be published with an old date.
pub const FRESH_DAYS: u64 = 7;
const DAY: u64 = 86_400;
const LIMIT: u64 = 4 << 10;

/// What a proposal was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// 1.
    pub format: u64,
    /// The site.
    pub site: SiteId,
    /// The commit of the profiles repository.
    pub commit: String,
    /// The build's time.
    pub at: Moment,
    /// The published release that this one follows.
    pub previous: Option<ReleaseRef>,
    /// The proposed release.
    pub release: ReleaseRef,
}

impl Proposal {
    /// Refuses a proposal of another site, one that is too old, and one from the future.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, site: &SiteId, now: Moment) -> Result<()> {
        ensure!(self.format == 1, "the proposal has the format {}, and this program knows 1", self.format);
        ensure!(self.site == *site, "the proposal is for the site {}, and this repository for {site}", self.site);
        ensure!(
            self.at <= now.plus(DAY),
            "the proposal is of {}, and it is {now} now: one of the two clocks is wrong",
            self.at
        );
        ensure!(
            self.at.plus(FRESH_DAYS * DAY) >= now,
            "the proposal is stale: it is of {}, more than {FRESH_DAYS} days ago; have CI propose again",
            self.at
        );
        Ok(())
    }

    /// Refuses unless `published` is the release that this one was built on.
    ///
    /// # Errors
    /// Naming both.
    pub fn check_previous(&self, published: Option<&Previous>) -> Result<()> {
        let published = published.map(Previous::reference);
        if published == self.previous {
            return Ok(());
        }
        let name = |release: Option<ReleaseRef>| match release {
            Some(release) => format!("release {} ({}…)", release.version, &release.sha256.to_string()[..12]),
            None => "no release".to_owned(),
        };
        Err(anyhow!(
            "the proposal was built on {}, and {} is published: have CI propose again",
            name(self.previous),
            name(published)
        ))
    }
}

/// A proposal as it lies in a folder or at an address, and the body it wants signed. The body is what the proposal names, and nothing more is known.
pub struct Proposed {
    /// What it was built from.
    pub proposal: Proposal,
    /// The release.
    pub body: Vec<u8>,
    /// Its signature, if it has one.
    pub signature: Option<Vec<u8>>,
}

impl Proposed {
    /// Reads a proposal.
    ///
    /// # Errors
    /// If there is none, or its parts do not belong together.
    pub fn read(transport: &mut dyn Transport, base: &str, now: Moment) -> Result<Proposed> {
        let mut get = |path: &str, limit: u64| {
            let got = transport.get(&Request { base, path, limit, now });
            got.map_err(|error| anyhow!(error.refusal())).with_context(|| format!("reading the proposal `{base}`"))
        };
        let text = get(PROPOSAL, LIMIT)?;
        let proposal: Proposal =
            serde_json::from_slice(&text).with_context(|| format!("reading `{base}/{PROPOSAL}`"))?;
        let body = get(BODY, RELEASE_LIMIT)?;
        ensure!(
            documents::reference(&body, proposal.release.version) == proposal.release,
            "`{base}/{BODY}` is not the release that `{PROPOSAL}` names"
        );
        let signature = get(SIGNATURE, signature::LIMIT).ok();
        Ok(Proposed { proposal, body, signature })
    }
}

/// Writes a proposal to `order.out`. Needs the seal secret, and no key that signs.
///
/// # Errors
/// If the secret is missing, or the folder holds something else.
pub fn propose(order: Order<'_>, commit: String) -> Result<(Proposal, Draft)> {
    let Order { source, ring, out, previous, boot: _ } = order;
    let seal = trusted::seal_root(source.folder, ring)?;
    let staging = Staging::begin(out)?;
    let draft = draft(&source, &seal, &Memo::empty(&seal), &previous)?;
    write_content(&staging, &source, &draft, &previous, &[])?;
    let proposal = Proposal {
        format: 1,
        site: source.site.id().clone(),
        commit,
        at: source.at,
        previous: previous.iter().max_by_key(|tree| tree.reference().version).map(Previous::reference),
        release: draft.reference(),
    };
    staging.write(BODY, &draft.body)?;
    if let Some(signature) = &draft.kept {
        staging.write(SIGNATURE, signature)?;
    }
    staging.write(LINEAGE, lineage(&previous, out, proposal.release).as_bytes())?;
    let mut text = serde_json::to_vec_pretty(&proposal)?;
    text.push(b'\n');
    staging.write(PROPOSAL, &text)?;
    staging.commit()?;
    Ok((proposal, draft))
}

/// Is this folder a proposal?
#[must_use]
pub fn is_proposal(folder: &Path) -> bool {
    folder.join(PROPOSAL).exists()
}

/// What the stock program needs to sign a release; both do the same.
#[must_use]
pub fn ceremony(release: &Release) -> String {
    let comment = signature::comment("release", release.version, &release.site);
    format!("minisign -SHm {BODY} -s release.key -t '{comment}' -x {SIGNATURE}")
}

/// Puts the signature beside the body.
///
/// # Errors
/// If the file can not be written.
pub fn write_signature(file: &Path, signature: &[u8]) -> Result<()> {
    fs::write(file, signature).with_context(|| format!("writing `{}`", file.display()))
}
