//! Builds a tree in a folder beside the old one and puts it in its place in one step. A build that fails or is killed leaves the old tree as it was.
//!
//! What the old tree has stays under its name in the new one, as a second name of the same file. [`super::spare`] says why that is quick.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anode_bundle::name::Sha256;
use anode_bundle::name::tree::{TIMESTAMP, object};
use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{FlockOperation, OFlags, RenameFlags, flock, renameat_with};
use sha2::Digest as _;

use super::spare::{Kept, Rest, align, keep};
use crate::strict::PROPOSAL;

/// What of an older tree stays: a client may be between two of its files.
const KEPT: [&str; 2] = ["release", OBJECTS];
const OBJECTS: &str = "objects";

/// A tree that is being built. Dropped without [`Staging::commit`], it disappears.
pub struct Staging {
    target: PathBuf,
    folder: PathBuf,
    spare: PathBuf,
    copied: AtomicBool,
    committed: bool,
    _lock: File,
}

impl Staging {
    /// Begins beside `target`, which is a tree, an empty folder, or nothing yet. One build at a time.
    ///
    /// # Errors
    /// If `target` is something else, another build is running, or the folder above it can not be written.
    pub fn begin(target: &Path) -> Result<Staging> {
        let target = std::path::absolute(target)?;
        let (parent, name) = above(&target)?;
        if let Ok(metadata) = fs::symlink_metadata(&target) {
            ensure!(metadata.is_dir(), "`{}` is not a folder", target.display());
            let is_ours = [TIMESTAMP, PROPOSAL].iter().any(|name| target.join(name).exists());
            let is_tree = is_ours && target.join("objects").is_dir();
            if !is_tree && fs::read_dir(&target)?.next().is_some() {
                bail!("`{}` holds something else than a tree; name an empty or new folder", target.display());
            }
        }
        fs::create_dir_all(&parent).with_context(|| format!("creating `{}`", parent.display()))?;
        let busy = format!("another build writes to `{}`", target.display());
        let lock = lock(&lock_file(&parent, &name), &busy)?;
        let folder = parent.join(format!(".{name}.new"));
        // Left over from a build that was killed: nobody else can be at it while we hold the lock.
        remove_folder(&folder)?;
        fs::create_dir(&folder).with_context(|| format!("creating `{}`", folder.display()))?;
        let spare = parent.join(format!(".{name}.spare"));
        Ok(Staging { target, folder, spare, copied: AtomicBool::new(false), committed: false, _lock: lock })
    }

