//! Folders of objects that are to hold the same files as others: second names for most of them, without touching those that have theirs already.
//!
//! A build leaves the objects of the tree that it replaced beside the new one, as a *spare*. The next build makes its tree of them and has not to link
//! every object anew, nor to unlink it from the tree before. A spare is never believed: it is compared with the folder of the tree entry by entry, and what
//! is another file there, or none, goes. One that is damaged, of another tree, or not there costs time and nothing else.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use rayon::prelude::*;

/// How files came into another folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kept {
    /// Second names of the same files.
    Linked,
    /// At least one is a copy: the file system has no second names.
    Copied,
}

/// What becomes of that which lies in the second folder already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// It stays, also where the first folder has another file of its name.
    Stays,
    /// It goes, unless it is the very file of the first folder.
    Goes,
}

/// Gives everything in `from`, a folder of files and of such folders, a name in `to`. The names, relative to `from`.
///
/// # Errors
/// If a file can be neither linked nor copied, or a folder not be read or written.
pub(super) fn align(from: &Path, to: &Path, rest: Rest) -> Result<(Vec<String>, Kept)> {
    let wanted = entries(from)?;
    let there = match fs::create_dir(to) {
        Ok(()) => HashMap::new(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => entries(to)?,
        Err(error) => return Err(error).with_context(|| format!("creating `{}`", to.display())),
    };
    // A file's number means something on one file system only.
    let same_disk = fs::metadata(from)?.dev() == fs::metadata(to)?.dev();
    let mut how = Kept::Linked;
    let (mut names, mut folders) = (Vec::with_capacity(wanted.len()), Vec::new());
    for (name, (kind, number)) in &wanted {
        let path = to.join(name);
        let stays = there.get(name).is_some_and(|(found, at)| {
            found == kind && (kind.is_dir() || rest == Rest::Stays || same_disk && at == number)
        });
        if let Some((found, _)) = there.get(name).filter(|_| !stays) {
            remove(&path, *found)?;
        }
        let text = || name.to_str().map(str::to_owned).context("a file name in the previous tree is not UTF-8");
        if kind.is_dir() {
            folders.push(text()?);
        } else if kind.is_file() {
            names.push(text()?);
            how = if stays { how } else { how.max(keep(&from.join(name), &path)?) };
        }
    }
    if rest == Rest::Goes {
        // What is neither file nor folder is part of no tree.
        let foreign = |name: &OsString| wanted.get(name).is_none_or(|(kind, _)| !kind.is_file() && !kind.is_dir());
        for (name, (kind, _)) in there.iter().filter(|(name, _)| foreign(name)) {
            remove(&to.join(name), *kind)?;
        }
    }
    let inner: Vec<_> = folders
        .into_par_iter()
        .map(|name| Ok((align(&from.join(&name), &to.join(&name), rest)?, name)))
        .collect::<Result<_>>()?;
    for ((found, kept), folder) in inner {
        names.extend(found.into_iter().map(|name| format!("{folder}/{name}")));
        how = how.max(kept);
    }
    Ok((names, how))
}

/// Names, kinds and numbers of what lies in a folder; no file is asked for.
fn entries(folder: &Path) -> Result<HashMap<OsString, (FileType, u64)>> {
    let entry = |entry: DirEntry| Ok((entry.file_name(), (entry.file_type()?, entry.ino())));
    let read = || fs::read_dir(folder)?.map(|found| found.and_then(entry)).collect::<io::Result<_>>();
    read().with_context(|| format!("reading `{}`", folder.display()))
}

fn remove(path: &Path, kind: FileType) -> Result<()> {
    let removed = if kind.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.with_context(|| format!("removing `{}`", path.display()))
}

/// Gives a file a second name, or copies it where the file system has none. One that is there already stays.
///
/// # Errors
/// If it is not there, or can be neither linked nor copied.
pub(super) fn keep(from: &Path, to: &Path) -> Result<Kept> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(Kept::Linked),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Kept::Linked),
        Err(_) => {
            fs::copy(from, to).with_context(|| format!("keeping `{}`", from.display()))?;
            Ok(Kept::Copied)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn number(path: &Path) -> u64 {
        fs::metadata(path).unwrap().ino()
    }

    /// Every name below a folder with the number of its file.
    fn numbers(folder: &Path) -> Vec<(String, u64)> {
        let files = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
        let files = files.filter(|entry| entry.file_type().is_file());
        let name = |path: &Path| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        files.map(|entry| (name(entry.path()), number(entry.path()))).collect()
    }

    #[test]
    fn whatever_a_spare_holds_it_ends_as_the_very_files_of_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, spare) = (dir.path().join("tree"), dir.path().join("spare"));
        write(&tree, &[("aa/1", "one"), ("aa/2", "two"), ("bb/3", "three"), ("top", "t")]);
        write(&spare, &[("aa/1", "damaged"), ("aa/9", "of another tree"), ("cc/4", "x"), ("bb", "no folder")]);
        fs::create_dir_all(spare.join("top/folder")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", spare.join("aa/2")).unwrap();
        let (mut names, how) = align(&tree, &spare, Rest::Goes).unwrap();
        names.sort();
        assert_eq!((names, how), (["aa/1", "aa/2", "bb/3", "top"].map(str::to_owned).to_vec(), Kept::Linked));
        assert_eq!(numbers(&spare), numbers(&tree));
        assert!(!spare.join("cc").exists());
    }

    #[test]
    fn what_a_spare_has_already_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, spare) = (dir.path().join("tree"), dir.path().join("spare"));
        write(&tree, &[("aa/1", "one"), ("aa/2", "two")]);
        let _ = align(&tree, &spare, Rest::Goes).unwrap();
        let before = fs::metadata(spare.join("aa")).unwrap();
        let changed = |metadata: &fs::Metadata| (metadata.mtime(), metadata.mtime_nsec());
        let _ = align(&tree, &spare, Rest::Goes).unwrap();
        assert_eq!(changed(&fs::metadata(spare.join("aa")).unwrap()), changed(&before));
    }

    #[test]
    fn the_files_of_a_second_tree_join_those_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second, both] = ["first", "second", "both"].map(|name| dir.path().join(name));
        write(&first, &[("aa/1", "one")]);
        write(&second, &[("aa/1", "other"), ("bb/2", "two")]);
        let _ = align(&first, &both, Rest::Goes).unwrap();
        let _ = align(&second, &both, Rest::Stays).unwrap();
        assert_eq!(number(&both.join("aa/1")), number(&first.join("aa/1")));
        assert_eq!(number(&both.join("bb/2")), number(&second.join("bb/2")));
    }

    #[test]
    fn what_is_neither_file_nor_folder_is_kept_of_no_tree() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, new) = (dir.path().join("tree"), dir.path().join("new"));
        write(&tree, &[("aa/1", "one")]);
        std::os::unix::fs::symlink("1", tree.join("aa/2")).unwrap();
        let (names, _) = align(&tree, &new, Rest::Goes).unwrap();
        assert_eq!(names, ["aa/1"]);
        assert!(!new.join("aa/2").is_symlink());
    }
}
