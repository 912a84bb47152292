//! The two traits through which the workflow reaches the world.

use crate::error::Refusal;
use crate::moment::Moment;

/// What is asked of one mirror.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The mirror's base URL, without a trailing `/`.
    pub base: &'a str,
    /// The path in the published tree.
    pub path: &'a str,
    /// More bytes than this are [`FetchError::TooLong`]; the transport never buffers more.
    pub limit: u64,
    /// The lower bound of the present, at which certificates are judged (format, section 4).
    pub now: Moment,
}

/// Brings untrusted bytes. No redirects, no compression, no cookies, no retries: those are decided by the caller.
pub trait Transport {
    /// The body of a `200` answer.
    ///
    /// # Errors
    /// See [`FetchError`].
    fn get(&mut self, request: &Request<'_>) -> Result<Vec<u8>, FetchError>;
}

/// Why a mirror did not deliver. The texts name the host and the problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The mirror answered 403, 404 or 410: it does not have this file.
    #[error("{0}")]
    Absent(String),
    /// No connection, or a server error.
    #[error("{0}")]
    Unreachable(String),
    /// A certificate problem.
    #[error("{0}")]
    Tls(String),
    /// A time or rate limit was hit.
    #[error("{0}")]
    TooSlow(String),
    /// A redirect, an HTML page, an encoded body: something that is not this tree.
    #[error("{0}")]
    NotASite(String),
    /// More bytes than were asked for.
    #[error("{path}: longer than {limit} bytes")]
    TooLong {
        /// What was asked for.
        path: String,
        /// The limit.
        limit: u64,
    },
}

impl FetchError {
    /// The refusal that this becomes when no other source helps.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Absent(text) => Refusal::NotASite(text.clone()),
            Self::Unreachable(text) => Refusal::Unreachable(text.clone()),
            Self::Tls(text) => Refusal::Tls(text.clone()),
            Self::TooSlow(text) => Refusal::TooSlow(text.clone()),
            Self::NotASite(text) => Refusal::NotASite(text.clone()),
            Self::TooLong { path, limit } => Refusal::Integrity {
                what: path.clone(),
                wanted: format!("at most {limit} bytes"),
                found: "more".to_owned(),
            },
        }
    }
}

/// A folder of files: the cache (in the layout of the tree) or the state. What is read from it is as untrusted as the network.
pub trait Store {
    /// The file's bytes; `None` if it is missing, unreadable, not a regular file or longer than `limit`.
    fn read(&mut self, path: &str, limit: u64) -> Option<Vec<u8>>;

    /// Replaces the file in one step: after a crash the old or the new bytes are there.
    ///
    /// # Errors
    /// What went wrong, naming the file.
    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), String>;

    /// The names of the files in a folder; empty if there is none.
    fn list(&mut self, folder: &str) -> Vec<String>;

    /// Removes a file, if it is there.
    fn remove(&mut self, path: &str);
}
