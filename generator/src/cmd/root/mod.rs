//! `anode root`: make the next root, have it signed, see how far it is. A root that is complete never changes; an edit then begins the next one.

mod edit;
mod sign;
mod status;

use std::process::ExitCode;

use anode_bundle::signature::ListedKey;
use anyhow::Result;
use clap::Subcommand;

use crate::keys::{Proposal, PublicKeys};
use crate::roots::{ceremony_line, changes};
use crate::trusted::TrustedSite;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Begin the next root: the same with new dates, and what the options say
    New(edit::New),
    /// Change what the next root says: threshold, days, mirrors, policy
    Change(edit::Change),
    /// List one more key in the next root
    AddKey(edit::AddKey),
    /// Take a key out of the next root
    RemoveKey(edit::RemoveKey),
    /// Put a new key in the place of an old one in the next root
    Rotate(edit::Rotate),
    /// Throw the proposed root away
    Discard(edit::Discard),
    /// Show what the proposed root changes, and sign it
    Sign(sign::Options),
    /// Show the chain, who signed, and for whom the proposed root waits
    Status(status::Options),
}

pub(super) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::New(options) => edit::begin(options),
        Command::Change(options) => edit::change(options),
        Command::AddKey(options) => edit::add_key(options),
        Command::RemoveKey(options) => edit::remove_key(options),
        Command::Rotate(options) => edit::rotate(options),
        Command::Discard(options) => edit::discard(options),
        Command::Sign(options) => sign::run(options),
        Command::Status(options) => status::run(options),
    }
}

/// What a proposal changes against the newest root.
fn proposed_changes(site: &TrustedSite, proposal: &Proposal) -> Vec<String> {
    let path = anode_bundle::name::tree::root(site.root().version);
    let before = site.chain.files.get(&path).map(Vec::as_slice).unwrap_or_default();
    changes((site.root(), before), (&proposal.root, &proposal.body), &site.keys)
}

/// For everybody who can still sign: what they type without this program.
fn ceremony(proposal: &Proposal, names: &PublicKeys) -> Vec<String> {
    let open = proposal.signers().into_iter().filter(|key| !proposal.signed.contains(&key.id));
    let line = |key: &ListedKey| {
        let secret = names.name_of(key).map_or_else(|| "KEY".to_owned(), |name| format!("{name}.key"));
        ceremony_line(proposal.root.version, &proposal.root.site, key.id, &secret)
    };
    open.map(|key| line(&key)).collect()
}
