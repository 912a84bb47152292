//! The compressed streams that a kernel unpacks. Each decoder reads exactly its own stream, because the next archive begins behind it.

use std::io::{self, Read};

use ruzstd::decoding::StreamingDecoder;

/// A block of the older lz4 format.
const LZ4_BLOCK: usize = 8 << 20;
const LZ4_MAGIC: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// The .xz format.
    Xz,
    /// RFC 8878.
    Zstd,
    /// The older lz4 format (`lz4 -l`), the only one of the two that a kernel reads.
    Lz4,
    /// bzip2.
    Bzip2,
}

impl Compression {
    const ALL: [(Compression, &'static str, &'static [u8]); 5] = [
        (Compression::Gzip, "gzip", b"\x1f\x8b"),
        (Compression::Xz, "xz", b"\xfd7zXZ\0"),
        (Compression::Zstd, "zstd", b"\x28\xb5\x2f\xfd"),
        (Compression::Lz4, "lz4", &LZ4_MAGIC),
        (Compression::Bzip2, "bzip2", b"BZh"),
    ];

    /// What begins here.
    pub fn of(bytes: &[u8]) -> Option<Compression> {
        let found = Compression::ALL.iter().find(|(_, _, magic)| bytes.starts_with(magic));
        found.map(|(compression, _, _)| *compression)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Compression::ALL.iter().find(|(known, _, _)| *known == self).map_or("", |(_, name, _)| name)
    }

    /// The unpacked bytes. Read to the end, it leaves `rest` behind the stream.
    pub fn open<'a>(self, rest: &'a mut &[u8]) -> Result<Box<dyn Read + 'a>, String> {
        Ok(match self {
            Compression::Gzip => Box::new(flate2::bufread::GzDecoder::new(rest)),
            Compression::Bzip2 => Box::new(bzip2::bufread::BzDecoder::new(rest)),
            Compression::Xz => Box::new(lzma_rust2::XzReader::new(rest, false)),
            Compression::Zstd => Box::new(StreamingDecoder::new(rest).map_err(|error| error.to_string())?),
            Compression::Lz4 => {
                *rest = rest.get(LZ4_MAGIC.len()..).unwrap_or_default();
                Box::new(Lz4 { rest, block: Vec::new(), read: 0 })
            }
        })
    }
}

/// Blocks of at most 8 MiB, each behind its compressed length; there is no end but the first length that can be none.
struct Lz4<'a, 'b> {
    rest: &'a mut &'b [u8],
    block: Vec<u8>,
    read: usize,
}

impl Lz4<'_, '_> {
    fn next_block(&mut self) -> io::Result<bool> {
        loop {
            let Some((length, rest)) = self.rest.split_first_chunk::<4>() else { return Ok(false) };
            // Two such streams in one.
            if *length == LZ4_MAGIC {
                *self.rest = rest;
                continue;
            }
            let length = u32::from_le_bytes(*length) as usize;
            if length == 0 || length > lz4_flex::block::get_maximum_output_size(LZ4_BLOCK) {
                return Ok(false);
            }
            let Some((packed, rest)) = rest.split_at_checked(length) else {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a block is cut off"));
            };
            self.block.resize(LZ4_BLOCK, 0);
            let unpacked = lz4_flex::block::decompress_into(packed, &mut self.block).map_err(io::Error::other)?;
            self.block.truncate(unpacked);
            self.read = 0;
            *self.rest = rest;
            if unpacked > 0 {
                return Ok(true);
            }
        }
    }
}

impl Read for Lz4<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.block.len() && !self.next_block()? {
            return Ok(0);
        }
        let left = self.block.get(self.read..).unwrap_or_default();
        let amount = left.len().min(buffer.len());
        buffer[..amount].copy_from_slice(&left[..amount]);
        self.read += amount;
        Ok(amount)
    }
}
