//! What administrators alone may do, refused to others in words.

use cascade_runtime::admin::AdminError;

use crate::exit::Failure;
use crate::failures;
use crate::reasons;

/// A refusal is a denial (exit 3); other trouble is not.
pub(crate) fn refused(error: AdminError) -> Failure {
    match error {
        AdminError::Refused(code) => Failure::denied(reasons::code_text(code)).hint(hint(code)),
        AdminError::Append(append) => {
            let hint = append.hint().map(str::to_owned);
            Failure { hint, ..Failure::could_not(AdminError::Append(append).into()) }
        }
        AdminError::Sign(sign) => {
            let hint = failures::ssh(&sign);
            Failure { hint, ..Failure::could_not(AdminError::Sign(sign).into()) }
        }
        other => other.into(),
    }
}

/// What to do about a refusal of this kind.
pub(crate) fn hint(code: &str) -> &'static str {
    match code {
        "approval.beneath_run" => "use a terminal that no `cascade run` started",
        "approval.hidden_ancestry" => {
            "/proc must show the processes above this one (see hidepid in `man 5 proc`)"
        }
        _ => "an administrator must do this, on a terminal of their own",
    }
}
