//! Downloaded files by what they hold, so that nothing is fetched twice: `anode lock`, `--check` and `build --mirror` share one folder.
//!
//! A cache can be lost or damaged at any time. What lies in it counts only after it was hashed anew.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anode_bundle::name::Sha256;
use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;

use crate::tree::hash_file;

/// A folder of files by hash.
pub struct Cache {
    folder: PathBuf,
    /// Hashed in this run.
    right: Mutex<BTreeSet<Sha256>>,
}

impl Cache {
    /// The cache in `folder`, else in the place that the XDG base directory specification names.
    ///
    /// # Errors
    /// If nothing says where that is.
    pub fn new(folder: Option<&Path>) -> Result<Cache> {
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None => {
                default_folder().context("neither HOME nor XDG_CACHE_HOME is set; name a folder with `--downloads`")?
            }
        };
        Ok(Cache { folder, right: Mutex::default() })
    }

    /// Where it lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, sha256: &Sha256) -> PathBuf {
        let name = sha256.to_string();
        self.folder.join(name.get(..2).unwrap_or_default()).join(name)
    }

    /// The file with this hash, and its length. One that has other bytes by now is removed.
    ///
    /// # Errors
    /// If it can not be read.
    pub fn find(&self, sha256: &Sha256) -> Result<Option<(PathBuf, u64)>> {
        let path = self.path(sha256);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.with_context(|| format!("reading `{}`", path.display()))?,
        };
        let length = file.metadata().with_context(|| format!("reading `{}`", path.display()))?.len();
        let known = self.right.lock().is_ok_and(|right| right.contains(sha256));
        if !known {
            let found = hash_file(&path).with_context(|| format!("reading `{}`", path.display()))?;
            if found != *sha256 {
                fs::remove_file(&path).with_context(|| format!("removing the damaged `{}`", path.display()))?;
                return Ok(None);
            }
            self.remember(*sha256);
        }
        Ok(Some((path, length)))
    }

    /// A new file in the same file system, removed unless it is kept.
    ///
    /// # Errors
    /// If the folder can not be written.
    pub fn begin(&self) -> Result<NamedTempFile> {
        fs::create_dir_all(&self.folder).with_context(|| format!("creating `{}`", self.folder.display()))?;
        let file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.folder);
        file.with_context(|| format!("writing below `{}`", self.folder.display()))
    }

    /// Keeps a file that was hashed while it was written.
    ///
    /// # Errors
    /// If the folder can not be written.
    pub fn keep(&self, file: NamedTempFile, sha256: &Sha256) -> Result<PathBuf> {
        let path = self.path(sha256);
        let parent = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(parent).with_context(|| format!("creating `{}`", parent.display()))?;
        file.persist(&path).with_context(|| format!("writing `{}`", path.display()))?;
        self.remember(*sha256);
        Ok(path)
    }

    fn remember(&self, sha256: Sha256) {
        if let Ok(mut right) = self.right.lock() {
            right.insert(sha256);
        }
    }
}

fn default_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("anode/files"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_that_was_damaged_in_the_cache_is_not_found_and_gone() {
        let folder = tempfile::tempdir().unwrap();
        let sha256 = Sha256::of(b"kernel");
        let path = {
            let cache = Cache::new(Some(folder.path())).unwrap();
            let mut file = cache.begin().unwrap();
            file.write_all(b"kernel").unwrap();
            let path = cache.keep(file, &sha256).unwrap();
            assert_eq!(cache.find(&sha256).unwrap(), Some((path.clone(), 6)));
            path
        };
        fs::write(&path, "kernal").unwrap();
        let later = Cache::new(Some(folder.path())).unwrap();
        assert_eq!(later.find(&sha256).unwrap(), None);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_not_kept_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path())).unwrap();
        drop(cache.begin().unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
