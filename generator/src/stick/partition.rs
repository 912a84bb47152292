//! The partition table of a stick: what the image brings, and a third partition behind it for what a stick keeps.
//!
//! The image is a disc image whose first sector is a partition table of the old kind (MBR): partition 1 is the disc, 2 the one that a UEFI reads. Behind the
//! image most of a stick is empty; from there to its end lies [`LABEL`], with the cached tree in it.

use std::ops::Range;

use anode_bundle::name::Sha256;
use anyhow::{Result, ensure};

/// The label of the third partition.
pub const LABEL: &str = "ANODE-DATA";
/// The bytes of a sector, as partition tables count.
pub const SECTOR: u64 = 512;
/// Less is no place for a tree.
pub const SMALLEST: u64 = 64 << 20;

const TABLE: usize = 446;
const ENTRY: usize = 16;
const SLOT: usize = 2;
/// What tells this disk from others, in its first sector.
const SIGNATURE: Range<usize> = 440..444;
/// Descriptors of a disc begin here, and one follows the other (ISO 9660, 8; El Torito 1.0, 2.0).
const DESCRIPTORS: usize = 16 * DESCRIPTOR;
const DESCRIPTOR: usize = 2048;
const CATALOGUE: Range<usize> = 7..39;
/// FAT with addresses by number: what every system reads.
const FAT: u8 = 0x0c;
/// Partitions begin where flash memory likes to be written.
const ALIGNMENT: u64 = (1 << 20) / SECTOR;

/// A partition, in sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Its first sector.
    pub first: u64,
    /// How many.
    pub sectors: u64,
}

impl Partition {
    /// Where it begins, in bytes.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.first * SECTOR
    }

    /// Its size in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.sectors * SECTOR
    }
}

/// The partitions of a first sector, by their slots.
///
/// # Errors
/// If it has no partition table, or one of another kind.
pub fn read(sector: &[u8]) -> Result<[Option<Partition>; 4]> {
    ensure!(sector.get(510..512) == Some(&[0x55, 0xaa]), "there is no partition table");
    let mut found = [None; 4];
    for (slot, place) in found.iter_mut().enumerate() {
        let entry = sector.get(TABLE + slot * ENTRY..).and_then(<[u8]>::first_chunk::<ENTRY>);
        let Some(&[_, _, _, _, kind, _, _, _, a, b, c, d, e, f, g, h]) = entry else { continue };
        ensure!(kind != 0xee, "the partition table is a GPT, which images of the medium do not have");
        let (first, sectors) = (u32::from_le_bytes([a, b, c, d]).into(), u32::from_le_bytes([e, f, g, h]).into());
        if kind != 0 && sectors > 0 {
            *place = Some(Partition { first, sectors });
        }
    }
    Ok(found)
}

/// Puts the third partition behind all others, up to the end of the disk. `None`: there is no room for a useful one, or the slot is taken.
///
/// # Errors
/// If the sector has no partition table of the right kind.
pub fn append(sector: &mut [u8], image: u64, disk: u64) -> Result<Option<Partition>> {
    let there = read(sector)?;
    if there.get(SLOT).is_some_and(Option::is_some) {
        return Ok(None);
    }
    let behind = there.iter().flatten().map(|partition| partition.first + partition.sectors).max().unwrap_or(0);
    let first = behind.max(image.div_ceil(SECTOR)).next_multiple_of(ALIGNMENT);
    // An old table counts to two terabytes; nobody caches more.
    let end = (disk / SECTOR).min(u32::MAX.into());
    let sectors = end.saturating_sub(first) / ALIGNMENT * ALIGNMENT;
    if sectors * SECTOR < SMALLEST {
        return Ok(None);
    }
    let mut entry = [0xff; ENTRY];
    entry[0] = 0;
    entry[4] = FAT;
    // The older way to count, by cylinders, ends long before: all ones say so.
    entry[1..4].copy_from_slice(&[0xfe, 0xff, 0xff]);
    entry[5..8].copy_from_slice(&[0xfe, 0xff, 0xff]);
    entry[8..12].copy_from_slice(&u32::try_from(first)?.to_le_bytes());
    entry[12..].copy_from_slice(&u32::try_from(sectors)?.to_le_bytes());
    let place = TABLE + SLOT * ENTRY;
    sector[place..place + ENTRY].copy_from_slice(&entry);
    Ok(Some(Partition { first, sectors }))
}

