//! `anode medium refresh`: the copy of the site on a stick, for machines that no mirror answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anode_bundle::Moment;
use anode_bundle::name::{SiteId, tree};
use anode_fetch::activate::Shipped;
use anode_fetch::transport::{Https, PlainHttp};
use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use walkdir::WalkDir;

use super::forewarn;
use super::iso::read;
use crate::clock;
use crate::cmd::lock::{Files, Transfer};
use crate::cmd::mirror::pinned_files;
use crate::cmd::{print, reach, say, size};
use crate::diagnose::Faulty;
use crate::medium::site::Site;
use crate::medium::tree::TreeCopy;
use crate::repository;
use crate::stick::cache::Cache;
use crate::stick::disks::Machine;
use crate::tree::audit;

#[derive(Args)]
pub(in crate::cmd) struct Options {
    /// The folder where the partition ANODE-DATA is mounted, or the stick, if it is
    #[arg(value_name = "STICK")]
    stick: PathBuf,
    /// The profiles repository
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    repository: PathBuf,
    /// Take everything along that its profiles boot
    #[arg(long)]
    mirror: bool,
    /// Trust these certificate authorities only (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A certificate, for hosts that ask for one (PEM)
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// Where downloaded files stay [default: $XDG_CACHE_HOME/anode/files or ~/.cache/anode/files]
    #[arg(long, value_name = "DIR")]
    downloads: Option<PathBuf>,
    /// Trust these certificate authorities only, for the places where those come from (PEM)
    #[arg(long, value_name = "FILE")]
    mirror_ca: Option<PathBuf>,
    /// Judge lifetimes at this moment, such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = clock::parse_moment)]
    now: Option<Moment>,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let now = options.now.unwrap_or_else(clock::now);
    let cache = Cache::find(&Machine::this(), &options.stick)?;
    refresh(options, &cache, now).map_err(|error| cache.explain(error))
}

fn refresh(options: &Options, cache: &Cache, now: Moment) -> Result<ExitCode> {
    let mut transport = options.transport()?;
    let site = Site::fetch(&options.repository, &mut transport, now)?;
    let id = SiteId::new(&site.id).map_err(|bad| anyhow!(bad))?;
    cache.check_site(&id)?;
    if cache.unstage()? {
        say("unstaged    an installation lay ready on the stick, and is removed with its answers");
    }
    if let Some(newer) = newer_than(&site, cache, now) {
        say(&format!("kept        the stick has timestamp {newer}, and the site says {}", site.timestamp));
        print(&cache.tree().display().to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let copy = TreeCopy::take(&site, &mut transport, now)?;
    let mut files = files_of(copy.folder())?;
    if options.mirror {
        let (repository, _) = repository::load(&options.repository).map_err(Faulty)?;
        let sources = Files::at(options.downloads.clone(), options.mirror_ca.clone());
        let mirrored = pinned_files(&repository, &sources, |_| false)?;
        forewarn::of_nothing_pinned(mirrored.len())?;
        files.extend(mirrored.into_iter().map(|(sha256, path)| (tree::object(&sha256), path)));
    }
    let progress = Transfer::new();
    let done = cache.refresh(&files, &progress)?;
    drop(progress);
    print(&cache.tree().display().to_string())?;
    say(&format!("site        {}, as of {}; {}", site.id, site.issued, forewarn::how_long(&site.release, now)));
    say(&format!("refreshed   {} files written ({}), {} removed", done.written, size(done.bytes), done.removed));
    Ok(ExitCode::SUCCESS)
}

impl Options {
    fn transport(&self) -> Result<Https> {
        const SMALL: u64 = 1 << 20;
        let read = |file: &Option<PathBuf>| file.as_deref().map(|file| read(file, SMALL)).transpose();
        let authorities: Vec<Vec<u8>> = read(&self.ca)?.iter().map(|bytes| bytes.to_vec()).collect();
        let (certificate, key) = (read(&self.client_cert)?, read(&self.client_key)?);
        let client = certificate.as_deref().zip(key.as_deref());
        let client = client.map(|(certificate, key)| (certificate.as_slice(), key.as_slice()));
        reach::transport(&authorities, client, PlainHttp::OnLoopback)
    }
}

/// The timestamp of a sound tree on the stick that the site's mirrors do not have yet: the highest version wins, never the place.
fn newer_than(site: &Site, mut there: &Cache, now: Moment) -> Option<u64> {
    let Shipped { root, signatures, .. } = site.shipped.clone();
    let begin = Shipped { root, signatures, floor: None };
    let base = there.tree().display().to_string();
    let found = audit(&mut there, &base, &begin, now).ok()?;
    (found.is_sound() && found.timestamp.version > site.timestamp).then_some(found.timestamp.version)
}

/// The files of a folder, by their paths in it.
fn files_of(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in WalkDir::new(folder) {
        let entry = entry.context("reading the copy of the tree")?;
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(folder)?;
            let path = path.to_str().context("a path in the tree is not text")?.to_owned();
            files.insert(path, entry.into_path());
        }
    }
    Ok(files)
}
