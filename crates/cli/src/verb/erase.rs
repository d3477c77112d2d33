use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cascade_ledger::{EraseError, Holder, Wiped};
use cascade_receipt::json::Value;
use cascade_runtime::erase::{self, ErasureError, Gone, Step};
use cascade_runtime::facts::Asker;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{CARE, GOOD, Painted};
use crate::progress::Progress;
use crate::signer::Signer;
use crate::{admin, failures, output, place};

/// Waiting is told of after this long.
const SILENCE: Duration = Duration::from_millis(500);

/// Remove all private bytes of the action that a receipt belongs to
///
/// Command line, directory, environment, captured input, reasons and facts go, with the nonces that would let
/// somebody guess them; of all receipts of the action, from its dry run or escalation to its closer. The receipts
/// stay and the chain stays valid; an `erasure` receipt, signed by an administrator, says what is gone. Names of
/// principals stay. What was copied elsewhere before (backups, exports, bundles) is out of reach.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade erase r_0123456789abcdef
  cascade erase r_01234 --key ~/.ssh/id_ed25519 --json

Exit codes: 0 when the bytes are gone from every file, 1 with state `pending` when another process still reads them.")]
pub(crate) struct Erase {
    /// Any receipt of the action; the beginning of its id is enough
    id: String,
    /// Private SSH key of the administrator [default: the agent, or where the public key was found]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Erase) -> Exit {
    let ledger = place::existing(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, args.key.clone())?;
    let progress = Progress::new("looking", 0);
    let (started, mut told) = (Instant::now(), false);
    let gone = erase::erase(
        &ledger,
        &asker,
        &args.id,
        &mut |public, namespace, payload| signer.sign(public, namespace, payload),
        &mut |step| match step {
            Step::Looking(done, all) => progress.of(done, all),
            Step::Waiting(holders) => {
                if !told && started.elapsed() > SILENCE && std::io::stderr().is_terminal() {
                    output::say(format_args!("waiting for {}", output::safe(&names(holders))));
                    told = true;
                }
            }
        },
    );
    drop(progress);
    let gone = gone.map_err(|error| admin::on_record(&ledger, &asker, "erase", refused(error)))?;
    let done = gone.wiped == Wiped::Everywhere;
    if global.json {
        output::json(&document(&gone))?;
    } else {
        tell(&args.id, &gone)?;
    }
    if let Wiped::Pending(holders) = &gone.wiped {
        let what = if holders.is_empty() { "it" } else { "them" };
        output::hint_line(format_args!(
            "end {what} or wait, then run `cascade erase {}` again; the next command that opens the ledger also tries",
            args.id
        ));
    }
    Ok(if done { exit::DONE } else { exit::COULD_NOT })
}

fn tell(id: &str, gone: &Gone) -> Result<(), Failure> {
    match &gone.wiped {
        Wiped::Everywhere if gone.receipt_id.is_none() => {
            output::say(format_args!("nothing private is kept of {id}"));
        }
        Wiped::Everywhere => output::line(format_args!("{}", Painted(GOOD, "erased")))?,
        Wiped::Pending(holders) => {
            output::line(format_args!(
                "{}: old bytes stay on the disk while {} read them",
                Painted(CARE, "pending"),
                output::safe(&names(holders))
            ))?;
        }
    }
    for one in &gone.erased {
        output::line(format_args!("  {}  {}", one.receipt_id, one.fields.join(", ")))?;
    }
    if let Some(receipt) = gone.receipt_id {
        output::say(format_args!("receipt {receipt}"));
    }
    Ok(())
}

fn names(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return "a process that cannot be named".to_owned();
    }
    let one = |holder: &Holder| format!("process {} ({})", holder.pid, output::safe(&holder.command));
    holders.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn document(gone: &Gone) -> Value {
    let (state, holders): (_, &[Holder]) = match &gone.wiped {
        Wiped::Everywhere => ("erased", &[]),
        Wiped::Pending(holders) => ("pending", holders),
    };
    let erased = gone.erased.iter().map(|one| {
        Value::object([
            ("fields", Value::Array(one.fields.iter().map(|field| field.as_str().into()).collect())),
            ("receipt_id", one.receipt_id.to_string().into()),
        ])
    });
    let holders = holders.iter().map(|holder| {
        Value::object([("command", holder.command.as_str().into()), ("pid", holder.pid.into())])
    });
    let mut members = vec![
        ("erased", Value::Array(erased.collect())),
        ("holders", Value::Array(holders.collect())),
        ("state", state.into()),
    ];
    members.extend(gone.receipt_id.map(|id| ("receipt_id", id.to_string().into())));
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn refused(error: ErasureError) -> Failure {
    let hint = match &error {
        ErasureError::Admin(_) => None,
        ErasureError::NotFound(_) => Some("`cascade log` lists receipts".to_owned()),
        ErasureError::Ambiguous(_) => Some("give more of the id".to_owned()),
        ErasureError::Extent(EraseError::Running(_)) => Some("wait until it ends, or end it".to_owned()),
        ErasureError::Extent(EraseError::NoAction(_)) => {
            Some("name a decision, an answer, an intent or a closer".to_owned())
        }
        ErasureError::Extent(EraseError::Fault(fault)) | ErasureError::Unfinished(fault) => {
            failures::fault(fault)
        }
    };
    match error {
        ErasureError::Admin(error) => admin::refused(error),
        other => Failure { hint, ..Failure::could_not(other.into()) },
    }
}
