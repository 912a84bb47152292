//! A *newc* cpio archive that a kernel unpacks over the initrd before it: pure bytes from files to archive.
//!
//! The kernel says nothing when it drops a file, so whatever it would drop, hide or break is refused here: a file whose parent is a file, a folder
//! where initrds have a link, a path that another file system covers as soon as the initrd starts. Regular files and their folders only; no links,
//! no devices, no owner but root, no time: equal files give equal bytes. Format: `Documentation/driver-api/early-userspace/buffer-format.rst` of Linux.

use std::collections::BTreeSet;

use anode_bundle::name::SafePath;
use anode_bundle::pack::FilledFile;
use zeroize::Zeroizing;

/// Archives begin and end at multiples of this many bytes.
pub const BLOCK: usize = 512;

const FOLDER: u32 = 0o040_755;
const REGULAR: u32 = 0o100_000;
const END: &str = "TRAILER!!!";

/// In some initrds these are links. A folder of that name would replace the link, and with it every program and library behind it.
const LINKS: [(&str, &str); 9] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/bin"),
    ("lib", "usr/lib"),
    ("lib32", "usr/lib"),
    ("lib64", "usr/lib"),
    ("libx32", "usr/lib"),
    ("usr/sbin", "usr/bin"),
    ("usr/lib64", "usr/lib"),
    ("var/run", "anode"),
];

/// Other file systems are mounted here before anybody reads a file.
const COVERED: [&str; 4] = ["dev", "proc", "run", "sys"];

/// Files that no kernel would unpack as they are meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// In some initrds one of the path's folders is a link.
    #[error("`{path}` lies below `{link}`, which is a link in some initrds; `{instead}/…` is safe")]
    BelowLink {
        /// The file.
        path: SafePath,
        /// The folder.
        link: &'static str,
        /// A folder that is one everywhere.
        instead: &'static str,
    },
    /// A file system is mounted over the path.
    #[error("`{path}` is hidden as soon as the initrd starts: another file system is mounted on `{folder}`")]
    Covered {
        /// The file.
        path: SafePath,
        /// Where it is mounted.
        folder: &'static str,
    },
    /// One path is named twice, or is the folder of another one.
    #[error("`{0}` is named twice, or is a folder of another file too")]
    Twice(SafePath),
    /// A size has eight hex digits.
    #[error("`{0}` is too large for an archive of this kind")]
    TooLarge(SafePath),
}

/// The archive of `files`, beginning with a block of zeros and filled up to whole blocks.
///
/// Boot loaders put archives at multiples of four, and the kernel skips zeros between two of them; the block in front is there because its LZ4
/// decoder takes fewer than four for a broken chunk (`tail -c +513 FILE | cpio -it` lists the rest). Small files come first: where memory ends in the middle, the answers are there already.
///
/// # Errors
/// [`Unfit`].
pub fn archive(files: &[&FilledFile]) -> Result<Zeroizing<Vec<u8>>, Unfit> {
    let mut files = files.to_vec();
    files.sort_by(|a, b| (a.bytes.len(), &a.path).cmp(&(b.bytes.len(), &b.path)));
    let folders = folders(&files)?;

    let mut out = Writer { bytes: Zeroizing::new(Vec::with_capacity(room(&files, &folders))), entries: 0 };
    out.bytes.resize(BLOCK, 0);
    for folder in folders {
        out.entry(folder, FOLDER, 2, &[]);
    }
    for file in files {
        u32::try_from(file.bytes.len()).map_err(|_| Unfit::TooLarge(file.path.clone()))?;
        out.entry(file.path.as_str(), REGULAR | file.mode & 0o777, 1, &file.bytes);
    }
    out.end();
    Ok(out.bytes)
}

/// Would a file at `path` be there when the installer looks for it?
///
/// # Errors
/// [`Unfit::BelowLink`], [`Unfit::Covered`].
pub fn check_path(path: &SafePath) -> Result<(), Unfit> {
    // A file in place of a link or a mount point breaks as much as a folder.
    for above in parents(path.as_str()).chain([path.as_str()]) {
        if let Some(&(link, instead)) = LINKS.iter().find(|(link, _)| *link == above) {
            return Err(Unfit::BelowLink { path: path.clone(), link, instead });
        }
        if let Some(folder) = COVERED.iter().find(|folder| **folder == above) {
            return Err(Unfit::Covered { path: path.clone(), folder });
        }
    }
    Ok(())
}

/// Every folder above a file, parents first.
fn folders<'f>(files: &[&'f FilledFile]) -> Result<BTreeSet<&'f str>, Unfit> {
    let mut folders = BTreeSet::new();
    for file in files {
        check_path(&file.path)?;
        folders.extend(parents(file.path.as_str()));
    }
    let mut seen = BTreeSet::new();
    match files.iter().find(|file| folders.contains(file.path.as_str()) || !seen.insert(&file.path)) {
        Some(file) => Err(Unfit::Twice(file.path.clone())),
        None => Ok(folders),
    }
}

/// `a`, `a/b` of `a/b/c`.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter_map(|(at, _)| path.get(..at))
}

/// Enough for all of it: what grows is copied, and the copy left behind is not wiped.
fn room(files: &[&FilledFile], folders: &BTreeSet<&str>) -> usize {
    let entry = |name: &str, length: usize| 128 + name.len() + length;
    let folders: usize = folders.iter().map(|folder| entry(folder, 0)).sum();
    let files: usize = files.iter().map(|file| entry(file.path.as_str(), file.bytes.len())).sum();
    folders + files + entry(END, 0) + 2 * BLOCK
}

struct Writer {
    bytes: Zeroizing<Vec<u8>>,
    entries: u32,
}

