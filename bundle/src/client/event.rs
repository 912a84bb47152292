//! What a run tells while it works, and what it knows at its end.

use super::sources::Origin;
use crate::document::{Release, Timestamp};
use crate::moment::Moment;

/// What happens on the way, for the person at the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The trusted root has this version now.
    Root {
        /// Its version.
        version: u64,
    },
    /// This is the current release.
    Current {
        /// The timestamp's version.
        timestamp: u64,
        /// The release's version.
        release: u64,
        /// When the timestamp was made.
        issued: Moment,
        /// The mirror's URL, `state` or `cache`.
        source: String,
    },
    /// No mirror delivered, or none was to be asked: the copy on the medium is used.
    Offline {
        /// When its timestamp was made.
        issued: Moment,
        /// Until when its release may be used like this.
        until: Moment,
    },
    /// Locator and key are being derived from the code; takes a moment and 64 MiB.
    Deriving,
    /// Bytes arrived and were verified or will be.
    Fetched {
        /// Where in the tree.
        path: String,
        /// How many.
        bytes: u64,
        /// The mirror's URL or `cache`.
        source: String,
    },
    /// Something is wrong and does not stop the run.
    Warning(String),
}

/// What is trusted now.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The timestamp.
    pub timestamp: Timestamp,
    /// The release.
    pub release: Release,
    /// The mirror's URL, `state` or `cache`.
    pub source: String,
    /// No mirror delivered a valid timestamp in this run.
    pub offline: bool,
    pub(super) expired_offline: bool,
    pub(super) origin: Origin,
    pub(super) delivered: bool,
}
