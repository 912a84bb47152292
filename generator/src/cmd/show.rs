//! `anode show`: what a profile becomes, and which line of which file made it so.

use std::process::ExitCode;

use anode_bundle::name::Id;
use anode_bundle::pack::HandOver;
use anyhow::{Result, anyhow, bail, ensure};
use clap::Args;
use serde_json::Value as Json;

use super::{Place, print, print_json};
use crate::diagnose::{Faulty, nearest};
use crate::repository::{self, CodeTerms, Organisation, Profile, Repository};
use crate::show::{Shown, ShownFile, ShownVariable, Viewer, hide_secrets, show};

/// A longer value is cut on the screen; `--json` has it whole.
const VALUE: usize = 60;

#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// The profile
    #[arg(value_name = "PROFILE", value_parser = super::code::parse_id)]
    profile: Id,
    /// As this organisation gets it
    #[arg(long, value_name = "ORG", value_parser = super::code::parse_id)]
    org: Option<Id>,
    /// With the answers that this code presets
    #[arg(long, value_name = "LABEL", value_parser = super::code::parse_id)]
    code: Option<Id>,
    /// Print the rendered files, or one of them; `«name»` stands where an answer belongs
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    files: Option<Option<String>>,
    /// Print it as JSON, with the files
    #[arg(long, conflicts_with = "files")]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let (mut repository, _) = repository::load(&options.place.repository).map_err(Faulty)?;
    hide_secrets(&mut repository);
    let viewer = viewer(&repository, options)?;
    let profile = profile(&repository, &options.profile, viewer.organisation)?;
    if let Some(code) = viewer.code.filter(|code| !code.profiles.contains(&profile.id)) {
        let offers = list(code.profiles.iter().map(Id::as_str));
        bail!("the code `{}` does not offer `{}`: it offers {offers}", code.label, profile.id);
    }
    let (shown, problems) = show(&repository, &profile, viewer);
    match &options.files {
        // Files that could not be rendered are none that could be shown.
        Some(_) if problems.has_errors() => {}
        Some(None) => shown.files.iter().try_for_each(print_file)?,
        Some(Some(path)) => print(file(&shown, path)?.text.trim_end_matches('\n'))?,
        None if options.json => print_json(&shown)?,
        None => screen(&shown).iter().try_for_each(|line| print(line))?,
    }
    if problems.has_errors() {
        return Err(Faulty(problems).into());
    }
    Ok(ExitCode::SUCCESS)
}

/// Whose layers and presets apply. A code belongs to an organisation, so it names one too.
fn viewer<'r>(repository: &'r Repository, options: &Options) -> Result<Viewer<'r>> {
    let organisation = options.org.as_ref().map(|id| organisation(repository, id)).transpose()?;
    let Some(label) = &options.code else { return Ok(Viewer { organisation, code: None }) };
    let own = |code: &&CodeTerms| organisation.is_none_or(|organisation| code.organisation == organisation.id);
    let found: Vec<_> = repository.codes.iter().filter(own).filter(|code| code.label == *label).collect();
    match *found {
        [code] => {
            Ok(Viewer { organisation: Some(self::organisation(repository, &code.organisation)?), code: Some(code) })
        }
        [] => {
            let known: Vec<_> = repository.codes.iter().filter(own).map(|code| code.label.as_str()).collect();
            Err(unknown("code", label.as_str(), known))
        }
        [..] => {
            let owners = list(found.iter().map(|code| code.organisation.as_str()));
            bail!("several organisations have a code `{label}`: {owners}; say which with `--org`")
        }
    }
}

fn organisation<'r>(repository: &'r Repository, id: &Id) -> Result<&'r Organisation> {
    repository.organisation(id).ok_or_else(|| {
        unknown("organisation", id.as_str(), repository.organisations.iter().map(|known| known.id.as_str()).collect())
    })
}

/// The profile; an abstract one as if it were none, if it says enough.
fn profile(repository: &Repository, id: &Id, organisation: Option<&Organisation>) -> Result<Profile> {
    let owner = organisation.map(|organisation| &organisation.id);
    if let Some(profile) = repository.profile(id, owner) {
        return Ok(profile.clone());
    }
    if let Some(base) = repository.base(id, owner) {
        return base.to_profile().ok_or_else(|| {
            let heirs = repository.profiles.iter().filter(|profile| {
                profile.ancestors.iter().any(|ancestor| ancestor.id == *id && ancestor.organisation == base.organisation)
            });
            let heirs = list(heirs.map(|profile| profile.id.as_str()));
            anyhow!("`{id}` is abstract and leaves installer, version or architecture open; show one that extends it: {heirs}")
        });
    }
    let owners = repository
        .profiles
        .iter()
        .filter(|profile| profile.id == *id)
        .filter_map(|profile| profile.organisation.as_ref());
    let owners: Vec<_> = owners.map(Id::as_str).collect();
    ensure!(owners.is_empty(), "the profile `{id}` belongs to {}; say so with `--org`", list(owners));
    let visible = |profile: &&Profile| profile.organisation.is_none() || profile.organisation.as_ref() == owner;
    let known = repository.profiles.iter().filter(visible).map(|profile| profile.id.as_str());
    let bases =
        repository.bases.iter().filter(|base| base.organisation.is_none() || base.organisation.as_ref() == owner);
    Err(unknown("profile", id.as_str(), known.chain(bases.map(|base| base.id.as_str())).collect()))
}

fn file<'s>(shown: &'s Shown, path: &str) -> Result<&'s ShownFile> {
    shown
        .files
        .iter()
        .find(|file| file.path == path.trim_start_matches('/'))
        .ok_or_else(|| unknown("file", path, shown.files.iter().map(|file| file.path.as_str()).collect()))
}

