//! `anode publish`: audit, probe, place, probe again through the public address.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anode_bundle::Moment;
use anode_bundle::client::Transport;
use anode_bundle::document::Timestamp;
use anode_bundle::exit::ExitCode as Exit;
use anode_bundle::name::tree::TIMESTAMP;
use anode_fetch::Failure;
use anode_fetch::activate::Shipped;
use anode_fetch::answers::Given;
use anyhow::{Context as _, Result, ensure};
use clap::Args;

use super::reach::{DEFAULT_TREE, https};
use super::{Place, print, say, shown, size};
use crate::canary::{Scan, Search, SiteSecrets, site_secrets};
use crate::clock;
use crate::diagnose::Faulty;
use crate::documents::{self, Signed};
use crate::keys::{KeyRing, SecretName};
use crate::probe::{Attempt, Traffic, probe};
use crate::publish::{Swapped, Target, read_timestamp};
use crate::repository;
use crate::tree::{TreeFolder, audit, audit_boot_files, hold};
use crate::trusted::TrustedSite;

#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// Where to publish; the web server's root is DIR/current
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The built tree [default: .anode/tree in the repository]
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// Trust these certificate authorities only, for the look through the public address (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

const DAY: u64 = 86_400;

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let mut site = TrustedSite::open(&options.place.repository)?;
    let ring = options.place.ring(site.id())?;
    let tree = options.tree.clone().unwrap_or_else(|| options.place.repository.join(DEFAULT_TREE));
    let _held = hold(&tree)?;
    let ours =
        read_timestamp(&tree)?.with_context(|| format!("`{}` holds no tree; run `anode build` first", shown(&tree)))?;
    let now = clock::now();
    let root = site.shipped_root(&options.place.repository)?;

    // Every reader's clock would follow: certificates end, and later builds are refused until that day.
    ensure!(
        ours.issued <= now.plus(DAY),
        "the tree is of {}, and it is {now} now; set the clock or build again without `--at` and SOURCE_DATE_EPOCH",
        ours.issued
    );
    let target = Target::open(&options.to)?;
    target.check_lineage(&tree)?;
    let mut folder = TreeFolder::new(&tree);
    let base = shown(&tree);
    let mut audit = audit(&mut folder, &base, &root, now).context("auditing the tree")?;
    audit.findings.extend(audit_boot_files(&mut folder, &base, &audit.release_keys, now));
    for finding in &audit.findings {
        let severity = if finding.fatal { "error" } else { "warning" };
        say(&format!("{severity}: `{}`: {}", finding.what, finding.problem));
    }
    if let Some(proposal) = &site.chain.proposal {
        say(&format!("warning: {}", proposal.waits_for(&site.keys)));
    }
    ensure!(
        audit.is_sound(),
        "the tree is not sound; nothing was published: remove `{base}` and build again with `--previous {}`",
        options.to.display()
    );
    ensure!(
        audit.root.version == site.root().version,
        "root {} is complete, and the tree was built under root {}; build again, nothing was published",
        site.root().version,
        audit.root.version
    );
    let later = Moment::from_seconds(ours.expires.seconds().saturating_sub(DAY));
    for at in [now, now.max(later)] {
        try_out(&mut folder, &base, &root, &ring, at).with_context(|| {
            format!("activating with the probe code from the built tree, as if it were {at}; nothing was published")
        })?;
    }
    check_clean(options, &tree, &ring)?;
    say(&format!("audited     {} activations, {} packs, {}", audit.activations, audit.packs, size(audit.bytes)));

    let timestamp = newer_timestamp(&target, &ours, &mut site, &ring, now)?;
    let swapped = target.place(&tree, timestamp.as_ref())?;
    say(&format!(
        "published   release {} to `{}`, {} new objects",
        ours.release.version,
        shown(&target.current()),
        swapped.new_objects
    ));
    let published = ours.release.version;
    for (url, release) in look_from_outside(options, &site, &target, &swapped, &root, &ring, now)? {
        // A cache in front may need its time; a host that stands still must not stay unnoticed.
        if release != published {
            say(&format!(
                "warning: {url} still serves release {release}, and {published} is published: look again soon"
            ));
        }
    }
    print(&shown(&target.current()))?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses a tree with a secret of the site in it.
