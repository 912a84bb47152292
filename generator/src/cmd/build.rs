//! `anode build`: load → render → validate → plan → sign → write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anode_bundle::Moment;
use anode_bundle::name::{Sha256, SiteId};
use anyhow::{Context as _, Result, ensure};
use clap::Args;

use super::lock::Files;
use super::mirror::{Mirroring, gather};
use super::progress::Bars;
use super::reach::{DEFAULT_PROPOSAL, DEFAULT_TREE, https, is_address, open, tree_folder};
use super::{Place, colour, print, say, shown};
use crate::build::{Built, Order, Previous, Source, build};
use crate::clock;
use crate::diagnose::{Faulty, Problems};
use crate::keys::KeyRing;
use crate::plan::{Packs, needed_secrets, render_packs};
use crate::repository::Repository;
use crate::secrets::{self, Purpose};
use crate::tree::{BOOT, BootFiles};
use crate::trusted::TrustedSite;
use crate::validate::Subject;
use crate::{repository, strict, trusted, validate};

#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// Where the tree goes [default: .anode/tree in the repository]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A tree that the new one must be newer than, where the output folder does not have it
    #[arg(long, value_name = "DIR|URL")]
    previous: Option<String>,
    /// Strict mode: make a proposal that a maintainer signs with `anode release sign`; needs the seal secret and no key [default of --out: .anode/proposal]
    #[arg(long)]
    propose: bool,
    /// Trust these certificate authorities only, for the address of `--previous` (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Put everything that is pinned in `anode.lock` into the tree, and have media ask there first; `mirror = true` in `[site]` does so always
    #[arg(long)]
    mirror: bool,
    /// A folder with the medium and its netboot files, published as `boot/` with signed hashes; without it, those of the tree at `--out` stay, else those of `--previous`
    #[arg(long, value_name = "DIR", conflicts_with = "propose")]
    boot: Option<PathBuf>,
    #[command(flatten)]
    files: Files,
    /// The build's time, such as 2026-11-21T09:00:00Z [default: SOURCE_DATE_EPOCH, else now]
    #[arg(long, value_name = "TIME", value_parser = clock::parse_moment)]
    at: Option<Moment>,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    if options.propose {
        return propose(options);
    }
    let begun = Instant::now();
    let folder = &options.place.repository;
    let at = clock::build_time(options.at)?;
    let out = options.out.clone().unwrap_or_else(|| folder.join(DEFAULT_TREE));
    let mirror = if options.mirror { Mirroring::Always } else { Mirroring::AsTheSiteSays };
    let (built, warnings) = compile(
        folder,
        |site| options.place.ring(site),
        &out,
        &Conditions { at, mirror, files: &options.files },
        |site| options.earlier(site, &out, at),
    )?;
    if !warnings.is_empty() {
        say(warnings.render(colour()).trim_end());
    }
    let what = if built.kept { "unchanged, kept" } else { "signed" };
    say(&format!("release     {} ({what}), timestamp {}", built.release, built.timestamp));
    say(&format!(
        "objects     {} activations, {} packs, {} new objects",
        built.activations, built.packs, built.new_objects
    ));
    say(&format!("built       in {:.1} s", begun.elapsed().as_secs_f64()));
    print(&shown(&out))?;
    Ok(ExitCode::SUCCESS)
}

impl Options {
    /// What is published already, and the boot files for the new tree, where they are not those of the tree at `out`.
    fn earlier(&self, site: &mut TrustedSite, out: &Path, at: Moment) -> Result<(Option<Previous>, Option<BootFiles>)> {
        let ca = self.ca.as_deref();
        let previous =
            self.previous.as_deref().map(|previous| previous_tree(previous, ca, site)).transpose()?.flatten();
        let boot = match (&self.boot, &self.previous) {
            (Some(folder), _) => Some(BootFiles::read(folder)?),
            (None, Some(address)) if previous.is_some() && !out.join(BOOT).is_dir() => {
                Some(published_boot_files(address, ca, site, at)?)
            }
            _ => None,
        };
        Ok((previous, boot))
    }
}

fn published_boot_files(tree: &str, ca: Option<&Path>, site: &TrustedSite, at: Moment) -> Result<BootFiles> {
    let keys = &site.root().roles.release.keys;
    let (mut transport, base) = open(tree, ca)?;
    let folder = (!is_address(tree)).then(|| tree_folder(Path::new(tree)));
    BootFiles::published(transport.as_mut(), &base, folder.as_deref(), keys, at)
}

/// A repository that was loaded, rendered and found in order.
pub(super) struct Prepared {
    folder: PathBuf,
    pub repository: Repository,
    pub site: TrustedSite,
    packs: Packs,
    mirrored: BTreeMap<Sha256, PathBuf>,
    progress: Bars,
    /// What somebody should look at, and what does not stop a build.
    pub warnings: Problems,
}

impl Prepared {
    /// Loads and renders a repository; lifetimes are judged at `at`. The secrets that packs need come from the ring or from where they are defined.
    pub fn load(
        folder: &Path,
        at: Moment,
        ring: impl FnOnce(&SiteId) -> Result<KeyRing>,
        purpose: Purpose,
    ) -> Result<(Prepared, KeyRing)> {
        Prepared::load_with(folder, at, Mirroring::AsTheSiteSays, ring, purpose)
    }