fn unknown(what: &str, name: &str, known: Vec<&str>) -> anyhow::Error {
    match (nearest(name, known.iter().copied()), known.is_empty()) {
        (Some(near), _) => anyhow!("there is no {what} `{name}`; did you mean `{near}`?"),
        (None, true) => anyhow!("there is no {what} `{name}`, and no other one"),
        (None, false) => anyhow!("there is no {what} `{name}`; there are {}", list(known)),
    }
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn print_file(file: &ShownFile) -> Result<()> {
    print(&format!("── {} ({}, from {}) ──", file.path, file.mode, file.source))?;
    print(&file.text)
}

fn screen(shown: &Shown) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", shown.profile, shown.title)];
    if !shown.description.is_empty() {
        lines.push(format!("  {}", shown.description));
    }
    let mut rows = vec![vec!["file".to_owned(), shown.file.clone()]];
    if !shown.extends.is_empty() {
        rows.push(vec!["extends".to_owned(), shown.extends.join(" → ")]);
    }
    let owner = shown.organisation.as_ref().map_or("everybody".to_owned(), |id| format!("the organisation `{id}`"));
    let seen = shown.seen_by.as_ref().map(|id| format!(", as `{id}` gets it")).unwrap_or_default();
    let code = shown.code.as_ref().map(|path| format!(" with {path}")).unwrap_or_default();
    rows.push(vec!["for".to_owned(), format!("{owner}{seen}{code}")]);
    let words = [(shown.is_abstract, "abstract"), (shown.public, "public"), (shown.unattended, "unattended")];
    let words: Vec<_> = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    if !words.is_empty() {
        rows.push(vec!["is".to_owned(), words.join(", ")]);
    }
    for (name, said) in
        [("installer", &shown.installer), ("version", &shown.version), ("architecture", &shown.architecture)]
    {
        rows.push(vec![name.to_owned(), format!("{}  {}:{}", said.value, said.file, said.line)]);
    }
    rows.extend(boot(shown));
    lines.extend(table(&rows));
    lines.extend(section("variables", &shown.variables.iter().map(variable).collect::<Vec<_>>()));
    if !shown.not_set.is_empty() {
        lines.push(format!("  not set: {}", shown.not_set.join(", ")));
    }
    let prompts = shown.prompts.iter().map(|prompt| {
        let preset = prompt.preset.as_ref().map(|answer| format!("preset to \"{answer}\""));
        let default = prompt.default.as_ref().map(|answer| format!("default \"{answer}\""));
        let answer = preset.or(default).unwrap_or_else(|| "asked".to_owned());
        vec![prompt.name.clone(), prompt.kind.clone(), answer, format!("{}:{}", prompt.file, prompt.line)]
    });
    lines.extend(section("prompts", &prompts.collect::<Vec<_>>()));
    let mut files = Vec::new();
    for file in &shown.files {
        files.push(vec![file.path.clone(), file.mode.clone(), file.template.clone(), file.source.clone()]);
        for include in &file.includes {
            files.push(vec![String::new(), String::new(), format!("  {}", include.name), include.source.clone()]);
        }
    }
    lines.extend(section("files and what they are made of", &files));
    lines
}

fn boot(shown: &Shown) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |name: &str, text: String| rows.push(vec![name.to_owned(), text]);
    match (&shown.boot, shown.hand_over) {
        (Some(boot), _) => {
            row("kernel", boot.kernel.urls.first().cloned().unwrap_or_default());
            for initrd in &boot.initrd {
                row("initrd", initrd.urls.first().cloned().unwrap_or_default());
            }
            for image in &boot.images {
                let name = image.name.as_ref().map(ToString::to_string).unwrap_or_default();
                row("image", format!("{name}: {}", image.urls.first().cloned().unwrap_or_default()));
            }
            for (name, blob) in
                boot.loaders.iter().flat_map(|loaders| [("shim", &loaders.shim), ("grub", &loaders.grub)])
            {
                row(name, blob.urls.first().cloned().unwrap_or_default());
            }
            row("command line", boot.command_line.clone());
        }
        (None, HandOver::Kexec) => row("boots", "nothing yet: kernel and initrd are not in `anode.lock`".to_owned()),
        (None, HandOver::Image) => row("boots", "nothing: an image is written".to_owned()),
        (None, HandOver::Files) => row("boots", "nothing: the files are handed over as they are".to_owned()),
    }
    if let Some(stage) = &shown.second_stage {
        row("second stage", format!("{}: {}", if stage.pinned { "pinned" } else { "not pinned" }, stage.how));
    }
    if let Some(ansible) = &shown.ansible {
        let commit = ansible.commit.as_ref().map(|commit| format!("commit {commit}"));
        let revision = commit.or_else(|| ansible.branch.as_ref().map(|branch| format!("branch {branch}")));
        let revision = revision.unwrap_or_else(|| "its default branch".to_owned());
        row("ansible", format!("{} of {}, {revision}", ansible.playbook, ansible.repository));
    }
    rows
}

fn variable(variable: &ShownVariable) -> Vec<String> {
    let value = match &variable.said.value {
        Json::String(text) if variable.hidden => text.clone(),
        value => value.to_string(),
    };
    let place = format!("{}:{}", variable.said.file, variable.said.line);
    vec![variable.name.clone(), variable.kind.clone(), short(&value), variable.layer.clone(), place]
}

fn short(value: &str) -> String {
    if value.chars().count() <= VALUE {
        return value.to_owned();
    }
    value.chars().take(VALUE - 1).chain(['…']).collect()
}

fn section(title: &str, rows: &[Vec<String>]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    [String::new(), title.to_owned()].into_iter().chain(table(rows)).collect()
}

/// Rows with their columns below each other, indented.
fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end()).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
