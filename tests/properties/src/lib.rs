//! What must hold for every input, however it was made. Each function of [`TARGETS`] takes arbitrary bytes, hands them to the code that would read
//! them on a medium or at a publisher's, and panics if a property does not hold; "it does not crash" is the least of them.
//!
//! The fuzzers in `tests/fuzz` run these functions on bytes that they invent; the test beside this crate runs them over the corpora that are kept. What
//! is accepted is compared with another reading of the format than the one that accepted it, written here or in somebody else's crate.

mod answers;
mod archive;
mod code;
mod contents;
mod documents;
mod index;
mod json;
mod name;
mod network;
#[cfg(feature = "operator")]
mod repository;
mod sealing;
mod signature;
mod state;
mod vector;

/// What became of an input. A corpus that knows only one of them tests half of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken, and everything that follows from that holds.
    Accepted,
    /// It was refused.
    Refused,
}

/// A name, which is also that of the fuzz target and of its corpus, and the property.
pub type Target = (&'static str, fn(&[u8]) -> Verdict);

/// Every target.
pub const TARGETS: &[Target] = &[
    ("signature", signature::signature),
    ("public_key", signature::public_key),
    ("json", json::json),
    ("root", documents::root),
    ("release", documents::release),
    ("timestamp", documents::timestamp),
    ("activation", documents::activation),
    ("index_node", index::node),
    ("index_map", index::map),
    ("sealed_activation", sealing::activation),
    ("sealed_pack", sealing::pack),
    ("pack", contents::pack),
    ("answer", answers::answer),
    ("code", code::code),
    ("name", name::name),
    ("line", name::line),
    ("address", network::address),
    ("http", network::http),
    ("state", state::state),
    #[cfg(feature = "operator")]
    ("profile", repository::profile),
    #[cfg(feature = "operator")]
    ("value", repository::value),
    ("cpio", archive::cpio),
];

/// Runs the target of that name.
///
/// # Panics
/// If a property does not hold, or there is no such target.
pub fn run(name: &str, data: &[u8]) -> Verdict {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, property) = found.unwrap_or_else(|| panic!("there is no target `{name}`"));
    property(data)
}

/// The data as text, or nothing to test.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}
