//! `anode build`: load → render → validate → plan → sign → write.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anode_bundle::Moment;
use anode_bundle::name::SiteId;
use anyhow::{Context as _, Result};
use clap::Args;

use super::progress::Bars;
use super::reach::{DEFAULT_TREE, https, is_address, tree_folder};
use super::{Place, colour, print, say, shown};
use crate::build::{Built, Order, Previous, build};
use crate::clock;
use crate::diagnose::{Faulty, Problems};
use crate::keys::KeyRing;
use crate::plan::render_packs;
use crate::trusted::TrustedSite;
use crate::{repository, trusted, validate};

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
    /// Trust these certificate authorities only, for the address of `--previous` (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The build's time, such as 2026-11-21T09:00:00Z [default: SOURCE_DATE_EPOCH, else now]
    #[arg(long, value_name = "TIME", value_parser = clock::parse_moment)]
    at: Option<Moment>,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let begun = Instant::now();
    let folder = &options.place.repository;
    let at = clock::build_time(options.at)?;
    let out = options.out.clone().unwrap_or_else(|| folder.join(DEFAULT_TREE));
    let (built, warnings) = compile(
        folder,
        |site| options.place.ring(site),
        &out,
        at,
        |site| match &options.previous {
            Some(previous) => previous_tree(previous, options.ca.as_deref(), site),
            None => Ok(None),
        },
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

/// Builds a repository. What somebody should look at, and what does not stop the build, is handed back.
pub(super) fn compile(
    folder: &Path,
    ring: impl FnOnce(&SiteId) -> Result<KeyRing>,
    out: &Path,
    at: Moment,
    previous: impl FnOnce(&mut TrustedSite) -> Result<Option<Previous>>,
) -> Result<(Built, Problems)> {
    let (repository, mut warnings) = repository::load(folder).map_err(Faulty)?;
    let mut site = TrustedSite::with_config(folder, repository.site.clone())?;
    let ring = ring(&repository.site.id)?;
    let progress = Bars::new();
    warnings.append(trusted::check_policy(&site, folder, &repository));
    let (packs, found) = render_packs(&repository, &progress).map_err(Faulty)?;
    warnings.append(found);
    warnings.append(validate::check_rendered(&repository, packs.rendered.values()));
    if warnings.has_errors() {
        return Err(Faulty(warnings).into());
    }
    let previous = previous(&mut site)?.into_iter().collect();
    let order = Order {
        folder,
        repository: &repository,
        site: &mut site,
        ring: &ring,
        packs: &packs,
        out,
        previous,
        at,
        progress: &progress,
    };
    Ok((build(order)?, warnings))
}

fn previous_tree(previous: &str, ca: Option<&Path>, site: &mut TrustedSite) -> Result<Option<Previous>> {
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
