//! The program on the medium: turns a typed code into verified installer files.
//!
//! Everything that decides whether bytes are believed lives in `anode-bundle`; this crate brings bytes ([`transport`], [`folder`]), asks people
//! and hands the result over. The library exists because the publisher audits and probes its tree with exactly this code.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod activate;
pub mod answers;
pub mod beneath;
pub mod blob;
pub mod cli;
pub mod console;
mod contents;
pub mod error;
pub mod facts;
pub mod folder;
pub mod hand_over;
pub mod host;
pub mod kexec;
pub mod medium;
pub mod transport;
pub mod words;

pub mod crypt;

pub use error::Failure;
