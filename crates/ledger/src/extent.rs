//! Which receipts belong to one action: its dry run or escalation, the answers, the intent, heartbeats, the
//! closer, and every later try that stands on the same approval.
//!
//! Receipts refer backwards only, and all of an action carry its `action_hash` or refer to one that does. So the
//! first receipt is found by following references back, and the others by one pass forward from there.

use std::collections::HashSet;

use cascade_receipt::content::Rel;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::kind::Kind;

/// What one receipt says about the action it belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    pub(crate) receipt_id: ReceiptId,
    pub(crate) kind: Option<Kind>,
    /// The salted hashes in its content, and which members they are.
    pub(crate) hashes: Vec<(&'static str, Digest)>,
    refs: Vec<ReceiptId>,
}

/// Members of content that are salted hashes.
pub(crate) const SALTED: [&str; 2] = ["action_hash", "facts_hash"];

impl Part {
    /// Reads a stored line.
    pub(crate) fn of_line(line: &[u8]) -> Option<Self> {
        Self::of_value(json::parse(line).ok()?.member("content")?)
    }

    /// Reads content.
    pub(crate) fn of_content(content: &[u8]) -> Option<Self> {
        Self::of_value(&json::parse(content).ok()?)
    }

    fn of_value(content: &Value) -> Option<Self> {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        let hash = |key| Some((key, Digest::from_hex(text(key)?)?));
        let refs = content.member("refs").and_then(Value::as_array).unwrap_or_default();
        let kind = text("kind").and_then(Kind::parse);
        Some(Self {
            receipt_id: ReceiptId::parse(text("receipt_id")?)?,
            kind,
            hashes: SALTED.into_iter().filter_map(hash).collect(),
            refs: refs.iter().filter_map(|one| same_action(kind, one)).collect(),
        })
    }

    /// The hash that all receipts of one action share.
    fn action_hash(&self) -> Option<&Digest> {
        self.hashes.iter().find(|(key, _)| *key == "action_hash").map(|(_, hash)| hash)
    }

    /// Whether there is an action that this receipt belongs to. The stop button is one by itself, and so are a credential and
    /// what becomes of a tenant.
    pub(crate) fn is_of_an_action(&self) -> bool {
        self.action_hash().is_some()
            || !self.refs.is_empty()
            || matches!(
                self.kind,
                Some(Kind::Halted | Kind::Resumed | Kind::SecretChanged | Kind::TenantChanged)
            )
    }

    /// The receipts of the same action that this one names.
    pub(crate) fn refs(&self) -> &[ReceiptId] {
        &self.refs
    }
}

/// The receipt a reference names, where both belong to one action.
fn same_action(kind: Option<Kind>, one: &Value) -> Option<ReceiptId> {
    let rel = Rel::parse(one.member("rel")?.as_str()?)?;
    let same = matches!(rel, Rel::Intent | Rel::DryRun | Rel::Escalation | Rel::Approval)
        || (kind == Some(Kind::Review) && rel == Rel::Parent)
        // What is remembered of an answer holds the words of its task.
        || (kind == Some(Kind::MemoryLearned) && rel == Rel::Parent)
        || (kind == Some(Kind::MemoryForgotten) && rel == Rel::Memory);
    if same { ReceiptId::parse(one.member("receipt_id")?.as_str()?) } else { None }
}

/// All receipts of one action, as of one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extent {
    /// In their order in the chain.
    pub(crate) parts: Vec<Part>,
    ids: HashSet<ReceiptId>,
    action_hashes: HashSet<Digest>,
    /// Receipts before this place were looked at.
    pub(crate) through: u64,
}

impl Extent {
    /// Whether this receipt belongs to the action.
    pub(crate) fn holds(&self, part: &Part) -> bool {
        self.ids.contains(&part.receipt_id)
            || part.refs.iter().any(|id| self.ids.contains(id))
            || part.action_hash().is_some_and(|hash| self.action_hashes.contains(hash))
    }

    /// Whether the receipt of this id belongs.
    pub(crate) fn knows(&self, id: ReceiptId) -> bool {
        self.ids.contains(&id)
    }

    /// Takes the next receipt of the chain if it belongs to the action.
    pub(crate) fn follow(&mut self, part: Part) {
        if self.holds(&part) {
            self.begin(&part);
            self.parts.push(part);
        }
    }

    /// Names a receipt that belongs, before the pass that will come to it.
    pub(crate) fn begin(&mut self, part: &Part) {
        self.action_hashes.extend(part.action_hash());
        self.ids.insert(part.receipt_id);
    }
}
