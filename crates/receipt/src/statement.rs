//! The exact bytes that people and keys sign beside the receipt itself (format sections 2.1, 2.2).
//!
//! Writers and verifiers build them here, so that both sides mean the same bytes.

use alloc::string::String;

use crate::base64;
use crate::digest::Digest;
use crate::id::{KeyId, LogOrigin, PrincipalId};
use crate::json::Writer;
use crate::time::Timestamp;

/// SSHSIG namespace of approvals and denials.
pub const APPROVAL: &str = "cascade-approval@v1";
/// SSHSIG namespace of specs.
pub const SPEC: &str = "cascade-spec@v1";
/// SSHSIG namespace of policy snapshots.
pub const POLICY: &str = "cascade-policy@v1";
/// SSHSIG namespace of administrators' statements.
pub const ADMIN: &str = "cascade-admin@v1";

/// What a person signs to approve or deny.
#[derive(Clone, Copy, Debug)]
pub struct Approval<'a> {
    /// The chain.
    pub log_origin: &'a str,
    /// `entry_hash` of the escalation, or of the dry run approved in advance.
    pub subject: &'a Digest,
    /// The exact action.
    pub action_hash: &'a Digest,
    /// True to approve, false to deny.
    pub approve: bool,
    /// Who signs.
    pub approver: &'a PrincipalId,
    /// Until when an approval may be used.
    pub expires: &'a Timestamp,
}

impl Approval<'_> {
    /// The canonical text to sign in namespace [`APPROVAL`].
    #[must_use]
    pub fn text(&self) -> String {
        object(|out| {
            out.key("_type").str("cascade/approval/v1");
            out.key("action_hash").hex(&self.action_hash.0);
            out.key("approver").spelled(self.approver);
            out.key("escalation").hex(&self.subject.0);
            out.key("expires").spelled(self.expires);
            out.key("log_origin").str(self.log_origin);
            out.key("verdict").str(if self.approve { "approve" } else { "deny" });
        })
    }
}

/// The text an administrator signs in namespace [`ADMIN`]. `statement` is canonical JSON as
/// [`crate::content::Body::statement`] gives it; it stands inside as an object.
#[must_use]
pub fn admin(log_origin: &str, statement: &str) -> String {
    let mut text = object(|out| {
        out.key("_type").str("cascade/admin/v1");
        out.key("log_origin").str(log_origin);
    });
    text.truncate(text.len().saturating_sub(1));
    text.push_str(",\"statement\":");
    text.push_str(statement);
    text.push('}');
    text
}

/// The text signed in namespace [`SPEC`].
#[must_use]
pub fn spec(spec_hash: &Digest) -> String {
    object(|out| {
        out.key("_type").str("cascade/spec/v1");
        out.key("spec_hash").hex(&spec_hash.0);
    })
}

/// The text signed in namespace [`POLICY`].
#[must_use]
pub fn policy(policy_hash: &Digest) -> String {
    object(|out| {
        out.key("_type").str("cascade/policy/v1");
        out.key("policy_hash").hex(&policy_hash.0);
    })
}

/// What a new key signs to prove its possession: SHA-256 of the key object without `pop`.
#[must_use]
pub fn key_proof(log_origin: &LogOrigin, purpose: &str, key_id: &KeyId, public_key: &[u8; 32]) -> Digest {
    let text = object(|out| {
        out.key("_type").str("cascade/key/v1");
        out.key("key_id").str(key_id.as_str());
        out.key("log_origin").str(log_origin.as_str());
        out.key("public_key").str(&base64::encode(public_key));
        out.key("purpose").str(purpose);
    });
    Digest::of(text.as_bytes())
}

/// What the recovery key signs to set the clock back: SHA-256 of the statement.
#[must_use]
pub fn clock(log_origin: &str, seq: u64, from: &Timestamp, to: &Timestamp) -> Digest {
    let text = object(|out| {
        out.key("_type").str("cascade/clock/v1");
        out.key("from").spelled(from);
        out.key("log_origin").str(log_origin);
        out.key("seq").int(seq);
        out.key("to").spelled(to);
    });
    Digest::of(text.as_bytes())
}

fn object(members: impl FnOnce(&mut Writer<'_>)) -> String {
    let mut text = String::new();
    Writer::new(&mut text).object(members);
    text
}
