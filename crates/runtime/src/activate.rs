//! Putting a policy into force: compiled before, signed by as many people as the policy in force demands, recorded.

use std::collections::BTreeSet;

use cascade_ledger::{AppendError, Appended, Draft, Fault, Ledger, Person, Reader};
use cascade_policy::snapshot::{ActivationTerms, SIGNERS_MAX, Snapshot};
use cascade_receipt::content::{Body, PackChange, PolicyActivated, PolicyRef, Signature};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::sshsig::SshKey;
use cascade_receipt::statement;
use cascade_receipt::verify::ADMIN_GROUP;

use crate::admin::{self, AdminError};
use crate::consent::Sign;
use crate::facts::Asker;
use crate::policy_store::{self, StoreError};
use crate::proposal::{Proposal, ProposalFault};
use crate::ssh::SshError;

/// Why no other policy came into force. What was in force stays.
#[derive(Debug, thiserror::Error)]
pub enum ActivateError {
    /// Who asks may not, or could not sign.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Without the policy in force nobody knows how many signatures it demands.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// More people must sign first.
    #[error("the policy in force demands more signatures: {0}")]
    Short(Shortfall),
    /// The new policy demands signatures that nobody could give.
    #[error("this policy could never be replaced: {0}")]
    LockOut(Shortfall),
    /// A signature by somebody who may not give one.
    #[error("{0} is not among those who may sign a policy")]
    Ineligible(PrincipalId),
    /// A signature that does not verify over this proposal.
    #[error("the signature of {0} does not verify")]
    Forged(PrincipalId),
    /// The person has signed this proposal.
    #[error("{0} has signed it already")]
    Signed(PrincipalId),
    /// The proposal was activated before.
    #[error("this proposal was used before: a signature is good for one activation")]
    Used,
    /// The proposal is not one for this activation.
    #[error("{0}")]
    Proposal(#[from] ProposalFault),
}

impl From<Fault> for ActivateError {
    fn from(fault: Fault) -> Self {
        Self::Admin(fault.into())
    }
}

impl From<AppendError> for ActivateError {
    fn from(error: AppendError) -> Self {
        Self::Admin(error.into())
    }
}

/// What is there of what is demanded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shortfall {
    /// People who count.
    pub have: usize,
    /// People who are needed.
    pub required: u32,
    /// Groups of which nobody is among them.
    pub groups: Vec<String>,
}

impl std::fmt::Display for Shortfall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.have, self.required)?;
        if !self.groups.is_empty() {
            write!(f, ", nobody of {}", self.groups.join(", "))?;
        }
        Ok(())
    }
}

/// Somebody whose signature counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signatory {
    /// Who it is.
    pub principal: PrincipalId,
    /// The registered key.
    pub ssh_key: String,
    /// Groups that the person represents.
    pub groups: Vec<String>,
}

/// Everybody who may sign a policy. The format lets administrators alone sign such a receipt, so other groups
/// can only narrow who among them counts.
///
/// # Errors
/// When the ledger cannot be read.
pub fn signatories(reader: &Reader) -> Result<Vec<Signatory>, Fault> {
    let admins = reader.people()?.into_iter().filter(Person::is_admin);
    let signatory = |person: Person| Signatory {
        principal: person.principal,
        ssh_key: person.ssh_key,
        groups: person.groups,
    };
    Ok(admins.map(signatory).collect())
}

/// What `people` lack to meet the terms; `None` when they meet them.
fn shortfall<'a>(people: impl Iterator<Item = &'a Signatory>, terms: &ActivationTerms) -> Option<Shortfall> {
    let of_terms = |person: &&Signatory| person.groups.iter().any(|group| terms.groups.contains(group));
    let counted: Vec<&Signatory> = people.filter(of_terms).collect();
    let distinct: BTreeSet<PrincipalId> = counted.iter().map(|person| person.principal).collect();
    let represented = |group: &&String| counted.iter().any(|person| person.groups.contains(group));
    let groups: Vec<String> = terms.groups.iter().filter(|group| !represented(group)).cloned().collect();
    let enough = distinct.len() >= usize::try_from(terms.required.max(1)).unwrap_or(usize::MAX);
    let short = Shortfall { have: distinct.len(), required: terms.required, groups };
    (!enough || !short.groups.is_empty()).then_some(short)
}

