//! What becomes of a tenant: suspended, active again, deleted; or of another chain that was deleted.

use alloc::vec::Vec;

use super::halt::add_reason_hash;
use super::{Signature, add_signatures};
use crate::digest::Digest;
use crate::id::{LogOrigin, PrincipalId};
use crate::member::Members;

/// What a tenant is from the next receipt on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TenantChange {
    /// Nothing runs.
    Suspended,
    /// What is asked for is decided again.
    Active,
    /// The chain has ended: nothing follows.
    Deleted,
}

impl TenantChange {
    /// Every word.
    pub const ALL: &[Self] = &[Self::Suspended, Self::Active, Self::Deleted];

    /// The word in receipts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suspended => "suspended",
            Self::Active => "active",
            Self::Deleted => "deleted",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|change| change.as_str() == text)
    }
}

/// The end of another chain, as whoever keeps this one saw it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndedChain {
    /// Its name.
    pub log_origin: LogOrigin,
    /// How many receipts it has.
    pub size: u64,
    /// Hash of its last receipt, which says that it was deleted.
    pub head: Digest,
    /// Root of the tree over all of them.
    pub root: Digest,
    /// Salted hash of what the tenant was called in the home.
    pub tenant_hash: Digest,
}

/// `tenant_changed`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TenantChanged {
    /// What happened.
    pub change: TenantChange,
    /// The administrator who says so.
    pub principal: PrincipalId,
    /// Salted hash of the reason in that principal's words.
    pub reason_hash: Option<Digest>,
    /// How many private items the vault held when the tenant was deleted.
    pub private_items: Option<u64>,
    /// The chain that was deleted, where it is not this one. This one stays what it is.
    pub of: Option<EndedChain>,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// An administrator's signature.
    pub signatures: Vec<Signature>,
}

impl TenantChanged {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("change", |out| out.word(self.change.as_str()));
        if let Some(ended) = &self.of {
            to.add("of", |out| {
                out.object(|out| {
                    out.key("head").hex(&ended.head.0);
                    out.key("log_origin").str(ended.log_origin.as_str());
                    out.key("root").hex(&ended.root.0);
                    out.key("size").int(ended.size);
                });
            });
        }
        to.add("principal", |out| out.spelled(&self.principal));
        if let Some(count) = self.private_items {
            to.add("private_items", |out| out.int(count));
        }
        add_reason_hash(to, self.reason_hash.as_ref());
        add_signatures(to, &self.signatures);
        to.add("statement_id", |out| out.hex(&self.statement_id));
        if let Some(ended) = &self.of {
            to.add("tenant_hash", |out| out.hex(&ended.tenant_hash.0));
        }
    }
}
