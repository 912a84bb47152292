//! Making the next root: drafting what it says, saying what that changes, and laying it beside the chain with its signatures.
//!
//! A root is made by several people, so every refusal here names all problems at once, and nothing is signed that was not shown before.

mod changes;
mod draft;
mod place;

pub use changes::changes;
pub use draft::{Draft, RoleName};
pub use place::{ceremony_line, discard, put_signature, replace, strays};
