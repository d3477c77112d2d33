//! An administrator's signature over what a receipt says of itself (format section 7.2).

use cascade_ledger::{AppendError, Fault, Ledger, Person};
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

impl AdminError {
    /// The code of the reason, where somebody may not or has not proven to be who may; `None` for other trouble.
    #[must_use]
    pub const fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::Refused(code) => Some(code),
            Self::Sign(SshError::NoPrivateKey(_)) => Some("identity.unsigned"),
            Self::Sign(SshError::OtherKey(_)) | Self::Signature(_) => Some("approval.signature"),
            Self::Ledger(_) | Self::Sign(_) | Self::Append(_) => None,
        }
    }
}

/// The administrator who asks. An agent is none, whoever it works for.
///
/// # Errors
/// [`AdminError`].
pub(crate) fn may(ledger: &Ledger, asker: &Asker) -> Result<Person, AdminError> {
    let person = speaker(ledger, asker)?;
    if person.is_admin() { Ok(person) } else { Err(AdminError::Refused("approval.not_eligible")) }
}

/// The registered person who asks, whom a signature with that person's key will prove.
///
/// # Errors
/// [`AdminError`].
pub(crate) fn speaker(ledger: &Ledger, asker: &Asker) -> Result<Person, AdminError> {
    is_person(asker)?;
    if asker.has_ended() {
        return Err(AdminError::Refused("identity.revoked"));
    }
    let person = ledger.person(asker.speaker())?.filter(Person::is_registered);
    person.ok_or(AdminError::Refused("approval.not_eligible"))
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
    signature_of(ledger, &may(ledger, asker)?, own, sign)
}

/// Signs `own`, a body's statement, as this person.
///
/// # Errors
/// [`AdminError`].
pub(crate) fn signature_of(
    ledger: &Ledger,
    person: &Person,
    own: &str,
    sign: Sign<'_>,
) -> Result<Signature, AdminError> {
    let payload = statement::admin(ledger.log_origin().as_str(), own);
    let sshsig = sign(&person.ssh_key, statement::ADMIN, payload.as_bytes())?;
    // Never record what a stranger would refuse.
    SshKey::accept(&person.ssh_key)
        .and_then(|key| key.verify(statement::ADMIN, payload.as_bytes(), &sshsig))
        .map_err(AdminError::Signature)?;
    Ok(Signature { principal: person.principal, sshsig })
}
