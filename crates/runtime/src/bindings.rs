//! Credentials that others issue, bound to principals of the chain: a JWT of an issuer about a subject, or a certificate.
//!
//! A binding is a token without a secret. An administrator signs that whoever shows such a credential is this principal,
//! within these scopes, until then; the receipt commits to what is bound, and the vault keeps it. An issuer says who
//! somebody is and nothing more: groups and roles are those of the chain, and whom nobody bound is nobody here.

mod address;
mod certificate;
mod credential;
mod issuers;
mod jwt;
mod keys;
mod shown;

use std::fs::File;

use cascade_ledger::{Appended, Fault, Ledger, Present, PrivateItem, Reader, TenantId, Token};
use cascade_receipt::content::TokenIssued;
use cascade_receipt::id::TokenId;
use cascade_receipt::time::Timestamp;
use rustix::fs::FlockOperation;

use crate::consent::Sign;
use crate::facts::{self, Asker};
use crate::tokens::{self, Issuing, Kept, TokenError, TokenState, Unaccepted};

pub use address::{ADDRESS_BYTES_MAX, AddressFault, Issuer};
pub use certificate::{Certificate, NAMES_MAX};
pub use credential::{
    CLAIM_BYTES_MAX, CLAIM_DEFAULT, CertificateName, Credential, CredentialFault, JwtIdentity, WORD_BYTES_MAX,
};
pub use issuers::{
    DESCRIPTION_BYTES_MAX, FETCH_TIME_MAX, FRESH_TIME_MAX, ISSUERS_MAX, IssuerFault, Issuers, REST,
    STALE_TIME_MAX, Told, WAITING_MAX,
};
pub use jwt::{JWT_BYTES_MAX, JWT_LIFETIME_SECONDS_MAX, Jwt, JwtFault, LEEWAY_SECONDS};
pub use keys::{JWKS_BYTES_MAX, JwksFault, KEYS_MAX};
pub use shown::{BearerFault, Presented, Shown};

/// Most bindings of a chain that hold at once: each of them is compared with what a stranger shows.
pub const BINDINGS_MAX: usize = 1024;
/// The member of a receipt whose private bytes say what is bound.
const FIELD: &str = "token_hash";

/// Why nothing was bound.
#[derive(Debug, thiserror::Error)]
pub enum BindingError {
    /// It cannot be bound.
    #[error(transparent)]
    Credential(#[from] CredentialFault),
    /// It was not issued.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It is bound already.
    #[error("{0} binds it already")]
    Bound(TokenId),
    /// There are [`BINDINGS_MAX`].
    #[error("there are {BINDINGS_MAX} bindings, and there may not be more at once")]
    TooMany,
    /// Another process binds something at this moment.
    #[error("something else is bound at this moment; try again")]
    Busy,
}

impl From<Fault> for BindingError {
    fn from(fault: Fault) -> Self {
        Self::Token(fault.into())
    }
}

/// A binding as the chain knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// The token without a secret.
    pub token: Token,
    /// What has to be shown.
    pub credential: Credential,
}

/// Binds a credential; an administrator signs it.
///
/// # Errors
/// [`BindingError`].
pub fn bind(
    ledger: &Ledger,
    asker: &Asker,
    (credential, issuing): (&Credential, &Issuing),
    sign: Sign<'_>,
) -> Result<(Appended, TokenIssued), BindingError> {
    if let Credential::Jwt(identity) = credential {
        identity.check()?;
    }
    // Of two who bind the same at once, one finds what the other has bound, or that it is at it.
    let _alone = alone(ledger)?;
    let there = holding(ledger, facts::chain_now(ledger)?)?;
    if let Some(other) = there.iter().find(|binding| binding.credential.overlaps(credential)) {
        return Err(BindingError::Bound(other.token.token_id));
    }
    if !has_room(there.len()) {
        return Err(BindingError::TooMany);
    }
    let item = PrivateItem::new(FIELD, cascade_ledger::nonce()?, credential.to_text().into_bytes());
    let id = TokenId(cascade_ledger::receipt_id()?.0);
    let kept = Kept { id, hash: item.hash, private: Some(item) };
    Ok(tokens::record(ledger, asker, issuing, kept, sign)?)
}

/// Held while something is bound: what a credential is about is private, so that the ledger cannot compare two of them
/// when it writes. It goes with the process.
fn alone(ledger: &Ledger) -> Result<File, BindingError> {
    let dir = File::open(ledger.dir()).map_err(|_| BindingError::Busy)?;
    rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive).map_err(|_| BindingError::Busy)?;
    Ok(dir)
}

/// Every binding with how it stands, oldest first. It is taken back like a token ([`tokens::revoke`]).
///
/// # Errors
/// [`Fault`].
pub fn list(reader: &Reader) -> Result<Vec<(Binding, TokenState)>, Fault> {
    let mut found = Vec::new();
    for (token, state) in tokens::list(reader)? {
        if let Some(credential) = credential(reader, &token)? {
            found.push((Binding { token, credential }, state));
        }
    }
    Ok(found)
}

