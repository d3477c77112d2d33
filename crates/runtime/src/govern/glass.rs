//! An action that its asker answers for: what the gates hear of it, and the receipt that says so before anything runs.

use cascade_policy::facts::{BreakGlass, Facts};
use cascade_receipt::content::{self, Body, GlassBroken, Ref};
use cascade_receipt::digest::Digest;
use cascade_receipt::time::Timestamp;

use super::{Decided, GovernError, Performer, undecided};
use crate::admin::{self, AdminError};
use crate::consent::Sign;
use crate::glass;

/// Going past the gates.
pub(super) struct Breaking<'a> {
    /// Signs for the asker.
    pub(super) sign: Sign<'a>,
    /// The `break_glass`, once it is durable.
    pub(super) broken: Option<Ref>,
}

impl Performer<'_> {
    pub(super) fn is_glass_broken(&self) -> bool {
        self.breaking.as_ref().is_some_and(|breaking| breaking.broken.is_some())
    }

    /// What the gates hear of it.
    pub(super) fn break_glass(&self, facts: &Facts) -> Result<Option<BreakGlass>, GovernError> {
        let Some(breaking) = &self.breaking else { return Ok(None) };
        let action_hash = Digest::salted(&self.action_nonce, facts.action().to_canonical().as_bytes());
        let asker = self.request.asker.again(self.ledger)?;
        Ok(Some(glass::asked(self.ledger, &asker, breaking.broken.as_ref(), &action_hash)?))
    }

    /// The action with who answers for it and who reviews it, signed by whoever asks.
    pub(super) fn signed_glass(
        &mut self,
        action: content::Action,
        decided: &Decided,
    ) -> Result<GlassBroken, GovernError> {
        let terms = decided.review.as_ref().ok_or_else(undecided)?;
        let asker = &self.request.asker;
        admin::is_person(asker)?;
        let person = self.ledger.person(asker.person_id)?;
        let person = person.filter(cascade_ledger::Person::is_registered);
        let person = person.ok_or(AdminError::Refused("approval.not_eligible"))?;
        let mut broken = GlassBroken {
            action,
            groups: terms.review_groups.clone(),
            review_due: Timestamp::from_ms(decided.facts.at.ms().saturating_add(terms.review_within_ms)),
            statement_id: cascade_ledger::receipt_id()?.0,
            signatures: Vec::new(),
        };
        let own = Body::GlassBroken(broken.clone()).statement();
        let breaking = self.breaking.as_mut().ok_or_else(undecided)?;
        broken.signatures.push(admin::signature_of(self.ledger, &person, &own, &mut *breaking.sign)?);
        Ok(broken)
    }
}
