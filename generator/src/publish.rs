//! Placing a tree where a web server finds it: objects first, then everything else in one symlink swap.
//!
//! Layout below the target: `objects/` (shared by all trees, only ever added to), `trees/<number>/`, `current → trees/<number>`. The web server's
//! root is `current`. A reader sees the old tree or the new one; objects of the old one stay where they are.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anode_bundle::document::{Document as _, TIMESTAMP_LIMIT, Timestamp};
use anode_bundle::name::Sha256;
use anode_bundle::name::tree::TIMESTAMP;
use anode_bundle::signature::split_signed;
use anyhow::{Context as _, Result, ensure};
use walkdir::{DirEntry, WalkDir};

use crate::documents::Signed;
use crate::tree::{LINEAGE, hash_file, lock, remove_folder, sync_folder};

/// How many trees stay: the current one, and older ones for readers that are in the middle of something.
const KEPT_TREES: usize = 3;

/// A place where trees are published.
pub struct Target {
    folder: PathBuf,
    _lock: File,
}

/// What is published, and how to go back to it.
pub struct Swapped {
    previous: Option<PathBuf>,
    current: PathBuf,
    /// Objects that were copied.
    pub new_objects: usize,
}

impl Target {
    /// Opens the target, one publisher at a time.
    ///
    /// # Errors
    /// If it can not be written or another publisher is at it.
    pub fn open(folder: &Path) -> Result<Target> {
        let folder = std::path::absolute(folder)?;
        check_ours(&folder)?;
        make_folder(&folder)?;
        let lock = lock(&folder.join(".lock"), &format!("another publisher writes to `{}`", folder.display()))?;
        Ok(Target { folder, _lock: lock })
    }

    /// The published tree.
    #[must_use]
    pub fn current(&self) -> PathBuf {
        self.folder.join("current")
    }

    /// The published timestamp, if there is one.
    ///
    /// # Errors
    /// If it is there and no timestamp.
    pub fn timestamp(&self) -> Result<Option<Timestamp>> {
        read_timestamp(&self.current())
    }

    /// Refuses unless the tree descends from the published release: somebody else published in between.
    ///
    /// # Errors
    /// Naming both releases.
    pub fn check_lineage(&self, tree: &Path) -> Result<()> {
        let Some(published) = self.timestamp()? else { return Ok(()) };
        let ours = read_timestamp(tree)?.with_context(|| format!("`{}` has no timestamp", tree.display()))?;
        let line = lineage_line(published.release.version, &published.release.sha256);
        let lineage = fs::read_to_string(tree.join(LINEAGE)).unwrap_or_default();
        let descends = published.release == ours.release || lineage.lines().any(|known| known == line);
        ensure!(
            descends,
            "release {} is published, and release {} was not built on it: somebody else published in between; build again with `--previous {}`",
            published.release.version,
            ours.release.version,
            self.folder.display()
        );
        Ok(())
    }

    /// Copies the tree and swaps it in. `timestamp` replaces the tree's own where the published one is newer.
    ///
    /// # Errors
    /// If the disk is full or the target is read-only; what was published before is then still there.
    pub fn place(&self, tree: &Path, timestamp: Option<&Signed>) -> Result<Swapped> {
        let new_objects = self.add_objects(&tree.join("objects"))?;
        let number = self.next_number()?;
        let trees = self.folder.join("trees");
        let staged = trees.join(format!(".new-{number}"));
        remove_folder(&staged)?;
        make_folder(&staged)?;
        for entry in WalkDir::new(tree).min_depth(1).sort_by_file_name() {
            let entry = entry?;
            let relative = entry.path().strip_prefix(tree)?;
            if relative.starts_with("objects") || relative == Path::new(LINEAGE) {
                continue;
            }
            let to = staged.join(relative);
            check_plain(&entry)?;
            if entry.file_type().is_dir() {
                make_folder(&to)?;
            } else {
                copy(entry.path(), &to)?;
            }
        }
        if let Some(timestamp) = timestamp {
            for (name, bytes) in timestamp.timestamp_files() {
                write(&staged.join(name), &bytes)?;
            }
        }
        symlink("../../objects", staged.join("objects")).context("linking the objects")?;
        sync_folder(&staged)?;
        let place = trees.join(number.to_string());
        fs::rename(&staged, &place).with_context(|| format!("renaming the new tree to `{}`", place.display()))?;
        let previous = fs::read_link(self.current()).ok();
        let current = Path::new("trees").join(number.to_string());
        self.point_at(&current)?;
        self.drop_old_trees(number)?;
        Ok(Swapped { previous, current, new_objects })
    }

