//! The published tree on disk: building it beside the old one, reading it, auditing it.

mod audit;
mod boot_files;
mod folder;
mod spare;
mod staging;

pub use audit::{Audit, Finding, audit};
pub use boot_files::{BOOT, BootFile, BootFiles, audit_boot_files};
pub use folder::{TreeFolder, answer};
pub use staging::{Staging, hash_file, hold, lock, remove_folder, sync_folder};

/// The timestamps that a tree was built on, oldest first: `version sha256` a line. Never published; `publish` refuses a tree that does not descend
/// from what is published.
pub const LINEAGE: &str = ".lineage";
