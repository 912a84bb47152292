//! Both targets: what they hold, and that they appear complete or not at all.

use std::os::unix::fs::PermissionsExt as _;

use anode_bundle::Moment;
use anode_bundle::name::{Id, SiteId};
use anode_bundle::pack::{Ansible, SecondStage};

use super::*;

fn selection() -> Selection {
    Selection {
        format: 1,
        site: SiteId::from_bytes([1; 16]),
        site_title: "Example".into(),
        organisation: Id::new("acme").unwrap(),
        profile: Id::new("server").unwrap(),
        title: "Server".into(),
        release: 7,
        installer: Id::new("debian").unwrap(),
        version: "12".into(),
        architecture: "amd64".into(),
        second_stage: SecondStage { pinned: true, how: "signed".into() },
        ansible: Some(Ansible {
            repository: "https://example.org/a.git".into(),
            commit: None,
            branch: Some("main".into()),
            playbook: "site.yml".into(),
            groups: vec!["web".into()],
            requirements: None,
            schedule: Some("hourly".into()),
            only_if_changed: true,
        }),
        activated_at: Moment::EPOCH,
        clock: ClockState::Dead,
        source: "cache".into(),
    }
}

fn file(path: &str, mode: u32, text: &str) -> FilledFile {
    FilledFile { path: SafePath::new(path).unwrap(), mode, bytes: Zeroizing::new(text.as_bytes().to_vec()) }
}

fn files(path: &Path) -> Target {
    Target::Files(path.to_owned())
}

fn initrd(path: &Path) -> Target {
    Target::Initrd(path.to_owned())
}

fn carry() -> Carry {
    Carry::Fetcher { network: Network { authorities: b"PEM".to_vec(), proxy: None } }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn files_have_their_modes_and_the_folder_is_private() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("out");
    let written = files(&dir)
        .write(&[file("preseed.cfg", 0o640, "a"), file("usr/bin/x", 0o755, "b")], &selection(), Carry::Nothing)
        .unwrap();
    assert_eq!(written, ["preseed.cfg", "usr/bin/x", SELECTION_FILE]);
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("preseed.cfg")), 0o640);
    assert_eq!(mode(&dir.join("usr/bin/x")), 0o755);
    assert_eq!(std::fs::read_to_string(dir.join("usr/bin/x")).unwrap(), "b");
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join(SELECTION_FILE)).unwrap()).unwrap();
    assert_eq!((&record["clock"], &record["release"]), (&"dead".into(), &7.into()));
    assert_eq!(record["ansible"]["branch"], "main");
    assert_eq!(record["ansible"]["groups"][0], "web");
    assert_eq!(record["ansible"].get("requirements"), None);
    assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 1);
}

#[test]
fn an_empty_folder_is_taken_and_a_filled_one_is_left_alone() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("out");
    std::fs::create_dir(&dir).unwrap();
    files(&dir).write(&[file("a", 0o644, "first")], &selection(), Carry::Nothing).unwrap();
    let failure = files(&dir).write(&[file("a", 0o644, "second")], &selection(), Carry::Nothing).unwrap_err();
    assert!(failure.to_string().ends_with("exists and is not an empty folder"), "{failure}");
    assert!(failure.remedy().contains("name another"));
    assert_eq!(std::fs::read_to_string(dir.join("a")).unwrap(), "first");
    assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 1);
}

#[test]
fn links_files_and_missing_parents_are_refused() {
    let base = tempfile::tempdir().unwrap();
    std::fs::write(base.path().join("file"), "x").unwrap();
    std::os::unix::fs::symlink(base.path(), base.path().join("link")).unwrap();
    for name in ["file", "link", "no/such", "file/below", ".."] {
        for target in [files(&base.path().join(name)), initrd(&base.path().join(name))] {
            assert!(target.check().is_err(), "{target:?}");
        }
    }
    assert!(files(Path::new("/")).check().is_err());
    assert!(initrd(base.path()).check().is_err());
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let base = tempfile::tempdir().unwrap();
    // The second can not be written: its folder is a file.
    let contents = [file("a", 0o644, "x"), file("a/b", 0o644, "x")];
    let failure = files(&base.path().join("out")).write(&contents, &selection(), Carry::Nothing).unwrap_err();
    assert!(failure.to_string().contains("out/a/b"), "{failure}");
    assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
    let failure = initrd(&base.path().join("out")).write(&contents, &selection(), Carry::Nothing).unwrap_err();
    assert_eq!(failure.exit().number(), 40, "{failure}");
    assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
}

#[test]
fn an_initrd_is_private_holds_the_record_and_overwrites_nothing() {
    let base = tempfile::tempdir().unwrap();
    let place = base.path().join("answers.img");
    let contents = [file("preseed.cfg", 0o640, "locale"), file("usr/lib/x", 0o755, "b")];
    let written = initrd(&place).write(&contents, &selection(), Carry::Nothing).unwrap();
    assert_eq!(written, ["preseed.cfg", "usr/lib/x", SELECTION_FILE]);
    assert_eq!(mode(&place), 0o600);
    let bytes = std::fs::read(&place).unwrap();
    assert_eq!(bytes.len() % BLOCK, 0);
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.contains("locale") && text.contains("\"site_title\": \"Example\""));

    let failure = initrd(&place).write(&contents, &selection(), Carry::Nothing).unwrap_err();
    assert!(failure.to_string().ends_with("exists") && failure.remedy().contains("--initrd"), "{failure}");
    assert_eq!(std::fs::read(&place).unwrap(), bytes);
    assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 1);
}

#[test]
fn a_pack_can_not_forge_the_record() {
    let base = tempfile::tempdir().unwrap();
    let place = base.path().join("out");
    for target in [files(&place), initrd(&place)] {
        let failure = target.write(&[file(SELECTION_FILE, 0o644, "{}")], &selection(), Carry::Nothing).unwrap_err();
        assert_eq!(failure.exit().number(), 25);
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_program_that_needs_libraries_is_not_carried_into_another_systems_initrd() {
    let base = tempfile::tempdir().unwrap();
    let place = base.path().join("out");
    // The tests' own program is linked with the libraries of this system.
    let failure = initrd(&place).write(&[file("a", 0o644, "a")], &selection(), carry()).unwrap_err();
    assert_eq!((failure.exit().number(), failure.to_string().contains("not a static one")), (40, true));
    assert!(!place.exists());
    let reserved = [file("anode/anode-fetch", 0o755, "#!/bin/sh")];
    assert!(initrd(&place).write(&reserved, &selection(), carry()).is_err());
    // A folder of files is for people and scripts, who have the program already.
    let written = files(&place).write(&reserved, &selection(), carry()).unwrap();
    assert_eq!(written, ["anode/anode-fetch", SELECTION_FILE]);
}
