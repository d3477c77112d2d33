//! Exit codes by meaning, and failures that know theirs.

use std::fmt;

use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;

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

/// Ended by a signal, as shells say it.
pub(crate) fn signalled(signal: i32) -> u8 {
    u8::try_from(signal).map_or(COULD_NOT, |signal| 128_u8.saturating_add(signal))
}

/// A failure with its exit code and, where a person can act, a hint.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) cause: anyhow::Error,
    pub(crate) hint: Option<String>,
    /// Where somebody was refused: the code of the reason, as receipts have it.
    pub(crate) reason: Option<&'static str>,
    /// What records it.
    pub(crate) receipt: Option<ReceiptId>,
    /// What is wrong with a file, each with its place, for programs; the cause tells it to people.
    pub(crate) faults: Vec<Value>,
}

impl Failure {
    pub(crate) const fn of(code: u8, cause: anyhow::Error, hint: Option<String>) -> Self {
        Self { code, cause, hint, reason: None, receipt: None, faults: Vec::new() }
    }

    pub(crate) const fn could_not(cause: anyhow::Error) -> Self {
        Self::of(COULD_NOT, cause, None)
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::of(USAGE, anyhow::anyhow!("{message}"), None)
    }

    pub(crate) fn denied(message: impl fmt::Display) -> Self {
        Self::of(DENIED, anyhow::anyhow!("{message}"), None)
    }

    /// Denied for a reason that goes on record.
    pub(crate) fn refused(cause: impl Into<anyhow::Error>, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..Self::of(DENIED, cause.into(), None) }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let cause = error.into();
        let hint = failures::unseen(&cause);
        Self::of(COULD_NOT, cause, hint)
    }
}

/// What every verb returns: an exit code, or a failure that carries one.
pub(crate) type Exit = Result<u8, Failure>;
