//! A small disk that can be filled and made read-only.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::program::Program;

/// A file system of a few megabytes, unmounted with this value.
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts it. `None` where this user may not mount: the test then says so and checks nothing, but not in CI.
    ///
    /// # Panics
    /// If this has to be tested here.
    #[must_use]
    pub fn new(megabytes: u32) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mount = Program::new("mount").args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]);
        if mount.arg(folder.path()).run().exit == Some(0) {
            return Some(SmallDisk { folder });
        }
        crate::skip("mounting a small disk needs root");
        None
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves about `kilobytes` free.
    ///
    /// # Panics
    /// If the disk can not be written.
    pub fn fill(&self, kilobytes: u64) {
        let ballast = self.ballast();
        let mut file = File::create(&ballast).expect("the ballast");
        let mut written = 0;
        while file.write_all(&[0; 1024]).is_ok() {
            written += 1024;
        }
        file.set_len(written - (kilobytes * 1024).min(written)).expect("a smaller ballast");
    }

    /// Takes the ballast away.
    ///
    /// # Panics
    /// If there is none.
    pub fn empty(&self) {
        fs::remove_file(self.ballast()).expect("removing the ballast");
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Makes it read-only, or writable again.
    pub fn read_only(&self, on: bool) {
        let mode = if on { "remount,ro" } else { "remount,rw" };
        let _ = Program::new("mount").args(["-o", mode]).arg(self.path()).run().ok();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Program::new("umount").arg("--lazy").arg(self.path()).run();
    }
}
