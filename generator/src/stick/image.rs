//! Writing an image to a stick: the first piece last, so that a stick whose writing was interrupted does not start; then everything is read back.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anode_bundle::name::Sha256;
use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{Advice, OFlags, fadvise, major, minor};
use sha2::Digest as _;

use super::cache::MARK;
use super::partition::{self, LABEL, Partition, SECTOR};
use crate::lock::Progress;
use crate::medium::host::Tool;

/// What is written at once; the first one holds every table.
const PIECE: usize = 4 << 20;
/// Where a disc image names itself (ECMA-119, section 8).
const NAME: usize = 32_769;
/// Where a GPT has its copy: what an older partition table left at the end of a stick.
const TAIL: u64 = 33 * SECTOR;
const SERIAL: &str = "a0de0002";

/// An image that looks like a medium.
#[derive(Debug)]
pub struct Image {
    file: File,
    first: Vec<u8>,
    length: u64,
}

/// A disk that is opened for writing, by nobody else exclusively: whatever gets its name afterwards, this is what is written.
#[derive(Debug)]
pub struct Target {
    device: File,
    path: PathBuf,
}

/// What is on the stick now.
#[derive(Debug)]
pub struct Written {
    /// The hash of the image.
    pub sha256: Sha256,
    /// The partition behind it, where there was room.
    pub data: Option<Partition>,
}

impl Image {
    /// Opens a file.
    ///
    /// # Errors
    /// If it can not be read, or is no image that boots as a stick.
    pub fn open(path: &Path) -> Result<Image> {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("opening `{shown}`"))?;
        let length = file.metadata().with_context(|| format!("opening `{shown}`"))?.len();
        let mut first = Vec::new();
        (&file).take(PIECE as u64).read_to_end(&mut first).with_context(|| format!("reading `{shown}`"))?;
        let is_disc = first.get(NAME..NAME + 5) == Some(b"CD001");
        let table = first.get(..512).and_then(|sector| partition::read(sector).ok());
        let boots = table.is_some_and(|slots| slots.get(1).is_some_and(Option::is_some));
        ensure!(
            is_disc && boots && length % SECTOR == 0,
            "`{shown}` is no image of the medium: make one with `anode medium iso`"
        );
        Ok(Image { file, first, length })
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl Target {
    /// Opens a disk. Nothing is written yet; until it is closed, nobody mounts it, and no other disk is given its number.
    ///
    /// # Errors
    /// If it is in use, or this user may not write to it.
    pub fn open(disk: &Path) -> Result<Target> {
        let shown = disk.display();
        // Of a block device, and without O_CREAT, O_EXCL says: mine, or not at all (open(2)).
        let exclusive = i32::try_from(OFlags::EXCL.bits())?;
        let opened = OpenOptions::new().read(true).write(true).custom_flags(exclusive).open(disk);
        let device = match opened {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => {
                bail!("`{shown}` is in use, and nothing was written: release it first, with `umount` what is mounted")
            }
            other => other.with_context(|| format!("opening `{shown}` for writing"))?,
        };
        Ok(Target { device, path: disk.to_owned() })
    }

    /// The number of the device, as in `/sys/block/sdb/dev`.
    ///
    /// # Errors
    /// If it can not be asked.
    pub fn number(&self) -> Result<String> {
        let device = self.device.metadata().with_context(|| format!("asking `{}`", self.path.display()))?.rdev();
        Ok(format!("{}:{}", major(device), minor(device)))
    }

    /// A name by which another program opens this very device.
    fn handle(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.device.as_raw_fd())
    }
}

