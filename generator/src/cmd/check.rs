//! `anode check`: everything that is wrong in a repository, in one run.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::progress::Bars;
use super::{Place, colour, print, say};
use crate::diagnose::Problems;
use crate::plan::render_packs;
use crate::{repository, trusted, validate};

#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// Print the problems as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let problems = problems(options);
    if options.json {
        print(problems.to_json().trim_end())?;
    } else if problems.is_empty() {
        print("no problems")?;
    } else {
        say(problems.render(colour()).trim_end());
    }
    Ok(if problems.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Loads, renders and validates; what a stage can not be asked because of the one before is left out.
fn problems(options: &Options) -> Problems {
    let folder = &options.place.repository;
    let (repository, mut problems) = match repository::load(folder) {
        Ok(loaded) => loaded,
        Err(problems) => return problems,
    };
    problems.append(trusted::check_keys(folder, &repository));
    match render_packs(&repository, &Bars::new()) {
        Ok((packs, found)) => {
            problems.append(found);
            problems.append(validate::validate(&repository, packs.rendered.values()));
        }
        Err(found) => problems.append(found),
    }
    problems
}
