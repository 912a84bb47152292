//! The scripts that choose the disk for the installers of Debian, Ubuntu and Mint, run here on made-up disks, and `finish`, run in a made-up system.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anode::render::{render, sample_answers};
use anode_bundle::name::Id;

use crate::fixture::Fixture;

/// Writes the files of a profile `own` to a folder, with sample answers in them.
fn pack(head: &str, variables: &str, snippets: &[(&str, &str)], folder: &Path) {
    let fixture = Fixture::example();
    fixture.write("own/profile.toml", &format!("title = \"Own\"\n{head}\n[variables]\n{variables}\n"));
    for (name, text) in snippets {
        fixture.write(&format!("own/{name}"), text);
    }
    let repository = fixture.load();
    let profile = repository.profile(&Id::new("own").unwrap(), None).unwrap();
    let rendered = match render(&repository, profile, None) {
        Ok(rendered) => rendered,
        Err(problems) => panic!("{}", crate::fixture::lines(&problems).join("\n")),
    };
    for file in rendered.contents.fill(&sample_answers(&rendered.contents)).unwrap() {
        let path = folder.join(file.path.as_str());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &file.bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(file.mode)).unwrap();
    }
}

/// A machine in a folder: `/sys`, `/dev` and the rest of it lie there, and the pack at its root.
struct Machine(tempfile::TempDir);

const DEBIAN: &str = "installer = \"debian\"\nversion = \"13\"\narchitecture = \"amd64\"\nunattended = true";
const UBUNTU: &str = "installer = \"ubuntu-server\"\nversion = \"24.04\"\narchitecture = \"amd64\"\nunattended = true";
const MINT: &str = "installer = \"mint\"\nversion = \"22\"\narchitecture = \"amd64\"\nunattended = true";

