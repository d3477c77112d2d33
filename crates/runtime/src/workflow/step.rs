//! What ties an action to the step of a run that it is.

use std::ffi::OsString;
use std::sync::Arc;

use cascade_kernel::workflow::{Place, Role};
use cascade_ledger::{Fault, Reader};
use cascade_policy::facts;
use cascade_receipt::content::{OfSpec, Ref, StepAt, StepRole};

use super::load::Loaded;

/// The step of a run that a command is started for.
#[derive(Clone, Debug)]
pub struct OfStep {
    pub(super) run: Arc<Loaded>,
    pub(super) at: StepAt,
    /// What the step says once its values are put in.
    pub(super) argv: Vec<OsString>,
}

impl OfStep {
    /// What the gates hear of it. `argv` is what would run.
    pub(crate) fn facts(&self, ledger: &Reader, argv: &[OsString]) -> Result<facts::Spec, Fault> {
        self.run.facts(ledger, self.argv == argv)
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
