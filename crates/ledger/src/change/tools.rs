//! Tools of servers outside whose definitions are pinned.

use cascade_receipt::content::{Rel, ToolPinned};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;

use super::refs_of;

/// A pinned tool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ToolRow {
    pub(crate) server: String,
    pub(crate) tool: String,
    pub(crate) definition: Digest,
    pub(crate) principal: PrincipalId,
    /// The `tool_pinned` whose place it takes.
    pub(crate) supersedes: Option<ReceiptId>,
}

impl ToolRow {
    pub(super) fn of_body(pinned: &ToolPinned) -> Self {
        Self {
            server: pinned.server.clone(),
            tool: pinned.tool.clone(),
            definition: pinned.definition,
            principal: pinned.principal,
            supersedes: pinned.supersedes.as_ref().map(|one| one.receipt_id),
        }
    }

    pub(super) fn of_value(content: &Value) -> Option<Self> {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        let refs = refs_of(content)?;
        Some(Self {
            server: text("server")?.to_owned(),
            tool: text("tool")?.to_owned(),
            definition: Digest::from_hex(text("definition_hash")?)?,
            principal: PrincipalId::parse(text("principal")?)?,
            supersedes: refs.into_iter().find(|(rel, _)| *rel == Rel::Supersedes).map(|(_, id)| id),
        })
    }
}