/// Erases a disk and writes an image to it; then everything is read back and compared.
///
/// # Errors
/// If the disk is too small, or holds other bytes than were written.
pub fn write(image: &mut Image, target: &mut Target, progress: &dyn Progress) -> Result<Written> {
    let (shown, handle) = (target.path.display(), target.handle());
    let device = &mut target.device;
    let size = device.seek(SeekFrom::End(0)).with_context(|| format!("asking `{shown}` for its size"))?;
    ensure!(
        image.length <= size,
        "`{shown}` has {size} bytes, and the image needs {}: nothing was written; use a larger stick",
        image.length
    );
    let mut first = image.first.clone();
    let data = match first.get_mut(..512) {
        Some(sector) => partition::append(sector, image.length, size)?,
        None => None,
    };
    if data.is_some() {
        partition::become_disk(&mut first);
    }
    let writing = || format!("writing `{shown}`");
    let zeros = vec![0; first.len()];
    put(device, 0, &zeros).with_context(writing)?;
    if size - image.length >= TAIL {
        put(device, size - TAIL, &vec![0; usize::try_from(TAIL)?]).with_context(writing)?;
    }
    progress.begin("writing", Some(image.length), 0);
    let mut digest = sha2::Sha256::new();
    digest.update(&image.first);
    let mut written = first.len() as u64;
    let mut piece = vec![0; PIECE];
    image.file.seek(SeekFrom::Start(written)).context("reading the image")?;
    while written < image.length {
        let amount = usize::try_from((image.length - written).min(PIECE as u64))?;
        let part = piece.get_mut(..amount).unwrap_or_default();
        image.file.read_exact(part).context("reading the image")?;
        digest.update(&*part);
        put(device, written, part).with_context(writing)?;
        written += amount as u64;
        progress.bytes(amount as u64);
    }
    if let Some(partition) = &data {
        format(&handle, partition)?;
    }
    device.sync_all().with_context(writing)?;
    put(device, 0, &first).and_then(|()| device.sync_all()).with_context(writing)?;
    progress.bytes(first.len() as u64);
    progress.end();
    let sha256 = Sha256(digest.finalize().into());
    compare(image, &first, device, progress).with_context(|| format!("comparing `{shown}`"))?;
    Ok(Written { sha256, data })
}

fn put(device: &mut File, at: u64, bytes: &[u8]) -> std::io::Result<()> {
    device.seek(SeekFrom::Start(at))?;
    device.write_all(bytes)
}

/// A file system for what the stick keeps.
fn format(disk: &str, partition: &Partition) -> Result<()> {
    let place = format!("{disk}@@{}", partition.offset());
    let (first, sectors) = (partition.first.to_string(), partition.sectors.to_string());
    let words = ["-i", &place, "-T", &sectors, "-H", &first, "-v", LABEL, "-N", SERIAL, "::"];
    let making = "making a file system behind the image";
    Tool::Mformat.run(&words.map(str::to_owned), None).context(making)?;
    // By this `anode medium refresh` knows it again.
    Tool::Mmd.run(&["-i", &place, &format!("::/{MARK}")].map(str::to_owned), None).context(making)
}

