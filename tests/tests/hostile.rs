//! A host that lies: it can withhold, replay and damage, and it can never make a wrong file appear.

use std::fs;
use std::path::{Path, PathBuf};

use anode_tests::{Code, Nginx, Site, copy_folder, files, in_days, read_json};

fn ready() -> (Site, Code) {
    let site = Site::new();
    let code = site.code(&[Site::SERVER], &[]);
    site.release();
    (site, code)
}

/// A copy of the published tree that a hostile host may change.
fn copy(site: &Site, name: &str) -> PathBuf {
    let folder = site.scratch(name);
    copy_folder(&site.current(), &folder);
    folder
}

/// What an activation asks for, in order, as paths in the tree.
fn asked(site: &Site, code: &Code) -> Vec<String> {
    let before = site.web.requests().len();
    let _ = site.fetch(&code.text).answers(Site::SERVER_ANSWERS).run().files();
    let lines = site.web.requests().split_off(before);
    lines.iter().filter_map(|line| line.split(' ').nth(1)).map(|path| path.trim_start_matches('/').to_owned()).collect()
}

#[test]
fn one_flipped_bit_in_any_object_of_the_path_is_exit_23_and_nothing_is_written() {
    let (site, code) = ready();
    let objects: Vec<String> = asked(&site, &code).into_iter().filter(|path| path.starts_with("objects/")).collect();
    assert!(objects.len() >= 2, "an activation needs an activation and a pack: {objects:?}");
    let host = copy(&site, "host");
    let nginx = Nginx::tree(&host, &site.authority);
    for object in objects {
        let path = host.join(&object);
        let good = fs::read(&path).expect("an object");
        for place in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[place] ^= 1;
            fs::write(&path, bad).expect("writing");
            let message = site.fetch_from(&[&nginx.url], &code.text).run().refused(23, "integrity");
            assert!(message.contains(&object), "{message}");
        }
        fs::write(&path, good).expect("writing");
    }
    let _ = site.fetch_from(&[&nginx.url], &code.text).answers(Site::SERVER_ANSWERS).run().files();
}

#[test]
fn truncated_grown_and_missing_objects_are_refused() {
    let (site, code) = ready();
    let objects: Vec<String> = asked(&site, &code).into_iter().filter(|path| path.starts_with("objects/")).collect();
    let host = copy(&site, "host");
    let nginx = Nginx::tree(&host, &site.authority);
    for object in objects {
        let path = host.join(&object);
        let good = fs::read(&path).expect("an object");
        for bad in
            [good[..good.len() - 1].to_vec(), good[..good.len() / 2].to_vec(), Vec::new(), [&good[..], b"x"].concat()]
        {
            fs::write(&path, bad).expect("writing");
            let _ = site.fetch_from(&[&nginx.url], &code.text).run().refused(23, "integrity");
        }
        fs::remove_file(&path).expect("removing");
        let message = site.fetch_from(&[&nginx.url], &code.text).run().refused(30, "unreachable");
        assert!(message.contains(&object), "{message}");
        fs::write(&path, good).expect("writing");
    }
}

#[test]
fn a_changed_bit_in_any_signed_document_is_refused() {
    let (site, code) = ready();
    let host = copy(&site, "host");
    let nginx = Nginx::tree(&host, &site.authority);
    let version = site.release_version();
    for (name, exits) in [
        ("timestamp.signed".to_owned(), [20, 20]),
        (format!("release/{version}.json"), [23, 23]),
        (format!("release/{version}.json.minisig"), [20, 20]),
    ] {
        let path = host.join(&name);
        let good = fs::read(&path).expect("a document");
        for (place, exit) in [0, good.len() - 3].into_iter().zip(exits) {
            let mut bad = good.clone();
            bad[place] ^= 1;
            fs::write(&path, bad).expect("writing");
            let fetched = site.fetch_from(&[&nginx.url], &code.text).run();
            assert_eq!(fetched.output.exit, Some(exit), "{name}, byte {place}: {}", fetched.output);
            assert!(!fetched.files.exists());
        }
        fs::write(&path, good).expect("writing");
    }
}

