//! Bearer tokens: that one was issued and to whom, and that it was taken back; never the token itself.

use alloc::vec::Vec;

use super::{Ref, Signature, add_reasons, add_refs, add_signatures};
use crate::decision::Reason;
use crate::digest::Digest;
use crate::id::{PrincipalId, TokenId};
use crate::member::Members;
use crate::time::Timestamp;

macro_rules! token_scopes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What a token may be used for. It narrows what its holder may do and widens nothing.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum TokenScope { $($(#[$doc])* $variant,)* }

        impl TokenScope {
            /// Every scope, in the order of their words.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word in `scopes`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads the word.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

token_scopes! {
    /// Decisions, outcomes, tasks, runs of specifications.
    Actions = "actions",
    /// Policies, tenants, tokens, grants, the stop button.
    Admin = "admin",
    /// Answers to what waits for people.
    Approve = "approve",
    /// The gateway for tools.
    Mcp = "mcp",
    /// Calls of language models.
    Proxy = "proxy",
    /// Receipts, lineage, audit, events.
    Read = "read",
}

/// `token_issued`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenIssued {
    /// Its id, which is no secret.
    pub token_id: TokenId,
    /// SHA-256 of its secret, without a salt: the secret is 32 random bytes, which nobody finds by trying.
    pub token_hash: Digest,
    /// The administrator who issues it.
    pub principal: PrincipalId,
    /// Whose it is: whoever shows it is taken for this principal.
    pub to: PrincipalId,
    /// The person the holder acts for, where the holder is an agent.
    pub on_behalf_of: Option<PrincipalId>,
    /// What it may be used for, each once and in the order of [`TokenScope::ALL`].
    pub scopes: Vec<TokenScope>,
    /// Until when.
    pub expires: Timestamp,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// That administrator's signature.
    pub signatures: Vec<Signature>,
}

/// `token_revoked`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenRevoked {
    /// Which one.
    pub token_id: TokenId,
    /// The `token_issued`.
    pub issued: Ref,
    /// Who takes it back: its holder, the person its holder acts for, or an administrator.
    pub principal: PrincipalId,
    /// Why.
    pub reason: Reason,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// That person's signature, if it was at hand: taking authority back must not wait for a key.
    pub signatures: Vec<Signature>,
}

impl TokenIssued {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("expires", |out| out.spelled(&self.expires));
        if let Some(person) = &self.on_behalf_of {
            to.add("on_behalf_of", |out| out.spelled(person));
        }
        to.add("principal", |out| out.spelled(&self.principal));
        to.add("scopes", |out| {
            out.array(|out| self.scopes.iter().for_each(|scope| out.item().word(scope.as_str())));
        });
        add_signatures(to, &self.signatures);
        to.add("statement_id", |out| out.hex(&self.statement_id));
        to.add("to", |out| out.spelled(&self.to));
        to.add("token_hash", |out| out.hex(&self.token_hash.0));
        to.add("token_id", |out| out.spelled(&self.token_id));
    }
}

impl TokenRevoked {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("principal", |out| out.spelled(&self.principal));
        add_reasons(to, core::slice::from_ref(&self.reason));
        add_refs(to, core::slice::from_ref(&self.issued));
        if !self.signatures.is_empty() {
            add_signatures(to, &self.signatures);
        }
        to.add("statement_id", |out| out.hex(&self.statement_id));
        to.add("token_id", |out| out.spelled(&self.token_id));
    }
}
