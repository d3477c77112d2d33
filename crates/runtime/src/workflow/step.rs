//! What ties an action to the step of a run that it is.

use std::ffi::OsString;
use std::sync::Arc;

use cascade_kernel::workflow::{Place, Role};
use cascade_ledger::{Fault, Reader};
use cascade_policy::facts::{self, Task};
use cascade_receipt::content::{OfSpec, Ref, StepAt, StepRole};

use super::load::Loaded;

/// The step of a run that an action is taken for.
#[derive(Clone, Debug)]
pub struct OfStep {
    pub(super) run: Arc<Loaded>,
    pub(super) at: StepAt,
    pub(super) says: Says,
}

/// What the step says once its values are put in.
#[derive(Clone, Debug)]
pub(super) enum Says {
    /// A command.
    Command(Vec<OsString>),
    /// A task for the router. What a layer does for it is no more than that.
    Task(Box<Task>),
}

impl OfStep {
    /// What the gates hear of a command. `argv` is what would run; `task` what it would run for.
    pub(crate) fn facts(
        &self,
        ledger: &Reader,
        argv: &[OsString],
        task: Option<&cascade_receipt::json::Value>,
    ) -> Result<facts::Spec, Fault> {
        let says_it = match &self.says {
            Says::Command(words) => words == argv,
            Says::Task(said) => task.is_some_and(|task| *task == said.to_json()),
        };
        self.run.facts(ledger, says_it)
    }

    /// What the gates hear of a task, whoever is asked about it.
    pub(crate) fn task_facts(&self, ledger: &Reader, task: &Task) -> Result<facts::Spec, Fault> {
        let says_it = matches!(&self.says, Says::Task(said) if said.as_ref() == task);
        self.run.facts(ledger, says_it)
    }

    /// How receipts name it.
    pub(crate) fn of_spec(&self) -> OfSpec {
        OfSpec { spec_hash: self.run.spec_hash, step: Some(self.at) }
    }

    /// How receipts name the run; a rehearsal has none.
    pub(crate) fn chain(&self) -> Option<Ref> {
        self.run.chain.clone()
    }
}

/// A place as receipts have it.
pub(super) fn step_at(place: Place) -> StepAt {
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    StepAt {
        at: number(place.step),
        item: number(place.item),
        attempt: u64::from(place.attempt),
        role: match place.role {
            Role::Step => None,
            Role::Compensation => Some(StepRole::Compensation),
            Role::Reconciler => Some(StepRole::Reconciler),
        },
    }
}
