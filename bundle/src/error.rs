//! Every way in which the contract can be broken, each with its exit code and what a person can do about it.

use crate::exit::ExitCode;
use crate::moment::Moment;
use crate::name::{KeyId, Sha256};

/// Why something was refused. The text says what was found and what was expected; [`Refusal::remedy`] says what to do now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The typed code is not a code.
    #[error("the activation code {0}")]
    CodeMalformed(crate::code::BadCode),
    /// An authenticated answer: the site knows no such code.
    #[error("the site knows no such code, or it was revoked")]
    CodeUnknown,
    /// The code exists and may not be used now.
    #[error("the code {0}")]
    CodeNotValid(String),
    /// The code is bound to other machines.
    #[error("the code is bound to another machine")]
    HardwareMismatch,
    /// The profile is not on offer.
    #[error("the profile `{wanted}` is not offered by this code; it offers {}", offered.join(", "))]
    ProfileUnknown {
        /// What was asked for.
        wanted: String,
        /// The ids on offer, in backticks.
        offered: Vec<String>,
    },
    /// An answer does not fit its prompt.
    #[error("the answer to `{prompt}` {problem}")]
    AnswerInvalid {
        /// The prompt's name.
        prompt: String,
        /// What is wrong with the answer; never the answer itself.
        problem: String,
    },
    /// A signature file that is not exactly what format 1 says, or does not verify.
    #[error("{document}: {problem}")]
    SignatureInvalid {
        /// Which document.
        document: String,
        /// What is wrong.
        problem: String,
    },
    /// Too few keys signed.
    #[error("{document} is signed by {found} of the {wanted} root keys that are needed")]
    BelowThreshold {
        /// Which document.
        document: String,
        /// Distinct listed keys whose signature verifies.
        found: usize,
        /// The threshold.
        wanted: usize,
    },
    /// Freeze: the document's time is over.
    #[error(
        "{document} expired on {expires}; this machine's clock says {rtc}, the newest date signed by the site is {newest}"
    )]
    Expired {
        /// Which document.
        document: String,
        /// Its end.
        expires: Moment,
        /// The reading of the clock.
        rtc: Moment,
        /// The newest verified `issued`.
        newest: Moment,
    },
    /// Older than what was seen before.
    #[error("{document} has version {found}, and version {floor} was already seen")]
    Rollback {
        /// Which document.
        document: String,
        /// Its version.
        found: u64,
        /// The lowest acceptable version.
        floor: u64,
    },
    /// A hash or length is not what the signed parent says.
    #[error("{what}: expected {wanted}, found {found}")]
    Integrity {
        /// Which object.
        what: String,
        /// Hash or length that was signed.
        wanted: String,
        /// Hash or length that was received.
        found: String,
    },
    /// Not the document that was asked for, or not a document at all.
    #[error("{document}: {problem}")]
    WrongDocument {
        /// Which document.
        document: String,
        /// What is wrong.
        problem: String,
    },
    /// A sealed object that was signed and does not open.
    #[error("{what} does not open: {problem}")]
    UnsealFailed {
        /// Which object.
        what: String,
        /// What is wrong.
        problem: String,
    },
    /// The clock is impossible.
    #[error("this machine's clock says {rtc}, more than ten years after the medium was built ({build})")]
    Clock {
        /// The reading of the clock.
        rtc: Moment,
        /// When the medium was built.
        build: Moment,
    },
    /// Something this version does not know and must not ignore.
    #[error("{what} needs a newer version of this program: {feature}")]
    TooNew {
        /// Which document.
        what: String,
        /// What is unknown.
        feature: String,
    },
    /// No mirror and no usable copy.
    #[error("{0}")]
    Unreachable(String),
    /// A certificate problem, named.
    #[error("{0}")]
    Tls(String),
    /// A transfer limit was hit.
    #[error("{0}")]
    TooSlow(String),
    /// A redirect, a portal page, or no site at this address.
    #[error("{0}")]
    NotASite(String),
}

// Not `#[from]`: its text is ours already, and a chain of causes would say it twice.
impl From<crate::code::BadCode> for Refusal {
    fn from(bad: crate::code::BadCode) -> Refusal {
        Refusal::CodeMalformed(bad)
    }
}

impl Refusal {
    /// The exit code of this refusal.
    #[must_use]
    pub fn exit(&self) -> ExitCode {
        match self {
            Self::CodeMalformed(_) => ExitCode::CodeMalformed,
            Self::CodeUnknown => ExitCode::CodeUnknown,
            Self::CodeNotValid(_) => ExitCode::CodeNotValid,
            Self::HardwareMismatch => ExitCode::HardwareMismatch,
            Self::ProfileUnknown { .. } => ExitCode::ProfileUnknown,
            Self::AnswerInvalid { .. } => ExitCode::AnswerInvalid,
            Self::SignatureInvalid { .. } | Self::BelowThreshold { .. } => ExitCode::SignatureInvalid,
            Self::Expired { .. } => ExitCode::MetadataExpired,
            Self::Rollback { .. } => ExitCode::Rollback,
            Self::Integrity { .. } => ExitCode::Integrity,
            Self::WrongDocument { .. } => ExitCode::WrongDocument,
            Self::UnsealFailed { .. } => ExitCode::UnsealFailed,
            Self::Clock { .. } => ExitCode::Clock,
            Self::TooNew { .. } => ExitCode::TooNew,
            Self::Unreachable(_) => ExitCode::Unreachable,
            Self::Tls(_) => ExitCode::Tls,
            Self::TooSlow(_) => ExitCode::TooSlow,
            Self::NotASite(_) => ExitCode::NotASite,
        }
    }

