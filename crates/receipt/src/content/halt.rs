//! The stop button, and going on after it.

use alloc::vec::Vec;

use super::{Signature, add_signatures};
use crate::decision::Decision;
use crate::digest::Digest;
use crate::id::PrincipalId;
use crate::member::Members;

/// `halted`: nothing runs from the next receipt on.
#[derive(Clone, Debug)]
pub struct Halted {
    /// Who stopped the tenant; anybody may.
    pub principal: PrincipalId,
    /// For whom, when that is an agent.
    pub on_behalf_of: Option<PrincipalId>,
    /// Salted hash of the reason in that principal's words.
    pub reason_hash: Option<Digest>,
}

/// `resumed`: runs are decided again from the next receipt on.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// Who lets the tenant go on.
    pub principal: PrincipalId,
    /// Salted hash of the reason in that principal's words.
    pub reason_hash: Option<Digest>,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// An administrator's signature.
    pub signatures: Vec<Signature>,
}

/// What the gates said when they were asked again about an action that runs, and no longer admitted it.
#[derive(Clone, Debug)]
pub struct Review {
    /// Ten gates; the verdict is not `admit`.
    pub decision: Decision,
    /// Salted hash of the facts that were decided on.
    pub facts_hash: Digest,
}

impl Halted {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        if let Some(person) = &self.on_behalf_of {
            to.add("on_behalf_of", |out| out.spelled(person));
        }
        to.add("principal", |out| out.spelled(&self.principal));
        add_reason_hash(to, self.reason_hash.as_ref());
    }
}

impl Resumed {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("principal", |out| out.spelled(&self.principal));
        add_reason_hash(to, self.reason_hash.as_ref());
        add_signatures(to, &self.signatures);
        to.add("statement_id", |out| out.hex(&self.statement_id));
    }
}

pub(super) fn add_reason_hash(to: &mut Members<'_>, hash: Option<&Digest>) {
    if let Some(hash) = hash {
        to.add("reason_hash", |out| out.hex(&hash.0));
    }
}
