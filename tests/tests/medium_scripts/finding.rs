//! What the machine was started from: a disk, a file on one, or nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use anode_tests::{Program, source};

use super::machine::{Machine, fat, iso, passing};

#[test]
fn the_medium_is_the_one_whose_id_is_ours_and_nothing_on_it_can_run() {
    let machine = Machine::new();
    machine.write("etc/anode/id", "0123abcd\n");
    machine.disk("sda", false, &[b"no file system", &iso()]);
    machine.disk("sdb", false, &[&iso(), &fat(b"ANODE      "), &fat(b"ANODE-DATA ")]);
    // sda2 is another medium; sdb1 is ours.
    machine.play(
        "mount",
        "case \"$*\" in *sda2*) mkdir -p \"$6/anode\"; echo other >\"$6/anode/id\" ;; \
         *sdb1*) mkdir -p \"$6/anode\"; echo 0123abcd >\"$6/anode/id\" ;; esac",
    );
    let _ = machine.run("medium", &["find"]).run().ok();
    assert_eq!(machine.read("run/anode/medium.state"), "found sdb1\n");
    assert_eq!(
        machine.calls(),
        "mount -t iso9660 -o ro,nosuid,nodev,noexec /dev/sda2 /run/anode/medium\numount /run/anode/medium\n\
         mount -t iso9660 -o ro,nosuid,nodev,noexec /dev/sdb1 /run/anode/medium\n\
         mount -t iso9660 -o ro,nosuid,nodev,noexec /dev/sda2 /run/anode/other\numount /run/anode/other\n\
         mount -t vfat -o ro,nosuid,nodev,noexec /dev/sdb3 /run/anode/data\n"
    );
}

/// A machine whose menu says that the medium is a file. Mounting sdb1 shows what `prepare` laid there, and mounting a file what the image holds.
fn with_a_file(argument: &str, first_sector: &[u8]) -> Machine {
    let machine = Machine::new();
    machine.write("etc/anode/id", "0123abcd\n");
    machine.write("proc/cmdline", format!("quiet {argument} console=tty0\n"));
    machine.write("proc/mounts", format!("/dev/loop3 {} iso9660 ro 0 0\n", machine.path("run/anode/medium").display()));
    machine.disk("sdb", false, &[first_sector, &fat(b"ANODE-DATA ")]);
    machine.disk("loop3", true, &[]);
    machine.play("mount", "case \"$*\" in *loop*) mkdir -p \"$6/anode\"; echo 0123abcd >\"$6/anode/id\" ;; esac");
    machine.play("usleep", &passing(20));
    machine
}

#[test]
fn a_medium_that_is_a_file_on_a_stick_finds_itself_and_leaves_the_stick_alone() {
    let mut exfat = vec![0; 512];
    exfat[3..11].copy_from_slice(b"EXFAT   ");
    for (argument, first_sector, mounted) in [
        ("iso-scan/filename=/isos/anode.iso", fat(b"           "), "vfat -o ro,nosuid,nodev,noexec,utf8"),
        ("findiso=/isos/anode.iso", exfat, "exfat -o ro,nosuid,nodev,noexec"),
    ] {
        let machine = with_a_file(argument, &first_sector);
        machine.write("run/anode/carrier/isos/anode.iso", iso());
        let _ = machine.run("medium", &["find"]).run().ok();
        assert_eq!(machine.read("run/anode/medium.state"), "found loop3\n");
        assert_eq!(
            machine.calls(),
            format!(
                "busybox modprobe -D -a -b -q loop exfat\nbusybox modprobe -a -b -q loop exfat\nmount -t {mounted} /dev/sdb1 /run/anode/carrier\n\
                 mount -t iso9660 -o loop,ro,nosuid,nodev,noexec /run/anode/carrier/isos/anode.iso /run/anode/medium\n\
                 mount -t vfat -o ro,nosuid,nodev,noexec /dev/sdb2 /run/anode/data\n"
            )
        );
        // The stick is somebody's: no log is written to it, whatever its partitions are called.
        fs::write(machine.path("dev/sdb2"), fat(b"ANODE      ")).expect("a label");
        assert_eq!(machine.run("stick", &["open"]).run().exit, Some(1));
    }
}

