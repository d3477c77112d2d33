//! Failures of the layers below, with the hint a person can act on.

use cascade_ledger::{AppendError, Fault};
use cascade_receipt::id::ReceiptId;
use cascade_runtime::consent::ConsentError;
use cascade_runtime::cron::CronError;
use cascade_runtime::facts::LookError;
use cascade_runtime::govern::GovernError;
use cascade_runtime::lease::LeaseError;
use cascade_runtime::replay::ReplayError;
use cascade_runtime::rollback::RollbackError;
use cascade_runtime::ssh::SshError;
use cascade_runtime::task::TaskError;
use cascade_runtime::workflow::WorkflowError;

use crate::admin;
use crate::exit::{self, Failure};

/// A run that has no end.
pub(crate) fn govern(error: GovernError) -> Failure {
    let error = match error {
        GovernError::Glass(refused) => return admin::refused(refused),
        other => other,
    };
    let hint = govern_hint(&error);
    Failure { hint, ..Failure::could_not(error.into()) }
}

/// A task that has no end.
pub(crate) fn task(error: TaskError) -> Failure {
    let hint = task_hint(&error);
    Failure { hint, ..Failure::could_not(error.into()) }
}

fn task_hint(error: &TaskError) -> Option<String> {
    match error {
        TaskError::Append(append) => append_hint(append),
        TaskError::Ledger(fault_below) => fault(fault_below),
        TaskError::Unsettled | TaskError::Outdated => Some("try again".to_owned()),
        TaskError::Policy(_) => Some("run `cascade fsck`".to_owned()),
        TaskError::Look(error) => look(error),
        TaskError::Govern(error) => govern_hint(error),
        TaskError::Lock(_) => Some("check who may write to the home".to_owned()),
        TaskError::ApprovalGone(_) | TaskError::Defect(_) => None,
    }
}

/// A run of a workflow that could not be driven.
pub(crate) fn workflow(error: WorkflowError) -> Failure {
    let hint = match &error {
        WorkflowError::Append(append) => append_hint(append),
        WorkflowError::Ledger(below) => fault(below),
        WorkflowError::Look(below) => look(below),
        WorkflowError::Step(below) => govern_hint(below),
        WorkflowError::Unsettled => Some("try again".to_owned()),
        WorkflowError::Policy(_) | WorkflowError::Damaged(_) => Some("run `cascade fsck`".to_owned()),
        WorkflowError::NotAChain(_) => Some("`cascade spec list` shows the runs that are open".to_owned()),
        WorkflowError::Altered(_) => Some("run `cascade fsck`".to_owned()),
        WorkflowError::StillEnding(id) => Some(format!("in a moment: cascade spec resume {id}")),
        WorkflowError::OtherAction(_) => {
            Some("give the same file and inputs, or ask anew without --approval".to_owned())
        }
        WorkflowError::Sub { .. } => {
            Some("nothing was started; its `spec_hash` is what `cascade spec hash` prints".to_owned())
        }
        WorkflowError::Known(id) => Some(format!("what nobody knows is told by: cascade spec resume {id}")),
        WorkflowError::Busy(id) => Some(format!("it goes on there; to end it: cascade spec cancel {id}")),
        WorkflowError::Lock(_) => Some("check who may write to the home".to_owned()),
        WorkflowError::Ended(id) => {
            Some(format!("`cascade show {id}` tells how it began; a new one begins with `cascade spec run`"))
        }
        // What it says of itself holds for a task that is a step as well.
        WorkflowError::Task(below) => task_hint(below),
        WorkflowError::Smoke(_)
        | WorkflowError::Consent(_)
        | WorkflowError::Erased(_)
        | WorkflowError::Diverged { .. }
        | WorkflowError::Evaluation(_) => None,
    };
    Failure { hint, ..Failure::could_not(error.into()) }
}

