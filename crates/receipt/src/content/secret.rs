//! Brokered credentials: that one was set or removed, never what it is.

use alloc::vec::Vec;

use super::{Signature, add_signatures};
use crate::digest::Digest;
use crate::id::PrincipalId;
use crate::member::Members;

/// `secret_changed`.
#[derive(Clone, Debug)]
pub struct SecretChanged {
    /// Who changed it.
    pub principal: PrincipalId,
    /// The credential's random id in this chain.
    pub secret: [u8; 8],
    /// Set, or set anew; false when it was removed.
    pub set: bool,
    /// Salted hash of its declaration: name, variable, programs, people. Nothing of its value.
    pub secret_hash: Digest,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// An administrator's signature.
    pub signatures: Vec<Signature>,
}

impl SecretChanged {
    /// The word in `change` of a credential that is there from now on.
    pub const SET: &str = "set";
    /// The word of one that is gone.
    pub const REMOVED: &str = "removed";

    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("change", |out| out.word(if self.set { Self::SET } else { Self::REMOVED }));
        to.add("principal", |out| out.spelled(&self.principal));
        to.add("secret", |out| out.hex(&self.secret));
        to.add("secret_hash", |out| out.hex(&self.secret_hash.0));
        add_signatures(to, &self.signatures);
        to.add("statement_id", |out| out.hex(&self.statement_id));
    }
}
