//! What was staged goes, complete or not, and with it whatever else lies in the two folders that are ours.
//!
//! Beyond them only the menu is ours, and the list says where it lies. Anybody can have written that list, and the file system may have links: nothing is
//! followed, and a file that does not begin as our menus do stays. The list goes last, so that a removal that was cut off is completed by the next one.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::Path;

use anode_bundle::name::SafePath;
use rustix::io::Errno;

use super::{DRAFT, EFI, FOLDER, LIST, MENU_BEGINS, OURS};
use crate::beneath::{Beneath, FileType};

/// The menu stands first in a list; what somebody appended is not read.
const LIST_LIMIT: u64 = 8 << 10;
/// No file system that a firmware reads has folders as deep as this.
const DEPTH: u32 = 128;

/// Removes what was staged below `dir`, complete or not, overwritten with zeros before. Was there anything?
///
/// # Errors
/// What could not be read, overwritten or removed; the rest is gone then. A list that can not be read keeps nothing from being removed, and is gone as well.
pub fn unstage(dir: &Path) -> io::Result<bool> {
    unstage_beneath(&Beneath::open(dir)?)
}

/// The same, below an open folder.
///
/// # Errors
/// As [`unstage`].
pub fn unstage_beneath(root: &Beneath) -> io::Result<bool> {
    // A link is no folder of ours, and neither is what it leads to.
    let efi = match root.kind(EFI)? {
        Some(FileType::Directory) => Some(root.step(EFI)?),
        _ => None,
    };
    let loaders = efi.filter(|efi| !matches!(efi.kind(OURS), Ok(None)));
    let is_staged = root.kind(FOLDER)?.is_some();
    if !is_staged && loaders.is_none() {
        return Ok(false);
    }
    let stage = root.step(FOLDER);
    // Without a list it was cut off before it began.
    let menu = stage.as_ref().map_or(Ok(None), listed_menu);
    let taken = match (&stage, &menu) {
        (Ok(stage), Ok(Some(menu))) => take_back(root, stage, menu.as_str()),
        _ => Ok(()),
    };
    let mut done = loaders.map_or(Ok(()), |efi| discard(&efi, OURS.as_ref(), DEPTH));
    if let Ok(stage) = &stage {
        for name in stage.names()?.iter().filter(|name| *name != list_name()) {
            done = done.and(discard(stage, name, DEPTH));
        }
    }
    if let Ok(Some(menu)) = &menu {
        remove_empty_parents(root, menu.as_str());
    }
    let _ = root.remove_folder(EFI);
    taken?;
    let last = if is_staged { discard(root, FOLDER.as_ref(), DEPTH) } else { Ok(()) };
    done.and(menu.map(|_| ())).and(last).and(root.sync()).map(|()| true)
}

fn list_name() -> &'static str {
    LIST.rsplit('/').next().unwrap_or(LIST)
}

/// Where the list says that the menu was laid: it stands first.
fn listed_menu(stage: &Beneath) -> io::Result<Option<SafePath>> {
    if stage.kind(list_name())? != Some(FileType::RegularFile) {
        return Ok(None);
    }
    let mut list = Vec::new();
    stage.read(list_name())?.take(LIST_LIMIT).read_to_end(&mut list)?;
    let list = String::from_utf8_lossy(&list);
    let first = list.lines().next().filter(|name| name.ends_with("/grub.cfg"));
    Ok(first.and_then(|name| SafePath::new(name).ok()))
}

fn remove_empty_parents(root: &Beneath, menu: &str) {
    let parts: Vec<&str> = menu.split('/').collect();
    for depth in (1..parts.len()).rev() {
        if let Some((name, parents)) = parts.get(..depth).and_then(<[&str]>::split_last) {
            // One that is not empty stays.
            let _ = root.walk(parents.iter().copied()).and_then(|parent| parent.remove_folder(name));
        }
    }
}

/// The menu comes into our own folder in one step, where everything goes.
fn take_back(root: &Beneath, stage: &Beneath, menu: &str) -> io::Result<()> {
    let Some((parents, name)) = menu.rsplit_once('/') else { return Ok(()) };
    let folder = match root.walk(parents.split('/')) {
        Ok(folder) => folder,
        Err(error) => {
            return match Errno::from_io_error(&error) {
                // None of ours: it is not there, or behind a link or a file.
                Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
                _ => Err(error),
            };
        }
    };
    if folder.kind(name)? == Some(FileType::RegularFile) && begins_as_ours(&folder, name)? {
        folder.rename(name, stage, format!("menu{DRAFT}"))?;
        folder.sync()?;
    }
    let draft = format!("{name}{DRAFT}");
    if folder.kind(&draft)? == Some(FileType::RegularFile) {
        folder.rename(&draft, stage, format!("menu{DRAFT}{DRAFT}"))?;
    }
    Ok(())
}

fn begins_as_ours(folder: &Beneath, name: &str) -> io::Result<bool> {
    let mut begin = Vec::new();
    folder.read(name)?.take(MENU_BEGINS.len() as u64).read_to_end(&mut begin)?;
    Ok(begin == MENU_BEGINS.as_bytes())
}

/// Removes whatever has this name: a folder with all that is in it, a link as such, a file overwritten before.
fn discard(folder: &Beneath, name: &OsStr, depth: u32) -> io::Result<()> {
    match folder.kind(name)? {
        None => Ok(()),
        Some(FileType::Directory) if depth == 0 => Err(Errno::LOOP.into()),
        Some(FileType::Directory) => {
            let inner = folder.step(name)?;
            let mut done = Ok(());
            for name in inner.names()? {
                done = done.and(discard(&inner, &name, depth - 1));
            }
            done.and(folder.remove_folder(name))
        }
        Some(FileType::RegularFile) => wipe(folder, name).and(folder.remove(name)),
        Some(_) => folder.remove(name),
    }
}

/// Some file systems keep so little in no block at all.
const SMALL: u64 = 64 << 10;

/// The answers stood in clear in some of them.
fn wipe(folder: &Beneath, name: &OsStr) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let mut file = folder.write(name)?;
    let status = file.metadata()?;
    // What has a second name, elsewhere on a file system that knows of such, is somebody's.
    if status.nlink() > 1 {
        return Ok(());
    }
    // A file of ours has no holes. One that has may be longer than the disk, and what was never written holds no answers.
    let written = status.blocks().saturating_mul(512).max(SMALL).min(status.len());
    let zeros = [0; 4096];
    for _ in 0..written.div_ceil(zeros.len() as u64) {
        file.write_all(&zeros)?;
    }
    file.sync_all()
}