    /// Takes a swap back: the tree that was published before is published again.
    ///
    /// # Errors
    /// If the link can not be changed.
    pub fn take_back(&self, swapped: &Swapped) -> Result<()> {
        match &swapped.previous {
            Some(previous) => self.point_at(previous)?,
            None => fs::remove_file(self.current())?,
        }
        remove_folder(&self.folder.join(&swapped.current))
    }

    /// Points `current` at a tree, in one step.
    fn point_at(&self, tree: &Path) -> Result<()> {
        let link = self.folder.join(".current.new");
        if fs::symlink_metadata(&link).is_ok() {
            fs::remove_file(&link)?;
        }
        symlink(tree, &link).with_context(|| format!("creating `{}`", link.display()))?;
        fs::rename(&link, self.current()).with_context(|| format!("swapping `{}`", self.current().display()))?;
        File::open(&self.folder)?.sync_all().context("syncing the target")
    }

    fn add_objects(&self, from: &Path) -> Result<usize> {
        let objects = self.folder.join("objects");
        make_folder(&objects)?;
        // A refresh places the published tree again: its objects are these.
        if fs::canonicalize(from).ok() == Some(fs::canonicalize(&objects)?) {
            return Ok(0);
        }
        check_objects(from)?;
        let mut added = 0;
        for entry in WalkDir::new(from).min_depth(1).max_depth(2).sort_by_file_name() {
            let entry = entry.with_context(|| format!("reading `{}`", from.display()))?;
            let to = objects.join(entry.path().strip_prefix(from)?);
            check_plain(&entry)?;
            if entry.file_type().is_dir() {
                make_folder(&to)?;
            } else {
                // The bytes and not only the length: publishing again is what repairs a disk that forgot some.
                if hash_file(&to).is_ok_and(|there| to.ends_with(there.to_string())) {
                    continue;
                }
                let mut object =
                    File::open(entry.path()).with_context(|| format!("reading `{}`", entry.path().display()))?;
                let parent = to.parent().context("an object without a folder")?;
                let mut file = tempfile::Builder::new()
                    .prefix(".new-")
                    .tempfile_in(parent)
                    .with_context(|| format!("writing below `{}`", parent.display()))?;
                io::copy(&mut object, &mut file).with_context(|| format!("writing `{}`", to.display()))?;
                file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
                file.persist(&to).with_context(|| format!("writing `{}`", to.display()))?;
                added += 1;
            }
        }
        // On the disk before a tree names them.
        sync_folder(&objects)?;
        Ok(added)
    }

    fn numbers(&self) -> Result<Vec<u64>> {
        let trees = self.folder.join("trees");
        make_folder(&trees)?;
        let names = fs::read_dir(&trees)?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut numbers: Vec<u64> = names.collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn next_number(&self) -> Result<u64> {
        Ok(self.numbers()?.last().map_or(1, |last| last + 1))
    }

    fn drop_old_trees(&self, current: u64) -> Result<()> {
        let older: Vec<u64> = self.numbers()?.into_iter().filter(|number| *number < current).collect();
        let surplus = older.len().saturating_sub(KEPT_TREES - 1);
        for number in older.iter().take(surplus) {
            remove_folder(&self.folder.join("trees").join(number.to_string()))?;
        }
        Ok(())
    }
}

/// An object that only older releases need was not audited with the newest one, and machines still read it.
fn check_objects(folder: &Path) -> Result<()> {
    for entry in WalkDir::new(folder).min_depth(2).max_depth(2).sort_by_file_name() {
        let entry = entry.with_context(|| format!("reading `{}`", folder.display()))?;
        check_plain(&entry)?;
        let found = hash_file(entry.path()).with_context(|| format!("reading `{}`", entry.path().display()))?;
        ensure!(
            entry.file_name().to_str() == Some(found.to_string().as_str()),
            "`{}` does not hold the bytes that its name stands for: remove it, build again, and publish",
            entry.path().display()
        );
    }
    Ok(())
}

/// A line of [`LINEAGE`].
#[must_use]
pub fn lineage_line(version: u64, hash: &Sha256) -> String {
    format!("{version} {hash}")
}

/// The timestamp of a tree on disk; `None` if there is no tree.
///
/// # Errors
/// If the file is there and no timestamp. Its signature is not verified here.
pub fn read_timestamp(tree: &Path) -> Result<Option<Timestamp>> {
    let path = tree.join(TIMESTAMP);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("reading `{}`", path.display())),
    };
    parse_timestamp(&bytes, &path).map(Some)
}

