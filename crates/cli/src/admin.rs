//! What administrators alone may do, refused to others in words.

use cascade_ledger::Ledger;
use cascade_runtime::admin::AdminError;
use cascade_runtime::facts::Asker;
use cascade_runtime::refused_act::{self, Act};

use crate::exit::{self, Failure};
use crate::failures;
use crate::reasons;
use cascade_runtime::record;

/// Longest command line that a refusal keeps, in characters.
const LINE_CHARS_MAX: usize = 4096;

/// Puts a denied act on record, under whoever asks; other failures are none of the log's.
pub(crate) fn on_record(ledger: &Ledger, asker: &Asker, act: &str, failure: Failure) -> Failure {
    let Some(reason) = failure.reason.filter(|_| failure.code == exit::DENIED) else { return failure };
    match refused_act::record(ledger, asker, &Act { name: act, line: &line() }, reason) {
        Ok(receipt) => Failure { receipt: Some(receipt.receipt_id), ..failure },
        Err(error) => error.into(),
    }
}

/// What was typed.
fn line() -> String {
    let words = std::env::args_os().skip(1).map(|word| record::quoted(&word.to_string_lossy()));
    let line = std::iter::once("cascade".to_owned()).chain(words).collect::<Vec<_>>().join(" ");
    line.chars().take(LINE_CHARS_MAX).collect()
}

/// A refusal is a denial (exit 3); other trouble is not.
pub(crate) fn refused(error: AdminError) -> Failure {
    if let Some(code) = error.refusal() {
        let hint = match &error {
            AdminError::Sign(sign) => failures::ssh(sign),
            _ => Some(hint(code).to_owned()),
        };
        let cause = match error {
            AdminError::Refused(_) => anyhow::anyhow!("{}", reasons::code_text(code)),
            other => other.into(),
        };
        return Failure { hint, ..Failure::refused(cause, code) };
    }
    match error {
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
        "approval.beneath_run" => "use a terminal that no `cascade run` started, nor `cascade shell`",
        "approval.hidden_ancestry" => {
            "/proc must show the processes above this one (see hidepid in `man 5 proc`), and /dev have `full`"
        }
        _ => "an administrator must do this, on a terminal of their own",
    }
}
