//! What stands on people's answers: waiting for them, and being turned away.

use std::collections::BTreeMap;

use cascade_ledger::Ledger;
use cascade_receipt::content::Ref;
use cascade_receipt::decision::Verdict;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;
use cascade_runtime::consent::{self, Objections};
use cascade_runtime::facts::Asker;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{Painted, verdict_style};
use crate::{failures, output, reasons};

/// What stands against an action that more approvals would lift.
const WAITING_CODES: [&str; 2] = ["approval.missing", "approval.too_few"];
/// What is told by a word alone, and lifted only by asking anew.
const CHANGED_CODES: [&str; 3] =
    ["approval.changed_action", "approval.changed_file", "approval.changed_words"];

/// How a verb speaks of what it did not do.
pub(super) struct Words {
    /// Members of its document that are there all the same, empty.
    pub(super) empty: &'static [&'static str],
    /// What did not happen.
    pub(super) not_done: &'static str,
    /// What to do where it is not what was approved.
    pub(super) anew: &'static str,
}

/// Who is waited for, on stderr also with `--json`: the person who reads it can do something.
pub(super) fn announce(ledger: &Ledger, asked: ReceiptId) -> Result<(), Failure> {
    if let Some(subject) = ledger.subject(asked)? {
        let until = subject.expires.map(|time| format!(", until {time}")).unwrap_or_default();
        let groups = subject.groups.join(", ");
        output::say(format_args!("waiting for {} approval(s) of {groups}{until}", subject.required));
    }
    output::hint_line(format_args!("somebody eligible runs: cascade approve {asked}"));
    Ok(())
}

/// An approval that cannot carry this action leaves a receipt and ends it here.
pub(super) fn turned_away(
    global: &Global,
    ledger: &Ledger,
    asker: &Asker,
    ((refs, subject), against): ((Vec<Ref>, ReceiptId), Objections),
    words: &Words,
) -> Exit {
    let Objections { reasons, changed } = against;
    let waiting = reasons.iter().all(|reason| WAITING_CODES.contains(&reason.code.as_str()));
    let (receipt, reasons) = consent::refuse(ledger, asker, refs, reasons).map_err(failures::consent)?;
    let verdict = if waiting { Verdict::Escalate } else { Verdict::Deny };
    let code = if waiting { exit::WAITING } else { exit::DENIED };
    if global.json {
        let id = receipt.receipt_id.to_string();
        let mut members = BTreeMap::from([
            ("exit_code", u32::from(code).into()),
            ("reasons", reasons::codes(&reasons)),
            ("receipt_id", id.as_str().into()),
            ("receipts", Value::Array(vec![id.into()])),
            ("changed", Value::Array(changed.iter().map(|text| text.as_str().into()).collect())),
            ("verdict", verdict.as_str().into()),
        ]);
        members.extend(words.empty.iter().map(|name| (*name, "".into())));
        output::json(&Value::Object(
            members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        ))?;
        return Ok(code);
    }
    output::say(format_args!("{}: {}", Painted(verdict_style(verdict), verdict), words.not_done));
    for reason in &reasons {
        output::say(format_args!("  {}", reasons::code_text(&reason.code)));
    }
    for text in &changed {
        output::say(format_args!("  {text}"));
    }
    if reasons.iter().any(|reason| CHANGED_CODES.contains(&reason.code.as_str())) {
        output::hint_line(words.anew);
    }
    if waiting {
        output::hint_line(format_args!("somebody eligible runs: cascade approve {subject}"));
    }
    output::say(format_args!("receipt {}", receipt.receipt_id));
    Ok(code)
}
