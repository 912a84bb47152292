//! A medium, one mirror, and a state folder that can be copied.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anode_hostile::{Answer, Host, Log, Publisher, Signer};
use anode_tests::{Output, Program, binary, differing, files};
use serde_json::Value;
use tempfile::TempDir;

/// Files by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The publisher, its mirror, and the medium's root.
pub struct Medium {
    folder: TempDir,
    pub publisher: Publisher,
    pub host: Host,
    pub log: Log,
}

impl Medium {
    /// With release 1 published.
    pub fn new() -> Medium {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut publisher = Publisher::with_root_keys(7, 1, &[Signer::named("root-1")]);
        publisher.publish();
        let log = Log::default();
        let medium = Medium { folder, publisher, host: Host::start("a", &log, None), log };
        for (path, bytes) in medium.publisher.tree.iter().filter(|(path, _)| path.starts_with("root/1.json")) {
            fs::write(medium.path(path.trim_start_matches("root/")), bytes).expect("the medium");
        }
        medium.host.serve(medium.publisher.tree.clone());
        medium
    }

    /// Publishes root 2, release 2 and timestamp 2.
    pub fn publish_more(&mut self) {
        let keys = self.publisher.root_keys.clone();
        self.publisher.add_root(&keys, |_| ());
        self.publisher.publish();
        self.host.serve(self.publisher.tree.clone());
    }

    /// A path for whatever a test needs.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The words of `anode-fetch update` with this state and these mirrors.
    pub fn words(&self, state: &Path, mirrors: &[&str]) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![binary("anode-fetch").into(), "update".into(), "--json".into()];
        words.extend(["--allow-http".into(), "--now".into(), "2026-11-21T10:00:00Z".into()]);
        words.extend(["--root".into(), self.path("1.json").into(), "--state".into(), state.into()]);
        words.extend(mirrors.iter().flat_map(|mirror| ["--site".into(), (*mirror).into()]));
        words
    }

    /// Runs it with the mirror.
    pub fn update(&self, state: &Path) -> Output {
        self.update_from(state, &[&self.host.url])
    }

    /// Runs it without any mirror: nobody listens on the first port.
    pub fn update_offline(&self, state: &Path) -> Output {
        self.update_from(state, &["http://127.0.0.1:1"])
    }

    /// Runs it with these mirrors.
    pub fn update_from(&self, state: &Path, mirrors: &[&str]) -> Output {
        let words = self.words(state, mirrors);
        Program::new(&words[0]).args(&words[1..]).run()
    }

    /// How the mirror answers one path from now on.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.host.be_honest();
        self.host.answer(Answer { path: path.to_owned(), ..answer });
    }
}

/// What lies in a state folder, without what a killed run was about to write.
pub fn kept(state: &Path) -> Files {
    let all = if state.is_dir() { files(state) } else { Files::new() };
    all.into_iter().filter(|(name, _)| !format!("/{name}").contains("/.new-")).collect()
}

/// Every file has the bytes that one of these folders has.
pub fn is_part_of(found: &Files, whole: &[&Files]) -> bool {
    found.iter().all(|(name, bytes)| whole.iter().any(|files| files.get(name) == Some(bytes)))
}

/// Both folders hold the same; if not, the names of what differs are told.
#[track_caller]
pub fn assert_same(found: &Files, wanted: &Files, what: &str) {
    assert!(found == wanted, "{what}: {:?} differ", differing(found, wanted));
}

/// The release that a run trusts, if it ended well.
#[track_caller]
pub fn release(output: &Output) -> Option<u64> {
    assert!(!output.stderr.contains("panicked"), "{output}");
    let json: Value = serde_json::from_str(&output.stdout).unwrap_or_default();
    if output.exit == Some(0) { json["release"].as_u64() } else { None }
}
