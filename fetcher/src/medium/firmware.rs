//! What a UEFI starts next: its variables `Boot####` and `BootNext`, as files of the kernel's efivarfs.
//!
//! One entry is ours. It never gets into the firmware's own order (`BootOrder`): whatever starts through it starts once, and the next start of a medium
//! removes it. Format: UEFI specification 2.10, sections 3.1.3 (load options), 3.3 (variables), 10.3.1 (end), 10.3.5.1 (hard drive), 10.3.5.4 (file path).

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use super::Machine;

/// What the entry is called in the firmware's own menu.
const NAME: &str = "Anode";
/// Of global variables, behind their names.
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Kept over a restart, and seen by boot loaders and systems.
const ATTRIBUTES: [u8; 4] = 7_u32.to_le_bytes();
const ACTIVE: [u8; 4] = 1_u32.to_le_bytes();
const END: [u8; 4] = [0x7f, 0xff, 4, 0];
/// Longer ones are not ours.
const LIMIT: u64 = 4096;
const SECTOR: u64 = 512;

/// The variables of this machine's firmware.
pub(super) struct Firmware {
    folder: PathBuf,
}

impl Firmware {
    /// `None` where a BIOS started the machine, or where the variables can not be had.
    pub fn of(machine: &Machine) -> Option<Firmware> {
        let folder = machine.path("sys/firmware/efi/efivars");
        fs::read_dir(&folder).ok()?.next()?.ok()?;
        Some(Firmware { folder })
    }

    /// Has it start a file of a partition at its next start, and never again.
    pub fn start_next(&self, partition: &Partition, file: &str) -> io::Result<()> {
        let entries = self.entries()?;
        let ours = entries.iter().find(|(_, is_ours)| *is_ours).map(|(number, _)| *number);
        let free = || (0..=u16::MAX).find(|number| entries.iter().all(|(taken, _)| taken != number));
        let number = ours.or_else(free).ok_or(ErrorKind::StorageFull)?;
        self.write(&boot(number), &load_option(partition, file)?)?;
        self.write("BootNext", &number.to_le_bytes())
    }

    /// Removes every entry of ours, and with it the word that it be started next.
    pub fn forget(&self) -> io::Result<()> {
        let next = self.read("BootNext").and_then(|value| Some(u16::from_le_bytes(*value.first_chunk()?)));
        for (number, is_ours) in self.entries()? {
            if is_ours {
                if next == Some(number) {
                    self.remove("BootNext")?;
                }
                self.remove(&boot(number))?;
            }
        }
        Ok(())
    }

    /// The numbers of all entries, and which are ours.
    fn entries(&self) -> io::Result<Vec<(u16, bool)>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let digits =
                name.to_str().and_then(|name| name.strip_suffix(GLOBAL)?.strip_suffix('-')?.strip_prefix("Boot"));
            let Some(digits) = digits.filter(|digits| digits.len() == 4) else { continue };
            let Ok(number) = u16::from_str_radix(digits, 16) else { continue };
            entries.push((number, self.read(&boot(number)).is_some_and(|value| is_ours(&value))));
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}-{GLOBAL}"))
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path(name)).ok()?.take(LIMIT).read_to_end(&mut bytes).ok()?;
        Some(bytes.split_off(ATTRIBUTES.len().min(bytes.len())))
    }

    fn write(&self, name: &str, value: &[u8]) -> io::Result<()> {
        self.remove(name)?;
        // A variable is written in one call.
        File::options().write(true).create_new(true).open(self.path(name))?.write_all(&[&ATTRIBUTES, value].concat())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            // The kernel protects variables that it does not know from being removed by accident.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let file = File::open(&path)?;
                ioctl_setflags(&file, ioctl_getflags(&file)? - IFlags::IMMUTABLE)?;
                fs::remove_file(&path)
            }
            other => other,
        }
    }
}

fn boot(number: u16) -> String {
    format!("Boot{number:04X}")
}

/// Told by its name and by what it starts.
fn is_ours(value: &[u8]) -> bool {
    let (name, path) = (text(NAME), text(&native(crate::kexec::LOADER)));
    let (name, path) = (name.as_slice(), path.as_slice());
    let rest = value.get(6..).unwrap_or_default();
    rest.starts_with(name) && rest.windows(path.len()).any(|window| window == path)
}

