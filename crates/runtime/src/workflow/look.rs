//! Where a run stands, from its record alone.

use cascade_kernel::csl::Work;
use cascade_kernel::workflow::{Count, Effect, Ended, Event, Role, Workflow};
use cascade_ledger::{Chain, Found, Reader};
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::kind::Kind;

use super::load::{self, Loaded};
use super::record::{self, Recorded, What};
use super::{Attempt, Driven, Standing, WorkflowError, http, task};
use crate::workflow::drive::nothing_driven;

/// What is over of a run by now.
pub(super) fn counted(ledger: &Reader, id: ReceiptId, chain: &Chain) -> Result<Count, WorkflowError> {
    Ok(restored(ledger, id, chain)?.1.tally())
}

/// The machine of a run as its record leaves it, and the record.
pub(super) fn restored(
    ledger: &Reader,
    id: ReceiptId,
    chain: &Chain,
) -> Result<(Loaded, Workflow, Vec<Recorded>), WorkflowError> {
    let (run, _) = load::run(ledger, id)?;
    let mut machine = Workflow::new(run.held(), &run.inputs, &id.to_string(), run.started);
    let recorded = record::of_run(ledger, chain, &run.spec)?;
    for one in &recorded {
        if let Some(event) = judged(&run, one) {
            machine.restore(&event).map_err(|_| WorkflowError::Diverged {
                chain: id,
                why: format!("{} was not due", one.receipt_id),
            })?;
        }
    }
    Ok((run, machine, recorded))
}

/// Where a run stands, from its record alone; nothing is done.
pub(super) fn look(ledger: &Reader, id: ReceiptId) -> Result<Driven, WorkflowError> {
    let chain = ledger.chain(id)?.ok_or(WorkflowError::NotAChain(id))?;
    let (run, mut machine, recorded) = restored(ledger, id, &chain)?;
    let mut driven = nothing_driven(Standing::Waits);
    driven.chain = Some(id);
    driven.count = machine.tally();
    driven.unknown = machine.unknown().collect();
    driven.spent = machine.spent();
    for one in recorded {
        let attempt = |ended, exit_code| Attempt {
            place: one.place,
            ended,
            receipt_id: Some(one.receipt_id),
            reasons: Vec::new(),
            exit_code,
        };
        match judged(&run, &one) {
            Some(Event::Ended { ended, result, .. }) => {
                // What waited before has its end.
                driven.attempts.retain(|known| known.place != one.place);
                let exit_code = result.get("exit_code").and_then(Value::as_int);
                driven.attempts.push(attempt(word_of(&ended), exit_code));
            }
            _ if matches!(one.what, What::Asked) => driven.attempts.push(attempt("waiting", None)),
            _ => {}
        }
    }
    if let Some(closed) = chain.closed {
        driven.receipts.push(closed);
        driven.standing = Standing::Aborted;
        let Found::One(_, _, line) = ledger.find(&closed.to_string())? else { return Ok(driven) };
        let receipt = json::parse(line.as_bytes()).map_err(|_| WorkflowError::Damaged(id))?;
        let content = receipt.member("content").ok_or(WorkflowError::Damaged(id))?;
        driven.reasons = record::reasons(content);
        driven.count = count_of(content);
        if content.member("kind").and_then(Value::as_str) != Some(Kind::ChainCompleted.as_str()) {
            return Ok(driven);
        }
        driven.standing = Standing::Completed;
        // What it gives follows from the record, and is given again.
        let end = machine.go_on().into_iter().find_map(|effect| match effect {
            Effect::Finish(end) => Some(end.outputs),
            Effect::Start { .. } => None,
        });
        driven.outputs = end.unwrap_or_default();
    }
    Ok(driven)
}

/// What the end of a run says of its steps.
fn count_of(content: &Value) -> Count {
    let number =
        |key: &str| content.member("steps").and_then(|steps| steps.member(key)?.as_u64()).unwrap_or(0);
    Count {
        completed: number("completed"),
        failed: number("failed"),
        skipped: number("skipped"),
        unknown: number("unknown"),
    }
}

pub(super) const fn word_of(ended: &Ended) -> &'static str {
    match ended {
        Ended::Completed => "completed",
        Ended::Failed => "failed",
        Ended::Refused => "refused",
        Ended::Waiting => "waiting",
        Ended::Unknown => "unknown",
    }
}

/// A record as its machine takes it over: of an HTTP call what the server said decides, of a task what stands behind
/// its answer.
pub(super) fn judged(run: &Loaded, one: &Recorded) -> Option<Event> {
    let mut event = one.event()?;
    let step = run.spec.steps.get(one.place.step);
    let Event::Ended { place, ended, result, .. } = &mut event else { return Some(event) };
    match step.map(|step| &step.work).filter(|_| place.role == Role::Step) {
        Some(Work::Http(http)) => {
            let (is_done, told) = http::result(&http.status, std::mem::take(result));
            *result = told;
            if *ended == Ended::Completed && !is_done {
                *ended = Ended::Failed;
            }
        }
        Some(Work::Task(of)) => (*ended, *result) = task::result(of, ended.clone(), std::mem::take(result)),
        _ => {}
    }
    Some(event)
}
