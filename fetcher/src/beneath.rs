//! An open folder, and what lies below it: every step is taken from an open folder to the next one, and no link is followed on any of them.
//!
//! A path that is looked at first and used afterwards can lead elsewhere in between, and a look at its last part says nothing of those before it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub use rustix::fs::FileType;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, fstat, fsync, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An open folder.
#[derive(Debug)]
pub struct Beneath(OwnedFd);

impl Beneath {
    /// Opens a folder that is no link itself.
    ///
    /// # Errors
    /// If it is not there, a link, or no folder.
    pub fn open(path: &Path) -> io::Result<Beneath> {
        Ok(Beneath(openat(CWD, path, FOLDER | OFlags::NOFOLLOW, Mode::empty())?))
    }

    /// Opens a folder whose path a person gave, with what links are in it.
    pub(crate) fn open_as_named(path: &Path) -> io::Result<Beneath> {
        Ok(Beneath(openat(CWD, path, FOLDER, Mode::empty())?))
    }

    /// The folder of this name in it.
    ///
    /// # Errors
    /// If it is not there, a link, or no folder.
    pub fn step(&self, name: impl AsRef<OsStr>) -> io::Result<Beneath> {
        Ok(Beneath(openat(&self.0, name.as_ref(), FOLDER | OFlags::NOFOLLOW, Mode::empty())?))
    }

    /// The folder that many steps below; none: this one.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn walk<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> io::Result<Beneath> {
        let here = Beneath(self.0.try_clone()?);
        parts.into_iter().try_fold(here, |folder, part| folder.step(part))
    }

    /// The same; what is missing is made.
    ///
    /// # Errors
    /// As [`Self::step`], and if it can not be made.
    pub fn make<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> io::Result<Beneath> {
        let here = Beneath(self.0.try_clone()?);
        parts.into_iter().try_fold(here, |folder, part| {
            match mkdirat(&folder.0, part, Mode::from_raw_mode(0o755)) {
                Ok(()) => folder.sync()?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder.step(part)
        })
    }

    /// A new folder in it.
    ///
    /// # Errors
    /// If it can not be made, or there is something of this name.
    pub fn make_new(&self, name: impl AsRef<OsStr>) -> io::Result<Beneath> {
        mkdirat(&self.0, name.as_ref(), Mode::from_raw_mode(0o755))?;
        self.sync()?;
        self.step(name)
    }

    /// What there is of this name, a link being one; `None`: nothing.
    ///
    /// # Errors
    /// If that can not be said.
    pub fn kind(&self, name: impl AsRef<OsStr>) -> io::Result<Option<FileType>> {
        match statat(&self.0, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) => Ok(Some(FileType::from_raw_mode(status.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Everything in it.
    ///
    /// # Errors
    /// If it can not be read.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// A regular file, for reading.
    ///
    /// # Errors
    /// If it is not there, or something else.
    pub fn read(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.regular(name.as_ref(), OFlags::RDONLY)
    }

    /// A regular file that is there, for writing over it.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn write(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.regular(name.as_ref(), OFlags::WRONLY)
    }

    fn regular(&self, name: &OsStr, access: OFlags) -> io::Result<File> {
        // NONBLOCK: opening a pipe that nobody holds must not wait.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.0, name, flags, Mode::empty())?;
        match FileType::from_raw_mode(fstat(&file)?.st_mode) {
            FileType::RegularFile => Ok(File::from(file)),
            _ => Err(Errno::INVAL.into()),
        }
    }

    /// A new file.
    ///
    /// # Errors
    /// If it can not be made, or there is something of this name.
    pub fn create(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.new_file(name.as_ref(), 0o644)
    }

    /// A new file that its owner alone can read, where the file system knows of owners.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_private(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.new_file(name.as_ref(), 0o600)
    }

    fn new_file(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(openat(&self.0, name, flags, Mode::from_raw_mode(mode))?))
    }

    /// Puts these bytes in the place of a file, of which there is the old one or the new one, whatever happens. `draft` is what the new one is called until
    /// then; one that was left behind goes.
    ///
    /// # Errors
    /// What the file system says; the old file is there then.
    pub fn replace(&self, name: &str, draft: &str, bytes: &[u8]) -> io::Result<()> {
        let _ = self.remove(draft);
        let mut file = self.create(draft)?;
        let written =
            file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| self.rename(draft, self, name));
        if written.is_err() {
            let _ = self.remove(draft);
        }
        written.and_then(|()| self.sync())
    }

    /// Gives a file another name, perhaps in another folder; what has that name is replaced.
    ///
    /// # Errors
    /// What the file system says.
    pub fn rename(&self, name: impl AsRef<OsStr>, to: &Beneath, as_name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(renameat(&self.0, name.as_ref(), &to.0, as_name.as_ref())?)
    }

    /// Removes what is no folder.
    ///
    /// # Errors
    /// If it is not there, or can not be removed.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(unlinkat(&self.0, name.as_ref(), AtFlags::empty())?)
    }

    /// Removes a folder in which nothing is.
    ///
    /// # Errors
    /// If it is not there, or not empty.
    pub fn remove_folder(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(unlinkat(&self.0, name.as_ref(), AtFlags::REMOVEDIR)?)
    }

    /// Makes new names durable; a file system that can not do this for a folder (some FAT drivers) has no other way either.
    ///
    /// # Errors
    /// If the disk does not take them.
    pub fn sync(&self) -> io::Result<()> {
        sync_folder(&self.0)
    }
}

/// Of a file's path: the folders down to it, and its name.
pub fn parted(path: &str) -> (impl Iterator<Item = &str>, &str) {
    let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
    (parents.split('/').filter(|part| !part.is_empty()), name)
}

/// As [`Beneath::sync`].
pub(crate) fn sync_folder(folder: &OwnedFd) -> io::Result<()> {
    match fsync(folder) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl AsFd for Beneath {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_is_followed_wherever_it_stands_in_a_path() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("real/inner")).unwrap();
        fs::write(dir.path().join("real/inner/file"), "mine").unwrap();
        for (to, name) in [("real", "way"), ("inner", "real/way"), ("inner/file", "real/link")] {
            symlink(to, dir.path().join(name)).unwrap();
        }
        let open = |path: &str| Beneath::open(&dir.path().join(path));
        assert!(open("way").is_err() && Beneath::open_as_named(&dir.path().join("way")).is_ok());
        let root = open("").unwrap();
        assert!(root.walk(["real", "inner"]).unwrap().read("file").is_ok());
        for parts in [["way", "inner"], ["real", "way"]] {
            assert!(root.walk(parts).is_err() && root.make(parts).is_err(), "{parts:?}");
        }
        let real = root.step("real").unwrap();
        assert!(real.read("link").is_err() && real.write("link").is_err() && real.create("link").is_err());
        assert_eq!(real.kind("link").unwrap(), Some(FileType::Symlink));
        assert_eq!(real.kind("none").unwrap(), None);
        real.remove("link").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("real/inner/file")).unwrap(), "mine");
    }

    #[test]
    fn a_pipe_is_no_file_and_nobody_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = Beneath::open(dir.path()).unwrap();
        rustix::fs::mknodat(&root, "pipe", FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(root.read("pipe").is_err() && root.write("pipe").is_err());
        assert_eq!(root.names().unwrap(), ["pipe"]);
    }
}