fn load_option(partition: &Partition, file: &str) -> io::Result<Vec<u8>> {
    let path = text(&native(file));
    let length = |bytes: usize| u16::try_from(bytes).map(u16::to_le_bytes).map_err(|_| ErrorKind::InvalidInput);
    let file = [&[4, 4], length(path.len() + 4)?.as_slice(), &path].concat();
    let devices = [partition.node().as_slice(), &file, &END].concat();
    Ok([ACTIVE.as_slice(), &length(devices.len())?, &text(NAME), &devices].concat())
}

fn native(path: &str) -> String {
    format!("\\{}", path.replace('/', "\\"))
}

/// UCS-2 with its zero.
fn text(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// A partition as a firmware names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Partition {
    number: u32,
    /// In blocks of the disk, as its length.
    first: u64,
    blocks: u64,
    signature: [u8; 16],
    /// Of table and signature alike: 1 is an old one (MBR) with four bytes, 2 is a GPT with a GUID.
    kind: u8,
}

impl Partition {
    /// By its name below `/sys/class/block`.
    ///
    /// # Errors
    /// If it is none, or if its disk has nothing by which a firmware could tell it from others.
    pub fn read(machine: &Machine, name: &str) -> io::Result<Partition> {
        let entry = fs::canonicalize(machine.path("sys/class/block").join(name))?;
        let disk = entry.parent().ok_or(ErrorKind::NotFound)?;
        let number = u32::try_from(read_number(&entry.join("partition"))?).map_err(io::Error::other)?;
        let block = read_number(&disk.join("queue/logical_block_size")).unwrap_or(SECTOR).max(SECTOR);
        let blocks = |file: &str| Ok::<u64, io::Error>(read_number(&entry.join(file))? / (block / SECTOR));
        let (first, blocks) = (blocks("start")?, blocks("size")?);
        let mut device = File::open(machine.path("dev").join(disk.file_name().ok_or(ErrorKind::NotFound)?))?;
        let (kind, signature) = signature(&mut device, number, block)?;
        if signature == [0; 16] {
            return Err(io::Error::other("its disk has no signature"));
        }
        Ok(Partition { number, first, blocks, signature, kind })
    }

    fn node(&self) -> Vec<u8> {
        let mut node = vec![4, 1, 42, 0];
        node.extend(self.number.to_le_bytes());
        node.extend(self.first.to_le_bytes());
        node.extend(self.blocks.to_le_bytes());
        node.extend(self.signature);
        node.extend([self.kind, self.kind]);
        node
    }
}

/// The disk's own four bytes, or the partition's GUID (UEFI specification, 5.2.1, 5.3).
fn signature(device: &mut File, number: u32, block: u64) -> io::Result<(u8, [u8; 16])> {
    let mut sector = [0; SECTOR as usize];
    device.read_exact(&mut sector)?;
    let part = |from: usize, length: usize| sector.get(from..from + length).unwrap_or_default();
    if part(510, 2) != [0x55, 0xaa] {
        return Err(io::Error::other("its disk has no partition table"));
    }
    if part(446 + 4, 1) != [0xee] {
        let mut signature = [0; 16];
        signature.iter_mut().zip(part(440, 4)).for_each(|(to, from)| *to = *from);
        return Ok((1, signature));
    }
    let mut header = [0; 92];
    device.seek(SeekFrom::Start(block))?;
    device.read_exact(&mut header)?;
    let at =
        |from: usize| header.get(from..from + 8).and_then(|bytes| bytes.first_chunk().copied()).unwrap_or_default();
    let (entries, size) = (u64::from_le_bytes(at(72)), u64::from_le_bytes(at(84)) & u64::from(u32::MAX));
    let place = entries.saturating_mul(block).saturating_add(size.saturating_mul(u64::from(number).saturating_sub(1)));
    device.seek(SeekFrom::Start(place.saturating_add(16)))?;
    let mut guid = [0; 16];
    device.read_exact(&mut guid)?;
    Ok((2, guid))
}

