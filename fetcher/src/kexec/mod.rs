//! `--kexec`: the verified kernel, its initrd with the files of the pack behind it, and the command line go to the running kernel, which keeps them
//! until somebody starts them. Where it would not, they may be staged for the firmware: [`stage()`].
//!
//! Kernel and initrd are hashed while they come, joined by the rules that every unpacker of the kernel keeps, and read back before they are loaded.
//! Nothing that was verified is written to a disk, and nothing on a disk is changed, unless it is staged.

mod draft;
mod running;
mod stage;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::Path;

use anode_bundle::display::line;
use anode_bundle::pack::{Blob, Boot, HandOver, Manifest};
use rustix::io::Errno;

use crate::blob::{Origin, Pinned, bring};
use crate::error::{Failure, reason};
use crate::hand_over::Way;
use crate::transport::{Address, PlainHttp};
use draft::{Draft, Whole, padding};
pub use running::Running;
pub use stage::{LOADER, stage, unstage, unstage_beneath};

/// A kernel copies what it loads into a buffer and from there to its place, beside what lies here (kexec_file_load(2)).
const COPIES: u64 = 3;
/// For everything else that goes on meanwhile.
const RESERVE: u64 = 32 << 20;
const MIB: u64 = 1 << 20;
const SECURE_BOOT: &str =
    "turn off Secure Boot in the firmware's setup for the installation, or enrol that key there (MokManager)";

/// The kernel that runs, as far as the hand-over needs it.
pub trait Kernel {
    /// Would it take another kernel from us at all? Asked before the network is used.
    ///
    /// # Errors
    /// [`Failure::HandOver`] with what to do.
    fn check(&self) -> Result<(), Failure>;

    /// Does it load only what somebody signed whom it trusts?
    fn is_locked_down(&self) -> bool;

    /// Is the key with this identifier (hex) among those that it trusts? `None`: it does not say.
    fn trusts(&self, key: &str) -> Option<bool>;

    /// Memory in bytes that can be had without harm; `None` if it does not say.
    fn free_memory(&self) -> Option<u64>;

    /// Loads; starting it is another call.
    ///
    /// # Errors
    /// What the kernel says.
    fn load(&mut self, kernel: &File, initrd: &File, command_line: &str) -> io::Result<()>;
}

/// How this profile's installer is started: loaded into the running kernel, if there is one to load it and it would; else staged, if there is a folder
/// for that. Where nobody noted who signed it, the kernel itself has to be asked, and that is the last step. Asked before anything of it is downloaded.
///
/// # Errors
/// [`Failure::HandOver`] if it is no profile for either, if its kernel and initrd are not pinned, or if neither is possible.
pub fn way(manifest: &Manifest, kernel: Option<&dyn Kernel>, dir: Option<&Path>) -> Result<Way, Failure> {
    if manifest.hand_over != HandOver::Kexec {
        let problem = format!("the profile `{}` does not boot an installer's kernel", manifest.profile);
        return Err(Failure::hand_over(problem, "choose another profile"));
    }
    let Some(boot) = &manifest.boot else {
        let problem = format!("the profile `{}` names no pinned kernel", manifest.profile);
        return Err(Failure::hand_over(problem, "tell the operator: run `anode lock`, build and publish"));
    };
    let trust = kernel.map(|kernel| Trust::of(boot, kernel));
    let there = dir.zip(boot.loaders.as_ref());
    match (&trust, there) {
        (Some(Trust::Given), _) | (Some(Trust::Unknown), None) => return Ok(Way::AtOnce),
        (Some(Trust::Unknown), Some((dir, loaders))) => {
            // Where it can not be staged, it can still be tried.
            let is_possible = stage::check(dir, boot, loaders, 0).is_ok();
            return Ok(if is_possible { Way::Tried(dir.to_owned()) } else { Way::AtOnce });
        }
        (None | Some(Trust::Refused(_)), Some((dir, loaders))) => {
            stage::check(dir, boot, loaders, 0)?;
            return Ok(Way::Staged(dir.to_owned()));
        }
        (None | Some(Trust::Refused(_)), None) => {}
    }
    let Some(Trust::Refused(by)) = trust else {
        let problem = format!("the profile `{}` names no signed boot loaders of its installer", manifest.profile);
        return Err(Failure::hand_over(problem, "use `--kexec`, or tell the operator: `[boot.loaders]`, `anode lock`"));
    };
    let signer = if by.is_empty() {
        "the installer's kernel is not signed".to_owned()
    } else {
        format!("the installer's kernel is signed under `{by}`, which it does not trust")
    };
    let problem = format!("Secure Boot lets this medium start signed kernels only, and {signer}");
    let mut remedy = SECURE_BOOT.to_owned();
    if let Some(loaders) = &boot.loaders {
        let room = stage::room(boot, loaders, 0).div_ceil(MIB);
        remedy += &format!(
            "; or start from a stick that `anode medium usb` wrote, with {room} MiB free: it can be staged there"
        );
    }
    Err(Failure::hand_over(problem, remedy))
}

