//! A machine made of files, with everything between a disk and what is mounted from it.

use std::os::unix::fs::symlink;

use super::*;

struct Fake(tempfile::TempDir);

impl Fake {
    fn new() -> Fake {
        let fake = Fake(tempfile::tempdir().unwrap());
        for folder in ["sys/block", "sys/class/block", "sys/devices", "dev/mapper", "dev/disk/by-id", "proc/self"] {
            fs::create_dir_all(fake.0.path().join(folder)).unwrap();
        }
        fake.write("proc/swaps", "Filename Type Size Used Priority\n");
        fake
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A device and its partitions, with the links that sysfs has.
    fn device(&self, name: &str, number: &str, gigabytes: u64, removable: &str, partitions: &[&str]) {
        let (root, folder) = (self.0.path(), format!("sys/devices/{name}"));
        self.write(&format!("{folder}/dev"), number);
        self.write(&format!("{folder}/size"), &format!("{}\n", gigabytes * 2_000_000));
        self.write(&format!("{folder}/removable"), removable);
        self.write(&format!("{folder}/ro"), "0\n");
        self.write(&format!("dev/{name}"), "");
        symlink(format!("../devices/{name}"), root.join("sys/block").join(name)).unwrap();
        symlink(format!("../../devices/{name}"), root.join("sys/class/block").join(name)).unwrap();
        for (index, part) in partitions.iter().enumerate() {
            let (major, minor) = number.split_once(':').unwrap();
            let minor: usize = minor.parse().unwrap();
            self.write(&format!("{folder}/{part}/dev"), &format!("{major}:{}\n", minor + index + 1));
            self.write(&format!("{folder}/{part}/partition"), &format!("{}\n", index + 1));
            self.write(&format!("dev/{part}"), "");
            symlink(format!("../../devices/{name}/{part}"), root.join("sys/class/block").join(part)).unwrap();
        }
    }

    fn lies_on(&self, upper: &str, lower: &str) {
        self.write(&format!("sys/devices/{lower}/holders/{upper}/x"), "");
    }

    fn find(&self, path: &str) -> Result<Disk> {
        Machine::below(self.0.path()).find(Path::new(path))
    }

    #[track_caller]
    fn refusal(&self, path: &str) -> String {
        self.find(path).and_then(|disk| disk.check()).unwrap_err().to_string()
    }
}

/// A laptop: LVM on encryption on `nvme0n1p3`, swap and root in it; a stick; a disk in a USB box that is mounted; a card reader without a card.
fn laptop() -> Fake {
    let fake = Fake::new();
    fake.device("nvme0n1", "259:0", 512, "0", &["nvme0n1p1", "nvme0n1p2", "nvme0n1p3"]);
    fake.device("dm-0", "254:0", 500, "0", &[]);
    fake.device("dm-1", "254:1", 400, "0", &[]);
    fake.device("dm-2", "254:2", 16, "0", &[]);
    fake.lies_on("dm-0", "nvme0n1/nvme0n1p3");
    fake.lies_on("dm-1", "dm-0");
    fake.lies_on("dm-2", "dm-0");
    symlink("../dm-2", fake.0.path().join("dev/mapper/vg-swap")).unwrap();
    fake.device("sdb", "8:16", 32, "1", &["sdb1", "sdb2"]);
    fake.write("sys/devices/sdb/device/vendor", "SanDisk \n");
    fake.write("sys/devices/sdb/device/model", "Ultra \u{1b}[2J Fit\n");
    fake.device("sdc", "8:32", 1000, "0", &["sdc1"]);
    fake.device("sdd", "8:48", 0, "1", &[]);
    fake.device("sr0", "11:0", 1, "1", &[]);
    fake.write(
        "proc/self/mountinfo",
        "21 1 254:1 / / rw - ext4 /dev/mapper/vg-root rw\n22 21 259:1 / /boot/efi rw - vfat /dev/nvme0n1p1 rw\n\
         23 21 0:40 /@data /media/old\\040disk rw,nosuid shared:1 - btrfs /dev/sdc1 rw\n24 21 0:5 / /proc rw - proc proc rw\n",
    );
    fake.write("proc/swaps", "Filename Type Size Used Priority\n/dev/mapper/vg-swap partition 16 0 -2\n");
    symlink("../../sdb", fake.0.path().join("dev/disk/by-id/usb-SanDisk")).unwrap();
    fake
}

#[test]
fn the_disk_of_the_running_system_is_refused_through_encryption_and_lvm() {
    let refusal = laptop().refusal("/dev/nvme0n1");
    assert!(refusal.starts_with("`/dev/nvme0n1` holds the running system: "), "{refusal}");
    for part in
        ["`dm-1` is mounted at `/`", "`nvme0n1p1` is mounted at `/boot/efi`", "swapped to `dm-2`", "`dm-0` (enc"]
    {
        assert!(refusal.contains(part), "{refusal}");
    }
}

#[test]
fn a_disk_that_only_holds_data_is_refused_while_it_is_mounted_also_where_numbers_say_nothing() {
    let refusal = laptop().refusal("/dev/sdc");
    assert_eq!(
        refusal,
        "`/dev/sdc` is in use: `sdc1` is mounted at `/media/old disk`; release it first, with `umount` what is mounted"
    );
}

#[test]
fn an_open_layer_is_a_use_even_if_nothing_is_mounted_from_it() {
    let fake = laptop();
    fake.device("md127", "9:127", 32, "0", &[]);
    fake.lies_on("md127", "sdb/sdb1");
    assert!(fake.refusal("/dev/sdb").contains("`md127` (encryption, LVM or RAID) lies on it"));
}

#[test]
fn a_free_stick_is_taken_by_any_of_its_names_and_says_what_it_is() {
    let fake = laptop();
    for path in ["/dev/sdb", "/dev/disk/by-id/usb-SanDisk"] {
        let disk = fake.find(path).unwrap();
        disk.check().unwrap();
        assert_eq!((disk.name.as_str(), disk.model.as_str()), ("sdb", "SanDisk Ultra [2J Fit"));
        assert_eq!((disk.bytes, disk.kind), (32_768_000_000, Kind::Removable));
    }
    assert_eq!(fake.find("/dev/sdc").unwrap().kind, Kind::Fixed);
}

#[test]
fn a_partition_is_found_by_its_number() {
    let fake = laptop();
    let machine = Machine::below(fake.0.path());
    let disk = fake.find("/dev/nvme0n1").unwrap();
    assert_eq!(machine.partition(&disk, 3).as_deref(), Some("nvme0n1p3"));
    assert_eq!(machine.partition(&disk, 4), None);
}

#[test]
fn what_is_no_whole_disk_is_refused_with_what_would_be() {
    let fake = laptop();
    fake.write("home/image.iso", "");
    assert_eq!(fake.refusal("/dev/sdb1"), "`/dev/sdb1` is a part of a disk: a medium needs a whole one, `/dev/sdb`");
    for path in ["/home/image.iso", "/dev/mapper"] {
        assert_eq!(fake.refusal(path), format!("`{path}` is no disk: name one such as `/dev/sdb`"));
    }
    assert_eq!(fake.refusal("/dev/sr0"), "`/dev/sr0` (`sr0`) is no disk on which a medium can be written");
    assert_eq!(fake.refusal("/dev/sdd"), "`/dev/sdd` has no medium in it");
    let absent = "there is no `/dev/sdx`: `anode medium usb` without `--to` lists the removable disks";
    assert_eq!(fake.refusal("/dev/sdx"), absent);
    fake.write("sys/devices/sdb/ro", "1\n");
    assert!(fake.refusal("/dev/sdb").starts_with("`/dev/sdb` is read-only"));
}

#[test]
fn the_list_has_disks_and_nothing_that_lies_on_them() {
    let disks = Machine::below(laptop().0.path())
        .disks()
        .map(|disks| disks.into_iter().map(|disk| disk.name).collect::<Vec<_>>());
    assert_eq!(disks.unwrap(), ["nvme0n1", "sdb", "sdc", "sdd"]);
}

#[test]
fn a_card_that_took_the_place_of_an_equal_one_is_another_disk() {
    let fake = laptop();
    fake.write("sys/devices/sdb/diskseq", "17\n");
    let before = fake.find("/dev/sdb").unwrap();
    assert_eq!((before.number.as_str(), before.sequence.as_str()), ("8:16", "17"));
    assert_eq!(fake.find("/dev/sdb").unwrap(), before);
    fake.write("sys/devices/sdb/diskseq", "18\n");
    assert_ne!(fake.find("/dev/sdb").unwrap(), before);
}
