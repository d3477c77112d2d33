//! A run that is ended before its end: what runs is waited for, what was done is undone, the last first.

use super::{Effect, End, Ended, Item, Place, Role, Stage, Status, StepState, Workflow};

impl Workflow {
    /// The next thing to undo, or the end.
    pub(super) fn undo(&mut self, effects: &mut Vec<Effect>) {
        self.begin_undoing();
        if self.stopping.as_ref().is_some_and(|stopping| stopping.waits) {
            return;
        }
        while let Some((step, item)) = self.next_to_undo() {
            let place = Place { step, item, attempt: 1, role: Role::Compensation };
            match self.render(place) {
                Ok(what) => {
                    if let Some(stopping) = &mut self.stopping {
                        stopping.undoing = Some(place);
                    }
                    self.running += 1;
                    return effects.push(Effect::Start { place, what });
                }
                Err(_) => self.stop("compensation.failed"),
            }
        }
        self.is_finished = true;
        let reasons = self.stopping.as_ref().map(|stopping| stopping.reasons.clone()).unwrap_or_default();
        let count = self.count;
        effects.push(Effect::Finish(End { completed: false, reasons, outputs: Default::default(), count }));
    }

    /// Finds out what there is to undo, once. The last that was completed comes first, by the times of the receipts: the
    /// order in which their ends were heard is nobody's to know afterwards.
    pub(super) fn begin_undoing(&mut self) {
        if self.stopping.as_ref().is_none_or(|stopping| stopping.left.is_some()) {
            return;
        }
        self.close_items();
        let rank = |step: &usize| self.ranks.get(*step).copied().unwrap_or(usize::MAX);
        let mut done = self.completed.clone();
        done.sort_by_key(|(at, step, item)| (*at, rank(step), *item));
        if let Some(stopping) = &mut self.stopping {
            stopping.left = Some(done.into_iter().map(|(_, step, item)| (step, item)).collect());
        }
    }

    pub(super) fn undone(&mut self, place: Place, ended: &Ended) {
        if let Some(stopping) = &mut self.stopping {
            stopping.undoing = None;
            if *ended == Ended::Waiting {
                stopping.waits = true;
                stopping.left.get_or_insert_default().push((place.step, place.item));
                return;
            }
        }
        // It goes on with the others: as much as can be undone is.
        if *ended != Ended::Completed {
            self.stop(if *ended == Ended::Unknown { "compensation.unknown" } else { "compensation.failed" });
        }
    }

    /// The next completed item whose step says how it is undone.
    fn next_to_undo(&mut self) -> Option<(usize, usize)> {
        let spec = std::sync::Arc::clone(&self.spec);
        let left = self.stopping.as_mut()?.left.as_mut()?;
        loop {
            let (step, item) = left.pop()?;
            if spec.steps.get(step).is_some_and(|step| step.compensate.is_some()) {
                return Some((step, item));
            }
        }
    }

    /// Nothing runs any more: what had not ended by itself counts as what it is.
    fn close_items(&mut self) {
        for state in &mut self.steps {
            if let StepState::Started(items) = state {
                items.iter_mut().for_each(close);
            }
        }
        self.end_steps();
    }
}

fn close(item: &mut Item) {
    let status = match item.stage {
        Stage::Over(_) => return,
        Stage::Unknown | Stage::Reconcile | Stage::Reconciling | Stage::Running => Status::Unknown,
        Stage::Backoff(_) => Status::Failed,
        Stage::Ready | Stage::Waiting => Status::Skipped,
    };
    item.stage = Stage::Over(status);
}
