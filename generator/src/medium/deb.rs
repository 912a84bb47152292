//! What is in a `.deb`: an `ar` archive whose member `data.tar.*` holds the files (`deb(5)`). It is unpacked once, into a temporary file without a name,
//! and files are read from there: a kernel's package holds several hundred megabytes, of which a medium takes a tenth.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::initrd::Compression;

/// Everything that one package may unpack to.
const UNPACKED: u64 = 4 << 30;
/// A file that is read.
const FILE: u64 = 256 << 20;
const HEADER: usize = 60;

/// A file of a package, or a link.
#[derive(Debug, Clone)]
enum Member {
    File { at: u64, length: u64 },
    Link(String),
}

/// An unpacked package.
#[derive(Debug)]
pub struct Deb {
    data: File,
    members: BTreeMap<String, Member>,
}

impl Deb {
    /// Unpacks a package.
    ///
    /// # Errors
    /// If it is none, or too large.
    pub fn open(path: &Path) -> Result<Deb> {
        let bytes = std::fs::read(path)?;
        let (name, packed) = data(&bytes)?;
        let mut packed = packed;
        let mut stream: Box<dyn Read + '_> = match Compression::of(packed) {
            Some(compression) => compression
                .open(&mut packed)
                .map_err(anyhow::Error::msg)
                .with_context(|| format!("unpacking `{name}`"))?,
            None => Box::new(packed),
        };
        let mut writer = BufWriter::with_capacity(1 << 20, tempfile::tempfile().context("making a temporary file")?);
        let copied = std::io::copy(&mut stream.by_ref().take(UNPACKED + 1), &mut writer);
        ensure!(
            copied.with_context(|| format!("unpacking `{name}`"))? <= UNPACKED,
            "`{name}` is larger than any package"
        );
        writer.flush()?;
        let mut data = writer.into_inner().map_err(|error| error.into_error())?;
        let members = list(&mut data).with_context(|| format!("reading `{name}`"))?;
        Ok(Deb { data, members })
    }

    /// The paths of all files and links, without `./` in front.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// The bytes of a file; a link is followed once, inside the package.
    ///
    /// # Errors
    /// If it is not there.
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>> {
        let missing = || format!("`{path}` is not in the package");
        let member = match self.members.get(path).with_context(missing)? {
            Member::Link(target) => self.members.get(&beside(path, target)).with_context(missing)?,
            file => file,
        };
        let Member::File { at, length } = member else { bail!(missing()) };
        ensure!(*length <= FILE, "`{path}` is larger than anything on a medium");
        self.data.seek(SeekFrom::Start(*at))?;
        let mut bytes = vec![0; usize::try_from(*length)?];
        self.data.read_exact(&mut bytes).with_context(|| format!("reading `{path}`"))?;
        Ok(bytes)
    }

    /// The first of several files that is there: packages move them from `/` to `/usr` from one release to the next.
    ///
    /// # Errors
    /// If none is.
    pub fn read_any(&mut self, paths: &[&str]) -> Result<Vec<u8>> {
        let there = paths.iter().find(|path| self.members.contains_key(**path)).or(paths.first());
        self.read(there.copied().unwrap_or_default())
    }

    /// Where a link leads, as it is written.
    #[must_use]
    pub fn link(&self, path: &str) -> Option<&str> {
        match self.members.get(path)? {
            Member::Link(target) => Some(target),
            Member::File { .. } => None,
        }
    }
}

