//! Drivers: which are loaded, when, and how a packed module is unpacked first.

use std::fs;

use anode_tests::{Program, source};

use super::machine::Machine;

impl Machine {
    /// Devices on a bus; their names are theirs on the bus.
    fn devices(&self, bus: &str, aliases: &[(&str, &str)]) {
        for (name, alias) in aliases {
            self.write(&format!("sys/bus/{bus}/devices/{name}/modalias"), format!("{alias}\n"));
        }
    }

    /// What was loaded, call by call.
    fn loaded(&self) -> Vec<String> {
        let calls = self.calls();
        let loading = calls.lines().filter_map(|line| line.strip_prefix("busybox modprobe "));
        loading.filter(|line| !line.starts_with("-D ")).map(str::to_owned).collect()
    }
}

#[test]
fn drivers_are_loaded_for_what_is_there_until_nothing_new_appears() {
    let machine = Machine::new();
    machine.devices("pci", &[("a", "pci:v00001AF4d00001000"), ("b", "pci:v00001AF4d00001000")]);
    machine.write("sys/devices/system/cpu/modalias", "cpu:type:x86\n");
    // The controller's driver brings a disk. Most devices need none, which modprobe calls a failure.
    machine.play(
        "busybox",
        "case \"$*\" in *pci:*) mkdir -p \"$ANODE_ROOT/sys/bus/virtio/devices/c\"; \
         echo 'virtio:d00000002' >\"$ANODE_ROOT/sys/bus/virtio/devices/c/modalias\" ;; esac; exit 1",
    );
    machine.play("usleep", "");
    let _ = machine.run("drivers", &["load"]).run().ok();
    let _ = machine.run("drivers", &["load"]).run().ok();
    assert_eq!(machine.loaded(), ["-a -b -q -- cpu:type:x86 pci:v00001AF4d00001000", "-a -b -q -- virtio:d00000002"]);
    // Nothing that announces its devices later: nobody waits.
    assert!(!machine.calls().contains("usleep"), "{}", machine.calls());
}

#[test]
fn a_bus_that_announces_its_devices_later_is_waited_for() {
    let machine = Machine::new();
    machine.devices("pci", &[("a", "pci:xhci")]);
    machine.devices("usb", &[("usb1", "usb:hub")]);
    let device = "\"$ANODE_ROOT/sys/bus/usb/devices/1-1\"";
    machine.play("usleep", &format!("mkdir -p {device}; echo usb:network >{device}/modalias"));
    let _ = machine.run("drivers", &["load"]).run().ok();
    assert_eq!(machine.loaded(), ["-a -b -q -- pci:xhci usb:hub", "-a -b -q -- usb:network"]);
    // Once, and once more where something came.
    assert_eq!(machine.calls().matches("usleep").count(), 2, "{}", machine.calls());
}

#[test]
fn what_appears_behind_the_first_question_is_loaded_for_a_while() {
    let machine = Machine::new();
    machine.devices("pci", &[("a", "pci:ahci")]);
    let _ = machine.run("drivers", &["load"]).run().ok();
    let device = "\"$ANODE_ROOT/sys/bus/scsi/devices/0\"";
    machine.play("usleep", &format!("mkdir -p {device}; echo scsi:t-0x00 >{device}/modalias"));
    let _ = machine.run("drivers", &["watch"]).run().ok();
    let loaded = machine.loaded();
    assert_eq!((loaded.len(), loaded[1].as_str()), (3, "-a -b -q -- scsi:t-0x00"), "{loaded:?}");
    assert!(loaded[2].starts_with("-a -b -q sd_mod sr_mod isofs vfat "), "{loaded:?}");
    // Fifteen seconds at their real pace.
    assert_eq!(machine.calls().matches("usleep 500000").count(), 30);
}

/// busybox runs its own `modprobe` before it looks into PATH, and that one finds no module that is packed.
#[test]
fn modules_are_loaded_by_the_script_that_unpacks_them() {
    let folder = source().join("site/medium");
    let mut scripts = vec![folder.join("init")];
    scripts.extend(fs::read_dir(folder.join("lib")).expect("scripts").map(|entry| entry.expect("an entry").path()));
    for script in scripts {
        let text = fs::read_to_string(&script).expect("a script");
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#') && line.contains("modprobe")) {
            let is_ours = line.contains("/lib/anode/modprobe") || script.ends_with("lib/modprobe");
            assert!(is_ours, "{}: {line}", script.display());
        }
    }
}

/// A file packed as modules are.
fn packed(machine: &Machine, path: &str, text: &str) {
    machine.write(path, text);
    let _ = Program::new("xz").arg(machine.path(path)).run().ok();
}

#[test]
fn a_module_is_unpacked_with_what_it_needs_before_it_is_loaded_and_others_stay() {
    let machine = Machine::new();
    for name in ["a", "b", "other"] {
        packed(&machine, &format!("lib/modules/6.1/{name}.ko"), name);
    }
    // `a` was half unpacked when the power failed; `c` lies open.
    machine.write("lib/modules/6.1/a.ko", "");
    machine.write("lib/modules/6.1/c.ko", "c");
    machine.play(
        "busybox",
        "case $2 in -D) for name in c b a b; do echo \"insmod /lib/modules/6.1/$name.ko\"; done ;; \
         *) cat \"$ANODE_ROOT\"/lib/modules/6.1/[ab].ko >>\"$ANODE_ROOT/seen\" ;; esac",
    );
    let _ = machine.run("modprobe", &["-a", "-q", "pci:*", "x y"]).run().ok();
    assert_eq!(machine.read("seen"), "ab");
    assert_eq!(machine.loaded(), ["-a -q pci:* x y"]);
    let mut left: Vec<_> = fs::read_dir(machine.path("lib/modules/6.1")).expect("modules").collect();
    left.sort_by_key(|entry| entry.as_ref().expect("an entry").file_name());
    let left: Vec<_> = left.into_iter().map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left, ["a.ko", "b.ko", "c.ko", "other.ko.xz"]);
    assert!(!machine.path("lib/modules/unpacking").exists());
}

#[test]
fn who_unpacks_modules_waits_for_another_one_but_not_for_ever() {
    let machine = Machine::new();
    packed(&machine, "lib/modules/6.1/a.ko", "a");
    machine.write("lib/modules/unpacking/by/somebody", "");
    machine.play("usleep", "");
    machine.play("busybox", "[ \"$2\" != -D ] || echo insmod /lib/modules/6.1/a.ko");
    let _ = machine.run("modprobe", &["a"]).run().ok();
    assert_eq!(machine.calls().matches("usleep 20000").count(), 500);
    assert_eq!(machine.loaded(), ["a"]);
    assert_eq!(machine.read("lib/modules/6.1/a.ko"), "a");
}
