//! Rights that are given.

use cascade_receipt::content::{Granted, Rel};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use super::refs_of;

/// A grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GrantRow {
    pub(crate) principal: PrincipalId,
    pub(crate) to: PrincipalId,
    pub(crate) on_behalf_of: Option<PrincipalId>,
    pub(crate) parent: Option<ReceiptId>,
    /// Canonical JSON.
    pub(crate) scope: String,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) delegate: u64,
}

impl GrantRow {
    pub(super) fn of_body(granted: &Granted) -> Self {
        Self {
            principal: granted.principal,
            to: granted.to,
            on_behalf_of: granted.on_behalf_of,
            parent: granted.parent.as_ref().map(|parent| parent.receipt_id),
            scope: granted.scope.text(),
            expires: granted.expires,
            delegate: granted.delegate,
        }
    }

    pub(super) fn of_value(content: &Value) -> Option<Self> {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        let principal = |key: &str| PrincipalId::parse(text(key)?);
        Some(Self {
            principal: principal("principal")?,
            to: principal("to")?,
            on_behalf_of: principal("on_behalf_of"),
            parent: grants_of(content)?.first().copied(),
            scope: content.member("scope")?.to_canonical(),
            expires: text("expires").and_then(Timestamp::parse),
            delegate: content.member("delegate")?.as_u64()?,
        })
    }
}

/// The grants that a receipt names.
pub(super) fn grants_of(content: &Value) -> Option<Vec<ReceiptId>> {
    let named = refs_of(content)?.into_iter().filter(|(rel, _)| *rel == Rel::Grant);
    Some(named.map(|(_, grant)| grant).collect())
}
