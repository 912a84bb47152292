//! What is written on a stick, and on which.

use std::fs;

use anode_tests::Output;

use super::machine::{Machine, fat, iso};

/// Two disks with the same image; `twin` is the id on the second one.
fn two_disks(twin: &str) -> Machine {
    let machine = Machine::new();
    machine.write("etc/anode/id", "0123abcd\n");
    machine.disk("sda", false, &[&iso(), &fat(b"ANODE      "), &fat(b"ANODE-DATA ")]);
    machine.disk("sdb", false, &[&iso(), &fat(b"ANODE      "), &fat(b"ANODE-DATA ")]);
    machine.play(
        "mount",
        &format!(
            "case \"$*\" in *sda1*) mkdir -p \"$6/anode\"; echo 0123abcd >\"$6/anode/id\" ;; \
             *sdb1*) mkdir -p \"$6/anode\"; echo {twin} >\"$6/anode/id\" ;; esac"
        ),
    );
    machine
}

#[test]
fn of_two_disks_with_the_same_medium_none_is_written() {
    let machine = two_disks("0123abcd");
    // An earlier start left answers on the one that is found first.
    fs::create_dir_all(machine.path("run/anode/data/anode-stage")).expect("a folder");
    let _ = machine.run("medium", &["find"]).run().ok();
    assert_eq!(
        (machine.read("run/anode/medium.state"), machine.read("run/anode/twin")),
        ("found sda1\n".into(), "sda sdb1\n".into())
    );
    for what in ["open", "stage"] {
        assert_eq!(machine.run("stick", &[what]).run().exit, Some(1), "{what}");
    }
    let calls = machine.calls();
    assert!(!calls.contains("rw") && !calls.contains("anode-console"), "{calls}");
    let mounted =
        |verb: &str| calls.lines().filter(|call| call.starts_with(verb) && call.ends_with("/run/anode/other")).count();
    assert_eq!((mounted("mount"), mounted("umount")), (3, 3), "{calls}");

    // Who pulls one out may go on.
    for entry in ["sys/class/block/sdb", "sys/class/block/sdb1"] {
        fs::remove_file(machine.path(entry)).expect("a link");
    }
    let _ = machine.run("stick", &["open"]).run().ok();
    assert!(!machine.path("run/anode/twin").exists());

    // Another medium on another disk is no twin, and one that comes later is found when something is to be written.
    let machine = two_disks("other");
    let _ = machine.run("medium", &["find"]).run().ok();
    assert!(!machine.path("run/anode/twin").exists());
    let _ = machine.run("stick", &["stage"]).run().ok();
    machine.disk("sdc", false, &[&iso()]);
    machine.play("mount", "case \"$*\" in *sdc1*) mkdir -p \"$6/anode\"; echo 0123abcd >\"$6/anode/id\" ;; esac");
    assert_eq!(machine.run("stick", &["stage"]).run().exit, Some(1));
    assert_eq!(machine.read("run/anode/twin"), "sda sdc1\n");
}

#[test]
fn only_the_mediums_own_partition_is_ever_written() {
    let open = |machine: &Machine| -> Output { machine.run("stick", &["open"]).run() };
    let machine = Machine::new();
    // A foreign stick with the same label, and one of the medium's disk with another.
    machine.disk("sda", false, &[&fat(b"ANODE      ")]);
    machine.disk("sdb", false, &[&iso(), &fat(b"OTHER      "), &fat(b"ANODE      ")]);
    machine.write("run/anode/medium.state", "found sdb1\n");
    let _ = open(&machine).ok();
    assert_eq!(machine.calls(), "mount -t vfat -o rw,nosuid,nodev,noexec,sync,umask=0077 /dev/sdb3 /run/anode/stick\n");

    for (state, is_read_only) in [("found sda1\n", true), ("found sdc\n", false), ("none\n", false), ("", false)] {
        let machine = Machine::new();
        machine.disk("sda", is_read_only, &[&iso(), &fat(b"ANODE      ")]);
        machine.disk("sdb", false, &[&fat(b"ANODE      ")]);
        machine.disk("sdc", false, &[]);
        machine.write("run/anode/medium.state", state);
        assert_eq!(open(&machine).exit, Some(1), "{state}");
        assert!(!machine.calls().contains("mount"), "{state}: {}", machine.calls());
    }
}

