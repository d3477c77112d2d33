//! L6.5: a task in words becomes a command of a worker, which is governed like any other command.

use std::ffi::OsString;

use cascade_kernel::action::{Outcome as RunOutcome, Record as RunRecord};
use cascade_kernel::route::Acted;
use cascade_policy::worker::{GRADE_MIN, Planned};
use cascade_receipt::content::{Ending, Evidence, Layer as LayerName, Routed};
use cascade_receipt::decision::Reason;

use super::perform::{Performer, Place};
use super::{Answer, Ran, TaskError};
use crate::consent::Approved;
use crate::facts::{Command, Input};
use crate::govern::{self, Governed, govern};
use crate::process::{Captured, StreamsPlan};

/// Most output of a command that is kept as an answer.
const OUTPUT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most plans that a question names.
const PLANS_TOLD: usize = 4;

impl Performer<'_> {
    pub(super) fn act(&mut self, slot: usize) -> Result<Acted, TaskError> {
        match self.slots.get(slot).map(|(place, _)| *place) {
            Some(Place::Command) => self.run_command(),
            Some(Place::Model) => self.ask_model(),
            _ => Err(TaskError::Defect("a layer that does not act".to_owned())),
        }
    }

    fn run_command(&mut self) -> Result<Acted, TaskError> {
        let (snapshot, _) = self.router.policy(self.ledger)?;
        let plans = snapshot.registry().plans(&self.request.task.text);
        let Some(plan) = self.chosen(&plans) else { return Ok(Acted::Passed) };
        let command = Command::here(plan.argv.iter().map(OsString::from).collect())?;
        self.run(plan, command, None)
    }

    /// The very command that people approved, as long as the words mean it.
    pub(super) fn run_approved(&mut self, command: &Command) -> Result<Acted, TaskError> {
        let (snapshot, _) = self.router.policy(self.ledger)?;
        let approved = self.request.approved.as_ref().map(|standing| standing.approved.clone());
        let same = |plan: &Planned| plan.argv.iter().map(OsString::from).eq(command.argv.iter().cloned());
        let plan = snapshot.registry().plans(&self.request.task.text).into_iter().find(same);
        let plan =
            plan.ok_or_else(|| TaskError::ApprovalGone(vec![Reason::code("approval.changed_words")]))?;
        self.run(plan, command.clone(), approved)
    }

    fn run(
        &mut self,
        plan: Planned,
        mut command: Command,
        approved: Option<Approved>,
    ) -> Result<Acted, TaskError> {
        // A task has no input of its own; a program that waits for some is told at once that there is none.
        command.input = Input::None;
        let routed = Routed {
            layer: LayerName::L6Cli,
            evidence: Evidence::Proposed,
            grade: plan.grade,
            smoke: None,
            question_hash: None,
            declined: self.declined_codes(),
            recalled: None,
        };
        let request = govern::Request {
            command,
            asker: self.asker.clone(),
            dry_run: self.request.dry_run,
            approved,
            reason: self.request.reason.clone(),
            timeout: None,
            streams: StreamsPlan::Capture { cap_bytes: OUTPUT_BYTES_MAX },
            runtime: self.request.runtime.clone(),
            task: Some(govern::OfTask {
                routed: routed.clone(),
                task: self.request.task.to_json(),
                answers: plan.answers.keys().copied().collect(),
            }),
            step: self.request.step.clone(),
            cron: None,
            takes_back: None,
            request: None,
        };
        let governed = govern(self.ledger, request)?;
        Ok(self.take_over(governed, plan, &routed))
    }

    /// The one plan, if there is one.
    fn chosen(&mut self, plans: &[Planned]) -> Option<Planned> {
        match plans {
            [] => self.decline(LayerName::L6Cli, "cli.no_intent", None),
            [only] if only.grade >= GRADE_MIN => return Some(only.clone()),
            [only] => {
                self.decline(LayerName::L6Cli, "grade.below", Some(format!("{} of {GRADE_MIN}", only.grade)));
            }
            several => {
                let told = several.iter().take(PLANS_TOLD).map(|plan| plan.argv.join(" "));
                let told = told.collect::<Vec<_>>().join("`, or `");
                self.decline(LayerName::L6Cli, "cli.ambiguous", None);
                self.asks = Some(format!("say which is meant: `{told}`"));
            }
        }
        None
    }

    /// The command's own receipts are the task's.
    fn take_over(&mut self, governed: Governed, plan: Planned, routed: &Routed) -> Acted {
        let truncated = governed.truncated;
        let exit_code = governed.exit_code();
        let Captured { stdout, stderr } = governed.captured.unwrap_or_default();
        if governed.outcome == RunOutcome::Decided(RunRecord::Escalation) {
            self.waits_for = governed.receipts.last().map(|receipt| receipt.receipt_id);
        }
        self.receipts.extend(governed.receipts);
        let says = exit_code.and_then(|code| plan.answers.get(&code)).cloned();
        let acted = match governed.outcome {
            RunOutcome::Ran(Ending::Completed) => Acted::Answered,
            RunOutcome::Ran(Ending::Failed) if says.is_some() => Acted::Answered,
            RunOutcome::Ran(_) | RunOutcome::ClosedElsewhere => Acted::Failed,
            RunOutcome::Decided(_) => Acted::Stopped,
        };
        if acted == Acted::Answered {
            let silent = says.as_ref().filter(|_| stdout.is_empty());
            self.answer = Some(Answer {
                text: silent.cloned().unwrap_or_else(|| String::from_utf8_lossy(&stdout).into_owned()),
                layer: routed.layer.clone(),
                evidence: routed.evidence,
                grade: routed.grade,
                smoke: None,
                question: None,
            });
        } else {
            let code = if acted == Acted::Stopped { "cli.not_admitted" } else { "cli.failed" };
            self.decline(LayerName::L6Cli, code, None);
        }
        self.acted_on = Some(governed.ruling);
        self.ran =
            Some(Ran { argv: plan.argv, intent: plan.intent, exit_code, says, stdout, stderr, truncated });
        acted
    }
}
