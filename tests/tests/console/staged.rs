//! An installer that the firmware starts: when it is staged, who is told, and when it goes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use anode_tests::Medium;

const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const STAGED: &str =
    "echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":false,\"staged\":{\"loader\":\"EFI/anode/shim.efi\"}}'";

/// A machine with a UEFI, whose kernel is locked down, and a stick with a third partition.
fn locked_down() -> Medium {
    let medium = Medium::new();
    for folder in ["sys/kernel/security", "sys/firmware/efi/efivars", "sys/class/block", "sys/devices/sdb/sdb3"] {
        fs::create_dir_all(medium.path(folder)).expect("a folder");
    }
    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us");
    medium.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    medium.write(&format!("sys/firmware/efi/efivars/BootOrder-{GLOBAL}"), "");
    for (file, text) in [("partition", "3\n"), ("start", "71680\n"), ("size", "262144\n")] {
        medium.write(&format!("sys/devices/sdb/sdb3/{file}"), text);
    }
    symlink("../../devices/sdb/sdb3", medium.path("sys/class/block/sdb3")).expect("a link");
    let mut sector = vec![0; 512];
    sector[440..444].copy_from_slice(&[1, 2, 3, 4]);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    fs::write(medium.path("dev/sdb"), sector).expect("a disk");
    medium.script(
        "lib/anode/stick",
        "echo stick \"$@\" >>\"$ANODE_ROOT/calls\"\n\
         if [ \"$1\" = stage ]; then echo \"sdb3 $ANODE_ROOT/run/anode/data\" >\"$ANODE_ROOT/run/anode/stage\"; fi",
    );
    medium.fetcher(STAGED);
    medium
}

fn variable(medium: &Medium, name: &str) -> PathBuf {
    medium.path(&format!("sys/firmware/efi/efivars/{name}-{GLOBAL}"))
}

#[test]
fn what_lies_staged_is_started_by_the_firmware_at_its_next_start_and_never_again() {
    let medium = locked_down();
    let mut screen = medium.session();
    screen.expect("The machine starts anew, into the installer.");
    assert_eq!(screen.exit(), Some(102));
    let arguments = medium.read("arguments");
    assert!(arguments.contains("activate --kexec --json"), "{arguments}");
    assert!(arguments.contains(&format!("--stage {}", medium.path("run/anode/data").display())), "{arguments}");
    assert!(!medium.read("calls").contains("stick unstage"), "{}", medium.read("calls"));
    assert_eq!(fs::read(variable(&medium, "BootNext")).expect("the variable"), [7, 0, 0, 0, 0, 0]);
    assert!(variable(&medium, "Boot0000").exists());
    assert!(fs::read(variable(&medium, "BootOrder")).expect("the variable").is_empty(), "the order stays as it is");

    // The firmware has deleted its own word; the entry is ours to remove.
    fs::remove_file(variable(&medium, "BootNext")).expect("removing it");
    medium.write("run/anode/unstaged", "removed\n");
    // Otherwise this session would stage it anew.
    medium.fetcher("exit 3");
    let mut screen = medium.session();
    screen.expect("An installer that was staged on this stick is removed");
    drop(screen);
    assert!(!variable(&medium, "Boot0000").exists());
}

#[test]
fn what_is_not_started_does_not_stay_staged() {
    // The firmware could not tell this disk from others.
    let medium = locked_down();
    medium.write("dev/sdb", "no partition table");
    let mut screen = medium.session();
    screen.expect("The firmware could not be told to start the installer");
    screen.expect("Error 40");
    screen.expect("Number:");
    assert!(medium.read("calls").ends_with("stick unstage\n"), "{}", medium.read("calls"));
    assert!(!variable(&medium, "BootNext").exists());

    // A fetcher that failed, and one that loaded the kernel after all.
    let medium = locked_down();
    medium.fetcher("exit 40");
    let mut screen = medium.session();
    screen.expect("Error 40");
    assert!(medium.read("calls").contains("stick unstage"), "{}", medium.read("calls"));
    let medium = locked_down();
    medium.fetcher("echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":false}'");
    assert_eq!(medium.session().exit(), Some(100));
    assert!(medium.read("calls").contains("stick unstage"), "{}", medium.read("calls"));
    assert!(!variable(&medium, "BootNext").exists());
}

#[test]
fn no_place_is_opened_where_the_kernel_loads_everything_unless_an_argument_wants_it() {
    let medium = locked_down();
    medium.write("sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
    medium.fetcher("echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":false}'");
    assert_eq!(medium.session().exit(), Some(100));
    assert!(!medium.read("calls").contains("stage") && !medium.read("arguments").contains("--stage"));

    medium.write("proc/cmdline", "anode.lang=en anode.keyboard=us anode.stage");
    medium.fetcher(STAGED);
    assert_eq!(medium.session().exit(), Some(102));
    let arguments = medium.read("arguments");
    let last = arguments.lines().last().expect("a call");
    assert!(last.contains("--stage") && !last.contains("--kexec"), "{last}");

    // Without a place it is tried in the other way.
    medium.script("lib/anode/stick", "exit 1");
    medium.fetcher("echo '{\"ok\":true,\"profile\":\"server\",\"unattended\":false}'");
    assert_eq!(medium.session().exit(), Some(100));
    let arguments = medium.read("arguments");
    let last = arguments.lines().last().expect("a call");
    assert!(last.contains("--kexec") && !last.contains("--stage"), "{last}");
}
