//! New keys in a chain and keys taken back: an administrator answers for the one, the recovery key for the other.

use cascade_ledger::{
    AppendError, Appended, ChainKey, Fault, KeyState, Ledger, NewKeyPlace, OpenError, RecoveryKey,
};
use cascade_receipt::content::{Body, KeyAdded, RevocationStatement};
use cascade_receipt::id::KeyId;
use cascade_receipt::reader::Purpose;
use cascade_receipt::time::Timestamp;

use crate::admin::{self, AdminError};
use crate::consent::Sign;
use crate::facts::Asker;

/// Why the keys of the chain stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The chain has no such key, or it was taken back before.
    #[error("no key `{0}` that could be taken back")]
    Unknown(String),
    /// Log and recovery keys change with the recovery key alone.
    #[error("a new {0} key needs the recovery key")]
    RecoveryNeeded(&'static str),
    /// The moment lies in the future.
    #[error("nobody can have misused the key in the future")]
    Since,
    /// A private key could not be made or read.
    #[error(transparent)]
    Key(#[from] OpenError),
    /// It was not signed or not recorded.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

impl From<Fault> for KeyError {
    fn from(fault: Fault) -> Self {
        Self::Admin(AdminError::Ledger(fault))
    }
}

impl From<AppendError> for KeyError {
    fn from(error: AppendError) -> Self {
        Self::Admin(AdminError::Append(error))
    }
}

/// A key that is now in the chain.
#[derive(Debug)]
pub struct Changed {
    /// The receipt.
    pub appended: Appended,
    /// The new key, if there is one.
    pub key_id: Option<KeyId>,
}

/// Brings a new key into the chain. A receipt key takes the place of the one that the home signs with, if
/// `in_place`; log and recovery keys need the recovery key.
///
/// # Errors
/// [`KeyError`]. The new private half may lie there, unknown to the chain.
pub fn add(
    ledger: &Ledger,
    asker: &Asker,
    (purpose, in_place): (Purpose, bool),
    place: NewKeyPlace<'_>,
    recovery: Option<&RecoveryKey>,
    sign: Sign<'_>,
) -> Result<Changed, KeyError> {
    if purpose != Purpose::Receipt && recovery.is_none() {
        return Err(KeyError::RecoveryNeeded(purpose.as_str()));
    }
    // Before anything is made, so that a refusal leaves nothing behind.
    admin::may(ledger, asker)?;
    let rotates = in_place && purpose == Purpose::Receipt;
    let retires = if rotates { Some(ledger.signing_key_id()?) } else { None };
    check_room(ledger, purpose, rotates)?;
    let new = ledger.make_key(purpose, place)?;
    let recovery = recovery.filter(|_| purpose != Purpose::Receipt);
    let mut added = KeyAdded {
        key: new.object().clone(),
        retires,
        principal: asker.speaker(),
        recovery_sig: recovery.map(|key| key.sign(&new.object().digest().0)).transpose()?,
        signatures: Vec::new(),
    };
    let own = Body::KeyAdded(added.clone()).statement();
    added.signatures.push(admin::signature(ledger, asker, &own, sign)?);
    let key_id = added.key.key_id.clone();
    let appended = ledger.append(ledger.key_draft(new, added)?)?;
    forget_old(ledger);
    Ok(Changed { appended, key_id: Some(key_id) })
}

/// The change is recorded already; what cannot be overwritten now is when a credential changes next.
fn forget_old(ledger: &Ledger) {
    drop(ledger.drop_old_sealing_keys());
}

/// The writer would refuse it too, but by then the private half lies there.
fn check_room(ledger: &Ledger, purpose: Purpose, rotates: bool) -> Result<(), KeyError> {
    let active = |key: &&ChainKey| key.purpose == purpose && key.state == KeyState::Active;
    let most = purpose.active_max();
    if ledger.keys()?.iter().filter(active).count() >= most + usize::from(rotates) {
        return Err(AppendError::TooManyKeys { purpose: purpose.as_str(), most }.into());
    }
    Ok(())
}

/// Why and since when a key is taken back.
#[derive(Clone, Debug)]
pub struct Reason {
    /// A word: `compromised`, `lost`, `retired`.
    pub code: String,
    /// Since when somebody else may have used it.
    pub since: Timestamp,
}

/// Takes a key back. A key that the home still needs is replaced by a new one at `place`.
///
/// # Errors
/// [`KeyError`].
pub fn revoke(
    ledger: &Ledger,
    asker: &Asker,
    key_id: &str,
    reason: Reason,
    place: NewKeyPlace<'_>,
    recovery: &RecoveryKey,
) -> Result<Changed, KeyError> {
    admin::is_person(asker)?;
    if reason.since > crate::facts::now() {
        return Err(KeyError::Since);
    }
    let keys = ledger.keys()?;
    let target = keys.iter().find(|key| key.key_id.as_str() == key_id && key.state != KeyState::Revoked);
    let target = target.ok_or_else(|| KeyError::Unknown(key_id.to_owned()))?;
    let new = if is_needed(ledger, &keys, target, reason.since)? {
        Some(ledger.make_key(target.purpose, place)?)
    } else {
        None
    };
    let statement = RevocationStatement {
        log_origin: ledger.log_origin().clone(),
        key_id: target.key_id.clone(),
        reason_code: reason.code,
        compromised_since: reason.since,
        replacement: new.as_ref().map(|new| new.object().clone()),
    };
    let key_id = new.as_ref().map(|new| new.object().key_id.clone());
    let appended = ledger.append(ledger.revocation_draft(statement, new, recovery)?)?;
    forget_old(ledger);
    Ok(Changed { appended, key_id })
}

/// Whether the home could not go on without the key: it signs with it or with one that falls too, or it is the only
/// one of its purpose.
fn is_needed(
    ledger: &Ledger,
    keys: &[ChainKey],
    target: &ChainKey,
    since: Timestamp,
) -> Result<bool, KeyError> {
    let fallen = ledger.falling(&target.key_id, since)?;
    let falls = |key: &ChainKey| fallen.iter().any(|id| id == key.key_id.as_str());
    let left =
        |key: &&ChainKey| key.purpose == target.purpose && key.state == KeyState::Active && !falls(key);
    let home = ledger.signing_key_id()?;
    Ok(fallen.iter().any(|id| id == home.as_str()) || !keys.iter().any(|key| left(&key)))
}
