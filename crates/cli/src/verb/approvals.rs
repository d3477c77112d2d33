use cascade_ledger::{Reader, Subject, SubjectState};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BOLD, CARE, DIM, GOOD, Painted};
use crate::record::{ERASED, Record};
use crate::{output, place};

/// What waits for people
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade approvals
  cascade approvals --expired --json")]
pub(crate) struct Approvals {
    /// Also those whose time has run out
    #[arg(long)]
    expired: bool,
}

pub(crate) fn run(global: &Global, args: &Approvals) -> Exit {
    let reader = place::reader(global)?;
    let now = cascade_runtime::facts::chain_now(&reader)?;
    let mut waiting = reader.pending_escalations()?;
    waiting.retain(|subject| args.expired || live(subject, now));
    if waiting.is_empty() && !global.json {
        output::say("nothing waits for approval");
    }
    for subject in &waiting {
        let (command, who) = about(&reader, subject)?;
        if global.json {
            output::json(&document(&reader, subject, &command)?)?;
            continue;
        }
        let state = if subject.state == SubjectState::Approved {
            Painted(GOOD, "approved")
        } else {
            Painted(CARE, "waiting")
        };
        output::line(format_args!(
            "{}  {state}  {}",
            Painted(BOLD, subject.receipt_id),
            output::shortened(&command, 80)
        ))?;
        let until = subject.expires.map(|time| format!(", until {time}")).unwrap_or_default();
        output::line(format_args!(
            "  {}",
            Painted(
                DIM,
                format!(
                    "asked by {who}, {} approval(s) of {}{until}",
                    subject.required,
                    subject.groups.join(", ")
                )
            )
        ))?;
    }
    Ok(exit::DONE)
}

fn live(subject: &Subject, now: Timestamp) -> bool {
    subject.expires.is_none_or(|expires| expires > now)
}

fn about(reader: &Reader, subject: &Subject) -> Result<(String, String), Failure> {
    let who = reader.name(subject.principal)?.map_or_else(|| subject.principal.to_string(), |name| name.name);
    let line = reader.lines(subject.seq..subject.seq + 1).next().transpose()?;
    let record = line.and_then(|line| Record::parse(line.seq, &line.text));
    let command = record.map(|record| record.command(reader)).transpose()?.flatten();
    Ok((command.unwrap_or_else(|| ERASED.to_owned()), who))
}

fn document(reader: &Reader, subject: &Subject, command: &str) -> Result<Value, Failure> {
    let approvals = reader.approvals_of(subject.receipt_id)?;
    let answers = approvals.iter().map(|answer| {
        Value::object([
            ("approve", answer.approve.into()),
            ("principal", answer.principal.to_string().into()),
            ("receipt_id", answer.receipt_id.to_string().into()),
        ])
    });
    Ok(Value::object([
        ("answers", Value::Array(answers.collect())),
        ("command", command.into()),
        ("expires", subject.expires.map(|time| time.to_string()).unwrap_or_default().into()),
        ("principal", subject.principal.to_string().into()),
        ("receipt_id", subject.receipt_id.to_string().into()),
        ("required", subject.required.into()),
        ("state", if subject.state == SubjectState::Approved { "approved" } else { "waiting" }.into()),
    ]))
}
