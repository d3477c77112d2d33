//! What becomes of this tenant, and other chains that were deleted.

use cascade_receipt::content::{EndedChain, TenantChange, TenantChanged};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::LogOrigin;
use cascade_receipt::json::Value;

/// A changed tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TenantRow {
    /// This one.
    Own(TenantChange),
    /// Another one, which was deleted.
    Other(EndedChain),
}

impl TenantRow {
    pub(super) fn of_body(changed: &TenantChanged) -> Self {
        changed.of.clone().map_or(Self::Own(changed.change), Self::Other)
    }

    pub(super) fn of_value(content: &Value) -> Option<Self> {
        let word = |value: &Value, key: &str| value.member(key).and_then(Value::as_str).map(str::to_owned);
        let hash = |value: &Value, key: &str| Digest::from_hex(&word(value, key)?);
        let Some(of) = content.member("of") else {
            return TenantChange::parse(&word(content, "change")?).map(Self::Own);
        };
        Some(Self::Other(EndedChain {
            log_origin: LogOrigin::parse(&word(of, "log_origin")?)?,
            size: of.member("size")?.as_u64()?,
            head: hash(of, "head")?,
            root: hash(of, "root")?,
            // A chain of another program may not say what it was called.
            tenant_hash: hash(content, "tenant_hash").unwrap_or(Digest([0; 32])),
        }))
    }
}