/// What would be missing for another policy once `principal` is in these groups and no other; `None` when nothing
/// is, or something is already. A policy in force that cannot be read keeps nobody from being removed.
pub(crate) fn lock_out(
    ledger: &Reader,
    principal: PrincipalId,
    groups: &[String],
) -> Result<Option<Shortfall>, Fault> {
    let Ok((snapshot, _)) = policy_store::in_force(ledger) else { return Ok(None) };
    let terms = &snapshot.thresholds().activation;
    let mut people = signatories(ledger)?;
    if shortfall(people.iter(), terms).is_some() {
        return Ok(None);
    }
    people.retain(|person| person.principal != principal);
    if groups.iter().any(|group| group == ADMIN_GROUP) {
        people.push(Signatory { principal, ssh_key: String::new(), groups: groups.to_vec() });
    }
    // That the last administrator stays is the ledger's word.
    Ok(if people.is_empty() { None } else { shortfall(people.iter(), terms) })
}

/// A new proposal of whoever asks, not yet signed.
///
/// # Errors
/// [`ActivateError`].
pub fn propose(
    ledger: &Reader,
    asker: &Asker,
    activates: PolicyRef,
    pack: Option<PackChange>,
) -> Result<Proposal, ActivateError> {
    admin::is_person(asker)?;
    let activated = PolicyActivated {
        activates,
        principal: asker.speaker(),
        statement_id: cascade_ledger::receipt_id()?.0,
        signatures: Vec::new(),
        pack,
    };
    Ok(Proposal { log_origin: ledger.log_origin().as_str().to_owned(), activated })
}

/// Adds the signature of whoever holds the key: the person who asks if that is one of those who may sign, else
/// the one whose key `sign` has.
///
/// # Errors
/// [`ActivateError`].
pub fn sign(
    ledger: &Reader,
    asker: &Asker,
    proposal: &mut Proposal,
    sign: Sign<'_>,
) -> Result<PrincipalId, ActivateError> {
    admin::is_person(asker)?;
    check(ledger, proposal)?;
    let mut people = signatories(ledger)?;
    people.sort_by_key(|person| person.principal != asker.speaker());
    let fresh = proposal.activated.signatures.is_empty();
    let mut signed = None;
    for person in people {
        // Who signs first is who proposes.
        if fresh {
            proposal.activated.principal = person.principal;
        }
        let payload = statement::admin(&proposal.log_origin, &proposal.statement());
        let sshsig = match sign(&person.ssh_key, statement::ADMIN, payload.as_bytes()) {
            Ok(sshsig) => sshsig,
            Err(SshError::NoPrivateKey(_) | SshError::OtherKey(_)) => continue,
            Err(error) => return Err(AdminError::Sign(error).into()),
        };
        if proposal.activated.signatures.iter().any(|one| one.principal == person.principal) {
            signed = Some(person.principal);
            continue;
        }
        let signature = Signature { principal: person.principal, sshsig };
        verify(&person, &payload, &signature)?;
        proposal.activated.signatures.push(signature);
        return Ok(person.principal);
    }
    Err(signed.map_or(AdminError::Refused("approval.not_eligible").into(), ActivateError::Signed))
}

fn verify(person: &Signatory, payload: &str, signature: &Signature) -> Result<(), ActivateError> {
    SshKey::accept(&person.ssh_key)
        .and_then(|key| key.verify(statement::ADMIN, payload.as_bytes(), &signature.sshsig))
        .map_err(|_| ActivateError::Forged(person.principal))
}

/// Checks a proposal and every signature in it, as a stranger would; gives the people who signed.
fn check(ledger: &Reader, proposal: &Proposal) -> Result<Vec<Signatory>, ActivateError> {
    if proposal.log_origin != ledger.log_origin().as_str() {
        return Err(ProposalFault::OtherChain.into());
    }
    let signatures = &proposal.activated.signatures;
    if signatures.len() > usize::try_from(SIGNERS_MAX).unwrap_or(usize::MAX) {
        return Err(ProposalFault::Member("signatures").into());
    }
    let people = signatories(ledger)?;
    let payload = statement::admin(&proposal.log_origin, &proposal.statement());
    let mut signed: Vec<Signatory> = Vec::new();
    for signature in signatures {
        let person = people.iter().find(|person| person.principal == signature.principal);
        let person = person.ok_or(ActivateError::Ineligible(signature.principal))?;
        verify(person, &payload, signature)?;
        if signed.contains(person) {
            return Err(ActivateError::Signed(person.principal));
        }
        signed.push(person.clone());
    }
    Ok(signed)
}