#[test]
fn a_medium_that_is_mounted_as_a_whole_disk_makes_way_while_something_is_written() {
    let machine = Machine::new();
    machine.disk("sdb", false, &[&iso(), &fat(b"ANODE      ")]);
    machine.write("run/anode/medium.state", "found sdb\n");
    // The partition is busy until the disk is free.
    machine.play("mount", "case \"$*\" in *vfat*) grep -q '^umount' \"$ANODE_ROOT/calls\" ;; esac");
    let _ = machine.run("stick", &["open"]).run().ok();
    let _ = machine.run("stick", &["close"]).run().ok();
    let calls = machine.calls();
    let lines: Vec<&str> = calls.lines().map(|line| line.rsplit("/run").next().expect("a word")).collect();
    assert_eq!(
        lines,
        ["/anode/stick", "/anode/medium", "/anode/stick", "sync ", "/anode/stick", "/anode/medium"],
        "{calls}"
    );
}

#[test]
fn an_installer_is_staged_on_the_mediums_own_stick_alone_and_removed_by_the_next_start() {
    let machine = Machine::new();
    machine.disk("sdb", false, &[&iso(), &fat(b"ANODE      "), &fat(b"ANODE-DATA ")]);
    assert_eq!(machine.run("stick", &["stage"]).run().exit, Some(1), "nothing is mounted");
    machine.write("run/anode/data.device", "sdb3\n");
    let _ = machine.run("stick", &["stage"]).run().ok();
    let place = machine.path("run/anode/data");
    assert_eq!(machine.read("run/anode/stage"), format!("sdb3 {}\n", place.display()));
    assert!(machine.calls().ends_with("mount -o remount,rw /run/anode/data\n"), "{}", machine.calls());

    let removing = "mount -o remount,rw /run/anode/data\nanode-console unstage /run/anode/data\nsync \n\
                    mount -o remount,ro /run/anode/data\n";
    fs::create_dir_all(place.join("anode-stage")).expect("a folder");
    let _ = machine.run("stick", &["unstage"]).run().ok();
    assert!(machine.calls().ends_with(removing), "{}", machine.calls());
    assert_eq!(
        (machine.read("run/anode/unstaged"), machine.read("run/anode/stage")),
        ("removed\n".into(), String::new())
    );

    // The next start finds it together with the stick, and says that it is there afterwards.
    fs::remove_file(machine.path("calls")).expect("the calls");
    machine.write("etc/anode/id", "0123abcd\n");
    machine.play("mount", "case \"$*\" in *sdb1*) mkdir -p \"$6/anode\"; echo 0123abcd >\"$6/anode/id\" ;; esac");
    machine.play("anode-console", "test ! -e \"$ANODE_ROOT/run/anode/medium.state\" || cp \"$ANODE_ROOT/run/anode/medium.state\" \"$ANODE_ROOT/state\"");
    let _ = machine.run("medium", &["find"]).run().ok();
    assert!(machine.calls().ends_with(removing), "{}", machine.calls());
    assert_eq!(machine.read("state"), "searching\n");

    // So does one of which only the loaders are left.
    fs::remove_dir(place.join("anode-stage")).expect("a folder");
    fs::remove_file(machine.path("calls")).expect("the calls");
    fs::create_dir_all(place.join("EFI/anode")).expect("a folder");
    let _ = machine.run("medium", &["find"]).run().ok();
    assert!(machine.calls().ends_with(removing), "{}", machine.calls());

    // What can not be removed is said, and nothing new is staged beside it.
    machine.play("anode-console", "exit 1");
    assert_eq!(machine.run("stick", &["stage"]).run().exit, Some(1));
    assert_eq!(
        (machine.read("run/anode/unstaged"), machine.read("run/anode/stage")),
        ("failed\n".into(), String::new())
    );
    // What is read-only stays so.
    machine.write("sys/devices/pci/block/sdb/ro", "1\n");
    fs::remove_file(machine.path("calls")).expect("the calls");
    assert_eq!(machine.run("stick", &["stage"]).run().exit, Some(1));
    assert_eq!(machine.calls(), "");
}