/// Whoever shows something, if it counts now.
///
/// # Errors
/// [`Unaccepted`].
pub fn accept(
    reader: &Reader,
    tenant: &TenantId,
    presented: &Presented,
    issuers: &Issuers,
) -> Result<Shown, Unaccepted> {
    accept_at(&reader.present()?, tenant, presented, issuers)
}

/// The same, by a look that was taken already.
///
/// # Errors
/// [`Unaccepted`].
pub fn accept_at(
    present: &Present<'_>,
    tenant: &TenantId,
    presented: &Presented,
    issuers: &Issuers,
) -> Result<Shown, Unaccepted> {
    match presented {
        Presented::Token(text) => Ok(Shown::secret(tokens::accept_at(present, text)?)),
        Presented::Jwt(jwt) => by_jwt(present, tenant, jwt, issuers),
        Presented::Certificate(certificate) => by_certificate(present, certificate),
    }
}

/// Nobody is asked for keys unless the token names somebody who is bound. One that names different holders by different
/// claims says nothing: which of them counted would turn on which was bound first.
fn by_jwt(reader: &Reader, tenant: &TenantId, jwt: &Jwt, issuers: &Issuers) -> Result<Shown, Unaccepted> {
    let now = facts::chain_now(reader)?;
    let mut found = holding(reader, now)?.into_iter().filter_map(|binding| match binding.credential {
        Credential::Jwt(identity) if jwt.names(&identity) => Some((binding.token, identity)),
        _ => None,
    });
    let (token, identity) = found.next().ok_or(Unaccepted::Unknown)?;
    if !found.all(|(other, _)| other.is_of_same_holder(&token)) {
        return Err(Unaccepted::Unknown);
    }
    let until = match &identity.jwks {
        Some(text) => {
            jwt.verify(&keys::Keys::parse(text.as_bytes()).map_err(|_| Unaccepted::Unknown)?, now)?
        }
        None => {
            let fits = |keys: &keys::Keys| jwt.has_key_in(keys);
            let keys = issuers.keys(tenant, &identity.issuer, &fits).ok_or(Unaccepted::Unknown)?;
            // The issuer may have been waited for.
            jwt.verify(&keys, facts::chain_now(reader)?)?
        }
    };
    holds(reader, token, |token| Shown::jwt(token, until))
}

/// The key says more than a name does; names that are bound to different holders say nothing.
fn by_certificate(reader: &Reader, certificate: &Certificate) -> Result<Shown, Unaccepted> {
    let now = facts::chain_now(reader)?;
    let all = holding(reader, now)?;
    let bound = |name: &CertificateName| {
        let same =
            |binding: &&Binding| matches!(&binding.credential, Credential::Certificate(own) if own == name);
        all.iter().find(same).map(|binding| &binding.token)
    };
    let token = match bound(certificate.key()) {
        Some(token) => token,
        None => {
            let mut named = certificate.names().iter().filter_map(bound);
            let first = named.next().ok_or(Unaccepted::Unknown)?;
            if !named.all(|other| other.is_of_same_holder(first)) {
                return Err(Unaccepted::Unknown);
            }
            first
        }
    };
    if certificate.until() <= now {
        return Err(Unaccepted::Unknown);
    }
    holds(reader, token.clone(), |token| Shown::certificate(token, certificate.until()))
}

fn holds(reader: &Reader, token: Token, shown: impl FnOnce(Token) -> Shown) -> Result<Shown, Unaccepted> {
    match TokenState::of(reader, &token, facts::chain_now(reader)?)? {
        TokenState::Holds => Ok(shown(token)),
        ended => Err(Unaccepted::Ended(ended)),
    }
}

/// Every binding that is neither taken back nor run out, oldest first.
fn holding(reader: &Reader, at: Timestamp) -> Result<Vec<Binding>, Fault> {
    let mut found = Vec::new();
    for token in reader.tokens()?.into_iter().filter(|token| token.holds(at)) {
        if let Some(credential) = credential(reader, &token)? {
            found.push(Binding { token, credential });
        }
    }
    Ok(found)
}

/// What is bound, if this token has no secret and the vault still says what it is about.
pub(crate) fn credential(reader: &Reader, token: &Token) -> Result<Option<Credential>, Fault> {
    Ok(reader.private(&token.hash)?.and_then(|(_, text)| Credential::of_text(&text)))
}

/// Whether another one may be bound beside so many.
const fn has_room(bound: usize) -> bool {
    bound < BINDINGS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_end_to_bindings() {
        assert!(has_room(BINDINGS_MAX - 1) && !has_room(BINDINGS_MAX));
    }
}
