//! What becomes of a verified pack: files in a folder, for tests and scripts, or an initrd to append, for other boot loaders.

mod cpio;
mod files;
mod initrd;
mod selection;

use std::path::{Path, PathBuf};

use anode_bundle::Refusal;
use anode_bundle::name::SafePath;
use anode_bundle::pack::FilledFile;
use zeroize::Zeroizing;

pub use cpio::{BLOCK, Unfit, archive, check_path};
pub use selection::{ClockState, RunFacts, SELECTION_FILE, Selection};

use crate::error::Failure;

/// Where the verified files go. Either appears complete or not at all, and nothing is overwritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A new folder.
    Files(PathBuf),
    /// A new file: a cpio archive to append to the installer's initrd.
    Initrd(PathBuf),
}

impl Target {
    /// The folder or file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Files(path) | Self::Initrd(path) => path,
        }
    }

    /// Can it be made? Asked before the network is used, and again by [`Target::write`].
    ///
    /// # Errors
    /// [`Failure::Io`] if it exists (an empty folder may), or if its parent is not a folder.
    pub fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Files(dir) => files::check(dir),
            Self::Initrd(file) => initrd::check(file),
        }
    }

    /// Writes the files and the record of the choice. Returns their paths, the record's last.
    ///
    /// # Errors
    /// [`Failure::Io`]; [`Failure::Refused`] for a pack that holds a file of the record's name; [`Failure::HandOver`] for files that an initrd can not
    /// carry. Nothing is left behind then.
    pub fn write(&self, files: &[FilledFile], selection: &Selection) -> Result<Vec<String>, Failure> {
        self.check()?;
        let record = record(files, selection)?;
        let all: Vec<&FilledFile> = files.iter().chain([&record]).collect();
        match self {
            Self::Files(dir) => files::write(dir, &all)?,
            Self::Initrd(file) => initrd::write(file, &all)?,
        }
        Ok(all.iter().map(|file| file.path.as_str().to_owned()).collect())
    }
}

fn record(files: &[FilledFile], selection: &Selection) -> Result<FilledFile, Failure> {
    if files.iter().any(|file| file.path.as_str() == SELECTION_FILE) {
        let problem = format!("it has a file named `{SELECTION_FILE}`, which is reserved");
        return Err(Refusal::UnsealFailed { what: "the pack".to_owned(), problem }.into());
    }
    let mut bytes = serde_json::to_vec_pretty(selection).map_err(|error| Failure::Internal(error.to_string()))?;
    bytes.push(b'\n');
    let path = SafePath::new(SELECTION_FILE).map_err(|error| Failure::Internal(error.to_string()))?;
    Ok(FilledFile { path, mode: 0o644, bytes: Zeroizing::new(bytes) })
}

/// The folder that `path` is to be made in, and its name there.
fn parts<'p>(path: &'p Path, option: &str) -> Result<(&'p Path, &'p str), Failure> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        Failure::usage(
            format!("`{}` is not a name for something new", path.display()),
            format!("end the path of `{option}` in a new name"),
        )
    })?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        let (path, parent) = (path.display(), parent.display());
        return Err(Failure::io(format!("`{path}` can not be made: `{parent}` is not a folder")));
    }
    Ok((parent, name))
}

/// Beside the target, so that a rename can put it in its place.
fn draft(parent: &Path, name: &str) -> PathBuf {
    parent.join(format!(".{name}.new-{}", std::process::id()))
}

#[cfg(test)]
mod tests;
