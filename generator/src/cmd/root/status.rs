//! `anode root status`: the chain, who signed, and who has to sign what is proposed.

use std::process::ExitCode;

use anode_bundle::document::Root;
use anode_bundle::name::{Id, KeyId, tree};
use anode_bundle::signature::ListedKey;
use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::{ceremony, proposed_changes};
use crate::clock;
use crate::cmd::{Place, print, print_json};
use crate::expiry::{Expiry, span};
use crate::trusted::TrustedSite;

#[derive(Args)]
pub(in crate::cmd) struct Options {
    #[command(flatten)]
    place: Place,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Status {
    site: String,
    chain: Vec<Link>,
    /// The end of the newest complete root.
    expiry: Expiry,
    proposal: Option<Proposed>,
}

#[derive(Serialize)]
struct Link {
    version: u64,
    issued: anode_bundle::Moment,
    expires: anode_bundle::Moment,
    threshold: u64,
    keys: Vec<Key>,
    /// The keys whose signatures are published with it.
    signed: Vec<Key>,
}

#[derive(Serialize)]
struct Proposed {
    #[serde(flatten)]
    link: Link,
    changes: Vec<String>,
    /// The fewest signatures that complete it.
    signatures_left: u64,
    waits_for: Vec<Waits>,
    /// What those who have not signed type without this program.
    ceremony: Vec<String>,
}

#[derive(Serialize)]
struct Waits {
    /// Whose threshold it is.
    root: u64,
    count: u64,
    of: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    id: KeyId,
    name: Option<Id>,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "`{name}` ({})", self.id),
            None => write!(f, "`{}`", self.id),
        }
    }
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let site = TrustedSite::open(&options.place.repository)?;
    let status = look(&site);
    if options.json {
        print_json(&status)?;
    } else {
        show(&site, &status)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn look(site: &TrustedSite) -> Status {
    let roots = site.chain.earlier.iter().chain([site.root()]);
    let signers = |root: &Root| -> Vec<Key> {
        let mut keys = previous(site, root).map(|before| before.roles.root.keys.clone()).unwrap_or_default();
        keys.extend(root.roles.root.keys.iter().filter(|key| !keys.contains(key)).cloned().collect::<Vec<_>>());
        keys.retain(|key| site.chain.files.contains_key(&tree::root_signature(root.version, key.id)));
        keys.iter().map(|listed| key(site, listed)).collect()
    };
    let proposal = site.chain.proposal.as_ref().map(|proposal| {
        let signed = proposal.signers().into_iter().filter(|key| proposal.signed.contains(&key.id));
        let waits = proposal.missing().into_iter().map(|side| Waits {
            root: side.root,
            count: side.count,
            of: side.of.iter().map(|listed| key(site, listed)).collect(),
        });
        Proposed {
            link: link(site, &proposal.root, signed.map(|listed| key(site, &listed)).collect()),
            changes: proposed_changes(site, proposal),
            signatures_left: proposal.fewest(),
            waits_for: waits.collect(),
            ceremony: ceremony(proposal, &site.keys),
        }
    });
    Status {
        site: site.id().to_string(),
        chain: roots.map(|root| link(site, root, signers(root))).collect(),
        expiry: Expiry::of(site.root(), clock::now()),
        proposal,
    }
}

fn previous<'a>(site: &'a TrustedSite, root: &Root) -> Option<&'a Root> {
    site.chain.earlier.iter().find(|before| before.version + 1 == root.version)
}

fn key(site: &TrustedSite, listed: &ListedKey) -> Key {
    Key { id: listed.id, name: site.keys.name_of(listed).cloned() }
}

fn link(site: &TrustedSite, root: &Root, signed: Vec<Key>) -> Link {
    Link {
        version: root.version,
        issued: root.issued,
        expires: root.expires,
        threshold: root.roles.root.threshold,
        keys: root.roles.root.keys.iter().map(|listed| key(site, listed)).collect(),
        signed,
    }
}

fn show(site: &TrustedSite, status: &Status) -> Result<()> {
    let names = |keys: &[Key]| match keys {
        [] => "nobody".to_owned(),
        keys => keys.iter().map(Key::to_string).collect::<Vec<_>>().join(", "),
    };
    print(&format!("site        {} ({})", site.config.title, status.site))?;
    for link in &status.chain {
        let Link { version, issued, expires, threshold, keys, signed } = link;
        print(&format!(
            "root {version:<6} {} to {}, {threshold} of {} keys",
            issued.date(),
            expires.date(),
            keys.len()
        ))?;
        print(&format!("            signed by {}", names(signed)))?;
    }
    print(&format!("newest      root {}, {} left", status.expiry.version, span(status.expiry.seconds_left)))?;
    if let Some(warning) = status.expiry.warning() {
        print(&format!("warning     {warning}"))?;
    }
    for (role, keys) in site.root().roles.named() {
        let listed: Vec<Key> = keys.keys.iter().map(|listed| key(site, listed)).collect();
        print(&format!("{role:<11} {}", names(&listed)))?;
    }
    let Some(proposed) = &status.proposal else { return print("proposed    nothing") };
    print(&format!("proposed    root {}, until {}:", proposed.link.version, proposed.link.expires.date()))?;
    proposed.changes.iter().try_for_each(|line| print(&format!("            {line}")))?;
    print(&format!("            signed by {}", names(&proposed.link.signed)))?;
    for Waits { root, count, of } in &proposed.waits_for {
        print(&format!("waits for   {count} of the keys of root {root}: {}", names(of)))?;
    }
    print("to sign     `anode root sign`, or in `keys/root/` one of")?;
    proposed.ceremony.iter().try_for_each(|line| print(&format!("  {line}")))
}