/// What is known of the running kernel's trust in an installer's.
enum Trust {
    /// It asks for none, or has it.
    Given,
    /// Nobody noted who signed it, or the kernel does not say whom it trusts.
    Unknown,
    /// It has none in this signer.
    Refused(String),
}

impl Trust {
    fn of(boot: &Boot, kernel: &dyn Kernel) -> Trust {
        if !kernel.is_locked_down() {
            return Trust::Given;
        }
        let Some(signature) = &boot.signature else { return Trust::Unknown };
        let trusted = || signature.keys.iter().map(|key| kernel.trusts(key));
        if trusted().any(|trusted| trusted == Some(true)) {
            Trust::Given
        } else if trusted().all(|trusted| trusted == Some(false)) {
            Trust::Refused(line(&signature.by, 120))
        } else {
            Trust::Unknown
        }
    }
}

/// What is to be loaded.
pub struct Installer<'a> {
    /// Kernel and initrds.
    pub boot: &'a Boot,
    /// The command line with the answers in it.
    pub command_line: &'a str,
    /// The files of the pack as an archive that begins with a block of zeros ([`crate::hand_over::archive`]).
    pub archive: &'a [u8],
}

/// Brings kernel and initrds, joins, reads back, loads; with a folder, lays them down there where the running kernel does not trust them, and then only.
/// How it was done. `progress` hears the name of a part, how much of it there is, and its length.
///
/// # Errors
/// [`Failure::HandOver`] for memory and for what the kernel says; as [`bring`] for what can not be had; as [`stage()`].
pub fn load(
    installer: &Installer<'_>,
    kernel: &mut dyn Kernel,
    dir: Option<&Path>,
    origin: &mut Origin<'_>,
    progress: &mut dyn FnMut(&str, u64, u64),
) -> Result<Way, Failure> {
    check_memory(installer, kernel)?;
    let parts = compose(installer, origin, progress, &mut |_| Draft::in_memory())?;
    let [image, initrd] = &parts;
    let Err(error) = kernel.load(&image.file, &initrd.file, installer.command_line) else { return Ok(Way::AtOnce) };
    let is_distrust = is_distrust(&error, kernel);
    match dir {
        Some(dir) if is_distrust => {
            stage::lay_down(installer, dir, Some(&parts), origin, progress)?;
            Ok(Way::Staged(dir.to_owned()))
        }
        _ => Err(refused(&error, is_distrust)),
    }
}

/// Kernel and joined initrd, written and read back.
fn compose(
    installer: &Installer<'_>,
    origin: &mut Origin<'_>,
    progress: &mut dyn FnMut(&str, u64, u64),
    draft: &mut dyn FnMut(&str) -> Result<Draft, Failure>,
) -> Result<[Whole; 2], Failure> {
    let boot = installer.boot;
    let mut image = draft(stage::KERNEL)?;
    fetch(&boot.kernel, &mut image, origin, progress)?;
    let image = image.finish()?;
    let mut initrd = draft(stage::INITRD)?;
    for blob in &boot.initrd {
        fetch(blob, &mut initrd, origin, progress)?;
        initrd.close_part()?;
    }
    initrd.append(installer.archive)?;
    let initrd = initrd.finish()?;
    image.read_back(std::slice::from_ref(&boot.kernel), &[])?;
    initrd.read_back(&boot.initrd, installer.archive)?;
    Ok([image, initrd])
}

