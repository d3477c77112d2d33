//! Recorded decisions with the facts they were made on, for whoever wants to decide them again.

use cascade_ledger::{Fault, Reader};
use cascade_policy::facts::Facts;
use cascade_receipt::content::{CONTROL_PREFIX, Ref, Rel};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};

/// Receipts looked at in one step backwards.
const STEP: u64 = 512;

/// A receipt that carries a decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// Its id.
    pub receipt_id: ReceiptId,
    /// Its place.
    pub seq: u64,
    /// Its content.
    pub content: Value,
    /// What was decided on; `None` where it is erased or cannot be read.
    pub facts: Option<Facts>,
}

impl Recorded {
    /// Takes a receipt's content and fetches its facts; `None` when it carries no decision of a policy.
    ///
    /// # Errors
    /// When the vault cannot be read.
    pub fn of(reader: &Reader, seq: u64, content: &Value) -> Result<Option<Self>, Fault> {
        let text = |key| content.member(key).and_then(Value::as_str);
        let Some(receipt_id) = text("receipt_id").and_then(ReceiptId::parse) else { return Ok(None) };
        let governs = text("task_type").is_some_and(|task| task.starts_with(CONTROL_PREFIX));
        if content.member("decision").is_none() || governs {
            return Ok(None);
        }
        let stored = match text("facts_hash").and_then(Digest::from_hex) {
            Some(hash) => reader.private(&hash)?,
            None => None,
        };
        let facts = stored.and_then(|(_, bytes)| {
            let value = json::parse_canonical(&bytes).ok()?;
            Facts::from_json(&value).ok()
        });
        Ok(Some(Self { receipt_id, seq, content: content.clone(), facts }))
    }
}

/// The references of a receipt's content.
pub(crate) fn refs_of(content: &Value) -> impl Iterator<Item = Ref> {
    let all = content.member("refs").and_then(Value::as_array).unwrap_or_default();
    all.iter().filter_map(|one| {
        let text = |key: &str| one.member(key).and_then(Value::as_str);
        Some(Ref {
            rel: Rel::parse(text("rel")?)?,
            receipt_id: ReceiptId::parse(text("receipt_id")?)?,
            entry_hash: Digest::from_hex(text("entry_hash")?)?,
        })
    })
}

/// The newest decisions, at most `count`, newest first.
///
/// # Errors
/// When the ledger cannot be read.
pub fn newest(reader: &Reader, count: usize) -> Result<Vec<Recorded>, Fault> {
    let mut end = reader.head()?.next_seq;
    let mut found = Vec::new();
    while end > 0 && found.len() < count {
        let start = end.saturating_sub(STEP);
        let lines: Vec<_> = reader.lines(start..end).collect::<Result<_, _>>()?;
        for line in lines.iter().rev() {
            let Ok(receipt) = json::parse(line.text.as_bytes()) else { continue };
            let Some(content) = receipt.member("content") else { continue };
            found.extend(Recorded::of(reader, line.seq, content)?);
            if found.len() == count {
                break;
            }
        }
        end = start;
    }
    Ok(found)
}
