//! A folder in the place of `/`, with the scripts of the medium in it and the programs that they may find.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anode_tests::{Program, program_file, source};

const PLAYED: [&str; 11] =
    ["mount", "umount", "ip", "udhcpc", "busybox", "poweroff", "reboot", "anode-console", "sync", "usleep", "dmesg"];
/// Programs of busybox that run no others.
const TEXT: [&str; 19] = [
    "cat", "cmp", "cp", "cut", "dd", "grep", "head", "mkdir", "mv", "readlink", "rm", "rmdir", "sed", "sort", "tail",
    "tr", "unxz", "wc", "xxd",
];
/// It runs what it is told, and finds it by PATH.
const RUNNING: [&str; 1] = ["xargs"];

/// A folder in the place of `/`.
pub struct Machine(tempfile::TempDir);

impl Machine {
    pub fn new() -> Machine {
        let machine = Machine(tempfile::tempdir().expect("a folder"));
        for folder in [
            "lib",
            "etc/anode",
            "proc",
            "dev",
            "sys/class/net",
            "sys/class/block",
            "run/anode/medium",
            "run/anode/stick",
        ] {
            fs::create_dir_all(machine.path(folder)).expect("a folder");
        }
        symlink(source().join("site/medium/lib"), machine.path("lib/anode")).expect("a link");
        machine.write("proc/cmdline", "quiet\n");
        machine.write("proc/uptime", "1000.00 1.00\n");
        let bin = machine.path("bin");
        fs::create_dir(&bin).expect("a folder");
        for name in TEXT {
            symlink("/bin/busybox", bin.join(name)).expect("a link");
        }
        for name in RUNNING {
            symlink(Path::new("/usr/bin").join(name), bin.join(name)).expect("a link");
        }
        for name in PLAYED {
            machine.play(name, "");
        }
        machine.quiet("usleep");
        machine
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    pub fn write(&self, below: &str, text: impl AsRef<[u8]>) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    pub fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_default()
    }

    pub fn calls(&self) -> String {
        self.read("calls").replace(self.0.path().to_str().expect("text"), "")
    }

    /// `text` runs behind the line that is written down.
    pub fn play(&self, name: &str, text: &str) {
        let text = format!("#!/bin/sh\necho \"{name} $*\" >>\"$ANODE_ROOT/calls\"\n{text}\n");
        program_file(&self.path("bin").join(name), &text);
    }

    /// Nothing is written down.
    pub fn quiet(&self, name: &str) {
        program_file(&self.path("bin").join(name), "#!/bin/sh\n");
    }

    pub fn run(&self, script: &str, arguments: &[&str]) -> Program {
        // Debian's, which has no programs of its own.
        Program::new("/bin/dash")
            .arg(self.path("lib/anode").join(script))
            .args(arguments)
            .env("ANODE_ROOT", self.0.path())
            .env("PATH", self.path("bin"))
            .limit(Duration::from_secs(60))
    }

    pub fn interface(&self, name: &str, has_link: bool) {
        self.write(&format!("sys/class/net/{name}/type"), "1\n");
        self.write(&format!("sys/class/net/{name}/ifindex"), "2\n");
        self.write(&format!("sys/class/net/{name}/device/modalias"), "pci:x\n");
        self.write(&format!("sys/class/net/{name}/carrier"), if has_link { "1\n" } else { "0\n" });
    }

    /// A disk with partitions, as sysfs shows it; each partition's first bytes.
    pub fn disk(&self, name: &str, is_read_only: bool, partitions: &[&[u8]]) {
        let device = format!("sys/devices/pci/block/{name}");
        self.write(&format!("{device}/ro"), if is_read_only { "1\n" } else { "0\n" });
        self.write(&format!("dev/{name}"), "");
        symlink(self.path(&device), self.path("sys/class/block").join(name)).expect("a link");
        for (number, bytes) in partitions.iter().enumerate() {
            let part = format!("{name}{}", number + 1);
            self.write(&format!("{device}/{part}/partition"), "1\n");
            self.write(&format!("dev/{part}"), bytes);
            symlink(self.path(&device).join(&part), self.path("sys/class/block").join(&part)).expect("a link");
        }
    }
}

pub fn iso() -> Vec<u8> {
    let mut bytes = vec![0; 40_000];
    bytes[32769..32774].copy_from_slice(b"CD001");
    bytes
}

pub fn fat(label: &[u8; 11]) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[43..54].copy_from_slice(label);
    bytes[54..62].copy_from_slice(b"FAT16   ");
    bytes
}

/// So many seconds pass.
pub fn passing(seconds: u8) -> String {
    let uptime = "\"$ANODE_ROOT/proc/uptime\"";
    format!("echo \"$(($(cut -d. -f1 {uptime}) + {seconds})).00 0\" >{uptime}")
}
