//! Exit codes by meaning, and failures that know theirs.

use std::fmt;

use crate::failures;

/// Done.
pub(crate) const DONE: u8 = 0;
/// Could not: not found, unreadable, no space.
pub(crate) const COULD_NOT: u8 = 1;
/// Wrong usage.
pub(crate) const USAGE: u8 = 2;
/// Denied.
pub(crate) const DENIED: u8 = 3;
/// Evidence invalid, or damage found.
pub(crate) const EVIDENCE: u8 = 4;
/// Waiting for approval.
pub(crate) const WAITING: u8 = 5;
/// Done, with findings or differences, under `--check`.
pub(crate) const FINDINGS: u8 = 6;
/// Timed out.
pub(crate) const TIMED_OUT: u8 = 124;

/// A failure with its exit code and, where a person can act, a hint.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) cause: anyhow::Error,
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) const fn could_not(cause: anyhow::Error) -> Self {
        Self { code: COULD_NOT, cause, hint: None }
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { code: USAGE, cause: anyhow::anyhow!("{message}"), hint: None }
    }

    pub(crate) fn denied(message: impl fmt::Display) -> Self {
        Self { code: DENIED, cause: anyhow::anyhow!("{message}"), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let cause = error.into();
        Self { code: COULD_NOT, hint: failures::unseen(&cause), cause }
    }
}

/// What every verb returns: an exit code, or a failure that carries one.
pub(crate) type Exit = Result<u8, Failure>;
