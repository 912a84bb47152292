//! What becomes of a verified pack. Here: plain files in a folder, for tests, scripts and other boot loaders.

mod files;
mod selection;

pub use files::{check_target, write};
pub use selection::{ClockState, RunFacts, SELECTION_FILE, Selection};
