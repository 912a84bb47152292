//! What is inside an initrd: read in memory as the kernel would read it, so that a definition's hook points can be asserted before a machine boots it.
//!
//! An initrd is one archive or several, plain or compressed, one behind the other with zeros between them (early microcode first, for example). Nothing
//! is written to a disk, and everything is bounded: the bytes come from a mirror, and they may be anything. What the kernel would skip with a message is
//! not an error here either; it is remembered, and said beside a hook point that is missing.

mod compression;
mod cpio;
mod hooks;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

pub(crate) use compression::Compression;
use cpio::Member;
pub use hooks::{LostLink, MissingHook, Unpacked};

/// Everything that one initrd may unpack to.
const UNPACKED: u64 = 4 << 30;
/// Files, folders and links in one initrd.
const MEMBERS: usize = 400_000;
/// A file whose text is looked at.
const CONTENT: u64 = 16 << 20;
/// As the kernel's own limit.
const LINKS: usize = 40;

/// Why an initrd could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {problem}")]
pub struct Unreadable {
    /// Where in the file the archive begins that can not be read.
    pub at: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// A file's identity: hard links share it. The number of its archive, then inode and device, or its own number.
type Identity = (usize, u64, u64);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Folder,
    File(Identity),
    Link(String),
    Special,
}

/// What several initrds hold when the kernel has unpacked them one behind the other.
#[derive(Debug, Default)]
pub struct Listing {
    members: BTreeMap<String, Found>,
    archives: usize,
    unread: Vec<String>,
}

impl Listing {
    /// Reads one more initrd. What it holds wins over what was there.
    ///
    /// # Errors
    /// If it is no initrd at all, or larger than any.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        let first = self.archives;
        let mut members = std::mem::take(&mut self.members);
        let mut add = |member: Member, identity: Identity, content: Option<Vec<u8>>| {
            let found = match member.kind() {
                cpio::Kind::Folder => Found::Folder,
                cpio::Kind::File => Found::File(identity),
                cpio::Kind::Link => Found::Link(String::from_utf8_lossy(&content.unwrap_or_default()).into_owned()),
                cpio::Kind::Special => Found::Special,
            };
            members.insert(member.path, found);
        };
        let end = walk(bytes, &mut self.archives, |member, _| member.kind() == cpio::Kind::Link, &mut add);
        self.members = members;
        match end {
            Err(end) if self.archives == first => Err(end),
            Err(end) => {
                self.unread.push(end.to_string());
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// How many files, folders and links there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Is there nothing in it?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Is there something of exactly this path?
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        self.members.contains_key(path)
    }

    /// The file or folder that a path leads to, through links.
    fn resolve(&self, path: &str) -> Option<(String, &Found)> {
        let mut left: Vec<String> = parts(path).rev().collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            done.push(part);
            if let Some(Found::Link(target)) = self.members.get(&done.join("/")) {
                links += 1;
                if links > LINKS {
                    return None;
                }
                done.pop();
                if target.starts_with('/') {
                    done.clear();
                }
                left.extend(parts(target).rev());
            }
        }
        let path = done.join("/");
        self.members.get(&path).map(|found| (path, found))
    }
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned)
}

/// The contents of files by their identity.
fn contents(bytes: &[u8], first: usize, wanted: &BTreeSet<Identity>) -> BTreeMap<Identity, Vec<u8>> {
    let mut contents = BTreeMap::new();
    let mut archives = first;
    let mut add = |_, identity, content: Option<Vec<u8>>| {
        if let Some(content) = content.filter(|content| !content.is_empty()) {
            contents.insert(identity, content);
        }
    };
    // It ends where the listing ended, and that was said.
    let _ = walk(bytes, &mut archives, |_, identity| wanted.contains(identity), &mut add);
    contents
}

/// Goes through every archive of an initrd. `archives` counts those that were begun with at least one member.
fn walk(
    bytes: &[u8],
    archives: &mut usize,
    wants: impl Fn(&Member, &Identity) -> bool,
    add: &mut impl FnMut(Member, Identity, Option<Vec<u8>>),
) -> Result<(), Unreadable> {
    let mut rest = bytes;
    let mut left = Left { bytes: UNPACKED, members: MEMBERS };
    loop {
        rest = rest.get(rest.iter().take_while(|byte| **byte == 0).count()..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        let at = bytes.len() - rest.len();
        let unreadable = |problem: String| Unreadable { at, problem };
        let mut pass = Pass { archives, wants: &wants, add };
        if cpio::begins(rest) {
            pass.archive(&mut rest, &mut left).map_err(unreadable)?;
            continue;
        }
        let Some(compression) = Compression::of(rest) else {
            return Err(unreadable("neither an archive nor anything that a kernel unpacks begins here".to_owned()));
        };
        let unpacked = |problem: String| unreadable(format!("{} data: {problem}", compression.name()));
        let mut stream = compression.open(&mut rest).map_err(unpacked)?;
        while pass.archive(&mut stream, &mut left).map_err(unpacked)? {}
    }
}

/// What may still come.
struct Left {
    bytes: u64,
    members: usize,
}

struct Pass<'a, W, A> {
    archives: &'a mut usize,
    wants: &'a W,
    add: &'a mut A,
}

impl<W, A> Pass<'_, W, A>
where
    W: Fn(&Member, &Identity) -> bool,
    A: FnMut(Member, Identity, Option<Vec<u8>>),
{
    /// One archive; false: there was none before the end.
    fn archive(&mut self, stream: &mut dyn Read, left: &mut Left) -> Result<bool, String> {
        let mut stream = cpio::Archive::new(stream, &mut left.bytes);
        let mut number = 0;
        while let Some(member) = stream.next()? {
            if number == 0 {
                *self.archives += 1;
            }
            number += 1;
            left.members = left.members.checked_sub(1).ok_or("it has more files than any initrd")?;
            let archive = *self.archives;
            let identity =
                member.inode().map_or((archive, number, u64::MAX), |(inode, device)| (archive, inode, device));
            let wanted = (self.wants)(&member, &identity);
            let content = stream.content(&member, if wanted { CONTENT } else { 0 })?;
            (self.add)(member, identity, content);
        }
        Ok(stream.had_a_header())
    }
}

#[cfg(test)]
mod tests;
