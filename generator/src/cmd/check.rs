//! `anode check`: everything that is wrong in a repository, in one run.

use std::process::ExitCode;

use anode_bundle::name::Id;
use anode_bundle::pack::SecondStage;
use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use super::progress::Bars;
use super::{Place, colour, print, say};
use crate::diagnose::Problems;
use crate::plan::{PackName, Packs, render_packs};
use crate::render::{Rendered, render_cases};
use crate::validate::{Asked, Judgement, Subject, validate};
use crate::{repository, trusted};

#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// Print the problems, which validators ran and which second stages are not pinned, as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let (Judgement { problems, validators }, second_stages) = judge(options);
    if options.json {
        let validators = serde_json::to_string(&validators).context("writing the validators as JSON")?;
        let stages = serde_json::to_string(&second_stages).context("writing the second stages as JSON")?;
        let problems = problems.to_json();
        let members = [("problems", problems.trim_end()), ("validators", &validators), ("second_stages", &stages)];
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        print(&format!("{{\n{}\n}}", members.join(",\n")))?;
    } else {
        if problems.is_empty() {
            print("no problems")?;
        } else {
            say(problems.render(colour()).trim_end());
        }
        for line in listed(&validators) {
            print(&line)?;
        }
        for Unpinned { profile, organisation, why } in &second_stages {
            let who = organisation.as_ref().map(|organisation| format!(" for {organisation}")).unwrap_or_default();
            print(&format!("not pinned: the second stage of {profile}{who}: {why}"))?;
        }
    }
    Ok(if problems.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Loads, renders and validates; what a stage can not be asked because of the one before is left out.
fn judge(options: &Options) -> (Judgement, Vec<Unpinned>) {
    let folder = &options.place.repository;
    let (repository, mut problems) = match repository::load(folder) {
        Ok(loaded) => loaded,
        Err(problems) => return (Judgement { problems, validators: Vec::new() }, Vec::new()),
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
    let second_stages = packs.as_ref().map(unpinned).unwrap_or_default();
    let packs = packs.iter().flat_map(|packs| packs.rendered.values()).map(Subject::pack);
    let mut judgement = validate(&repository, packs.chain(cases.iter().map(|(case, done)| Subject::case(case, done))));
    judgement.ask_playbooks(&repository);
    problems.append(std::mem::take(&mut judgement.problems));
    (Judgement { problems, ..judgement }, second_stages)
}

/// A profile whose installer fetches something that nobody compares with a hash: not wrong, and not to be forgotten.
#[derive(Serialize)]
struct Unpinned {
    profile: Id,
    organisation: Option<Id>,
    why: String,
}

fn unpinned(packs: &Packs) -> Vec<Unpinned> {
    let stage = |((profile, organisation), rendered): (&PackName, &Rendered)| {
        let SecondStage { pinned, how } = rendered.contents.manifest().second_stage.clone();
        (!pinned).then(|| Unpinned { profile: profile.clone(), organisation: organisation.clone(), why: how })
    };
    packs.rendered.iter().filter_map(stage).collect()
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
