//! `anode release`: strict mode. A maintainer rebuilds what CI proposes, compares every byte and signs; CI finishes with the timestamp key.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anode_bundle::document::Release;
use anode_bundle::signature::SignatureFile;
use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Subcommand};

use super::build::{Prepared, previous_tree};
use super::reach::{self, DEFAULT_PROPOSAL, DEFAULT_TREE, is_address};
use super::{Place, colour, print, say, shown};
use crate::build::{Draft, Previous, draft};
use crate::keys::SecretName;
use crate::plan::Memo;
use crate::secrets::Purpose;
use crate::strict::{self, Names, Proposal, Proposed, Side};
use crate::trusted::TrustedSite;
use crate::{clock, documents, trusted};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Rebuild a proposal, compare every byte and say what it changes; sign nothing
    Check(Review),
    /// The same, and sign the release
    Sign(Sign),
    /// Make a tree of a signed proposal; needs the timestamp key
    Finish(Finish),
}

#[derive(Args)]
pub(super) struct Review {
    #[command(flatten)]
    place: Place,
    /// What `anode build --propose` made: a folder or an address
    #[arg(long, value_name = "DIR|URL")]
    proposal: String,
    /// What is published [default: the site's first address]
    #[arg(long, value_name = "DIR|URL")]
    previous: Option<String>,
    /// Trust these certificate authorities only (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Sign {
    #[command(flatten)]
    review: Review,
    /// Where the signature goes [default: into the folder of the proposal, else release.json.minisig]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Finish {
    #[command(flatten)]
    place: Place,
    /// The proposal [default: .anode/proposal in the repository]
    #[arg(long, value_name = "DIR")]
    proposal: Option<PathBuf>,
    /// The signature of its release [default: release.json.minisig in the proposal]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// What is published
    #[arg(long, value_name = "DIR|URL")]
    previous: Option<String>,
    /// Trust these certificate authorities only, for the address of `--previous` (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where the tree goes [default: .anode/tree in the repository]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Check(options) => {
            let reviewed = review(options)?;
            say(&format!("to sign     {}", strict::ceremony(&reviewed.draft.release)));
            print("every byte is what the commit gives")?;
        }
        Command::Sign(options) => sign(options)?,
        Command::Finish(options) => finish(options)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A proposal that is byte for byte what its commit gives.
struct Reviewed {
    site: TrustedSite,
    draft: Draft,
}

fn review(options: &Review) -> Result<Reviewed> {
    let folder = &options.place.repository;
    let now = clock::now();
    let (mut transport, base) = reach::open(&options.proposal, options.ca.as_deref())?;
    let Proposed { proposal, body, .. } = Proposed::read(transport.as_mut(), &base, now)?;
    let commit = strict::head(folder)?;
    ensure!(
        commit == proposal.commit,
        "the proposal is of commit {}, and `{}` is at {commit}; run `git checkout {}`, and look at what it changes",
        proposal.commit,
        folder.display(),
        proposal.commit
    );
    let (mut prepared, ring) = Prepared::load(folder, now, |site| options.place.ring(site), Purpose::Review)?;
    proposal.check(prepared.site.id(), now)?;
    let address = previous_address(options, &prepared, &proposal)?;
    let published = match &address {
        Some(address) => previous_tree(address, options.ca.as_deref(), &mut prepared.site)?,
        None => None,
    };
    proposal.check_previous(published.as_ref())?;
    let trees: Vec<Previous> = published.into_iter().collect();

    if !prepared.warnings.is_empty() {
        say(prepared.warnings.render(colour()).trim_end());
    }
    let seal = trusted::seal_root(folder, &ring)?;
    say(&format!("rebuilding  commit {commit} as of {}", proposal.at));
    let draft = draft(&prepared.source(proposal.at), &seal, &Memo::empty(&seal), &trees)?;
    let names = Names::of(&prepared.repository, &seal, &trusted::probe_terms(folder)?);
    let mut side = Side { transport: transport.as_mut(), base: &base, now };
    let differences = strict::differences(&draft, &body, &mut side, &names)?;
    for difference in &differences {
        say(&format!("error: {difference}"));
    }
    ensure!(
        differences.is_empty(),
        "the proposal is not what the commit gives: do not sign it. Either CI was tampered with, or it ran another version of anode or has another seal secret, or another value of a secret of `anode.toml`"
    );
    let objects = draft.plan.objects.len() + draft.plan.public_files.len();
    say(&format!("compared    {objects} objects and files and the release: every byte is equal"));
    tell_changes(options, &draft, trees.first(), address.as_deref(), &names)?;
    Ok(Reviewed { site: prepared.site, draft })
}

