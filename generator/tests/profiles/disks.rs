//! Scripts that decide in front of the machine, run here over made-up machines: which disk is erased, and where an answer lands.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use anode::render::render;

use crate::fixture::Fixture;

/// Name, bus, sectors, removable, read-only.
type Disk = (&'static str, &'static str, u64, bool, bool);

const FIXED: [Disk; 3] = [
    ("nvme0n1", "nvme0", 4_000, false, false),
    ("sda", "ata1", 9_000, false, false),
    ("sdb", "ata2", 2_000, false, false),
];
const UNFIT: [Disk; 5] = [
    ("sr0", "ata3", 1, true, false),
    ("sdc", "usb1/1-1", 99_000, false, false),
    ("sdd", "usb2/2-1", 1, true, false),
    ("sde", "ata4", 99_000, false, true),
    ("sdf", "ata5", 0, false, false),
];

/// What `/sys` says of a machine, below `root`.
fn machine(root: &Path, disks: &[Disk]) {
    fs::create_dir_all(root.join("sys/block")).unwrap();
    // A loop device has no `device`, and is none that anybody installs to.
    fs::create_dir_all(root.join("sys/block/loop0")).unwrap();
    for (name, bus, sectors, removable, read_only) in disks {
        let device = root.join("sys/devices").join(bus).join("block").join(name);
        fs::create_dir_all(device.join("device")).unwrap();
        for (file, value) in [("size", *sectors), ("removable", u64::from(*removable)), ("ro", u64::from(*read_only))] {
            fs::write(device.join(file), format!("{value}\n")).unwrap();
        }
        symlink(&device, root.join("sys/block").join(name)).unwrap();
    }
}

fn sh(script: &str) -> Output {
    Command::new("sh").args(["-c", script]).output().unwrap()
}

fn shared(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles/installers/shared").join(name)).unwrap()
}

fn chosen(rule: &str, disks: &[Disk]) -> String {
    let root = tempfile::tempdir().unwrap();
    machine(root.path(), disks);
    let script = shared("disk-rule").replace("{{ disk_rule }}", rule);
    let script = script.replace("/sys/block", root.path().join("sys/block").to_str().unwrap());
    let output = sh(&format!("set -eu\n{script}\nprintf %s \"$disk\""));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_rule_chooses_among_fixed_disks_and_never_a_stick_a_disc_or_what_can_not_be_written() {
    let all: Vec<_> = UNFIT.into_iter().chain(FIXED).collect();
    assert_eq!(chosen("largest", &all), "/dev/sda");
    assert_eq!(chosen("smallest", &all), "/dev/sdb");
    assert_eq!(chosen("first", &all), "/dev/nvme0n1");
    for rule in ["largest", "smallest", "first"] {
        assert_eq!(chosen(rule, &UNFIT), "", "{rule}");
    }
    assert_eq!(chosen("first", &[("cciss!c0d0", "pci1", 5, false, false)]), "/dev/cciss/c0d0");
}

/// Runs what the initramfs of Agama's installer would run, with the machine and the pack below `root`.
fn prepare(root: &Path, disks: &[Disk]) -> Output {
    let fixture = Fixture::example();
    fixture.write(
        "probe/profile.toml",
        "title = \"Probe\"\ninstaller = \"agama\"\nversion = \"leap-16.0\"\narchitecture = \"x86_64\"\nunattended = true\n\
         [variables]\ndisk_rule = \"largest\"\n",
    );
    let repository = fixture.load();
    let probe = repository.profiles.iter().find(|profile| profile.id.as_str() == "probe").unwrap();
    let rendered = render(&repository, probe, None).ok().unwrap();
    for (file, bytes) in rendered.contents.files().filter(|(file, _)| file.path.as_str().starts_with("anode/")) {
        let path = root.join(file.path.as_str());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    machine(root, disks);
    let at = root.to_str().unwrap();
    let script = fs::read_to_string(root.join("anode/prepare")).unwrap();
    let script = script.replace("/run/anode", &format!("{at}/RUN")).replace("/anode/.", &format!("{at}/anode/."));
    sh(&script.replace("/sys/block", &format!("{at}/sys/block")).replace("/dev/kmsg", &format!("{at}/kmsg")))
}

#[test]
fn the_chosen_disk_is_written_into_the_profile_that_the_installer_reads() {
    let root = tempfile::tempdir().unwrap();
    let output = prepare(root.path(), &FIXED);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let profile = fs::read_to_string(root.path().join("RUN/autoinst.json")).unwrap();
    let profile: serde_json::Value = serde_json::from_str(&profile).unwrap();
    assert_eq!(profile["storage"]["drives"][0]["search"], "/dev/sda");
}

#[test]
fn without_a_disk_that_fits_the_rule_the_installer_is_not_started() {
    let root = tempfile::tempdir().unwrap();
    let output = prepare(root.path(), &UNFIT);
    assert!(!output.status.success());
    let said = fs::read_to_string(root.path().join("kmsg")).unwrap();
    assert_eq!(said, "anode: no disk fits the rule largest\n");
    let profile = fs::read_to_string(root.path().join("RUN/autoinst.json")).unwrap();
    assert!(profile.contains("/dev/anode-disk"), "{profile}");
}

#[test]
fn an_answer_takes_its_place_in_the_targets_ignition_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path().to_str().unwrap();
    let target = r#"{"a": "data:,anode:hostname", "b": "data:,anode:hostname2", "c": "data:,anode:selection"}"#;
    fs::write(root.path().join("target"), target).unwrap();
    fs::write(root.path().join("name"), "pc & | \\1 \"7\"\n").unwrap();
    let script = format!("set -eu\ntarget={at}/target\n{}\n", shared("ignition-inline"));
    // What is not there becomes empty: a machine without a record of the choice is still installed.
    let output = sh(&format!("{script}inline {at}/name hostname\ninline {at}/absent selection\n"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let filled = fs::read_to_string(root.path().join("target")).unwrap();
    let wanted =
        "{\"a\": \"data:;base64,cGMgJiB8IFwxICI3Igo=\", \"b\": \"data:,anode:hostname2\", \"c\": \"data:;base64,\"}";
    assert_eq!(filled.trim_end(), wanted);
}
