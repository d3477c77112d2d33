//! Tasks in words that people answered: the task itself, a question to a model, a command that words became.

use cascade_ledger::{Ledger, Reader};
use cascade_policy::facts::{Invocation, ScheduleAct, Task};
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};

use super::objections::{Objections, objections_to, run_objections};
use super::{Approved, ConsentError, answered, find, repeat, subject_of};
use crate::facts::{self, Asker, Command};

/// What people answered about a task.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The answers, and what they are about.
    pub approved: Approved,
    /// Which action of the task it is.
    pub of: Of,
}

/// Which action of a task was answered.
#[derive(Clone, Debug)]
pub enum Of {
    /// The task itself.
    Task,
    /// A question to a model about it, which names model, host and price.
    Question,
    /// The command that its words became.
    Command(Box<Command>),
}

/// The task that was approved, and what it stands on.
///
/// # Errors
/// [`ConsentError`].
pub fn approved_task(ledger: &Reader, id: &str) -> Result<(Task, Standing), ConsentError> {
    let (approved, facts) = answered(ledger, id)?;
    if let Invocation::Task(task) = &facts.action.invocation {
        let of = if task.model.is_some() { Of::Question } else { Of::Task };
        let task = Task { model: None, ..task.as_ref().clone() };
        return Ok((task, Standing { approved, of }));
    }
    let id = approved.subject.receipt_id;
    let stored = ledger.private_of(id)?.into_iter().find(|item| item.field == "task");
    let stored = stored.ok_or(ConsentError::IsNoTask(id))?;
    let value = json::parse_canonical(&stored.bytes).map_err(|_| ConsentError::Damaged(id))?;
    let task = Task::read(&value).map_err(|fault| ConsentError::Facts(id, fault))?;
    let command = Box::new(repeat(ledger, &approved.subject, &facts)?);
    Ok((task, Standing { approved, of: Of::Command(command) }))
}

/// What belongs to a workflow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OfWorkflow {
    /// The start of a run.
    Start,
    /// A step of this run.
    Step(ReceiptId),
}

/// Whether what `id` names, or answers, belongs to a workflow.
///
/// # Errors
/// [`ConsentError`].
pub fn of_workflow(ledger: &Reader, id: &str) -> Result<Option<OfWorkflow>, ConsentError> {
    let (_, content) = subject_of(ledger, id)?;
    if content.member("spec_hash").is_none() {
        return Ok(None);
    }
    let mut belongs = named(&content, "chain").or_else(|| named(&content, "parent"));
    // Whoever goes on with a run goes on with those that its steps have started.
    while let Some(chain) = belongs {
        let (_, content) = find(ledger, &chain.to_string())?;
        match named(&content, "parent") {
            Some(outer) => belongs = Some(outer),
            None => break,
        }
    }
    Ok(Some(belongs.map_or(OfWorkflow::Start, OfWorkflow::Step)))
}

fn named(content: &Value, rel: &str) -> Option<ReceiptId> {
    let refs = content.member("refs").and_then(Value::as_array).unwrap_or_default();
    let one = refs.iter().find(|one| one.member("rel").and_then(Value::as_str) == Some(rel))?;
    ReceiptId::parse(one.member("receipt_id")?.as_str()?)
}

/// The change of a schedule that `id` names, or answers.
///
/// # Errors
/// [`ConsentError`].
pub fn of_schedule(ledger: &Reader, id: &str) -> Result<Option<ScheduleAct>, ConsentError> {
    let (_, facts) = answered(ledger, id)?;
    Ok(match facts.action.invocation {
        Invocation::Schedule(act) => Some(*act),
        _ => None,
    })
}

/// Whether what `id` names, or answers, was asked for as a task in words.
///
/// # Errors
/// [`ConsentError`].
pub fn is_task(ledger: &Reader, id: &str) -> Result<bool, ConsentError> {
    let (approved, facts) = answered(ledger, id)?;
    let stored = ledger.private_of(approved.subject.receipt_id)?;
    Ok(matches!(facts.action.invocation, Invocation::Task(_))
        || stored.iter().any(|item| item.field == "task"))
}

/// Why a task may not stand on what people answered now. `asked` is what would be done today: the task, with the model
/// that would be asked where a question was approved.
///
/// # Errors
/// [`ConsentError`].
pub fn task_objections(
    ledger: &Ledger,
    asker: &Asker,
    standing: &Standing,
    asked: Task,
) -> Result<Objections, ConsentError> {
    match &standing.of {
        Of::Command(command) => run_objections(ledger, asker, &standing.approved, command),
        Of::Task | Of::Question => {
            objections_to(ledger, &standing.approved, &facts::of_task(&ledger.present()?, asker, asked)?)
        }
    }
}
