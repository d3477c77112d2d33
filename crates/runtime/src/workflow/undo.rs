//! What a specification says undoes the steps of a run that has ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use cascade_kernel::csl::EvaluationFault;
use cascade_kernel::workflow::{Place, Role, RunCommand, Workflow};
use cascade_ledger::{Chain, Ledger};
use cascade_receipt::id::ReceiptId;

use super::attempt::environment;
use super::record::{Recorded, What};
use super::{WorkflowError, drive, load};
use crate::facts::{Command, Input};

/// A run as its record leaves it, for whoever undoes it.
pub(crate) struct Undoes {
    machine: Workflow,
    cwd: PathBuf,
    /// The closer of the last attempt at each item.
    last: BTreeMap<(usize, usize), ReceiptId>,
}

/// Looks at a run.
///
/// # Errors
/// [`WorkflowError`].
pub(crate) fn undoes(ledger: &Ledger, chain: &Chain) -> Result<Undoes, WorkflowError> {
    let (run, _) = load::run(ledger, chain.receipt_id)?;
    let (machine, recorded) = drive::restored(ledger, chain.receipt_id, chain)?;
    let is_end = |one: &Recorded| one.place.role == Role::Step && matches!(one.what, What::Ended(..));
    let ends = recorded.into_iter().filter(is_end);
    let last = ends.map(|one| ((one.place.step, one.place.item), one.receipt_id)).collect();
    Ok(Undoes { machine, cwd: run.cwd, last })
}

impl Undoes {
    /// Whether the attempt of this closer took effect, by what its step, a reconciler or a person says.
    pub(crate) fn took_effect(&self, place: Place, closer: ReceiptId) -> bool {
        let is_last = self.last.get(&(place.step, place.item)) == Some(&closer);
        is_last && self.machine.is_completed(place.step, place.item)
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
