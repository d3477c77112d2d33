//! The last receipt of a request, and what may leave after it.

use std::time::Duration;

use cascade_receipt::content::{Ending, Evidence, Layer as LayerName, Routed, Spent};
use cascade_receipt::decision::Reason;

use super::{CLIENT_GONE, Ended, Relaying, Stop};
use crate::lease::{LeaseError, Outcome};
use crate::model::{ModelFault, Relayed};

/// The reason of a closer whose key was not there to be sent.
const NO_CREDENTIAL: &str = "start.no_credential";
/// What an answer is worth that nothing was held against.
const GRADE: u8 = 20;

impl Relaying<'_> {
    /// Nothing was sent: the key is not there for whoever asks.
    pub(super) fn unsent(self) -> Result<Ended, LeaseError> {
        let end = (Ending::Failed, vec![Reason::code(NO_CREDENTIAL)]);
        let unsent =
            Relayed { fault: Some(ModelFault::NoKey), served_model: None, spent: Default::default() };
        self.recorded(end, unsent, Vec::new(), false)
    }

    pub(super) fn close(mut self, relayed: Relayed, stop: Option<Stop>) -> Result<Ended, LeaseError> {
        let (ending, reasons) = match (stop, &relayed.fault) {
            (Some(Stop::Revoked), _) => (Ending::Revoked, self.live.revoked().to_vec()),
            (Some(Stop::Gone), _) => (Ending::Failed, vec![Reason::code(CLIENT_GONE)]),
            (None, Some(fault)) => (Ending::Failed, vec![Reason::code(fault.code())]),
            (None, None) => (Ending::Completed, Vec::new()),
        };
        let began = self.live.handed_on();
        // The closer commits to what waits, as a heartbeat would have.
        let rest = if ending == Ending::Completed { self.live.rest().out } else { Vec::new() };
        if let (Ending::Failed, Some(words)) = (ending, relayed.fault.as_ref().and_then(ModelFault::words)) {
            // Why there is no answer is told in the provider's own words; what of an answer waits is not.
            self.live.withhold();
            self.live.push(words.as_bytes());
            self.live.rest();
        }
        self.recorded((ending, reasons), relayed, rest, began)
    }

    fn recorded(
        self,
        (ending, reasons): (Ending, Vec<Reason>),
        relayed: Relayed,
        rest: Vec<u8>,
        began: bool,
    ) -> Result<Ended, LeaseError> {
        let sent = !matches!(relayed.fault, Some(ModelFault::NoKey));
        let spent = Spent {
            tokens_in: Some(relayed.spent.tokens_in),
            tokens_out: Some(relayed.spent.tokens_out),
            cost_microusd: Some(relayed.spent.cost_microusd),
        };
        let intent = self.live.intent();
        let outcome = Outcome {
            reasons: reasons.clone(),
            spent: if sent { spent } else { Spent::default() },
            ..Outcome::of(ending)
        };
        let closer = self.live.close_with(self.ledger, outcome, |body| {
            body.served_model = relayed.served_model;
            body.routed = Some(Routed {
                layer: LayerName::L7,
                evidence: Evidence::Proposed,
                grade: if ending == Ending::Completed { GRADE } else { 0 },
                smoke: None,
                question_hash: None,
                declined: Vec::new(),
                recalled: None,
            });
        })?;
        let fault = relayed.fault;
        Ok(Ended { intent, closer, ending, reasons, fault, rest, began, decided: (None, Duration::ZERO) })
    }
}