    fn load_with(
        folder: &Path,
        at: Moment,
        mirror: Mirroring,
        ring: impl FnOnce(&SiteId) -> Result<KeyRing>,
        purpose: Purpose,
    ) -> Result<(Prepared, KeyRing)> {
        let (mut repository, mut warnings) = repository::load(folder).map_err(Faulty)?;
        if mirror == Mirroring::Always {
            let urls = &repository.site.urls;
            ensure!(
                !urls.is_empty(),
                "`--mirror` needs an address of the site: add `urls` to `[site]` in `anode.toml`"
            );
            repository.lock.mirror_at(urls);
        }
        let site = TrustedSite::with_config(folder, repository.site.clone())?;
        let ring = ring(site.id())?;
        let progress = Bars::new();
        warnings.append(trusted::check_policy(&site, folder, &repository, at));
        let mut packs = render(&repository, &progress, &mut warnings);
        let needed = needed_secrets(&repository);
        if !needed.is_empty() {
            // With samples first: what is wrong with the repository can be shown as it is then.
            match secrets::resolve(&repository, needed, &ring, purpose) {
                Ok((values, found)) => {
                    warnings.append(found);
                    repository.secrets = values;
                }
                Err(found) => warnings.append(found),
            }
            if !warnings.has_errors() {
                let mut found = Problems::new();
                packs = render(&repository, &progress, &mut found);
                // What is only a warning was said of the samples already.
                if found.has_errors() {
                    warnings.append(repository.secrets.redact(found));
                }
            }
        }
        match packs.filter(|_| !warnings.has_errors()) {
            Some(packs) => {
                let (folder, mirrored) = (folder.to_owned(), BTreeMap::new());
                Ok((Prepared { folder, repository, site, packs, mirrored, progress, warnings }, ring))
            }
            None => Err(Faulty(warnings).into()),
        }
    }

    pub fn source(&mut self, at: Moment) -> Source<'_> {
        let Prepared { folder, repository, site, packs, mirrored, progress, .. } = self;
        Source { folder, repository, site, packs, at, mirrored, progress }
    }
}

/// Everything rendered and looked through; `None` where something can not be rendered.
fn render(repository: &Repository, progress: &Bars, problems: &mut Problems) -> Option<Packs> {
    match render_packs(repository, progress) {
        Ok((packs, found)) => {
            problems.append(found);
            problems.append(validate::check_rendered(repository, packs.rendered.values().map(Subject::pack)));
            Some(packs)
        }
        Err(found) => {
            problems.append(found);
            None
        }
    }
}

/// When and how a repository is built.
pub(super) struct Conditions<'a> {
    at: Moment,
    mirror: Mirroring,
    files: &'a Files,
}

impl Conditions<'static> {
    /// As the site says, with the usual cache.
    pub fn at(at: Moment) -> Conditions<'static> {
        static USUAL: Files = Files::usual();
        Conditions { at, mirror: Mirroring::AsTheSiteSays, files: &USUAL }
    }
}

/// Builds a repository. What somebody should look at, and what does not stop the build, is handed back.
pub(super) fn compile(
    folder: &Path,
    ring: impl FnOnce(&SiteId) -> Result<KeyRing>,
    out: &Path,
    conditions: &Conditions<'_>,
    earlier: impl FnOnce(&mut TrustedSite) -> Result<(Option<Previous>, Option<BootFiles>)>,
) -> Result<(Built, Problems)> {
    let Conditions { at, mirror, files } = *conditions;
    let (mut prepared, ring) = Prepared::load_with(folder, at, mirror, ring, Purpose::Build)?;
    let (previous, boot) = earlier(&mut prepared.site)?;
    let previous = previous.into_iter().collect();
    prepared.mirrored = gather(&prepared.repository, out, files)?;
    let built = build(Order { source: prepared.source(at), ring: &ring, out, previous, boot })?;
    Ok((built, prepared.warnings))
}

/// `anode build --propose`: everything but what has to be signed.
fn propose(options: &Options) -> Result<ExitCode> {
    let folder = &options.place.repository;
    ensure!(
        !options.mirror,
        "a maintainer rebuilds a proposal from the repository alone: set `mirror = true` in `[site]` of `anode.toml`, and leave out `--mirror`"
    );
    let commit = strict::head(folder)?;
    let at = clock::build_time(options.at)?;
    let (mut prepared, ring) = Prepared::load(folder, at, |site| options.place.ring(site), Purpose::Build)?;
    let out = options.out.clone().unwrap_or_else(|| folder.join(DEFAULT_PROPOSAL));
    let previous = match &options.previous {
        Some(previous) => previous_tree(previous, options.ca.as_deref(), &mut prepared.site)?,
        None => None,
    };
    prepared.mirrored = gather(&prepared.repository, &out, &options.files)?;
    let previous = previous.into_iter().collect();
    let order = Order { source: prepared.source(at), ring: &ring, out: &out, previous, boot: None };
    let (proposal, draft) = strict::propose(order, commit)?;
    if !prepared.warnings.is_empty() {
        say(prepared.warnings.render(colour()).trim_end());
    }
    say(&format!("proposed    release {} of commit {}", proposal.release.version, proposal.commit));
    say(&format!("objects     {} activations, {} packs", draft.plan.activations, draft.plan.packs));
    if draft.kept.is_some() {
        say("signature   the published release says the same; there is nothing to sign");
    } else {
        say(&format!("next        a maintainer, in a clean checkout: anode release sign --proposal {}", shown(&out)));
    }
    print(&shown(&out))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn previous_tree(previous: &str, ca: Option<&Path>, site: &mut TrustedSite) -> Result<Option<Previous>> {
    if is_address(previous) {
        let mut transport = https(previous, ca)?;
        return Previous::read(&mut transport, previous.trim_end_matches('/'), None, site);
    }
    let folder = tree_folder(Path::new(previous));
    if !folder.exists() {
        return Ok(None);
    }
    Previous::read(&mut crate::tree::TreeFolder::new(&folder), previous, Some(&folder), site)
        .with_context(|| format!("reading the previous tree `{previous}`"))
}
