//! `anode scan`: looks for the site's secrets in files, folders and what a command said. CI runs it over its own log and artefacts.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use super::{Place, print, print_json, say, size};
use crate::canary::{Finding, Home, Scan, Search, SiteSecrets, site_secrets};
use crate::diagnose::Faulty;
use crate::repository;

#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// What to look through: files, folders, `-` for standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The paths are the repository itself or its git objects: look only for what must not even be there
    #[arg(long)]
    in_repository: bool,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Found<'a> {
    secrets: usize,
    files: usize,
    bytes: u64,
    findings: &'a [Finding],
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let folder = &options.place.repository;
    let (repository, _) = repository::load(folder).map_err(Faulty)?;
    let ring = options.place.ring(&repository.site.id)?;
    let SiteSecrets { mut canaries, missing } = site_secrets(folder, &repository, &ring)?;
    for secret in &missing {
        say(&format!("note: a secret is not looked for: {secret}"));
    }
    if options.in_repository {
        canaries.retain(|canary| canary.home() == Home::Owner);
    }
    let search = Search::new(canaries);
    let mut scan = Scan::default();
    for path in &options.paths {
        if path == Path::new("-") {
            let stdin = Scan::of_reader("standard input", io::stdin().lock(), &search);
            scan.append(stdin.context("reading the standard input")?);
        } else {
            scan.append(Scan::of(path, &search)?);
        }
    }
    if options.json {
        let Scan { findings, files, bytes } = &scan;
        print_json(&Found { secrets: search.len(), files: *files, bytes: *bytes, findings })?;
    }
    for finding in &scan.findings {
        say(&format!("error: {finding}"));
    }
    if !scan.findings.is_empty() {
        say("help: whoever can read these files can have the secrets: remove the files and replace the secrets;");
        say("      the repository itself is searched with `--in-repository`");
        return Ok(ExitCode::FAILURE);
    }
    if !options.json {
        print(&format!("none of {} secrets in {} files, {}", search.len(), scan.files, size(scan.bytes)))?;
    }
    Ok(ExitCode::SUCCESS)
}
