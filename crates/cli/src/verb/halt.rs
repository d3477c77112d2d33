use std::path::PathBuf;

use cascade_ledger::OpenAction;
use cascade_receipt::json::Value;
use cascade_runtime::facts::Asker;
use cascade_runtime::halt;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, GOOD, Painted};
use crate::signer::Signer;
use crate::{admin, output, place};

/// How to go on after a halt.
pub(crate) const RESUME_HINT: &str = "`cascade log --kind halted` says who stopped it and why; an administrator runs `cascade resume --reason TEXT`";

/// Stop everything: what runs is ended within a second, nothing new starts
///
/// Anybody may, agents too. Decisions, approvals and reading go on; only an administrator resumes.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade halt --reason 'the agent deletes what it should not'
  cascade resume --reason 'keys were changed'")]
pub(crate) struct Halt {
    /// Why, in your words; kept privately with the receipt
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Let a halted tenant go on, with an administrator's signature
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade resume --reason 'keys were changed'
  cascade resume --reason 'ticket 42' --key ~/.ssh/id_ed25519")]
pub(crate) struct Resume {
    /// Why, in your words; kept privately with the receipt
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Private key to sign with [default: the SSH agent, then ~/.ssh]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// A tenant that is halted, for those who would act on it.
pub(crate) fn halted(tenant: &str) -> Failure {
    Failure::denied(format_args!("the tenant `{tenant}` is halted")).hint(RESUME_HINT)
}

pub(crate) fn halt(global: &Global, args: &Halt) -> Exit {
    let ledger = place::ledger(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let Some(receipt) = halt::halt(&ledger, &asker, args.reason.as_deref())? else {
        output::say(format_args!("{} already", Painted(BAD, "halted")));
        output::hint_line(RESUME_HINT);
        return document(global, &[("already", true.into()), ("halted", true.into())], exit::DONE);
    };
    output::say(format_args!("{}: nothing new starts", Painted(BAD, "halted")));
    output::say(format_args!("receipt {}", receipt.receipt_id));
    // What others perform under a lease cannot be ended from here.
    let (leased, running): (Vec<_>, Vec<_>) =
        ledger.open_actions()?.into_iter().partition(|action| action.until.is_some());
    if !leased.is_empty() {
        output::say(format_args!("{} action(s) that others perform are not ended by this", leased.len()));
    }
    // From beneath a run there is no waiting for its end.
    let left = match asker.enclosure.objection() {
        Some(_) => Vec::new(),
        None => halt::settled(&ledger, &running)?,
    };
    let ended = running.len() - left.len();
    if ended > 0 {
        output::say(format_args!("{ended} running action(s) ended"));
    }
    for action in &left {
        output::say(format_args!("{}: {}", Painted(BAD, "still running"), action.receipt_id));
    }
    if !left.is_empty() {
        output::hint_line(
            "the `cascade run` of each may be suspended (`fg` goes on) or stuck; killing it ends what it runs",
        );
    }
    let ids = |actions: &[OpenAction]| {
        Value::Array(actions.iter().map(|action| action.receipt_id.to_string().into()).collect())
    };
    let members = [
        ("already", false.into()),
        ("halted", true.into()),
        ("receipt_id", receipt.receipt_id.to_string().into()),
        ("still_running", ids(&left)),
    ];
    document(global, &members, if left.is_empty() { exit::DONE } else { exit::COULD_NOT })
}

pub(crate) fn resume(global: &Global, args: &Resume) -> Exit {
    let ledger = place::existing(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, args.key.clone())?;
    let resumed = halt::resume(&ledger, &asker, args.reason.as_deref(), &mut |key, namespace, payload| {
        signer.sign(key, namespace, payload)
    });
    let resumed =
        resumed.map_err(|error| admin::on_record(&ledger, &asker, "resume", admin::refused(error)))?;
    let Some(receipt) = resumed else {
        output::say("not halted; nothing to resume");
        return document(global, &[("already", true.into()), ("halted", false.into())], exit::DONE);
    };
    output::say(format_args!("{}: what is asked for is decided again", Painted(GOOD, "resumed")));
    output::say(format_args!("receipt {}", receipt.receipt_id));
    let members = [
        ("already", false.into()),
        ("halted", false.into()),
        ("receipt_id", receipt.receipt_id.to_string().into()),
    ];
    document(global, &members, exit::DONE)
}

fn document(global: &Global, members: &[(&str, Value)], code: u8) -> Exit {
    if global.json {
        output::json(&Value::Object(
            members.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
        ))?;
    }
    Ok(code)
}
