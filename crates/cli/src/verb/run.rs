pub(super) mod tell;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use cascade_kernel::action::{Outcome, Record};
use cascade_ledger::Ledger;
use cascade_receipt::content::Ref;
use cascade_receipt::id::ReceiptId;
use cascade_runtime::consent::{self, Approved, Objections};
use cascade_runtime::facts::{Asker, Command};
use cascade_runtime::govern::{GovernError, Governed, Request, govern, govern_past_gates};
use cascade_runtime::identity;
use cascade_runtime::process::{Enclosure, StreamsPlan};
use cascade_runtime::subject::{self, Named};
use clap::Args;

use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::signer::Signer;
use crate::verb::standing::{self, Words};
use crate::{admin, failures, output, place};

/// Most output kept for `--json`; beyond it the rest is dropped and said so.
const CAPTURE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Govern one command: decided before it runs, receipted before its output leaves
///
/// stdin, stdout, stderr and the exit code are the command's own.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade run -- git push
  cascade run --dry-run -- terraform apply
  cascade run --reason 'ticket 42' --timeout 5m -- ./deploy.sh
  cascade run --subject customer-17/loan-3 -- dialer call
  cascade run --wait -- kubectl delete namespace staging
  cascade run --approval r_0123456789abcdef
  cascade run --break-glass --reason 'incident 4711' -- systemctl restart db")]
pub(crate) struct Run {
    /// Decide only, leave a `dry_run` receipt; the program need not exist
    #[arg(long, conflicts_with = "approval")]
    dry_run: bool,
    /// Where people must approve: wait for them, then run; --timeout limits the wait, and then the command
    #[arg(long, conflicts_with_all = ["approval", "dry_run"])]
    wait: bool,
    /// Run exactly what was approved: the id of the escalation, dry run or approval
    #[arg(long, value_name = "ID", conflicts_with = "command")]
    approval: Option<String>,
    /// In an emergency: run without the approval that it needs, also what is stopped for everyone. The policy says
    /// who may; you sign for it, and somebody else must review it
    #[arg(long, requires = "reason", conflicts_with_all = ["approval", "wait"])]
    break_glass: bool,
    /// Private key to sign with, with --break-glass [default: the SSH agent, then ~/.ssh]
    #[arg(long, value_name = "FILE", requires = "break_glass")]
    key: Option<PathBuf>,
    /// Why, in your words; kept privately with the receipt
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Whom the command concerns outside, with a debt or case: `customer-17/loan-3`; see `cascade subject`
    #[arg(long, value_name = "SUBJECT[/MATTER]", value_parser = Named::parse, conflicts_with = "approval")]
    subject: Option<Named>,
    /// End the command after this long: `90s`, `5m`, `1h 30m`
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// Program and arguments; never goes through a shell
    #[arg(last = true, required_unless_present = "approval", value_name = "CMD")]
    command: Vec<OsString>,
    /// The environment of the command, where that is not our own.
    #[arg(skip)]
    pub(super) env: Option<Vec<(OsString, OsString)>>,
}

/// What came of asking.
enum Asked {
    /// The action, and the program it names.
    Governed(Box<Governed>, String),
    /// It was refused before the gates were asked, which is told already.
    TurnedAway(u8),
}

pub(crate) fn run(global: &Global, args: &Run) -> Exit {
    let ledger = place::ledger(global)?;
    let asked = match &args.approval {
        Some(id) => ask_approved(global, args, &ledger, id)?,
        None => ask(global, args, &ledger)?,
    };
    let asked = match asked {
        Asked::Governed(governed, program) if args.wait && is_waiting(&governed) => {
            wait(global, args, &ledger, governed, program)?
        }
        other => other,
    };
    match asked {
        Asked::TurnedAway(code) => Ok(code),
        Asked::Governed(governed, program) => told(global, &governed, &program),
    }
}

fn ask(global: &Global, args: &Run, ledger: &Ledger) -> Result<Asked, Failure> {
    let mut command = Command::here(args.command.clone())?;
    if let Some(env) = &args.env {
        command.env.clone_from(env);
    }
    command.subject = args.subject.as_ref().map(|named| subject::concerned(ledger, named)).transpose()?;
    let (asker, program) = (who_asks(global, ledger, &command)?, program_of(&command));
    let objection = asker.enclosure.objection();
    let request = request(global, args, ledger, (command, asker), None)?;
    if args.break_glass {
        can_be_answered_for(args, &request.command)?;
    }
    let who = args.break_glass.then(|| request.asker.clone());
    let governed = if args.break_glass {
        let signer = Signer::new(global, args.key.clone())?;
        let mut sign = |key: &str, namespace: &str, payload: &[u8]| signer.sign(key, namespace, payload);
        let governed = govern_past_gates(ledger, request, &mut sign);
        if let Some(code) = objection {
            output::hint_line(admin::hint(code));
        }
        governed
    } else {
        govern(ledger, request)
    };
    let governed = governed.map_err(|error| match &who {
        Some(who) => admin::on_record(ledger, who, "break_glass", failures::govern(error)),
        None => failures::govern(error),
    });
    Ok(Asked::Governed(Box::new(governed?), program))
}

