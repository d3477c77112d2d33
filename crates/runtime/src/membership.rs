//! Who belongs to a chain: people join with their SSH key and groups, and leave, by an administrator's word.

use cascade_ledger::{Appended, Draft, Ledger, PrincipalKind};
use cascade_policy::name::Name;
use cascade_receipt::content::{Body, GROUPS_MAX, PersonAdded, PersonRemoved};
use cascade_receipt::id::PrincipalId;
use cascade_receipt::sshsig::{self, SshFault};
use ssh_key::PublicKey;

use crate::activate::{self, Shortfall};
use crate::admin::{self, AdminError};
use crate::consent::Sign;
use crate::facts::{self, Asker};

/// A person who is to be registered, or registered anew with other groups or another key.
#[derive(Debug)]
pub struct Joining {
    /// The login name, or another name for a person of another machine.
    pub name: Name,
    /// Public SSH key as receipts carry it; `None` keeps the one that is registered.
    pub ssh_key: Option<String>,
    /// All groups that the person is in from now on.
    pub groups: Vec<Name>,
}

/// Why nobody was registered or removed.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// It was not signed or not recorded.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Nobody of this name is registered.
    #[error("nobody called `{0}` is registered")]
    Unknown(String),
    /// A person who joins needs a key.
    #[error("`{0}` has no SSH key in the chain yet")]
    NoKey(String),
    /// Too few people would be left to sign another policy.
    #[error("then the policy in force could never be replaced ({0}): register somebody else first")]
    LockOut(Shortfall),
    /// A name that a reader could take for one that is there.
    #[error("`{name}` looks like `{other}`, which is somebody or something else")]
    LooksLike {
        /// The new name.
        name: String,
        /// The name that is there.
        other: String,
    },
    /// More groups than a receipt may name.
    #[error("a person may be in at most {GROUPS_MAX} groups")]
    TooManyGroups,
}

/// The text of a public key file as receipts carry it.
///
/// # Errors
/// When it is no key, or one that must not count.
pub fn public_key(text: &str) -> Result<String, SshFault> {
    let key = PublicKey::from_openssh(text.trim()).map_err(|_| SshFault::Key)?;
    sshsig::without_comment(&key)
}

/// Registers a person.
///
/// # Errors
/// [`MembershipError`].
pub fn add(
    ledger: &Ledger,
    asker: &Asker,
    joining: &Joining,
    sign: Sign<'_>,
) -> Result<(Appended, PrincipalId), MembershipError> {
    admin::may(ledger, asker)?;
    let name = joining.name.as_str();
    refuse_lookalikes(ledger, joining)?;
    let principal = ledger.principal_for(PrincipalKind::Person, name).map_err(AdminError::from)?;
    let before = ledger.person(principal).map_err(AdminError::from)?;
    let known = before.filter(cascade_ledger::Person::is_registered).map(|person| person.ssh_key);
    let ssh_key = joining.ssh_key.clone().or(known).ok_or_else(|| MembershipError::NoKey(name.to_owned()))?;
    let mut groups: Vec<String> = joining.groups.iter().map(|group| group.as_str().to_owned()).collect();
    groups.sort_unstable();
    groups.dedup();
    if groups.len() > GROUPS_MAX {
        return Err(MembershipError::TooManyGroups);
    }
    refuse_lock_out(ledger, principal, &groups)?;
    let mut added =
        PersonAdded { principal, ssh_key, groups, statement_id: statement_id()?, signatures: Vec::new() };
    let own = Body::PersonAdded(added.clone()).statement();
    added.signatures.push(admin::signature(ledger, asker, &own, sign)?);
    let draft = Draft::new(receipt_id()?, Body::PersonAdded(added));
    let appended = ledger.append(draft).map_err(AdminError::from)?;
    Ok((appended, principal))
}

/// Takes a person's registration away. Approvals that were not used, grants that the person gave, and agents that act
/// for the person count for nothing from then on.
///
/// # Errors
/// [`MembershipError`].
pub fn remove(
    ledger: &Ledger,
    asker: &Asker,
    name: &str,
    sign: Sign<'_>,
) -> Result<(Appended, PrincipalId), MembershipError> {
    admin::may(ledger, asker)?;
    let principal = facts::named(ledger, name).map_err(AdminError::from)?;
    let person = ledger.person(principal).map_err(AdminError::from)?;
    if !person.is_some_and(|person| person.is_registered()) {
        return Err(MembershipError::Unknown(name.to_owned()));
    }
    refuse_lock_out(ledger, principal, &[])?;
    let mut removed = PersonRemoved { principal, statement_id: statement_id()?, signatures: Vec::new() };
    let own = Body::PersonRemoved(removed.clone()).statement();
    removed.signatures.push(admin::signature(ledger, asker, &own, sign)?);
    let draft = Draft::new(receipt_id()?, Body::PersonRemoved(removed));
    let appended = ledger.append(draft).map_err(AdminError::from)?;
    Ok((appended, principal))
}

/// Nobody joins under a name that passes for that of somebody registered, or brings a group that passes for another.
fn refuse_lookalikes(ledger: &Ledger, joining: &Joining) -> Result<(), MembershipError> {
    for person in ledger.people().map_err(AdminError::from)?.iter().filter(|person| person.is_registered()) {
        let name = ledger.name(person.principal).map_err(AdminError::from)?.map(|name| name.name);
        let same = |own: &Name, other: &str| match own.passes_for(other) {
            true => {
                Err(MembershipError::LooksLike { name: own.as_str().to_owned(), other: other.to_owned() })
            }
            false => Ok(()),
        };
        name.iter().try_for_each(|other| same(&joining.name, other))?;
        for group in &joining.groups {
            person.groups.iter().try_for_each(|other| same(group, other))?;
        }
    }
    Ok(())
}

fn refuse_lock_out(
    ledger: &Ledger,
    principal: PrincipalId,
    groups: &[String],
) -> Result<(), MembershipError> {
    match activate::lock_out(ledger, principal, groups).map_err(AdminError::from)? {
        Some(short) => Err(MembershipError::LockOut(short)),
        None => Ok(()),
    }
}

pub(crate) fn statement_id() -> Result<[u8; 8], AdminError> {
    Ok(receipt_id()?.0)
}

pub(crate) fn receipt_id() -> Result<cascade_receipt::id::ReceiptId, AdminError> {
    Ok(cascade_ledger::receipt_id()?)
}
