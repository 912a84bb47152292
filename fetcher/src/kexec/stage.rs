//! `--stage DIR`: the verified installer for the firmware to start, where the running kernel would not.
//!
//! Under Secure Boot a kernel loads only what somebody signed whom its own shim trusts. Another distribution's kernel is started by that distribution's
//! shim and GRUB, which the firmware trusts: they, kernel, initrd and a menu of one entry are laid down in a FAT file system, and whoever called makes
//! the firmware start that shim once. Nothing is written where a firmware looks by itself (`EFI/BOOT`): a stick that is left in a machine does not
//! install it again.
//!
//! Every file is hashed while it comes, written under another name, read back from the disk and renamed; the menu, without which GRUB starts nothing, comes
//! last. Nothing that is there is overwritten. What the initrd holds is readable until it is removed: the caller says so before.

mod removal;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

use anode_bundle::display::line;
use anode_bundle::pack::{Boot, Loaders};
use rustix::fs::fstatvfs;

use super::draft::{Draft, Place, Whole, failed};
use super::{Installer, MIB, compose, fetch, total};
use crate::beneath::{Beneath, FileType, parted};
use crate::blob::Origin;
use crate::error::Failure;
pub use removal::{unstage, unstage_beneath};

/// What the firmware is to start, from the folder.
pub const LOADER: &str = "EFI/anode/shim.efi";
/// Kernel, initrd, and the list of all files.
const FOLDER: &str = "anode-stage";
pub(super) const KERNEL: &str = "anode-stage/linux";
pub(super) const INITRD: &str = "anode-stage/initrd";
const LIST: &str = "anode-stage/files";
/// shim and GRUB, which shim looks for beside itself.
const LOADERS: &str = "EFI/anode";
const EFI: &str = "EFI";
const OURS: &str = "anode";
/// By these words a menu is known as one of ours.
const MENU_BEGINS: &str = "set timeout=0\nif linux /anode-stage/linux";
/// Behind the name of what is not complete.
const DRAFT: &str = ".new";
/// For folders, the menu, and the ends of clusters.
const RESERVE: u64 = MIB;

/// Bytes that it takes.
pub(super) fn room(boot: &Boot, loaders: &Loaders, archive: u64) -> u64 {
    [loaders.shim.length, loaders.grub.length, RESERVE].into_iter().fold(total(boot, archive), u64::saturating_add)
}

/// Could it be staged there? Asked before the network is used for it, and again when the answers are known, which take `archive` bytes.
pub(super) fn check(dir: &Path, boot: &Boot, loaders: &Loaders, archive: u64) -> Result<(), Failure> {
    let root = Beneath::open(dir).map_err(|error| failed(Some(dir), &error))?;
    check_beneath(&root, dir, boot, loaders, archive)
}

fn check_beneath(root: &Beneath, dir: &Path, boot: &Boot, loaders: &Loaders, archive: u64) -> Result<(), Failure> {
    match in_the_way(root, loaders.menu.as_str()).map_err(|error| failed(Some(dir), &error))? {
        None => {}
        Some(InTheWay::Ours(name)) => {
            let problem = format!("`{}` exists, and nothing is overwritten", dir.join(name).display());
            return Err(Failure::hand_over(
                problem,
                "start the medium anew, which removes what it staged, or remove it",
            ));
        }
        Some(InTheWay::Foreign(path)) => {
            let problem = format!(
                "`{}` exists where the installer's boot loader looks, which could start something else; nothing is overwritten",
                line(&dir.join(path).display().to_string(), 120)
            );
            return Err(Failure::hand_over(problem, "remove it, or use another stick"));
        }
    }
    let status = fstatvfs(root).map_err(|error| failed(Some(dir), &error.into()))?;
    let free = status.f_bavail.saturating_mul(status.f_frsize);
    let needed = room(boot, loaders, archive);
    if free < needed {
        let (needed, free) = (needed.div_ceil(MIB), free / MIB);
        let problem =
            format!("staging this installer needs {needed} MiB in `{}`, and {free} MiB are free", dir.display());
        return Err(Failure::hand_over(problem, "make room there, or use a larger stick"));
    }
    Ok(())
}

