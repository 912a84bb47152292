//! A file that nobody sees before it is complete: an initrd's archive, a verified second stage. Nothing is overwritten.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{draft, parts};
use crate::beneath::sync_folder;
use crate::error::{Failure, reason};

/// A file on its way to its place. Its draft disappears unless it got there.
pub(crate) struct NewFile<'p> {
    place: &'p Path,
    parent: &'p Path,
    draft: PathBuf,
}

impl<'p> NewFile<'p> {
    /// A file at `place`, which `option` named.
    ///
    /// # Errors
    /// [`Failure::Usage`] or [`Failure::Io`] if it can not be made there, or if there is one.
    pub fn at(place: &'p Path, option: &str) -> Result<NewFile<'p>, Failure> {
        let (parent, name) = parts(place, option)?;
        if std::fs::symlink_metadata(place).is_ok() {
            let remedy = format!("name another file with `{option}`; nothing is ever overwritten");
            return Err(Failure::Io { problem: format!("`{}` exists", place.display()), remedy });
        }
        Ok(NewFile { place, parent, draft: draft(parent, name) })
    }

    /// An empty draft, in the place of one that was begun before or left behind by a run of the same number that was cut off.
    pub fn begin(&self) -> io::Result<File> {
        let _ = std::fs::remove_file(&self.draft);
        // What is in it may be secret: its owner reads it, and nobody else.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.draft)
    }

    /// Puts the written draft in its place.
    pub fn settle(&self, file: &File) -> io::Result<()> {
        file.sync_all()?;
        std::fs::rename(&self.draft, self.place)?;
        sync_folder(&File::open(self.parent)?.into())
    }

    /// What went wrong while it was written.
    pub fn failed(&self, error: &io::Error) -> Failure {
        Failure::io(format!("writing `{}`: {}", self.place.display(), reason(error)))
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.draft);
    }
}
