//! `anode init`: a repository that builds at once, and its keys outside of it. Nothing is ever overwritten.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anode_bundle::name::SiteId;
use anyhow::{Result, ensure};
use clap::Args;

use super::{print, read_password, say, shown};
use crate::clock;
use crate::documents::CodePolicy;
use crate::founding::{Founding, Wishes, found};
use crate::keys::KeyRing;
use crate::repository::is_site_url;

#[derive(Args)]
pub(super) struct Options {
    /// The new repository
    dir: PathBuf,
    /// The site's title, for people
    #[arg(long, default_value = "Example")]
    title: String,
    /// Where the tree will be served; several are mirrors
    #[arg(long, value_name = "URL")]
    url: Vec<String>,
    /// Where the secrets go [default: $ANODE_KEYS or ~/.config/anode/<site id>]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Encrypt the signing keys with the password in this file; the stock minisign asks for it too
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Allow codes that a person chooses (at least 24 symbols)
    #[arg(long)]
    phrases: bool,
    /// Allow machines to activate themselves by UUID and serial number
    #[arg(long)]
    hardware: bool,
    /// Symbols of a code, 20 for more than 100,000 codes
    #[arg(long, value_name = "SYMBOLS", default_value = "16", value_parser = ["16", "20"])]
    code_length: String,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let dir = &options.dir;
    let is_free = !dir.exists()
        || dir.is_dir() && fs::read_dir(dir)?.all(|entry| entry.is_ok_and(|entry| entry.file_name() == ".git"));
    ensure!(is_free, "`{}` is there already and not empty; nothing was overwritten", dir.display());
    for url in &options.url {
        ensure!(
            is_site_url(url),
            "`{url}` can not be the address of a site: it must begin with `https://` (`http://` is for loopback only) and have no `?` or `#`"
        );
    }
    let password = options.password_file.as_deref().map(read_password).transpose()?;
    let site = SiteId::from_bytes(*crate::keys::random()?);
    let ring = KeyRing::open(options.keys.as_deref(), &site)?;
    let wishes = Wishes {
        title: &options.title,
        urls: &options.url,
        password: password.as_deref().map(String::as_str),
        codes: CodePolicy {
            length: if options.code_length == "20" { 20 } else { 16 },
            phrases: options.phrases,
            hardware: options.hardware,
        },
    };
    let Founding { root_hash, first_profile, organisation } = found(dir, &site, &ring, &wishes, clock::now())?;
    say(&format!("repository  `{}`", shown(dir)));
    say(&format!("keys        `{}`", shown(ring.folder())));
    say(&format!("root        SHA-256 {root_hash}"));
    say("");
    say("Next:");
    say(&format!("  move root-1.key and root-2.key from `{}` to two offline media", shown(ring.folder())));
    say("  let 2 of 3 people sign roots, so that no single stick decides: `anode key new NAME --role root`,");
    say("    `anode root add-key --role root NAME --threshold 2`, `anode root sign`; see `anode root --help`");
    say("  git init, commit (secrets lie elsewhere), and then");
    say("  anode check");
    say(&format!("  anode code new --org {organisation} --profile {first_profile}"));
    say(&format!("  anode lock {first_profile}, which pins what it boots: a medium starts nothing else"));
    say("  anode build && anode publish --to DIR");
    if options.url.is_empty() {
        say("  and name the site's address: `urls` in `anode.toml`");
    }
    print(&shown(dir))?;
    Ok(ExitCode::SUCCESS)
}
