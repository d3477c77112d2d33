//! Failures of the layers below, with the hint a person can act on.

use cascade_ledger::AppendError;
use cascade_runtime::consent::ConsentError;
use cascade_runtime::govern::GovernError;
use cascade_runtime::ssh::SshError;

use crate::exit::Failure;

/// A run that has no end.
pub(crate) fn govern(error: GovernError) -> Failure {
    let hint = match &error {
        GovernError::Append(append) => append_hint(append),
        GovernError::Ledger(fault) => fault.hint().map(str::to_owned),
        GovernError::Unsettled => Some("try again".to_owned()),
        GovernError::Policy(_) => Some("run `cascade fsck`".to_owned()),
        GovernError::Look(_) | GovernError::Release(_) | GovernError::Run(_) | GovernError::Defect(_) => None,
    };
    Failure { hint, ..Failure::could_not(error.into()) }
}

/// An answer or approved run that could not be looked at.
pub(crate) fn consent(error: ConsentError) -> Failure {
    let hint = match &error {
        ConsentError::NotFound(_) | ConsentError::NotAnswerable(..) => {
            Some("`cascade approvals` lists what waits".to_owned())
        }
        ConsentError::Ambiguous(_) => Some("give more of the id".to_owned()),
        ConsentError::Append(append) => append_hint(append),
        ConsentError::Ledger(fault) => fault.hint().map(str::to_owned),
        ConsentError::Sign(error) => ssh(error),
        _ => None,
    };
    Failure { hint, ..Failure::could_not(error.into()) }
}

/// A signature that could not be made.
pub(crate) fn ssh(_: &SshError) -> Option<String> {
    Some("start the SSH agent that holds the administrator's key, or give --key FILE".to_owned())
}

fn append_hint(error: &AppendError) -> Option<String> {
    error.hint().map(str::to_owned)
}
