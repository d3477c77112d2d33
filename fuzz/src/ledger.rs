//! A receipt's line, a whole ledger, and a ledger that was changed by somebody who has its keys.

use cascade_receipt::chain::{GENESIS_PREV, LINE_BYTES_MAX, entry_hash};
use cascade_receipt::digest::Digest;
use cascade_receipt::json::{self, Value};
use cascade_receipt::line::{LineFault, Receipt};
use cascade_receipt::trust::Trust;
use cascade_receipt::verify::{Options, Prepared, Verdict, Verifier};
use cascade_receipt::{base64, id::KeyId};
use ed25519_dalek::Signer as _;

use crate::keys;

pub(crate) fn line(bytes: &[u8]) {
    let receipt = match Receipt::parse(bytes) {
        Ok(receipt) => receipt,
        Err(LineFault::Length) => return assert!(bytes.len() > LINE_BYTES_MAX),
        Err(LineFault::Json(_)) => return assert!(json::parse_canonical(bytes).is_err()),
        Err(LineFault::UnknownMember | LineFault::Content(_)) => {
            return assert!(json::parse_canonical(bytes).is_ok());
        }
    };
    assert!(bytes.len() <= LINE_BYTES_MAX);
    let value = json::parse_canonical(bytes).expect("a receipt is canonical");
    let members = value.as_object().expect("an object");
    assert_eq!(members.len(), 7);
    // The bytes that are hashed are those of the content, as they stand in the line.
    let content = members.get("content").expect("content");
    assert_eq!(receipt.content_text, content.to_canonical());
    assert!(bytes.windows(receipt.content_text.len()).any(|part| part == receipt.content_text.as_bytes()));
    assert_eq!(receipt.computed_hash(), entry_hash(&receipt.prev_hash, receipt.content_text.as_bytes()));
    let word = |key: &str| members.get(key).and_then(Value::as_str).expect("a text");
    assert_eq!(receipt.entry_hash.to_hex(), word("entry_hash"));
    assert_eq!(receipt.prev_hash.to_hex(), word("prev_hash"));
    assert_eq!(receipt.receipt_id.to_string(), word("receipt_id"));
    assert_eq!(receipt.timestamp.to_string(), word("timestamp"));
    assert_eq!(base64::encode(&receipt.signature), word("ed25519_sig"));
    assert_eq!(Digest(receipt.hmac).to_hex(), word("hmac"));
}

/// Bytes as they come: the answer does not depend on how they were cut, and says no more than it may.
pub(crate) fn whole(bytes: &[u8]) {
    let verdict = verdict(bytes);
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert!(verdict.receipts() <= lines);
    assert_eq!(verdict.valid(), verdict.fault().is_none());
    if verdict.valid() {
        assert_eq!(verdict.receipts(), lines);
        bytes.split_inclusive(|byte| *byte == b'\n').for_each(|line| {
            let line = line.strip_suffix(b"\n").expect("no torn line is valid");
            assert!(Receipt::parse(line).is_ok());
        });
        // One bit of a valid ledger changed: a fault, at or before the line it is in.
        changed_bit(bytes);
    } else {
        assert!(verdict.remembered().is_none() && verdict.anchored_through().is_none());
    }
    assert!(verdict.open().len() as u64 <= verdict.receipts());
    assert!(json::parse(verdict.to_json().replace(":null", ":0").as_bytes()).is_ok());
}

fn verdict(bytes: &[u8]) -> Verdict {
    let mut at_once = Verifier::new(options());
    at_once.feed(bytes);
    let mut in_pieces = Verifier::new(options());
    let step = usize::from(bytes.first().copied().unwrap_or(0)) + bytes.len() / 64 + 1;
    bytes.chunks(step).for_each(|piece| in_pieces.feed(piece));
    let mut ahead = Verifier::new(options());
    if bytes.ends_with(b"\n") {
        // Prepared all with the keys known at the beginning, as threads may do.
        let keys = ahead.keys();
        let lines = bytes.split(|byte| *byte == b'\n');
        let count = lines.clone().count() - 1;
        lines.take(count).for_each(|line| ahead.accept(Prepared::new(line, &keys)));
    } else {
        ahead.feed(bytes);
    }
    let verdict = at_once.finish();
    assert_eq!(verdict.to_json(), in_pieces.finish().to_json());
    assert_eq!(verdict.to_json(), ahead.finish().to_json());
    verdict
}

