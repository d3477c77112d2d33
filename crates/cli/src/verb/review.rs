use std::path::PathBuf;

use cascade_ledger::Reader;
use cascade_receipt::json::Value;
use cascade_runtime::consent::{ConsentError, Replied};
use cascade_runtime::facts::Asker;
use cascade_runtime::glass::{self, Waiting};
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, BOLD, CARE, DIM, GOOD, Painted};
use crate::signer::Signer;
use crate::verb::approve::answered;
use crate::{failures, output, place};
use cascade_runtime::record::{ERASED, Record};

/// What was done past the gates and waits for a review; or review one, signed with your SSH key
///
/// Whoever broke the glass cannot review it. While a review is overdue nobody breaks another, and what that person
/// asks for above LOW waits for an approval.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade review
  cascade review r_0123456789abcdef --justified --reason 'the incident needed it; see 4711'
  cascade review r_01234 --unjustified --reason 'an approver was at hand'")]
pub(crate) struct Review {
    /// The `break_glass`; the beginning of its id is enough [default: list what waits]
    id: Option<String>,
    /// It was right to do so
    #[arg(long, requires = "id")]
    justified: bool,
    /// It was not
    #[arg(long, requires = "id", conflicts_with = "justified")]
    unjustified: bool,
    /// Why, in your words; kept privately with the receipt
    #[arg(long, value_name = "TEXT", requires = "id")]
    reason: Option<String>,
    /// Private key to sign with [default: the SSH agent, then ~/.ssh]
    #[arg(long, value_name = "FILE", requires = "id")]
    key: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Review) -> Exit {
    let Some(id) = &args.id else { return list(global) };
    if args.justified == args.unjustified {
        let usage = Failure::usage("say whether it was right");
        return Err(usage.hint(format!("cascade review {id} --justified --reason TEXT, or --unjustified")));
    }
    let ledger = place::existing(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, args.key.clone())?;
    let order = glass::Review { id: id.clone(), justified: args.justified, reason: args.reason.clone() };
    let replied = glass::review(&ledger, &asker, &order, &mut |key, namespace, payload| {
        signer.sign(key, namespace, payload)
    });
    let failed = |error| Failure {
        hint: Some("`cascade review` lists what waits".to_owned()),
        ..failures::consent(error)
    };
    let replied = replied.map_err(|error| match error {
        ConsentError::NotFound(_) => failed(error),
        other => failures::consent(other),
    });
    let (receipt, code, word, reasons) = match replied? {
        Replied::Accepted(receipt) => (receipt, exit::DONE, Painted(GOOD, "reviewed"), Vec::new()),
        Replied::Refused(receipt, reasons) => (receipt, exit::DENIED, Painted(BAD, "refused"), reasons),
    };
    if answered(global, &asker, &receipt, (&word, &reasons))? {
        return Ok(code);
    }
    output::say(format_args!("receipt {}", receipt.receipt_id));
    Ok(code)
}

fn list(global: &Global) -> Exit {
    let reader = place::reader(global)?;
    let waiting = glass::waiting(&reader)?;
    if waiting.is_empty() && !global.json {
        output::say("nothing waits for a review");
    }
    for one in &waiting {
        let told = Told::of(&reader, one)?;
        if global.json {
            output::json(&told.document(one))?;
        } else {
            told.lines(one)?;
        }
    }
    Ok(exit::DONE)
}

/// What the vault adds.
struct Told {
    command: String,
    who: String,
    reason: Option<String>,
}

impl Told {
    fn of(reader: &Reader, one: &Waiting) -> Result<Self, Failure> {
        let glass = &one.glass;
        let who = reader.name(glass.principal)?.map_or_else(|| glass.principal.to_string(), |name| name.name);
        let line = reader.lines(glass.seq..glass.seq + 1).next().transpose()?;
        let record = line.and_then(|line| Record::parse(line.seq, &line.text));
        let command = record.as_ref().map(|record| record.command(reader)).transpose()?.flatten();
        let reason = record.as_ref().map(|record| record.reason(reader)).transpose()?.flatten();
        Ok(Self { command: command.unwrap_or_else(|| ERASED.to_owned()), who, reason })
    }

    fn lines(&self, one: &Waiting) -> Result<(), Failure> {
        let glass = &one.glass;
        let state = if one.overdue { Painted(BAD, "overdue") } else { Painted(CARE, "waiting") };
        let command = output::shortened(&self.command, 80);
        output::line(format_args!("{}  {state}  {command}", Painted(BOLD, glass.receipt_id)))?;
        let ran = glass.used_by.map_or_else(|| "never ran".to_owned(), |run| format!("ran as {run}"));
        let groups = glass.groups.join(", ");
        let terms = format!("by {}, {ran}; one of {groups} reviews it until {}", self.who, glass.due);
        output::line(format_args!("  {}", Painted(DIM, terms)))?;
        if let Some(reason) = &self.reason {
            output::line(format_args!("  {}", Painted(DIM, output::shortened(reason, 200))))?;
        }
        Ok(())
    }

    fn document(&self, one: &Waiting) -> Value {
        let glass = &one.glass;
        let groups = glass.groups.iter().map(|group| group.as_str().into()).collect();
        Value::object([
            ("command", self.command.as_str().into()),
            ("due", glass.due.to_string().into()),
            ("groups", Value::Array(groups)),
            ("overdue", one.overdue.into()),
            ("principal", glass.principal.to_string().into()),
            ("principal_name", self.who.as_str().into()),
            ("ran", glass.used_by.map(|run| run.to_string()).unwrap_or_default().into()),
            ("reason", self.reason.clone().unwrap_or_default().into()),
            ("receipt_id", glass.receipt_id.to_string().into()),
        ])
    }
}