/// A policy that is to come into force.
#[derive(Debug)]
pub struct Order<'a> {
    /// Its hash and label.
    pub activates: PolicyRef,
    /// The policy itself.
    pub snapshot: &'a Snapshot,
    /// What has to be in the vault for it; nothing for one that was in force before.
    pub blobs: Vec<(Digest, Vec<u8>)>,
    /// The regime that is declared or given up with it.
    pub pack: Option<PackChange>,
    /// What people have signed beforehand.
    pub proposal: Option<Proposal>,
}

/// Puts the policy into force from the next receipt on. Whoever asks signs where a signature is still missing.
///
/// # Errors
/// [`ActivateError`].
pub fn activate(
    ledger: &Ledger,
    asker: &Asker,
    order: Order<'_>,
    sign: Sign<'_>,
) -> Result<Appended, ActivateError> {
    admin::is_person(asker)?;
    let (in_force, mark) = policy_store::in_force(ledger)?;
    let terms = &in_force.thresholds().activation;
    let mut proposal = match order.proposal {
        Some(proposal) if proposal.activated.activates.hash != order.activates.hash => {
            return Err(ProposalFault::OtherPolicy(proposal.activated.activates.hash).into());
        }
        Some(proposal) if proposal.activated.pack != order.pack => {
            return Err(ProposalFault::OtherPack.into());
        }
        Some(proposal) => proposal,
        None => propose(ledger, asker, order.activates, order.pack)?,
    };
    let mut signed = check(ledger, &proposal)?;
    if is_used(ledger, &proposal)? {
        return Err(ActivateError::Used);
    }
    let people = signatories(ledger)?;
    if let Some(short) = shortfall(people.iter(), &order.snapshot.thresholds().activation) {
        return Err(ActivateError::LockOut(short));
    }
    let own = people.iter().find(|person| person.principal == asker.speaker() && !signed.contains(person));
    // A proposal that others have signed may be carried out by anybody; one's own needs one's signature.
    if signed.is_empty() || (own.is_some() && shortfall(signed.iter(), terms).is_some()) {
        let signature = admin::signature(ledger, asker, &proposal.statement(), sign)?;
        proposal.activated.signatures.push(signature);
        signed.extend(own.cloned());
    }
    if signed.iter().all(|person| person.principal != proposal.activated.principal) {
        return Err(ProposalFault::Proposer.into());
    }
    if let Some(short) = shortfall(signed.iter(), terms) {
        return Err(ActivateError::Short(short));
    }
    let mut draft = Draft::new(cascade_ledger::receipt_id()?, Body::PolicyActivated(proposal.activated));
    draft.blobs = order.blobs;
    draft.seen = Some(mark);
    Ok(ledger.append(draft)?)
}

/// Whether a receipt of this chain stands on the same statement; two would make the chain invalid.
fn is_used(ledger: &Reader, proposal: &Proposal) -> Result<bool, Fault> {
    for (seq, _) in ledger.policy_history()? {
        let Some(line) = ledger.lines(seq..seq + 1).next().transpose()? else { continue };
        let receipt = json::parse(line.text.as_bytes()).ok();
        let content = receipt.as_ref().and_then(|receipt| receipt.member("content"));
        if content.is_some_and(|content: &Value| proposal.is_used_by(content)) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: u8, groups: &[&str]) -> Signatory {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Signatory { principal: PrincipalId([id; 8]), ssh_key: String::new(), groups }
    }

    #[test]
    fn terms_are_met_by_distinct_people_of_every_group() {
        let terms = |required, groups: &[&str]| ActivationTerms {
            required,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        };
        let (ada, bob) = (person(1, &["admins"]), person(2, &["admins", "security"]));
        for (people, terms, met) in [
            (vec![&ada], terms(1, &["admins"]), true),
            (vec![], terms(1, &["admins"]), false),
            (vec![&ada, &ada], terms(2, &["admins"]), false),
            (vec![&ada, &bob], terms(2, &["admins"]), true),
            (vec![&ada], terms(1, &["security"]), false),
            (vec![&bob], terms(1, &["admins", "security"]), true),
            (vec![&ada, &bob], terms(3, &["admins"]), false),
            (vec![], terms(0, &[]), false),
        ] {
            assert_eq!(shortfall(people.into_iter(), &terms).is_none(), met, "{terms:?}");
        }
    }
}