    /// The folder in which the new tree grows.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file of the new tree. One of that name that was kept from an older tree is left out of this one, and stays as it is there.
    ///
    /// # Errors
    /// If the disk is full or the folder can not be written.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(path);
        let write = || -> io::Result<()> {
            if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
                fs::create_dir_all(parent)?;
            }
            let mut file = match File::create_new(&path) {
                // Perhaps another name of the older tree's file.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    fs::remove_file(&path)?;
                    File::create_new(&path)?
                }
                other => other?,
            };
            file.write_all(bytes)
        };
        write().with_context(|| format!("writing `{}`", path.display()))
    }

    /// Is there a file of this length? One of an older tree may have lost its end; its bytes are compared where it is published.
    #[must_use]
    pub fn has(&self, path: &str, length: u64) -> bool {
        fs::metadata(self.folder.join(path)).is_ok_and(|there| there.is_file() && there.len() == length)
    }

    /// Takes a file of an older tree over, without copying where the file system can.
    ///
    /// # Errors
    /// If it is not there, or can be neither linked nor copied.
    pub fn keep(&self, tree: &Path, path: &str) -> Result<()> {
        let (from, to) = (tree.join(path), self.folder.join(path));
        if let Some(parent) = to.parent().filter(|parent| !parent.exists()) {
            fs::create_dir_all(parent).with_context(|| format!("creating `{}`", parent.display()))?;
        }
        self.note(keep(&from, &to)?);
        Ok(())
    }

    /// Takes the releases and objects of older trees over, and says their paths. Where two of them have a file of one name, that of the tree that is
    /// replaced stays, else that of the earlier one.
    ///
    /// # Errors
    /// If one of them can not be read, or its files be neither linked nor copied.
    pub fn keep_trees(&self, trees: &[&Path]) -> Result<HashSet<String>> {
        let is_own = |tree: &&&Path| std::path::absolute(tree).is_ok_and(|tree| tree == self.target);
        let (own, others): (Vec<_>, Vec<_>) = trees.iter().partition(is_own);
        let own = own.into_iter().map(|tree: &&Path| (tree, Rest::Goes));
        let mut kept = HashSet::new();
        for (tree, rest) in own.chain(others.into_iter().map(|tree| (tree, Rest::Stays))) {
            for folder in KEPT {
                let to = self.folder.join(folder);
                // Where there is none, everything is linked. A link could lead anywhere, and nothing is tidied there.
                if folder == OBJECTS
                    && rest == Rest::Goes
                    && self.spare.symlink_metadata().is_ok_and(|spare| spare.is_dir())
                {
                    let _ = fs::rename(&self.spare, &to);
                }
                let (names, how) = align(&tree.join(folder), &to, rest)?;
                self.note(how);
                kept.extend(names.into_iter().map(|name| format!("{folder}/{name}")));
            }
        }
        Ok(kept)
    }

    fn note(&self, kept: Kept) {
        self.copied.fetch_or(kept == Kept::Copied, Ordering::Relaxed);
    }

    /// Takes a file from elsewhere as an object, without copying where the file system can. It is hashed on its way.
    ///
    /// # Errors
    /// If it has other bytes than its name says, or can be neither linked nor copied.
    pub fn adopt(&self, file: &Path, sha256: &Sha256) -> Result<()> {
        let (name, length) =
            (object(sha256), fs::metadata(file).with_context(|| format!("reading `{}`", file.display()))?.len());
        let path = self.folder.join(&name);
        if self.has(&name, length) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("creating `{}`", parent.display()))?;
        }
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("removing `{}`", path.display()))?;
        }
        if fs::hard_link(file, &path).is_err() {
            fs::copy(file, &path).with_context(|| format!("copying `{}` to `{}`", file.display(), path.display()))?;
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))
            .with_context(|| format!("making `{}` readable", path.display()))?;
        let found = hash_file(&path).with_context(|| format!("reading `{}`", path.display()))?;
        ensure!(found == *sha256, "`{}` has other bytes than it had: run the command again", file.display());
        Ok(())
    }

    /// Puts the new tree in the place of the old one.
    ///
    /// # Errors
    /// If the folders can not be exchanged; the old tree is then still there.
    pub fn commit(mut self) -> Result<()> {
        self.exchange()?;
        // What is left under the name of the new tree is the old one.
        remove_folder(&self.folder)
    }

    /// As [`Staging::commit`], and leaves the objects a second time for the next build of this tree, where that takes no room.
    ///
    /// # Errors
    /// As [`Staging::commit`].
    pub fn commit_with_spare(mut self) -> Result<()> {
        self.exchange()?;
        // The tree is in its place: what the next build will have to do itself is no failure of this one.
        let _ = fs::remove_dir_all(&self.spare);
        if !*self.copied.get_mut() && self.leave_spare().is_err() {
            let _ = fs::remove_dir_all(&self.spare);
        }
        remove_folder(&self.folder)
    }

    fn leave_spare(&self) -> Result<()> {
        match fs::rename(self.folder.join(OBJECTS), &self.spare) {
            // There was no tree yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return Ok(other?),
        }
        // A file system without second names would hold everything twice.
        fs::hard_link(self.target.join(TIMESTAMP), &self.spare)?;
        fs::remove_file(&self.spare)?;
        align(&self.target.join(OBJECTS), &self.spare, Rest::Goes).map(|_| ())
    }

    fn exchange(&mut self) -> Result<()> {
        sync_folder(&self.folder)?;
        let here = rustix::fs::CWD;
        if self.target.exists() {
            renameat_with(here, &self.folder, here, &self.target, RenameFlags::EXCHANGE)
                .with_context(|| format!("exchanging `{}` for the new tree", self.target.display()))?;
        } else {
            fs::rename(&self.folder, &self.target)
                .with_context(|| format!("renaming the new tree to `{}`", self.target.display()))?;
        }
        self.committed = true;
        if let Some(parent) = self.target.parent() {
            File::open(parent)?.sync_all().with_context(|| format!("syncing `{}`", parent.display()))?;
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.committed {
            // Nothing can be done about a failure here; the next build removes what is left.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Keeps builds away from a tree for as long as the file lives: what was audited is what is copied. `None` where nobody could build, because the folder
/// above can not be written.
///
/// # Errors
/// If a build is writing the tree.
pub fn hold(tree: &Path) -> Result<Option<File>> {
    let tree = std::path::absolute(tree)?;
    let (parent, name) = above(&tree)?;
    let path = lock_file(&parent, &name);
    if open_lock(&path).is_err() && !path.is_symlink() {
        return Ok(None);
    }
    lock(&path, &format!("a build or another publisher is at `{}`", tree.display())).map(Some)
}

fn above(target: &Path) -> Result<(PathBuf, String)> {
    let name = target.file_name().and_then(|name| name.to_str()).context("the output needs a name that is UTF-8")?;
    let parent = target.parent().context("the output needs a folder above it")?;
    Ok((parent.to_owned(), name.to_owned()))
}

fn lock_file(parent: &Path, name: &str) -> PathBuf {
    parent.join(format!(".{name}.lock"))
}

/// Brings everything below a folder to the disk.
///
/// # Errors
/// If the file system reports a failed write.
pub fn sync_folder(folder: &Path) -> Result<()> {
    let handle = File::open(folder).with_context(|| format!("opening `{}`", folder.display()))?;
    rustix::fs::syncfs(&handle).with_context(|| format!("writing `{}` to the disk", folder.display()))
}

/// The hash of everything that a file holds, however large it is.
///
/// # Errors
/// If it can not be read.
pub fn hash_file(path: &Path) -> io::Result<Sha256> {
    let mut file = File::open(path)?;
    let mut digest = sha2::Sha256::new();
    let mut piece = vec![0; 256 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Sha256(digest.finalize().into())),
            amount => digest.update(&piece[..amount]),
        }
    }
}

/// Removes a folder with all that is in it, if it is there.
///
/// # Errors
/// If it is there and can not be removed.
pub fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing `{}`", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Takes a lock for as long as the file lives. `busy` says what somebody else does who has it.
///
/// # Errors
/// If somebody has it, or its file can not be made; also if it is a link, which somebody may have put into a repository.
pub fn lock(path: &Path, busy: &str) -> Result<File> {
    ensure!(!path.is_symlink(), "`{}` is a link, and nothing is written through it: remove it", path.display());
    let file = open_lock(path).with_context(|| format!("creating `{}`", path.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!("{busy} (lock `{}`)", path.display());
    }
    Ok(file)
}

/// What lies there stays as it is, and a link is not followed.
fn open_lock(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    File::options().create(true).append(true).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_a_link_is_refused_and_what_it_leads_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("release.key");
        fs::write(&key, "a key").unwrap();
        let target = dir.path().join("tree");
        tree(&target, "1");
        let path = dir.path().join(".tree.lock");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&key, &path).unwrap();
        for error in [lock(&path, "busy").err(), Staging::begin(&target).err(), hold(&target).err()] {
            let text = format!("{:#}", error.unwrap());
            assert!(text.contains("is a link") && text.ends_with("remove it"), "{text}");
        }
        assert_eq!(fs::read(&key).unwrap(), b"a key");
    }

    fn tree(folder: &Path, text: &str) {
        let staging = Staging::begin(folder).unwrap();
        staging.write("timestamp.signed", text.as_bytes()).unwrap();
        staging.write("objects/aa/x", b"x").unwrap();
        staging.commit().unwrap();
    }

    #[test]
    fn a_new_tree_replaces_the_old_one_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("tree");
        tree(&target, "1");
        tree(&target, "2");
        assert_eq!(fs::read(target.join("timestamp.signed")).unwrap(), b"2");
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".tree.lock", "tree"]);
    }

    #[test]
    fn an_abandoned_build_leaves_the_old_tree() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("tree");
        tree(&target, "1");
        let staging = Staging::begin(&target).unwrap();
        staging.write("timestamp.signed", b"2").unwrap();
        drop(staging);
        assert_eq!(fs::read(target.join("timestamp.signed")).unwrap(), b"1");
        assert!(!dir.path().join(".tree.new").exists());
    }

    #[test]
    fn a_file_that_is_written_never_changes_the_older_tree_that_had_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("tree");
        tree(&target, "1");
        let staging = Staging::begin(&target).unwrap();
        staging.keep(&target, "objects/aa/x").unwrap();
        staging.write("objects/aa/x", b"y").unwrap();
        assert_eq!(fs::read(target.join("objects/aa/x")).unwrap(), b"x");
        assert_eq!(fs::read(staging.folder().join("objects/aa/x")).unwrap(), b"y");
    }

    #[test]
    fn two_builds_at_once_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("tree");
        let _first = Staging::begin(&target).unwrap();
        let refusal = Staging::begin(&target).err().unwrap().to_string();
        assert!(refusal.starts_with("another build writes to"), "{refusal}");
    }

    #[test]
    fn a_tree_that_is_being_published_is_not_replaced_and_one_that_is_being_built_not_published() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("tree");
        tree(&target, "1");
        let held = hold(&target).unwrap();
        assert!(held.is_some());
        assert!(Staging::begin(&target).is_err());
        assert!(hold(&target).is_err());
        drop(held);
        let staging = Staging::begin(&target).unwrap();
        let refusal = hold(&target).err().unwrap().to_string();
        assert!(refusal.starts_with("a build or another publisher is at"), "{refusal}");
        drop(staging);
        assert!(hold(&target).unwrap().is_some());
    }

    #[test]
    fn a_folder_with_something_else_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("photos");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("cat.jpg"), b"meow").unwrap();
        let refusal = Staging::begin(&target).err().unwrap().to_string();
        assert!(refusal.contains("holds something else than a tree"), "{refusal}");
        assert!(target.join("cat.jpg").exists());
    }
}
