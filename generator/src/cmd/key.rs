//! `anode key`: make keys, list them with their places, and take other people's public halves in.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anode_bundle::document::Root;
use anode_bundle::name::{Id, KeyId};
use anode_bundle::signature::ListedKey;
use anyhow::{Context as _, Result, anyhow};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Place, print, print_json, read_password, say, shown};
use crate::keys::{self, KeyRing, NewKey, SecretName, key_line, parse_public};
use crate::roots::RoleName;
use crate::trusted::TrustedSite;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a key: the secret goes to the key folder, the public half into the repository
    New(New),
    /// List the keys: what each is for, and where its secret is
    List(List),
    /// Take somebody's public key into the repository
    Import(Import),
}

#[derive(Args)]
pub(super) struct New {
    #[command(flatten)]
    place: Place,
    /// The key's name, such as `anna` or `release-2`
    #[arg(value_parser = parse_name)]
    name: Id,
    /// What it will sign
    #[arg(long, value_name = "ROLE")]
    role: RoleName,
    /// Encrypt the key with the password in this file; the stock minisign asks for it too
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Import {
    #[command(flatten)]
    place: Place,
    /// A public key, as `anode key new` and `minisign -G` write it
    file: PathBuf,
    /// The key's name in the repository [default: that of the file]
    #[arg(long, value_parser = parse_name)]
    name: Option<Id>,
}

pub(super) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::New(options) => new(options)?,
        Command::List(options) => list(options)?,
        Command::Import(options) => import(options)?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn parse_name(text: &str) -> Result<Id, String> {
    Id::new(text).map_err(|bad| bad.to_string())
}

fn new(options: &New) -> Result<()> {
    let repository = &options.place.repository;
    let site = TrustedSite::open(repository)?;
    let ring = options.place.ring(site.id())?;
    keys::check_free(&options.name, &ring, repository)?;
    let password = options.password_file.as_deref().map(read_password).transpose()?;
    let role = options.role.as_str();
    let key = NewKey::make(&options.name, role, site.id(), password.as_deref().map(String::as_str))?;
    let secret = key.keep(&ring, repository)?;
    let name = &options.name;
    say(&format!("secret      `{}`", shown(&secret)));
    say(&format!("key id      {}", key.listed.id));
    match options.role {
        RoleName::Root => say(&format!(
            "next        move the secret to an offline medium, commit `keys/{name}.pub`, then `anode root add-key --role root {name}`"
        )),
        RoleName::Release | RoleName::Timestamp => {
            say(&format!("next        `anode root rotate {role} --with {name}`"));
        }
    }
    print(&shown(&repository.join(format!("keys/{name}.pub"))))
}

fn import(options: &Import) -> Result<()> {
    let repository = &options.place.repository;
    let site = TrustedSite::open(repository)?;
    let listed = read_public(&options.file)?;
    let name = match &options.name {
        Some(name) => name.clone(),
        None => name_of_file(&options.file)?,
    };
    let path = keys::import(repository, &site.keys, &name, &listed, &format!("key {name}"))?;
    say(&format!("public key  {}", key_line(&listed)));
    say(
        "note: names and ids prove nothing; compare the line above with the key's owner before anybody signs a root that lists it",
    );
    print(&shown(&path))
}

/// The name that a public key gets from its file's.
pub(super) fn name_of_file(file: &Path) -> Result<Id> {
    let stem = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = stem.strip_suffix(".pub").unwrap_or(stem);
    Id::new(stem).map_err(|bad| anyhow!("{bad}; give the key a name with `anode key import FILE --name NAME`"))
}

/// Reads a public key file, whatever it is.
pub(super) fn read_public(file: &Path) -> Result<ListedKey> {
    let mut text = String::new();
    fs::File::open(file)
        .and_then(|file| file.take(1 << 16).read_to_string(&mut text))
        .with_context(|| format!("reading `{}`", file.display()))?;
    parse_public(&text).map_err(|problem| anyhow!("`{}`: {problem}", file.display()))
}

#[derive(Serialize)]
struct Row {
    /// `None`: the newest or the proposed root lists it, and the repository has no public half of it.
    name: Option<Id>,
    id: KeyId,
    key: String,
    made_for: Option<String>,
    /// Its role in the newest root.
    role: Option<&'static str>,
    /// Its role in the proposed root; absent without a proposal.
    #[serde(skip_serializing_if = "Option::is_none")]
    proposed_role: Option<Option<&'static str>>,
    secret: Whereabouts,
}

#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Whereabouts {
    /// In the key folder.
    Here,
    /// In the variable that CI has.
    Environment,
    /// Somewhere else, as a root key should be.
    Elsewhere,
}