    /// What the person who sees this can do now.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::CodeMalformed(crate::code::BadCode::ForeignLength { .. }) => {
                "check that the slip belongs to this site: its codes are of another length; nothing of the code was sent"
            }
            Self::CodeMalformed(_) => "compare it with the slip and type it again; nothing was sent",
            Self::CodeUnknown => {
                "check that the slip belongs to this site, or ask the person who gave it to you for a new code"
            }
            Self::CodeNotValid(_) => "ask the person who gave you the code for a new one",
            Self::HardwareMismatch => "use the machine that the code was made for, or ask for a code for this one",
            Self::ProfileUnknown { .. } => "choose one of the profiles that are offered",
            Self::AnswerInvalid { .. } => "give an answer of the form that is described",
            Self::SignatureInvalid { .. } | Self::BelowThreshold { .. } => {
                "do not go on: somebody changed the tree, the publisher signed with a wrong key, or the root or its signatures here are not the site's; tell the operator"
            }
            Self::Expired { .. } => {
                "set this machine's clock if it is wrong; otherwise the operator has to run `anode refresh`, publish again, or renew the root"
            }
            Self::Rollback { .. } => {
                "the mirror is behind or somebody replays an old tree; try another mirror or tell the operator"
            }
            Self::Integrity { .. } => "try again or use another mirror; if it stays, the operator has to publish again",
            Self::WrongDocument { .. } => "check the address: it serves another site or something that is not one",
            Self::UnsealFailed { .. } => {
                "tell the operator: the published tree is faulty (`anode verify` names the object)"
            }
            Self::Clock { .. } => "set the clock in the firmware setup",
            Self::TooNew { .. } => "make a new medium with the current version",
            Self::Unreachable(_) => "check cable, network and address, then try again",
            Self::Tls(_) => {
                "check this machine's clock and the server's certificate; a private CA is given with `--ca`"
            }
            Self::TooSlow(_) => "try again on a better connection or from a nearer mirror",
            Self::NotASite(_) => "check the address; if this network shows a log-in page, log in first",
        }
    }

    pub(crate) fn signature(document: &str, problem: impl Into<String>) -> Refusal {
        Refusal::SignatureInvalid { document: document.to_owned(), problem: problem.into() }
    }

    pub(crate) fn wrong(document: &str, problem: impl Into<String>) -> Refusal {
        Refusal::WrongDocument { document: document.to_owned(), problem: problem.into() }
    }

    pub(crate) fn unseal(what: &str, problem: impl Into<String>) -> Refusal {
        Refusal::UnsealFailed { what: what.to_owned(), problem: problem.into() }
    }

    pub(crate) fn too_new(what: &str, feature: impl Into<String>) -> Refusal {
        Refusal::TooNew { what: what.to_owned(), feature: feature.into() }
    }

    pub(crate) fn hash(what: &str, wanted: &Sha256, found: &Sha256) -> Refusal {
        Refusal::Integrity { what: what.to_owned(), wanted: wanted.to_string(), found: found.to_string() }
    }

    pub(crate) fn length(what: &str, wanted: u64, found: u64) -> Refusal {
        Refusal::Integrity { what: what.to_owned(), wanted: format!("{wanted} bytes"), found: format!("{found} bytes") }
    }

    pub(crate) fn unlisted_key(document: &str, key: KeyId) -> Refusal {
        Refusal::signature(document, format!("signed by key {key}, which the root does not list for this role"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_comes_with_a_remedy_of_its_own() {
        let text = || "it".to_owned();
        let (moment, what) = (Moment::parse("2026-11-21T09:00:00Z").unwrap(), text());
        let refusals = [
            Refusal::CodeMalformed(crate::code::BadCode::ForeignLength { found: 3 }),
            Refusal::CodeUnknown,
            Refusal::CodeNotValid(text()),
            Refusal::HardwareMismatch,
            Refusal::ProfileUnknown { wanted: text(), offered: Vec::new() },
            Refusal::AnswerInvalid { prompt: text(), problem: text() },
            Refusal::signature(&what, text()),
            Refusal::Expired { document: text(), expires: moment, rtc: moment, newest: moment },
            Refusal::Rollback { document: text(), found: 1, floor: 2 },
            Refusal::length(&what, 1, 2),
            Refusal::wrong(&what, text()),
            Refusal::unseal(&what, text()),
            Refusal::Clock { rtc: moment, build: moment },
            Refusal::too_new(&what, text()),
            Refusal::Unreachable(text()),
            Refusal::Tls(text()),
            Refusal::TooSlow(text()),
            Refusal::NotASite(text()),
        ];
        let remedies: std::collections::BTreeSet<_> = refusals.iter().map(Refusal::remedy).collect();
        let exits: std::collections::BTreeSet<_> = refusals.iter().map(|refusal| refusal.exit().number()).collect();
        assert_eq!((remedies.len(), exits.len()), (refusals.len(), refusals.len()));
        assert!(remedies.iter().all(|remedy| remedy.split(' ').count() > 3), "{remedies:?}");
    }
}
