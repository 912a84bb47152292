//! Kernel and initrd on their way to the running kernel: files in memory that have no name, so that nothing is left of them whatever happens.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;

use anode_bundle::name::Hashing;
use anode_bundle::pack::Blob;
use rustix::fs::{MemfdFlags, memfd_create};

use crate::blob::Sink;
use crate::error::{Failure, reason};
use crate::hand_over::BLOCK;

/// A file in memory, written from front to back in parts.
pub(super) struct Draft {
    file: File,
    /// Where the part that is being written begins.
    begins: u64,
}

impl Draft {
    pub fn new() -> Result<Draft, Failure> {
        let file = memfd_create("anode", MemfdFlags::CLOEXEC).map_err(|error| failed(&error.into()))?;
        Ok(Draft { file: File::from(file), begins: 0 })
    }

    /// What was written is complete: whole blocks, and one of zeros, before the next part begins. Every unpacker of the kernel skips zeros between two
    /// archives, and that of LZ4 takes fewer than four for a broken chunk.
    pub fn close_part(&mut self) -> Result<(), Failure> {
        let padding = padding(self.length()?);
        self.append(&vec![0; padding])
    }

    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| failed(&error))?;
        self.begins = self.length()?;
        Ok(())
    }

    fn length(&mut self) -> Result<u64, Failure> {
        self.file.stream_position().map_err(|error| failed(&error))
    }

    /// The same bytes, which nobody can write any more: a file that is open for writing is not loaded.
    pub fn finish(self) -> Result<File, Failure> {
        File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd())).map_err(|error| failed(&error))
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
        failed(error)
    }
}

/// Zeros behind a part of this length.
pub(super) fn padding(length: u64) -> usize {
    let over = usize::try_from(length % BLOCK as u64).unwrap_or(0);
    (BLOCK - over) % BLOCK + BLOCK
}

/// Reads all of it once more: each blob as its hash says, zeros between, the archive at the end.
pub(super) fn read_back(file: &File, blobs: &[Blob], archive: &[u8]) -> Result<(), Failure> {
    let mut file = file;
    let wrong =
        || Failure::hand_over("what was loaded into memory is not what was written", "test this machine's memory");
    for blob in blobs {
        let mut hashing = Hashing::default();
        each_piece(&mut file, blob.length, &mut |piece| hashing.update(piece))?;
        if hashing.finish() != blob.sha256 {
            return Err(wrong());
        }
        // A kernel stands alone.
        if archive.is_empty() {
            continue;
        }
        let mut zeros = true;
        each_piece(&mut file, padding(blob.length) as u64, &mut |piece| zeros &= piece.iter().all(|byte| *byte == 0))?;
        if !zeros {
            return Err(wrong());
        }
    }
    let (mut rest, mut equal) = (archive, true);
    each_piece(&mut file, archive.len() as u64, &mut |piece| match rest.split_at_checked(piece.len()) {
        Some((begin, end)) => {
            equal &= begin == piece;
            rest = end;
        }
        None => equal = false,
    })?;
    let is_over = file.read(&mut [0]).map_err(|error| failed(&error))? == 0;
    if equal && rest.is_empty() && is_over { Ok(()) } else { Err(wrong()) }
}

fn each_piece(file: &mut &File, length: u64, take: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
    let mut part = file.take(length);
    let mut piece = [0; 64 << 10];
    loop {
        let amount = part.read(&mut piece).map_err(|error| failed(&error))?;
        match piece.get(..amount) {
            Some(piece) if !piece.is_empty() => take(piece),
            _ => return Ok(()),
        }
    }
}

fn failed(error: &io::Error) -> Failure {
    let remedy = "this machine needs more memory for the installer's kernel and initrd";
    Failure::hand_over(format!("keeping the installer in memory: {}", reason(error)), remedy)
}