fn read_number(path: &Path) -> io::Result<u64> {
    fs::read_to_string(path)?.trim().parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine { root: root.path().to_owned() };
        for folder in ["sys/firmware/efi/efivars", "sys/class/block", "sys/devices/sdb/sdb3", "dev"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        for (file, text) in [("partition", "3\n"), ("start", "71680\n"), ("size", "262144\n")] {
            fs::write(machine.path("sys/devices/sdb/sdb3").join(file), text).unwrap();
        }
        std::os::unix::fs::symlink(machine.path("sys/devices/sdb/sdb3"), machine.path("sys/class/block/sdb3")).unwrap();
        (root, machine)
    }

    fn disk(machine: &Machine, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = vec![0; 4096];
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        change(&mut bytes);
        fs::write(machine.path("dev/sdb"), bytes).unwrap();
    }

    fn variable(machine: &Machine, name: &str) -> PathBuf {
        machine.path("sys/firmware/efi/efivars").join(format!("{name}-{GLOBAL}"))
    }

    #[test]
    fn an_entry_is_what_the_firmware_of_an_emulated_machine_started() {
        let (_root, machine) = machine();
        disk(&machine, |bytes| bytes[440..444].copy_from_slice(&[0xa1, 0xb2, 0xc3, 0xd4]));
        let partition = Partition::read(&machine, "sdb3").unwrap();
        let option = load_option(&partition, crate::kexec::LOADER).unwrap();
        let hex: String = option.iter().map(|byte| format!("{byte:02x}")).collect();
        // OVMF says of it: HD(3,MBR,0xD4C3B2A1,0x11800,0x40000)/\EFI\anode\shim.efi
        let wanted = "010000005a0041006e006f0064006500000004012a0003000000001801000000000000000400\
                      00000000a1b2c3d4000000000000000000000000010104042c005c004500460049005c0061006e00\
                      6f00640065005c007300680069006d002e0065006600690000007fff0400";
        assert_eq!(hex, wanted);
    }

    #[test]
    fn a_partition_of_a_gpt_is_named_by_its_guid_and_a_disk_without_a_signature_is_refused() {
        let (_root, machine) = machine();
        disk(&machine, |_| ());
        assert!(Partition::read(&machine, "sdb3").unwrap_err().to_string().contains("no signature"));
        disk(&machine, |bytes| bytes[510] = 0);
        assert!(Partition::read(&machine, "sdb3").unwrap_err().to_string().contains("no partition table"));
        disk(&machine, |bytes| {
            bytes[450] = 0xee;
            bytes[512 + 72] = 2;
            bytes[512 + 84] = 128;
            bytes[1024 + 2 * 128 + 16..][..16].copy_from_slice(&[7; 16]);
        });
        let partition = Partition::read(&machine, "sdb3").unwrap();
        assert_eq!((partition.kind, partition.signature), (2, [7; 16]));
        assert!(Partition::read(&machine, "sdc1").is_err());
    }

    #[test]
    fn one_entry_is_ours_it_is_used_again_and_the_firmwares_own_stay() {
        let (_root, machine) = machine();
        disk(&machine, |bytes| bytes[440] = 1);
        assert!(Firmware::of(&machine).is_none());
        let other = [&ATTRIBUTES[..], &ACTIVE, &[0, 0], &text("debian"), &END].concat();
        for name in ["Boot0000", "Boot0002", "BootOrder"] {
            fs::write(variable(&machine, name), &other).unwrap();
        }
        let firmware = Firmware::of(&machine).unwrap();
        let partition = Partition::read(&machine, "sdb3").unwrap();
        for _ in 0..2 {
            firmware.start_next(&partition, crate::kexec::LOADER).unwrap();
            assert_eq!(firmware.entries().unwrap(), [(0, false), (1, true), (2, false)]);
            assert_eq!(fs::read(variable(&machine, "BootNext")).unwrap(), [7, 0, 0, 0, 1, 0]);
        }
        firmware.forget().unwrap();
        assert_eq!(firmware.entries().unwrap(), [(0, false), (2, false)]);
        assert!(!variable(&machine, "BootNext").exists());
        assert_eq!(fs::read(variable(&machine, "BootOrder")).unwrap(), other);
        // What a person wants to be started next is no affair of ours.
        fs::write(variable(&machine, "BootNext"), [7, 0, 0, 0, 2, 0]).unwrap();
        firmware.forget().unwrap();
        assert!(variable(&machine, "BootNext").exists());
    }
}
