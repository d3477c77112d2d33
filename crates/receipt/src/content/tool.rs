//! Tools of servers outside: the definition of one was pinned, so that it is noticed when it becomes another.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Ref, Signature, add_refs, add_signatures};
use crate::digest::Digest;
use crate::id::PrincipalId;
use crate::member::Members;

/// `tool_pinned`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToolPinned {
    /// Who offers the tool, as policies name it: `mcp:github`.
    pub server: String,
    /// Its name there.
    pub tool: String,
    /// SHA-256 of the definition, without a salt: servers show it to whoever asks.
    pub definition: Digest,
    /// Who saw it first, or the administrator who accepts another definition.
    pub principal: PrincipalId,
    /// The `tool_pinned` that counts no more. What was seen first supersedes nothing.
    pub supersedes: Option<Ref>,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// The administrator's signature, where it supersedes one.
    pub signatures: Vec<Signature>,
}

impl ToolPinned {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("definition_hash", |out| out.hex(&self.definition.0));
        to.add("principal", |out| out.spelled(&self.principal));
        if let Some(one) = &self.supersedes {
            add_refs(to, core::slice::from_ref(one));
        }
        to.add("server", |out| out.str(&self.server));
        if !self.signatures.is_empty() {
            add_signatures(to, &self.signatures);
        }
        to.add("statement_id", |out| out.hex(&self.statement_id));
        to.add("tool", |out| out.str(&self.tool));
    }
}
