//! Trees that earlier versions published, each under `tests/frozen/`: whatever this version is, it reads them. `ci/freeze` makes a new one with each release.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anode_hostile::{Host, Log};
use anode_tests::{Fetch, files, source};
use serde::Deserialize;

const RECORD: &str = "provisioning-selection.json";

/// `freeze.toml`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Freeze {
    format: u64,
    code: String,
    revoked: String,
    profiles: Vec<String>,
    answers: Vec<String>,
    read: Vec<String>,
    expired: String,
    offline: String,
    offline_over: String,
}

struct Frozen {
    folder: PathBuf,
    freeze: Freeze,
}

fn all_frozen() -> Vec<Frozen> {
    let folders = fs::read_dir(source().join("tests/frozen")).expect("the frozen trees");
    let folders = folders.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir());
    let read = |folder: PathBuf| {
        let text = fs::read_to_string(folder.join("freeze.toml")).expect("freeze.toml");
        Frozen { freeze: toml::from_str(&text).expect("its form"), folder }
    };
    let frozen: Vec<_> = folders.map(read).collect();
    assert!(!frozen.is_empty());
    frozen
}

impl Frozen {
    fn mirror(&self) -> Host {
        let host = Host::start("frozen", &Log::default(), None);
        host.serve(files(&self.folder.join("tree")));
        host
    }

    fn fetch(&self, now: &str, code: &str) -> Fetch {
        let root = self.folder.join("medium/1.json");
        Fetch::new(&root).switch("--allow-http").option("--now", now).option("--code", code)
    }

    fn with_answers(&self, fetch: Fetch, profile: &str) -> Fetch {
        let answers: Vec<_> = self.freeze.answers.iter().map(String::as_str).collect();
        fetch.option("--profile", profile).answers(&answers)
    }

    /// The files of a profile as they were written on the day of the freeze.
    fn expected(&self, profile: &str) -> BTreeMap<String, Vec<u8>> {
        files(&self.folder.join("expected").join(profile))
    }

    fn name(&self) -> String {
        self.folder.display().to_string()
    }
}

/// A copy of the tree that a run may write to.
fn copy_of(tree: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    anode_tests::copy_folder(tree, copy.path());
    copy
}

#[test]
fn every_frozen_tree_is_read_from_a_mirror() {
    for frozen in all_frozen() {
        assert_eq!(frozen.freeze.format, 1, "{}", frozen.name());
        let mirror = frozen.mirror();
        for now in &frozen.freeze.read {
            for profile in &frozen.freeze.profiles {
                let fetch = frozen.fetch(now, &frozen.freeze.code).option("--site", &mirror.url);
                let fetched = frozen.with_answers(fetch, profile).run();
                let mut found = fetched.files();
                assert!(found.remove(RECORD).is_some());
                assert!(found == frozen.expected(profile), "{} `{profile}`: {:?}", frozen.name(), found.keys());
                let record = fetched.selection();
                assert_eq!((&record["profile"], &record["release"]), (&profile.as_str().into(), &2.into()));
            }
        }
    }
}

#[test]
fn every_frozen_tree_is_read_as_a_copy_until_its_release_says_so() {
    for frozen in all_frozen() {
        let copy = copy_of(&frozen.folder.join("tree"));
        for now in frozen.freeze.read.iter().chain([&frozen.freeze.offline]) {
            for profile in &frozen.freeze.profiles {
                let fetch = frozen.fetch(now, &frozen.freeze.code).option("--cache", copy.path());
                let mut found = frozen.with_answers(fetch, profile).run().files();
                assert!(found.remove(RECORD).is_some());
                assert!(found == frozen.expected(profile), "{} `{profile}`: {:?}", frozen.name(), found.keys());
            }
        }
        let over = frozen.fetch(&frozen.freeze.offline_over, &frozen.freeze.code).option("--cache", copy.path());
        let _ = over.run().refused(21, "metadata-expired");
    }
}

#[test]
fn every_frozen_tree_is_refused_from_a_mirror_when_its_time_is_over() {
    for frozen in all_frozen() {
        let mirror = frozen.mirror();
        let late = frozen.fetch(&frozen.freeze.expired, &frozen.freeze.code).option("--site", &mirror.url);
        let _ = late.run().refused(21, "metadata-expired");
    }
}

#[test]
fn every_frozen_tree_says_that_its_revoked_code_is_unknown() {
    for frozen in all_frozen() {
        let mirror = frozen.mirror();
        let fetch = frozen.fetch(&frozen.freeze.read[0], &frozen.freeze.revoked).option("--site", &mirror.url);
        let _ = fetch.run().refused(11, "code-unknown");
    }
}
