//! Tasks that people answered: waiting for them, and doing exactly what was approved.

use std::time::Instant;

use cascade_runtime::consent::{self, Objections, Of, OfWorkflow};
use cascade_runtime::task::{TaskError, Tasked};

use super::Desk;
use crate::args::Global;
use crate::exit::{self, Failure};
use crate::verb::standing::{self, Words};
use crate::{failures, output};

const TASK: Words = Words {
    empty: &["answer"],
    not_done: "not done",
    anew: "ask as whoever asked, with the model and manifests that were approved, or ask anew and have it approved",
};

/// What came of asking: how it went, or nothing but an exit code where it was refused, which is told already.
pub(super) struct Asked {
    pub(super) tasked: Option<Box<Tasked>>,
    pub(super) code: u8,
}

impl Asked {
    fn of(tasked: Tasked) -> Self {
        Self { tasked: Some(Box::new(tasked)), code: exit::DONE }
    }

    const fn turned_away(code: u8) -> Self {
        Self { tasked: None, code }
    }
}

/// Does exactly what was approved, if the answers to `id` carry it.
pub(super) fn ask(global: &Global, desk: &Desk<'_>, id: &str) -> Result<Asked, Failure> {
    if let Some(OfWorkflow::Step(chain)) = consent::of_workflow(desk.ledger, id).map_err(failures::consent)? {
        let message = format!("{id} is a step of a workflow, and done as that alone");
        return Err(Failure::could_not(anyhow::anyhow!(message)).hint(format!("cascade spec resume {chain}")));
    }
    let (task, standing) = consent::approved_task(desk.ledger, id).map_err(failures::consent)?;
    let stands_on = (standing.approved.refs.clone(), standing.approved.subject.receipt_id);
    let asked = match standing.of {
        // Without a model, the question cannot be the one that was approved.
        Of::Question => desk.router.question(&task).unwrap_or_else(|| task.clone()),
        Of::Task | Of::Command(_) => task.clone(),
    };
    let against = consent::task_objections(desk.ledger, &desk.asker, &standing, asked);
    let against = against.map_err(failures::consent)?;
    let against = if against.reasons.is_empty() {
        match desk.ask(task, Some(standing)) {
            Err(TaskError::ApprovalGone(reasons)) => Objections { reasons, ..Objections::default() },
            other => return other.map(Asked::of).map_err(failures::task),
        }
    } else {
        against
    };
    standing::turned_away(global, desk.ledger, &desk.asker, (stands_on, against), &TASK)
        .map(Asked::turned_away)
}

/// Waits for people as often as they are asked, where that is wanted: for the task, and for what a layer does for it.
pub(super) fn wait(global: &Global, desk: &Desk<'_>, tasked: Tasked) -> Result<Asked, Failure> {
    let until = desk.args.timeout.and_then(|time| Instant::now().checked_add(time));
    let (mut asked, mut before) = (Asked::of(tasked), Vec::new());
    while let Some(tasked) = asked.tasked.as_mut() {
        tasked.receipts.splice(0..0, before.drain(..));
        let Some(waiting) = tasked.waits_for.filter(|_| desk.args.wait) else { break };
        standing::announce(desk.ledger, waiting)?;
        if !consent::wait(desk.ledger, waiting, until)? {
            output::say("nobody answered in time; it goes on waiting for an approval");
            break;
        }
        before.append(&mut tasked.receipts);
        asked = ask(global, desk, &waiting.to_string())?;
    }
    Ok(asked)
}
