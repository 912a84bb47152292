//! What lies on a disk, so that a person does not erase the wrong one: file systems and their labels, by the marks that they carry at fixed places.
//!
//! It is a hint and nothing is decided by it. At most 16 partitions are looked at, 68 KiB of each; labels are whatever somebody wrote, and are
//! cleaned. Nothing is read before a person has to choose: a dying disk may take its time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anode_bundle::display;

use crate::facts::Disk;

const SECTOR: u64 = 512;
/// Behind the superblock of btrfs, which is the farthest.
const WINDOW: usize = 68 << 10;
const PARTITIONS: usize = 16;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Systems that leave such file systems behind.
    pub systems: Vec<&'static str>,
    /// File systems with their labels, in the order of the disk.
    pub parts: Vec<String>,
    /// Could it be read at all?
    pub state: State,
}

/// What the first bytes of a disk say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// It can not be read.
    #[default]
    Unreadable,
    /// Zeros where something would begin.
    Empty,
    /// Something is on it, known or not.
    Used,
}

/// A mark: its place, its bytes, what carries it, and whose it usually is.
type Mark = (usize, &'static [u8], &'static str, &'static str);

const MARKS: [Mark; 16] = [
    (3, b"NTFS    ", "NTFS", "Windows"),
    (3, b"-FVE-FS-", "BitLocker", "Windows"),
    (3, b"EXFAT   ", "exFAT", ""),
    (54, b"FAT", "FAT", ""),
    (82, b"FAT32", "FAT", ""),
    (0, b"LUKS\xBA\xBE", "LUKS", "Linux"),
    (536, b"LVM2 001", "LVM", "Linux"),
    (0, b"XFSB", "XFS", "Linux"),
    (1080, b"\x53\xEF", "ext4", "Linux"),
    (65600, b"_BHRfS_M", "btrfs", "Linux"),
    (4086, b"SWAPSPACE2", "swap", "Linux"),
    (4096, b"\xFC\x4E\x2B\xA9", "RAID", "Linux"),
    (0, b"hsqs", "squashfs", ""),
    (32769, b"CD001", "ISO 9660", ""),
    (32, b"NXSB", "APFS", "macOS"),
    (1024, b"H+", "HFS+", "macOS"),
];

/// Where a file system keeps its label, and how long it may be.
const LABELS: [(&str, usize, usize); 5] =
    [("FAT", 43, 11), ("XFS", 108, 12), ("ext4", 1144, 16), ("btrfs", 65835, 64), ("ISO 9660", 32808, 32)];

impl Contents {
    /// Reads a disk below `root`: `/` on a machine, a folder in tests.
    #[must_use]
    pub fn read(root: &Path, disk: &Disk) -> Contents {
        let mut contents = Contents::default();
        let Ok(device) = File::open(root.join(disk.path.trim_start_matches('/'))) else { return contents };
        let Some(first) = window(&device, 0) else { return contents };
        contents.state = if first.iter().all(|byte| *byte == 0) { State::Empty } else { State::Used };
        let partitions = partitions(&root.join("sys/block").join(&disk.name), &disk.name);
        if partitions.is_empty() {
            contents.add(&first);
        }
        for start in partitions.into_iter().take(PARTITIONS) {
            contents.state = State::Used;
            if let Some(bytes) = start.checked_mul(SECTOR).and_then(|place| window(&device, place)) {
                contents.add(&bytes);
            }
        }
        contents
    }

    fn add(&mut self, bytes: &[u8]) {
        let has = |(place, mark, _, _): &&Mark| bytes.get(*place..).is_some_and(|rest| rest.starts_with(mark));
        let Some((place, _, kind, system)) = MARKS.iter().find(has) else { return };
        if !system.is_empty() && !self.systems.contains(system) {
            self.systems.push(system);
        }
        // FAT32 keeps its label where its longer header ends.
        let shift = if *place == 82 { 28 } else { 0 };
        let label = LABELS.iter().find(|(of, _, _)| of == kind).and_then(|(_, place, length)| {
            let raw = bytes.get(place + shift..place + shift + length)?;
            let text = raw.split(|byte| *byte == 0).next().unwrap_or_default();
            let text = display::line(&String::from_utf8_lossy(text), 20);
            (!text.is_empty() && text != "NO NAME").then_some(text)
        });
        self.parts.push(label.map_or_else(|| (*kind).to_owned(), |label| format!("{kind} `{label}`")));
    }
}

/// Where the partitions begin, as the kernel found them, in the disk's order.
fn partitions(folder: &Path, disk: &str) -> Vec<u64> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let starts = names.filter(|name| name.starts_with(disk)).filter_map(|name| {
        let text = std::fs::read_to_string(folder.join(name).join("start")).ok()?;
        text.trim().parse().ok()
    });
    let mut starts: Vec<u64> = starts.collect();
    starts.sort_unstable();
    starts
}