/// Makes a disk of what was a disc, in its first bytes: it gets a signature, by which a UEFI names the partitions of a disk, and its boot catalogue is no
/// longer found. A UEFI that finds one there knows only the partition that it names, and could start nothing that is staged on the third.
pub fn become_disk(first: &mut [u8]) {
    let sum = Sha256::of(first.get(..512).unwrap_or_default());
    let [a, b, c, d, ..] = sum.0;
    if let Some(signature) = first.get_mut(SIGNATURE) {
        // Zeros are none.
        signature.copy_from_slice(&[a, b, c, d.max(1)]);
    }
    for descriptor in first.get_mut(DESCRIPTORS..).unwrap_or_default().chunks_exact_mut(DESCRIPTOR) {
        if descriptor.get(1..6) != Some(b"CD001") {
            break;
        }
        let name = descriptor.get_mut(CATALOGUE).filter(|name| name.starts_with(b"EL TORITO SPECIFICATION"));
        name.unwrap_or_default().fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As xorriso writes it: the disc, and the appended partition.
    fn sector(kind: u8) -> Vec<u8> {
        let mut sector = vec![0; 512];
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        for (slot, (kind, first, sectors)) in
            [(kind, 64_u32, 60_000_u32), (0xef, 60_064, 12_000)].into_iter().enumerate()
        {
            let entry = &mut sector[TABLE + slot * ENTRY..][..ENTRY];
            entry[4] = kind;
            entry[8..12].copy_from_slice(&first.to_le_bytes());
            entry[12..].copy_from_slice(&sectors.to_le_bytes());
        }
        sector
    }

    #[test]
    fn the_third_partition_begins_behind_the_image_and_fills_the_stick() {
        let mut sector = sector(0xcd);
        let before = read(&sector).unwrap();
        let image = 72_064 * SECTOR;
        let added = append(&mut sector, image, 8 << 30).unwrap().unwrap();
        assert_eq!(added.first, 73_728);
        assert!(added.first.is_multiple_of(ALIGNMENT) && added.offset() >= image);
        assert_eq!(added.offset() + added.bytes(), 8 << 30);
        let after = read(&sector).unwrap();
        assert_eq!(after[..2], before[..2]);
        assert_eq!(after[2], Some(added));
        assert_eq!(append(&mut sector, image, 8 << 30).unwrap(), None);
    }

    #[test]
    fn a_stick_that_is_hardly_larger_than_the_image_gets_none() {
        let image = 72_064 * SECTOR;
        let untouched = sector(0xcd);
        let mut sector = untouched.clone();
        assert_eq!(append(&mut sector, image, image + SMALLEST).unwrap(), None);
        assert_eq!(sector, untouched);
        assert!(append(&mut sector, image, image + SMALLEST + (2 << 20)).unwrap().is_some());
    }

    #[test]
    fn a_large_disk_is_used_as_far_as_the_table_counts() {
        let mut sector = sector(0xcd);
        let added = append(&mut sector, 0, 4 << 40).unwrap().unwrap();
        assert!(added.first + added.sectors <= u32::MAX.into());
    }

    #[test]
    fn a_stick_has_a_signature_and_no_boot_catalogue_that_hides_its_partitions() {
        let mut first = sector(0xcd);
        first.resize(DESCRIPTORS + 4 * DESCRIPTOR, 0);
        for (number, (kind, name)) in [(1, "LINUX"), (0, "EL TORITO SPECIFICATION"), (255, "")].into_iter().enumerate()
        {
            let descriptor = &mut first[DESCRIPTORS + number * DESCRIPTOR..][..DESCRIPTOR];
            descriptor[0] = kind;
            descriptor[1..7].copy_from_slice(b"CD001\x01");
            descriptor[7..7 + name.len()].copy_from_slice(name.as_bytes());
            descriptor[71] = 0x4e;
        }
        let before = first.clone();
        become_disk(&mut first);
        assert_ne!(first[SIGNATURE], [0; 4]);
        let name = DESCRIPTORS + DESCRIPTOR + 7..DESCRIPTORS + DESCRIPTOR + 39;
        assert_eq!(first[name.clone()], [0; 32]);
        let mut again = first.clone();
        for place in [SIGNATURE, name] {
            again[place.clone()].copy_from_slice(&before[place]);
        }
        assert_eq!(again, before, "nothing else is changed");
        let mut same = before.clone();
        become_disk(&mut same);
        assert_eq!(same, first, "the same stick, the same signature");
    }

    #[test]
    fn another_kind_of_table_or_none_is_refused() {
        assert!(read(&sector(0xee)).unwrap_err().to_string().contains("GPT"));
        assert!(read(&[0; 512]).unwrap_err().to_string().contains("no partition table"));
    }
}
