//! `--files DIR`: the filled files and the record of the choice, in a folder that appears complete or not at all.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anode_bundle::pack::FilledFile;

use super::{draft, parts};
use crate::beneath::sync_folder;
use crate::error::{Failure, reason};

const OPTION: &str = "--files";

pub(super) fn check(dir: &Path) -> Result<(), Failure> {
    parts(dir, OPTION)?;
    let Ok(status) = std::fs::symlink_metadata(dir) else { return Ok(()) };
    let is_empty = status.is_dir() && std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    if is_empty {
        return Ok(());
    }
    let remedy = "name another folder with `--files`; nothing is ever overwritten".to_owned();
    Err(Failure::Io { problem: format!("`{}` exists and is not an empty folder", dir.display()), remedy })
}

/// Into a new folder beside `dir`, which is then renamed.
pub(super) fn write(dir: &Path, files: &[&FilledFile]) -> Result<(), Failure> {
    let (parent, name) = parts(dir, OPTION)?;
    let failed =
        |path: &Path, error: &io::Error| Failure::io(format!("writing `{}`: {}", path.display(), reason(error)));

    let draft = Draft(draft(parent, name));
    // Left behind by a run of the same number that was cut off.
    let _ = std::fs::remove_dir_all(&draft.0);
    std::fs::DirBuilder::new().mode(0o700).create(&draft.0).map_err(|error| failed(dir, &error))?;
    for file in files {
        let path = file.path.as_str();
        write_file(&draft.0, &draft.0.join(path), file.mode, &file.bytes)
            .map_err(|error| failed(&dir.join(path), &error))?;
    }
    draft.become_folder(dir, parent).map_err(|error| failed(dir, &error))
}

fn write_file(draft: &Path, place: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = place.parent().filter(|folder| *folder != draft) {
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    // 0600 until the bytes are in: the mode in the manifest may let others read, an unfinished file must not.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(place)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(mode & 0o777))?;
    file.sync_all()
}

/// A folder that is not finished: it disappears unless it takes its place.
struct Draft(PathBuf);

impl Draft {
    fn become_folder(self, dir: &Path, parent: &Path) -> io::Result<()> {
        sync_tree(&self.0)?;
        // An empty folder of that name is replaced; one that was filled meanwhile is an error.
        std::fs::rename(&self.0, dir)?;
        sync_folder(&File::open(parent)?.into())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    sync_folder(&File::open(folder)?.into())
}
