//! A step that is a task for the router.

use std::collections::BTreeMap;

use cascade_kernel::csl::{TaskOf, Work};
use cascade_kernel::workflow::{Ended, Place};
use cascade_policy::facts::{Task, TaskKind};
use cascade_receipt::content::{Evidence, Layer};
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;

use super::attempt::{Attempting, Done, State, state};
use super::record::{self, What};
use super::step::{OfStep, Says, step_at};
use super::{Attempt, WorkflowError};
use crate::consent::{self, Of};
use crate::govern::GovernError;
use crate::task::{Request, Router, TaskError, Tasked};

impl Attempting<'_> {
    /// Has the router answer it. `asked` is the escalation that an earlier try of the same attempt left.
    pub(super) fn task(
        self,
        place: Place,
        text: &str,
        asked: Option<ReceiptId>,
    ) -> Result<Done, WorkflowError> {
        let router = self.router()?;
        let task = self.task_of(router, place, text)?;
        let approved = match asked.map(|asked| self.said_of(router, &task, asked)).transpose()? {
            Some(Said::Waits(asked)) => return Ok(Self::waiting(place, asked)),
            Some(Said::Denied(asked)) => return Ok(Self::denied(place, Some(asked))),
            Some(Said::Approved(standing)) => Some(*standing),
            Some(Said::Nothing) | None => None,
        };
        match router.answer(self.ledger, &self.task_request(place, task, approved, false)) {
            Ok(tasked) => self.task_done(place, &tasked),
            // Somebody used or took back the approval meanwhile: it is asked for anew the next time.
            Err(TaskError::ApprovalGone(reasons)) => {
                let mut done = Self::denied(place, asked);
                done.reasons = reasons.into_iter().map(|reason| reason.code).collect();
                Ok(done)
            }
            Err(TaskError::Append(error) | TaskError::Govern(GovernError::Append(error))) => {
                Err(WorkflowError::Append(error))
            }
            Err(other) => Err(WorkflowError::Task(Box::new(other))),
        }
    }

    /// Decides a task and records that; nobody is asked for an answer.
    pub(super) fn rehearse_task(self, place: Place, text: &str) -> Result<Attempt, WorkflowError> {
        let router = self.router()?;
        let task = self.task_of(router, place, text)?;
        let tasked = router
            .answer(self.ledger, &self.task_request(place, task, None, true))
            .map_err(|error| WorkflowError::Task(Box::new(error)))?;
        let decision = &tasked.ruling.decision;
        Ok(Attempt {
            place,
            ended: decision.verdict.as_str(),
            receipt_id: tasked.receipts.last().map(|receipt| receipt.receipt_id),
            reasons: decision.reasons().map(|(_, reason)| reason.code.to_string()).collect(),
            exit_code: None,
        })
    }

    /// The step's task with its text put in. A kind that it does not name is guessed as for anybody.
    fn task_of(self, router: &Router, place: Place, text: &str) -> Result<Task, WorkflowError> {
        let step = self.run.spec.steps.get(place.step).map(|step| &step.work);
        let Some(Work::Task(of)) = step else { return Err(WorkflowError::Unsettled) };
        let mut task = Task {
            kind: TaskKind::Ask,
            text: text.to_owned(),
            signature: of.signature.clone(),
            examples: of.examples.clone(),
            tests: of.tests.clone(),
            schema: None,
            max_layer: of.max_layer.clone().unwrap_or_else(|| Layer::L7.to_string()),
            tools: Vec::new(),
            model: None,
        };
        task.kind = match of.kind.as_deref().and_then(TaskKind::parse) {
            Some(kind) => kind,
            None => router.kind_of(self.ledger, &task)?,
        };
        Ok(task)
    }

    fn task_request(
        self,
        place: Place,
        task: Task,
        approved: Option<consent::Standing>,
        dry_run: bool,
    ) -> Request {
        let says = Says::Task(Box::new(task.clone()));
        Request {
            task,
            asker: self.driver.asker.clone(),
            approved,
            dry_run,
            // Nobody is there to be asked.
            spend: true,
            reason: self.driver.reason.clone(),
            runtime: self.driver.runtime.clone(),
            step: Some(OfStep { run: self.run.clone(), at: step_at(place), says }),
        }
    }

    /// What people have said to an earlier try of this very task, or to what a layer wanted to do for it.
    fn said_of(self, router: &Router, task: &Task, asked: ReceiptId) -> Result<Said, WorkflowError> {
        let (about, standing) = consent::approved_task(self.ledger, &asked.to_string())?;
        match state(self.ledger, &standing.approved)? {
            State::Open => return Ok(Said::Waits(asked)),
            State::Denied => return Ok(Said::Denied(asked)),
            State::Gone => return Ok(Said::Nothing),
            State::Approved => {}
        }
        let today = match standing.of {
            Of::Question => router.question(task).unwrap_or_else(|| task.clone()),
            Of::Task | Of::Command(_) => task.clone(),
        };
        let against = consent::task_objections(self.ledger, &self.driver.asker, &standing, today)?;
        let waits = |code: &str| matches!(code, "approval.missing" | "approval.too_few");
        Ok(if about != *task {
            Said::Nothing
        } else if against.reasons.is_empty() {
            Said::Approved(Box::new(standing))
        } else if against.reasons.iter().all(|reason| waits(&reason.code)) {
            Said::Waits(asked)
        } else {
            // It is not what was approved any more: people are asked anew.
            Said::Nothing
        })
    }

    /// How it went, as its receipts say: whoever goes on with the run reads no more than they.
    fn task_done(self, place: Place, tasked: &Tasked) -> Result<Done, WorkflowError> {
        let chain = self.run.chain.as_ref().map(|chain| chain.receipt_id).ok_or(WorkflowError::Unsettled)?;
        let receipts: Vec<ReceiptId> = tasked.receipts.iter().map(|receipt| receipt.receipt_id).collect();
        let recorded = record::of_receipts(self.ledger, chain, &self.run.spec, &receipts)?;
        // What was stopped for everyone has left nothing, and goes on when it may.
        let mut done = Done { receipts, ..Self::nothing(place, Ended::Waiting) };
        let Some(last) = recorded.into_iter().rfind(|one| !matches!(one.what, What::Started { .. })) else {
            return Ok(done);
        };
        done.at = last.at;
        match last.what {
            What::Asked => done.asks = Some(last.receipt_id),
            What::Ended(ended, left) => {
                (done.ended, done.result) = match self.run.spec.steps.get(place.step).map(|step| &step.work) {
                    Some(Work::Task(of)) => result(of, ended, left),
                    _ => (ended, left),
                };
            }
            What::Started { .. } | What::Settled { .. } | What::Called => {}
        }
        if done.ended == Ended::Refused {
            let codes = tasked.ruling.decision.reasons().map(|(_, reason)| reason.code.to_string());
            done.reasons = codes.collect();
        } else if done.ended == Ended::Failed {
            let declined = tasked.declined.iter();
            done.reasons = declined.map(|one| format!("{} {}", one.layer, one.code)).collect();
            done.reasons.extend(tasked.asks.clone());
            if tasked.answer.is_some() {
                done.reasons = vec!["task.evidence".to_owned()];
            }
        }
        Ok(done)
    }
}

/// What stands for a task that was escalated before.
enum Said {
    Nothing,
    Waits(ReceiptId),
    Denied(ReceiptId),
    Approved(Box<consent::Standing>),
}

/// What an attempt at a task left, and whether that is enough. A run that goes on asks here again, with what was
/// recorded.
pub(super) fn result(
    of: &TaskOf,
    ended: Ended,
    mut left: BTreeMap<String, Value>,
) -> (Ended, BTreeMap<String, Value>) {
    for (from, to) in [("stdout", "answer"), ("stdout_b64", "answer_b64")] {
        if let Some(answer) = left.remove(from).filter(|_| left.contains_key("layer")) {
            left.insert(to.to_owned(), answer);
        }
    }
    for name in ["stderr", "stderr_b64", "exit_code"] {
        left.remove(name);
    }
    let least = of.evidence.as_deref().and_then(Evidence::parse);
    let there = left.get("evidence").and_then(Value::as_str).and_then(Evidence::parse);
    let enough = least.is_none_or(|least| there.is_some_and(|there| there >= least));
    if ended == Ended::Completed && !enough { (Ended::Failed, left) } else { (ended, left) }
}