/// A schedule that could not be changed, or looked after.
pub(crate) fn cron(error: CronError) -> Failure {
    let hint = match &error {
        CronError::Append(append) => append_hint(append),
        CronError::Ledger(below) => fault(below),
        CronError::Look(below) => look(below),
        CronError::Unsettled => Some("try again".to_owned()),
        CronError::Policy(_) | CronError::Damaged(_) => Some("run `cascade fsck`".to_owned()),
        CronError::OtherAction(_) => Some("give the same words, or ask anew without --approval".to_owned()),
        CronError::Erased(_) => Some("`cascade cron remove` it, and add it anew".to_owned()),
        CronError::Prepare(_) => Some("check who may write to the home".to_owned()),
        CronError::Others(_) => {
            Some("`cascade grant add --assume` lets you be taken for somebody".to_owned())
        }
        CronError::Consent(_) => None,
    };
    match error {
        CronError::Consent(below) => consent(below),
        error @ CronError::Others(_) => Failure { hint, ..Failure::refused(error, "authority.assume") },
        other => Failure { hint, ..Failure::could_not(other.into()) },
    }
}

/// A rollback that could not be planned or gone on with.
pub(crate) fn rollback(error: RollbackError) -> Failure {
    let hint = match &error {
        RollbackError::Workflow(_) | RollbackError::Consent(_) => None,
        RollbackError::Busy => Some("let it end, then look again".to_owned()),
        RollbackError::Lock(_) => Some("check who may read the home".to_owned()),
        RollbackError::NothingRan(..) => {
            Some("`cascade log --kind task_completed` lists what was completed".to_owned())
        }
        RollbackError::OpenRun(id) => {
            Some(format!("end it first: cascade spec cancel {id}, or cascade spec resume {id}"))
        }
        RollbackError::Policy(_) | RollbackError::Damaged(_) => Some("run `cascade fsck`".to_owned()),
        RollbackError::Ledger(below) => fault(below),
        RollbackError::Govern(below) => govern_hint(below),
    };
    match error {
        RollbackError::Workflow(below) => workflow(below),
        RollbackError::Consent(below) => finding(below),
        other => Failure { hint, ..Failure::could_not(other.into()) },
    }
}

/// An action of somebody else that could not be decided or recorded.
pub(crate) fn lease(error: LeaseError) -> Failure {
    let hint = match &error {
        LeaseError::Append(append) => append_hint(append),
        LeaseError::Ledger(below) => fault(below),
        LeaseError::Look(below) => look(below),
        LeaseError::Unsettled => Some("try again".to_owned()),
        LeaseError::Policy(_) | LeaseError::Damaged(_) => Some("run `cascade fsck`".to_owned()),
        LeaseError::Lock(_) => Some("check who may write to the home".to_owned()),
        LeaseError::ReasonTooLong
        | LeaseError::LeaseLength
        | LeaseError::OtherAction(_)
        | LeaseError::Consent(_)
        | LeaseError::NotOpen(_) => None,
    };
    Failure { hint, ..Failure::could_not(error.into()) }
}

fn govern_hint(error: &GovernError) -> Option<String> {
    match error {
        GovernError::Started(below) => Some(after_start(below)),
        GovernError::Append(append) => append_hint(append),
        GovernError::Ledger(fault_below) => fault(fault_below),
        GovernError::Look(error) => look(error),
        GovernError::ApprovalGone(_) => None,
        GovernError::Unsettled => Some("try again".to_owned()),
        GovernError::Policy(_) => Some("run `cascade fsck`".to_owned()),
        GovernError::GlassWasted { glass, below } => Some(wasted(*glass, below)),
        GovernError::Glass(_) | GovernError::Run(_) | GovernError::Defect(_) => None,
    }
}

/// It is owed a review though nothing ran, and breaking another one owes another.
fn wasted(glass: ReceiptId, error: &GovernError) -> String {
    let first = govern_hint(error).map(|first| format!("{first}; ")).unwrap_or_default();
    format!(
        "{first}somebody else reviews it all the same: cascade review {glass} --unjustified --reason TEXT"
    )
}

/// Never to run it again unseen: it may have done its work.
fn after_start(error: &GovernError) -> String {
    let first = match error {
        GovernError::Append(
            AppendError::NotRecorded(Fault::Full { .. }) | AppendError::Unsettled(Fault::Full { .. }),
        )
        | GovernError::Ledger(Fault::Full { .. }) => Some("free some space".to_owned()),
        other => govern_hint(other),
    };
    let first = first.map(|first| format!("; {first}")).unwrap_or_default();
    format!(
        "it may have done its work, and output that had not left is withheld: look before you repeat it{first}; \
         the next `cascade run` closes it as unknown"
    )
}

