//! What a bundle shows, as replay asks for it.

use std::collections::BTreeMap;

use cascade_policy::facts::Facts;
use cascade_receipt::bundle::Bundle;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::kind::Kind;

/// The receipts of a bundle, what is disclosed of them, and the texts that come along.
pub(super) struct Shown {
    /// In the order of the chain.
    pub(super) receipts: Vec<Receipt>,
    disclosed: BTreeMap<(ReceiptId, String), Vec<u8>>,
    texts: BTreeMap<Digest, Vec<u8>>,
}

/// Why a line says nothing to replay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NotRead {
    /// It is no receipt.
    NoReceipt,
    /// It is an extension: chained and signed, its meaning is somebody else's.
    Extension,
    /// It is of a kind that this version does not know.
    UnknownKind,
}

/// What the kinds of extensions begin with (format section 2).
const EXTENSION_PREFIX: &str = "x_";

/// One receipt.
pub(super) struct Receipt {
    pub(super) id: ReceiptId,
    pub(super) seq: u64,
    pub(super) kind: Kind,
    pub(super) content: Value,
}

impl Shown {
    pub(super) fn of(bundle: &Bundle) -> Self {
        let statement = &bundle.statement;
        let receipts =
            statement.receipts.iter().filter_map(|shown| Receipt::read(shown.line.as_bytes()).ok()).collect();
        let disclosed = statement.disclosures.iter();
        let disclosed =
            disclosed.map(|one| ((one.receipt_id, one.field.clone()), one.bytes.clone())).collect();
        let texts = statement.snapshots.iter().map(|text| (Digest::of(text), text.clone())).collect();
        Self { receipts, disclosed, texts }
    }

    pub(super) fn text(&self, hash: &Digest) -> Option<&Vec<u8>> {
        self.texts.get(hash)
    }

    /// The private bytes behind a member of a receipt.
    pub(super) fn private(&self, id: ReceiptId, field: &str) -> Option<&Vec<u8>> {
        self.disclosed.get(&(id, field.to_owned()))
    }

    /// Whether a receipt of the bundle says that the private bytes of this one were erased.
    pub(super) fn is_erased(&self, id: ReceiptId) -> bool {
        self.receipts.iter().any(|receipt| receipt.erases(id))
    }

    /// What a decision was made of; `None` where it is not there.
    pub(super) fn facts(&self, id: ReceiptId) -> Option<Result<Facts, String>> {
        let bytes = self.private(id, "facts_hash")?;
        let value = json::parse(bytes).map_err(|_| "the facts are no JSON".to_owned());
        Some(value.and_then(|value| Facts::from_json(&value).map_err(|fault| fault.to_string())))
    }

    pub(super) fn seq_of(&self, id: ReceiptId) -> u64 {
        self.receipts.iter().find(|receipt| receipt.id == id).map_or(u64::MAX, |receipt| receipt.seq)
    }
}

impl Receipt {
    /// Reads a line; one that is none of these is not understood.
    pub(super) fn read(line: &[u8]) -> Result<Self, NotRead> {
        let receipt = json::parse(line).map_err(|_| NotRead::NoReceipt)?;
        let Value::Object(mut members) = receipt else { return Err(NotRead::NoReceipt) };
        let content = members.remove("content").ok_or(NotRead::NoReceipt)?;
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        let kind = text("kind").ok_or(NotRead::NoReceipt)?;
        let unread =
            if kind.starts_with(EXTENSION_PREFIX) { NotRead::Extension } else { NotRead::UnknownKind };
        let kind = Kind::parse(kind).ok_or(unread)?;
        let id = text("receipt_id").and_then(ReceiptId::parse).ok_or(NotRead::NoReceipt)?;
        let seq = content.member("seq").and_then(Value::as_u64).ok_or(NotRead::NoReceipt)?;
        Ok(Self { id, seq, kind, content })
    }

    /// Whether it is an erasure that took private bytes of this receipt.
    pub(super) fn erases(&self, id: ReceiptId) -> bool {
        let erased = self.content.member("erased").and_then(Value::as_array).unwrap_or_default();
        let is = |one: &Value| {
            one.member("receipt_id").and_then(Value::as_str).and_then(ReceiptId::parse) == Some(id)
        };
        self.kind == Kind::Erasure && erased.iter().any(is)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.content.member(key).and_then(Value::as_str)
    }

    pub(super) fn digest(&self, key: &str) -> Option<Digest> {
        self.text(key).and_then(Digest::from_hex)
    }

    /// The first receipt that it refers to by this relation.
    pub(super) fn names(&self, rel: &str) -> Option<ReceiptId> {
        let refs = self.content.member("refs").and_then(Value::as_array).unwrap_or_default();
        let one = refs.iter().find(|one| one.member("rel").and_then(Value::as_str) == Some(rel))?;
        ReceiptId::parse(one.member("receipt_id")?.as_str()?)
    }
}
