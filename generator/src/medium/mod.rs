//! The boot medium: one generic system that asks for a code. Composed, without root rights and reproducibly, of a distribution's signed packages that are
//! pinned in `medium.lock`, of our two static programs, and of what the medium knows of its site.
//!
//! What is refused: a package with other bytes than were pinned, a site that the medium's own code does not accept, a program that would not start. No
//! profile, no code and no secret gets into a medium, unless a person names a file with one.

pub mod code;
mod compress;
pub mod console;
pub mod cpio;
pub mod deb;
pub mod draft;
pub mod elf;
mod firmware;
pub mod host;
pub mod initramfs;
pub mod iso;
pub mod lists;
pub mod loaders;
pub mod lock;
pub mod modules;
pub mod netboot;
pub mod obtain;
pub mod packages;
pub mod programs;
pub mod site;
pub mod splash;
pub mod tree;
pub mod version;

use serde::{Deserialize, Serialize};

/// What a medium is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// PCs with 64 bits: BIOS, UEFI, Secure Boot.
    Amd64,
    /// 64-bit ARM: UEFI, Secure Boot.
    Arm64,
}

impl Architecture {
    /// As the distribution calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Architecture::Amd64 => "amd64",
            Architecture::Arm64 => "arm64",
        }
    }

    /// As Rust calls programs for it that need no library.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Architecture::Amd64 => "x86_64-unknown-linux-musl",
            Architecture::Arm64 => "aarch64-unknown-linux-musl",
        }
    }
}
