//! The page of the documentation: one line a case, and which test of the reference suite each of them covers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use crate::case::{Case, Step, Theme};
use crate::run::code_name;

/// How origins name the reference suite.
const SUITE: &str = "tuf-conformance ";

/// The client tests of the reference suite.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conformance {
    /// One test each; one with parameters has a row for each of them that matters here.
    #[serde(rename = "row")]
    pub rows: Vec<Row>,
}

/// One test of the reference suite.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// `FILE::TEST (PARAMETERS)`
    pub test: String,
    /// How it fits.
    pub fit: Fit,
    /// What is different here, or why it does not fit.
    #[serde(default)]
    pub note: String,
}

/// How a test of the reference suite fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// As it is.
    Port,
    /// With a difference.
    Adapt,
    /// Not at all.
    None,
}

/// The whole page.
///
/// # Panics
/// If a case has neither steps nor a Rust test with an outcome.
#[must_use]
pub fn page(themes: &BTreeMap<String, Theme>, conformance: &Conformance) -> String {
    let count: usize = themes.values().map(|theme| theme.cases.len()).sum();
    let mut page = format!(
        "# Hostile cases\n\n\
         What a publisher, a host, a network or a clock can do to `anode-fetch`, and what happens then: {count} cases, all of them judged by the real \
         program (exit status, `--json`, state folder, and the requests that the host saw). This page is made from `tests/hostile/cases/`; \
         `tests/hostile/README.md` says how to run and write them. The numbers are those of [exit-codes.md](exit-codes.md); 0 is a run that succeeded, \
         and a case with several runs says how each ended.\n"
    );
    for theme in themes.values() {
        let _ = write!(
            page,
            "\n## {}\n\n{}\n\n| case | origin | what happens |\n|---|---|---|\n",
            theme.title, theme.about
        );
        for case in &theme.cases {
            let _ = writeln!(page, "| {} | {} | {} |", cell(&case.name), cell(&origins(case)), cell(&happens(case)));
        }
    }
    let _ = write!(
        page,
        "\n## The reference suite\n\n\
         The client tests of `tuf-conformance`, and the cases that hold the same for this client. Where the suite says snapshot and targets, format 1 has \
         the release and its index.\n\n\
         | test | here | cases |\n|---|---|---|\n"
    );
    for row in &conformance.rows {
        let fit = match row.fit {
            Fit::Port => "the same",
            Fit::Adapt => "adapted",
            Fit::None => "does not fit",
        };
        let note = if row.note.is_empty() { fit.to_owned() } else { format!("{fit}: {}", row.note) };
        let names: Vec<_> = covering(themes, &row.test).iter().map(|case| case.name.as_str()).collect();
        let names = if names.is_empty() { "–".to_owned() } else { names.join("; ") };
        let _ = writeln!(page, "| `{}` | {} | {} |", row.test, cell(&note), cell(&names));
    }
    page
}

/// The cases that name a test of the reference suite.
#[must_use]
pub fn covering<'a>(themes: &'a BTreeMap<String, Theme>, test: &str) -> Vec<&'a Case> {
    let named = |case: &&Case| case.origins.iter().any(|origin| origin.strip_prefix(SUITE) == Some(test));
    themes.values().flat_map(|theme| &theme.cases).filter(named).collect()
}

/// The tests of the reference suite that cases name.
#[must_use]
pub fn named_tests(themes: &BTreeMap<String, Theme>) -> Vec<String> {
    let origins = themes.values().flat_map(|theme| &theme.cases).flat_map(|case| &case.origins);
    origins.filter_map(|origin| origin.strip_prefix(SUITE)).map(str::to_owned).collect()
}

fn origins(case: &Case) -> String {
    if case.origins.is_empty() {
        return "ours".to_owned();
    }
    let short = |origin: &String| match origin.strip_prefix(SUITE) {
        Some(test) => format!("`{test}`"),
        None => origin.clone(),
    };
    case.origins.iter().map(short).collect::<Vec<_>>().join(", ")
}

fn happens(case: &Case) -> String {
    if let Some(outcome) = &case.outcome {
        return outcome.clone();
    }
    let exits = case.steps.iter().filter_map(|step| match step {
        Step::Update(run) | Step::Activate(run) => Some(run.exit),
        _ => None,
    });
    let mut exits: Vec<u8> = exits.collect();
    exits.dedup();
    assert!(!exits.is_empty(), "`{}` runs nothing and has no outcome", case.name);
    let told = exits.into_iter().map(|exit| match exit {
        0 => "0".to_owned(),
        exit => format!("{exit} `{}`", code_name(exit).expect("a documented exit status")),
    });
    told.collect::<Vec<_>>().join(", then ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
