//! One invocation: on record first, then started like anything that somebody types.
//!
//! Whoever fires holds the run lock of the invocation from before its receipt until what it started is over. So others
//! see whether it still runs, and an invocation without an action whose lock is free is one that was never started:
//! nothing starts before its own intent is durable (I1). It counts as fired all the same, and is never repeated.

use std::ffi::OsString;

use cascade_kernel::action::{Outcome, Record};
use cascade_ledger::{AppendError, Appended, Draft, Fault, Invocation, Ledger, Reader, Schedule};
use cascade_receipt::content::{self, Body, CronInvocation, CronOutcome, Ref, Rel};
use cascade_receipt::decision::Reason;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::time::Timestamp;

use super::definition::{spec_of, subs_of};
use super::{CronError, Definition, Work};
use crate::facts::{Asker, Command, Input};
use crate::govern::{self, GovernError, Request};
use crate::process::StreamsPlan;
use crate::run_lock::RunLock;
use crate::workflow::{self, Driver, Start, WorkflowError};

/// Most output of one command that is kept.
const OUTPUT_BYTES_MAX: u64 = 1024 * 1024;

/// What is on record and may start now. Whoever drops it lets others see that it is over.
#[derive(Debug)]
pub(super) struct Fired {
    /// Its receipt.
    pub(super) receipt: Appended,
    _lock: RunLock,
}

/// How what was started has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Well.
    Completed,
    /// Not well.
    Failed,
    /// The gates said no.
    Blocked,
    /// People must approve first.
    Escalated,
    /// A workflow goes on when people have answered.
    Waits,
    /// Nothing was started: what it runs is erased or damaged, or the world could not be looked at.
    Unstarted,
}

impl Ending {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Escalated => "escalated",
            Self::Waits => "waits",
            Self::Unstarted => "unstarted",
        }
    }
}

/// What came of an invocation.
#[derive(Clone, Debug)]
pub struct Ran {
    /// How it ended.
    pub ending: Ending,
    /// Every receipt of it.
    pub receipts: Vec<ReceiptId>,
    /// Why, as codes or in words.
    pub reasons: Vec<String>,
    /// The exit code of a command.
    pub exit_code: Option<i64>,
}

/// How an invocation stands, from its record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It is about to start, or runs.
    Running,
    /// What came of it is on record: a word of its kind.
    Over,
    /// Whoever fired it died before anything was started.
    Unstarted,
}

/// Puts an invocation that starts nothing on record.
///
/// # Errors
/// [`AppendError`].
pub(super) fn note(
    ledger: &Ledger,
    schedule: &Schedule,
    (due, outcome): (Timestamp, CronOutcome),
    code: &str,
    driver: &Driver,
) -> Result<Appended, AppendError> {
    let id = cascade_ledger::receipt_id().map_err(AppendError::NotRecorded)?;
    ledger.append(draft(id, schedule, (Some(due), outcome), vec![Reason::code(code)], driver))
}

/// Puts an invocation that starts something on record. Without a due time somebody wants it at once.
///
/// # Errors
/// [`CronError`].
pub(super) fn put_on_record(
    ledger: &Ledger,
    schedule: &Schedule,
    due: Option<Timestamp>,
    driver: &Driver,
) -> Result<Fired, CronError> {
    let id = cascade_ledger::receipt_id()?;
    let lock = RunLock::take(ledger, id).map_err(CronError::Prepare)?;
    let receipt = ledger.append(draft(id, schedule, (due, CronOutcome::Run), Vec::new(), driver))?;
    Ok(Fired { receipt, _lock: lock })
}

fn draft(
    id: ReceiptId,
    schedule: &Schedule,
    (due, outcome): (Option<Timestamp>, CronOutcome),
    reasons: Vec<Reason>,
    driver: &Driver,
) -> Draft {
    let principal = driver.asker.principal_id();
    let schedule = schedule.reference();
    Draft::new(id, Body::CronInvocation(CronInvocation { schedule, due, outcome, principal, reasons }))
}

/// Lets a schedule run at once, on record as that, and waits until it is over.
///
/// # Errors
/// [`CronError`].
pub fn fire(
    ledger: &Ledger,
    schedule: &Schedule,
    definition: &Definition,
    driver: &Driver,
) -> Result<(Appended, Ran), CronError> {
    let asker = on_behalf(ledger, &driver.asker, schedule)?.ok_or(CronError::Others(schedule.receipt_id))?;
    let driver = Driver { asker, ..driver.clone() };
    let fired = put_on_record(ledger, schedule, None, &driver)?;
    let ran = start(ledger, schedule, definition, &fired, &driver);
    Ok((fired.receipt, ran))
}

