//! What is remembered, forgotten and released.

use cascade_receipt::content::{Forgotten, Learned, MemoryState, Rel, Released};
use cascade_receipt::digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use super::{Change, refs_of};

/// An answer that is remembered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MemoryRow {
    pub(crate) id: [u8; 8],
    pub(crate) answer: ReceiptId,
    pub(crate) principal: PrincipalId,
    pub(crate) state: MemoryState,
    pub(crate) expires: Timestamp,
}

impl MemoryRow {
    pub(super) fn of_body(learned: &Learned) -> Option<Self> {
        Some(Self {
            id: learned.memory,
            answer: learned.refs.iter().find(|one| one.rel == Rel::Parent)?.receipt_id,
            principal: learned.principal,
            state: learned.state,
            expires: learned.expires,
        })
    }

    pub(super) fn of_value(content: &Value) -> Option<Self> {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        Some(Self {
            id: digest::from_hex(text("memory")?)?,
            answer: refs_of(content)?.into_iter().find(|(rel, _)| *rel == Rel::Parent)?.1,
            principal: PrincipalId::parse(text("principal")?)?,
            state: MemoryState::parse(text("memory_state")?)?,
            expires: Timestamp::parse(text("expires")?)?,
        })
    }
}

impl Change {
    pub(super) fn of_forgetting(forgotten: &Forgotten, at: Timestamp) -> Self {
        let wrong = forgotten.reasons.iter().any(|reason| says_wrong(&reason.code));
        Self::Forgotten { learned: forgotten.learned.receipt_id, wrong, at }
    }

    pub(super) fn of_release(released: &Released) -> Self {
        Self::Released(released.wrong.iter().map(|one| one.receipt_id).collect())
    }

    /// What names nothing that was learned releases wrong hits.
    pub(super) fn of_forgotten(content: &Value) -> Option<Self> {
        let refs = refs_of(content)?;
        let Some((_, learned)) = refs.iter().find(|(rel, _)| *rel == Rel::Memory) else {
            let wrong = refs.into_iter().filter(|(rel, _)| *rel == Rel::Supersedes);
            return Some(Self::Released(wrong.map(|(_, wrong)| wrong).collect()));
        };
        let reasons = content.member("reasons").and_then(Value::as_array).unwrap_or_default();
        let code = |reason: &Value| reason.member("code").and_then(Value::as_str).is_some_and(says_wrong);
        Some(Self::Forgotten {
            learned: *learned,
            wrong: reasons.iter().any(code),
            at: Timestamp::parse(content.member("timestamp")?.as_str()?)?,
        })
    }
}

fn says_wrong(code: &str) -> bool {
    Forgotten::WRONG.contains(&code)
}
