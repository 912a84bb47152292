//! `anode medium refresh` on a FAT that a kernel mounted: the medium's own kernel, in whose shell the operator's program runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anode_machines::{Hardware, Host, Machine, OUTSIDE};
use anode_tests::{Program, Site, binary, copy_folder};

const LINE: &str = "quiet console=ttyS0,115200 anode.netboot anode.lang=en anode.keyboard=us anode.shell";
const REFRESH: &str = "cd /operator; anode medium refresh /mnt --ca /operator/ca.pem";
/// Goes on as soon as the first new name stands on the stick.
const UNTIL_IT_WRITES: &str =
    "n=$(find /mnt/anode | wc -l); while [ $(find /mnt/anode | wc -l) = $n ] && kill -0 $!; do :; done";

#[test]
fn a_real_fat_whose_refresh_is_killed_loses_power_or_is_full_has_a_copy_that_machines_accept() {
    let host = Host::new();
    let code = host.code();
    host.site.release();
    let image = host.medium("medium.iso", &[]);
    let (kernel, initrd) = (host.site.scratch("vmlinuz"), host.site.scratch("initrd.img"));
    for (name, path) in [("/boot/vmlinuz", &kernel), ("/boot/initrd.img", &initrd)] {
        let extract = Program::new("xorriso").args(["-osirrox", "on", "-indev"]).arg(&image).args(["-extract", name]);
        let _ = extract.arg(path).run().ok();
    }
    add_the_operator(&host, &initrd);
    let stick = fat(&host.site.scratch("stick.img"));
    let machine = |name: &str| {
        let hardware = Hardware::new(name).kernel(&kernel, &initrd, LINE).disk(&stick);
        let mut machine = hardware.limit(Duration::from_secs(300)).power_on();
        machine.expect("Activation code");
        machine.send("\u{3}");
        machine.go("Shell");
        // Its driver comes behind the first question.
        machine.type_line(
            "mkdir /mnt; until mount -t vfat /dev/vda /mnt; do sleep 1; done; mkdir -p /mnt/anode; echo mounted $?",
        );
        machine.expect("mounted 0");
        machine
    };
    let accepts = |machine: &mut Machine| {
        let answers: Vec<String> = Site::SERVER_ANSWERS.iter().map(|answer| format!("--answer '{answer}'")).collect();
        machine.type_line(&format!(
            "rm -rf /tmp/state /tmp/out; anode-fetch activate --root /etc/anode/root.json --state /tmp/state --cache \
             /mnt/anode/tree --code {} --profile {} {} --files /tmp/out; echo accepted $?",
            code.text,
            Site::SERVER,
            answers.join(" ")
        ));
        machine.expect("accepted 0");
    };
    let publish = |title: &str| {
        host.site.change_title(title);
        host.site.release();
    };

    let mut first = machine("refresh");
    first.type_line(&format!("{REFRESH}; echo refreshed $?"));
    first.expect("refreshed 0");
    accepts(&mut first);

    publish("Killed in the middle");
    first.type_line(&format!("{REFRESH} & {UNTIL_IT_WRITES}; kill -9 $! && wait; echo killed $?"));
    first.expect("killed 0");
    accepts(&mut first);

    // Room for less than the tree's newer objects.
    first.type_line("dd if=/dev/zero of=/mnt/ballast bs=4096 2>/dev/null; echo full $?");
    first.expect("full 1");
    first.type_line(&format!("{REFRESH}; echo refused $?"));
    first.expect("nothing was written");
    first.expect("refused 1");
    accepts(&mut first);
    first.type_line(&format!("rm /mnt/ballast; {REFRESH}; echo refreshed $?"));
    first.expect("refreshed 0");

    publish("Pulled out in the middle");
    first.type_line(&format!("{REFRESH} & {UNTIL_IT_WRITES}; echo it 'writes'"));
    first.expect("it writes");
    // Without a word to its kernel.
    drop(first);
    let mut second = machine("refresh_after_power_cut");
    accepts(&mut second);
    // What a FAT looks like then is chance; a kernel that stumbles over it would write nothing more. So the refresh comes after the repair that it names.
    second.type_line("cd /; umount /mnt; fsck.fat -a /dev/vda; [ $? -le 1 ]; echo repaired $?");
    second.expect("repaired 0");
    second.type_line("mount -t vfat /dev/vda /mnt; echo mounted $?");
    second.expect("mounted 0");
    accepts(&mut second);
    second.type_line(&format!("{REFRESH}; echo refreshed $?"));
    second.expect("refreshed 0");
    accepts(&mut second);
}

/// The operator's programs, the libraries that they need, and the repository, in the medium's initramfs.
fn add_the_operator(host: &Host, initrd: &Path) {
    let folder = host.site.scratch("operator");
    let operator = folder.join("operator");
    fs::create_dir_all(folder.join("bin")).expect("a folder");
    copy_folder(&host.site.repository(), &operator);
    fs::copy(host.site.authority.certificate(), operator.join("ca.pem")).expect("the authority");
    let settings = fs::read_to_string(operator.join("anode.toml")).expect("anode.toml");
    let outside = host.site.web.url.replace("localhost", OUTSIDE).replace("127.0.0.1", OUTSIDE);
    fs::write(operator.join("anode.toml"), settings.replace(&host.site.web.url, &outside)).expect("anode.toml");

    let program = folder.join("bin/anode");
    let _ = Program::new("strip").arg("-o").arg(&program).arg(binary("anode")).run().ok();
    let repair = folder.join("bin/fsck.fat");
    let _ = Program::new("sh").args(["-c", "cp \"$(command -v fsck.fat)\" \"$0\""]).arg(&repair).run().ok();
    let needed = Program::new("ldd").arg(&program).arg(&repair).run().ok().stdout;
    // Of several programs it says which one it is about.
    for library in needed.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':')) {
        let place = folder.join(library.trim_start_matches('/'));
        fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
        fs::copy(library, place).expect("a library");
    }
    let pack = "find . -mindepth 1 | cpio -o -H newc --quiet > ../operator.cpio";
    let _ = Program::new("sh").args(["-c", pack]).folder(&folder).run().ok();
    let mut bytes = fs::read(initrd).expect("the initramfs");
    bytes.resize(bytes.len().next_multiple_of(512) + 512, 0);
    bytes.extend(fs::read(folder.with_file_name("operator.cpio")).expect("the archive"));
    fs::write(initrd, bytes).expect("the initramfs");
}

/// A stick's partition for the copy of the site, as `anode medium usb` makes it: FAT32.
fn fat(path: &Path) -> PathBuf {
    fs::File::create(path).and_then(|file| file.set_len(64 << 20)).expect("a disk");
    let _ = Program::new("mformat").arg("-i").arg(path).args(["-F", "-v", "ANODE-DATA", "::"]).run().ok();
    path.to_owned()
}