/// Starts what an invocation is for, and waits until it is over. Whatever goes wrong is told, not raised: the next one
/// must not suffer for it.
pub(super) fn start(
    ledger: &Ledger,
    schedule: &Schedule,
    definition: &Definition,
    fired: &Fired,
    driver: &Driver,
) -> Ran {
    let cron = govern::reference(Rel::Cron, &fired.receipt);
    match &definition.work {
        Work::Command(argv) => command(ledger, definition, argv, cron, driver),
        Work::Spec { spec_hash, inputs, signature } => {
            let document = match spec_of(ledger, schedule, spec_hash) {
                Ok(Some(document)) => document,
                Ok(None) => return unstarted("the specification is erased or damaged"),
                Err(fault) => return unstarted(&fault.to_string()),
            };
            let subs = match subs_of(ledger, schedule) {
                Ok(subs) => subs,
                Err(fault) => return unstarted(&fault.to_string()),
            };
            let start = Start {
                document,
                subs,
                signature: signature.clone(),
                inputs: inputs.clone(),
                cwd: definition.cwd.clone(),
                approval: None,
                dry_run: false,
                cron: Some(cron),
            };
            workflow_of(workflow::start(ledger, start, driver, &mut |_| ()))
        }
    }
}

fn unstarted(why: &str) -> Ran {
    Ran { ending: Ending::Unstarted, receipts: Vec::new(), reasons: vec![why.to_owned()], exit_code: None }
}

fn command(ledger: &Ledger, definition: &Definition, argv: &[String], cron: Ref, driver: &Driver) -> Ran {
    let request = Request {
        command: Command {
            argv: argv.iter().map(OsString::from).collect(),
            cwd: definition.cwd.clone(),
            env: std::env::vars_os().collect(),
            input: Input::None,
            subject: None,
        },
        asker: driver.asker.clone(),
        dry_run: false,
        approved: None,
        reason: driver.reason.clone(),
        timeout: None,
        streams: StreamsPlan::Capture { cap_bytes: OUTPUT_BYTES_MAX },
        runtime: driver.runtime.clone(),
        task: None,
        step: None,
        takes_back: None,
        request: None,
        cron: Some(cron),
    };
    let governed = match govern::govern(ledger, request) {
        Ok(governed) => governed,
        // It may have done its work: its intent is closed as unknown by whoever opens the chain next.
        Err(error @ GovernError::Started(_)) => {
            return Ran { ending: Ending::Failed, ..unstarted(&error.to_string()) };
        }
        Err(error) => return unstarted(&error.to_string()),
    };
    let codes = governed.ruling.decision.reasons().map(|(_, reason)| reason.code.to_string());
    let ending = match governed.outcome {
        Outcome::Decided(Record::Escalation) => Ending::Escalated,
        Outcome::Decided(_) => Ending::Blocked,
        Outcome::Ran(content::Ending::Completed) => Ending::Completed,
        Outcome::Ran(_) | Outcome::ClosedElsewhere => Ending::Failed,
    };
    let is_decided = matches!(governed.outcome, Outcome::Decided(_));
    Ran {
        ending,
        receipts: governed.receipts.iter().map(|receipt| receipt.receipt_id).collect(),
        reasons: if is_decided { codes.collect() } else { Vec::new() },
        exit_code: governed.exit_code().map(i64::from),
    }
}

fn workflow_of(driven: Result<workflow::Driven, WorkflowError>) -> Ran {
    let driven = match driven {
        Ok(driven) => driven,
        Err(error) => return unstarted(&error.to_string()),
    };
    let ending = match driven.standing {
        workflow::Standing::Completed => Ending::Completed,
        workflow::Standing::Aborted => Ending::Failed,
        workflow::Standing::Waits => Ending::Waits,
        workflow::Standing::Escalated => Ending::Escalated,
        workflow::Standing::Blocked | workflow::Standing::Rehearsed => Ending::Blocked,
    };
    let mut reasons = driven.reasons;
    if let Some(ruling) = driven.ruling.filter(|_| ending == Ending::Blocked || ending == Ending::Escalated) {
        reasons.extend(ruling.decision.reasons().map(|(_, reason)| reason.code.to_string()));
    }
    Ran { ending, receipts: driven.receipts, reasons, exit_code: None }
}

/// Who asks for what a schedule runs: the one who added it, or nobody. Somebody else needs what `--as` needs, a grant to be
/// taken for that principal.
pub(super) fn on_behalf(ledger: &Reader, asker: &Asker, schedule: &Schedule) -> Result<Option<Asker>, Fault> {
    if schedule.principal == asker.principal_id() {
        return Ok(Some(Asker { assumed: None, ..asker.clone() }));
    }
    let now = crate::facts::chain_now(ledger)?;
    let may = crate::grants::may_assume(ledger, asker.principal_id(), schedule.principal, now)?;
    Ok(may.then(|| Asker { assumed: Some(schedule.principal), ..asker.clone() }))
}

/// How an invocation that starts something stands.
#[must_use]
pub fn how_it_went(reader: &Reader, invocation: &Invocation) -> Standing {
    if RunLock::is_held(reader, invocation.receipt_id) {
        return Standing::Running;
    }
    if invocation.action.is_some() { Standing::Over } else { Standing::Unstarted }
}
