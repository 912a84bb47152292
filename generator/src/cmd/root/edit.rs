//! Writing the next root. Each command begins a proposal if there is none, else changes it; a change makes its signatures worthless, so they go,
//! and those of other people only with `--drop-signatures`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anode_bundle::name::Id;
use anode_bundle::signature::ListedKey;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::{Args, ValueEnum};

use super::{ceremony, proposed_changes};
use crate::clock;
use crate::cmd::key::{name_of_file, parse_name, read_public};
use crate::cmd::{Place, print, read_password, say, shown};
use crate::diagnose::{Faulty, nearest};
use crate::expiry::{Expiry, Urgency};
use crate::keys::{self, KeyRing, NewKey, RootChain};
use crate::roots::{self, Draft, RoleName};
use crate::trusted::TrustedSite;

/// What every edit can change besides.
#[derive(Args)]
pub(super) struct Changes {
    /// How many root keys must sign
    #[arg(long, value_name = "K")]
    threshold: Option<u64>,
    /// How long the root holds, from now on [default: `root_days` of anode.toml]
    #[arg(long, value_name = "DAYS")]
    days: Option<u64>,
    /// A mirror of the tree, asked after those on the medium; replaces the list
    #[arg(long, value_name = "URL", conflicts_with = "no_mirrors")]
    mirror: Vec<String>,
    /// Name no mirror
    #[arg(long)]
    no_mirrors: bool,
    /// The site's name for people
    #[arg(long, value_name = "NAME")]
    site_name: Option<String>,
    /// Codes that a person chooses
    #[arg(long, value_name = "ALLOWED")]
    phrases: Option<Allowed>,
    /// Machines that activate themselves by UUID and serial number
    #[arg(long, value_name = "ALLOWED")]
    hardware: Option<Allowed>,
    /// Symbols of a code; new codes have the first number
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',', value_parser = ["16", "20"])]
    code_length: Vec<String>,
    /// The longest time that a medium may do without the network; 0: never
    #[arg(long, value_name = "DAYS")]
    offline_max: Option<u64>,
    /// Throw signatures of other people away: they have to sign again
    #[arg(long)]
    drop_signatures: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Allowed {
    Yes,
    No,
}

#[derive(Args)]
pub(in crate::cmd) struct New {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Args)]
pub(in crate::cmd) struct Change {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Args)]
pub(in crate::cmd) struct AddKey {
    #[command(flatten)]
    place: Place,
    /// What it will sign
    #[arg(long, value_name = "ROLE")]
    role: RoleName,
    /// Its name in the repository, or a file with its public half
    key: String,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Args)]
pub(in crate::cmd) struct RemoveKey {
    #[command(flatten)]
    place: Place,
    /// Its name or its id
    key: String,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Args)]
