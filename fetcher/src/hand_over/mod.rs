//! What becomes of a verified pack: files in a folder, for tests and scripts, or an initrd to append, for other boot loaders.

mod carried;
mod cpio;
mod files;
mod initrd;
mod new_file;
mod selection;

use std::path::{Path, PathBuf};

use anode_bundle::Refusal;
use anode_bundle::name::SafePath;
use anode_bundle::pack::{FilledFile, Manifest};
use zeroize::Zeroizing;

pub(crate) use carried::PROXY;
pub use carried::needs_linker;
pub use cpio::{BLOCK, Unfit, append_entry, archive, check_path};
pub(crate) use new_file::NewFile;
pub use selection::{ClockState, RunFacts, SELECTION_FILE, Selection};

use crate::error::Failure;
use crate::transport::Address;

/// What a person or a machine knew of the network, for the same program in an installer's initramfs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// The certificate authorities that are believed (PEM), where there are any.
    pub authorities: Vec<u8>,
    /// The proxy.
    pub proxy: Option<Address>,
}

/// What else goes into an initrd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carry {
    /// Nothing.
    Nothing,
    /// This program, for the hooks of the pack.
    Fetcher {
        /// What it needs to know of the network there.
        network: Network,
    },
}

impl Carry {
    /// What a pack wants.
    #[must_use]
    pub fn of(manifest: &Manifest, network: impl FnOnce() -> Network) -> Carry {
        match manifest.boot.as_ref().is_some_and(|boot| boot.carry_fetcher) {
            true => Carry::Fetcher { network: network() },
            false => Carry::Nothing,
        }
    }
}

/// How what was verified gets to the installer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// As files, or in the memory of this machine.
    AtOnce,
    /// In the memory of this machine; or, where the running kernel turns out not to trust it, staged in this folder.
    Tried(PathBuf),
    /// By a restart of the machine, from this folder, where it lies readable until it is removed.
    Staged(PathBuf),
}

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

    /// Writes the files and the record of the choice, and into an initrd the fetcher's own program where the pack wants it carried. Returns their paths.
    ///
    /// # Errors
    /// [`Failure::Io`]; [`Failure::Refused`] for a pack that holds a file of the record's name; [`Failure::HandOver`] for files that an initrd can not
    /// carry. Nothing is left behind then.
    pub fn write(&self, files: &[FilledFile], selection: &Selection, carry: Carry) -> Result<Vec<String>, Failure> {
        self.check()?;
        match self {
            Self::Files(dir) => {
                let record = record(files, selection)?;
                let all: Vec<&FilledFile> = files.iter().chain([&record]).collect();
                files::write(dir, &all)?;
                Ok(paths(&all))
            }
            Self::Initrd(file) => {
                let (archive, paths) = initrd_archive(files, selection, carry)?;
                initrd::write(file, &archive)?;
                Ok(paths)
            }
        }
    }
}

/// What an installer's initrd gets behind it: the files, the record of the choice, and what is carried. Also the paths in it.
///
/// # Errors
/// As [`Target::write`].
pub fn initrd_archive(
    files: &[FilledFile],
    selection: &Selection,
    carry: Carry,
) -> Result<(Zeroizing<Vec<u8>>, Vec<String>), Failure> {
    let record = record(files, selection)?;
    let carried = match carry {
        Carry::Fetcher { network } => carried::files(files, network)?,
        Carry::Nothing => Vec::new(),
    };
    let all: Vec<&FilledFile> = files.iter().chain([&record]).chain(&carried).collect();
    let archive = cpio::archive(&all).map_err(|unfit| {
        Failure::hand_over(unfit.to_string(), "tell the operator: the profile has to put its files elsewhere")
    })?;
    Ok((archive, paths(&all)))
}

fn paths(files: &[&FilledFile]) -> Vec<String> {
    files.iter().map(|file| file.path.as_str().to_owned()).collect()
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