#[test]
fn a_file_that_is_another_medium_a_link_or_missing_is_none_of_ours_and_nothing_stays_mounted() {
    let argument = "iso-scan/filename=/isos/anode.iso";
    let searched = |machine: Machine| {
        assert_eq!(machine.run("medium", &["find"]).limit(Duration::from_secs(60)).run().exit, Some(1));
        assert_eq!(machine.read("run/anode/medium.state"), "none\n");
        let calls = machine.calls();
        assert_eq!(calls.matches("\nmount ").count(), calls.matches("\numount ").count(), "{calls}");
        calls
    };
    let missing = searched(with_a_file(argument, &fat(b"SYSTEMS    ")));
    assert!(missing.contains("umount /run/anode/carrier\n") && !missing.contains("iso9660"), "{missing}");

    let linked = with_a_file(argument, &fat(b"SYSTEMS    "));
    linked.write("run/anode/carrier/isos/other.iso", iso());
    symlink("other.iso", linked.path("run/anode/carrier/isos/anode.iso")).expect("a link");
    assert!(!searched(linked).contains("iso9660"));

    let foreign = with_a_file(argument, &fat(b"SYSTEMS    "));
    foreign.write("run/anode/carrier/isos/anode.iso", iso());
    foreign.play("mount", "case \"$*\" in *loop*) mkdir -p \"$6/anode\"; echo other >\"$6/anode/id\" ;; esac");
    assert!(searched(foreign).contains("umount /run/anode/medium\numount /run/anode/carrier\n"));

    // What is no FAT and no exFAT is not mounted at all: reading some file systems writes to them.
    let unknown = searched(with_a_file(argument, b"no file system"));
    assert!(!unknown.contains("/dev/sdb1"), "{unknown}");
}

#[test]
fn a_foreign_disc_with_a_link_or_a_pipe_in_place_of_its_id_is_none_of_ours() {
    let searched = |prepare: &dyn Fn(&Machine)| {
        let machine = Machine::new();
        machine.write("etc/anode/id", "0123abcd\n");
        machine.disk("sdb", false, &[&iso()]);
        machine.play("usleep", &passing(20));
        prepare(&machine);
        assert_eq!(machine.run("medium", &["find"]).limit(Duration::from_secs(60)).run().exit, Some(1));
        assert_eq!(machine.read("run/anode/medium.state"), "none\n");
        assert!(machine.calls().contains("umount /run/anode/medium\n"), "{}", machine.calls());
    };
    searched(&|machine| {
        fs::create_dir(machine.path("run/anode/medium/anode")).expect("a folder");
        symlink(machine.path("etc/anode/id"), machine.path("run/anode/medium/anode/id")).expect("a link");
    });
    searched(&|machine| {
        symlink(machine.path("etc/anode"), machine.path("run/anode/medium/anode")).expect("a link");
    });
    searched(&|machine| {
        fs::create_dir(machine.path("run/anode/medium/anode")).expect("a folder");
        let _ = Program::new("/usr/bin/mkfifo").arg(machine.path("run/anode/medium/anode/id")).run().ok();
    });
}

#[test]
fn the_search_for_a_medium_has_an_end_and_over_the_network_none_begins() {
    let machine = Machine::new();
    machine.write("etc/anode/id", "0123abcd\n");
    machine.disk("sda", false, &[b"no file system"]);
    machine.play("usleep", &passing(5));
    assert_eq!(machine.run("medium", &["find"]).run().exit, Some(1));
    assert_eq!(machine.read("run/anode/medium.state"), "none\n");
    assert!(!machine.calls().contains("mount"));

    let machine = Machine::new();
    machine.disk("sdb", false, &[&iso()]);
    machine.write("proc/cmdline", "quiet anode.netboot\n");
    assert_eq!(machine.run("medium", &["find"]).run().exit, Some(1));
    assert_eq!((machine.read("run/anode/medium.state").as_str(), machine.calls().as_str()), ("none\n", ""));

    // It is a word, and no part of one.
    let machine = Machine::new();
    machine.write("etc/anode/id", "0123abcd\n");
    machine.disk("sdb", false, &[&iso()]);
    machine.write("proc/cmdline", "quiet anode.url=https://anode.netboot.example/ x-anode.netboot\n");
    machine.play("usleep", &passing(5));
    assert_eq!(machine.run("medium", &["find"]).run().exit, Some(1));
    assert!(machine.calls().contains("mount "), "{}", machine.calls());
}

/// `init` itself is not run here: it mounts what every machine has.
#[test]
fn the_search_is_announced_before_it_runs_beside_the_console() {
    let init = fs::read_to_string(source().join("site/medium/init")).expect("init");
    let at = |text: &str| init.find(text).unwrap_or_else(|| panic!("`{text}`"));
    let said = at("\necho searching >/run/anode/medium.state\n");
    assert!(at("\nmkdir -m 0700 /run/anode\n") < said && said < at("\n/lib/anode/medium find "));
}