/// A glass is not broken for a slip of the fingers.
fn can_be_answered_for(args: &Run, command: &Command) -> Result<(), Failure> {
    if args.reason.as_ref().is_none_or(|reason| reason.trim().is_empty()) {
        return Err(Failure::usage("say why the glass is to be broken: --reason TEXT"));
    }
    if command.executable().is_none() && !args.dry_run {
        let program = program_of(command);
        return Err(Failure::could_not(anyhow::anyhow!("there is no program `{program}` to be started"))
            .hint("no glass was broken; check the name and PATH"));
    }
    Ok(())
}

/// Runs exactly what was approved, if the answers to `id` carry it.
fn ask_approved(global: &Global, args: &Run, ledger: &Ledger, id: &str) -> Result<Asked, Failure> {
    let (approved, command) = consent::approved(ledger, id).map_err(failures::consent)?;
    let (asker, program) = (who_asks(global, ledger, &command)?, program_of(&command));
    let stands_on = (approved.refs.clone(), approved.subject.receipt_id);
    let against = consent::run_objections(ledger, &asker, &approved, &command).map_err(failures::consent)?;
    if !against.reasons.is_empty() {
        return turned_away(global, ledger, &asker, (stands_on, against)).map(Asked::TurnedAway);
    }
    let who = asker.clone();
    match govern(ledger, request(global, args, ledger, (command, asker), Some(approved))?) {
        Err(GovernError::ApprovalGone(reasons)) => {
            let against = Objections { reasons, ..Objections::default() };
            turned_away(global, ledger, &who, (stands_on, against)).map(Asked::TurnedAway)
        }
        other => Ok(Asked::Governed(Box::new(other.map_err(failures::govern)?), program)),
    }
}

fn who_asks(global: &Global, ledger: &Ledger, command: &Command) -> Result<Asker, Failure> {
    let asker = Asker::find(ledger, &command.env, global.acting_as.as_deref())?;
    if asker.enclosure == Enclosure::Hidden {
        output::say("the processes above this one are hidden, so this counts as an agent's");
        output::hint_line(admin::hint("approval.hidden_ancestry"));
    }
    Ok(asker)
}

fn program_of(command: &Command) -> String {
    command.argv.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
}

fn request(
    global: &Global,
    args: &Run,
    ledger: &Ledger,
    (command, asker): (Command, Asker),
    approved: Option<Approved>,
) -> Result<Request, Failure> {
    let streams = if global.json {
        StreamsPlan::Capture { cap_bytes: CAPTURE_BYTES_MAX }
    } else {
        StreamsPlan::PassThrough { cap_bytes: None }
    };
    Ok(Request {
        command,
        asker,
        dry_run: args.dry_run,
        approved,
        reason: args.reason.clone(),
        timeout: args.timeout,
        streams,
        runtime: identity::runtime(ledger)?,
        task: None,
        step: None,
        cron: None,
        takes_back: None,
        request: None,
    })
}

fn is_waiting(governed: &Governed) -> bool {
    governed.outcome == Outcome::Decided(Record::Escalation)
}

/// Waits for people, then runs what they approved or leaves a receipt of what stands against it.
fn wait(
    global: &Global,
    args: &Run,
    ledger: &Ledger,
    governed: Box<Governed>,
    program: String,
) -> Result<Asked, Failure> {
    let asked = governed.receipts.last().context("an escalation without a receipt")?.receipt_id;
    tell::findings(&governed);
    standing::announce(ledger, asked)?;
    let until = args.timeout.and_then(|time| Instant::now().checked_add(time));
    if !consent::wait(ledger, asked, until)? {
        output::say("nobody answered in time; it goes on waiting for an approval");
        return Ok(Asked::Governed(governed, program));
    }
    match ask_approved(global, args, ledger, &asked.to_string())? {
        Asked::Governed(mut ran, program) => {
            ran.receipts.splice(0..0, governed.receipts);
            Ok(Asked::Governed(ran, program))
        }
        turned_away @ Asked::TurnedAway(_) => Ok(turned_away),
    }
}

fn told(global: &Global, governed: &Governed, program: &str) -> Exit {
    if global.json {
        output::json(&tell::document(governed, program))?;
        if governed.truncated {
            let limit = CAPTURE_BYTES_MAX >> 20;
            output::say(format_args!("output past {limit} MiB was dropped, as the receipt says"));
            output::hint_line("without --json all of it passes through");
        }
    } else {
        tell::tell(governed, program);
    }
    Ok(tell::code(governed))
}

/// An approval that cannot carry this run leaves a receipt and ends it here.
fn turned_away(
    global: &Global,
    ledger: &Ledger,
    asker: &Asker,
    (stands_on, against): ((Vec<Ref>, ReceiptId), Objections),
) -> Exit {
    standing::turned_away(global, ledger, asker, (stands_on, against), &RUN)
}

const RUN: Words = Words {
    empty: &["stderr", "stdout"],
    not_done: "not run",
    anew: "put back what was approved, or run the command anew and have it approved as it is",
};
