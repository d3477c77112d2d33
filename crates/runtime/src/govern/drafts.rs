//! The receipts of an action up to its closer: its decision, who answers for it, its intent, its heartbeats.

use cascade_kernel::action::Record;
use cascade_ledger::{Draft, PrivateItem};
use cascade_policy::decide::EscalationTerms;
use cascade_receipt::content::{self, Body, Escalation, Heartbeat, Ref};
use cascade_receipt::time::Timestamp;

use super::{Decided, GovernError, Performer, undecided};
use crate::facts;
use crate::limits;
use crate::process::Segment;
use crate::workflow::OfStep;

impl Performer<'_> {
    pub(super) fn decision_draft(&mut self, record: Record) -> Result<Draft, GovernError> {
        let decided = self.decided.take().ok_or_else(undecided)?;
        let drafted = self.draft_of(record, &decided);
        self.decided = Some(decided);
        drafted
    }

    fn draft_of(&mut self, record: Record, decided: &Decided) -> Result<Draft, GovernError> {
        // Asked anew, it is a matter of its own: under the old hash, what was approved before could never run again.
        let is_new_matter = record == Record::Escalation && self.request.approved.is_some();
        let action_nonce = if is_new_matter { cascade_ledger::nonce()? } else { self.action_nonce };
        let action =
            PrivateItem::new("action_hash", action_nonce, decided.facts.action().to_canonical().into_bytes());
        let facts = PrivateItem::new(
            "facts_hash",
            self.facts_nonce,
            decided.facts.to_json().to_canonical().into_bytes(),
        );
        let body = content::Action {
            task_type: "cli".to_owned(),
            risk_tier: decided.ruling.risk_tier,
            classified: decided.ruling.classified,
            // Whoever answers for it does so in a receipt of its own; the request is answered by what follows.
            request: self.request.request.filter(|_| record != Record::BreakGlass),
            principal: self.request.asker.principal_id(),
            on_behalf_of: self.request.asker.agent.as_ref().map(|_| self.request.asker.person_id),
            action_hash: action.hash,
            facts_hash: facts.hash,
            decision: decided.ruling.decision.clone(),
            refs: self.all_refs(decided, is_new_matter),
            draws: if record == Record::Intent { limits::taken(&decided.ruling) } else { Vec::new() },
            spec: self.request.step.as_ref().map(OfStep::of_spec),
            runtime: self.request.runtime.clone(),
        };
        let body = match record {
            Record::DryRun => Body::DryRun(body),
            Record::Blocked => Body::Blocked(body),
            Record::Escalation => {
                let terms = decided.ruling.escalation.as_ref().ok_or_else(undecided)?;
                Body::Escalation(escalation(body, terms, decided.facts.at))
            }
            Record::BreakGlass => Body::GlassBroken(self.signed_glass(body, decided)?),
            _ => Body::TaskStarted(body),
        };
        let receipt_id = match record {
            Record::Intent => self.intent_id,
            _ => cascade_ledger::receipt_id()?,
        };
        let mut draft = Draft::new(receipt_id, body);
        draft.seen = Some(decided.mark);
        draft.about = decided.about;
        if record == Record::Intent {
            draft.caps = limits::caps(&decided.facts, &decided.ruling);
            draft.holds_until = decided.holds_until;
        }
        if record == Record::BreakGlass {
            // Whoever signs may take long over it, and somebody's review may fall due meanwhile.
            let due = decided.facts.unreviewed.iter().map(|one| one.due);
            draft.holds_until = due.filter(|due| *due > decided.facts.at).chain(decided.holds_until).min();
        }
        draft.private = vec![action, facts];
        self.add_private(record, &mut draft)?;
        Ok(draft)
    }

    fn all_refs(&self, decided: &Decided, is_new_matter: bool) -> Vec<Ref> {
        let mut refs = if is_new_matter { decided.grants.clone() } else { self.refs(decided) };
        refs.extend(self.request.step.as_ref().and_then(OfStep::chain));
        refs.extend(self.request.cron.clone());
        // Whoever runs what was approved undoes the same.
        let approved = self.request.approved.as_ref().and_then(|approved| approved.takes_back.as_ref());
        refs.extend(self.request.takes_back.as_ref().or(approved).cloned());
        refs
    }

    /// What the action follows and stands on.
    fn refs(&self, decided: &Decided) -> Vec<Ref> {
        let mut refs = match &self.request.approved {
            Some(approved) => approved.counted(&decided.facts),
            None => Vec::new(),
        };
        refs.extend(self.breaking.iter().filter_map(|breaking| breaking.broken.clone()));
        refs.extend(decided.grants.iter().cloned());
        refs
    }

    /// The asker's words, captured input, and the nonce that lets somebody who kept the output show
    /// that it is this one.
    fn add_private(&self, record: Record, draft: &mut Draft) -> Result<(), GovernError> {
        if let Some(reason) = &self.request.reason {
            let nonce = cascade_ledger::nonce()?;
            draft.private.push(PrivateItem::new("reason", nonce, reason.clone().into_bytes()));
        }
        if let facts::Input::Captured(bytes) = &self.request.command.input {
            let nonce = cascade_ledger::nonce()?;
            draft.private.push(PrivateItem::new("stdin", nonce, bytes.clone()));
        }
        if let Some(of) = &self.request.task {
            let (nonce, task) = (cascade_ledger::nonce()?, of.task.to_canonical().into_bytes());
            draft.private.push(PrivateItem::new("task", nonce, task));
        }
        if record == Record::Intent {
            let nonce = cascade_ledger::nonce()?;
            draft.private.push(PrivateItem::new("output_nonce", nonce, self.output_nonce.0.to_vec()));
        }
        Ok(())
    }

    pub(super) fn heartbeat_draft(&self, segment: Option<&Segment<'_>>) -> Result<Draft, GovernError> {
        let (Some(segment), Some(intent)) = (segment, &self.intent) else {
            return Err(GovernError::Defect("heartbeat without intent".to_owned()));
        };
        let body = Body::Heartbeat(Heartbeat {
            intent: intent.clone(),
            segment: segment.index,
            bytes: segment.bytes_total,
            running_hash: segment.running_hash,
            chain: self.request.step.as_ref().and_then(OfStep::chain),
            spec: self.request.step.as_ref().map(OfStep::of_spec),
        });
        let mut draft = Draft::new(cascade_ledger::receipt_id()?, body);
        if self.revoked.is_empty() {
            // It says that the run was still admitted, which is known of this mark alone.
            draft.seen = self.decided.as_ref().map(|decided| decided.mark);
        }
        Ok(draft)
    }
}

/// An action that waits for people, as the receipt has it; it was decided at this moment.
pub(crate) fn escalation(action: content::Action, terms: &EscalationTerms, at: Timestamp) -> Escalation {
    Escalation {
        action,
        required: terms.required,
        groups: terms.groups.clone(),
        expires: Timestamp::from_ms(at.ms().saturating_add(terms.expires_after_ms)),
        signature_required: terms.signature_required,
    }
}