/// The timestamp that a file at `path` holds.
///
/// # Errors
/// If it is none. Its signature is not verified here.
pub fn parse_timestamp(bytes: &[u8], path: &Path) -> Result<Timestamp> {
    ensure!(bytes.len() as u64 <= TIMESTAMP_LIMIT, "`{}` is too large for a timestamp", path.display());
    let (_, body) = split_signed(bytes).with_context(|| format!("`{}` is no signed timestamp", path.display()))?;
    Timestamp::parse(body).map_err(|refusal| anyhow::anyhow!("`{}`: {refusal}", path.display()))
}

/// Publishing removes old trees and adds to the objects, so what has these names must be ours.
fn check_ours(folder: &Path) -> Result<()> {
    let is_link = |name: &str| fs::symlink_metadata(folder.join(name)).is_ok_and(|metadata| metadata.is_symlink());
    let is_there = |name: &str| fs::symlink_metadata(folder.join(name)).is_ok();
    let ours = is_link("current") || is_there(".lock");
    // A file system's own folder is nobody's; a key folder or a home would be somebody's.
    let is_expected = |name: &OsStr| ["objects", "trees", "lost+found"].iter().any(|expected| name == *expected);
    let is_used = !ours
        && fs::read_dir(folder)
            .into_iter()
            .flatten()
            .any(|entry| entry.is_ok_and(|entry| !is_expected(&entry.file_name())));
    let foreign = is_used
        || is_there("current") && !is_link("current")
        || ["objects", "trees"].iter().any(|name| is_link(name) || is_there(name) && !ours)
        || ["anode.toml", TIMESTAMP].iter().any(|name| is_there(name));
    ensure!(!foreign, "`{}` holds something else than published trees; name an empty or new folder", folder.display());
    Ok(())
}

/// A link would publish whatever it points to on this machine.
fn check_plain(entry: &DirEntry) -> Result<()> {
    let kind = entry.file_type();
    ensure!(
        kind.is_dir() || kind.is_file(),
        "`{}` is neither a file nor a folder; a tree has no other",
        entry.path().display()
    );
    Ok(())
}

/// Web servers run as somebody else: what is published can be read by everybody, whatever the umask.
fn make_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).with_context(|| format!("creating `{}`", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("making `{}` readable", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("reading `{}`", from.display()))?;
    write(to, &bytes)
}

fn write(to: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(to, bytes).with_context(|| format!("writing `{}`", to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o644))
        .with_context(|| format!("making `{}` readable", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishing_again_repairs_an_object_of_the_same_length() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, published) = (folder.path().join("tree"), folder.path().join("published"));
        let object = format!("objects/aa/{}", Sha256::of(b"right"));
        fs::create_dir_all(tree.join("objects/aa")).unwrap();
        fs::write(tree.join(&object), "right").unwrap();
        let target = Target::open(&published).unwrap();
        assert_eq!(target.place(&tree, None).unwrap().new_objects, 1);
        assert_eq!(target.place(&tree, None).unwrap().new_objects, 0);
        fs::write(published.join(&object), "wrong").unwrap();
        assert_eq!(target.place(&tree, None).unwrap().new_objects, 1);
        assert_eq!(fs::read_to_string(published.join(format!("current/{object}"))).unwrap(), "right");
    }

    #[test]
    fn refuses_a_folder_whose_files_are_not_its_own() {
        for (file, is_link) in [
            ("trees/1/precious", false),
            ("objects/precious", false),
            ("current/index.html", false),
            ("anode.toml", false),
            ("release.key", false),
            ("somebody/s.txt", false),
            ("timestamp.signed", false),
            ("objects", true),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if is_link {
                symlink("/", &path).unwrap();
            } else {
                fs::write(&path, "mine").unwrap();
            }
            let error = Target::open(folder.path()).err().unwrap().to_string();
            assert!(error.contains("something else than published trees"), "{file}: {error}");
            assert!(!folder.path().join(".lock").exists(), "{file}");
        }
    }

    #[test]
    fn publishes_into_a_folder_that_is_shared_with_others() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("lost+found")).unwrap();
        drop(Target::open(folder.path()).unwrap());
        // A publisher that was killed leaves folders, but no link.
        fs::create_dir(folder.path().join("trees")).unwrap();
        drop(Target::open(folder.path()).unwrap());
    }
}
