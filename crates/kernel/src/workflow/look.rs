//! Where a run stands, for whoever drives it.

use super::{Count, Place, Rendered, Rest, Role, RunCommand, Stage, Status, Workflow};
use crate::csl::EvaluationFault;

impl Workflow {
    /// Why there is nothing to do now.
    #[must_use]
    pub fn rest(&self) -> Rest {
        if self.running > 0 {
            return Rest::Running;
        }
        let items = self.items();
        let backoff = items.filter_map(|item| match item.stage {
            Stage::Backoff(until) => Some(until),
            _ => None,
        });
        let opens =
            self.items().any(|item| item.stage == Stage::Ready).then(|| self.window_opens()).flatten();
        match backoff.chain(opens).min() {
            Some(until) => Rest::Until(until),
            None => Rest::People,
        }
    }

    /// Attempts whose outcome only a person can tell.
    pub fn unknown(&self) -> impl Iterator<Item = Place> {
        self.places(|stage| *stage == Stage::Unknown)
    }

    /// Attempts that wait for an approval.
    pub fn waiting(&self) -> impl Iterator<Item = Place> {
        self.places(|stage| *stage == Stage::Waiting)
    }

    /// How many items have ended how by now.
    #[must_use]
    pub fn tally(&self) -> Count {
        let mut count = self.count;
        for item in self.items() {
            match item.stage {
                Stage::Over(status) => count.add(status),
                Stage::Unknown | Stage::Reconcile | Stage::Reconciling => count.add(Status::Unknown),
                Stage::Ready | Stage::Backoff(_) | Stage::Running | Stage::Waiting => {}
            }
        }
        count
    }

    /// Tokens that its tasks have cost by now, and millionths of a dollar.
    #[must_use]
    pub const fn spent(&self) -> (u64, u64) {
        (self.spent.tokens, self.spent.microusd)
    }

    /// Whether an item of a step was completed.
    #[must_use]
    pub fn is_completed(&self, step: usize, item: usize) -> bool {
        self.completed.iter().any(|(_, own, at)| (*own, *at) == (step, item))
    }

    /// What the step says undoes an item of it; nothing where it says nothing.
    #[must_use]
    pub fn compensation(&self, step: usize, item: usize) -> Option<Result<RunCommand, EvaluationFault>> {
        self.spec.steps.get(step)?.compensate.as_ref()?;
        match self.render(Place { step, item, attempt: 1, role: Role::Compensation }) {
            Ok(Rendered::Command(command)) => Some(Ok(command)),
            Ok(_) => None,
            Err(fault) => Some(Err(fault)),
        }
    }

    /// Steps that failed since the last call because an expression of theirs has no value, and why.
    pub fn take_faults(&mut self) -> Vec<(Place, String)> {
        std::mem::take(&mut self.faults)
    }
}
