//! The page of the documentation is made from the cases, and no test of the reference suite that fits is left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anode_hostile::case::Theme;
use anode_hostile::page::{Conformance, Fit, covering, named_tests, page};

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn conformance() -> Conformance {
    toml::from_str(&fs::read_to_string(here().join("conformance.toml")).unwrap()).unwrap()
}

#[test]
fn the_page_is_made_from_the_cases() {
    let page = page(&Theme::all(&here().join("cases")), &conformance());
    let path = anode_tests::source().join("docs/hostile-cases.md");
    if std::env::var_os("ANODE_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/hostile-cases.md is not what the cases say: ANODE_BLESS=1 writes it");
}

#[test]
fn every_test_of_the_reference_suite_that_fits_has_a_case() {
    let themes = Theme::all(&here().join("cases"));
    for row in conformance().rows {
        let covered = !covering(&themes, &row.test).is_empty();
        assert_eq!(covered, row.fit != Fit::None, "{}", row.test);
        assert!(row.fit == Fit::Port || !row.note.is_empty(), "{} needs a note", row.test);
    }
}

#[test]
fn every_origin_in_the_reference_suite_exists() {
    let known: BTreeSet<_> = conformance().rows.into_iter().map(|row| row.test).collect();
    for test in named_tests(&Theme::all(&here().join("cases"))) {
        assert!(known.contains(&test), "conformance.toml has no `{test}`");
    }
}

#[test]
fn every_case_has_a_name_of_its_own_and_something_that_judges_it() {
    let mut names = BTreeSet::new();
    for case in Theme::all(&here().join("cases")).into_values().flat_map(|theme| theme.cases) {
        assert!(names.insert(case.name.clone()), "there are two cases `{}`", case.name);
        let Some(rust) = &case.rust else {
            assert!(!case.steps.is_empty(), "`{}` has no steps", case.name);
            continue;
        };
        let (file, function) = rust.split_once("::").expect("FILE::FUNCTION");
        // In this folder, or in another one of the repository.
        let near = here().join("tests").join(file);
        let path = if near.is_file() { near } else { anode_tests::source().join(file) };
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(&format!("fn {function}(")), "{file} has no `{function}`");
        assert!(case.steps.is_empty() && case.outcome.is_some(), "`{}` needs an outcome and no steps", case.name);
    }
}
