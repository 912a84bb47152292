//! Every kept input, through the same functions that the fuzzers call: on the ordinary toolchain, in every run of the tests.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anode_properties::{TARGETS, Verdict, run};

const LIMIT: u64 = 2_000_000;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_kept_input_has_its_properties_and_both_verdicts_occur() {
    for &(target, _) in TARGETS {
        let folder = fuzz().join("corpus").join(target);
        let mut verdicts = BTreeSet::new();
        for name in names(&folder) {
            // The name is printed if a property does not hold.
            println!("{target}/{name}");
            verdicts.insert(run(target, &fs::read(folder.join(name)).unwrap()) == Verdict::Accepted);
        }
        assert_eq!(verdicts.len(), 2, "`{target}` accepts or refuses everything that is kept");
    }
}

#[test]
fn every_property_has_a_fuzz_target_and_a_corpus_and_nothing_else_is_there() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz().join("corpus")), targets);
    let sources: BTreeSet<String> = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&fuzz().join("fuzz_targets")), sources);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for target in &targets {
        let source = fs::read_to_string(fuzz().join(format!("fuzz_targets/{target}.rs"))).unwrap();
        assert!(source.contains(&format!("anode_properties::run(\"{target}\", data)")), "{target}");
        assert!(manifest.contains(&format!("name = \"{target}\"\npath = \"fuzz_targets/{target}.rs\"")), "{target}");
    }
}

#[test]
fn the_corpora_stay_small() {
    let sizes = TARGETS.iter().flat_map(|(target, _)| {
        let folder = fuzz().join("corpus").join(target);
        names(&folder).into_iter().map(move |name| fs::metadata(folder.join(name)).unwrap().len())
    });
    let total: u64 = sizes.sum();
    assert!(total < LIMIT, "{total} bytes: run `cargo fuzz cmin`");
}