/// Bytes of kernel and joined initrd, at whose end `archive` bytes lie.
fn total(boot: &Boot, archive: u64) -> u64 {
    let initrds = boot.initrd.iter().map(|blob| blob.length.saturating_add(padding(blob.length) as u64));
    initrds.chain([boot.kernel.length, archive]).fold(0, u64::saturating_add)
}

fn check_memory(installer: &Installer<'_>, kernel: &dyn Kernel) -> Result<(), Failure> {
    let needed = total(installer.boot, installer.archive.len() as u64).saturating_mul(COPIES).saturating_add(RESERVE);
    match kernel.free_memory() {
        Some(free) if free < needed => {
            let (needed, free) = (needed.div_ceil(MIB), free / MIB);
            let problem = format!("loading this installer needs {needed} MiB of free memory, and {free} MiB are free");
            Err(Failure::hand_over(problem, "use a machine with more memory, or a profile with a smaller installer"))
        }
        _ => Ok(()),
    }
}

fn fetch(
    blob: &Blob,
    draft: &mut Draft,
    origin: &mut Origin<'_>,
    progress: &mut dyn FnMut(&str, u64, u64),
) -> Result<(), Failure> {
    let address = |url: &String| {
        Address::parse(url, PlainHttp::ForPinned).map_err(|bad| {
            Failure::hand_over(
                bad.to_string(),
                "tell the operator: `anode.lock` names an address that no medium can use",
            )
        })
    };
    let addresses = blob.urls.iter().map(address).collect::<Result<Vec<_>, _>>()?;
    // The name that people know it by.
    let name = addresses.last().and_then(|address| address.as_str().rsplit('/').next()).unwrap_or_default().to_owned();
    let pinned = Pinned { addresses, sha256: blob.sha256, length: blob.length };
    bring(&pinned, origin, draft, &mut |length| progress(&name, length, blob.length))
}

/// Did the kernel refuse it for its signature? In lockdown it says of one that nobody signed that it is not permitted, as to somebody who is not root.
fn is_distrust(error: &io::Error, kernel: &dyn Kernel) -> bool {
    match Errno::from_io_error(error) {
        Some(Errno::KEYREJECTED | Errno::NOKEY | Errno::NODATA | Errno::BADMSG | Errno::NOPKG) => true,
        Some(Errno::PERM | Errno::ACCESS) => kernel.is_locked_down(),
        _ => false,
    }
}

/// What kexec_file_load(2) says, in words.
fn refused(error: &io::Error, is_distrust: bool) -> Failure {
    let signature =
        "Secure Boot lets this medium start signed kernels only, and it does not trust this one's signature";
    let (problem, remedy) = match Errno::from_io_error(error) {
        _ if is_distrust => (signature, SECURE_BOOT),
        Some(Errno::PERM | Errno::ACCESS) => {
            ("the running kernel does not permit it", "run this as root, from the medium")
        }
        Some(Errno::NOMEM) => ("there is not enough memory", "use a machine with more memory"),
        Some(Errno::NOEXEC | Errno::INVAL) => {
            ("the installer's kernel is not one that this machine can start", "check the profile's architecture")
        }
        Some(Errno::BUSY) => ("another program is loading a kernel", "wait for it, and try again"),
        Some(Errno::NOSYS) => ("the running kernel was built without kexec_file_load", "start from a medium"),
        _ => ("the running kernel refused it", "look at the kernel's messages"),
    };
    Failure::hand_over(format!("loading the installer: {problem} ({})", reason(error)), remedy)
}
