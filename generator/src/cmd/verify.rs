//! `anode verify`: audits a whole tree, with the code of the medium.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anode_bundle::Moment;
use anode_bundle::client::Transport;
use anode_bundle::document::{Document as _, ROOT_LIMIT, Root};
use anode_bundle::name::{Sha256, tree};
use anode_bundle::signature;
use anode_fetch::activate::Shipped;
use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use serde::Serialize;

use super::reach::open;
use super::{print, print_json, refused, say, size};
use crate::clock;
use crate::tree::{Audit, audit, audit_boot_files};

#[derive(Args)]
pub(super) struct Options {
    /// The tree: a folder or an address
    #[arg(value_name = "DIR|URL")]
    tree: String,
    /// The root document to begin with, its signatures beside it [default: the tree's own first root]
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// Trust these certificate authorities only (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Judge lifetimes at this moment, such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = clock::parse_moment)]
    now: Option<Moment>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    match look(options) {
        // A script that asked for JSON gets it for a refusal too.
        Err(error) if options.json => match refused(&error) {
            Some((exit, remedy)) => {
                let message = format!("{error:#}");
                print_json(&Refused { sound: false, exit: exit.number(), code: exit.name(), message, remedy })?;
                Ok(ExitCode::from(exit.number()))
            }
            None => Err(error),
        },
        result => result,
    }
}

/// A tree that the medium would not even begin with.
#[derive(Serialize)]
struct Refused {
    sound: bool,
    exit: u8,
    code: &'static str,
    message: String,
    remedy: String,
}

/// An audit, and what it comes to.
#[derive(Serialize)]
struct Audited<'a> {
    sound: bool,
    #[serde(flatten)]
    audit: &'a Audit,
}

fn look(options: &Options) -> Result<ExitCode> {
    let now = options.now.unwrap_or_else(clock::now);
    let (mut transport, base) = open(&options.tree, options.ca.as_deref())?;
    let root = match &options.root {
        Some(file) => Shipped::read(file)?,
        None => tree_root(transport.as_mut(), &base, now)?,
    };
    let mut audit = audit(transport.as_mut(), &base, &root, now)?;
    audit.findings.extend(audit_boot_files(transport.as_mut(), &base, &audit.release_keys, now));
    if options.json {
        print_json(&Audited { sound: audit.is_sound(), audit: &audit })?;
    } else {
        show(&audit, options.root.is_none().then(|| Sha256::of(&root.root)))?;
    }
    Ok(if audit.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(23) })
}

fn tree_root(transport: &mut dyn Transport, base: &str, now: Moment) -> Result<Shipped> {
    let mut get = |path: &str, limit: u64| transport.get(&anode_bundle::client::Request { base, path, limit, now });
    let body = get(&tree::root(1), ROOT_LIMIT)
        .map_err(|error| anyhow!(error.refusal()))
        .context("reading the tree's first root")?;
    let root = Root::parse(&body)?;
    let mut signatures = BTreeMap::new();
    for listed in &root.roles.root.keys {
        if let Ok(file) = get(&tree::root_signature(1, listed.id), signature::LIMIT) {
            signatures.insert(listed.id, file);
        }
    }
    Ok(Shipped { root: body, signatures, floor: None })
}

fn show(audit: &Audit, unchecked_root: Option<Sha256>) -> Result<()> {
    print(&format!("site       {} ({})", audit.name, audit.site))?;
    for (name, dated) in [("root", &audit.root), ("release", &audit.release), ("timestamp", &audit.timestamp)] {
        print(&format!("{name:<10} version {:<6} until {}", dated.version, dated.expires))?;
    }
    print(&format!("objects    {} activations, {} packs; {} read", audit.activations, audit.packs, size(audit.bytes)))?;
    for finding in &audit.findings {
        let severity = if finding.fatal { "error" } else { "warning" };
        say(&format!("{severity}: `{}`: {}", finding.what, finding.problem));
    }
    if let Some(hash) = unchecked_root {
        say(&format!(
            "note: the tree's own first root was believed; compare its SHA-256 with your copy, or give `--root FILE`: {hash}"
        ));
    }
    print(if audit.is_sound() { "the tree is sound" } else { "the tree is not sound" })
}
