//! The end of a step: how the fetcher is run, and what is expected of that run.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A run of the fetcher, and what is expected of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Run {
    /// The clock's reading; an hour after the publisher's if it is not said.
    pub clock: Option<String>,
    /// Which mirrors, in order; all of them if it is not said. `nobody` is a mirror that does not exist.
    pub mirrors: Option<Vec<String>>,
    /// The name of the state folder; `none`: without one.
    pub state_folder: Option<String>,
    /// The name of the cache folder.
    pub cache: Option<String>,
    /// Which root the medium ships; 1 if it is not said.
    pub root: Option<u64>,
    /// Of which tree.
    pub root_of: Option<String>,
    /// The medium carries the timestamp and the release of this tree as its floor.
    pub floor: Option<String>,
    /// The activation code; that of the publisher if it is not said.
    pub code: Option<String>,

    /// The exit status; `code` in the JSON, message and remedy must fit it.
    pub exit: u8,
    /// Each of these is in the message.
    pub message: Vec<String>,
    /// None of these is anywhere in what it printed.
    pub silent_about: Vec<String>,
    /// Each of these is in one warning.
    pub warning: Vec<String>,
    /// Exactly these requests were made, in this order.
    pub requests: Option<Vec<String>>,
    /// None of these was asked for.
    pub never_asked: Vec<String>,
    /// So many requests were made.
    pub request_count: Option<usize>,
    /// The versions in the JSON of a run that succeeded.
    pub trusted: Option<Trusted>,
    /// The versions that the state folder holds afterwards.
    pub kept: Option<Kept>,
    /// How the state folder compares with that before the run; unchanged after every refusal where nothing else is said.
    pub state: Option<Compared>,
    /// How the cache folder compares with that before the run.
    pub cache_is: Option<Compared>,
    /// The files that were written, by name, without the record of the choice.
    pub files: Option<BTreeMap<String, String>>,
    /// The hosts could send at most so many bytes, headers included.
    pub sent_at_most: Option<u64>,
    /// It took at least so many seconds.
    pub seconds_at_least: Option<f64>,
    /// It took at most so many seconds.
    pub seconds_at_most: Option<f64>,
}

/// What `update` says that it trusts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trusted {
    /// The root's version.
    pub root: Option<u64>,
    /// The release's version.
    pub release: Option<u64>,
    /// The timestamp's version.
    pub timestamp: Option<u64>,
    /// The name of the mirror, `state` or `cache`.
    pub source: Option<String>,
}

/// What a state folder holds; 0: nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The highest root.
    pub root: Option<u64>,
    /// The highest release.
    pub release: Option<u64>,
    /// The highest timestamp.
    pub timestamp: Option<u64>,
}

/// A folder before and after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compared {
    /// Byte for byte the same.
    Unchanged,
    /// Not the same.
    Changed,
    /// Nothing is in it.
    Empty,
}
