//! What is kept of a machine: everything it wrote to its serial line, and its pictures. Kept after a success too: the next run replaces it.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of one test's machine.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    folder: PathBuf,
}

impl Record {
    /// An empty one, in cargo's target folder.
    pub(crate) fn new(test: &str) -> Record {
        let folder = target().join("machines").join(test);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("making {}: {error}", folder.display()));
        Record { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn serial(&self) -> PathBuf {
        self.folder.join("serial.log")
    }

    pub(crate) fn picture(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.png"))
    }
}

/// Cargo's target folder: a test is `target/<profile>/deps/<test>`.
pub(crate) fn target() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.ancestors().nth(3).expect("a target folder").to_owned()
}
