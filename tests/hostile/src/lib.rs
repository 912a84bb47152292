//! Hostile trees: a [`Publisher`] that signs whatever it is told. The crate links `anode-bundle` to make trees, never to judge them.

mod objects;
mod publisher;
mod signer;

pub use objects::{CODE, Edition, Forgery, OTHER_CODE, Part, code_derives, debian};
pub use publisher::{DAY, HOUR, Publisher, Tree, encode, site, start};
pub use signer::{Signer, listed};
