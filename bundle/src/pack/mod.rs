//! What a pack holds once it is open: a manifest and the files it lists.
//!
//! Plaintext: `"ANF1" ‖ u32be length of the manifest ‖ manifest (JSON) ‖ the files, one behind the other`, nothing after. There is no archive
//! format here and no template language: a file is bytes and a list of offsets at which the answer to a prompt belongs.

mod contents;
mod manifest;
pub mod network;
mod prompt;

pub use contents::{Answers, COMMAND_LINE_LIMIT, Contents, FilledFile};
pub use manifest::{
    Ansible, Blob, Boot, File, HandOver, Insert, Installer, KernelSignature, Loaders, Manifest, SecondStage,
};
pub use network::{NetworkSettings, NetworkWords};
pub use prompt::{Choice, MAX_NUMBER, Prompt, PromptType};
