//! `anode medium lock`: pins the packages that a medium is made of, in `medium.lock`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::clock;
use crate::cmd::lock::{Files, Transfer, alone, replace};
use crate::cmd::{print, say, size};
use crate::lock::{Keyring, VENDORS};
use crate::medium::Architecture;
use crate::medium::lists::{Archive, Desk, Offer};
use crate::medium::lock::{MediumLock, Package, Suite};
use crate::medium::packages::{Purpose, choose};

const KEYRING: &str = "debian-archive-keyring";

#[derive(Args)]
pub(in crate::cmd) struct Options {
    /// The profiles repository
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    repository: PathBuf,
    /// The distribution's release
    #[arg(long, value_name = "NAME", default_value = "bookworm")]
    suite: String,
    /// What the medium is made for; the packages of other architectures stay as they are
    #[arg(long, value_enum, default_value = "amd64")]
    arch: Architecture,
    /// The distribution's mirror
    #[arg(long, value_name = "URL", default_value = "https://deb.debian.org/debian")]
    packages_from: String,
    /// The mirror of its security updates
    #[arg(long, value_name = "URL", default_value = "https://deb.debian.org/debian-security")]
    security_from: String,
    #[command(flatten)]
    source: Files,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let _alone = alone(&options.repository, MediumLock::PATH, "anode medium lock")?;
    let (client, cache, progress) = (options.source.client()?, options.source.cache()?, Transfer::new());
    let keyring = Keyring::find(&options.repository, KEYRING)?.with_context(|| {
        format!("the keyring `{KEYRING}` is not on this machine: install `{KEYRING}`, or put it at `{VENDORS}/{KEYRING}.gpg`")
    })?;
    let mut lock = MediumLock::read(&options.repository)?.unwrap_or_default();
    let desk = Desk { client: &client, cache: &cache, keyring: &keyring, progress: &progress, now: clock::now() };
    let mut offer = Offer::default();
    let archives = [
        (&options.packages_from, options.suite.clone()),
        (&options.security_from, format!("{}-security", options.suite)),
    ];
    for (url, suite) in archives {
        let archive = Archive { url: url.trim_end_matches('/').to_owned(), suite };
        offer.add(&desk, &archive, options.arch).context("pinning packages")?;
    }
    let chosen = choose(&offer, options.arch).context("pinning packages")?;
    let old: Vec<Package> = lock.packages(options.arch).cloned().collect();
    for package in &chosen {
        let before = old.iter().find(|old| old.name == package.name);
        let Package { name, version, length, .. } = package;
        match before {
            Some(before) if before.version == *version => {}
            Some(before) => print(&format!("~ {name} {} → {version}, {}", before.version, size(*length)))?,
            None => print(&format!("+ {name} {version}, {}", size(*length)))?,
        }
    }
    for gone in old.iter().filter(|old| !chosen.iter().any(|package| package.name == old.name)) {
        print(&format!("- {} {}", gone.name, gone.version))?;
    }
    let total =
        |purpose| chosen.iter().filter(|package| package.purpose == purpose).map(|package| package.length).sum();
    let (base, firmware) = (size(total(Purpose::Base)), size(total(Purpose::Firmware)));
    let (count, before) = (chosen.len(), lock.clone());
    let suite = Suite { architecture: options.arch, suite: options.suite.clone(), signed: offer.signers.clone() };
    let older = lock.older(&suite, &chosen);
    if !older.is_empty() {
        let each = older.iter().map(|(old, new)| format!("`{}` {} → {}", new.name, old.version, new.version));
        bail!(
            "the archive offers older versions than were pinned, and nothing was pinned: {}; a mirror that is behind, or somebody \
             who brings back what had known holes: use another mirror, or, to take them, remove `{}`",
            each.collect::<Vec<_>>().join(", "),
            MediumLock::PATH
        );
    }
    lock.renew(suite, chosen);
    if lock != before {
        replace(&options.repository.join(MediumLock::PATH), &lock.to_toml())?;
    }
    say(&format!("pinned      {count} packages for {}: {base}, and {firmware} for `--firmware`", options.arch.name()));
    Ok(ExitCode::SUCCESS)
}
