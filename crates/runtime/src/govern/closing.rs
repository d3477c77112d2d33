//! The last receipt of an action that had started.

use std::io;

use cascade_ledger::{Draft, PrivateItem};
use cascade_receipt::content::{Body, Closing, Ending, Review, Spent};
use cascade_receipt::decision::Reason;

use super::{GovernError, Performer};
use crate::process::Status;
use crate::workflow::OfStep;

/// The reason of a closer whose exit code is an answer, by the manifest, though it is not 0.
pub(crate) const ANSWERED: &str = "run.answered";

impl Performer<'_> {
    pub(super) fn closer_draft(&self, ending: Ending) -> Result<Draft, GovernError> {
        let intent =
            self.intent.clone().ok_or_else(|| GovernError::Defect("closer without intent".to_owned()))?;
        let status = self.ended.as_ref().map(|ended| &ended.status);
        let review = self.review.as_ref().filter(|_| ending == Ending::Revoked);
        let body = Body::Closing(Closing {
            ending,
            intent,
            output_hash: self.ended.as_ref().and_then(|ended| ended.output_hash),
            truncated: self.ended.as_ref().is_some_and(|ended| ended.truncated),
            exit_code: match status {
                Some(Status::Exited(code)) => Some(*code),
                _ => None,
            },
            signal: match status {
                Some(Status::Signaled(signal)) => Some(*signal),
                _ => None,
            },
            duration_us: self.ended.as_ref().map(|ended| ended.duration_us),
            reasons: self.closing_reasons(ending),
            spent: Spent::default(),
            served_model: None,
            routed: self.request.task.as_ref().map(|of| of.routed.clone()),
            review: review
                .map(|(decision, facts)| Review { decision: decision.clone(), facts_hash: facts.hash }),
            chain: self.request.step.as_ref().and_then(OfStep::chain),
            spec: self.request.step.as_ref().map(OfStep::of_spec),
        });
        let mut draft = Draft::new(cascade_ledger::receipt_id()?, body);
        draft.private.extend(review.map(|(_, facts)| facts.clone()));
        draft.private.extend(self.kept_output());
        Ok(draft)
    }

    /// The output of a step, whose result later steps can name, and of what ran while nobody looked: kept as it was
    /// hashed, so that whoever reads it sees what the receipt commits to.
    fn kept_output(&self) -> Option<PrivateItem> {
        if self.request.step.is_none() && self.request.cron.is_none() {
            return None;
        }
        let hash = self.ended.as_ref()?.output_hash?;
        let mut frames = Vec::new();
        for frame in self.pending.as_ref()?.uncommitted() {
            frames.extend_from_slice(&frame.header());
            frames.extend_from_slice(&frame.bytes);
        }
        Some(PrivateItem::new("output_hash", self.output_nonce, frames)).filter(|item| item.hash == hash)
    }

    fn closing_reasons(&self, ending: Ending) -> Vec<Reason> {
        let mut codes = Vec::new();
        if self.prepare_error.is_some() {
            codes.push("start.no_supervisor");
        }
        if self.uncredentialed {
            codes.push("start.no_credential");
        }
        if self.changed {
            codes.push("start.changed");
        }
        let status = self.ended.as_ref().map(|ended| &ended.status);
        let status = status.filter(|_| !self.uncredentialed && !self.changed);
        match status {
            Some(Status::CouldNotStart(error)) => codes.push(match error.kind() {
                io::ErrorKind::NotFound => "start.not_found",
                io::ErrorKind::PermissionDenied => "start.not_permitted",
                io::ErrorKind::ArgumentListTooLong => "start.too_long",
                _ => "start.failed",
            }),
            Some(Status::TimedOut) => codes.push("run.timed_out"),
            Some(Status::Interrupted(_)) => codes.push("run.interrupted"),
            Some(Status::Lost) => codes.push("run.supervisor_lost"),
            _ => {}
        }
        let answers = self.request.task.as_ref().map(|of| of.answers.as_slice()).unwrap_or_default();
        if matches!(status, Some(Status::Exited(code)) if answers.contains(code)) {
            codes.push(ANSWERED);
        }
        if self.ended.as_ref().is_some_and(|ended| ended.survivors_ended > 0) {
            codes.push("run.survivors_ended");
        }
        let mut reasons: Vec<_> = codes.into_iter().map(Reason::code).collect();
        if ending == Ending::Revoked {
            reasons.extend(self.revoked.iter().cloned());
        }
        reasons
    }
}
