//! Hostile trees as data.
//!
//! A [`Publisher`] signs whatever it is told, hosts serve it as badly as they are told, and the real `anode-fetch` is the judge: its exit status,
//! its JSON, its state folder and the log of its requests. The crate links `anode-bundle` to make trees, never to judge them.
//!
//! The publisher alone also serves the tests of the contract itself; everything else is behind the feature `hosts`.

mod objects;
mod publisher;
mod signer;

#[cfg(feature = "hosts")]
mod answer;
#[cfg(feature = "hosts")]
mod bytes;
#[cfg(feature = "hosts")]
pub mod case;
#[cfg(feature = "hosts")]
mod certificate;
#[cfg(feature = "hosts")]
mod host;
#[cfg(feature = "hosts")]
mod kept;
#[cfg(feature = "hosts")]
pub mod page;
#[cfg(feature = "hosts")]
mod run;
#[cfg(feature = "hosts")]
mod wanted;
#[cfg(feature = "hosts")]
mod words;
#[cfg(feature = "hosts")]
mod world;

pub use objects::{CODE, Edition, Forgery, OTHER_CODE, Part, code_derives, debian};
pub use publisher::{DAY, HOUR, Publisher, Tree, encode, site, start};
pub use signer::{Signer, listed};

#[cfg(feature = "hosts")]
pub use answer::{Answer, Endless, Framing, Interim};
#[cfg(feature = "hosts")]
pub use certificate::Authorities;
#[cfg(feature = "hosts")]
pub use host::{Host, Log, Request};
#[cfg(feature = "hosts")]
pub use run::code_name;
#[cfg(feature = "hosts")]
pub use world::World;
