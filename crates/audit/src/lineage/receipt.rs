//! One receipt, as lineage reads it.

use cascade_receipt::chain;
use cascade_receipt::content::{Ref, Rel};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};
use cascade_receipt::kind::Kind;
use cascade_receipt::time::Timestamp;
use cascade_receipt::tree::{Tree, View};

/// A receipt that was read, whether or not its hash holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// Its id.
    pub id: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// Its kind, as it stands there.
    pub kind: String,
    /// Its time.
    pub at: Timestamp,
    /// Hash of the receipt before, as claimed.
    pub prev_hash: Digest,
    /// Its hash, as claimed.
    pub entry_hash: Digest,
    /// Whether its content gives that hash, at that place.
    pub sound: bool,
    /// What it refers to.
    pub refs: Vec<Ref>,
    /// Its content.
    pub content: Value,
}

impl Receipt {
    /// Reads the line that stands at `seq`; `None` when it is no receipt.
    #[must_use]
    pub fn read(seq: u64, line: &str) -> Option<Self> {
        let receipt = json::parse(line.as_bytes()).ok()?;
        let content = receipt.member("content")?.clone();
        let hash = |key: &str| Digest::from_hex(receipt.member(key)?.as_str()?);
        let (prev_hash, entry_hash) = (hash("prev_hash")?, hash("entry_hash")?);
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        let computed = chain::entry_hash(&prev_hash, content.to_canonical().as_bytes());
        Some(Self {
            id: ReceiptId::parse(text("receipt_id")?)?,
            seq,
            kind: text("kind")?.to_owned(),
            at: Timestamp::parse(text("timestamp")?)?,
            prev_hash,
            entry_hash,
            sound: computed == entry_hash && content.member("seq").and_then(Value::as_u64) == Some(seq),
            refs: refs(&content),
            content,
        })
    }

    /// Its kind, where this version knows it.
    #[must_use]
    pub fn known(&self) -> Option<Kind> {
        Kind::parse(&self.kind)
    }

    pub(super) fn is(&self, kind: Kind) -> bool {
        self.known() == Some(kind)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.content.member(key).and_then(Value::as_str)
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.content.member(key).and_then(Value::as_u64)
    }

    pub(super) fn digest(&self, key: &str) -> Option<Digest> {
        self.text(key).and_then(Digest::from_hex)
    }

    pub(super) fn time(&self, key: &str) -> Option<Timestamp> {
        self.text(key).and_then(Timestamp::parse)
    }

    pub(super) fn who(&self, key: &str) -> Option<PrincipalId> {
        self.text(key).and_then(PrincipalId::parse)
    }

    pub(super) fn principal(&self) -> Option<PrincipalId> {
        self.who("principal")
    }

    pub(super) fn verdict(&self) -> Option<&str> {
        self.content.member("decision")?.member("verdict")?.as_str()
    }

    /// The gates of its decision with their reasons: name, outcome, codes, policies.
    pub(super) fn gates(&self) -> Vec<GateSaid<'_>> {
        let gates = self.content.member("decision").and_then(|decision| decision.member("gates")?.as_array());
        gates.unwrap_or_default().iter().filter_map(GateSaid::read).collect()
    }

    /// The policy in force when it was recorded: label and hash.
    pub(super) fn policy(&self) -> (&str, Option<Digest>) {
        (self.text("policy_version").unwrap_or_default(), self.digest("policy_hash"))
    }

    /// The policy that is in force after it, where it puts one in force.
    pub(super) fn activates(&self) -> Option<(&str, Digest)> {
        if self.is(Kind::Genesis) {
            return Some((self.text("policy_version")?, self.digest("policy_hash")?));
        }
        let activates = self.content.member("activates")?;
        let hash = Digest::from_hex(activates.member("policy_hash")?.as_str()?)?;
        Some((activates.member("policy_version")?.as_str()?, hash))
    }

    pub(super) fn named(&self, rel: Rel) -> impl Iterator<Item = &Ref> {
        self.refs.iter().filter(move |one| one.rel == rel)
    }

    /// Who signed it beside the key of the chain.
    pub(super) fn signers(&self) -> Vec<PrincipalId> {
        let all = self.content.member("signatures").and_then(Value::as_array).unwrap_or_default();
        all.iter().filter_map(|one| PrincipalId::parse(one.member("principal")?.as_str()?)).collect()
    }

    pub(super) fn is_closer(&self) -> bool {
        self.known().is_some_and(Kind::is_closer) && self.named(Rel::Intent).next().is_some()
    }

    /// A decision and its outcome in one.
    pub(super) fn is_pure(&self) -> bool {
        self.is(Kind::TaskCompleted) && !self.is_closer() && self.verdict().is_some()
    }

    /// What begins something: an intent, a run of a workflow, a change of a schedule, a pure task.
    pub(super) fn is_start(&self) -> bool {
        matches!(self.known(), Some(Kind::TaskStarted | Kind::ChainStarted | Kind::ScheduleChanged))
            || self.is_pure()
    }
}

/// How a receipt is bound to the one before: all that is read of those that only stand in between.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Linked {
    /// Hash of the receipt before, as claimed.
    pub prev_hash: Digest,
    /// Its hash, as claimed.
    pub entry_hash: Digest,
    /// Whether its content gives that hash, at that place.
    pub sound: bool,
}

impl Linked {
    /// Reads the line that stands at `seq`; `None` when it is no receipt.
    #[must_use]
    pub fn read(seq: u64, line: &str) -> Option<Self> {
        let tree = Tree::parse(line)?;
        let root = tree.root();
        let hash = |key| Digest::from_hex(root.member(key)?.plain()?);
        let (prev_hash, entry_hash) = (hash("prev_hash")?, hash("entry_hash")?);
        let content = root.member("content")?;
        let computed = chain::entry_hash(&prev_hash, content.raw().as_bytes());
        let placed = content.member("seq").and_then(View::uint) == Some(seq);
        Some(Self { prev_hash, entry_hash, sound: placed && computed == entry_hash })
    }
}

/// What a gate said.
pub(super) struct GateSaid<'a> {
    pub(super) gate: &'a str,
    pub(super) outcome: &'a str,
    pub(super) codes: Vec<&'a str>,
    pub(super) policies: Vec<&'a str>,
}

impl<'a> GateSaid<'a> {
    fn read(gate: &'a Value) -> Option<Self> {
        let reasons = gate.member("reasons")?.as_array()?;
        let all = |key: &str| reasons.iter().filter_map(|one| one.member(key)?.as_str()).collect();
        Some(Self {
            gate: gate.member("gate")?.as_str()?,
            outcome: gate.member("outcome")?.as_str()?,
            codes: all("code"),
            policies: all("policy_id"),
        })
    }
}

fn refs(content: &Value) -> Vec<Ref> {
    let read = |one: &Value| {
        Some(Ref {
            rel: Rel::parse(one.member("rel")?.as_str()?)?,
            receipt_id: ReceiptId::parse(one.member("receipt_id")?.as_str()?)?,
            entry_hash: Digest::from_hex(one.member("entry_hash")?.as_str()?)?,
        })
    };
    content.member("refs").and_then(Value::as_array).unwrap_or_default().iter().filter_map(read).collect()
}