/// The path that a link in `path` means.
fn beside(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { path.split('/').collect() };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The member with the files, and its name.
fn data(bytes: &[u8]) -> Result<(String, &[u8])> {
    let mut rest =
        bytes.strip_prefix(b"!<arch>\n").context("it is no package: it does not begin like an `ar` archive")?;
    while let Some((header, behind)) = rest.split_at_checked(HEADER) {
        let text = |range| std::str::from_utf8(header.get(range).unwrap_or_default()).unwrap_or_default().trim_end();
        ensure!(header.ends_with(b"`\n"), "it is no package: a header of the `ar` archive is broken");
        let length: usize = text(48..58).parse().context("a length in the `ar` archive is no number")?;
        let (content, behind) = behind.split_at_checked(length).context("the package is cut off")?;
        let name = text(0..16).trim_end_matches('/');
        if name.starts_with("data.tar") {
            return Ok((name.to_owned(), content));
        }
        rest = behind.get(length % 2..).unwrap_or_default();
    }
    bail!("there is no `data.tar` in the package")
}

fn list(data: &mut File) -> Result<BTreeMap<String, Member>> {
    data.rewind()?;
    let mut members = BTreeMap::new();
    let mut archive = tar::Archive::new(&*data);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let path = entry.path()?.to_str().context("the name of a file is not text")?.to_owned();
        let path = path.strip_prefix("./").unwrap_or(&path).trim_end_matches('/').to_owned();
        let kind = entry.header().entry_type();
        let member = match kind {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                Member::File { at: entry.raw_file_position(), length: entry.size() }
            }
            tar::EntryType::Symlink => {
                let target = entry.link_name()?.context("a link leads nowhere")?;
                Member::Link(target.to_str().context("the target of a link is not text")?.to_owned())
            }
            tar::EntryType::Link => {
                let target = entry.link_name()?.context("a link leads nowhere")?;
                let target = target.to_str().context("the target of a link is not text")?;
                let target = target.strip_prefix("./").unwrap_or(target);
                members.get(target).cloned().with_context(|| format!("`{path}` is a link to what is not there"))?
            }
            _ => continue,
        };
        members.insert(path, member);
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(members: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
        let mut bytes = b"!<arch>\n".to_vec();
        for (name, content) in members {
            bytes.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).bytes());
            bytes.extend(*content);
            bytes.resize(bytes.len().next_multiple_of(2), b'\n');
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(5);
        header.set_mode(0o644);
        builder.append_data(&mut header, "./usr/share/a", &b"bytes"[..]).unwrap();
        for (kind, name, target) in [
            (tar::EntryType::Symlink, "./usr/lib/b", "../share/a"),
            (tar::EntryType::Link, "./usr/share/c", "./usr/share/a"),
            (tar::EntryType::Symlink, "./usr/share/gone", "nowhere"),
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(kind);
            header.set_size(0);
            builder.append_link(&mut header, name, target).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn files_are_read_also_through_links_inside_the_package() {
        let file = package(&[("debian-binary", b"2.0\n"), ("control.tar", b"odd"), ("data.tar", &archive())]);
        let mut deb = Deb::open(file.path()).unwrap();
        assert_eq!(deb.paths().collect::<Vec<_>>(), ["usr/lib/b", "usr/share/a", "usr/share/c", "usr/share/gone"]);
        for path in ["usr/share/a", "usr/share/c", "usr/lib/b"] {
            assert_eq!(deb.read(path).unwrap(), b"bytes", "{path}");
        }
        assert_eq!(deb.link("usr/lib/b"), Some("../share/a"));
        assert_eq!(deb.read("usr/share/gone").unwrap_err().to_string(), "`usr/share/gone` is not in the package");
    }

    #[test]
    fn what_is_no_package_or_ends_in_the_middle_says_so() {
        let whole = package(&[("data.tar", &archive())]);
        let bytes = std::fs::read(whole.path()).unwrap();
        for (bytes, wanted) in [
            (&b"#!/bin/sh\n"[..], "does not begin like an `ar` archive"),
            (&bytes[..1000], "the package is cut off"),
            (&bytes[..8], "there is no `data.tar`"),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), bytes).unwrap();
            let error = format!("{:#}", Deb::open(file.path()).unwrap_err());
            assert!(error.contains(wanted), "{error}");
        }
    }
}
