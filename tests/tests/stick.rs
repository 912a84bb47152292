//! Sticks: which disk is erased, and what is on it then. With real block devices made of files.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anode_tests::{Program, Terminal, anode, binary};
use tempfile::TempDir;

/// open(2), on Linux everywhere.
const O_EXCL: i32 = 0o200;

/// A disk that is a file. It goes with this value.
struct Loop {
    folder: TempDir,
    device: String,
}

impl Loop {
    /// `None` where this user may not make one: the test then says so and checks nothing, but not in CI.
    fn new(megabytes: u64) -> Option<Loop> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("disk");
        fs::File::create(&file).and_then(|disk| disk.set_len(megabytes << 20)).expect("a disk");
        let made = Program::new("losetup").args(["--find", "--show"]).arg(&file).run();
        if made.exit == Some(0) {
            return Some(Loop { folder, device: made.stdout.trim().to_owned() });
        }
        anode_tests::skip("a loop device needs root");
        None
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.device).expect("the device")
    }

    fn name(&self) -> &str {
        self.device.trim_start_matches("/dev/")
    }

    fn write(&self, image: &Path, more: &[&str]) -> Program {
        anode(["medium", "usb"]).arg(image).args(["--to", &self.device]).args(more)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Program::new("losetup").args(["--detach", &self.device]).run();
    }
}

/// What `anode medium usb` takes for an image: a disc with the two partitions of a medium.
fn image(folder: &Path) -> PathBuf {
    let mut bytes: Vec<u8> = (0..6 << 20).map(|at: u32| (at / 512 % 251) as u8).collect();
    bytes[..512].fill(0);
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    for (slot, first, sectors) in [(0_usize, 64_u32, 8_000_u32), (1, 8_064, 4_224)] {
        let entry = &mut bytes[446 + slot * 16..][..16];
        entry[4] = 0xef;
        entry[8..12].copy_from_slice(&first.to_le_bytes());
        entry[12..].copy_from_slice(&sectors.to_le_bytes());
    }
    bytes[32_769..32_774].copy_from_slice(b"CD001");
    let path = folder.join("medium.iso");
    fs::write(&path, bytes).expect("writing the image");
    path
}

#[test]
fn a_disk_is_erased_only_if_it_is_named_twice_and_taken_for_what_it_is() {
    let Some(disk) = Loop::new(128) else { return };
    let image = image(disk.folder.path());
    let before = disk.bytes();
    // A loop device stays where it is, like every disk that is not removable.
    let _ = disk.write(&image, &["--yes-erase", &disk.device]).run().fails(&["removable", "--fixed-disk"]);
    let _ = disk.write(&image, &["--fixed-disk"]).run().fails(&["nobody to ask", "--yes-erase"]);
    let _ = disk
        .write(&image, &["--fixed-disk", "--yes-erase", "/dev/sdz"])
        .run()
        .fails(&["`--yes-erase /dev/sdz` is not `--to", "nothing was written"]);
    let text = disk.folder.path().join("letter.txt");
    fs::write(&text, "no image").expect("writing");
    let _ = disk.write(&text, &["--fixed-disk", "--yes-erase", &disk.device]).run().fails(&["anode medium iso"]);
    assert!(disk.bytes() == before);

    let done = disk.write(&image, &["--fixed-disk", "--yes-erase", &disk.device]).run().ok();
    assert!(done.stderr.contains("read back and compared"), "{done}");
    let (wanted, found) = (fs::read(&image).expect("the image"), disk.bytes());
    assert!(found[512..wanted.len()] == wanted[512..]);
    let label = Program::new("mlabel").args(["-s", "-i", &format!("{}@@6291456", disk.device), "::"]).run().ok();
    assert!(label.stdout.contains("ANODE-DATA"), "{label}");
}

#[test]
fn a_person_types_the_name_of_the_disk() {
    let Some(disk) = Loop::new(16) else { return };
    let image = image(disk.folder.path());
    let before = disk.bytes();
    let run = |answer: &str| {
        let words = [binary("anode").display().to_string(), "medium".to_owned(), "usb".to_owned()];
        let more = [&*image.to_string_lossy(), "--to", &disk.device, "--fixed-disk"].map(str::to_owned);
        let mut terminal = Terminal::run(&[&words[..], &more].concat());
        terminal.expect("will be lost");
        terminal.expect("to erase it:");
        // Whatever is put in its place now has another number, and a desktop can not mount it: it is held.
        let exclusive = OpenOptions::new().write(true).custom_flags(O_EXCL).open(&disk.device);
        assert_eq!(exclusive.map_err(|error| error.kind()).unwrap_err(), ErrorKind::ResourceBusy);
        terminal.type_line(answer);
        terminal.exit()
    };
    assert_ne!(run("yes"), Some(0));
    assert!(disk.bytes() == before);
    assert_eq!(run(disk.name()), Some(0));
    assert!(disk.bytes()[512..6 << 20] == fs::read(&image).expect("the image")[512..]);
}

#[test]
fn a_disk_that_is_in_use_or_too_small_is_left_as_it_was() {
    let Some(disk) = Loop::new(32) else { return };
    let image = image(disk.folder.path());
    let _ = Program::new("mke2fs").args(["-q", "-F", &disk.device]).run().ok();
    let place = disk.folder.path().join("mounted");
    fs::create_dir(&place).expect("a folder");
    let _ = Program::new("mount").arg(&disk.device).arg(&place).run().ok();
    let forced = ["--fixed-disk", "--yes-erase", &disk.device];
    let refused = disk.write(&image, &forced).run();
    let _ = Program::new("umount").arg(&place).run().ok();
    let _ = refused.fails(&["is in use", &format!("`{}` is mounted at", disk.name()), "umount"]);

    let Some(small) = Loop::new(4) else { return };
    let before = small.bytes();
    let _ = small
        .write(&image, &["--fixed-disk", "--yes-erase", &small.device])
        .run()
        .fails(&["nothing was written", "larger stick"]);
    assert!(small.bytes() == before);
}

#[test]
fn without_a_disk_the_removable_ones_are_listed_and_a_file_is_no_disk() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let image = image(folder.path());
    let listed = anode(["medium", "usb"]).run().ok();
    assert!(!listed.stdout.contains("/dev/loop") && !listed.stdout.contains("/dev/sr"), "{listed}");
    let _ = anode(["medium", "usb"]).arg(&image).run().fails(&["no disk was named", "--to"]);
    let target = folder.path().join("stick");
    fs::write(&target, "mine").expect("a file");
    let target = target.display().to_string();
    let refused = anode(["medium", "usb"]).arg(&image).args(["--to", &target, "--yes-erase", &target]).run();
    let _ = refused.fails(&["is no disk: name one such as `/dev/sdb`"]);
    assert_eq!(fs::read_to_string(&target).expect("the file"), "mine");
}
