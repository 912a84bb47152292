//! How a run ended, for people and for programs.

use anode_bundle::Moment;
use anode_bundle::name::SiteId;
use serde::Serialize;

use crate::console::{WIDTH, fold};
use crate::error::Failure;
use crate::hand_over::Selection;
use crate::words::Language;

/// A run that reached its end.
pub(super) enum Outcome {
    /// Data to print as it is.
    Text(String),
    Updated(Updated),
    Activated {
        selection: Box<Selection>,
        unattended: bool,
        files: Vec<String>,
        staged: Option<Staged>,
    },
}

/// What the firmware is to start.
#[derive(Serialize)]
pub(super) struct Staged {
    /// From the folder that `--stage` named.
    pub loader: &'static str,
}

/// What `update` trusts now.
#[derive(Serialize)]
pub(super) struct Updated {
    pub site: SiteId,
    pub root: u64,
    pub release: u64,
    pub timestamp: u64,
    pub issued: Moment,
    pub source: String,
}

#[derive(Serialize)]
struct Done<T> {
    ok: bool,
    exit: u8,
    #[serde(flatten)]
    what: T,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Files<'a> {
    site: &'a str,
    organisation: &'a str,
    profile: &'a str,
    release: u64,
    unattended: bool,
    files: &'a [String],
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    staged: Option<&'a Staged>,
}

#[derive(Serialize)]
struct Failed {
    code: &'static str,
    message: String,
    remedy: String,
}

impl Outcome {
    pub fn to_json(&self, warnings: Vec<String>) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Updated(updated) => json(&Done { ok: true, exit: 0, what: updated, warnings }),
            Self::Activated { selection, unattended, files, staged } => {
                let what = Files {
                    site: selection.site.as_str(),
                    organisation: selection.organisation.as_str(),
                    profile: selection.profile.as_str(),
                    release: selection.release,
                    unattended: *unattended,
                    files,
                    source: &selection.source,
                    staged: staged.as_ref(),
                };
                json(&Done { ok: true, exit: 0, what, warnings })
            }
        }
    }
}

pub(super) fn failure_json(failure: &Failure, warnings: Vec<String>) -> String {
    let exit = failure.exit();
    let what = Failed { code: exit.name(), message: failure.to_string(), remedy: failure.remedy() };
    json(&Done { ok: false, exit: exit.number(), what, warnings })
}

/// `error:` once for each problem, then what to do: whole lines for a pipe.
pub(super) fn error_lines(failure: &Failure) -> Vec<String> {
    labelled(failure).into_iter().map(|(label, text)| format!("{label}{text}")).collect()
}

/// The same for a person at a screen: folded behind its label, and below a heading where they speak another language.
pub(super) fn error_rows(failure: &Failure, language: Language) -> Vec<String> {
    let mut rows: Vec<String> = language.details().map(str::to_owned).into_iter().collect();
    for (label, text) in labelled(failure) {
        let blank = " ".repeat(label.len());
        let folded = fold(&text, WIDTH - label.len()).into_iter().enumerate();
        rows.extend(folded.map(|(number, row)| format!("{}{row}", if number == 0 { label } else { &blank })));
    }
    rows
}

fn labelled(failure: &Failure) -> Vec<(&'static str, String)> {
    let problems = match failure {
        Failure::Answers(refusals) => refusals.iter().map(ToString::to_string).collect(),
        failure => vec![failure.to_string()],
    };
    let problems = problems.into_iter().map(|problem| ("error: ", problem));
    problems.chain([("help: ", failure.remedy())]).collect()
}

fn json<T: Serialize>(value: &T) -> String {
    // Strings and numbers only: there is nothing that could fail.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}
