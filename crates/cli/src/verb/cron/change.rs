//! `cron pause`, `cron resume`, `cron remove`, and how a change is told.

use cascade_receipt::decision::Verdict;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;
use cascade_runtime::cron::{self, Change, Changed, name_of};
use clap::Args;

use super::find;
use crate::args::Global;
use crate::exit::{self, Exit};
use crate::output::{BAD, CARE, GOOD, Painted};
use crate::verb::spec;
use crate::{failures, output, place, reasons};

#[derive(Args, Debug)]
pub(super) struct Named {
    /// Its name, or the id of the receipt that added it
    #[arg(value_name = "NAME")]
    name: String,
    /// Why, in your words; kept privately with the receipt
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Do what was approved: the id of its escalation
    #[arg(long, value_name = "ID")]
    approval: Option<String>,
}

pub(super) fn pause(global: &Global, args: &Named) -> Exit {
    change(global, args, |schedule, name| Change::Pause(schedule, name), "paused")
}

pub(super) fn resume(global: &Global, args: &Named) -> Exit {
    change(global, args, |schedule, name| Change::Resume(schedule, name), "resumed")
}

pub(super) fn remove(global: &Global, args: &Named) -> Exit {
    change(global, args, |schedule, name| Change::Remove(schedule, name), "removed")
}

fn change(
    global: &Global,
    args: &Named,
    what: impl for<'a> FnOnce(&'a cascade_ledger::Schedule, &'a str) -> Change<'a>,
    done: &str,
) -> Exit {
    let ledger = place::existing(global)?;
    let schedule = find(&ledger, &args.name)?;
    let name = name_of(&ledger, &schedule)?;
    let driver = spec::driver(global, &ledger, args.reason.as_ref())?;
    let what = what(&schedule, &name);
    let changed = cron::change(&ledger, &what, &driver, args.approval.as_deref()).map_err(failures::cron)?;
    told(global, (&name, schedule.receipt_id), &changed, done)
}

/// Tells a person or a program what came of a change.
pub(super) fn told(global: &Global, (name, id): (&str, ReceiptId), changed: &Changed, done: &str) -> Exit {
    let verdict = changed.ruling.decision.verdict;
    let receipt = changed.receipt.receipt_id;
    if global.json {
        let mut members = vec![
            ("name", name.into()),
            ("reasons", reasons::document(&changed.ruling)),
            ("receipt_id", receipt.to_string().into()),
            ("verdict", verdict.as_str().into()),
        ];
        if verdict == Verdict::Admit {
            members.push(("schedule", id.to_string().into()));
        }
        let members = members.into_iter().map(|(key, value)| (key.to_owned(), value));
        output::json(&Value::Object(members.collect()))?;
    } else {
        let word = match verdict {
            Verdict::Admit => Painted(GOOD, done),
            Verdict::Escalate => Painted(CARE, "waits for an approval"),
            Verdict::Deny => Painted(BAD, "denied"),
        };
        output::say(format_args!("{word}: {}", output::safe(name)));
        if verdict != Verdict::Admit {
            for text in reasons::texts(&changed.ruling) {
                output::say(text);
            }
        }
        output::say(format_args!("receipt {receipt}"));
        if verdict == Verdict::Escalate {
            output::hint_line(format_args!(
                "once it is approved, repeat it with --approval {receipt}; cascade approve {receipt}"
            ));
        }
    }
    Ok(match verdict {
        Verdict::Admit => exit::DONE,
        Verdict::Escalate => exit::WAITING,
        Verdict::Deny => exit::DENIED,
    })
}
