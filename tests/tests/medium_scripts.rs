//! The scripts of the boot medium, with what would change a machine (`mount`, `ip`, `udhcpc`, `modprobe`, `reboot`) played by scripts that write down
//! how they were called.
//!
//! busybox runs programs of its own before it looks into PATH: its shell and `xargs` would call the real ones of this machine. So the
//! scripts run in another shell, and find nothing but what is listed here: text tools of busybox, which run nothing, and the played ones.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anode_tests::{Output, Program, program_file, source};

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
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Machine {
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

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn write(&self, below: &str, text: impl AsRef<[u8]>) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_default()
    }

    fn calls(&self) -> String {
        self.read("calls").replace(self.0.path().to_str().expect("text"), "")
    }

    /// `text` runs behind the line that is written down.
    fn play(&self, name: &str, text: &str) {
        let text = format!("#!/bin/sh\necho \"{name} $*\" >>\"$ANODE_ROOT/calls\"\n{text}\n");
        program_file(&self.path("bin").join(name), &text);
    }

    /// Nothing is written down.
    fn quiet(&self, name: &str) {
        program_file(&self.path("bin").join(name), "#!/bin/sh\n");
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Program {
        // Debian's, which has no programs of its own.
        Program::new("/bin/dash")
            .arg(self.path("lib/anode").join(script))
            .args(arguments)
            .env("ANODE_ROOT", self.0.path())
            .env("PATH", self.path("bin"))
            .limit(Duration::from_secs(60))
    }

    fn interface(&self, name: &str, has_link: bool) {
        self.write(&format!("sys/class/net/{name}/type"), "1\n");
        self.write(&format!("sys/class/net/{name}/ifindex"), "2\n");
        self.write(&format!("sys/class/net/{name}/device/modalias"), "pci:x\n");
        self.write(&format!("sys/class/net/{name}/carrier"), if has_link { "1\n" } else { "0\n" });
    }

    /// A disk with partitions, as sysfs shows it; each partition's first bytes.
    fn disk(&self, name: &str, is_read_only: bool, partitions: &[&[u8]]) {
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

fn iso() -> Vec<u8> {
    let mut bytes = vec![0; 40_000];
    bytes[32769..32774].copy_from_slice(b"CD001");
    bytes
}

fn fat(label: &[u8; 11]) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[43..54].copy_from_slice(label);
    bytes[54..62].copy_from_slice(b"FAT16   ");
    bytes
}

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
fn a_dhcp_answer_decides_address_router_and_name_servers_and_nothing_else() {
    let machine = Machine::new();
    machine.interface("eth0", true);
    let answer = machine
        .run("dhcp", &["bound"])
        .env("interface", "eth0")
        .env("ip", "192.0.2.10")
        .env("mask", "24")
        .env("router", "192.0.2.1 192.0.2.2")
        .env("dns", "192.0.2.53 $(reboot) ;reboot ../x 2001:db8::53")
        .env("boot_file", "http://evil.example/preseed.cfg")
        .env("siaddr", "192.0.2.66")
        .env("domain", "evil.example")
        .env("hostname", "evil")
        .env("staticroutes", "0.0.0.0/0 192.0.2.66")
        .env("wpad", "http://evil.example/wpad.dat");
    let _ = answer.run().ok();
    assert_eq!(
        machine.calls(),
        "ip address flush dev eth0\nip address add 192.0.2.10/24 dev eth0\n\
         ip route add default via 192.0.2.1 dev eth0 metric 102\n"
    );
    assert_eq!(machine.read("etc/resolv.conf"), "nameserver 192.0.2.53\nnameserver 2001:db8::53\n");
    assert_eq!(machine.read("run/anode/network"), "up\neth0 ready 192.0.2.10/24\n");
    // What came with the answer lies nowhere.
    let grep = Program::new("grep").args(["-r", "evil"]).arg(machine.path("run")).arg(machine.path("etc")).run();
    assert_eq!(grep.stdout, "");
}

#[test]
fn a_dhcp_answer_that_is_none_changes_nothing() {
    for (ip, mask) in [("", "24"), ("192.0.2.10; reboot", "24"), ("192.0.2.10", "24 dev lo"), ("192.0.2.10", "255")] {
        let machine = Machine::new();
        machine.interface("eth0", true);
        let answer = machine.run("dhcp", &["bound"]).env("interface", "eth0").env("ip", ip).env("mask", mask);
        assert_eq!(answer.run().exit, Some(1), "{ip} {mask}");
        assert_eq!(machine.calls(), "");
        assert_eq!(machine.read("run/anode/network"), "");
    }
}

#[test]
fn every_interface_with_a_link_asks_and_the_others_are_named() {
    let machine = Machine::new();
    machine.interface("eth0", true);
    machine.interface("eth1", false);
    machine.interface("eth2", true);
    machine.write("sys/class/net/lo/type", "772\n");
    machine.write("sys/class/net/wg0/type", "65534\n");
    // eth2's server is silent.
    machine.play(
        "udhcpc",
        "case \"$*\" in *eth2*) exit 1 ;; esac\n\
         interface=eth0 ip=192.0.2.10 mask=24 router= dns=\nexport interface ip mask router dns; exec /bin/dash \"$ANODE_ROOT/lib/anode/dhcp\" bound",
    );
    let _ = machine.run("network", &["up"]).run().ok();
    assert_eq!(machine.read("run/anode/network"), "up\neth0 ready 192.0.2.10/24\neth1 no-link \neth2 no-answer \n");
    let calls = machine.calls();
    assert!(calls.contains("udhcpc -i eth0 -b -t 4 -T 3 -A 5 -o -O subnet -O router -O dns "), "{calls}");
    assert!(!calls.contains("udhcpc -i eth1") && !calls.contains(" lo") && !calls.contains("wg0"), "{calls}");
}

#[test]
fn without_an_interface_or_a_link_it_is_over_and_said() {
    let machine = Machine::new();
    let _ = machine.run("network", &["up"]).run().ok();
    assert_eq!(machine.read("run/anode/network"), "none\n");

    let machine = Machine::new();
    machine.interface("eth0", false);
    machine.play("usleep", "");
    let _ = machine.run("network", &["up"]).run().ok();
    // Eight seconds at its real pace.
    assert_eq!(machine.calls().matches("usleep 500000").count(), 16, "{}", machine.calls());
    assert_eq!(machine.read("run/anode/network"), "none\neth0 no-link \n");
    assert!(!machine.calls().contains("udhcpc"));
}

#[test]
fn a_cable_that_is_put_in_later_and_a_server_that_answers_late_are_taken_without_a_word() {
    let machine = Machine::new();
    machine.interface("eth0", false);
    machine.interface("eth1", true);
    let sleeps = machine.path("sleeps");
    // The link comes long after the page that says that there is none.
    machine.play(
        "usleep",
        &format!(
            "echo x >>{0}; [ \"$(grep -c x {0})\" -lt 40 ] || echo 1 >\"$ANODE_ROOT/sys/class/net/eth0/carrier\"",
            sleeps.display()
        ),
    );
    // eth1's server is silent at first: udhcpc says so, goes on behind, and is answered.
    machine.play(
        "udhcpc",
        "ip=192.0.2.10 mask=24 router= dns=\n\
         case \"$*\" in *eth1*) interface=eth1 ip=192.0.2.11 ;; *) interface=eth0 ;; esac\n\
         export interface ip mask router dns\n\
         [ $interface = eth0 ] || /bin/dash \"$ANODE_ROOT/lib/anode/dhcp\" leasefail\n\
         exec /bin/dash \"$ANODE_ROOT/lib/anode/dhcp\" bound",
    );
    let _ = machine.run("network", &["up"]).run().ok();
    assert_eq!(machine.read("run/anode/network"), "up\neth0 ready 192.0.2.10/24\neth1 ready 192.0.2.11/24\n");
    assert!(machine.path("run/anode/udhcpc.later.pid").exists());
}

#[test]
fn a_static_address_and_a_vlan_come_from_the_kernel_or_from_a_person_who_wins() {
    let machine = Machine::new();
    machine.interface("eth0", true);
    machine.interface("eth1", true);
    machine.write(
        "proc/cmdline",
        "anode.ip=192.0.2.10/24,192.0.2.1,192.0.2.53;192.0.2.54 anode.interface=eth1 anode.vlan=12 quiet\n",
    );
    let _ = machine.run("network", &["up"]).run().ok();
    let calls = machine.calls();
    for wanted in [
        "ip link add link eth1 name eth1.12 type vlan id 12\n",
        "ip address add 192.0.2.10/24 dev eth1.12\n",
        "ip route add default via 192.0.2.1 dev eth1.12\n",
    ] {
        assert!(calls.contains(wanted), "{wanted}: {calls}");
    }
    assert!(!calls.contains("udhcpc") && !calls.contains("eth0"), "{calls}");
    assert_eq!(machine.read("etc/resolv.conf"), "nameserver 192.0.2.53\nnameserver 192.0.2.54\n");
    assert_eq!(machine.read("run/anode/network"), "up\neth1.12 ready 192.0.2.10/24\n");

    // A person wants DHCP, every interface, and no VLAN: the one that is there would keep its address.
    fs::remove_file(machine.path("calls")).expect("the calls");
    machine.write("sys/class/net/eth1.12/type", "1\n");
    for setting in ["ip", "interface", "vlan"] {
        machine.write(&format!("run/anode/settings/{setting}"), "");
    }
    let _ = machine.run("network", &["up"]).run().ok();
    let calls = machine.calls();
    assert!(calls.contains("udhcpc -i eth0") && calls.contains("udhcpc -i eth1 "), "{calls}");
    assert!(calls.starts_with("ip link delete eth1.12\n"), "{calls}");
    assert!(!calls.contains("vlan") && !calls.contains("address add"), "{calls}");
}

#[test]
fn what_is_no_address_or_no_vlan_is_said_and_reaches_no_command() {
    for (argument, state) in [
        ("anode.ip=192.0.2.10", "bad-address"),
        ("anode.ip=$(reboot)/24,192.0.2.1", "bad-address"),
        ("anode.ip=192.0.2.10/x,192.0.2.1", "bad-address"),
        ("anode.vlan=12;reboot", "bad-vlan"),
        ("anode.vlan=99999", "bad-vlan"),
    ] {
        let machine = Machine::new();
        machine.interface("eth0", true);
        machine.write("proc/cmdline", format!("{argument}\n"));
        let _ = machine.run("network", &["up"]).run().ok();
        assert!(machine.read("run/anode/network").contains(state), "{argument}");
        let calls = machine.calls();
        assert!(!calls.contains(" add ") && !calls.contains("reboot"), "{argument}: {calls}");
    }
}

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
        assert_eq!(machine.run("medium", &["find"]).limit(Duration::from_secs(20)).run().exit, Some(1));
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
        assert_eq!(machine.run("medium", &["find"]).limit(Duration::from_secs(20)).run().exit, Some(1));
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

/// So many seconds pass.
fn passing(seconds: u8) -> String {
    let uptime = "\"$ANODE_ROOT/proc/uptime\"";
    format!("echo \"$(($(cut -d. -f1 {uptime}) + {seconds})).00 0\" >{uptime}")
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
}

/// `init` itself is not run here: it mounts what every machine has.
#[test]
fn the_search_is_announced_before_it_runs_beside_the_console() {
    let init = fs::read_to_string(source().join("site/medium/init")).expect("init");
    let at = |text: &str| init.find(text).unwrap_or_else(|| panic!("`{text}`"));
    let said = at("\necho searching >/run/anode/medium.state\n");
    assert!(at("\nmkdir -m 0700 /run/anode\n") < said && said < at("\n/lib/anode/medium find "));
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

#[test]
fn a_card_that_does_not_start_is_named_with_the_firmware_that_it_lacks() {
    let machine = Machine::new();
    machine.interface("eth0", true);
    let card = |place: &str, class: &str| machine.write(&format!("sys/bus/pci/devices/{place}/class"), class);
    for (name, place) in [("eth1", "0000:00:03.0"), ("eth2", "0000:00:04.0")] {
        card(place, "0x020000\n");
        machine.write(&format!("sys/class/net/{name}/type"), "1\n");
        fs::create_dir_all(machine.path(&format!("sys/bus/pci/devices/{place}/net/{name}"))).expect("a folder");
        symlink(
            machine.path(&format!("sys/bus/pci/devices/{place}")),
            machine.path(&format!("sys/class/net/{name}/device")),
        )
        .expect("a link");
    }
    // Without an interface: a driver that wants firmware first, a wireless card without a driver, and a disk controller.
    card("0000:00:05.0", "0x020000\n");
    card("0000:00:06.0", "0x028000\n");
    card("0000:00:07.0", "0x010601\n");
    machine.play("ip", "case \"$*\" in *'eth1 up' | *'eth2 up') exit 2 ;; esac");
    let words = "[    5.1] e100 0000:00:03.0: Direct firmware load for e100/d102e_ucode.bin failed with error -2\n\
                 [    5.2] bnx2 0000:00:05.0: Direct firmware load for bnx2/old.fw failed with error -2\n\
                 [    5.3] bnx2 0000:00:05.0: Direct firmware load for bnx2/new.fw failed with error -2\n\
                 [    5.4] ahci 0000:00:07.0: Direct firmware load for none.fw failed with error -2\n";
    machine.write("kernel", words);
    machine.play("dmesg", "exec cat \"$ANODE_ROOT/kernel\"");
    let up = |settings: &str| {
        machine.write("proc/cmdline", settings);
        let _ = machine.run("network", &["up"]).run().ok();
        machine.read("run/anode/network")
    };
    let all = up("quiet\n");
    assert_eq!(
        all,
        "none\n0000:00:05.0 no-firmware bnx2/new.fw\n0000:00:06.0 wireless-card \neth0 no-answer \n\
         eth1 no-firmware e100/d102e_ucode.bin\neth2 no-start \n"
    );
    // What is wrong with the other cards is still said beside an address that was given.
    let fixed = up("anode.ip=192.0.2.10/24\n");
    assert!(fixed.starts_with("up\n") && fixed.contains("eth1 no-firmware ") && !fixed.contains("waiting"), "{fixed}");
    assert_eq!(up("anode.interface=eth0\n"), "none\neth0 no-answer \n");
}

/// A machine with a wireless card, and a program that speaks with it and says `talk` when it has a network.
fn wireless(talk: &str) -> Machine {
    let machine = Machine::new();
    machine.interface("wlan0", true);
    fs::create_dir_all(machine.path("sys/class/net/wlan0/phy80211")).expect("a folder");
    let run = machine.path("run/anode").display().to_string();
    machine.play("wpa_supplicant", &format!("echo 9999999 >'{run}/wifi.pid'; echo '{talk}' >>'{run}/wifi.log'"));
    machine.play("wpa_cli", "case \"$*\" in *ping) echo PONG ;; *scan) echo OK ;; *results) echo table ;; esac");
    machine
}

#[test]
fn a_wireless_networks_name_and_passphrase_stay_words_of_their_own() {
    let machine = wireless("wlan0: CTRL-EVENT-CONNECTED - Connection to 02:00 completed");
    let _ = machine.run("wifi", &["possible"]).run().ok();
    let input = "436166c3a922207d\npass\"word $(reboot) \\x\n";
    let _ = machine.run("wifi", &["join"]).input(input).run().ok();
    let written = machine.read("run/anode/wifi.conf");
    assert!(written.contains("ssid=436166c3a922207d\n"), "{written}");
    assert!(written.contains("psk=\"pass\"word $(reboot) \\x\"\n"), "{written}");
    let mode = fs::metadata(machine.path("run/anode/wifi.conf")).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!machine.calls().contains("pass"), "{}", machine.calls());
    // What is no name in hex writes nothing.
    fs::remove_file(machine.path("run/anode/wifi.conf")).expect("the configuration");
    for name in ["", "Café", "ab}\tx"] {
        let refused = machine.run("wifi", &["join"]).input(&format!("{name}\npassphrase\n")).run();
        assert_eq!((refused.exit, machine.read("run/anode/wifi.conf").as_str()), (Some(2), ""), "{name}");
    }
    // Without the program there is nothing to offer.
    fs::remove_file(machine.path("bin/wpa_supplicant")).expect("the program");
    assert_ne!(machine.run("wifi", &["possible"]).run().exit, Some(0));
}

#[test]
fn why_a_wireless_network_was_not_joined_is_told_apart_and_nothing_goes_on_trying() {
    for (talk, exit) in [
        ("wlan0: CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid=\"x\" auth_failures=1 duration=10 reason=WRONG_KEY", 3),
        ("wlan0: CTRL-EVENT-AUTH-REJECT 02:00 auth_type=3 auth_transaction=2 status_code=1", 3),
        ("wlan0: Trying to associate with 02:00", 1),
        ("wlan0: CTRL-EVENT-NETWORK-NOT-FOUND", 4),
    ] {
        let machine = wireless(talk);
        let ended = machine.run("wifi", &["join"]).input("78\npassphrase\n").run();
        assert_eq!(ended.exit, Some(exit), "{ended}");
        assert!(!machine.path("run/anode/wifi.pid").exists(), "{talk}");
        assert!(ended.stdout.contains(talk), "{ended}");
    }
}

#[test]
fn what_is_in_the_air_is_listed_and_a_vlan_is_for_cables_alone() {
    let machine = wireless("wlan0: CTRL-EVENT-SCAN-RESULTS");
    assert_eq!(machine.run("wifi", &["list"]).run().ok().stdout, "table\n");
    assert_eq!(machine.read("run/anode/wifi.conf").lines().count(), 1);
    machine.write("proc/cmdline", "anode.vlan=12\n");
    let _ = machine.run("network", &["up"]).run().ok();
    let calls = machine.calls();
    assert!(calls.contains("udhcpc -i wlan0 ") && !calls.contains("vlan"), "{calls}");
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
