//! A step that runs another specification: a run of its own, which names the step that it is started for and goes no
//! further than the run that the step belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cascade_kernel::csl::{Spec, Step, SubWorkflow, Work};
use cascade_kernel::workflow::{Ended, Place};
use cascade_ledger::{Found, Ledger};
use cascade_policy::facts::Caller;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::time::Timestamp;

use super::attempt::{Attempting, Before, Done, State, state};
use super::load::Sub;
use super::step::step_at;
use super::{Driven, Standing, Start, WorkflowError, drive, look};
use crate::consent;

impl Attempting<'_> {
    /// Begins its run, or goes on with it.
    pub(super) fn workflow(
        self,
        place: Place,
        inputs: &Value,
        before: Before,
    ) -> Result<Done, WorkflowError> {
        let driven = match before.called {
            Some(child) => drive::resume(self.ledger, child, self.driver, &mut |_| {}),
            None => match self.call(place, inputs, before.asked)? {
                Called::Driven(driven) => *driven,
                Called::Not(done) => return Ok(done),
            },
        };
        match driven {
            Ok(driven) => self.called(place, driven),
            // Somebody goes on with it, or has ended it, beside this one: its receipts say how.
            Err(WorkflowError::Busy(child)) => {
                let reasons = vec![format!("{child} is driven by another process")];
                Ok(Done { reasons, ..Self::nothing(place, Ended::Waiting) })
            }
            Err(WorkflowError::Ended(child)) => self.called(place, look::look(self.ledger, child)?),
            Err(other) => Err(other),
        }
    }

    fn call(self, place: Place, inputs: &Value, asked: Option<ReceiptId>) -> Result<Called, WorkflowError> {
        let step = self.run.spec.steps.get(place.step).map(|step| &step.work);
        let Some(Work::Workflow(of)) = step else { return Err(WorkflowError::Unsettled) };
        let caller = self.caller(place)?;
        // What lies in the vault is believed as far as its hash is the one that was signed.
        let sub = self.run.sub(&of.spec_hash).ok_or(WorkflowError::Damaged(caller.run))?;
        let inputs = match sub.document.inputs(inputs) {
            Ok(inputs) => inputs,
            Err(faults) => {
                let reasons = faults;
                return Ok(Called::Not(Done { reasons, ..Self::nothing(place, Ended::Failed) }));
            }
        };
        let mut approval = None;
        if let Some(asked) = asked {
            let (approved, _) = consent::answered(self.ledger, &asked.to_string())?;
            match state(self.ledger, &approved)? {
                State::Open => return Ok(Called::Not(Self::waiting(place, asked))),
                State::Denied => return Ok(Called::Not(Self::denied(place, Some(asked)))),
                State::Gone => {}
                State::Approved => approval = Some(asked.to_string()),
            }
        }
        let start = Start {
            document: Arc::clone(&sub.document),
            signature: sub.signature.clone(),
            inputs,
            cwd: self.run.cwd.clone(),
            approval,
            dry_run: false,
            cron: None,
            subs: below(&sub.document.spec, &self.run.subs),
        };
        let caller = (caller, Arc::clone(self.run));
        let begin = |start| drive::begin(self.ledger, start, Some(caller.clone()), self.driver, &mut |_| {});
        Ok(Called::Driven(Box::new(match begin(start.clone()) {
            // What was approved is not what would start today: people are asked anew.
            Err(WorkflowError::OtherAction(_)) => begin(Start { approval: None, ..start }),
            other => other,
        })))
    }

    fn caller(self, place: Place) -> Result<Caller, WorkflowError> {
        let chain = self.run.chain.as_ref().ok_or(WorkflowError::Unsettled)?;
        let at = step_at(place);
        Ok(Caller { run: chain.receipt_id, at: at.at, item: at.item, attempt: at.attempt })
    }

    fn called(self, place: Place, driven: Driven) -> Result<Done, WorkflowError> {
        let last = driven.receipts.last().copied();
        let waiting = driven.attempts.iter().find(|attempt| attempt.ended == "waiting");
        let mut done = Self::nothing(place, Ended::Waiting);
        match driven.standing {
            Standing::Completed | Standing::Aborted => {
                done.result = result(&driven);
                done.ended = match driven.standing {
                    Standing::Completed => Ended::Completed,
                    _ => ended_of(driven.count.unknown, &driven.reasons),
                };
                done.at = time_of(self.ledger, last)?.unwrap_or(done.at);
                done.reasons = driven.reasons;
            }
            Standing::Blocked | Standing::Rehearsed => {
                done.ended = Ended::Refused;
                let reasons = driven.ruling.iter().flat_map(|ruling| ruling.decision.reasons());
                done.reasons = reasons.map(|(_, reason)| reason.code.to_string()).collect();
                if done.reasons.iter().any(|code| super::attempt::is_standstill(code)) {
                    done.ended = Ended::Waiting;
                }
            }
            Standing::Escalated => done.asks = last,
            Standing::Waits => {
                done.asks = waiting.and_then(|attempt| attempt.receipt_id);
                let shown = driven.chain.filter(|_| done.asks.is_none());
                done.reasons =
                    shown.map(|chain| format!("look: cascade spec show {chain}")).into_iter().collect();
            }
        }
        done.receipts = driven.receipts;
        Ok(done)
    }
}

