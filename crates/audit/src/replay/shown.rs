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
        let receipts = statement.receipts.iter().filter_map(|shown| Receipt::read(&shown.line)).collect();
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
    fn read(line: &str) -> Option<Self> {
        let receipt = json::parse(line.as_bytes()).ok()?;
        let content = receipt.member("content")?.clone();
        Some(Self {
            id: content.member("receipt_id").and_then(Value::as_str).and_then(ReceiptId::parse)?,
            seq: content.member("seq").and_then(Value::as_u64)?,
            kind: content.member("kind").and_then(Value::as_str).and_then(Kind::parse)?,
            content,
        })
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
