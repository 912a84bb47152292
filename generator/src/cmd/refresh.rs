//! `anode refresh`: a new timestamp for what is published, so that clients know that it is still current. Needs the timestamp key and nothing else.

use std::path::PathBuf;
use std::process::ExitCode;

use anode_bundle::Moment;
use anode_bundle::document::{Document as _, Release};
use anode_bundle::name::tree;
use anyhow::{Context as _, Result, ensure};
use clap::Args;

use super::{Place, print, say, shown};
use crate::clock;
use crate::documents;
use crate::expiry::Expiry;
use crate::keys::SecretName;
use crate::publish::{Target, read_timestamp};
use crate::tree::{TreeFolder, audit};
use crate::trusted::TrustedSite;

#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// The place that `anode publish --to` wrote
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let site = TrustedSite::open(&options.place.repository)?;
    let ring = options.place.ring(site.id())?;
    ensure!(
        options.to.is_dir(),
        "there is no folder `{}`; name the one that `anode publish --to` got",
        shown(&options.to)
    );
    let target = Target::open(&options.to)?;
    let current = target.current();
    let now = clock::now();
    let old = read_timestamp(&current)?.with_context(|| format!("nothing is published in `{}`", shown(&options.to)))?;
    // An expired timestamp is the very thing to mend, so it is verified without its lifetime: with the clock at its own issue.
    let root = site.shipped_root(&options.place.repository)?;
    let audit = audit(&mut TreeFolder::new(&current), &shown(&current), &root, old.issued)
        .context("auditing the published tree")?;
    ensure!(
        audit.is_sound(),
        "the published tree is not sound: run `anode verify {}` and publish again",
        shown(&options.to)
    );
    // Signed under a root that no reader can find beside it, the timestamp would be refused by all of them.
    ensure!(
        audit.root.version == site.root().version,
        "root {} is complete, and the published tree ends with root {}: build and publish first",
        site.root().version,
        audit.root.version
    );
    let release = Release::parse(&std::fs::read(current.join(tree::release(old.release.version)))?)?;
    check_lives(&site, &release, now)?;
    let end = Expiry::of(&release, now).warning();
    for warning in site.warnings(now).into_iter().map(|(_, warning)| warning).chain(end) {
        say(&format!("warning: {warning}"));
    }
    let signer = site.signer(&ring, SecretName::Timestamp)?;
    let signed =
        documents::timestamp(old.release, old.version + 1, site.root(), site.days(), now.max(old.issued), &signer)?;
    target.place(&current.canonicalize()?, Some(&signed))?;
    say(&format!(
        "refreshed   timestamp {} for release {}, valid for {} days",
        old.version + 1,
        old.release.version,
        site.days().timestamp
    ));
    print(&shown(&target.current()))?;
    Ok(ExitCode::SUCCESS)
}

/// A fresh timestamp for a release that is over would only hide the problem.
fn check_lives(site: &TrustedSite, release: &Release, now: Moment) -> Result<()> {
    let root = site.root();
    ensure!(
        release.expires >= now && root.expires >= now,
        "release {} expires on {} and root {} on {}: build and publish again, or make the next root",
        release.version,
        release.expires,
        root.version,
        root.expires
    );
    Ok(())
}