/// What would be overwritten, or could be started in place of the menu.
enum InTheWay {
    Ours(&'static str),
    Foreign(String),
}

/// A GRUB that a distribution signed may read other menus first: Debian's takes `x86_64-efi/grub.cfg` beside its own. So in the folders of the menu, from the
/// uppermost one down, there may be nothing else at all; `EFI`, in which every system has its place, is left out.
fn in_the_way(root: &Beneath, menu: &str) -> io::Result<Option<InTheWay>> {
    if root.kind(FOLDER)?.is_some() {
        return Ok(Some(InTheWay::Ours(FOLDER)));
    }
    let is_folder = |kind| matches!(kind, None | Some(FileType::Directory));
    if !is_folder(root.kind(EFI)?) {
        return Ok(Some(InTheWay::Foreign(EFI.to_owned())));
    }
    if root.kind(EFI)?.is_some() && root.step(EFI)?.kind(OURS)?.is_some() {
        return Ok(Some(InTheWay::Ours(LOADERS)));
    }
    let mut parts = menu.split('/').peekable();
    let (mut folder, mut path) = (root.walk(None)?, String::new());
    while let Some(part) = parts.next() {
        path.extend([if path.is_empty() { "" } else { "/" }, part]);
        match folder.kind(part)? {
            None => return Ok(None),
            Some(FileType::Directory) if parts.peek().is_some() => folder = folder.step(part)?,
            Some(_) => return Ok(Some(InTheWay::Foreign(path))),
        }
        if path.eq_ignore_ascii_case(EFI) {
            continue;
        }
        let next = parts.peek().map(OsStr::new);
        if let Some(other) = folder.names()?.into_iter().find(|name| Some(name.as_os_str()) != next) {
            return Ok(Some(InTheWay::Foreign(format!("{path}/{}", other.to_string_lossy()))));
        }
    }
    Ok(None)
}

/// Lays it down below `dir`, the root of a file system that the firmware reads.
///
/// # Errors
/// [`Failure::HandOver`] for what can not be written or started; as [`crate::blob::bring`] for what can not be had. Nothing is left then.
pub fn stage(
    installer: &Installer<'_>,
    dir: &Path,
    origin: &mut Origin<'_>,
    progress: &mut dyn FnMut(&str, u64, u64),
) -> Result<(), Failure> {
    lay_down(installer, dir, None, origin, progress)
}

/// As [`stage()`], with a kernel and an initrd that were brought already.
pub(super) fn lay_down(
    installer: &Installer<'_>,
    dir: &Path,
    parts: Option<&[Whole; 2]>,
    origin: &mut Origin<'_>,
    progress: &mut dyn FnMut(&str, u64, u64),
) -> Result<(), Failure> {
    let boot = installer.boot;
    let Some(loaders) = &boot.loaders else { return Err(Failure::Internal("a stage without loaders".to_owned())) };
    let menu = menu(installer.command_line)?;
    let root = Beneath::open(dir).map_err(|error| failed(Some(dir), &error))?;
    check_beneath(&root, dir, boot, loaders, installer.archive.len() as u64)?;

    let grub = format!("{LOADERS}/{}", loaders.grub_name);
    let files = [loaders.menu.as_str(), KERNEL, INITRD, LOADER, &grub, LIST];
    let mut stage = Stage::begin(root, dir, files).map_err(|error| failed(Some(dir), &error))?;
    match parts {
        None => drop(compose(installer, origin, progress, &mut |name| stage.draft(name))?),
        Some([image, initrd]) => {
            let copy = |name, whole| {
                let mut draft = stage.draft(name)?;
                draft.append_whole(whole)?;
                draft.finish()
            };
            copy(KERNEL, image)?.read_back(std::slice::from_ref(&boot.kernel), &[])?;
            copy(INITRD, initrd)?.read_back(&boot.initrd, installer.archive)?;
        }
    }
    for (blob, name) in [(&loaders.shim, LOADER), (&loaders.grub, &grub)] {
        let mut draft = stage.draft(name)?;
        fetch(blob, &mut draft, origin, progress)?;
        draft.finish()?.read_back(std::slice::from_ref(blob), &[])?;
    }
    let mut draft = stage.draft(files[0])?;
    draft.append(menu.as_bytes())?;
    draft.finish()?.read_back(&[], menu.as_bytes())?;
    stage.settle().map_err(|error| failed(Some(dir), &error))
}

/// GRUB's words: one installer, started at once. Where that fails, the machine starts anew, as if nothing had been staged.
fn menu(command_line: &str) -> Result<String, Failure> {
    // GRUB puts a backslash before each of them on a kernel's command line.
    if command_line.chars().any(|c| matches!(c, '\\' | '\'' | '"') || c.is_control()) {
        let problem =
            "the installer's command line has a quote, a backslash or a control character, which GRUB would change";
        return Err(Failure::hand_over(
            problem,
            "give other answers, or tell the operator: the profile can not be staged",
        ));
    }
    let mut menu = MENU_BEGINS.to_owned();
    for word in command_line.split_whitespace() {
        menu.extend([" '", word, "'"]);
    }
    menu += "; then\n  if initrd /anode-stage/initrd; then boot; fi\nfi\n\
             echo 'The installer could not be started.'\nsleep --interruptible 30\nreboot\n";
    Ok(menu)
}

/// What is laid down; it disappears unless it is complete.
struct Stage<'s> {
    root: Beneath,
    /// For people.
    dir: &'s Path,
    /// The menu, then everything else.
    files: [&'s str; 6],
    is_complete: bool,
}

impl<'s> Stage<'s> {
    /// The folders, and the list: whatever happens from here on, the next start of a medium knows what to remove.
    fn begin(root: Beneath, dir: &'s Path, files: [&'s str; 6]) -> io::Result<Stage<'s>> {
        let folder = root.make_new(FOLDER)?;
        let stage = Stage { root, dir, files, is_complete: false };
        let mut list = folder.create(parted(LIST).1)?;
        list.write_all((files.join("\n") + "\n").as_bytes())?;
        list.sync_all()?;
        folder.sync()?;
        files.iter().try_for_each(|name| stage.root.make(parted(name).0).map(drop))?;
        Ok(stage)
    }

    /// The file of this name, which has another one until everything is there.
    fn draft(&self, name: &str) -> Result<Draft, Failure> {
        let path = self.dir.join(format!("{name}{DRAFT}"));
        let (parents, last) = parted(name);
        let folder = self.root.walk(parents).map_err(|error| failed(Some(&path), &error))?;
        Draft::on_disk(Place { folder, name: format!("{last}{DRAFT}"), path })
    }

    /// Puts everything in its place, the menu at the end.
    fn settle(&mut self) -> io::Result<()> {
        for name in self.files.iter().rev().filter(|name| **name != LIST) {
            let (parents, last) = parted(name);
            let folder = self.root.walk(parents)?;
            folder.rename(format!("{last}{DRAFT}"), &folder, last)?;
            folder.sync()?;
        }
        self.is_complete = true;
        Ok(())
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if !self.is_complete {
            let _ = unstage_beneath(&self.root);
        }
    }
}

#[cfg(test)]
mod tests;
