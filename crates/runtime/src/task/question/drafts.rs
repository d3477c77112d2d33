//! The receipts of a question.

use cascade_kernel::action::{self, Event};
use cascade_ledger::{AppendError, Draft, PrivateItem};
use cascade_receipt::content::{
    self, Body, Closing, Ending, Evidence, Layer as LayerName, Rel, Review, Routed,
};
use cascade_receipt::decision::Reason;

use super::{Question, approved, undecided};
use crate::govern::{is_about_consent, reference};
use crate::limits;
use crate::task::TaskError;
use crate::task::drafts::{escalation, frame};

impl Question<'_, '_> {
    pub(super) fn append(&mut self, record: action::Record) -> Result<Event, TaskError> {
        let draft = match record {
            action::Record::Closer(ending) => self.closer(ending)?,
            other => self.decision(other)?,
        };
        match self.of.ledger.append(draft) {
            Ok(appended) => {
                if record == action::Record::Intent {
                    self.intent = Some(reference(Rel::Intent, &appended));
                }
                if record == action::Record::Escalation {
                    self.of.waits_for = Some(appended.receipt_id);
                }
                self.of.receipts.push(appended);
                Ok(Event::Durable)
            }
            Err(AppendError::Stale | AppendError::Halted | AppendError::Suspended) => Ok(Event::Stale),
            Err(AppendError::NotOpen { .. }) => Ok(Event::NotOpen),
            // Somebody used or changed the approval or grant in between: the gates look again.
            Err(error) if is_about_consent(&error) => Ok(Event::Stale),
            Err(error) => {
                self.refused = Some(error);
                Ok(Event::AppendFailed)
            }
        }
    }

    fn decision(&self, record: action::Record) -> Result<Draft, TaskError> {
        let decided = self.decided.as_ref().ok_or_else(undecided)?;
        let approved = approved(self.of.request);
        // Asked anew, it is a matter of its own: under the old hash, what was approved before could never run again.
        let is_new_matter = record == action::Record::Escalation && approved.is_some();
        let action_nonce = if is_new_matter { cascade_ledger::nonce()? } else { self.action_nonce };
        let stands_on = approved.filter(|_| !is_new_matter).map(|approved| approved.counted(&decided.facts));
        let text = |value: cascade_receipt::json::Value| value.to_canonical().into_bytes();
        let action = PrivateItem::new("action_hash", action_nonce, text(decided.facts.action()));
        let facts = PrivateItem::new("facts_hash", self.facts_nonce, text(decided.facts.to_json()));
        let is_intent = record == action::Record::Intent;
        let body = content::Action {
            task_type: "model".to_owned(),
            draws: if is_intent { limits::taken(&decided.ruling) } else { Vec::new() },
            refs: stands_on
                .into_iter()
                .flatten()
                .chain(decided.grants.iter().cloned())
                .chain(self.of.chain())
                .collect(),
            ..self.of.action(decided, action.hash, facts.hash)
        };
        let body = match record {
            action::Record::DryRun => Body::DryRun(body),
            action::Record::Blocked => Body::Blocked(body),
            action::Record::Escalation => Body::Escalation(escalation(body, decided)?),
            _ => Body::TaskStarted(body),
        };
        let id = if is_intent { self.intent_id } else { cascade_ledger::receipt_id()? };
        let mut draft = Draft::new(id, body);
        draft.seen = Some(decided.mark);
        draft.private = vec![action, facts];
        if let Some(reason) = &self.of.request.reason {
            let reason = reason.clone().into_bytes();
            draft.private.push(PrivateItem::new("reason", cascade_ledger::nonce()?, reason));
        }
        if is_intent {
            draft.caps = limits::caps(&decided.facts, &decided.ruling);
            draft.holds_until = decided.holds_until;
            // What was sent is the task's own words in a frame that belongs to this version; kept as it was sent.
            let prompt = [self.prompt.system.as_str(), "\n\n", self.prompt.user.as_str()].concat();
            draft.private.push(PrivateItem::new("prompt", cascade_ledger::nonce()?, prompt.into_bytes()));
        }
        Ok(draft)
    }

    fn closer(&self, ending: Ending) -> Result<Draft, TaskError> {
        let intent =
            self.intent.clone().ok_or_else(|| TaskError::Defect("closer without intent".to_owned()))?;
        let told = self.told.as_ref();
        let answer = told.and_then(|told| told.answer.as_ref()).filter(|_| ending == Ending::Completed);
        let output = answer
            .map(|answer| PrivateItem::new("output_hash", self.output_nonce, frame(answer.text.as_bytes())));
        let reasons = match (self.unprepared, told) {
            (Some(code), _) => vec![Reason::code(code)],
            (None, Some(told)) => told.reasons.clone(),
            (None, None) => Vec::new(),
        };
        let review = self.review.as_ref().filter(|_| ending == Ending::Revoked);
        let body = Body::Closing(Closing {
            ending,
            intent,
            output_hash: output.as_ref().map(|output| output.hash),
            truncated: false,
            exit_code: None,
            signal: None,
            duration_us: told.map(|told| told.duration_us),
            reasons,
            spent: told.map(|told| told.spent).unwrap_or_default(),
            served_model: None,
            routed: Some(Routed {
                layer: LayerName::L7,
                evidence: answer.map_or(Evidence::Proposed, |answer| answer.evidence),
                grade: answer.map_or(0, |answer| answer.grade),
                smoke: answer.and_then(|answer| answer.smoke.clone()),
                question_hash: None,
                declined: self.of.declined_codes(),
                recalled: None,
            }),
            review: review
                .map(|(decision, facts)| Review { decision: decision.clone(), facts_hash: facts.hash }),
            chain: self.of.chain(),
            spec: self.of.of_spec(),
        });
        let mut draft = Draft::new(cascade_ledger::receipt_id()?, body);
        draft.private.extend(output);
        draft.private.extend(review.map(|(_, facts)| facts.clone()));
        for prompt in told.into_iter().flat_map(|told| &told.prompts) {
            let prompt = prompt.clone().into_bytes();
            draft.private.push(PrivateItem::new("prompt", cascade_ledger::nonce()?, prompt));
        }
        Ok(draft)
    }
}
