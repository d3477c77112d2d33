//! Approvals that an action stands on: the one that was named, or one of exactly the same action.

use cascade_ledger::{Ledger, Present};
use cascade_policy::decide;
use cascade_receipt::digest::Digest;

use super::{Begun, LeaseError, Request, facts, refused};
use crate::consent::{self, Approved};
use crate::policy_store;

/// Most escalations of one asker that are compared with what is asked now.
const COMPARED_MAX: usize = 64;

/// What people approved of exactly this action of this asker and nobody has used: whoever asks again after an
/// escalation need not say which one it was.
pub(super) fn of(
    ledger: &Ledger,
    present: &Present<'_>,
    request: &Request<'_>,
) -> Result<Option<Approved>, LeaseError> {
    let own = request.asker.principal_id();
    let approved = present.approved_escalations()?;
    let mine = approved.iter().rev().filter(|subject| subject.principal == own).take(COMPARED_MAX);
    let mine: Vec<_> = mine.collect();
    if mine.is_empty() {
        return Ok(None);
    }
    let (snapshot, _) = policy_store::in_force(ledger)?;
    let action = facts(ledger, &snapshot, request.asker, (request.asked, request.subject))?.action();
    let action = action.to_canonical();
    for subject in mine {
        let Some((nonce, _)) = ledger.private(&subject.action_hash)? else { continue };
        if Digest::salted(&nonce, action.as_bytes()) == subject.action_hash {
            let (approved, _) = consent::answered(ledger, &subject.receipt_id.to_string())?;
            // Nobody named it: one that has run out is as good as none, and people are asked anew.
            let now = facts::chain_now(ledger)?;
            if approved.refusals(now, &subject.action_hash).is_empty() {
                return Ok(Some(approved));
            }
        }
    }
    Ok(None)
}

/// What is left on record where the answers do not carry this action; `None` where the gates can be asked.
pub(super) fn turned_away(
    ledger: &Ledger,
    request: &Request<'_>,
    approved: &Approved,
) -> Result<Option<Begun>, LeaseError> {
    let (snapshot, _) = policy_store::in_force(ledger)?;
    let facts = facts(ledger, &snapshot, request.asker, (request.asked, request.subject))?;
    let action = facts.action().to_canonical();
    if Digest::salted(&approved.action_nonce, action.as_bytes()) != approved.subject.action_hash {
        return Err(LeaseError::OtherAction(approved.subject.receipt_id));
    }
    let against = consent::objections_to(ledger, approved, &facts)?;
    if against.reasons.is_empty() {
        return Ok(None);
    }
    let ruling = decide::decide(&snapshot, &facts);
    refused(ledger, request, (approved.refs.clone(), ruling), against.reasons).map(Some)
}
