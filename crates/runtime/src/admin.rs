//! An administrator's signature over what a receipt says of itself (format section 7.2).

use cascade_ledger::{AppendError, Fault, Ledger};
use cascade_receipt::content::Signature;
use cascade_receipt::sshsig::{SshFault, SshKey};
use cascade_receipt::statement;

use crate::consent::Sign;
use crate::facts::Asker;
use crate::ssh::SshError;

/// Why an administrative act was not recorded. What was in force stays.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
    /// This principal may not; the code says why.
    #[error("this needs an administrator of the chain ({0})")]
    Refused(&'static str),
    /// The signature could not be made.
    #[error("couldn't sign: {0}")]
    Sign(#[from] SshError),
    /// The signature is one that a stranger would refuse.
    #[error("the signature does not count: {0}")]
    Signature(SshFault),
    /// It could not be recorded.
    #[error("couldn't record it: {0}")]
    Append(#[from] AppendError),
}

/// The key of the administrator who asks. An agent is none, whoever it works for.
///
/// # Errors
/// [`AdminError`].
pub(crate) fn may(ledger: &Ledger, asker: &Asker) -> Result<String, AdminError> {
    is_person(asker)?;
    let admins = ledger.admins()?;
    let key = admins.into_iter().find(|(admin, _)| *admin == asker.person_id).map(|(_, key)| key);
    key.filter(|_| asker.assumed.is_none()).ok_or(AdminError::Refused("approval.not_eligible"))
}

/// An agent does not govern, and nobody does from beneath a governed run, where an agent may pose as a person.
///
/// # Errors
/// [`AdminError::Refused`].
pub(crate) const fn is_person(asker: &Asker) -> Result<(), AdminError> {
    if let Some(code) = asker.enclosure.objection() {
        return Err(AdminError::Refused(code));
    }
    if asker.agent.is_some() {
        return Err(AdminError::Refused("approval.agent"));
    }
    Ok(())
}

/// Signs `own`, a body's statement, as the administrator who asks.
///
/// # Errors
/// [`AdminError`].
pub(crate) fn signature(
    ledger: &Ledger,
    asker: &Asker,
    own: &str,
    sign: Sign<'_>,
) -> Result<Signature, AdminError> {
    let key = &may(ledger, asker)?;
    let payload = statement::admin(ledger.log_origin().as_str(), own);
    let sshsig = sign(key, statement::ADMIN, payload.as_bytes())?;
    // Never record what a stranger would refuse.
    SshKey::accept(key)
        .and_then(|key| key.verify(statement::ADMIN, payload.as_bytes(), &sshsig))
        .map_err(AdminError::Signature)?;
    Ok(Signature { principal: asker.person_id, sshsig })
}
