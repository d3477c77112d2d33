//! What an attempt that ended means for its item, and what expressions see of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascade_receipt::json::Value as Data;
use cascade_receipt::time::Timestamp;
use cel::Value;

use super::{Ended, Item, Place, RESULT_TEXT_MAX, Role, Stage, Status, Workflow};
use crate::csl::{OnFailure, Step, json_of, map_of, value_of};

impl Workflow {
    pub(super) fn ended(
        &mut self,
        place: Place,
        at: Timestamp,
        ended: &Ended,
        result: &BTreeMap<String, Data>,
    ) {
        self.running = self.running.saturating_sub(1);
        if place.role == Role::Step && self.is_idle(place.step) {
            self.idle = self.idle.saturating_sub(1);
        }
        match place.role {
            Role::Step => self.attempt_ended(place, at, ended, result),
            Role::Reconciler => self.reconciled(place, at, ended, result),
            Role::Compensation => self.undone(place, ended),
        }
    }

    fn attempt_ended(&mut self, place: Place, at: Timestamp, ended: &Ended, result: &BTreeMap<String, Data>) {
        let of_result = |name: &str| result.get(name).and_then(Data::as_u64).unwrap_or(0);
        self.spent.tokens = self.spent.tokens.saturating_add(of_result("tokens"));
        self.spent.microusd = self.spent.microusd.saturating_add(of_result("cost_microusd"));
        let stage = match ended {
            Ended::Completed => Stage::Over(Status::Completed),
            Ended::Refused => Stage::Over(Status::Refused),
            Ended::Waiting => Stage::Waiting,
            Ended::Unknown if self.has_reconciler(place) => Stage::Reconcile,
            Ended::Unknown => self.nobody_knows(),
            Ended::Failed => self.after_failure(place, at),
        };
        if stage == Stage::Over(Status::Completed) {
            self.completed.push((at, place.step, place.item));
        }
        let status = match &stage {
            Stage::Over(status) => *status,
            _ => Status::Failed,
        };
        let is_over = matches!(stage, Stage::Over(_));
        let value = result_of(status, result);
        if let Some(item) = self.item_mut(place) {
            item.stage = stage;
            item.result = Some(value);
        }
        let on_failure = self.spec.steps.get(place.step).map(|step| step.on_failure);
        if on_failure == Some(OnFailure::Abort) {
            match ended {
                Ended::Refused => self.stop("step.refused"),
                Ended::Failed if status == Status::Failed && is_over => self.stop("step.failed"),
                _ => {}
            }
        }
    }

    fn has_reconciler(&self, place: Place) -> bool {
        self.spec.steps.get(place.step).is_some_and(|step| step.reconcile.is_some())
    }

    /// While a record is taken over nobody knows what had been heard by then: what had been tried again says so itself.
    const fn is_stopping(&self) -> bool {
        self.stopping.is_some() && !self.restoring
    }

    /// Where everything is being ended, nobody is asked either; the end says that it is not known.
    pub(super) const fn nobody_knows(&self) -> Stage {
        if self.is_stopping() { Stage::Over(Status::Unknown) } else { Stage::Unknown }
    }

    fn after_failure(&self, place: Place, at: Timestamp) -> Stage {
        let retry = self.spec.steps.get(place.step).map(|step| step.retry);
        match retry {
            Some(retry) if place.attempt < retry.attempts && !self.is_stopping() => {
                let wait = retry.wait_ms(place.attempt.saturating_add(1));
                Stage::Backoff(Timestamp::from_ms(at.ms().saturating_add(wait)))
            }
            _ => Stage::Over(Status::Failed),
        }
    }

    /// Exit 0: it took effect. 1: it did not. Anything else: the reconciler does not know either.
    fn reconciled(&mut self, place: Place, at: Timestamp, ended: &Ended, result: &BTreeMap<String, Data>) {
        let code = result.get("exit_code").and_then(Data::as_int);
        match (ended, code) {
            (Ended::Completed, _) => self.settled(place, at, true),
            (Ended::Failed, Some(1)) => self.settled(place, at, false),
            _ => {
                let stage = self.nobody_knows();
                if let Some(item) = self.item_mut(place) {
                    item.stage = stage;
                }
            }
        }
    }

    pub(super) fn settled(&mut self, place: Place, at: Timestamp, happened: bool) {
        let stopping = self.is_stopping();
        if happened {
            self.completed.push((at, place.step, place.item));
        }
        let Some(item) = self.item_mut(place) else { return };
        item.stage = match happened {
            true => Stage::Over(Status::Completed),
            // What was to be tried again and is not any more has failed.
            false if stopping => Stage::Over(Status::Failed),
            false => Stage::Ready,
        };
        if happened {
            item.result = Some(result_of(Status::Completed, &BTreeMap::new()));
        }
    }
}

/// The end of a step of whose items these are the ends.
pub(super) fn worst(statuses: impl Iterator<Item = Status>) -> Status {
    const fn rank(status: Status) -> u8 {
        match status {
            Status::Skipped => 0,
            Status::Completed => 1,
            Status::Unknown => 2,
            Status::Failed => 3,
            Status::Refused => 4,
        }
    }
    // A fan-out over nothing has done all that it had to.
    statuses.max_by_key(|status| rank(*status)).unwrap_or(Status::Completed)
}

/// `steps.ID` of a step that is over.
pub(super) fn result_of_step(step: &Step, status: Status, items: &[Item]) -> Value {
    let skipped = items.iter().all(|item| item.stage == Stage::Over(Status::Skipped));
    if step.foreach.is_none() || (skipped && !items.is_empty()) {
        let own = items.first().and_then(|item| item.result.clone());
        return own.unwrap_or_else(|| result_of(status, &BTreeMap::new()));
    }
    let results = items.iter().map(|item| item.result.clone().unwrap_or(Value::Null)).collect();
    let mut members = named(status);
    members.push(("items".to_owned(), Value::List(Arc::new(results))));
    map_of(members.into_iter())
}

/// The result of a step that could not be made ready.
pub(super) fn result_of_fault(message: &str) -> Value {
    let mut members = named(Status::Failed);
    members.push(("error".to_owned(), value_of(&message.into())));
    map_of(members.into_iter())
}

fn named(status: Status) -> Vec<(String, Value)> {
    vec![
        ("ok".to_owned(), Value::Bool(status == Status::Completed)),
        ("status".to_owned(), value_of(&status.as_str().into())),
    ]
}

fn result_of(status: Status, result: &BTreeMap<String, Data>) -> Value {
    let mut members = named(status);
    for (name, data) in result {
        if data.as_str().is_some_and(|text| text.len() > RESULT_TEXT_MAX) {
            members.push(("truncated".to_owned(), Value::Bool(true)));
            continue;
        }
        let is_output = matches!(name.as_str(), "stdout" | "body" | "answer");
        if let Some(json) = data.as_str().filter(|_| is_output).and_then(json_of) {
            members.push(("json".to_owned(), json));
        }
        members.push((name.clone(), value_of(data)));
    }
    map_of(members.into_iter())
}
