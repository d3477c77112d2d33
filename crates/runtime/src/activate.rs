//! Putting a policy into force: compiled before, signed by an administrator, recorded.

use cascade_ledger::{Appended, Draft, Ledger};
use cascade_policy::snapshot::{Snapshot, SnapshotSource};
use cascade_receipt::content::{Body, PolicyActivated, PolicyRef};

use crate::admin::{self, AdminError};
use crate::consent::Sign;
use crate::facts::Asker;
use crate::policy_store;

/// Puts `snapshot` into force from the next receipt on.
///
/// # Errors
/// [`AdminError`].
pub fn activate(
    ledger: &Ledger,
    asker: &Asker,
    source: &SnapshotSource,
    snapshot: &Snapshot,
    label: &str,
    sign: Sign<'_>,
) -> Result<Appended, AdminError> {
    let (_, mark) = ledger.policy_in_force()?;
    let mut activated = PolicyActivated {
        activates: PolicyRef { version: label.to_owned(), hash: snapshot.policy_hash() },
        principal: asker.speaker(),
        statement_id: cascade_ledger::receipt_id()?.0,
        signatures: Vec::new(),
    };
    let own = Body::PolicyActivated(activated.clone()).statement();
    activated.signatures.push(admin::signature(ledger, asker, &own, sign)?);
    let mut draft = Draft::new(cascade_ledger::receipt_id()?, Body::PolicyActivated(activated));
    draft.blobs = policy_store::blobs(source, snapshot);
    draft.seen = Some(mark);
    Ok(ledger.append(draft)?)
}