pub(in crate::cmd) struct Rotate {
    #[command(flatten)]
    place: Place,
    /// Whose key
    role: RoleName,
    /// The old key, by name or id [default: the only one of the role]
    #[arg(long, value_name = "KEY")]
    replace: Option<String>,
    /// The new key: its name in the repository, or a file with its public half [default: one is made]
    #[arg(long, value_name = "KEY")]
    with: Option<String>,
    /// The name of the key that is made [default: the role's with the next free number]
    #[arg(long, value_parser = parse_name, conflicts_with = "with")]
    name: Option<Id>,
    /// Encrypt the key that is made with the password in this file
    #[arg(long, value_name = "FILE", conflicts_with = "with")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Args)]
pub(in crate::cmd) struct Discard {
    #[command(flatten)]
    place: Place,
    /// Throw signatures of other people away
    #[arg(long)]
    drop_signatures: bool,
}

/// What a command does to the draft, besides what [`Changes`] say.
enum Edit {
    Nothing,
    Add(RoleName, ListedKey),
    Remove(ListedKey),
    Replace(RoleName, ListedKey, ListedKey),
}

/// A key that is written once the draft that lists it is right.
enum Arrival {
    /// It is in the repository already.
    None,
    /// Somebody's public half gets a name.
    Public(Id, ListedKey),
    /// It was made here.
    Made(NewKey),
}

pub(super) fn begin(options: &New) -> Result<ExitCode> {
    let site = TrustedSite::open(&options.place.repository)?;
    if let Some(proposal) = &site.chain.proposal {
        bail!(
            "root {} is proposed already; `anode root change`, `add-key`, `remove-key` and `rotate` change it, `anode root discard` throws it away",
            proposal.root.version
        );
    }
    write(&site, &options.place, &options.changes, Edit::Nothing, Arrival::None)
}

pub(super) fn change(options: &Change) -> Result<ExitCode> {
    let site = TrustedSite::open(&options.place.repository)?;
    write(&site, &options.place, &options.changes, Edit::Nothing, Arrival::None)
}

pub(super) fn add_key(options: &AddKey) -> Result<ExitCode> {
    let site = TrustedSite::open(&options.place.repository)?;
    let (key, arrival) = named_or_file(&site, &options.key)?;
    write(&site, &options.place, &options.changes, Edit::Add(options.role, key), arrival)
}

pub(super) fn remove_key(options: &RemoveKey) -> Result<ExitCode> {
    let site = TrustedSite::open(&options.place.repository)?;
    let key = listed(&site, &options.key)?;
    write(&site, &options.place, &options.changes, Edit::Remove(key), Arrival::None)
}

pub(super) fn rotate(options: &Rotate) -> Result<ExitCode> {
    let (repository, role) = (&options.place.repository, options.role);
    let site = TrustedSite::open(repository)?;
    let ring = options.place.ring(site.id())?;
    let next = site.chain.proposal.as_ref().map_or(site.root(), |proposal| &proposal.root);
    let old = match (&options.replace, role.of(next).keys.as_slice()) {
        (Some(text), _) => listed(&site, text)?,
        (None, [only]) => only.clone(),
        (None, keys) => {
            let names: Vec<String> = keys.iter().map(|key| site.keys.describe(key)).collect();
            bail!("the role `{}` has several keys; say with `--replace` which: {}", role.as_str(), names.join(", "))
        }
    };
    if let Some(text) = &options.with {
        let (new, arrival) = named_or_file(&site, text)?;
        return write(&site, &options.place, &options.changes, Edit::Replace(role, old, new), arrival);
    }
    let name = match &options.name {
        Some(name) => name.clone(),
        None => free_name(role, &ring, repository)?,
    };
    keys::check_free(&name, &ring, repository)?;
    let password = options.password_file.as_deref().map(read_password).transpose()?;
    let key = NewKey::make(&name, role.as_str(), site.id(), password.as_deref().map(String::as_str))?;
    let new = key.listed.clone();
    write(&site, &options.place, &options.changes, Edit::Replace(role, old, new), Arrival::Made(key))
}

pub(super) fn discard(options: &Discard) -> Result<ExitCode> {
    let repository = &options.place.repository;
    let site = TrustedSite::open(repository)?;
    let proposal = site.chain.proposal.as_ref().context("no root is proposed, so there is nothing to throw away")?;
    let ring = options.place.ring(site.id())?;
    may_drop(&site, &ring, options.drop_signatures.into())?;
    roots::discard(repository, proposal.root.version)?;
    say(&format!("discarded   root {} with its signatures", proposal.root.version));
    Ok(ExitCode::SUCCESS)
}

/// Makes the draft, and only if all of it is right, writes new keys and the proposal.
fn write(site: &TrustedSite, place: &Place, changes: &Changes, edit: Edit, arrival: Arrival) -> Result<ExitCode> {
    let repository = &place.repository;
    let ring = place.ring(site.id())?;
    let proposal = site.chain.proposal.as_ref();
    let mut draft = Draft::begin(site.root(), proposal.map(|proposal| &proposal.root), &site.chain.earlier, &site.keys);
    match edit {
        Edit::Nothing => (),
        Edit::Add(role, key) => draft.add(role, &key),
        Edit::Remove(key) => draft.remove(&key),
        Edit::Replace(role, old, new) => draft.replace(role, &old, &new),
    }
    changes.apply(&mut draft);
    let days = changes.days.unwrap_or(site.config.lifetimes.root);
    let version = draft.next.version;
    let (body, notes) = draft.finish(clock::now(), days).map_err(Faulty)?;
    may_drop(site, &ring, changes.drop_signatures.into())?;
    let dropped = roots::strays(repository, version)?.len();
    match arrival {
        Arrival::None => (),
        Arrival::Public(name, key) => {
            let path = keys::import(repository, &site.keys, &name, &key, &format!("key {name}"))?;
            say(&format!("public key  `{}`", shown(&path)));
        }
        Arrival::Made(key) => say(&format!("secret      `{}`", shown(&key.keep(&ring, repository)?))),
    }
    let path = roots::replace(repository, version, &body)?;
    if dropped > 0 {
        say(&format!(
            "note: root {version} was changed, so {dropped} signatures of it are gone; everybody signs again"
        ));
    }
    notes.iter().for_each(|note| say(&format!("note: {note}")));
    tell(repository, version)?;
    print(&shown(&path))?;
    Ok(ExitCode::SUCCESS)
}

/// Reads back what was written, and says what it changes and how it is signed.
fn tell(repository: &Path, version: u64) -> Result<()> {
    let site = TrustedSite::open(repository)?;
    let proposal =
        site.chain.proposal.as_ref().with_context(|| format!("root {version} was written and is not there"))?;
    let newest = Expiry::of(site.root(), clock::now());
    if newest.urgency == Urgency::Over {
        say(&format!("note: root {} expired on {}; machines wait for this one", newest.version, newest.expires));
    }
    say(&format!("proposed    root {version}, against root {}:", site.root().version));
    proposed_changes(&site, proposal).iter().for_each(|line| say(&format!("  {line}")));
    say(&proposal.waits_for(&site.keys));
    say("next        commit `keys/`, and have it signed: `anode root sign`, or in `keys/root/` one of");
    ceremony(proposal, &site.keys).iter().for_each(|line| say(&format!("  {line}")));
    Ok(())
}

impl Changes {
    fn apply(&self, draft: &mut Draft<'_>) {
        let next = &mut draft.next;
        if let Some(threshold) = self.threshold {
            next.roles.root.threshold = threshold;
        }
        if self.no_mirrors || !self.mirror.is_empty() {
            next.policy.mirrors.clone_from(&self.mirror);
        }
        if let Some(name) = &self.site_name {
            next.name.clone_from(name);
        }
        if let Some(allowed) = self.phrases {
            next.policy.phrases = allowed == Allowed::Yes;
        }
        if let Some(allowed) = self.hardware {
            next.policy.hardware = allowed == Allowed::Yes;
        }
        if !self.code_length.is_empty() {
            next.policy.code_length = self.code_length.iter().filter_map(|length| length.parse().ok()).collect();
        }
        if let Some(days) = self.offline_max {
            next.policy.offline_max = days;
        }
    }
}

/// Signatures whose key is not in this key folder are other people's work.
enum Loss {
    OwnOnly,
    Everybodys,
}

impl From<bool> for Loss {
    fn from(given: bool) -> Loss {
        if given { Loss::Everybodys } else { Loss::OwnOnly }
    }
}

fn may_drop(site: &TrustedSite, ring: &KeyRing, loss: Loss) -> Result<()> {
    let Some(proposal) = &site.chain.proposal else { return Ok(()) };
    let signers = proposal.signers();
    let signed = signers.iter().filter(|key| proposal.signed.contains(&key.id));
    let is_here =
        |key: &ListedKey| site.keys.name_of(key).is_some_and(|name| ring.folder().join(format!("{name}.key")).exists());
    let others: Vec<String> = signed.filter(|key| !is_here(key)).map(|key| site.keys.describe(key)).collect();
    ensure!(
        others.is_empty() || matches!(loss, Loss::Everybodys),
        "root {} is signed by {}, whose signatures would be lost; give `--drop-signatures` if they will sign again",
        proposal.root.version,
        others.join(", ")
    );
    Ok(())
}

/// A key of the newest or the proposed root, or any public key of the repository, by name or id.
fn listed(site: &TrustedSite, text: &str) -> Result<ListedKey> {
    if let Some(key) = site.keys.named(text) {
        return Ok(key.listed.clone());
    }
    let RootChain { proposal, .. } = &site.chain;
    let roots = [Some(site.root()), proposal.as_ref().map(|proposal| &proposal.root)];
    let keys = roots.into_iter().flatten().flat_map(|root| root.roles.named()).flat_map(|(_, role)| &role.keys);
    if let Some(key) = keys.into_iter().find(|key| key.id.to_string() == text.to_uppercase()) {
        return Ok(key.clone());
    }
    let known = site.keys.all().iter().map(|key| key.name.as_str());
    match nearest(text, known) {
        Some(name) => bail!("there is no key `{text}`; did you mean `{name}`?"),
        None => bail!("there is no key `{text}`; `anode key list` shows the names and ids that there are"),
    }
}

/// A key by name, or a file that gets a name in the repository.
fn named_or_file(site: &TrustedSite, text: &str) -> Result<(ListedKey, Arrival)> {
    if let Some(key) = site.keys.named(text) {
        return Ok((key.listed.clone(), Arrival::None));
    }
    let file = Path::new(text);
    if !file.is_file() {
        let key = listed(site, text).map_err(|error| anyhow!("{error:#}; and no file has that name"))?;
        return Ok((key, Arrival::None));
    }
    let key = read_public(file)?;
    if site.keys.name_of(&key).is_some() {
        return Ok((key, Arrival::None));
    }
    let arrival = Arrival::Public(name_of_file(file)?, key.clone());
    Ok((key, arrival))
}

/// `release-2`, or the next number that no key has.
fn free_name(role: RoleName, ring: &KeyRing, repository: &Path) -> Result<Id> {
    for number in 2..1000 {
        let name = Id::new(&format!("{}-{number}", role.as_str()))?;
        if keys::check_free(&name, ring, repository).is_ok() {
            return Ok(name);
        }
    }
    bail!("there are a thousand {} keys; give one a name with `--name`", role.as_str())
}
