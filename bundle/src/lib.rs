//! The contract between the publisher (`anode`) and the medium (`anode-fetch`): activation codes, documents, signatures, index, sealing,
//! and the order in which all of it is verified.
//!
//! This crate has no files, no network, no clock and no randomness: bytes and `now` are arguments. Nothing in it can skip a check. Its rules are those
//! of format 1, written down in `docs/format.md`; each module names its section.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod activation;
pub mod client;
pub mod display;
pub mod document;
pub mod error;
pub mod exit;
pub mod hardware;
pub mod moment;
pub mod name;
pub mod pack;

pub mod code;
pub mod derive;
pub mod index;
pub mod json;
pub mod keyed;
pub mod seal;
pub mod signature;
pub mod trust;

pub use error::Refusal;
pub use exit::ExitCode;
pub use moment::Moment;
