//! What administrators alone may do, refused to others in words.

use cascade_runtime::admin::AdminError;

use crate::exit::Failure;
use crate::reasons;

/// A refusal is a denial (exit 3); other trouble is not.
pub(crate) fn refused(error: AdminError) -> Failure {
    match error {
        AdminError::Refused(code) => Failure::denied(reasons::code_text(code))
            .hint("an administrator must do this, on a terminal of their own"),
        other => other.into(),
    }
}