#[test]
fn an_older_tree_is_a_rollback_for_whoever_saw_the_newer_one() {
    let (site, code) = ready();
    let old = copy(&site, "old");
    let replay = Nginx::tree(&old, &site.authority);
    site.change_title("A newer server");
    site.release();
    let state = site.scratch("state");
    let _ = site.fetch(&code.text).option("--state", &state).answers(Site::SERVER_ANSWERS).run().files();
    let kept = files(&state);
    let message = site.fetch_from(&[&replay.url], &code.text).option("--state", &state).run().refused(22, "rollback");
    assert!(message.contains("version"), "{message}");
    assert_eq!(files(&state), kept, "the state is as it was");
}

#[test]
fn a_timestamp_that_is_too_old_is_a_freeze() {
    let (site, code) = ready();
    let fetched = site.fetch(&code.text).option("--now", in_days(8)).run();
    let message = fetched.refused(21, "metadata-expired");
    assert!(message.contains("timestamp"), "{message}");
    // A clock that is years off is named together with the tree's date, so that a person can tell which is wrong.
    let message = site.fetch(&code.text).option("--now", "2035-01-01T00:00:00Z").run().refused(21, "metadata-expired");
    assert!(message.contains("2035-01-01"), "{message}");
}

#[test]
fn a_dead_clock_does_not_block_an_honest_person() {
    let (site, code) = ready();
    let fetch = site.fetch(&code.text).option("--now", "2000-01-01T00:00:00Z").answers(Site::SERVER_ANSWERS).run();
    let timestamp = read_json(&site.current().join("timestamp.json"));
    assert_eq!(fetch.selection()["activated_at"], timestamp["issued"], "the newest signed date is a lower bound");
}

#[test]
fn the_tree_of_another_site_is_refused() {
    let (site, code) = ready();
    let other = Site::published();
    let fetched = site.fetch_from(&[&other.web.url], &code.text).option("--ca", other.authority.certificate()).run();
    let _ = fetched.refused(20, "signature-invalid");
}

#[test]
fn a_root_with_a_changed_byte_or_without_signatures_is_no_root() {
    let (site, code) = ready();
    let medium = site.scratch("medium");
    copy_folder(&site.repository().join("keys/root"), &medium);
    let root = medium.join("1.json");
    let run = || {
        let fetch = anode_tests::Fetch::new(&root).option("--ca", site.authority.certificate());
        fetch.option("--site", &site.web.url).option("--code", &code.text).answers(Site::SERVER_ANSWERS).run()
    };
    let _ = run().files();
    let good = fs::read_to_string(&root).expect("the root");
    fs::write(&root, good.replacen("Test site", "Evil site", 1)).expect("writing");
    let _ = run().refused(20, "signature-invalid");
    fs::write(&root, good).expect("writing");
    for signature in files(&medium).into_keys().filter(|name| name.ends_with(".minisig")) {
        fs::remove_file(medium.join(signature)).expect("removing");
    }
    let message = run().refused(20, "signature-invalid");
    assert!(message.contains("root"), "{message}");
}

#[test]
fn mixed_parts_of_two_releases_are_never_taken() {
    let (site, code) = ready();
    let host = copy(&site, "host");
    site.change_title("A newer server");
    site.release();
    // The new timestamp in front of the old release and objects.
    replace(&site.current().join("timestamp.signed"), &host.join("timestamp.signed"));
    let nginx = Nginx::tree(&host, &site.authority);
    let fetched = site.fetch_from(&[&nginx.url], &code.text).run();
    let _ = fetched.refused(30, "unreachable");
    // The old release under the new one's name.
    let (old, new) = (site.release_version() - 1, site.release_version());
    for end in ["json", "json.minisig"] {
        replace(&host.join(format!("release/{old}.{end}")), &host.join(format!("release/{new}.{end}")));
    }
    let _ = site.fetch_from(&[&nginx.url], &code.text).run().refused(23, "integrity");
}

fn replace(from: &Path, to: &Path) {
    fs::copy(from, to).expect("copying");
}
