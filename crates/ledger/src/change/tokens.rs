//! Bearer tokens that are issued.

use cascade_receipt::content::TokenIssued;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, TokenId};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

/// A token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TokenRow {
    pub(crate) token_id: TokenId,
    pub(crate) hash: Digest,
    pub(crate) principal: PrincipalId,
    pub(crate) to: PrincipalId,
    pub(crate) on_behalf_of: Option<PrincipalId>,
    /// Canonical JSON.
    pub(crate) scopes: String,
    pub(crate) expires: Timestamp,
}

impl TokenRow {
    pub(super) fn of_body(issued: &TokenIssued) -> Self {
        let scopes = issued.scopes.iter().map(|scope| Value::from(scope.as_str())).collect();
        Self {
            token_id: issued.token_id,
            hash: issued.token_hash,
            principal: issued.principal,
            to: issued.to,
            on_behalf_of: issued.on_behalf_of,
            scopes: Value::Array(scopes).to_canonical(),
            expires: issued.expires,
        }
    }

    pub(super) fn of_value(content: &Value) -> Option<Self> {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        let principal = |key: &str| PrincipalId::parse(text(key)?);
        Some(Self {
            token_id: TokenId::parse(text("token_id")?)?,
            hash: Digest::from_hex(text("token_hash")?)?,
            principal: principal("principal")?,
            to: principal("to")?,
            on_behalf_of: principal("on_behalf_of"),
            scopes: content.member("scopes")?.to_canonical(),
            expires: Timestamp::parse(text("expires")?)?,
        })
    }
}
