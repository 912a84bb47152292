//! The scripts that run inside Anaconda's initramfs and installer, run here: on made-up disks, with stand-ins for the installer's programs.
//!
//! What can not be tried without a machine is left to the pinned initrd's hook points.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use anode::render::{render, sample_answers};
use anode_bundle::name::Id;

use crate::fixture::Fixture;

/// The files of a profile `own` of Fedora 43, with sample answers in them.
struct Pack(Vec<(String, String)>);

/// What is said about an unattended profile `own` with these variables.
fn refused(installer: &str, version: &str, variables: &str) -> Vec<String> {
    let fixture = Fixture::example();
    let head =
        format!("title = \"Own\"\ninstaller = \"{installer}\"\nversion = \"{version}\"\narchitecture = \"x86_64\"\n");
    fixture.write("own/profile.toml", &format!("{head}unattended = true\n[variables]\n{variables}\n"));
    let repository = fixture.load();
    match render(&repository, repository.profile(&Id::new("own").unwrap(), None).unwrap(), None) {
        Ok(_) => Vec::new(),
        Err(problems) => crate::fixture::lines(&problems),
    }
}

impl Pack {
    fn of(variables: &str) -> Pack {
        let fixture = Fixture::example();
        let head = "title = \"Own\"\ninstaller = \"fedora\"\nversion = \"43\"\narchitecture = \"x86_64\"\n";
        fixture.write("own/profile.toml", &format!("{head}unattended = true\n[variables]\n{variables}\n"));
        let blob = |(number, name): (usize, &str)| {
            let tree = "https://dl.fedoraproject.org/pub/fedora/linux/releases/43/Everything/x86_64/os/images";
            format!("[[files]]\nurl = \"{tree}/{name}\"\nsha256 = \"{number:064}\"\nlength = {number}\n")
        };
        let names = ["", "pxeboot/vmlinuz", "pxeboot/initrd.img", "install.img"];
        fixture.write("anode.lock", &names.into_iter().enumerate().skip(1).map(blob).collect::<String>());
        let repository = fixture.load();
        let profile = repository.profile(&Id::new("own").unwrap(), None).unwrap();
        let rendered = match render(&repository, profile, None) {
            Ok(rendered) => rendered,
            Err(problems) => panic!("{}", crate::fixture::lines(&problems).join("\n")),
        };
        let filled = rendered.contents.fill(&sample_answers(&rendered.contents)).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Pack(filled.iter().map(|file| (file.path.to_string(), text(&file.bytes))).collect())
    }

    fn file(&self, path: &str) -> &str {
        &self.0.iter().find(|(name, _)| name == path).unwrap_or_else(|| panic!("no `{path}`")).1
    }
}