/// An answer or approved run that could not be looked at.
pub(crate) fn consent(error: ConsentError) -> Failure {
    let hint = match &error {
        ConsentError::NotFound(_) | ConsentError::NotAnswerable(..) => {
            Some("`cascade approvals` lists what waits".to_owned())
        }
        ConsentError::NotReviewable(..) => Some("`cascade review` lists what waits".to_owned()),
        ConsentError::Erased(_) => Some("ask again with a new `cascade run`".to_owned()),
        ConsentError::IsWorkflow(id) => {
            Some(format!("cascade spec run FILE --approval {id}, or cascade spec resume"))
        }
        ConsentError::IsSchedule(id) => {
            Some(format!("give the same words as then, and --approval {id} to `cascade cron`"))
        }
        ConsentError::IsTask(id) => Some(format!("cascade task --approval {id}")),
        ConsentError::IsNoTask(id) => Some(format!("cascade run --approval {id}")),
        ConsentError::Ambiguous(_) => Some("give more of the id".to_owned()),
        ConsentError::Append(append) => append_hint(append),
        ConsentError::Ledger(fault_below) => fault(fault_below),
        ConsentError::Look(error) => look(error),
        ConsentError::Sign(error) => ssh(error),
        _ => None,
    };
    Failure { hint, ..Failure::could_not(error.into()) }
}

/// A receipt that could not be found, of whatever kind.
pub(crate) fn finding(error: ConsentError) -> Failure {
    match error {
        ConsentError::NotFound(_) => Failure::could_not(error.into()).hint("`cascade log` lists receipts"),
        other => consent(other),
    }
}

/// A signature that could not be made.
pub(crate) fn ssh(_: &SshError) -> Option<String> {
    Some("start the SSH agent that holds the key that is registered, or give --key FILE".to_owned())
}

fn append_hint(error: &AppendError) -> Option<String> {
    match error {
        AppendError::NotRecorded(below) | AppendError::Unsettled(below) => fault(below),
        other => other.hint().map(str::to_owned),
    }
}

fn look(error: &LookError) -> Option<String> {
    match error {
        LookError::InputTooLong => Some("put it into a file and give the file to the program".to_owned()),
        LookError::Cwd(_) => Some("change to a directory that exists".to_owned()),
        LookError::Ledger(below) => fault(below),
        LookError::Input(_) => None,
    }
}

/// A chain that is not whole on the disk is evidence gone bad; other trouble is a failure to look.
pub(crate) fn damage(error: Fault) -> Failure {
    let code = if matches!(error, Fault::Damaged { .. }) { exit::EVIDENCE } else { exit::COULD_NOT };
    let hint = fault(&error);
    Failure::of(code, error.into(), hint)
}

/// Receipts that the head counts are not there.
pub(crate) fn incomplete(found: u64, counted: u64) -> Failure {
    let cause = anyhow::anyhow!("the chain has {counted} receipts, and the one at {found} is missing");
    Failure::of(exit::EVIDENCE, cause, Some("run `cascade fsck` to see what is damaged".to_owned()))
}

/// What to do about a disk or a file.
pub(crate) fn fault(fault: &Fault) -> Option<String> {
    let hint = fault.hint().or(match fault {
        // Whatever else the system says about a file: the message names it.
        Fault::Io { .. } => {
            Some("look at that file and at the space on its disk; --home DIR names another place")
        }
        _ => None,
    });
    hint.map(str::to_owned)
}

/// The hint of an error that nobody looked at on its way up.
pub(crate) fn unseen(cause: &anyhow::Error) -> Option<String> {
    if let Some(below) = cause.downcast_ref::<Fault>() {
        return fault(below);
    }
    cause.downcast_ref::<LookError>().and_then(look)
}

/// A replay that did not come to its end.
pub(crate) fn replay(error: ReplayError) -> Failure {
    match error {
        ReplayError::Ledger(fault) => damage(fault),
        other => Failure::could_not(other.into()),
    }
}
