//! What a specification says undoes the steps of a run that has ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use cascade_kernel::csl::{EvaluationFault, Work};
use cascade_kernel::workflow::{Place, Role, RunCommand, Workflow};
use cascade_ledger::{Chain, Ledger};
use cascade_receipt::id::ReceiptId;

use super::attempt::environment;
use super::load::{self, Loaded};
use super::record::{Recorded, What};
use super::{WorkflowError, look};
use crate::facts::{Command, Input};

/// A run as its record leaves it, for whoever undoes it.
pub(crate) struct Undoes {
    machine: Workflow,
    cwd: PathBuf,
    /// The closer of the last attempt at each item.
    last: BTreeMap<(usize, usize), ReceiptId>,
    outer: Option<Outer>,
}

/// What the runs that it was started for say of it.
#[derive(Clone, Debug)]
pub(crate) enum Outer {
    /// One of them has not ended, and may still need it.
    Open(ReceiptId),
    /// The step of this id that started it has a `compensate` for it as a whole.
    Whole(String),
}

/// Looks at a run.
///
/// # Errors
/// [`WorkflowError`].
pub(crate) fn undoes(ledger: &Ledger, chain: &Chain) -> Result<Undoes, WorkflowError> {
    let (run, _) = load::run(ledger, chain.receipt_id)?;
    let (_, machine, recorded) = look::restored(ledger, chain.receipt_id, chain)?;
    let is_end = |one: &Recorded| one.place.role == Role::Step && matches!(one.what, What::Ended(..));
    let ends = recorded.into_iter().filter(is_end);
    let last = ends.map(|one| ((one.place.step, one.place.item), one.receipt_id)).collect();
    let outer = outer_of(ledger, &run)?;
    Ok(Undoes { machine, cwd: run.cwd, last, outer })
}

fn outer_of(ledger: &Ledger, run: &Loaded) -> Result<Option<Outer>, WorkflowError> {
    let mut whole = None;
    let mut inner = run;
    while let Some((caller, outer)) = &inner.caller {
        if ledger.chain(caller.run)?.is_some_and(|chain| chain.closed.is_none()) {
            return Ok(Some(Outer::Open(caller.run)));
        }
        let step = usize::try_from(caller.at).ok().and_then(|at| outer.spec.steps.get(at));
        let says = step.filter(|step| step.compensate.is_some());
        whole = says.map(|step| Outer::Whole(step.id.clone())).or(whole);
        inner = outer;
    }
    Ok(whole)
}

impl Undoes {
    /// Whether the attempt of this closer took effect, by what its step, a reconciler or a person says.
    pub(crate) fn took_effect(&self, place: Place, closer: ReceiptId) -> bool {
        let is_last = self.last.get(&(place.step, place.item)) == Some(&closer);
        is_last && self.machine.is_completed(place.step, place.item)
    }

    /// What the runs that it was started for say of it.
    pub(crate) const fn outer(&self) -> Option<&Outer> {
        self.outer.as_ref()
    }

    /// Whether an exit code says too little of a step: of a call, what the server said decides.
    pub(crate) fn is_call(&self, place: Place) -> bool {
        let step = self.machine.spec().steps.get(place.step);
        step.is_some_and(|step| matches!(step.work, Work::Http(_)))
    }

    /// What undoes an item, in the words of its step; nothing where the step says nothing.
    pub(crate) fn command(&self, place: Place) -> Option<Result<Command, EvaluationFault>> {
        let command = self.machine.compensation(place.step, place.item)?;
        Some(command.map(|command| self.command_of(&command)))
    }

    fn command_of(&self, command: &RunCommand) -> Command {
        let cwd = command.cwd.as_ref().map_or_else(|| self.cwd.clone(), |cwd| self.cwd.join(cwd));
        let input = command.stdin.clone().map_or(Input::None, |text| Input::Captured(text.into_bytes()));
        let argv = command.argv.iter().map(OsString::from).collect();
        Command { argv, cwd, env: environment(&command.env), input, subject: None }
    }
}
