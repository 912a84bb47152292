//! How a run ends badly: every way has an exit code, a text, and a remedy.

use std::io;

use anode_bundle::{ExitCode, Refusal};

/// Why a run did not reach its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line does not say what to do.
    #[error("{problem}")]
    Usage {
        /// What is wrong with it.
        problem: String,
        /// What would be right.
        remedy: String,
    },
    /// The person said no to the last question.
    #[error("stopped before anything was written, as you wished")]
    Declined,
    /// Nobody is there to answer: the input ended.
    #[error("the input ended at the question `{0}`")]
    NoAnswer(String),
    /// The contract is broken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Several answers are wrong at once.
    #[error("{}", listed(.0))]
    Answers(Vec<Refusal>),
    /// A local file could not be read or written.
    #[error("{problem}")]
    Io {
        /// Which file, and what went wrong.
        problem: String,
        /// What would help.
        remedy: String,
    },
    /// The verified files can not reach the installer.
    #[error("{problem}")]
    HandOver {
        /// Which step failed, and why.
        problem: String,
        /// What would help.
        remedy: String,
    },
    /// A bug.
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    pub(crate) fn usage(problem: impl Into<String>, remedy: impl Into<String>) -> Failure {
        Failure::Usage { problem: problem.into(), remedy: remedy.into() }
    }

    pub(crate) fn hand_over(problem: impl Into<String>, remedy: impl Into<String>) -> Failure {
        Failure::HandOver { problem: problem.into(), remedy: remedy.into() }
    }

    pub(crate) fn io(problem: impl Into<String>) -> Failure {
        let remedy = "check that the path exists, that you may use it, and that there is room".to_owned();
        Failure::Io { problem: problem.into(), remedy }
    }

    /// The process's exit status and its stable name.
    #[must_use]
    pub fn exit(&self) -> ExitCode {
        match self {
            Self::Usage { .. } => ExitCode::Usage,
            Self::Declined | Self::NoAnswer(_) => ExitCode::Declined,
            Self::Refused(refusal) => refusal.exit(),
            Self::Answers(_) => ExitCode::AnswerInvalid,
            Self::Io { .. } => ExitCode::Io,
            Self::HandOver { .. } => ExitCode::HandOver,
            Self::Internal(_) => ExitCode::Internal,
        }
    }

    /// What the person who sees this can do now.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Usage { remedy, .. } | Self::Io { remedy, .. } | Self::HandOver { remedy, .. } => remedy.clone(),
            Self::Declined => "start again when you are ready".to_owned(),
            Self::NoAnswer(_) => "type at a terminal, or give `--code`, `--profile` and `--answer`".to_owned(),
            Self::Refused(refusal) => refusal.remedy().to_owned(),
            Self::Answers(refusals) => refusals.first().map(Refusal::remedy).unwrap_or_default().to_owned(),
            Self::Internal(_) => "this is a bug: please report it with the command line, without the code".to_owned(),
        }
    }
}

fn listed(refusals: &[Refusal]) -> String {
    refusals.iter().map(Refusal::to_string).collect::<Vec<_>>().join("; ")
}

/// An I/O error's reason without the number that the standard library appends.
pub(crate) fn reason(error: &io::Error) -> String {
    let mut text = error.to_string();
    text.truncate(text.find(" (os error").unwrap_or(text.len()));
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_remedy_and_a_code() {
        for failure in [
            Failure::usage("a", "b"),
            Failure::Declined,
            Failure::NoAnswer("q".into()),
            Failure::Refused(Refusal::CodeUnknown),
            Failure::Answers(vec![Refusal::AnswerInvalid { prompt: "p".into(), problem: "is missing".into() }]),
            Failure::io("a"),
            Failure::hand_over("a", "b"),
            Failure::Internal("a".into()),
        ] {
            assert!(!failure.remedy().is_empty(), "{failure:?}");
            assert!(failure.exit() != ExitCode::Done);
        }
    }

    #[test]
    fn reasons_have_no_numbers_and_begin_in_lower_case() {
        assert_eq!(reason(&io::Error::from_raw_os_error(30)), "read-only file system");
    }
}
