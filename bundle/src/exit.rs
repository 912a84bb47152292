//! The exit codes of `anode-fetch`, stable across versions (design, section 8).

/// How a run ended. The number is the process's exit status, the name stands in the `code` field of `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "each variant is its own name, explained in docs/exit-codes.md")]
pub enum ExitCode {
    Done = 0,
    Usage = 2,
    Declined = 3,
    CodeMalformed = 10,
    CodeUnknown = 11,
    CodeNotValid = 12,
    HardwareMismatch = 13,
    ProfileUnknown = 14,
    AnswerInvalid = 15,
    SignatureInvalid = 20,
    MetadataExpired = 21,
    Rollback = 22,
    Integrity = 23,
    WrongDocument = 24,
    UnsealFailed = 25,
    Clock = 26,
    TooNew = 27,
    Unreachable = 30,
    Tls = 31,
    TooSlow = 32,
    NotASite = 33,
    HandOver = 40,
    Io = 50,
    Internal = 70,
}

impl ExitCode {
    /// Every code, in ascending order.
    pub const ALL: [ExitCode; 24] = [
        Self::Done,
        Self::Usage,
        Self::Declined,
        Self::CodeMalformed,
        Self::CodeUnknown,
        Self::CodeNotValid,
        Self::HardwareMismatch,
        Self::ProfileUnknown,
        Self::AnswerInvalid,
        Self::SignatureInvalid,
        Self::MetadataExpired,
        Self::Rollback,
        Self::Integrity,
        Self::WrongDocument,
        Self::UnsealFailed,
        Self::Clock,
        Self::TooNew,
        Self::Unreachable,
        Self::Tls,
        Self::TooSlow,
        Self::NotASite,
        Self::HandOver,
        Self::Io,
        Self::Internal,
    ];

    /// The process's exit status.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The stable name used in `--json` and in the documentation; empty for success.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "",
            Self::Usage => "usage",
            Self::Declined => "declined",
            Self::CodeMalformed => "code-malformed",
            Self::CodeUnknown => "code-unknown",
            Self::CodeNotValid => "code-not-valid",
            Self::HardwareMismatch => "hardware-mismatch",
            Self::ProfileUnknown => "profile-unknown",
            Self::AnswerInvalid => "answer-invalid",
            Self::SignatureInvalid => "signature-invalid",
            Self::MetadataExpired => "metadata-expired",
            Self::Rollback => "rollback",
            Self::Integrity => "integrity",
            Self::WrongDocument => "wrong-document",
            Self::UnsealFailed => "unseal-failed",
            Self::Clock => "clock",
            Self::TooNew => "too-new",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::TooSlow => "too-slow",
            Self::NotASite => "not-a-site",
            Self::HandOver => "hand-over",
            Self::Io => "io",
            Self::Internal => "internal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode;

    #[test]
    fn numbers_and_names_are_unique_and_ascending() {
        for pair in ExitCode::ALL.windows(2) {
            assert!(pair[0].number() < pair[1].number());
            assert_ne!(pair[0].name(), pair[1].name());
        }
    }
}
