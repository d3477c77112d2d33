//! A new sign-once guard in the place of a lost one: an administrator answers for it, in the chain.

use std::path::Path;

use cascade_ledger::{Appended, CheckpointError, Draft, Ledger};
use cascade_receipt::content::{Body, GuardRenewed};

use crate::admin::{self, AdminError};
use crate::consent::Sign;
use crate::facts::Asker;

/// Why there is no new guard.
#[derive(Debug, thiserror::Error)]
pub enum ReguardError {
    /// The home knows of no checkpoint, so nothing is guarded: just sign one.
    #[error("no checkpoint was signed yet, so there is nothing to guard")]
    NothingSigned,
    /// The guard is there.
    #[error("the guard is there and nothing is wrong with it")]
    Guarded,
    /// It was not signed or not recorded.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The guard could not be made.
    #[error(transparent)]
    Guard(#[from] CheckpointError),
}

/// Receipts, then makes the guard, at the newest checkpoint that the home knows of.
///
/// # Errors
/// [`ReguardError`].
pub fn reguard(
    ledger: &Ledger,
    asker: &Asker,
    guard_dir: &Path,
    sign: Sign<'_>,
) -> Result<Appended, ReguardError> {
    // Looked at first: a receipt says only what is about to happen.
    if ledger.is_guarded(guard_dir).map_err(AdminError::from)? {
        return Err(ReguardError::Guarded);
    }
    let newest = ledger.newest_signed().map_err(AdminError::from)?;
    let checkpoint = newest.ok_or(ReguardError::NothingSigned)?;
    let mut renewed = GuardRenewed {
        size: checkpoint.size,
        root: checkpoint.root,
        statement_id: cascade_ledger::receipt_id().map_err(AdminError::from)?.0,
        signatures: Vec::new(),
    };
    let own = Body::GuardRenewed(renewed.clone()).statement();
    renewed.signatures.push(admin::signature(ledger, asker, &own, sign)?);
    let id = cascade_ledger::receipt_id().map_err(AdminError::from)?;
    let appended = ledger.append(Draft::new(id, Body::GuardRenewed(renewed))).map_err(AdminError::from)?;
    ledger.renew_guard(guard_dir)?;
    Ok(appended)
}
