//! Breaking the glass, and the review that it obliges to.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Action, Ref, Signature, add_refs, add_signatures};
use crate::digest::Digest;
use crate::id::PrincipalId;
use crate::member::Members;
use crate::time::Timestamp;

/// Most broken glasses that may wait for their review at one time. Past it nobody breaks another.
pub const UNREVIEWED_MAX: usize = 16;

/// `break_glass`: somebody answers for an action that goes past the gates.
#[derive(Clone, Debug)]
pub struct GlassBroken {
    /// The action; its decision admits it and says which gates it went past.
    pub action: Action,
    /// Whose members review it.
    pub groups: Vec<String>,
    /// Until when it must have been reviewed.
    pub review_due: Timestamp,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// The signature of whoever asked for the action.
    pub signatures: Vec<Signature>,
}

/// `x_break_glass_review`: what somebody else thinks of it.
#[derive(Clone, Debug)]
pub struct Reviewed {
    /// Rel `parent`, the `break_glass`.
    pub glass: Ref,
    /// Who reviews.
    pub principal: PrincipalId,
    /// Whether it was right to do so.
    pub justified: bool,
    /// Salted hash of why, in that person's words.
    pub reason_hash: Option<Digest>,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// The reviewer's signature.
    pub signatures: Vec<Signature>,
}

impl Reviewed {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("justified", |out| out.bool(self.justified));
        to.add("principal", |out| out.spelled(&self.principal));
        if let Some(hash) = &self.reason_hash {
            to.add("reason_hash", |out| out.hex(&hash.0));
        }
        add_refs(to, core::slice::from_ref(&self.glass));
        add_signatures(to, &self.signatures);
        to.add("statement_id", |out| out.hex(&self.statement_id));
    }
}
