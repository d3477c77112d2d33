//! The last receipt of a request, and what may leave after it.

use std::time::Instant;

use cascade_ledger::{AppendError, Appended, Draft, PrivateItem};
use cascade_receipt::content::{Body, Closing, Ending, Evidence, Layer as LayerName, Review, Routed, Spent};
use cascade_receipt::decision::Reason;

use super::{CLIENT_GONE, Ended, Relaying, Stop};
use crate::lease::LeaseError;
use crate::model::{ModelFault, Relayed};

/// The reason of a closer whose key was not there to be sent.
const NO_CREDENTIAL: &str = "start.no_credential";
/// What an answer is worth that nothing was held against.
const GRADE: u8 = 20;

impl Relaying<'_> {
    /// Nothing was sent: the key is not there for whoever asks.
    pub(super) fn unsent(self) -> Result<Ended, LeaseError> {
        let reasons = vec![Reason::code(NO_CREDENTIAL)];
        let closer = self.record((Ending::Failed, reasons.clone()), None)?;
        Ok(self.ended((closer, Ending::Failed, reasons), Some(ModelFault::NoKey), Vec::new()))
    }

    pub(super) fn close(mut self, relayed: Relayed, stop: Option<Stop>) -> Result<Ended, LeaseError> {
        let (ending, reasons) = match (stop, &relayed.fault) {
            (Some(Stop::Revoked), _) => (Ending::Revoked, self.revoked.clone()),
            (Some(Stop::Gone), _) => (Ending::Failed, vec![Reason::code(CLIENT_GONE)]),
            (None, Some(fault)) => (Ending::Failed, vec![Reason::code(fault.code())]),
            (None, None) => (Ending::Completed, Vec::new()),
        };
        let began = !self.kept.is_empty();
        let mut rest = Vec::new();
        if ending == Ending::Completed {
            // The closer commits to what waits, as a heartbeat would have.
            self.output.released(Instant::now());
            rest = self.outgoing();
        }
        let closer = self.record((ending, reasons.clone()), Some(&relayed))?;
        let ended = self.ended((closer, ending, reasons), relayed.fault, rest);
        Ok(Ended { began, ..ended })
    }

    fn ended(
        self,
        (closer, ending, reasons): (Appended, Ending, Vec<Reason>),
        fault: Option<ModelFault>,
        rest: Vec<u8>,
    ) -> Ended {
        let intent = self.intent.receipt_id;
        Ended { intent, closer, ending, reasons, fault, rest, began: false }
    }

    fn record(
        &self,
        (ending, reasons): (Ending, Vec<Reason>),
        relayed: Option<&Relayed>,
    ) -> Result<Appended, LeaseError> {
        let output =
            (!self.kept.is_empty()).then(|| PrivateItem::new("output_hash", self.nonce, self.kept.clone()));
        let spent = relayed.map(|relayed| Spent {
            tokens_in: Some(relayed.spent.tokens_in),
            tokens_out: Some(relayed.spent.tokens_out),
            cost_microusd: Some(relayed.spent.cost_microusd),
        });
        let review = self.review.as_ref().filter(|_| ending == Ending::Revoked);
        let body = Body::Closing(Closing {
            ending,
            intent: self.intent.clone(),
            output_hash: output.as_ref().map(|output| output.hash),
            truncated: false,
            exit_code: None,
            signal: None,
            duration_us: Some(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)),
            reasons,
            spent: spent.unwrap_or_default(),
            served_model: relayed.and_then(|relayed| relayed.served_model.clone()),
            routed: Some(Routed {
                layer: LayerName::L7,
                evidence: Evidence::Proposed,
                grade: if ending == Ending::Completed { GRADE } else { 0 },
                smoke: None,
                question_hash: None,
                declined: Vec::new(),
                recalled: None,
            }),
            review: review
                .map(|(decision, facts)| Review { decision: decision.clone(), facts_hash: facts.hash }),
            chain: None,
            spec: None,
        });
        let mut draft = Draft::new(cascade_ledger::receipt_id()?, body);
        draft.private.extend(output);
        draft.private.extend(review.map(|(_, facts)| facts.clone()));
        self.ledger.append(draft).map_err(|error| match error {
            AppendError::NotOpen { .. } => LeaseError::NotOpen(self.intent.receipt_id),
            other => LeaseError::Append(other),
        })
    }
}
