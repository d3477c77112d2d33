//! How a governed command ended, for whoever tells it.

use cascade_kernel::action::Outcome;

use super::Governed;
use crate::process::Status;

impl Governed {
    /// How it ended, in a word, where it was admitted and is not a dry run.
    #[must_use]
    pub const fn ended(&self) -> Option<&'static str> {
        match (&self.outcome, &self.status) {
            (Outcome::Decided(_), _) => None,
            (Outcome::ClosedElsewhere, _) | (_, Some(Status::Lost)) => Some("unknown"),
            (Outcome::Ran(_), Some(Status::Exited(_))) => Some("exited"),
            (Outcome::Ran(_), Some(Status::Signaled(_))) => Some("signaled"),
            (Outcome::Ran(_), Some(Status::Interrupted(_))) => Some("interrupted"),
            (Outcome::Ran(_), Some(Status::TimedOut)) => Some("timed_out"),
            (Outcome::Ran(_), Some(Status::Revoked)) => Some("revoked"),
            (Outcome::Ran(_), Some(Status::CouldNotStart(_)) | None) => Some("not_started"),
        }
    }

    /// The exit code of the command, when it ran and ended by itself.
    #[must_use]
    pub const fn exit_code(&self) -> Option<u8> {
        match self.status {
            Some(Status::Exited(code)) => Some(code),
            _ => None,
        }
    }
}
