//! A folder of files as the client's [`Store`]: the state, or a cache in the layout of the tree.
//!
//! What lies there is as untrusted as the network: links are not followed on any step of a path, only regular files are read, each once and at most to its
//! limit. A write replaces a file in one step, so that after a power cut the old or the new bytes are there (hostile cases, F1).

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anode_bundle::client::Store;
use anode_bundle::name::SafePath;

use crate::beneath::{Beneath, parted};
use crate::error::reason;

/// More names than this in one folder are not looked at.
const NAMES: usize = 4096;
const TEMPORARY: &str = ".new-";

/// A folder on disk, created when the first file is written.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Names a folder; nothing is opened or created yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Folder {
        Folder { root: root.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    fn open_root(&self) -> io::Result<Beneath> {
        // The operator named this path; links in it are theirs.
        Beneath::open_as_named(&self.root)
    }

    /// A regular file of at most `limit` bytes, for reading it once; no step of its path is a link.
    #[must_use]
    pub fn open(&self, path: &str, limit: u64) -> Option<File> {
        let path = SafePath::new(path).ok()?;
        let (parents, name) = parted(path.as_str());
        let file = self.open_root().ok()?.walk(parents).ok()?.read(name).ok()?;
        (file.metadata().ok()?.len() <= limit).then_some(file)
    }

    fn try_read(&self, path: &str, limit: u64) -> Option<Vec<u8>> {
        let file = self.open(path, limit)?;
        let mut bytes = Vec::with_capacity(usize::try_from(file.metadata().ok()?.len().min(limit)).ok()?);
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= limit).then_some(bytes)
    }

    fn try_write(&self, path: &SafePath, bytes: &[u8]) -> io::Result<()> {
        let (parents, name) = parted(path.as_str());
        std::fs::create_dir_all(&self.root)?;
        let temporary = format!("{TEMPORARY}{}-{name}", std::process::id());
        self.open_root()?.make(parents)?.replace(name, &temporary, bytes)
    }
}

impl Store for Folder {
    fn read(&mut self, path: &str, limit: u64) -> Option<Vec<u8>> {
        self.try_read(path, limit)
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), String> {
        let safe = SafePath::new(path).map_err(|error| error.to_string())?;
        self.try_write(&safe, bytes)
            .map_err(|error| format!("writing `{}`: {}", self.root.join(safe.as_str()).display(), reason(&error)))
    }

    fn list(&mut self, folder: &str) -> Vec<String> {
        let opened = match SafePath::new(folder) {
            Ok(path) => self.open_root().and_then(|root| root.walk(path.as_str().split('/'))),
            Err(_) if folder.is_empty() => self.open_root(),
            Err(_) => return Vec::new(),
        };
        let Ok(found) = opened.and_then(|folder| folder.names()) else { return Vec::new() };
        let mut names: Vec<String> = found
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .filter(|name| !name.starts_with(TEMPORARY) && SafePath::new(name).is_ok())
            .take(NAMES)
            .collect();
        names.sort_unstable();
        names
    }

    fn remove(&mut self, path: &str) {
        let Ok(path) = SafePath::new(path) else { return };
        let (parents, name) = parted(path.as_str());
        if let Ok(folder) = self.open_root().and_then(|root| root.walk(parents)) {
            let _ = folder.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode};

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().join("state"));
        (dir, folder)
    }

    #[test]
    fn what_is_written_is_read_and_replaced() {
        let (_dir, mut folder) = folder();
        assert_eq!(folder.read("root/2.json", 10), None);
        folder.write("root/2.json", b"one").unwrap();
        folder.write("root/2.json", b"two").unwrap();
        assert_eq!(folder.read("root/2.json", 10).unwrap(), b"two");
        assert_eq!(folder.list("root"), ["2.json"]);
        folder.remove("root/2.json");
        assert_eq!(folder.read("root/2.json", 10), None);
        assert!(folder.list("root").is_empty());
        assert!(folder.list("nowhere").is_empty());
    }

    #[test]
    fn a_file_longer_than_its_limit_is_not_read() {
        let (_dir, mut folder) = folder();
        folder.write("a", b"1234").unwrap();
        assert_eq!(folder.read("a", 4).unwrap(), b"1234");
        assert_eq!(folder.read("a", 3), None);
    }

    #[test]
    fn links_pipes_and_folders_are_not_read() {
        let (dir, mut folder) = folder();
        folder.write("real/file", b"x").unwrap();
        let state = dir.path().join("state");
        symlink("real/file", state.join("link")).unwrap();
        symlink("real", state.join("way")).unwrap();
        rustix::fs::mknodat(CWD, state.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        for path in ["link", "way/file", "pipe", "real", "/dev/null", "../state/real/file", "real/../real/file", ""] {
            assert_eq!(folder.read(path, 100), None, "{path}");
        }
    }

    #[test]
    fn a_link_is_replaced_and_never_written_through() {
        let (dir, mut folder) = folder();
        folder.write("a", b"x").unwrap();
        let outside = dir.path().join("outside");
        std::fs::write(&outside, "mine").unwrap();
        std::fs::create_dir(dir.path().join("elsewhere")).unwrap();
        symlink(&outside, dir.path().join("state/b")).unwrap();
        symlink(dir.path().join("elsewhere"), dir.path().join("state/c")).unwrap();
        folder.write("b", b"new").unwrap();
        assert_eq!(std::fs::read(&outside).unwrap(), b"mine");
        assert_eq!(folder.read("b", 10).unwrap(), b"new");
        assert!(folder.write("c/d", b"new").is_err());
        assert!(std::fs::read_dir(dir.path().join("elsewhere")).unwrap().next().is_none());
    }

    #[test]
    fn a_failed_write_names_the_file_and_leaves_the_old_bytes() {
        let (dir, mut folder) = folder();
        folder.write("a/b", b"old").unwrap();
        // A folder can not be replaced by a file.
        let problem = folder.write("a", b"new").unwrap_err();
        assert!(problem.starts_with(&format!("writing `{}`: ", dir.path().join("state/a").display())), "{problem}");
        assert!(!problem.contains("os error"), "{problem}");
        assert_eq!(folder.read("a/b", 10).unwrap(), b"old");
        let names: Vec<_> =
            std::fs::read_dir(dir.path().join("state")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn what_a_cut_off_write_left_behind_is_not_listed_and_does_not_disturb() {
        let (dir, mut folder) = folder();
        folder.write("a", b"old").unwrap();
        std::fs::write(dir.path().join(format!("state/.new-{}-a", std::process::id())), "torn").unwrap();
        assert_eq!(folder.list(""), ["a"]);
        folder.write("a", b"new").unwrap();
        assert_eq!(folder.read("a", 10).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(dir.path().join("state")).unwrap().count(), 1);
    }
}
