//! Machines under emulation: what a person sees who puts the medium into a PC, up to the moment when the distribution's own installer works.
//!
//! Nothing here links the crates under test. A machine has its own limit of time and ends with its value; its serial line and its pictures
//! are kept in `machines/<test>/` of cargo's target folder, and every failure names that folder. A machine that can not be
//! emulated is a failure, never a test that passes.

mod hardware;
mod host;
mod machine;
mod monitor;
pub mod multiboot;
mod neighbour;
mod person;
mod picture;
mod record;
mod serial;
mod trunk;
mod tunnel;

pub use hardware::{Firmware, Hardware, Medium, Network, empty_disk};
pub use host::{Host, OUTSIDE, extract, installer, stick};
pub use machine::{Link, Machine};
pub use neighbour::Neighbour;
pub use trunk::Trunk;
pub use tunnel::Tunnel;
