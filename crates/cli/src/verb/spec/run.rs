//! `spec run` and `spec resume`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cascade_kernel::csl::Spec;
use cascade_ledger::Ledger;
use cascade_receipt::id::ReceiptId;
use cascade_runtime::facts::Asker;
use cascade_runtime::workflow::{self, Attempt, Driven, Driver, Progress, Standing, Start, WorkflowError};
use cascade_runtime::{consent, identity};
use clap::Args;

use super::inputs::{self, Given};
use super::subs;
use super::tell::{self, Teller};
use super::verify::SIGNATURE_BYTES_MAX;
use super::{beside, bytes_of, read};
use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::verb::{standing, task};
use crate::{failures, place};

/// How long what a dead driver had running is waited for.
const ENDING_MAX: Duration = Duration::from_secs(30);
/// How often it is looked at: nobody tells one process what another one ends.
const ENDING_POLL: Duration = Duration::from_millis(100);

#[derive(Args, Debug)]
pub(super) struct Run {
    /// The spec, YAML or JSON; its signature stands beside it, as FILE.sig
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    given: Given,
    /// Decide only: the start, and every step that can be known beforehand; leaves `dry_run` receipts
    #[arg(long, conflicts_with_all = ["wait", "approval"])]
    dry_run: bool,
    /// Where people must answer: wait for them, then go on
    #[arg(long)]
    wait: bool,
    /// Begin the run that was approved: the id of its escalation or dry run
    #[arg(long, value_name = "ID")]
    approval: Option<String>,
    /// Why, in your words; kept privately with the receipts
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Resume {
    /// The run: the id of its `chain_started`
    #[arg(value_name = "ID")]
    id: String,
    /// Where people must answer: wait for them, then go on
    #[arg(long)]
    wait: bool,
    /// Why, in your words; kept privately with the receipts
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) fn run(global: &Global, args: &Run) -> Exit {
    let document = Arc::new(read(&args.file)?);
    let given = args.given.read(&document)?;
    let bound = document.inputs(&given).map_err(|faults| inputs::wrong(faults.join("; "), &document))?;
    let ledger = place::ledger(global)?;
    let driver = driver(global, &ledger, args.reason.as_ref())?;
    let start = Start {
        document: Arc::clone(&document),
        signature: signature(&args.file)?,
        inputs: bound,
        cwd: std::env::current_dir()?,
        approval: args.approval.clone(),
        dry_run: args.dry_run,
        subs: subs::of(&args.file, &document)?,
        cron: None,
    };
    let mut teller = Teller::new(global, &document.spec);
    let driven = workflow::start(&ledger, start, &driver, &mut |progress| teller.hear(progress));
    let driven = driven.map_err(|error| broken_off(failures::workflow(error), teller.begun))?;
    let driven = if args.wait { until_settled(&ledger, driven, &driver, &mut teller)? } else { driven };
    tell::told(global, &document.spec, &document.hash(), &driven)
}

/// A run that has begun is gone on with, not run again.
fn broken_off(failure: Failure, begun: Option<ReceiptId>) -> Failure {
    match begun {
        Some(id) => failure.hint(format!("the run has begun; when that is mended: cascade spec resume {id}")),
        None => failure,
    }
}

pub(super) fn resume(global: &Global, args: &Resume) -> Exit {
    let since = Instant::now();
    loop {
        // What a driver that died had running is ended by its supervisor, and closed by whoever opens the chain then.
        let ledger = place::ledger(global)?;
        let id = chain_id(&ledger, &args.id)?;
        let driver = driver(global, &ledger, args.reason.as_ref())?;
        let (spec, hash) = workflow::spec_of(&ledger, id).map_err(failures::workflow)?;
        let mut teller = Teller::new(global, &spec);
        let driven = match workflow::resume(&ledger, id, &driver, &mut |progress| teller.hear(progress)) {
            Err(WorkflowError::StillEnding(_)) if since.elapsed() < ENDING_MAX => {
                drop(ledger);
                std::thread::sleep(ENDING_POLL);
                continue;
            }
            other => other.map_err(failures::workflow)?,
        };
        let driven = if args.wait { until_settled(&ledger, driven, &driver, &mut teller)? } else { driven };
        return tell::told(global, &spec, &hash, &driven);
    }
}

/// Goes on whenever somebody has answered, until nothing waits for an approval any more.
fn until_settled(
    ledger: &Ledger,
    mut driven: Driven,
    driver: &Driver,
    teller: &mut Teller<'_>,
) -> Result<Driven, Failure> {
    while let (Standing::Waits, Some(chain)) = (driven.standing, driven.chain) {
        let asked: Vec<ReceiptId> = waiting(&driven).filter_map(|attempt| attempt.receipt_id).collect();
        let Some(first) = asked.first() else { break };
        for one in &asked {
            standing::announce(ledger, *one)?;
        }
        consent::wait(ledger, *first, None)?;
        let before = driven;
        driven = workflow::resume(ledger, chain, driver, &mut |progress: Progress| teller.hear(progress))
            .map_err(failures::workflow)?;
        driven.receipts.splice(0..0, before.receipts);
        let again = |attempt: &Attempt| driven.attempts.iter().any(|later| later.place == attempt.place);
        let mut attempts: Vec<Attempt> =
            before.attempts.into_iter().filter(|attempt| !again(attempt)).collect();
        attempts.append(&mut driven.attempts);
        (driven.attempts, driven.ruling) = (attempts, before.ruling);
    }
    Ok(driven)
}

/// Attempts that wait for an approval.
pub(super) fn waiting(driven: &Driven) -> impl Iterator<Item = &Attempt> {
    driven.attempts.iter().filter(|attempt| attempt.ended == "waiting")
}

pub(in crate::verb) fn driver(
    global: &Global,
    ledger: &Ledger,
    reason: Option<&String>,
) -> Result<Driver, Failure> {
    let env: Vec<_> = std::env::vars_os().collect();
    Ok(Driver {
        asker: Asker::find(ledger, &env, global.acting_as.as_deref())?,
        reason: reason.cloned(),
        runtime: identity::runtime(ledger)?,
        models: task::models(global)?,
    })
}

pub(super) fn signature(file: &Path) -> Result<Option<String>, Failure> {
    let place = beside(file);
    if !place.try_exists()? {
        return Ok(None);
    }
    let bytes = bytes_of(&place, SIGNATURE_BYTES_MAX)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The id of a run, from it or its beginning.
pub(super) fn chain_id(ledger: &Ledger, id: &str) -> Result<ReceiptId, Failure> {
    let (id, _) = consent::find(ledger, id).map_err(failures::consent)?;
    Ok(id)
}

/// What a step is called in messages.
pub(super) fn name_of(spec: &Spec, attempt: &Attempt) -> String {
    use cascade_kernel::workflow::Role;
    let step = spec.steps.get(attempt.place.step);
    let id = step.map_or("?", |step| step.id.as_str());
    let item = match step.and_then(|step| step.foreach.as_ref()) {
        Some(_) => format!("[{}]", attempt.place.item),
        None => String::new(),
    };
    match attempt.place.role {
        Role::Step => format!("{id}{item}"),
        Role::Compensation => format!("{id}{item}, undone"),
        Role::Reconciler => format!("{id}{item}, asked"),
    }
}