fn previous_address(options: &Review, prepared: &Prepared, proposal: &Proposal) -> Result<Option<String>> {
    let address = options.previous.clone().or_else(|| prepared.repository.site.urls.first().cloned());
    match (address, proposal.previous) {
        (None, Some(release)) => {
            bail!(
                "the proposal follows release {}: say with `--previous DIR|URL` where that is published",
                release.version
            )
        }
        (address, _) => Ok(address),
    }
}

fn tell_changes(
    options: &Review,
    draft: &Draft,
    published: Option<&Previous>,
    address: Option<&str>,
    names: &Names,
) -> Result<()> {
    let release = &draft.release;
    let old = published.and_then(Previous::release);
    let before = published.map_or("the first".to_owned(), |tree| format!("after release {}", tree.reference().version));
    say(&format!("release     {} ({before}), from {} until {}", release.version, release.issued, release.expires));
    say(&format!("            without a network until {}; under root {}", release.offline_until, release.root));
    let changes = match old.zip(address) {
        Some((old, address)) => {
            let (mut transport, base) = reach::open(address, options.ca.as_deref())?;
            let side = Side { transport: transport.as_mut(), base: &base, now: clock::now() };
            strict::changes(draft, Some((old, side)), names)?
        }
        None => strict::changes(draft, None, names)?,
    };
    let [packs, activations] = changes;
    say(&format!("packs       {packs}"));
    say(&format!("activations {activations}"));
    if let Some(old) = old {
        if old.public != release.public {
            say("public      the list of public profiles changes");
        }
        if old.inbox_url != release.inbox_url {
            let shown = |url: &Option<String>| url.clone().unwrap_or_else(|| "nowhere".to_owned());
            say(&format!(
                "inbox       reports go to {} and no longer to {}",
                shown(&release.inbox_url),
                shown(&old.inbox_url)
            ));
        }
    }
    Ok(())
}

fn sign(options: &Sign) -> Result<()> {
    let Reviewed { site, draft } = review(&options.review)?;
    let Draft { release, body, kept, .. } = draft;
    if kept.is_some() {
        say("the published release says the same and is kept; there is nothing to sign");
        return Ok(());
    }
    let ring = options.review.place.ring(site.id())?;
    let signer = site.signer(&ring, SecretName::Release)?;
    if !is_confirmed(&release)? {
        bail!("nothing was signed");
    }
    let signed = documents::sign_release(body, release.version, site.root(), &signer)?;
    let out = match &options.out {
        Some(out) => out.clone(),
        None if is_address(&options.review.proposal) => PathBuf::from(strict::SIGNATURE),
        None => Path::new(&options.review.proposal).join(strict::SIGNATURE),
    };
    strict::write_signature(&out, &signed.signature)?;
    say(&format!("signed      release {} with the key {}", release.version, signer.listed().id));
    say("next        hand the signature to CI: anode release finish, then anode publish");
    print(&shown(&out))
}

/// On a terminal a person says yes; a script has said so by calling.
fn is_confirmed(release: &Release) -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(true);
    }
    say(&format!("sign release {}? [y/N]", release.version));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("reading the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn finish(options: &Finish) -> Result<()> {
    let folder = &options.place.repository;
    let mut site = TrustedSite::open(folder)?;
    let ring = options.place.ring(site.id())?;
    let proposal = options.proposal.clone().unwrap_or_else(|| folder.join(DEFAULT_PROPOSAL));
    let out = options.out.clone().unwrap_or_else(|| folder.join(DEFAULT_TREE));
    let signature = match &options.signature {
        Some(file) => Some(std::fs::read(file).with_context(|| format!("reading `{}`", file.display()))?),
        None => None,
    };
    if let Some(problem) = signature.as_deref().and_then(|file| SignatureFile::parse(file).err()) {
        bail!("the signature file {problem}");
    }
    let previous = match &options.previous {
        Some(previous) => previous_tree(previous, options.ca.as_deref(), &mut site)?,
        None => None,
    };
    let key = site.signer(&ring, SecretName::Timestamp)?;
    let finished = strict::finish(&mut site, &key, &proposal, signature, previous, &out, clock::now())?;
    say(&format!("finished    release {}, timestamp {}", finished.release, finished.timestamp));
    print(&shown(&out))
}
