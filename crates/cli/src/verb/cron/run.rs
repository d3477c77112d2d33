//! `cron run`.

use cascade_ledger::Ledger;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;
use cascade_runtime::cron::{self, CronError, Ending, Ran, Scheduler, Stored, Told};
use cascade_runtime::workflow::Driver;
use clap::Args;

use super::find;
use crate::args::Global;
use crate::exit::{self, Exit};
use crate::output::{BAD, BOLD, CARE, DIM, GOOD, Painted};
use crate::verb::spec;
use crate::{admin, failures, output, place, reasons};

#[derive(Args, Debug)]
pub(super) struct Run {
    /// Let this schedule run now, whenever it is due; its name or id
    #[arg(value_name = "NAME", conflicts_with = "once")]
    name: Option<String>,
    /// Let run what is due now, and end when that is over
    #[arg(long)]
    once: bool,
    /// Why, in your words; kept privately with the receipts
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) fn run(global: &Global, args: &Run) -> Exit {
    let ledger = place::existing(global)?;
    let driver = spec::driver(global, &ledger, args.reason.as_ref())?;
    if let Some(name) = &args.name {
        return now(global, &ledger, &driver, name);
    }
    let mut broken = None;
    let mut tell = |told: Told| {
        if let Err(error) = tell(global, &told) {
            broken = Some(error);
        }
    };
    let mut scheduler = Scheduler::new(&ledger, &driver, &mut tell).map_err(failures::cron)?;
    scheduler.run(args.once, &mut tell).map_err(failures::cron)?;
    broken.map_or(Ok(exit::DONE), |error| Err(error.into()))
}

fn now(global: &Global, ledger: &Ledger, driver: &Driver, name: &str) -> Exit {
    let schedule = find(ledger, name)?;
    let definition = match cron::stored(ledger, &schedule)? {
        Stored::Whole(definition) => definition,
        Stored::Erased => return Err(failures::cron(CronError::Erased(schedule.receipt_id))),
        Stored::Damaged => return Err(failures::cron(CronError::Damaged(schedule.receipt_id))),
    };
    let fired = cron::fire(ledger, &schedule, &definition, driver);
    let (receipt, ran) =
        fired.map_err(|error| admin::on_record(ledger, &driver.asker, "cron_run", failures::cron(error)))?;
    tell(global, &Told::Ended(definition.name.clone(), receipt.receipt_id, ran.clone()))?;
    Ok(match ran.ending {
        Ending::Completed => exit::DONE,
        Ending::Failed | Ending::Unstarted => exit::COULD_NOT,
        Ending::Blocked => exit::DENIED,
        Ending::Escalated | Ending::Waits => exit::WAITING,
    })
}

fn tell(global: &Global, told: &Told) -> std::io::Result<()> {
    if global.json {
        return document(told).map_or(Ok(()), |document| output::json(&document));
    }
    let named = |name: &str| Painted(BOLD, output::safe(name));
    match told {
        Told::Begun(count) => output::say(format_args!("looks after {count} schedule(s)")),
        Told::Others(name) => output::say(format_args!(
            "{} was added by somebody else, whom you may not be taken for: it is left alone",
            named(name)
        )),
        Told::Lost(id) => output::say(format_args!("the definition of {id} is erased or damaged")),
        Told::Fires(name, due, id) => {
            output::say(format_args!("{} fires for {due} {}", named(name), Painted(DIM, id)));
        }
        Told::Skipped(name, due, code, id) => output::say(format_args!(
            "{} {} for {due}: {} {}",
            named(name),
            Painted(CARE, "skipped"),
            reasons::code_text(code),
            Painted(DIM, id)
        )),
        Told::Missed(name, due, count, more, id) => {
            let least = if *more { "at least " } else { "" };
            output::say(format_args!(
                "{} {} {least}{count} time(s) from {due} {}",
                named(name),
                Painted(CARE, "missed"),
                Painted(DIM, id)
            ));
        }
        Told::Ended(name, _, ran) => {
            let style = match ran.ending {
                Ending::Completed => GOOD,
                Ending::Escalated | Ending::Waits => CARE,
                Ending::Failed | Ending::Blocked | Ending::Unstarted => BAD,
            };
            let code = ran.exit_code.map(|code| format!(" ({code})")).unwrap_or_default();
            let last = ran.receipts.last().map(ReceiptId::to_string).unwrap_or_default();
            output::say(format_args!(
                "{} {}{code} {}",
                named(name),
                Painted(style, ran.ending.as_str()),
                Painted(DIM, last)
            ));
            for reason in &ran.reasons {
                output::say(reasons::code_text(reason));
            }
        }
        Told::Stopped => output::say("stops: nothing more starts, what runs is waited for"),
    }
    Ok(())
}

/// One line for a program; what concerns the scheduler alone is none.
fn document(told: &Told) -> Option<Value> {
    let text = |value: &dyn ToString| Value::from(value.to_string());
    let members = match told {
        Told::Begun(_) | Told::Stopped => return None,
        Told::Others(name) => vec![("event", "left_alone".into()), ("name", name.as_str().into())],
        Told::Lost(id) => vec![("event", "lost".into()), ("schedule", text(id))],
        Told::Fires(name, due, id) => vec![
            ("due", text(due)),
            ("event", "run".into()),
            ("name", name.as_str().into()),
            ("receipt_id", text(id)),
        ],
        Told::Skipped(name, due, code, id) => vec![
            ("due", text(due)),
            ("event", "skip".into()),
            ("name", name.as_str().into()),
            ("reasons", Value::Array(vec![(*code).into()])),
            ("receipt_id", text(id)),
        ],
        Told::Missed(name, due, count, more, id) => vec![
            ("count", Value::Int(i64::try_from(*count).unwrap_or(i64::MAX))),
            ("due", text(due)),
            ("event", "miss".into()),
            ("name", name.as_str().into()),
            ("receipt_id", text(id)),
            ("truncated", (*more).into()),
        ],
        Told::Ended(name, invocation, ran) => ended(name, *invocation, ran),
    };
    Some(Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}

fn ended(name: &str, invocation: ReceiptId, ran: &Ran) -> Vec<(&'static str, Value)> {
    let receipts = ran.receipts.iter().map(|id| id.to_string().into()).collect();
    let reasons = ran.reasons.iter().map(|reason| reason.as_str().into()).collect();
    let mut members = vec![
        ("event", "end".into()),
        ("invocation", invocation.to_string().into()),
        ("name", name.into()),
        ("reasons", Value::Array(reasons)),
        ("receipts", Value::Array(receipts)),
        ("status", ran.ending.as_str().into()),
    ];
    members.extend(ran.exit_code.map(|code| ("exit_code", Value::Int(code))));
    members
}
