//! `--initrd FILE`: the filled files and the record of the choice as one archive, in a file that appears complete or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anode_bundle::pack::FilledFile;

use super::{cpio, draft, parts};
use crate::error::{Failure, reason};
use crate::folder::sync_folder;

const OPTION: &str = "--initrd";

pub(super) fn check(file: &Path) -> Result<(), Failure> {
    parts(file, OPTION)?;
    if std::fs::symlink_metadata(file).is_err() {
        return Ok(());
    }
    let remedy = "name another file with `--initrd`; nothing is ever overwritten".to_owned();
    Err(Failure::Io { problem: format!("`{}` exists", file.display()), remedy })
}

pub(super) fn write(file: &Path, files: &[&FilledFile]) -> Result<(), Failure> {
    let (parent, name) = parts(file, OPTION)?;
    let archive = cpio::archive(files).map_err(|unfit| Failure::HandOver(unfit.to_string()))?;
    let draft = Draft(draft(parent, name));
    // Left behind by a run of the same number that was cut off.
    let _ = std::fs::remove_file(&draft.0);
    let written = draft.fill(&archive).and_then(|()| draft.become_file(file, parent));
    written.map_err(|error| Failure::io(format!("writing `{}`: {}", file.display(), reason(&error))))
}

/// A file that is not finished: it disappears unless it takes its place.
struct Draft(PathBuf);

impl Draft {
    fn fill(&self, bytes: &[u8]) -> io::Result<()> {
        // The answers are in it: its owner reads it, and nobody else.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.0)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn become_file(&self, file: &Path, parent: &Path) -> io::Result<()> {
        std::fs::rename(&self.0, file)?;
        sync_folder(&File::open(parent)?.into())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