fn window(device: &File, place: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; WINDOW];
    let mut have = 0;
    while let Some(rest) = bytes.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match device.read_at(rest, place.checked_add(have as u64)?) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    bytes.truncate(have);
    (have > 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn disk(name: &str) -> Disk {
        Disk {
            name: name.to_owned(),
            path: format!("/dev/{name}"),
            model: None,
            size: 1 << 30,
            removable: false,
            rotational: false,
        }
    }

    fn put(bytes: &mut Vec<u8>, place: usize, what: &[u8]) {
        if bytes.len() < place + WINDOW {
            bytes.resize(place + WINDOW, 0);
        }
        bytes[place..place + what.len()].copy_from_slice(what);
    }

    fn read(bytes: &[u8], starts: &[u64]) -> Contents {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("dev")).unwrap();
        fs::write(root.path().join("dev/sda"), bytes).unwrap();
        for (number, start) in starts.iter().enumerate() {
            let folder = root.path().join(format!("sys/block/sda/sda{}", number + 1));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("start"), format!("{start}\n")).unwrap();
        }
        Contents::read(root.path(), &disk("sda"))
    }

    #[test]
    fn file_systems_are_named_with_their_labels_in_the_order_of_the_disk() {
        let mut bytes = Vec::new();
        put(&mut bytes, 510, &[0x55, 0xAA]);
        put(&mut bytes, (2048 << 9) + 82, b"FAT32");
        put(&mut bytes, (2048 << 9) + 71, b"SYSTEM     ");
        put(&mut bytes, (4096 << 9) + 3, b"NTFS    ");
        put(&mut bytes, (6144 << 9) + 1080, &[0x53, 0xEF]);
        put(&mut bytes, (6144 << 9) + 1144, b"root\x1b[2J\0\0\0");
        let contents = read(&bytes, &[6144, 2048, 4096]);
        assert_eq!(contents.parts, ["FAT `SYSTEM`", "NTFS", "ext4 `root[2J`"]);
        assert_eq!(contents.systems, ["Windows", "Linux"]);
        assert_eq!(contents.state, State::Used);
    }

    #[test]
    fn a_disk_without_partitions_may_be_one_file_system_or_empty() {
        let mut bytes = Vec::new();
        put(&mut bytes, 65600, b"_BHRfS_M");
        put(&mut bytes, 65835, b"data\0");
        assert_eq!(read(&bytes, &[]).parts, ["btrfs `data`"]);
        assert_eq!(read(&[0; 4096], &[]).state, State::Empty);
        assert_eq!(read(b"something else", &[]).state, State::Used);
        assert_eq!(read(b"", &[]).state, State::Unreadable);
        assert_eq!(Contents::read(Path::new("/nowhere"), &disk("sda")), Contents::default());
    }

    #[test]
    fn a_partition_beyond_the_end_and_a_hundred_of_them_are_no_harm() {
        let mut bytes = Vec::new();
        put(&mut bytes, 3, b"NTFS    ");
        let starts: Vec<u64> = (0..100).map(|_| 0).collect();
        assert_eq!(read(&bytes, &starts).parts.len(), PARTITIONS);
        assert!(read(&bytes, &[u64::MAX, 1 << 40]).parts.is_empty());
    }
}
