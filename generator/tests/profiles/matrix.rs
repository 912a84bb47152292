//! `docs/installers.md`: every definition that is built in, its versions, what it was tried with, and who read what came of it.
//!
//! The page is made from what is rendered here. `ANODE_BLESS=1` rewrites it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::fixture::Fixture;
use crate::golden::cases;
use anode::render::Rendered;
use anode::repository::{Case, InstallerDefinition, Judge, Repository};
use anode::validate::judges;

const HEAD: &str = "# Installers

Every installer definition that is built in. Each *case* (`profiles/installers/<name>/tests/<case>.toml`) is rendered for each version that it is for, its
files are compared with the golden ones in `generator/tests/golden/installers/`, and they are read by the validators, which are other people's parsers. A
schema is not brought along: `ANODE_SCHEMAS` says where it lies, and where it is absent, `anode check` says that it was not run.

This page is made by the tests from what they ran: `ANODE_BLESS=1 cargo test -p anode --test profiles matrix`.

| definition | version | cases | programs that read them, all of them in CI | schemas, where they are at hand | second stage |
|---|---|---|---|---|---|
";

struct Row {
    cases: BTreeSet<String>,
    programs: BTreeSet<String>,
    schemas: BTreeSet<String>,
}

fn row(repository: &Repository, rendered: &[&(&Case, Rendered)]) -> Row {
    let mut row = Row { cases: BTreeSet::new(), programs: BTreeSet::new(), schemas: BTreeSet::new() };
    for (case, done) in rendered {
        row.cases.insert(case.name.to_string());
        let definition = &repository.installers[&case.installer];
        for ((file, _), format) in done.contents.files().zip(&done.formats) {
            for validator in judges(definition, &case.profile.version.value, &file.path, *format) {
                _ = match &validator.judge {
                    Judge::Program { command, .. } => row.programs.insert(format!("`{}`", command[0])),
                    Judge::Schema(schema) => row.schemas.insert(format!("`{schema}`")),
                };
            }
        }
    }
    row
}

fn second_stage(definition: &InstallerDefinition) -> String {
    let mut words = Vec::new();
    for case in &definition.second_stage {
        let word = match (case.pinned, case.images.is_empty()) {
            (true, true) => "authenticated by what is pinned",
            (true, false) => "pinned in `anode.lock`",
            (false, _) => "not pinned",
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join("; ")
}

fn page() -> String {
    let fixture = Fixture::example();
    let repository = fixture.load();
    let rendered = cases(&repository);
    let mut by_version: BTreeMap<(&str, &str), Vec<&(&Case, Rendered)>> = BTreeMap::new();
    for one in &rendered {
        by_version.entry((one.0.installer.as_str(), &one.0.profile.version.value)).or_default().push(one);
    }
    let list = |words: &BTreeSet<String>| match words.is_empty() {
        true => "–".to_owned(),
        false => words.iter().cloned().collect::<Vec<_>>().join(", "),
    };
    let mut page = HEAD.to_owned();
    for definition in repository.installers.values() {
        let name =
            format!("[{}](../profiles/installers/{}/manifest.toml) {}", definition.id, definition.id, definition.title);
        if let Some(only) = &definition.interactive_only {
            let versions = definition.versions.join(", ");
            page.push_str(&format!("| {name} | {versions} | none: {} | – | – | – |\n", only.why));
            continue;
        }
        for version in &definition.versions {
            let cases = by_version.get(&(definition.id.as_str(), version.as_str())).map_or(&[][..], |cases| cases);
            let row = row(&repository, cases);
            let (cases, programs, schemas) = (list(&row.cases), list(&row.programs), list(&row.schemas));
            let stage = second_stage(definition);
            page.push_str(&format!("| {name} | {version} | {cases} | {programs} | {schemas} | {stage} |\n"));
        }
    }
    page
}

#[test]
fn the_matrix_of_installers_is_what_the_tests_ran() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/installers.md");
    let page = page();
    if std::env::var_os("ANODE_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/installers.md differs; if that is right, run with ANODE_BLESS=1:\n{page}");
}
