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
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anode_bundle::display::line;
use anode_bundle::pack::{Boot, Loaders};
use rustix::fs::statvfs;

use super::draft::{Draft, Whole, failed};
use super::{Installer, MIB, compose, fetch, total};
use crate::beneath::{Beneath, FileType, sync_folder};
use crate::blob::Origin;
use crate::error::Failure;
pub use removal::unstage;

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
    let found = Beneath::open(dir).and_then(|root| in_the_way(&root, loaders.menu.as_str()));
    match found.map_err(|error| failed(Some(dir), &error))? {
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
    let status = statvfs(dir).map_err(|error| failed(Some(dir), &error.into()))?;
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
    check(dir, boot, loaders, installer.archive.len() as u64)?;

    let grub = format!("{LOADERS}/{}", loaders.grub_name);
    let files = [loaders.menu.as_str(), KERNEL, INITRD, LOADER, &grub, LIST];
    let mut stage = Stage { dir, files, is_complete: false };
    stage.begin().map_err(|error| failed(Some(dir), &error))?;
    match parts {
        None => drop(compose(installer, origin, progress, &mut |name| Draft::on_disk(stage.draft(name)))?),
        Some([image, initrd]) => {
            let copy = |name, whole| {
                let mut draft = Draft::on_disk(stage.draft(name))?;
                draft.append_whole(whole)?;
                draft.finish()
            };
            copy(KERNEL, image)?.read_back(std::slice::from_ref(&boot.kernel), &[])?;
            copy(INITRD, initrd)?.read_back(&boot.initrd, installer.archive)?;
        }
    }
    for (blob, name) in [(&loaders.shim, LOADER), (&loaders.grub, &grub)] {
        let mut draft = Draft::on_disk(stage.draft(name))?;
        fetch(blob, &mut draft, origin, progress)?;
        draft.finish()?.read_back(std::slice::from_ref(blob), &[])?;
    }
    let mut draft = Draft::on_disk(stage.draft(files[0]))?;
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

fn draft(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}{DRAFT}"))
}

/// What is laid down; it disappears unless it is complete.
struct Stage<'s> {
    dir: &'s Path,
    /// The menu, then everything else.
    files: [&'s str; 6],
    is_complete: bool,
}

impl Stage<'_> {
    fn draft(&self, name: &str) -> PathBuf {
        draft(self.dir, name)
    }

    /// The folders, and the list: whatever happens from here on, the next start of a medium knows what to remove.
    fn begin(&self) -> io::Result<()> {
        fs::create_dir(self.dir.join(FOLDER))?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(self.dir.join(LIST))?;
        file.write_all((self.files.join("\n") + "\n").as_bytes())?;
        file.sync_all()?;
        self.sync(LIST)?;
        self.files.iter().try_for_each(|name| fs::create_dir_all(self.dir.join(name).parent().unwrap_or(self.dir)))
    }

    /// Puts everything in its place, the menu at the end.
    fn settle(&mut self) -> io::Result<()> {
        for name in self.files.iter().rev().filter(|name| **name != LIST) {
            fs::rename(self.draft(name), self.dir.join(name))?;
            self.sync(name)?;
        }
        self.is_complete = true;
        Ok(())
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        sync_folder(&File::open(self.dir.join(name).parent().unwrap_or(self.dir))?.into())
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if !self.is_complete {
            let _ = unstage(self.dir);
        }
    }
}

#[cfg(test)]
mod tests;
