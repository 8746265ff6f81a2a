//! A temporary failure, with its story.

use std::fmt;

use super::{HashTrouble, TempFailReason};

/// Why keydove could not find out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TempFail {
    /// The kind of trouble, for metrics and the log.
    pub reason: TempFailReason,
    /// What was attempted, on what, and what went wrong. Never holds a secret.
    pub detail: String,
}

impl TempFail {
    /// A temporary failure with its story.
    #[must_use]
    pub fn new(reason: TempFailReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// Whether it is about one stored hash that matches nothing until it is set again.
    #[must_use]
    pub fn can_never_match(&self) -> bool {
        self.reason.stored_hash() == HashTrouble::Useless
    }

    /// Whether it is about one stored hash, so that another may still do.
    #[must_use]
    pub fn is_of_one_hash(&self) -> bool {
        self.reason.stored_hash() != HashTrouble::Unconcerned
    }
}

impl fmt::Display for TempFail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.code(), self.detail)
    }
}
