//! `anode root sign`: what the proposed root changes, then one signature file for each key. It is what the stock `minisign -S` would write.
//!
//! Root keys come from files: the key folder, or what `--key` names. No variable and no argument holds one.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anode_bundle::document::{Document as _, Root};
use anode_bundle::exit::ExitCode as Exit;
use anode_bundle::signature::ListedKey;
use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use super::proposed_changes;
use crate::clock;
use crate::cmd::{Place, print, say, shown};
use crate::keys::{KeyRing, Proposal, Signer, key_line};
use crate::roots::put_signature;
use crate::trusted::TrustedSite;

#[derive(Args)]
pub(in crate::cmd) struct Options {
    #[command(flatten)]
    place: Place,
    /// A key of the key folder by name, or a key file [default: every root key of the key folder]
    #[arg(long, value_name = "NAME|FILE")]
    key: Vec<String>,
}

const DAY: u64 = 86_400;

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let repository = &options.place.repository;
    let site = TrustedSite::open(repository)?;
    let Some(proposal) = &site.chain.proposal else {
        bail!(
            "root {} is complete and no other is proposed, so there is nothing to sign; `anode root new` begins the next one",
            site.root().version
        );
    };
    check_dates(proposal)?;
    let ring = options.place.ring(site.id())?;
    let files = match options.key.as_slice() {
        [] => keys_of_folder(&site, proposal, &ring)?,
        named => named.iter().map(|text| key_file(&ring, text)).collect::<Result<_>>()?,
    };
    show(&site, proposal);
    // The question comes before a password is asked for: whoever declines does not open a key.
    let named: Vec<String> = files.iter().map(|file| format!("`{}`", file.display())).collect();
    if !agrees(&format!("Sign root {} with {}?", proposal.root.version, named.join(", ")))? {
        say("nothing was signed");
        return Ok(ExitCode::from(Exit::Declined.number()));
    }
    let signers = files.iter().map(|file| eligible(&site, proposal, &ring, file)).collect::<Result<Vec<_>>>()?;
    for signer in signers {
        let key = signer.listed();
        let signature = signer.sign(Root::KIND, proposal.root.version, &proposal.root.site, &proposal.body)?;
        let path = put_signature(repository, proposal.root.version, key.id, &signature)?;
        say(&format!("signed      root {} with {}", proposal.root.version, site.keys.describe(key)));
        print(&shown(&path))?;
    }
    let after = TrustedSite::open(repository)?;
    match &after.chain.proposal {
        Some(proposal) => say(&format!("{}; commit `keys/` and pass it on", proposal.waits_for(&after.keys))),
        None => say(&format!(
            "root {} is complete; commit `keys/`, then `anode build` and `anode publish`",
            after.root().version
        )),
    }
    Ok(ExitCode::SUCCESS)
}

/// Every clock follows what is signed, and a root that is over helps nobody.
fn check_dates(proposal: &Proposal) -> Result<()> {
    let (now, root) = (clock::now(), &proposal.root);
    ensure!(
        root.issued <= now.plus(DAY),
        "root {} says that it was issued on {}, and it is {now} here: the clock of every medium would follow; set the clock that is wrong",
        root.version,
        root.issued
    );
    ensure!(
        root.expires > now,
        "root {} would have expired on {}; give it new dates with `anode root change --days DAYS`",
        root.version,
        root.expires
    );
    Ok(())
}

/// What is about to be signed, for somebody who did not write it.
fn show(site: &TrustedSite, proposal: &Proposal) {
    let root = &proposal.root;
    let name = anode_bundle::display::line(&root.name, 80);
    say(&format!("root {} of the site `{name}` ({}), against root {}:", root.version, root.site, site.root().version));
    proposed_changes(site, proposal).iter().for_each(|line| say(&format!("  {line}")));
    say(&format!("SHA-256 of what is signed: {}", anode_bundle::name::Sha256::of(&proposal.body)));
}

/// Asks on a terminal. Without one nobody is there to ask, and the command itself is the answer.
fn agrees(question: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(true);
    }
    let mut screen = io::stderr();
    write!(screen, "{question} [y/N] ").and_then(|()| screen.flush()).context("asking")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("reading the answer")?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// The files of the keys that can still sign and lie in the key folder.
fn keys_of_folder(site: &TrustedSite, proposal: &Proposal, ring: &KeyRing) -> Result<Vec<PathBuf>> {
    let open = proposal.signers().into_iter().filter(|key| !proposal.signed.contains(&key.id));
    let names = open.filter_map(|key| site.keys.name_of(&key).map(|name| PathBuf::from(format!("{name}.key"))));
    let files: Vec<PathBuf> = names.filter(|file| ring.folder().join(file).exists()).collect();
    ensure!(
        !files.is_empty(),
        "no key in `{}` can add a signature: {}; name a key with `--key FILE`, or the folder with `--keys DIR`",
        ring.folder().display(),
        proposal.waits_for(&site.keys)
    );
    Ok(files)
}

fn key_file(ring: &KeyRing, text: &str) -> Result<PathBuf> {
    let named = PathBuf::from(format!("{text}.key"));
    if !text.contains('/') && ring.folder().join(&named).exists() {
        return Ok(named);
    }
    let path = Path::new(text);
    ensure!(path.exists(), "there is no key `{text}` in `{}`, and no such file", ring.folder().display());
    Ok(std::path::absolute(path)?)
}

/// Opens a key, and refuses one whose signature would count for nothing.
fn eligible(site: &TrustedSite, proposal: &Proposal, ring: &KeyRing, file: &Path) -> Result<Signer> {
    let signer = ring.signer_in(file)?;
    let key: &ListedKey = signer.listed();
    ensure!(
        proposal.signers().contains(key),
        "the key {} in `{}` ({}) is a root key neither of root {} nor of root {}: its signature would count for nothing",
        site.keys.describe(key),
        file.display(),
        key_line(key),
        site.root().version,
        proposal.root.version
    );
    ensure!(
        !proposal.signed.contains(&key.id),
        "{} has signed root {} already",
        site.keys.describe(key),
        proposal.root.version
    );
    Ok(signer)
}
