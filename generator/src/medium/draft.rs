//! Where a medium grows: a folder beside its place, which nobody else may read, because a code or a key may be in it.
//!
//! It goes with the run that made it, whether that ends by itself or by a signal; what a run leaves behind that was killed or lost its power, the next one
//! beside it removes. A folder whose run goes on is locked, and one of another user is never touched.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

const PREFIX: &str = ".anode-medium-";
/// How often somebody may take a folder away between its making and its locking.
const ATTEMPTS: u32 = 8;
/// What the smallest medium and its parts take while it is made.
const LEAST_ROOM: u64 = 64 << 20;

/// The folders of this run.
static OURS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn ours() -> MutexGuard<'static, Vec<PathBuf>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder that disappears with everything in it.
#[derive(Debug)]
pub struct Draft {
    folder: PathBuf,
    /// None where the file system has no locks: nobody can take the folder for an abandoned one there.
    _lock: Option<File>,
}

impl Draft {
    /// Makes one in `parent`, after what killed runs left there was removed.
    ///
    /// # Errors
    /// If nothing can be written there, or there is no room for any medium.
    pub fn beside(parent: &Path) -> Result<Draft> {
        ensure!(
            parent.is_dir(),
            "there is no folder `{0}`: make it, or name another place with `--out`",
            parent.display()
        );
        end_by_signals();
        remove_abandoned(parent);
        check_room(parent, LEAST_ROOM)?;
        for _ in 0..ATTEMPTS {
            let folder = make(parent)
                .with_context(|| format!("writing in `{}`; name another place with `--out`", parent.display()))?;
            let lock = File::open(&folder)
                .map_err(|_| Errno::NOENT)
                .and_then(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).map(|()| file));
            match lock {
                Ok(lock) => return Ok(Draft { folder, _lock: Some(lock) }),
                // Another run took it for abandoned.
                Err(Errno::WOULDBLOCK | Errno::NOENT) => drop(Draft { folder, _lock: None }),
                Err(_) => return Ok(Draft { folder, _lock: None }),
            }
        }
        bail!("in `{}`, folders that were just made disappear; name another place with `--out`", parent.display())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the next run removes what is left.
        let _ = fs::remove_dir_all(&self.folder);
        ours().retain(|folder| *folder != self.folder);
    }
}

/// A signal finds the folder in the list, or comes before there is one.
fn make(parent: &Path) -> Result<PathBuf> {
    let mut ours = ours();
    let made = tempfile::Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir_in(parent)?;
    let folder = std::path::absolute(made.keep())?;
    ours.push(folder.clone());
    Ok(folder)
}

/// What is left of runs that could not clean up. A folder that can not be removed is in nobody's way.
fn remove_abandoned(parent: &Path) {
    let user = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_ours = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())
            && entry.metadata().is_ok_and(|status| status.is_dir() && status.uid() == user);
        if !is_ours {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(folder) = rustix::fs::open(&path, flags, Mode::empty()) else { continue };
        if flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// From now on, Ctrl-C, a closed terminal and `kill` remove the folders, and then end the run as they would have.
fn end_by_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ignored = ignored_signals();
        let wanted = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
        let Ok(mut signals) = Signals::new(wanted) else { return };
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let ours = ours();
                for folder in ours.iter() {
                    // The run still writes into it: what comes meanwhile is removed too.
                    let _ = (0..ATTEMPTS).find(|_| fs::remove_dir_all(folder).is_ok() || !folder.exists());
                }
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        });
    });
}

/// What `nohup` or a shell without job control told this program to ignore, as the kernel's mask.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Is there as much room in a folder as a medium takes while it is made?
///
/// # Errors
/// If there is less, with both figures.
pub fn check_room(folder: &Path, needed: u64) -> Result<()> {
    let looking = || format!("looking for room in `{}`", folder.display());
    let status = rustix::fs::statvfs(folder).with_context(looking)?;
    let free = status.f_bavail.saturating_mul(status.f_frsize);
    let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
    // Some file systems do not say how large they are.
    ensure!(
        status.f_blocks == 0 || free >= needed,
        "`{}` has {} MiB left, and making the medium there takes {} MiB: make room, or name another place with `--out`",
        folder.display(),
        free >> 20,
        mebibytes(needed)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn nobody_else_may_read_a_draft_and_it_goes_with_its_value() {
        let parent = tempfile::tempdir().unwrap();
        let draft = Draft::beside(parent.path()).unwrap();
        assert_eq!(fs::metadata(draft.path()).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(draft.path().join("code"), "secret").unwrap();
        assert_eq!(names(parent.path()).len(), 1);
        drop(draft);
        assert_eq!(names(parent.path()), [""; 0]);
        assert!(!ours().iter().any(|folder| folder.starts_with(parent.path())));
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_what_a_running_one_writes_stays() {
        let parent = tempfile::tempdir().unwrap();
        let running = Draft::beside(parent.path()).unwrap();
        fs::write(running.path().join("image"), "half").unwrap();
        let left = parent.path().join(format!("{PREFIX}left"));
        fs::create_dir_all(left.join("files")).unwrap();
        fs::write(left.join("files/code"), "secret").unwrap();
        // What others called so is theirs.
        fs::write(parent.path().join(format!("{PREFIX}file")), "mine").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), parent.path().join(format!("{PREFIX}link"))).unwrap();
        let second = Draft::beside(parent.path()).unwrap();
        assert!(!left.exists() && running.path().join("image").exists() && second.path().exists());
        assert!(elsewhere.path().exists());
        drop((running, second));
        let mut left = names(parent.path());
        left.sort();
        assert_eq!(left, [format!("{PREFIX}file"), format!("{PREFIX}link")]);
    }

    #[test]
    fn too_little_room_is_said_with_both_figures() {
        let folder = tempfile::tempdir().unwrap();
        check_room(folder.path(), 1).unwrap();
        let refusal = check_room(folder.path(), 1 << 60).unwrap_err().to_string();
        assert!(
            refusal.contains(" MiB left, and making the medium there takes 1099511627776 MiB: make room"),
            "{refusal}"
        );
        assert!(refusal.ends_with("or name another place with `--out`"), "{refusal}");
    }
}
