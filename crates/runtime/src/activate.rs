//! Putting a policy into force: compiled before, signed by an administrator, recorded.

use cascade_ledger::{AppendError, Appended, Draft, Fault, Ledger};
use cascade_policy::snapshot::{Snapshot, SnapshotSource};
use cascade_receipt::content::{Body, PolicyActivated, PolicyRef, Signature};
use cascade_receipt::sshsig::{SshFault, SshKey};
use cascade_receipt::statement;

use crate::consent::Sign;
use crate::facts::Asker;
use crate::policy_store;
use crate::ssh::SshError;

/// What became of it.
#[derive(Debug)]
pub enum Activated {
    /// In force from the next receipt on.
    InForce(Appended),
    /// This principal may not; the code says why.
    Refused(&'static str),
}

/// Why a policy could not be put into force. The one before stays.
#[derive(Debug, thiserror::Error)]
pub enum ActivateError {
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
    /// The signature could not be made.
    #[error("couldn't sign the activation: {0}")]
    Sign(#[from] SshError),
    /// The signature is one that a stranger would refuse.
    #[error("the signature does not count: {0}")]
    Refused(SshFault),
    /// It could not be recorded.
    #[error("couldn't record the activation: {0}")]
    Append(#[from] AppendError),
}

/// Puts `snapshot` into force.
///
/// # Errors
/// [`ActivateError`].
pub fn activate(
    ledger: &Ledger,
    asker: &Asker,
    source: &SnapshotSource,
    snapshot: &Snapshot,
    label: &str,
    sign: Sign<'_>,
) -> Result<Activated, ActivateError> {
    if asker.agent.is_some() {
        return Ok(Activated::Refused("approval.agent"));
    }
    let admins = ledger.admins()?;
    let key = admins.iter().find(|(admin, _)| *admin == asker.person_id).map(|(_, key)| key);
    let Some(key) = key.filter(|_| asker.assumed.is_none()) else {
        return Ok(Activated::Refused("approval.not_eligible"));
    };
    let (_, mark) = ledger.policy_in_force()?;
    let mut activated = PolicyActivated {
        activates: PolicyRef { version: label.to_owned(), hash: snapshot.policy_hash() },
        principal: asker.person_id,
        statement_id: cascade_ledger::receipt_id()?.0,
        signatures: Vec::new(),
    };
    let own = Body::PolicyActivated(activated.clone()).statement();
    let payload = statement::admin(ledger.log_origin().as_str(), &own);
    let sshsig = sign(key, statement::ADMIN, payload.as_bytes())?;
    // Never record what a stranger would refuse.
    SshKey::accept(key)
        .and_then(|key| key.verify(statement::ADMIN, payload.as_bytes(), &sshsig))
        .map_err(ActivateError::Refused)?;
    activated.signatures.push(Signature { principal: asker.person_id, sshsig });
    let mut draft = Draft::new(cascade_ledger::receipt_id()?, Body::PolicyActivated(activated));
    draft.blobs = policy_store::blobs(source, snapshot);
    draft.seen = Some(mark);
    Ok(Activated::InForce(ledger.append(draft)?))
}