fn check_clean(options: &Options, tree: &Path, ring: &KeyRing) -> Result<()> {
    let folder = &options.place.repository;
    let (repository, _) = repository::load(folder).map_err(Faulty)?;
    let SiteSecrets { canaries, missing } = site_secrets(folder, &repository, ring)?;
    for secret in &missing {
        say(&format!("note: a secret is not looked for: {secret}"));
    }
    let search = Search::new(canaries);
    let pinned = repository.lock.files().map(|(_, pinned)| pinned.sha256).collect();
    let scan = Scan::of_tree(tree, &search, &pinned).context("looking for secrets in the tree")?;
    for finding in &scan.findings {
        say(&format!("error: {finding}"));
    }
    ensure!(
        scan.findings.is_empty(),
        "the tree holds secrets; nothing was published: find out how they came there, and replace each that anybody else can have read"
    );
    say(&format!("scanned     none of {} secrets in {} files", search.len(), scan.files));
    Ok(())
}

/// A nightly refresh may have signed a newer timestamp of an older release: ours must then be newer than that.
fn newer_timestamp(
    target: &Target,
    ours: &Timestamp,
    site: &mut TrustedSite,
    ring: &KeyRing,
    now: Moment,
) -> Result<Option<Signed>> {
    // One by a key that was removed since is no floor for anybody, and may be a thief's.
    let published = match std::fs::read(target.current().join(TIMESTAMP)) {
        Ok(bytes) => site.chain.trust.timestamp(&bytes).ok().map(|verified| verified.document),
        Err(_) => None,
    };
    match published {
        Some(published) if published.version >= ours.version && published.release != ours.release => {
            let signer = site.signer(ring, SecretName::Timestamp)?;
            let at = now.max(published.issued);
            documents::timestamp(ours.release, published.version + 1, site.root(), site.days(), at, &signer).map(Some)
        }
        _ => Ok(None),
    }
}

fn try_out(
    transport: &mut dyn Transport,
    base: &str,
    shipped: &Shipped,
    ring: &KeyRing,
    now: Moment,
) -> Result<(u64, Traffic)> {
    let attempt = Attempt { shipped, base, now, profile: None, given: Given::new() };
    let (activated, traffic) = probe(transport, ring.probe()?, attempt)?;
    Ok((activated.selection.release, traffic))
}

/// Which release each public address serves.
fn look_from_outside<'a>(
    options: &Options,
    site: &'a TrustedSite,
    target: &Target,
    swapped: &Swapped,
    root: &Shipped,
    ring: &KeyRing,
    now: Moment,
) -> Result<Vec<(&'a str, u64)>> {
    let mut served = Vec::new();
    if site.config.urls.is_empty() {
        say("note: `anode.toml` names no address of the site, so nobody looked through it; add `urls` to `[site]`");
        return Ok(served);
    }
    for url in &site.config.urls {
        let mut transport = https(url, options.ca.as_deref())?;
        match try_out(&mut transport, url, root, ring, now) {
            Ok((release, traffic)) => {
                say(&format!(
                    "probed      {url}: release {release}, {} requests, {}",
                    traffic.requests,
                    size(traffic.bytes)
                ));
                served.push((url.as_str(), release));
            }
            // Nothing that going back would mend.
            Err(error) if is_transport(&error) => {
                return Err(error.context(format!("the tree is published, and {url} can not be used")));
            }
            Err(error) => {
                target.take_back(swapped)?;
                return Err(error
                    .context(format!("activating with the probe code at {url}; what was published before is back")));
            }
        }
    }
    Ok(served)
}

fn is_transport(error: &anyhow::Error) -> bool {
    let exit = error.downcast_ref::<Failure>().map(Failure::exit);
    matches!(exit, Some(Exit::Unreachable | Exit::Tls | Exit::TooSlow | Exit::NotASite))
}
