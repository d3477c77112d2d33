//! Strict JSON: two readers and a writer of ours, and one of somebody else's.

use cascade_receipt::json::{self, DEPTH_MAX, INT_MAX, Value};
use cascade_receipt::tree::{self, Tree};

pub(crate) fn strict(bytes: &[u8]) {
    let read = json::parse(bytes);
    let canonical = json::parse_canonical(bytes);
    // The reader that verification uses builds no values; it accepts the canonical texts and no others.
    let borrowed = std::str::from_utf8(bytes).ok().and_then(Tree::parse);
    assert_eq!(borrowed.is_some(), canonical.is_ok(), "two readers disagree: {canonical:?}");
    match &canonical {
        Ok(value) => assert_eq!(read.as_ref(), Ok(value)),
        // The fault is a word of the format; the readers need not find the same one first.
        Err(_) => assert!(!tree::fault(bytes).word().is_empty()),
    }
    let Ok(value) = read else { return };
    assert!(depth(&value) <= DEPTH_MAX);
    let text = value.to_canonical();
    assert_eq!(json::parse_canonical(text.as_bytes()).as_ref(), Ok(&value), "{text}");
    assert_eq!(text.as_bytes() == bytes, canonical.is_ok());
    let theirs: serde_json::Value = serde_json::from_slice(bytes).expect("what we accept, others do");
    assert!(same(&value, &theirs), "{text} is not {theirs}");
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Int(number) => {
            assert!((-INT_MAX..=INT_MAX).contains(number));
            0
        }
        Value::Bool(_) | Value::Str(_) => 0,
    }
}

fn same(ours: &Value, theirs: &serde_json::Value) -> bool {
    use serde_json::Value as Theirs;
    match (ours, theirs) {
        (Value::Bool(a), Theirs::Bool(b)) => a == b,
        // `-0` is zero here, and there it is a float.
        (Value::Int(a), Theirs::Number(b)) => b.as_i64() == Some(*a) || (*a == 0 && b.as_f64() == Some(0.0)),
        (Value::Str(a), Theirs::String(b)) => a == b,
        (Value::Array(a), Theirs::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Theirs::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => false,
    }
}
