//! The scripts of the boot medium, with what would change a machine (`mount`, `ip`, `udhcpc`, `modprobe`, `reboot`) played by scripts that write down
//! how they were called.
//!
//! busybox runs programs of its own before it looks into PATH: its shell and `xargs` would call the real ones of this machine. So the
//! scripts run in another shell, and find nothing but what is listed here: text tools of busybox, which run nothing, and the played ones.

mod drivers;
mod finding;
mod machine;
mod network;
mod stick;
mod wireless;

use std::fs;
use std::path::PathBuf;

use anode_tests::{Program, source};

use machine::Machine;

#[test]
fn the_scripts_are_clean_shell_that_busybox_reads() {
    let folder = source().join("site/medium");
    let mut scripts: Vec<PathBuf> = vec![folder.join("init")];
    for folder in [folder.join("lib"), source().join("tests/machines/neighbours")] {
        scripts.extend(fs::read_dir(folder).expect("scripts").map(|entry| entry.expect("an entry").path()));
    }
    assert!(scripts.len() >= 13, "{scripts:?}");
    let _ = Program::new("shellcheck").args(["-s", "sh", "-x"]).args(&scripts).folder(source()).run().ok();
    for script in scripts {
        let _ = Program::new("busybox").args(["sh", "-n"]).arg(script).run().ok();
    }
}

#[test]
fn the_last_script_leaves_nothing_mounted_and_does_what_it_is_told() {
    for (word, last) in [("start", "anode-console start-kernel"), ("off", "poweroff -f"), ("again", "reboot -f")] {
        let machine = Machine::new();
        machine.write("sys/kernel/kexec_loaded", "1\n");
        let _ = machine.run("end", &[word]).run().ok();
        let calls = machine.calls();
        assert!(calls.contains("umount /run/anode/data /run/anode/medium\n") && calls.contains("sync"), "{calls}");
        assert!(calls.ends_with(&format!("{last}\n")), "{calls}");
    }
    assert_eq!(Machine::new().run("end", &["elsewhere"]).run().exit, Some(2));
    // Nothing is given up for a kernel that is not there.
    let machine = Machine::new();
    machine.write("sys/kernel/kexec_loaded", "0\n");
    assert_eq!(machine.run("end", &["start"]).run().exit, Some(1));
    assert_eq!(machine.calls(), "");
}
