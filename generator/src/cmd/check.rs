//! `anode check`: everything that is wrong in a repository, in one run.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::progress::Bars;
use super::{Place, colour, print, say};
use crate::diagnose::Problems;
use crate::plan::render_packs;
use crate::render::render_cases;
use crate::validate::{Asked, Judgement, Subject, validate};
use crate::{repository, trusted};

#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// Print the problems, and which validators ran, as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let Judgement { problems, validators } = judge(options);
    if options.json {
        let validators = serde_json::to_string(&validators).context("writing the validators as JSON")?;
        print(&format!("{{\n\"problems\": {},\n\"validators\": {validators}\n}}", problems.to_json().trim_end()))?;
    } else {
        if problems.is_empty() {
            print("no problems")?;
        } else {
            say(problems.render(colour()).trim_end());
        }
        for line in listed(&validators) {
            print(&line)?;
        }
    }
    Ok(if problems.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Loads, renders and validates; what a stage can not be asked because of the one before is left out.
fn judge(options: &Options) -> Judgement {
    let folder = &options.place.repository;
    let (repository, mut problems) = match repository::load(folder) {
        Ok(loaded) => loaded,
        Err(problems) => return Judgement { problems, validators: Vec::new() },
    };
    problems.append(trusted::check_keys(folder, &repository));
    let mut take = |found: Problems| problems.append(found);
    let packs = match render_packs(&repository, &Bars::new()) {
        Ok((packs, found)) => {
            take(found);
            Some(packs)
        }
        Err(found) => {
            take(found);
            None
        }
    };
    let cases = render_cases(&repository).unwrap_or_else(|found| {
        take(found);
        Vec::new()
    });
    let packs = packs.iter().flat_map(|packs| packs.rendered.values()).map(Subject::pack);
    let mut judgement = validate(&repository, packs.chain(cases.iter().map(|(case, done)| Subject::case(case, done))));
    problems.append(std::mem::take(&mut judgement.problems));
    Judgement { problems, ..judgement }
}

/// Who read the files, and who did not.
fn listed(validators: &[Asked]) -> Vec<String> {
    let files =
        |asked: &Asked| format!("{} ({} file{})", asked.name, asked.files, if asked.files == 1 { "" } else { "s" });
    let list = |wanted: bool| -> Vec<_> {
        validators.iter().filter(|asked| asked.not_run.is_none() == wanted).map(files).collect()
    };
    let lines = [("validated by", list(true)), ("not run", list(false))];
    lines
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}: {}", names.join(", ")))
        .collect()
}
