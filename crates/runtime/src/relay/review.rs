//! The gates while a request runs: asked again whenever what they saw has changed.

use std::time::Instant;

use cascade_ledger::PrivateItem;
use cascade_policy::decide;
use cascade_receipt::decision::{Reason, Verdict};

use super::Relaying;
use crate::credentials;
use crate::facts;
use crate::govern::holds_until;
use crate::govern::running::revocations;
use crate::grants;
use crate::lease::LeaseError;
use crate::limits;
use crate::process::TRUST_INTERVAL;

impl Relaying<'_> {
    /// Whether it is still admitted.
    pub(super) fn goes_on(&mut self) -> bool {
        if !self.revoked.is_empty() {
            return false;
        }
        // Time alone can end what a decision stood on; a mark that cannot be read is none that was seen.
        let due = self.reviewed.elapsed() >= TRUST_INTERVAL
            || self.ledger.mark().ok() != Some(self.stands.mark)
            || self.stands.holds_until.is_some_and(|until| facts::now() >= until);
        !due || self.reviewed_now()
    }

    /// Asks the gates now. What cannot be asked again is no longer admitted.
    pub(super) fn reviewed_now(&mut self) -> bool {
        if self.look_again().is_err() {
            self.revoked = vec![Reason::code("revoked.unreadable")];
        }
        self.revoked.is_empty()
    }

    fn look_again(&mut self) -> Result<(), LeaseError> {
        let own = Some(self.intent.receipt_id);
        let present = self.ledger.present()?;
        let (snapshot, mark) = self.request.policy.look(&present)?;
        let asker = self.request.asker.at(&present)?;
        let mut facts = self.asked.look(&present, &snapshot, &asker)?;
        limits::count(self.ledger, &snapshot, &mut facts, own)?;
        if let Some(approved) = &self.stands.approved {
            approved.add_to(self.ledger, &mut facts, own)?;
        }
        if credentials::model_key(self.ledger, &facts.principal, self.request.model).is_err() {
            self.revoked = vec![Reason::code("revoked.credential")];
            return Ok(());
        }
        let ruling = decide::decide(&snapshot, &facts);
        self.reviewed = Instant::now();
        if ruling.decision.verdict == Verdict::Admit {
            let grants = grants::used(self.ledger, &ruling.decision)?;
            self.stands.holds_until = holds_until(&ruling, &facts, &grants, &asker);
            self.stands.mark = mark;
            return Ok(());
        }
        self.revoked = revocations(&ruling.decision);
        let text = facts.to_json().to_canonical().into_bytes();
        self.review = Some((ruling.decision, PrivateItem::new("facts_hash", cascade_ledger::nonce()?, text)));
        Ok(())
    }
}