enum Called {
    Driven(Box<Result<Driven, WorkflowError>>),
    Not(Done),
}

/// What expressions see of it, and what it cost.
pub(super) fn result(driven: &Driven) -> BTreeMap<String, Value> {
    let outputs = driven.outputs.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect();
    let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let (tokens, microusd) = driven.spent;
    BTreeMap::from([
        ("outputs".to_owned(), Value::Object(outputs)),
        ("tokens".to_owned(), number(tokens)),
        ("cost_microusd".to_owned(), number(microusd)),
    ])
}

/// What the end of a run that was aborted is to the step that started it, by how many of its steps nobody knows of and why
/// it was ended.
pub(super) fn ended_of(unknown: u64, reasons: &[String]) -> Ended {
    let is = |code: &str| reasons.iter().any(|reason| reason == code);
    if unknown > 0 || is("compensation.unknown") {
        Ended::Unknown
    } else if is("step.refused") || is("cancelled") || is("stopped") {
        Ended::Refused
    } else {
        Ended::Failed
    }
}

fn time_of(ledger: &Ledger, id: Option<ReceiptId>) -> Result<Option<Timestamp>, WorkflowError> {
    let Some(id) = id else { return Ok(None) };
    let Found::One(_, _, line) = ledger.find(&id.to_string())? else { return Ok(None) };
    let receipt = json::parse(line.as_bytes()).ok();
    Ok(receipt
        .and_then(|receipt| Timestamp::parse(receipt.member("content")?.member("timestamp")?.as_str()?)))
}

/// Those of `subs` that a specification runs, and those that they run.
fn below(spec: &Spec, subs: &[Arc<Sub>]) -> Vec<Sub> {
    let (mut found, mut left) = (BTreeMap::new(), vec![spec]);
    while let Some(spec) = left.pop() {
        for step in &spec.steps {
            let Work::Workflow(of) = &step.work else { continue };
            let sub = subs.iter().find(|sub| sub.document.hash().to_hex() == of.spec_hash);
            if let Some(sub) = sub.filter(|_| !found.contains_key(&of.spec_hash)) {
                found.insert(&of.spec_hash, sub.as_ref().clone());
                left.push(&sub.document.spec);
            }
        }
    }
    found.into_values().collect()
}

/// Whether every specification that a step runs, or one below it, is there, and is given the inputs that it has.
pub(super) fn check(spec: &Spec, subs: &[Sub]) -> Result<(), WorkflowError> {
    let mut seen = BTreeSet::new();
    let mut left = vec![spec];
    while let Some(spec) = left.pop() {
        for step in &spec.steps {
            let Work::Workflow(of) = &step.work else { continue };
            let found = subs.iter().find(|sub| sub.document.hash().to_hex() == of.spec_hash);
            let Some(sub) = found else { return Err(wrong(step, of, "is not there".to_owned())) };
            fits(step, of, &sub.document.spec)?;
            if seen.insert(&of.spec_hash) {
                left.push(&sub.document.spec);
            }
        }
    }
    Ok(())
}

fn fits(step: &Step, of: &SubWorkflow, sub: &Spec) -> Result<(), WorkflowError> {
    let given = |name: &str| of.inputs.iter().any(|(given, ..)| given == name);
    for (name, ..) in &of.inputs {
        if !sub.inputs.iter().any(|input| input.name == *name) {
            return Err(wrong(step, of, format!("has no input `{name}`")));
        }
    }
    let missing = sub.inputs.iter().find(|input| input.default.is_none() && !given(&input.name));
    match missing {
        Some(input) => Err(wrong(step, of, format!("needs the input `{}`", input.name))),
        None => Ok(()),
    }
}

fn wrong(step: &Step, of: &SubWorkflow, why: String) -> WorkflowError {
    WorkflowError::Sub { step: step.id.clone(), file: of.file.clone(), why }
}

/// The runs that steps of this one have started and that have not ended.
pub(super) fn open_children(ledger: &Ledger, id: ReceiptId) -> Result<Vec<ReceiptId>, WorkflowError> {
    let Some(chain) = ledger.chain(id)? else { return Ok(Vec::new()) };
    let mut open = Vec::new();
    for child in super::record::started_by(ledger, &chain)? {
        if ledger.chain(child)?.is_some_and(|child| child.closed.is_none()) {
            open.push(child);
        }
    }
    Ok(open)
}