/// A machine in a folder: what a script names as `/sys/…` and the like lies there, and its programs come first.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Machine {
        let machine = Machine(tempfile::tempdir().unwrap());
        machine.program("udevadm", "exit 0");
        machine.program("lsblk", "[ ! -e \"$(dirname \"$0\")/../used/${4##*/}\" ] || echo /run/install/repo");
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

    fn program(&self, name: &str, script: &str) {
        let path = format!("bin/{name}");
        self.write(&path, &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(self.path().join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn disk(&self, name: &str, sectors: u64, bus: &str) {
        let device = self.path().join(format!("sys/devices/{bus}/{name}"));
        fs::create_dir_all(&device).unwrap();
        for (file, text) in [("size", sectors.to_string()), ("removable", "0".into()), ("ro", "0".into())] {
            self.write(&format!("sys/block/{name}/{file}"), &text);
        }
        symlink(device, self.path().join(format!("sys/block/{name}/device"))).unwrap();
        self.write(&format!("dev/{name}"), "");
    }

    /// Runs a script whose absolute paths are this machine's.
    fn run(&self, script: &str, paths: &[&str]) -> Output {
        let mut script = script.replace("[ -b ", "[ -e ");
        for path in paths {
            assert!(script.contains(path), "the script does not name `{path}`");
            script = script.replace(path, &format!("{}{path}", self.path().display()));
        }
        let search = format!("{}/bin:{}", self.path().display(), std::env::var("PATH").unwrap());
        Command::new("sh").arg("-c").arg(script).arg("hook").arg("eth0").env("PATH", search).output().unwrap()
    }

    /// What the storage script prints, without the machine's folder.
    fn storage(&self, pack: &Pack) -> Result<String, String> {
        let mut script = pack.file("anode/storage").replace("/sys/firmware", "/firmware");
        script = script.replace("${disk#/dev/}", &format!("${{disk#{}/dev/}}", self.path().display()));
        let mut paths = vec!["/sys/block/*"];
        for named in ["/dev/disk/", "/firmware"] {
            if script.contains(named) {
                paths.push(named);
            }
        }
        let output = self.run(&script, &paths);
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout).unwrap());
        }
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

/// Disks of every kind that must not be chosen, and three that may.
fn many_disks() -> Machine {
    let machine = Machine::new();
    machine.disk("sda", 2_000, "pci/ata1");
    machine.disk("sdb", 9_000, "pci/ata2");
    machine.disk("nvme0n1", 1_000, "pci/nvme");
    machine.disk("sdc", 90_000, "pci/usb2/2-1");
    machine.disk("sdd", 80_000, "pci/ata3");
    machine.write("sys/block/sdd/removable", "1");
    machine.disk("sde", 70_000, "pci/ata4");
    machine.write("sys/block/sde/ro", "1");
    machine.disk("sdf", 60_000, "pci/ata5");
    machine.write("used/sdf", "");
    machine.disk("sdg", 0, "pci/ata6");
    machine.disk("mmcblk0boot0", 8, "pci/mmc");
    machine.disk("nvme0c0n1", 95_000, "pci/nvme");
    machine.write("sys/block/nvme0c0n1/hidden", "1");
    fs::create_dir_all(machine.path().join("sys/block/loop0")).unwrap();
    machine
}

#[test]
fn a_rule_chooses_among_fixed_disks_only() {
    let machine = many_disks();
    for (rule, disk) in [("first", "nvme0n1"), ("largest", "sdb"), ("smallest", "nvme0n1")] {
        let storage = machine.storage(&Pack::of(&format!("disk_rule = \"{rule}\"\npartitioning = \"lvm\""))).unwrap();
        let wanted = format!(
            "ignoredisk --only-use={disk}\nzerombr\nbootloader --boot-drive={disk}\nclearpart --all --initlabel \
             --drives={disk}\nautopart --type=lvm\n"
        );
        assert_eq!(storage, wanted, "{rule}");
    }
}

#[test]
fn a_path_of_a_multipath_disk_is_not_chosen() {
    let machine = many_disks();
    machine.program("udevadm", "case $3 in */sdb) echo DM_MULTIPATH_DEVICE_PATH=1 ;; esac");
    let storage = machine.storage(&Pack::of("disk_rule = \"largest\"")).unwrap();
    assert!(storage.starts_with("ignoredisk --only-use=sda\n"), "{storage}");
}

#[test]
fn without_a_disk_nothing_is_printed() {
    let refused = Machine::new().storage(&Pack::of("disk_rule = \"first\"")).unwrap_err();
    assert_eq!(refused, "no disk to install to: neither a person nor the profile says which\n");
    let refused = many_disks().storage(&Pack::of("disk = \"/dev/disk/by-id/gone\"")).unwrap_err();
    assert!(refused.contains("/dev/disk/by-id/gone` is not"), "{refused}");
}

const MIRRORED: &str = "partitioning = \"raid1\"\ndisks = [\"/dev/disk/by-id/one\", \"/dev/disk/by-id/two\"]\n\
                        encrypt = true\npassphrase = \"it's a \\\"long\\\" $secret\"\n\
                        kernel_options = [\"quiet\", \"console=ttyS0,115200n8\"]";

fn two_disks() -> Machine {
    let machine = many_disks();
    fs::create_dir_all(machine.path().join("dev/disk/by-id")).unwrap();
    for (name, disk) in [("one", "sda"), ("two", "nvme0n1")] {
        let link = machine.path().join("dev/disk/by-id").join(name);
        symlink(machine.path().join("dev").join(disk), link).unwrap();
    }
    machine
}

#[test]
fn mirrored_disks_are_named_by_their_ids_and_hold_every_part_twice() {
    let machine = two_disks();
    fs::create_dir_all(machine.path().join("firmware/efi")).unwrap();
    assert_eq!(
        machine.storage(&Pack::of(MIRRORED)).unwrap(),
        r#"ignoredisk --only-use=sda,nvme0n1
zerombr
bootloader --boot-drive=sda --append='quiet console=ttyS0,115200n8'
clearpart --all --initlabel --disklabel=gpt --drives=sda,nvme0n1
part raid.11 --size=600 --ondisk=sda
part raid.21 --size=1024 --ondisk=sda
part raid.31 --size=8192 --grow --ondisk=sda
part raid.12 --size=600 --ondisk=nvme0n1
part raid.22 --size=1024 --ondisk=nvme0n1
part raid.32 --size=8192 --grow --ondisk=nvme0n1
raid /boot/efi --device=boot_efi --level=1 --fstype=efi raid.11 raid.12
raid /boot --device=boot --level=1 --fstype=xfs raid.21 raid.22
raid / --device=root --level=1 --fstype=xfs --encrypted --luks-version=luks2 --passphrase='it'"'"'s a "long" $secret' raid.31 raid.32
"#
    );
}

/// The whole kickstart, as it is when the storage script has run.
#[test]
fn the_installers_own_parser_accepts_what_the_storage_script_prints() {
    let validator = ["ksvalidator", "-v", "F43", "-i"];
    if Command::new(validator[0]).arg("-l").output().is_err() {
        assert!(std::env::var_os("CI_REQUIRE_VALIDATORS").is_none(), "install pykickstart");
        eprintln!("skipped: there is no ksvalidator");
        return;
    }
    let machine = two_disks();
    for variables in [MIRRORED, "disk = \"/dev/disk/by-id/one\"\nencrypt = true\npassphrase = \"a # b\""] {
        let pack = Pack::of(variables);
        machine.write("storage.ks", &machine.storage(&pack).unwrap());
        machine.write("network.ks", "network --bootproto=dhcp --device=link --activate\n");
        let include = machine.path().join("storage.ks");
        let kickstart =
            pack.file("ks.cfg").replace("%include /tmp/anode-", &format!("%include {}/", machine.path().display()));
        machine.write("ks.cfg", &kickstart);
        let checked = |machine: &Machine| {
            Command::new(validator[0]).args(&validator[1..]).arg(machine.path().join("ks.cfg")).output().unwrap()
        };
        let output = checked(&machine);
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            fs::read_to_string(&include).unwrap()
        );
        // It does look into the included file.
        machine.write("storage.ks", "autopart --type=nonsense\n");
        assert!(!checked(&machine).status.success());
    }
}