pub(crate) fn options() -> Options {
    let witness = keys::verifier("w1.example", cascade_receipt::note::Algorithm::Cosignature, keys::WITNESS);
    let policy = format!("witness w1 {witness}\nquorum none\n");
    let trust = Trust::parse(policy.as_bytes()).expect("a policy");
    Options { trust: Some(trust), ..Options::default() }
}

fn changed_bit(bytes: &[u8]) {
    let at = bytes.iter().fold(bytes.len(), |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    let place = at % bytes.len();
    let mut changed = bytes.to_vec();
    changed[place] ^= 1 << (at / bytes.len() % 8);
    let line = bytes[..place].iter().filter(|byte| **byte == b'\n').count() as u64;
    let mut verifier = Verifier::new(Options::default());
    verifier.feed(&changed);
    let verdict = verifier.finish();
    // The tag is for those who hold its key; everything else is covered by hash, signature or copy.
    if !only_hmac_differs(bytes, &changed) {
        let fault = verdict.fault().expect("a changed bit is a fault");
        assert!(fault.seq <= line, "{fault:?} for a change in line {line}");
    }
}

fn only_hmac_differs(one: &[u8], other: &[u8]) -> bool {
    let one = one.split(|byte| *byte == b'\n');
    let other = other.split(|byte| *byte == b'\n');
    one.zip(other).filter(|(one, other)| one != other).all(|(one, other)| {
        let (Ok(one), Ok(other)) = (Receipt::parse(one), Receipt::parse(other)) else { return false };
        one.hmac != other.hmac && one.content_text == other.content_text && one.signature == other.signature
    })
}

/// Every line that still has content is linked, hashed and signed again, so that a change reaches the
/// rules behind the hashes. What such a ledger may say is open; how it is judged is not.
pub(crate) fn resealed(bytes: &[u8]) {
    let mut ledger = Vec::new();
    let mut head = GENESIS_PREV;
    for line in bytes.split(|byte| *byte == b'\n').take(64) {
        let content = json::parse(line).ok().and_then(|value| value.member("content").cloned());
        match content {
            Some(content @ Value::Object(_)) => ledger.extend(sealed(&content, &mut head)),
            _ if line.is_empty() => continue,
            _ => ledger.extend(line),
        }
        ledger.push(b'\n');
    }
    whole_of_any(&ledger);
}

/// As [`whole()`], without what holds only where nobody has the keys.
fn whole_of_any(bytes: &[u8]) {
    let verdict = verdict(bytes);
    assert!(verdict.receipts() <= bytes.iter().filter(|byte| **byte == b'\n').count() as u64);
    if verdict.valid() {
        changed_bit(bytes);
        let again = verdict.remembered().expect("a valid ledger is remembered");
        let mut verifier = Verifier::new(Options { memory: Some(again), ..Options::default() });
        verifier.feed(bytes);
        assert!(verifier.finish().valid(), "what was accepted is accepted again");
    }
}

fn sealed(content: &Value, head: &mut Digest) -> Vec<u8> {
    let word = |key: &str| content.member(key).and_then(Value::as_str).unwrap_or_default();
    let text = content.to_canonical();
    let hash = entry_hash(head, text.as_bytes());
    let signer = (0..=u8::MAX).find(|seed| {
        KeyId::parse_for(word("key_id"), keys::secret(*seed).verifying_key().as_bytes()).is_some()
    });
    let signature = keys::secret(signer.unwrap_or(keys::RECEIPT)).sign(&hash.0).to_bytes();
    let line = Value::object([
        ("content", content.clone()),
        ("ed25519_sig", base64::encode(&signature).into()),
        ("entry_hash", hash.to_hex().into()),
        ("hmac", Digest([7; 32]).to_hex().into()),
        ("prev_hash", head.to_hex().into()),
        ("receipt_id", word("receipt_id").into()),
        ("timestamp", word("timestamp").into()),
    ]);
    *head = hash;
    line.to_canonical().into_bytes()
}
