//! A record taken over: what has started and ended, without deciding what else should.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascade_receipt::json::Value as Data;
use cascade_receipt::time::Timestamp;

use super::{Ended, Event, Place, Role, Stage, StepState, Unexpected, Workflow};

impl Workflow {
    /// Takes over one thing that is recorded, in the order of the record.
    ///
    /// # Errors
    /// [`Unexpected`] when the specification knows no such attempt, or not yet: the record is not one of this run.
    pub fn restore(&mut self, event: &Event) -> Result<(), Unexpected> {
        match event {
            Event::Started { place, at } => {
                self.now = self.now.max(*at);
                self.has_started(*place)
            }
            Event::Ended { place, at, ended, result } => {
                self.now = self.now.max(*at);
                self.has_ended(*place, *at, ended, result)
            }
            Event::Settled { place, at, happened } => {
                let item = self.item(*place).filter(|item| item.stage == Stage::Unknown);
                item.ok_or(Unexpected(*place))?;
                self.now = self.now.max(*at);
                self.settled(*place, *at, *happened);
                self.end_steps();
                Ok(())
            }
            Event::Woke { at } | Event::Cancelled { at } => {
                self.now = self.now.max(*at);
                Ok(())
            }
        }
    }

    /// What has one receipt alone had started, too.
    fn has_ended(
        &mut self,
        place: Place,
        at: Timestamp,
        ended: &Ended,
        result: &BTreeMap<String, Data>,
    ) -> Result<(), Unexpected> {
        if self.is_expected(place).is_err() {
            self.has_started(place)?;
        }
        self.ended(place, at, ended, result);
        self.end_steps();
        Ok(())
    }

    fn has_started(&mut self, place: Place) -> Result<(), Unexpected> {
        match place.role {
            Role::Step => self.step_has_started(place),
            Role::Reconciler => {
                let item = self.item(place).filter(|item| item.stage == Stage::Reconcile);
                item.ok_or(Unexpected(place))?;
                self.set_stage(place, Stage::Reconciling);
                self.running += 1;
                Ok(())
            }
            Role::Compensation => self.undoing_has_started(place),
        }
    }

    fn step_has_started(&mut self, place: Place) -> Result<(), Unexpected> {
        self.reach(place.step).ok_or(Unexpected(place))?;
        let now = self.now;
        let Some(StepState::Started(items)) = self.steps.get_mut(place.step) else {
            return Err(Unexpected(place));
        };
        let item = items.get_mut(place.item).filter(|item| item.attempt + 1 == place.attempt);
        let item = item.ok_or(Unexpected(place))?;
        let may_start = match item.stage {
            Stage::Ready => true,
            Stage::Backoff(until) => until <= now,
            _ => false,
        };
        if !may_start {
            return Err(Unexpected(place));
        }
        item.attempt = place.attempt;
        item.stage = Stage::Running;
        self.running += 1;
        self.idle += u64::from(self.is_idle(place.step));
        self.attempts += 1;
        Ok(())
    }

    /// Comes to a step whose needs are over; to these first, where they had nothing to do and left no record.
    fn reach(&mut self, step: usize) -> Option<()> {
        let spec = Arc::clone(&self.spec);
        let mut ahead = vec![step];
        while let Some(at) = ahead.last().copied() {
            if !matches!(self.steps.get(at), Some(StepState::Pending)) {
                ahead.pop();
                continue;
            }
            let needs = self.needs.get(at)?.clone();
            let waits = |need: &usize| !matches!(self.steps.get(*need), Some(StepState::Over));
            let Some(missing) = needs.into_iter().find(waits) else {
                let items = self.expand(at);
                *self.steps.get_mut(at)? = StepState::Started(items);
                self.end_steps();
                continue;
            };
            // A need that is under way, or that this one waits for, is no need that had nothing to do.
            let is_pending = matches!(self.steps.get(missing), Some(StepState::Pending));
            if !is_pending || ahead.len() > spec.steps.len() {
                return None;
            }
            ahead.push(missing);
        }
        Some(())
    }

    /// Whatever ended the run, it was being undone by then.
    fn undoing_has_started(&mut self, place: Place) -> Result<(), Unexpected> {
        let can_be = self.spec.steps.get(place.step).is_some_and(|step| step.compensate.is_some());
        if self.running > 0 || !can_be {
            return Err(Unexpected(place));
        }
        if self.stopping.is_none() {
            self.stop("stopped");
        }
        self.begin_undoing();
        let stopping = self.stopping.as_mut().ok_or(Unexpected(place))?;
        let next = stopping.left.as_mut().and_then(|left| {
            let at = left.iter().rposition(|one| *one == (place.step, place.item))?;
            // What stands behind it had no words to be undone with.
            left.truncate(at);
            Some(())
        });
        next.ok_or(Unexpected(place))?;
        stopping.undoing = Some(place);
        self.running += 1;
        Ok(())
    }

    fn set_stage(&mut self, place: Place, stage: Stage) {
        if let Some(item) = self.item_mut(place) {
            item.stage = stage;
        }
    }
}