impl Machine {
    /// Disks of every kind that must not be chosen, and three that may.
    fn new(head: &str, variables: &str) -> Machine {
        let machine = Machine(tempfile::tempdir().unwrap());
        pack(head, variables, &[], machine.path());
        for (name, size, removable, bus) in [
            ("nvme0n1", 2_000, 0, "pci/nvme"),
            ("sda", 1_000, 0, "pci/ata1"),
            ("sdb", 3_000, 0, "pci/ata2"),
            ("sdc", 9_000, 0, "pci/usb1/1-1"),
            ("sdd", 8_000, 1, "pci/ata3"),
            ("mmcblk0boot0", 7_000, 0, "pci/mmc"),
        ] {
            let device = format!("sys/devices/{bus}/{name}");
            for (file, value) in [("size", size), ("removable", removable), ("ro", 0), ("device", 0)] {
                machine.write(&format!("{device}/{file}"), &format!("{value}\n"));
            }
            fs::create_dir_all(machine.path().join("sys/block")).unwrap();
            symlink(machine.path().join(device), machine.path().join("sys/block").join(name)).unwrap();
            machine.write(&format!("dev/{name}"), "");
        }
        machine.write("sys/block/loop0/size", "99999\n");
        for (id, disk) in [("one", "sda"), ("two", "nvme0n1")] {
            let link = machine.path().join("dev/disk/by-id").join(id);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(machine.path().join("dev").join(disk), link).unwrap();
        }
        for program in ["logger", "debconf-set-selections"] {
            machine.write(&format!("bin/{program}"), "#!/bin/sh\n");
            let path = machine.path().join("bin").join(program);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        machine
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        let text = fs::read_to_string(self.path().join(path)).unwrap_or_default();
        text.replace(&self.path().display().to_string(), "")
    }

    /// Runs a script of the pack whose absolute paths are this machine's. A file stands for a block device.
    fn run(&self, script: &str) -> Output {
        let root = self.path().display();
        let mut text = fs::read_to_string(self.path().join(script)).unwrap().replace("[ ! -b ", "[ ! -e ");
        for path in ["/sys/block", "/sys/firmware", "/tmp/anode-storage", "/anode/pre", "/autoinstall.yaml"] {
            text = text.replace(path, &format!("{root}{path}"));
        }
        text = text.replace("/dev/disk/", &format!("{root}/dev/disk/")).replace("#/dev/}", &format!("#{root}/dev/}}"));
        text = text.replace("echo \"/dev/", &format!("echo \"{root}/dev/"));
        let search = format!("{root}/bin:{}", std::env::var("PATH").unwrap());
        Command::new("sh").arg("-c").arg(text).env("PATH", search).output().unwrap()
    }
}

#[test]
fn debian_gets_the_disk_that_the_rule_means_and_no_other() {
    for (rule, disk) in [("first", "nvme0n1"), ("largest", "sdb"), ("smallest", "sda")] {
        let machine = Machine::new(DEBIAN, &format!("disk_rule = \"{rule}\""));
        fs::create_dir(machine.path().join("tmp")).unwrap();
        assert!(machine.run("anode/storage").status.success());
        let answers = machine.read("tmp/anode-storage.cfg");
        assert!(answers.contains(&format!("d-i partman-auto/disk string /dev/{disk}\n")), "{rule}: {answers}");
        assert!(answers.contains("d-i partman-auto/method string lvm\n"), "{answers}");
    }
}

#[test]
fn where_the_chosen_disk_is_not_there_debian_asks_and_ubuntu_and_mint_stop() {
    for (head, script, answers, status) in [
        (DEBIAN, "anode/storage", "tmp/anode-storage.cfg", 0),
        (UBUNTU, "anode/early", "autoinstall.yaml", 1),
        (MINT, "anode/storage", "none", 1),
    ] {
        let machine = Machine::new(head, "disk = \"/dev/disk/by-id/gone\"\nboot_mirror = \"https://example.org/m\"");
        fs::create_dir(machine.path().join("tmp")).unwrap();
        machine.write("autoinstall.yaml", "storage: /dev/anode-disk-1\n");
        let output = machine.run(script);
        assert_eq!(output.status.code(), Some(status), "{head}");
        assert!(output.stdout.is_empty(), "{head}");
        let answers = machine.read(answers);
        assert!(!answers.contains("partman") && !answers.contains("/dev/sd"), "{head}: {answers}");
    }
}

const TWO_DISKS: &str = "partitioning = \"raid1\"\ndisks = [\"/dev/disk/by-id/one\", \"/dev/disk/by-id/two\"]";

#[test]
fn debian_mirrors_the_second_partition_of_both_disks() {
    let machine = Machine::new(DEBIAN, TWO_DISKS);
    fs::create_dir(machine.path().join("tmp")).unwrap();
    machine.run("anode/storage");
    let answers = machine.read("tmp/anode-storage.cfg");
    assert!(answers.contains("d-i partman-auto/disk string /dev/sda /dev/nvme0n1\n"), "{answers}");
    assert!(
        answers.contains("d-i partman-auto-raid/recipe string 1 2 0 ext4 / /dev/sda2#/dev/nvme0n1p2 .\n"),
        "{answers}"
    );
    assert!(answers.contains("method{ biosgrub }") && !answers.contains("method{ efi }"), "{answers}");
}

#[test]
fn ubuntu_gets_the_actions_for_its_firmware_on_the_disks_that_were_chosen() {
    for (firmware, kept, removed) in [(false, "# bios", "# uefi"), (true, "# uefi", "# bios")] {
        let machine = Machine::new(UBUNTU, TWO_DISKS);
        if firmware {
            fs::create_dir_all(machine.path().join("sys/firmware/efi")).unwrap();
        }
        fs::copy(machine.path().join("anode/autoinstall.yaml"), machine.path().join("autoinstall.yaml")).unwrap();
        let output = machine.run("anode/early");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answers = machine.read("autoinstall.yaml");
        assert!(answers.contains("id: disk1, path: /dev/sda, ptable: gpt"), "{answers}");
        assert!(answers.contains("id: disk2, path: /dev/nvme0n1, ptable: gpt"), "{answers}");
        assert!(answers.contains(kept) && !answers.contains(removed), "{answers}");
    }
}

#[test]
fn mint_is_told_a_method_only_together_with_a_disk() {
    let chosen = Machine::new(MINT, "disk_rule = \"largest\"\nboot_mirror = \"https://example.org/m\"");
    let answers = String::from_utf8(chosen.run("anode/storage").stdout).unwrap();
    assert!(answers.contains("partman-auto/method string regular"), "{answers}");
    assert!(answers.replace(&chosen.path().display().to_string(), "").contains("partman-auto/disk string /dev/sdb\n"));
    let open = Machine::new(MINT, "boot_mirror = \"https://example.org/m\"");
    let output = open.run("anode/storage");
    assert!(output.status.success() && output.stdout.is_empty());
    assert!(!fs::read_to_string(open.path().join("preseed.cfg")).unwrap().contains("partman"));
}

/// A system of nothing but busybox, with stand-ins for what makes accounts; `None` where this machine can not have one.
fn system() -> Option<tempfile::TempDir> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().map(PathBuf::from).find(|path| path.exists())?;
    let root = tempfile::tempdir().unwrap();
    for folder in ["bin", "usr/sbin", "etc", "proc", "dev"] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    fs::copy(busybox, root.path().join("bin/busybox")).unwrap();
    let install = Command::new("chroot").arg(root.path()).args(["/bin/busybox", "--install", "-s", "/bin"]).status();
    if !install.is_ok_and(|status| status.success()) {
        return None;
    }
    for (program, script) in [
        ("getent", "grep \"^$2:\" \"/etc/$1\""),
        ("useradd", "for name; do :; done; echo \"$name:x:1000:1000::/home/$name:/bin/sh\" >>/etc/passwd"),
        ("usermod", "echo \"usermod $*\" >>/log"),
        ("chpasswd", "cat >>/log"),
        ("systemctl", "echo \"systemctl $*\" >>/log; [ \"$2\" != missing ]"),
    ] {
        let path = root.path().join("usr/sbin").join(program);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(root.path().join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    fs::write(root.path().join("etc/group"), "root:x:0:\nusers:x:100:\naudio:x:29:\n").unwrap();
    Some(root)
}

const FINISHED: &str = r#"
username = "ops"
full_name = "Ops $(touch /pwned) 'night'"
password = "$6$saltsaltsalt$0123456789abcdefghijklmnopqrstuvwxyz"
sudo = "nopasswd"
groups = ["audio"]
ssh_keys = ["ssh-ed25519 AAAA \"$(touch /pwned)\""]
services = ["nginx", "missing"]
post_scripts = ["first", "second", "third"]
[variables.extra_files]
"/etc/issue" = "issue"
"#;

#[test]
fn finish_does_everything_in_order_says_what_failed_and_leaves_nothing_behind() {
    let Some(root) = system() else {
        assert!(std::env::var("CI_REQUIRE_VALIDATORS").is_err(), "there is no busybox, or no right to change the root");
        eprintln!("skipped: there is no busybox, or no right to change the root");
        return;
    };
    let files = tempfile::tempdir().unwrap();
    let snippets = [
        ("first", "#!/bin/sh\necho first >>/order\n"),
        ("second", "echo second >>/order\nexit 3\n"),
        ("third", "#!/bin/sh\necho third {{ username }} >>/order\n"),
        ("issue", "{{ site.title }}\n"),
    ];
    pack(DEBIAN, FINISHED, &snippets, files.path());
    fs::write(files.path().join("anode/provisioning-selection.json"), "{}\n").unwrap();
    // What the new system has is replaced where it lies, and not where a link points to.
    symlink("/etc/passwd", root.path().join("etc/issue")).unwrap();
    for _ in 0..2 {
        let script = files.path().join("anode/finish");
        let output = Command::new("sh").arg(script).arg(root.path()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("services: missing does not start at boot"), "{said}");
        assert!(said.contains("finish: `post/11-second` failed"), "{said}");
        assert!(said.contains("the new system is not complete"), "{said}");
    }
    let read = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
    assert_eq!(read("order"), "first\nsecond\nthird ops\n".repeat(2));
    assert_eq!(read("etc/issue"), "Example site\n");
    assert_eq!(read("etc/anode/provisioning-selection.json"), "{}\n");
    assert_eq!(read("home/ops/.ssh/authorized_keys"), "ssh-ed25519 AAAA \"$(touch /pwned)\"\n");
    assert!(read("etc/sudoers.d/anode-ops").ends_with("\nops ALL=(ALL:ALL) NOPASSWD:ALL\n"));
    assert!(read("log").contains("usermod -a -G audio ops\n"), "{}", read("log"));
    assert!(read("log").contains("ops:$6$saltsaltsalt$0123456789abcdefghijklmnopqrstuvwxyz\n"));
    assert!(!root.path().join("pwned").exists());
    assert!(!root.path().join("var/lib/anode/finish").exists());
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(&root.path().display().to_string()), "{mounts}");
}
