//! The archive format of initrds, "newc" (Documentation/driver-api/early-userspace/buffer-format.rst in the kernel's source).

use std::io::{self, Read};

/// A path or the target of a link.
const PATH: u64 = 4096;
const HEADER: usize = 110;

/// Does an archive begin here?
pub fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(b"070701") || bytes.starts_with(b"070702")
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symbolic link.
    Link,
    /// A device, a pipe, a socket.
    Special,
}

/// The header of a member.
#[derive(Debug, Clone)]
pub struct Member {
    /// Without `/` or `./` in front.
    pub path: String,
    mode: u32,
    length: u64,
    links: u32,
    inode: u64,
    device: u64,
}

impl Member {
    /// What it is.
    pub fn kind(&self) -> Kind {
        match self.mode & 0o170_000 {
            0o040_000 => Kind::Folder,
            0o100_000 => Kind::File,
            0o120_000 => Kind::Link,
            _ => Kind::Special,
        }
    }

    /// Inode and device, where other members may be the same file.
    pub fn inode(&self) -> Option<(u64, u64)> {
        (self.links > 1 && self.kind() == Kind::File).then_some((self.inode, self.device))
    }
}

/// The members of one archive, one behind the other.
pub struct Archive<'a> {
    stream: &'a mut dyn Read,
    left: &'a mut u64,
    begun: bool,
}

impl<'a> Archive<'a> {
    /// Reads from a stream; at most `left` bytes.
    pub fn new(stream: &'a mut dyn Read, left: &'a mut u64) -> Archive<'a> {
        Archive { stream, left, begun: false }
    }

    /// Did anything begin, if only the end?
    pub fn had_a_header(&self) -> bool {
        self.begun
    }

    /// The next member; its content has to be taken before the next one. `None` after the last, and where the stream ends before the first.
    pub fn next(&mut self) -> Result<Option<Member>, String> {
        let mut header = [0; HEADER];
        // Zeros between two archives.
        loop {
            let (first, rest) = header.split_at_mut(1);
            if self.read(first)? == 0 {
                return if self.begun { Err("it ends in the middle of an archive".to_owned()) } else { Ok(None) };
            }
            if first != [0] || self.begun {
                self.exact(rest)?;
                break;
            }
        }
        if !begins(&header) {
            return Err("it is no archive of the kind that a kernel unpacks (cpio, newc)".to_owned());
        }
        self.begun = true;
        let mut fields = [0_u64; 13];
        for (field, digits) in fields.iter_mut().zip(header[6..].chunks_exact(8)) {
            let digits = std::str::from_utf8(digits).map_err(|_| "a header holds something else than numbers")?;
            *field = u64::from_str_radix(digits, 16).map_err(|_| "a header holds something else than numbers")?;
        }
        let [inode, mode, _, _, links, _, length, major, minor, _, _, name_length, _] = fields;
        if name_length == 0 || name_length > PATH {
            return Err("a name is longer than any path".to_owned());
        }
        // The name ends at a multiple of four, counted from its header.
        let padded = (name_length + 1) / 4 * 4 + 2;
        let mut name = self.take(padded.max(name_length))?;
        name.truncate(usize::try_from(name_length - 1).unwrap_or(0));
        let name = String::from_utf8_lossy(&name).into_owned();
        if name == "TRAILER!!!" {
            return Ok(None);
        }
        let path: Vec<_> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let small = |field| u32::try_from(field).unwrap_or(0);
        Ok(Some(Member {
            path: path.join("/"),
            mode: small(mode),
            length,
            links: small(links),
            inode,
            device: major << 32 | minor,
        }))
    }

    /// The content of the member that was just read: of a link always, of a file up to `limit`; 0 passes over it.
    pub fn content(&mut self, member: &Member, limit: u64) -> Result<Option<Vec<u8>>, String> {
        let limit = if member.kind() == Kind::Link { PATH } else { limit };
        let padding = (4 - member.length % 4) % 4;
        if limit == 0 || member.length > limit {
            self.skip(member.length + padding)?;
            return Ok(None);
        }
        let content = self.take(member.length)?;
        self.skip(padding)?;
        Ok(Some(content))
    }

    fn skip(&mut self, mut amount: u64) -> Result<(), String> {
        let mut piece = [0; 16 << 10];
        while amount > 0 {
            let part = usize::try_from(amount).unwrap_or(usize::MAX).min(piece.len());
            self.exact(&mut piece[..part])?;
            amount -= part as u64;
        }
        Ok(())
    }

    /// At most [`super::CONTENT`] bytes, which the caller has checked.
    fn take(&mut self, amount: u64) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; usize::try_from(amount).map_err(|_| "a file is too large")?];
        self.exact(&mut bytes)?;
        Ok(bytes)
    }

    fn exact(&mut self, mut buffer: &mut [u8]) -> Result<(), String> {
        while !buffer.is_empty() {
            match self.read(buffer)? {
                0 => return Err("it ends in the middle of an archive".to_owned()),
                amount => buffer = &mut buffer[amount..],
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        let amount = loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|error| error.to_string())?,
            }
        };
        *self.left = self.left.checked_sub(amount as u64).ok_or("it unpacks to more than any initrd")?;
        Ok(amount)
    }
}
