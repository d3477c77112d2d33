//! The receipts of a task.

use cascade_kernel::route::{Acted, Outcome, Record};
use cascade_ledger::{Draft, PrivateItem};
use cascade_receipt::content::{
    self, Body, Closing, Ending, Escalation, Layer as LayerName, OfSpec, PureTask, Ref, Routed, Spent,
};
use cascade_receipt::decision::Reason;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;

use super::perform::{Decided, Performer};
use super::{Answer, TaskError};
use crate::govern;
use crate::limits;
use crate::workflow::OfStep;

/// Most reasons of layers that one receipt names.
const DECLINED_MAX: usize = 32;
/// The reason of a closer whose task was answered, or not, by an action with receipts of its own.
pub(crate) const ACTED: &str = "route.acted";
/// The stream of an answer in the frames that `output_hash` is of: standard output.
const OUT: u8 = 1;

impl Performer<'_> {
    pub(super) fn draft(
        &self,
        record: Record,
        decided: &Decided,
        answer: Option<&Answer>,
    ) -> Result<Draft, TaskError> {
        let approved = self.request.approved_itself();
        // Asked anew, it is a matter of its own: under the old hash, what was approved before could never run again.
        let is_new_matter = record == Record::Escalation && approved.is_some();
        let action_nonce = if is_new_matter { cascade_ledger::nonce()? } else { self.action_nonce };
        let action =
            PrivateItem::new("action_hash", action_nonce, decided.facts.action().to_canonical().into_bytes());
        let facts = PrivateItem::new(
            "facts_hash",
            self.facts_nonce,
            decided.facts.to_json().to_canonical().into_bytes(),
        );
        let runs = matches!(record, Record::Answer | Record::Intent);
        let stands_on = approved.filter(|_| !is_new_matter).map(|approved| approved.counted(&decided.facts));
        let body = content::Action {
            refs: self
                .stands_on
                .iter()
                .filter(|_| record == Record::Answer)
                .chain(&decided.grants)
                .cloned()
                .chain(stands_on.into_iter().flatten())
                .chain(self.chain())
                .collect(),
            draws: if runs { limits::taken(&decided.ruling) } else { Vec::new() },
            ..self.action(decided, action.hash, facts.hash)
        };
        let mut private = vec![action, facts];
        let body = match record {
            Record::DryRun => Body::DryRun(body),
            Record::Blocked => Body::Blocked(body),
            Record::Escalation => Body::Escalation(escalation(body, decided)?),
            Record::Answer => {
                let answer = answer.ok_or_else(|| TaskError::Defect("no answer".to_owned()))?;
                let output =
                    PrivateItem::new("output_hash", self.output_nonce, frame(answer.text.as_bytes()));
                let output_hash = output.hash;
                private.push(output);
                let question = question(answer)?;
                let question_hash = question.as_ref().map(|question| question.hash);
                private.extend(question);
                Body::Pure(PureTask {
                    action: body,
                    routed: Routed { question_hash, ..self.routed(answer) },
                    output_hash,
                    duration_us: self.elapsed_us(),
                })
            }
            Record::Intent | Record::Closer => Body::TaskStarted(body),
        };
        let receipt_id =
            if record == Record::Intent { self.intent_id } else { cascade_ledger::receipt_id()? };
        let mut draft = Draft::new(receipt_id, body);
        draft.seen = Some(decided.mark);
        if runs {
            draft.caps = limits::caps(&decided.facts, &decided.ruling);
            draft.holds_until = decided.holds_until;
        }
        if let Some(reason) = &self.request.reason {
            private.push(PrivateItem::new("reason", cascade_ledger::nonce()?, reason.clone().into_bytes()));
        }
        draft.private = private;
        Ok(draft)
    }

    /// What every decision of this task says, without what it stands on and takes.
    pub(super) fn action(
        &self,
        decided: &Decided,
        action_hash: Digest,
        facts_hash: Digest,
    ) -> content::Action {
        content::Action {
            task_type: self.request.task.kind.as_str().to_owned(),
            risk_tier: decided.ruling.risk_tier,
            classified: decided.ruling.classified,
            request: None,
            principal: self.asker.principal_id(),
            on_behalf_of: self.asker.agent.as_ref().map(|_| self.asker.person_id),
            action_hash,
            facts_hash,
            decision: decided.ruling.decision.clone(),
            refs: Vec::new(),
            draws: Vec::new(),
            spec: self.of_spec(),
            runtime: self.request.runtime.clone(),
        }
    }

    fn routed(&self, answer: &Answer) -> Routed {
        Routed {
            layer: answer.layer.clone(),
            evidence: answer.evidence,
            grade: answer.grade,
            smoke: answer.smoke.clone(),
            question_hash: None,
            declined: self.declined_codes(),
            recalled: self.recalled,
        }
    }

    pub(super) fn declined_codes(&self) -> Vec<(LayerName, String)> {
        let all = self.declined.iter().take(DECLINED_MAX);
        all.map(|declined| (declined.layer.clone(), declined.code.clone())).collect()
    }

    /// Nobody had an answer: the layers that were asked, and why.
    pub(super) fn closer(&self) -> Result<Draft, TaskError> {
        self.closing(Ending::Failed, "route.unanswered")
    }

    /// What became of the action that a layer took for an approved task. Answer and cost stand in that action's own
    /// receipts.
    pub(super) fn settled(&self, outcome: Outcome) -> Result<Draft, TaskError> {
        match outcome {
            Outcome::Acted(_, Acted::Answered) => self.closing(Ending::Completed, ACTED),
            Outcome::Acted(..) => self.closing(Ending::Failed, ACTED),
            Outcome::Decided(_) | Outcome::Answered(_) | Outcome::Unanswered => self.closer(),
        }
    }

    fn closing(&self, ending: Ending, code: &str) -> Result<Draft, TaskError> {
        let intent =
            self.intent.clone().ok_or_else(|| TaskError::Defect("closer without intent".to_owned()))?;
        let mut reasons = vec![Reason::code(code)];
        let declined = self.declined.iter().filter(|_| ending == Ending::Failed).take(DECLINED_MAX);
        reasons.extend(declined.map(|declined| Reason::code(&declined.code)));
        let body = Body::Closing(Closing {
            ending,
            intent,
            output_hash: None,
            truncated: false,
            exit_code: None,
            signal: None,
            duration_us: Some(self.elapsed_us()),
            reasons,
            spent: Spent::default(),
            served_model: None,
            routed: None,
            review: None,
            chain: self.chain(),
            spec: self.of_spec(),
        });
        Ok(Draft::new(cascade_ledger::receipt_id()?, body))
    }

    /// The run of a workflow that the task belongs to.
    pub(super) fn chain(&self) -> Option<Ref> {
        self.request.step.as_ref().and_then(OfStep::chain)
    }

    /// The specification of that run, and the step.
    pub(super) fn of_spec(&self) -> Option<OfSpec> {
        self.request.step.as_ref().map(OfStep::of_spec)
    }

    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// What leaves beside the answer: the input that tells two programs apart, and what each gives.
fn question(answer: &Answer) -> Result<Option<PrivateItem>, TaskError> {
    let Some(question) = &answer.question else { return Ok(None) };
    let output = |output: &Option<String>| output.as_deref().unwrap_or("raises").into();
    let value = Value::object([
        ("call", question.call.as_str().into()),
        ("outputs", Value::Array(vec![output(&question.first), output(&question.second)])),
    ]);
    let bytes = value.to_canonical().into_bytes();
    Ok(Some(PrivateItem::new("question_hash", cascade_ledger::nonce()?, bytes)))
}

/// What `output_hash` is of: one frame, as output of commands is hashed (format section 2.1).
pub(crate) fn frame(answer: &[u8]) -> Vec<u8> {
    let mut frame = vec![OUT];
    frame.extend(u32::try_from(answer.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend(answer);
    frame
}

pub(super) fn escalation(action: content::Action, decided: &Decided) -> Result<Escalation, TaskError> {
    let terms = decided.ruling.escalation.as_ref();
    let terms = terms.ok_or_else(|| TaskError::Defect("an escalation without terms".to_owned()))?;
    Ok(govern::drafts::escalation(action, terms, decided.facts.at))
}