/// From the stick and not from memory: what the kernel keeps of it is dropped before.
fn compare(image: &mut Image, first: &[u8], device: &mut File, progress: &dyn Progress) -> Result<()> {
    fadvise(&*device, 0, None, Advice::DontNeed).context("dropping what is cached")?;
    progress.begin("comparing", Some(image.length), 0);
    let (mut wanted, mut found) = (first.to_vec(), vec![0; PIECE]);
    device.seek(SeekFrom::Start(0))?;
    image.file.seek(SeekFrom::Start(first.len() as u64))?;
    let mut done = 0;
    while done < image.length {
        let amount = wanted.len();
        let part = found.get_mut(..amount).unwrap_or_default();
        device.read_exact(part)?;
        if let Some(at) = wanted.iter().zip(&*part).position(|(one, other)| one != other) {
            bail!("byte {} is another than was written: the stick is defective, use another one", done + at as u64);
        }
        done += amount as u64;
        progress.bytes(amount as u64);
        wanted.resize(usize::try_from((image.length - done).min(PIECE as u64))?, 0);
        image.file.read_exact(&mut wanted)?;
    }
    progress.end();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Breaks a byte of the stick as soon as it is compared.
    struct Breaker<'a>(Option<&'a Path>, RefCell<Vec<String>>);

    impl Progress for Breaker<'_> {
        fn begin(&self, what: &str, _: Option<u64>, _: u64) {
            self.1.borrow_mut().push(what.to_owned());
            if let Some(path) = self.0.filter(|_| what == "comparing") {
                let mut file = OpenOptions::new().write(true).open(path).unwrap();
                put(&mut file, 5_000_001, b"?").unwrap();
            }
        }
        fn bytes(&self, _: u64) {}
        fn end(&self) {}
    }

    /// A disc image of nine mebibytes with the two partitions of a medium.
    fn image(folder: &Path) -> std::path::PathBuf {
        let mut bytes: Vec<u8> = (0..9 << 20).map(|at: u32| (at / 512 % 251) as u8).collect();
        bytes[..512].fill(0);
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        for (slot, first, sectors) in [(0_usize, 64_u32, 16_000_u32), (1, 16_064, 2_368)] {
            let entry = &mut bytes[446 + slot * 16..][..16];
            entry[4] = 0xef;
            entry[8..12].copy_from_slice(&first.to_le_bytes());
            entry[12..].copy_from_slice(&sectors.to_le_bytes());
        }
        bytes[NAME..NAME + 5].copy_from_slice(b"CD001");
        let path = folder.join("image.iso");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn stick(folder: &Path, megabytes: u64) -> std::path::PathBuf {
        let path = folder.join("stick");
        std::fs::write(&path, b"what was on it").unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(megabytes << 20).unwrap();
        path
    }

    #[test]
    fn the_image_is_on_the_stick_and_behind_it_a_file_system() {
        let folder = tempfile::tempdir().unwrap();
        let (path, stick) = (image(folder.path()), stick(folder.path(), 128));
        let progress = Breaker(None, RefCell::default());
        let written = write(&mut Image::open(&path).unwrap(), &mut Target::open(&stick).unwrap(), &progress).unwrap();
        let (image, stick) = (std::fs::read(&path).unwrap(), std::fs::read(&stick).unwrap());
        assert_eq!(written.sha256, Sha256::of(&image));
        let data = written.data.unwrap();
        assert_eq!(stick[512..image.len()], image[512..]);
        assert_eq!(stick[..440], image[..440]);
        assert_ne!(stick[440..444], [0; 4]);
        assert_eq!(partition::read(&stick[..512]).unwrap()[2], Some(data));
        let at = usize::try_from(data.offset()).unwrap();
        assert_eq!(&stick[at + 43..][..11], b"ANODE-DATA ");
        assert_eq!(progress.1.into_inner(), ["writing", "comparing"]);
    }

    #[test]
    fn what_was_opened_is_written_whatever_has_its_name_by_then() {
        let folder = tempfile::tempdir().unwrap();
        let (path, stick) = (image(folder.path()), stick(folder.path(), 128));
        let mut target = Target::open(&stick).unwrap();
        // An equal one comes in its place.
        let meant = folder.path().join("meant");
        std::fs::rename(&stick, &meant).unwrap();
        std::fs::write(&stick, b"somebody's").unwrap();
        let progress = Breaker(None, RefCell::default());
        let written = write(&mut Image::open(&path).unwrap(), &mut target, &progress).unwrap();
        assert_eq!(std::fs::read(&stick).unwrap(), b"somebody's");
        let (image, meant) = (std::fs::read(&path).unwrap(), std::fs::read(&meant).unwrap());
        assert_eq!(meant[512..image.len()], image[512..]);
        let at = usize::try_from(written.data.unwrap().offset()).unwrap();
        assert_eq!(&meant[at + 43..][..11], b"ANODE-DATA ");
    }

    #[test]
    fn a_stick_that_gives_other_bytes_than_it_was_given_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (path, stick) = (image(folder.path()), stick(folder.path(), 16));
        let progress = Breaker(Some(&stick), RefCell::default());
        let refusal = format!(
            "{:#}",
            write(&mut Image::open(&path).unwrap(), &mut Target::open(&stick).unwrap(), &progress).unwrap_err()
        );
        assert!(refusal.contains("byte 5000001 is another than was written: the stick is defective"), "{refusal}");
    }

    #[test]
    fn a_stick_that_is_too_small_is_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (path, stick) = (image(folder.path()), stick(folder.path(), 8));
        let before = std::fs::read(&stick).unwrap();
        let progress = Breaker(None, RefCell::default());
        let refusal = write(&mut Image::open(&path).unwrap(), &mut Target::open(&stick).unwrap(), &progress)
            .unwrap_err()
            .to_string();
        assert!(refusal.ends_with("nothing was written; use a larger stick"), "{refusal}");
        assert_eq!(std::fs::read(&stick).unwrap(), before);
    }

    #[test]
    fn what_is_no_image_of_the_medium_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = image(folder.path());
        let bytes = std::fs::read(&path).unwrap();
        let without = |from: usize, length: usize| {
            let mut bytes = bytes.clone();
            bytes[from..from + length].fill(0);
            bytes
        };
        for bytes in [without(NAME, 5), without(510, 2), without(462, 16), bytes[..9_000_001].to_vec(), Vec::new()] {
            std::fs::write(&path, bytes).unwrap();
            let refusal = Image::open(&path).unwrap_err().to_string();
            assert!(refusal.ends_with("is no image of the medium: make one with `anode medium iso`"), "{refusal}");
        }
    }
}