const SECOND_STAGE: &str = "var/lib/dracut/hooks/initqueue/online/80-anaconda-netroot.sh";

/// In newer versions `usr/lib/dracut/hooks` is a link, and a folder in its place would lose every hook of the installer.
#[test]
fn every_hook_lies_where_the_versions_dracut_keeps_them() {
    let repository = Fixture::example().load();
    for definition in repository.installers.values().filter(|definition| definition.family == "anaconda") {
        for version in &definition.versions {
            // Of RHEL and what is built from it; Fedora's numbers are higher.
            let old = version == "9";
            let (right, wrong) = if old { ("usr/lib", "var/lib") } else { ("var/lib", "usr/lib") };
            let files = definition.files.iter().filter(|file| file.versions.cover(version));
            let hooks = definition.hook_points.iter().filter(|hook| hook.versions.cover(version));
            let paths: Vec<_> =
                files.map(|file| file.path.value.as_str()).chain(hooks.map(|hook| hook.path.as_str())).collect();
            let below =
                |folder| paths.iter().filter(|path| path.starts_with(&format!("{folder}/dracut/hooks/"))).count();
            assert_eq!((below(right), below(wrong)), (6, 0), "{} {version}", definition.id);
        }
    }
}

/// What the hook did, in the words of the stand-ins for dracut's and Anaconda's functions.
fn second_stage(fetcher: &str) -> String {
    let machine = Machine::new();
    machine.write("anode/anode-fetch", &format!("#!/bin/sh\necho \"$@\" >&2\n{fetcher}\n"));
    fs::set_permissions(machine.path().join("anode/anode-fetch"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(machine.path().join("tmp")).unwrap();
    let functions = "anaconda_mount_sysroot() { echo \"mounted ${1##*/}\"; }\nwarn() { echo warned; }\n\
                     die() { echo died; exit 1; }\n";
    let hook = Pack::of("disk_rule = \"first\"").file(SECOND_STAGE).replace("/dev/root", "/dev/no-root");
    let script = format!("{functions}hook() {{\n{hook}\n}}\nhook eth0\necho went on");
    machine.write(
        "tmp/provisioning-selection.json",
        r#"{"format":1,"activated_at":"2026-11-01T12:00:00Z","clock":"dead"}"#,
    );
    let paths = ["/tmp/anode-install", "/tmp/anaconda_netroot", "/tmp/provisioning", "/anode/anode-fetch"];
    let output = machine.run(&script, &paths);
    let asked = String::from_utf8(output.stderr).unwrap();
    let hash = format!("--now 2026-11-01T12:00:00Z --sha256 {:064} --length 3 --out ", 3);
    assert!(
        asked.starts_with("blob --url https://") && asked.contains("/images/install.img ") && asked.contains(&hash)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn exactly_the_pinned_second_stage_is_mounted_or_the_machine_stops() {
    assert_eq!(second_stage("exit 0"), "mounted anode-install.img\nwent on\n");
    assert_eq!(second_stage("exit 23"), "died\n");
    assert_eq!(second_stage("exit 31"), "died\n");
    // Another interface may reach it.
    assert_eq!(second_stage("exit 30"), "warned\nwent on\n");
}

#[test]
fn accounts_of_the_installer_are_closed_before_its_ssh_server_runs() {
    let machine = Machine::new();
    machine.write("sysroot/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ninstall::0:0:root:/root:/sbin/x\n");
    machine.write("sysroot/etc/shadow", "root::14438:0:99999:7:::\nsshd:!!:19000::::::\ninstall::14438:0:99999:7:::\n");
    let pack = Pack::of("disk_rule = \"first\"\ndebug_ssh = true\ndebug_ssh_keys = [\"ssh-ed25519 AAAA ops\"]");
    machine.write("anode/debug_keys", pack.file("anode/debug_keys"));
    machine.write("anode/storage", "a script");
    machine.write("anode/anode-fetch", "the program");
    let mut hook = pack.file("var/lib/dracut/hooks/pre-pivot/50-anode.sh").replace("${NEWROOT:-/sysroot}", "/sysroot");
    for folder in ["=/anode\n", "=/run/anode\n", "=/sysroot\n"] {
        assert!(hook.contains(folder), "{folder}");
        hook = hook.replace(folder, &folder.replace('=', &format!("={}", machine.path().display())));
    }
    let output = machine.run(&hook, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = |path: &str| fs::read_to_string(machine.path().join(path)).unwrap();
    assert_eq!(text("sysroot/etc/passwd"), "root:x:0:0:root:/root:/bin/bash\ninstall:*:0:0:root:/root:/sbin/x\n");
    assert_eq!(
        text("sysroot/etc/shadow"),
        "root:*:14438:0:99999:7:::\nsshd:!!:19000::::::\ninstall:*:14438:0:99999:7:::\n"
    );
    assert_eq!(text("sysroot/root/.ssh/authorized_keys"), "ssh-ed25519 AAAA ops\n");
    assert_eq!(text("run/anode/storage"), "a script");
    assert!(!machine.path().join("run/anode/anode-fetch").exists());
}

#[test]
fn combinations_that_make_no_sense_are_refused_with_what_helps() {
    let disk = "disk_rule = \"first\"\n";
    let image = "source = \"image\"\nlive_image = \"https://example.org/x.tar.xz\"\nlive_image_sha256 = ";
    let hash = format!("{image}\"{}\"\n", "ab".repeat(32));
    for (variables, message) in [
        ("hostname = \"x\"".to_owned(), "nobody says which disk is erased"),
        (
            format!("{disk}network = \"static\"\naddress = \"192.0.2.1/24\""),
            "a static network needs an address and a gateway",
        ),
        (format!("{disk}{hash}packages = [\"vim\"]"), "packages are named, but the system is not made of packages"),
        (format!("{disk}{hash}desktop = \"gnome\""), "a desktop is asked for, but the system is not made of packages"),
        (format!("{disk}{image}\"abc\""), "this is not a SHA-256"),
        (format!("{disk}source = \"image\""), "no image is named, or it has no hash"),
        (format!("{disk}source = \"ostree\"\nostree_url = \"https://example.org/\""), "no ostree commit is named"),
        (format!("{disk}source = \"container\""), "no container is named"),
        (
            format!("{disk}source = \"container\"\ncontainer_image = \"example.org/os:1\""),
            "the container has no digest",
        ),
        (
            format!("{disk}network_by_hardware = true\ninterface = \"eno1\""),
            "the network is to be found out on the machine, and is said here too",
        ),
        (format!("{disk}packages_from = \"nfs\""), "no NFS server is named"),
        ("partitioning = \"raid1\"\ndisks = [\"/dev/sda\"]".to_owned(), "a mirror needs two disks"),
        (format!("{disk}disks = [\"/dev/sda\"]"), "several disks are used by `raid1` only"),
        (format!("{disk}encrypt = true"), "there is no passphrase for the disk"),
        (format!("{disk}root = \"password\""), "root has no password"),
        (format!("{disk}debug_ssh = true"), "nobody could log in"),
        (format!("{disk}debug_vnc = true"), "a screen without a password is open to everybody"),
    ] {
        let found = refused("fedora", "43", &variables);
        assert!(found.iter().any(|line| line.contains(message) && line.contains('(')), "{variables}\n{found:#?}");
    }
    assert_eq!(refused("fedora", "43", &format!("{disk}{hash}")), [""; 0]);
}

#[test]
fn what_only_some_versions_can_not_do_is_refused_for_those() {
    let long = "disk_rule = \"first\"\ndebug_vnc = true\ndebug_vnc_password = \"longer than eight\"";
    assert!(refused("rocky", "9", long)[0].contains("VNC knows passwords of 6 to 8 characters only"));
    let fitting = long.replace("longer than eight", "longer-than-eight");
    assert_eq!(refused("rocky", "10", &fitting), [""; 0]);
    // Red Hat has no public mirror.
    let found = refused("rhel", "9", "disk_rule = \"first\"").join("\n");
    assert!(
        found.contains("there is no public mirror of RHEL")
            && found.contains("there is no public address to boot from")
    );
    let own = "disk_rule = \"first\"\nmirror = \"https://mirror.example.org/rhel\"";
    assert_eq!(refused("rhel", "9", own), [""; 0]);
}
