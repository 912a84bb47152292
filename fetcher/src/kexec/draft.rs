//! Kernel and initrd on their way: files in memory that have no name, so that nothing is left of them whatever happens; or, where the firmware is to
//! start them, files on a disk.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use anode_bundle::name::Hashing;
use anode_bundle::pack::Blob;
use rustix::fs::{Advice, MemfdFlags, fadvise, memfd_create};

use crate::beneath::Beneath;
use crate::blob::Sink;
use crate::error::{Failure, reason};
use crate::hand_over::BLOCK;

/// A name in a folder of a disk.
pub(super) struct Place {
    pub folder: Beneath,
    pub name: String,
    /// For people.
    pub path: PathBuf,
}

/// A file that is written from front to back in parts.
pub(super) struct Draft {
    file: File,
    /// `None`: in memory.
    place: Option<Place>,
    /// Where the part that is being written begins.
    begins: u64,
}

impl Draft {
    pub fn in_memory() -> Result<Draft, Failure> {
        let file = memfd_create("anode", MemfdFlags::CLOEXEC).map_err(|error| failed(None, &error.into()))?;
        Ok(Draft { file: File::from(file), place: None, begins: 0 })
    }

    /// A new file.
    pub fn on_disk(place: Place) -> Result<Draft, Failure> {
        let opened = place.folder.create_private(&place.name);
        let file = opened.map_err(|error| failed(Some(&place.path), &error))?;
        Ok(Draft { file, place: Some(place), begins: 0 })
    }

    /// What was written is complete: whole blocks, and one of zeros, before the next part begins. Every unpacker of the kernel skips zeros between two
    /// archives, and that of LZ4 takes fewer than four for a broken chunk.
    pub fn close_part(&mut self) -> Result<(), Failure> {
        let length = self.file.stream_position().map_err(|error| self.failed(&error))?;
        self.append(&vec![0; padding(length)])
    }

    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.stream_position());
        self.begins = written.map_err(|error| self.failed(&error))?;
        Ok(())
    }

    /// All of a file that is complete.
    pub fn append_whole(&mut self, whole: &Whole) -> Result<(), Failure> {
        let mut written = (&whole.file).rewind();
        whole.each_piece(u64::MAX, &mut |piece| {
            if written.is_ok() {
                written = self.file.write_all(piece);
            }
        })?;
        written.map_err(|error| self.failed(&error))
    }

    /// The same bytes, which nobody can write any more: a file that is open for writing is not loaded. From a disk they are read anew.
    pub fn finish(self) -> Result<Whole, Failure> {
        let reopen = || match &self.place {
            None => File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd())),
            Some(place) => {
                self.file.sync_all()?;
                fadvise(&self.file, 0, None, Advice::DontNeed)?;
                place.folder.read(&place.name)
            }
        };
        let file = reopen().map_err(|error| self.failed(&error))?;
        Ok(Whole { file, place: self.place })
    }
}

impl Sink for Draft {
    fn begin(&mut self) -> io::Result<()> {
        self.file.set_len(self.begins)?;
        self.file.seek(SeekFrom::Start(self.begins)).map(|_| ())
    }

    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)
    }

    fn failed(&self, error: &io::Error) -> Failure {
        failed(path(self.place.as_ref()), error)
    }
}

/// Zeros behind a part of this length.
pub(super) fn padding(length: u64) -> usize {
    let over = usize::try_from(length % BLOCK as u64).unwrap_or(0);
    (BLOCK - over) % BLOCK + BLOCK
}

/// A file that is complete.
pub(super) struct Whole {
    pub file: File,
    pub place: Option<Place>,
}

impl Whole {
    /// Reads all of it once more: each blob as its hash says, zeros between, the archive at the end.
    pub fn read_back(&self, blobs: &[Blob], archive: &[u8]) -> Result<(), Failure> {
        let wrong = || match &self.place {
            None => {
                Failure::hand_over("what was loaded into memory is not what was written", "test this machine's memory")
            }
            Some(place) => Failure::hand_over(
                format!("`{}` does not hold what was written", place.path.display()),
                "use another stick, or test this machine's memory",
            ),
        };
        for blob in blobs {
            let mut hashing = Hashing::default();
            self.each_piece(blob.length, &mut |piece| hashing.update(piece))?;
            if hashing.finish() != blob.sha256 {
                return Err(wrong());
            }
            // A kernel stands alone.
            if archive.is_empty() {
                continue;
            }
            let mut zeros = true;
            self.each_piece(padding(blob.length) as u64, &mut |piece| zeros &= piece.iter().all(|byte| *byte == 0))?;
            if !zeros {
                return Err(wrong());
            }
        }
        let (mut rest, mut equal) = (archive, true);
        self.each_piece(archive.len() as u64, &mut |piece| match rest.split_at_checked(piece.len()) {
            Some((begin, end)) => {
                equal &= begin == piece;
                rest = end;
            }
            None => equal = false,
        })?;
        let is_over = (&self.file).read(&mut [0]).map_err(|error| failed(path(self.place.as_ref()), &error))? == 0;
        if equal && rest.is_empty() && is_over { Ok(()) } else { Err(wrong()) }
    }

    fn each_piece(&self, length: u64, take: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let mut part = (&self.file).take(length);
        let mut piece = [0; 64 << 10];
        loop {
            let amount = part.read(&mut piece).map_err(|error| failed(path(self.place.as_ref()), &error))?;
            match piece.get(..amount) {
                Some(piece) if !piece.is_empty() => take(piece),
                _ => return Ok(()),
            }
        }
    }
}

fn path(place: Option<&Place>) -> Option<&Path> {
    place.map(|place| place.path.as_path())
}

/// What an error means for a file in memory (`None`) or on a disk.
pub(super) fn failed(place: Option<&Path>, error: &io::Error) -> Failure {
    let (doing, remedy) = match place {
        None => (
            "keeping the installer in memory".to_owned(),
            "this machine needs more memory for the installer's kernel and initrd",
        ),
        Some(place) => (
            format!("staging the installer: `{}`", place.display()),
            "use a stick that can be written and has room, or another folder",
        ),
    };
    Failure::hand_over(format!("{doing}: {}", reason(error)), remedy)
}