impl Writer {
    fn entry(&mut self, name: &str, mode: u32, links: u32, bytes: &[u8]) {
        self.entries += 1;
        append_entry(&mut self.bytes, self.entries, name, mode, links, bytes);
    }

    fn end(&mut self) {
        append_entry(&mut self.bytes, 0, END, 0, 1, &[]);
        align(&mut self.bytes, BLOCK);
    }
}

/// One entry of an archive in the format *newc* (cpio(5)), owned by root and without a time. Sizes have eight hex digits: what is larger is the caller's
/// to refuse.
pub fn append_entry(out: &mut Vec<u8>, inode: u32, name: &str, mode: u32, links: u32, bytes: &[u8]) {
    let (owner, time, device, sum) = (0, 0, 0, 0);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let name_length = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
    out.extend_from_slice(b"070701");
    for field in [inode, mode, owner, owner, links, time, length, device, device, device, device, name_length, sum] {
        out.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    align(out, 4);
    out.extend_from_slice(bytes);
    align(out, 4);
}

fn align(out: &mut Vec<u8>, to: usize) {
    out.resize(out.len().next_multiple_of(to), 0);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    fn file(path: &str, mode: u32, bytes: &[u8]) -> FilledFile {
        FilledFile { path: SafePath::new(path).unwrap(), mode, bytes: Zeroizing::new(bytes.to_vec()) }
    }

    fn refusal(paths: &[&str]) -> String {
        let files: Vec<_> = paths.iter().map(|path| file(path, 0o644, b"x")).collect();
        archive(&files.iter().collect::<Vec<_>>()).unwrap_err().to_string()
    }

    /// GNU cpio, behind the block of zeros: `tail -c +513 FILE | cpio -it`.
    fn cpio(arguments: &[&str], archive: &[u8], folder: &Path) -> String {
        let mut child = Command::new("cpio")
            .args(arguments)
            .arg("--quiet")
            .current_dir(folder)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the package cpio");
        child.stdin.take().unwrap().write_all(archive.strip_prefix(&[0; BLOCK]).unwrap()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert_eq!(said, "");
        String::from_utf8(output.stdout).unwrap()
    }

    fn sample() -> [FilledFile; 5] {
        [
            file("usr/lib/finish-install.d/94zz", 0o755, b"#!/bin/sh\n"),
            file("preseed.cfg", 0o640, b"d-i debian-installer/locale string de_DE\n"),
            file("anode/payload", 0o600, &[b'0'; 4097]),
            file("empty", 0o644, b""),
            file(".hidden/a+b@c-d_e.f", 0o444, b"070701"),
        ]
    }

    #[test]
    fn cpio_lists_parents_first_and_small_files_before_large_ones() {
        let sample = sample();
        let bytes = archive(&sample.each_ref()).unwrap();
        assert_eq!(bytes.len() % BLOCK, 0);
        let listed = cpio(&["-it"], &bytes, Path::new("/"));
        let wanted = [
            ".hidden",
            "anode",
            "usr",
            "usr/lib",
            "usr/lib/finish-install.d",
            "empty",
            ".hidden/a+b@c-d_e.f",
            "usr/lib/finish-install.d/94zz",
            "preseed.cfg",
            "anode/payload",
        ];
        assert_eq!(listed.lines().collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn cpio_unpacks_what_went_in_with_its_modes() {
        let folder = tempfile::tempdir().unwrap();
        let sample = sample();
        cpio(&["-idm"], &archive(&sample.each_ref()).unwrap(), folder.path());
        for file in &sample {
            let place = folder.path().join(file.path.as_str());
            assert_eq!(std::fs::read(&place).unwrap(), file.bytes.as_slice());
            let status = std::fs::metadata(&place).unwrap();
            assert_eq!(status.permissions().mode() & 0o7777, file.mode);
            assert_eq!(status.modified().unwrap(), std::time::UNIX_EPOCH);
        }
        let mode = std::fs::metadata(folder.path().join("usr/lib")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
    }

    #[test]
    fn the_order_of_the_files_does_not_change_a_byte() {
        let mut sample = sample();
        let forward = archive(&sample.each_ref()).unwrap();
        sample.reverse();
        assert_eq!(archive(&sample.each_ref()).unwrap(), forward);
    }

    #[test]
    fn nothing_is_copied_while_it_is_written() {
        let many: Vec<_> = (0..500).map(|n| file(&format!("d{n}/{}/f", "x".repeat(120)), 0o644, b"xyz")).collect();
        for files in [&many[..], &sample()[..], &[]] {
            let files: Vec<_> = files.iter().collect();
            assert!(archive(&files).unwrap().len() <= room(&files, &folders(&files).unwrap()));
        }
    }

    #[test]
    fn what_a_kernel_would_drop_hide_or_break_is_refused() {
        for (paths, wanted) in [
            (&["lib/x"][..], "`lib/x` lies below `lib`, which is a link in some initrds; `usr/lib/…` is safe"),
            (&["bin"], "`bin` lies below `bin`"),
            (&["usr/sbin/x"], "`usr/bin/…` is safe"),
            (&["usr/lib64/a/x"], "`usr/lib64/a/x` lies below `usr/lib64`"),
            (&["run/anode/x"], "`run/anode/x` is hidden"),
            (&["proc"], "another file system is mounted on `proc`"),
            (&["a", "a/b"], "`a` is named twice, or is a folder"),
            (&["a/b", "a/b"], "`a/b` is named twice"),
        ] {
            let refusal = refusal(paths);
            assert!(refusal.contains(wanted), "{refusal}");
        }
        let fine = ["library/x", "usr/lib/x", "usr/bin/x", "var/lib/x", "running", "a/bin/x"].map(|p| file(p, 0, b""));
        assert!(archive(&fine.each_ref()).is_ok());
    }
}