impl Whereabouts {
    fn as_str(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Environment => "environment",
            Self::Elsewhere => "elsewhere",
        }
    }
}

fn list(options: &List) -> Result<()> {
    let site = TrustedSite::open(&options.place.repository)?;
    let ring = options.place.ring(site.id())?;
    let rows = rows(&site, &ring);
    for (path, problem) in &site.keys.unreadable {
        say(&format!("warning: `{path}`: {problem}"));
    }
    if options.json {
        return print_json(&rows);
    }
    let proposal = site.chain.proposal.as_ref();
    let proposed = proposal.map_or(String::new(), |proposal| format!("ROOT {:<6}", proposal.root.version));
    let version = site.root().version;
    print(&format!("{:<18} {:<16} ROOT {version:<6}{proposed} SECRET", "NAME", "ID"))?;
    for row in rows {
        let name = row.name.as_ref().map_or("-", Id::as_str);
        let proposed = row.proposed_role.map_or(String::new(), |role| format!("{:<11}", role.unwrap_or("-")));
        let role = row.role.unwrap_or("-");
        print(&format!("{name:<18} {:<16} {role:<11}{proposed} {}", row.id, row.secret.as_str()))?;
    }
    Ok(())
}

/// Listed keys in the order of the roles, then those of the proposal, then the others.
fn rows(site: &TrustedSite, ring: &KeyRing) -> Vec<Row> {
    let listed =
        |root: &Root| root.roles.named().into_iter().flat_map(|(_, role)| role.keys.clone()).collect::<Vec<_>>();
    let proposal = site.chain.proposal.as_ref().map(|proposal| &proposal.root);
    let mut keys = listed(site.root());
    keys.extend(proposal.map(listed).unwrap_or_default());
    keys.extend(site.keys.all().iter().map(|key| key.listed.clone()));
    let mut rows: Vec<Row> = Vec::new();
    for key in keys {
        if rows.iter().any(|row| row.id == key.id && row.key == key_line(&key)) {
            continue;
        }
        let named = site.keys.all().iter().find(|named| named.listed == key);
        let role = role_in(site.root(), &key);
        rows.push(Row {
            name: named.map(|named| named.name.clone()),
            id: key.id,
            key: key_line(&key),
            made_for: named.map(|named| named.comment.clone()),
            role,
            proposed_role: proposal.map(|root| role_in(root, &key)),
            secret: whereabouts(ring, named.map(|named| &named.name), role, &key),
        });
    }
    rows
}

fn role_in(root: &Root, key: &ListedKey) -> Option<&'static str> {
    root.roles.named().into_iter().find(|(_, role)| role.keys.contains(key)).map(|(name, _)| name)
}

fn whereabouts(ring: &KeyRing, name: Option<&Id>, role: Option<&str>, key: &ListedKey) -> Whereabouts {
    if name.is_some_and(|name| ring.folder().join(format!("{name}.key")).exists()) {
        return Whereabouts::Here;
    }
    let secret = match role {
        Some("release") => SecretName::Release,
        Some("timestamp") => SecretName::Timestamp,
        _ => return Whereabouts::Elsewhere,
    };
    let is_it = ring.is_elsewhere(secret) && ring.signer(secret).is_ok_and(|signer| signer.listed() == key);
    if is_it { Whereabouts::Environment } else { Whereabouts::Elsewhere }
}
