use std::path::PathBuf;
use std::time::Duration;

use cascade_ledger::{Appended, Ledger};
use cascade_receipt::decision::Reason;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;
use cascade_runtime::consent::{self, ConsentError, OfWorkflow, Replied, Reply};
use cascade_runtime::facts::Asker;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, CARE, GOOD, Painted};
use crate::signer::Signer;
use crate::{admin, again, failures, output, place, reasons};

/// Approve an escalation, or a dry run in advance; signed with your SSH key
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade approve r_0123456789abcdef
  cascade approve r_01234 --reason 'change 42' --expires 30m --key ~/.ssh/id_ed25519
  cascade approve r_01234 --as ada --key ada_key")]
pub(crate) struct Approve {
    /// The escalation or dry run; the beginning of its id is enough
    id: String,
    /// Why, in your words; kept privately with the receipt
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// How long the approval may be used, at most 7d [default: 1h for a dry run, else until the escalation ends]
    #[arg(long, value_name = "DURATION", value_parser = usable_for)]
    expires: Option<Duration>,
    /// Private key to sign with [default: the SSH agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// A time in which an approval can be used at all.
fn usable_for(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let longest = Duration::from_millis(consent::APPROVAL_MS_MAX);
    if time.is_zero() || time > longest {
        return Err("more than nothing and at most 7d".to_owned());
    }
    Ok(time)
}

/// Deny an escalation or a dry run, also one that you have approved
///
/// A denial is for good: what was asked for must be asked for again. An approval can be taken back this way until it is
/// used.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade deny r_0123456789abcdef
  cascade deny r_01234 --reason 'approved too soon'
  cascade deny r_01234 --reason 'not during the freeze'")]
pub(crate) struct Deny {
    /// The escalation or dry run; the beginning of its id is enough
    id: String,
    /// Why, in your words; kept privately with the receipt
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Private key to sign with [default: the SSH agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// A reply and the key to sign it with.
pub(crate) struct Signed {
    reply: Reply,
    key: Option<PathBuf>,
}

impl From<&Approve> for Signed {
    fn from(args: &Approve) -> Self {
        let expires_after_ms = args.expires.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let reply = Reply {
            id: args.id.clone(),
            approve: true,
            reason: args.reason.clone(),
            expires_after_ms,
            expires: None,
        };
        Self { reply, key: args.key.clone() }
    }
}

impl From<&Deny> for Signed {
    fn from(args: &Deny) -> Self {
        let reply = Reply {
            id: args.id.clone(),
            approve: false,
            reason: args.reason.clone(),
            expires_after_ms: None,
            expires: None,
        };
        Self { reply, key: args.key.clone() }
    }
}

pub(crate) fn run(global: &Global, signed: &Signed) -> Exit {
    let ledger = place::existing(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, signed.key.clone())?;
    let replied = consent::reply(&ledger, &asker, &signed.reply, &mut |key, namespace, payload| {
        signer.sign(key, namespace, payload)
    })
    .map_err(failures::consent)?;
    let (receipt, code, word, reasons) = match replied {
        Replied::Accepted(receipt) if signed.reply.approve => {
            (receipt, exit::DONE, Painted(GOOD, "approved"), Vec::new())
        }
        Replied::Accepted(receipt) => (receipt, exit::DONE, Painted(CARE, "denied"), Vec::new()),
        Replied::Refused(receipt, reasons) => (receipt, exit::DENIED, Painted(BAD, "refused"), reasons),
    };
    if answered(global, &asker, &receipt, (&word, &reasons))? {
        return Ok(code);
    }
    if code == exit::DONE && signed.reply.approve {
        output::hint_line(next(&ledger, receipt.receipt_id)?);
    }
    output::say(format_args!("receipt {}", receipt.receipt_id));
    Ok(code)
}

/// What the requester does now.
fn next(ledger: &Ledger, approval: ReceiptId) -> Result<String, Failure> {
    let id = approval.to_string();
    if let Err(ConsentError::IsElsewhere(_)) = consent::approved(ledger, &id) {
        return Ok("the requester asks for exactly the same again".to_owned());
    }
    let who = consent::asked_as(ledger, approval).map_err(failures::consent)?;
    let next = match consent::of_workflow(ledger, &id).map_err(failures::consent)? {
        Some(OfWorkflow::Step(run)) => format!("spec resume {run}"),
        Some(OfWorkflow::Start) => format!("spec run FILE --approval {id}"),
        None if consent::is_task(ledger, &id).map_err(failures::consent)? => format!("task --approval {id}"),
        None => match consent::of_schedule(ledger, &id).map_err(failures::consent)? {
            Some(act) => format!("cron {} {} … --approval {id}", act.act.as_str(), act.name),
            None => format!("run --approval {id}"),
        },
    };
    Ok(format!("the requester runs: {}", again::for_other(who.as_deref(), &next)))
}

/// Tells what became of a person's answer or review: a document, and then true, or the words for people, to which the
/// caller adds what comes next.
pub(super) fn answered(
    global: &Global,
    asker: &Asker,
    receipt: &Appended,
    (word, reasons): (&dyn std::fmt::Display, &[Reason]),
) -> Result<bool, Failure> {
    if global.json {
        output::json(&Value::object([
            ("accepted", reasons.is_empty().into()),
            ("reasons", reasons::codes(reasons)),
            ("receipt_id", receipt.receipt_id.to_string().into()),
        ]))?;
        return Ok(true);
    }
    output::say(word);
    for reason in reasons {
        output::say(format_args!("  {}", reasons::code_text(&reason.code)));
    }
    if let Some(code) = asker.enclosure.objection() {
        output::hint_line(admin::hint(code));
    }
    Ok(false)
}
