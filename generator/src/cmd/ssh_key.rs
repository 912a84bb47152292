//! `anode ssh-key`: key pairs with which machines fetch a repository.

use std::process::ExitCode;

use anode_bundle::name::Id;
use anyhow::Result;
use clap::{Args, Subcommand};

use super::key::parse_name;
use super::{Place, print, say, shown};
use crate::keys::SshKey;
use crate::trusted::TrustedSite;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a key pair: both halves go to the key folder, and the public one is printed
    New(New),
}

#[derive(Args)]
pub(super) struct New {
    #[command(flatten)]
    place: Place,
    /// The key's name, such as `deploy`
    #[arg(value_parser = parse_name)]
    name: Id,
    /// What the public half says of itself [default: the name and the site's]
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

pub(super) fn run(command: &Command) -> Result<ExitCode> {
    let Command::New(options) = command;
    let site = TrustedSite::open(&options.place.repository)?;
    let ring = options.place.ring(site.id())?;
    let name = &options.name;
    let comment = options.comment.clone().unwrap_or_else(|| format!("anode {name} of {}", site.id()));
    let key = SshKey::make(&comment)?;
    let secret = key.keep(name, &ring, &options.place.repository)?;
    say(&format!("secret      `{}`", shown(&secret)));
    say("next        let the repository's host give read access to the line below, then in `anode.toml`");
    say(&format!("            [secrets.{name}]"));
    say(&format!("            file = \"{}\"", secret.display()));
    say("            and in the profile, or for all of them in `anode.toml`");
    say("            [ansible]");
    say(&format!("            deploy_key = {{ secret = \"{name}\" }}"));
    print(&key.public)?;
    Ok(ExitCode::SUCCESS)
}
