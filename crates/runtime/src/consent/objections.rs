//! What stands against doing now what people approved.

use cascade_ledger::Ledger;
use cascade_policy::facts::Facts;
use cascade_receipt::decision::Reason;
use cascade_receipt::digest::Digest;
use cascade_receipt::kind::Kind;

use super::{Approved, ConsentError, needed};
use crate::facts::{self, Asker, Command};
use crate::obeyed;
use crate::policy_store;

/// What stands against a run on an approval.
#[derive(Debug, Default)]
pub struct Objections {
    /// Why it may not stand on it now; empty when the gates can be asked.
    pub reasons: Vec<Reason>,
    /// The files that are not those that were approved, in words for people.
    pub changed: Vec<String>,
}

/// Why a run may not stand on `approved` now.
///
/// # Errors
/// [`ConsentError`].
pub fn run_objections(
    ledger: &Ledger,
    asker: &Asker,
    approved: &Approved,
    command: &Command,
) -> Result<Objections, ConsentError> {
    let (snapshot, _) = policy_store::in_force(ledger)?;
    objections_to(ledger, approved, &facts::look(&ledger.present()?, &snapshot, asker, command)?)
}

/// Why an action of these facts may not stand on `approved` now.
pub(crate) fn objections_to(
    ledger: &Ledger,
    approved: &Approved,
    facts: &Facts,
) -> Result<Objections, ConsentError> {
    let action_hash = Digest::salted(&approved.action_nonce, facts.action().to_canonical().as_bytes());
    let mut reasons = approved.refusals(facts.at, &action_hash);
    let changed = obeyed::differences(&approved.action, &facts.action);
    if !changed.is_empty() {
        reasons.push(Reason::code("approval.changed_file"));
    }
    if reasons.is_empty() && approved.subject.kind == Kind::Escalation {
        let needed = needed(ledger, &approved.subject, facts.at)?;
        if !needed.is_met() {
            reasons.push(Reason::code("approval.too_few"));
        }
    }
    Ok(Objections { reasons, changed })
}
