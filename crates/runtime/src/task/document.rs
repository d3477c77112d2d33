//! What came of a task, as the document that programs get.

use cascade_policy::words::code_text;
use cascade_receipt::base64;
use cascade_receipt::decision::{GateName, Reason};
use serde_json::{Value, json};

use super::{Called, Declined, Ran, Tasked};
use crate::layer::Question;

/// The document, the same wherever a task was asked for.
#[must_use]
pub fn document(tasked: &Tasked) -> Value {
    let receipts: Vec<String> =
        tasked.receipts.iter().map(|receipt| receipt.receipt_id.to_string()).collect();
    let answer = tasked.answer.as_ref();
    let mut document = json!({
        "id": receipts.last(),
        "receipt_id": receipts.last(),
        "receipts": receipts,
        "verdict": tasked.ruling.decision.verdict.as_str(),
        "reasons": codes(tasked),
        "answer": answer.map(|answer| &answer.text),
        "layer": answer.map(|answer| answer.layer.to_string()),
        "evidence": answer.map(|answer| answer.evidence.as_str()),
        "grade": answer.map(|answer| answer.grade),
        "smoke": answer.and_then(|answer| answer.smoke.as_ref()),
        "question": answer.and_then(|answer| answer.question.as_ref()).map(asked),
        "tokens": tasked.tokens,
        "cost_microusd": tasked.cost_microusd,
        "declined": tasked.declined.iter().map(declined).collect::<Vec<_>>(),
    });
    if let Some(members) = document.as_object_mut() {
        if !tasked.calls.is_empty() || tasked.invented > 0 {
            members.insert("calls".to_owned(), tasked.calls.iter().map(called).collect());
            members.insert("invented".to_owned(), json!(tasked.invented));
        }
        members.extend(tasked.waits_for.map(|id| ("waits_for".to_owned(), json!(id.to_string()))));
        members.extend(tasked.asks.as_ref().map(|asks| ("asks".to_owned(), json!(asks))));
        members.extend(tasked.ran.as_ref().map(|ran| ("command".to_owned(), command(ran))));
    }
    document
}

/// A command that a model had run.
fn called(called: &Called) -> Value {
    json!({
        "argv": called.argv,
        "exit_code": called.exit_code,
        "receipt_id": called.receipt_id.to_string(),
        "verdict": called.verdict.as_str(),
    })
}

fn command(ran: &Ran) -> Value {
    let mut document = json!({
        "argv": ran.argv,
        "intent": ran.intent,
        "exit_code": ran.exit_code,
        "says": ran.says,
        "truncated": ran.truncated,
    });
    for (name, bytes) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
        let (key, value) = match std::str::from_utf8(bytes) {
            Ok(text) => (name.to_owned(), json!(text)),
            Err(_) => (format!("{name}_b64"), json!(base64::encode(bytes))),
        };
        document.as_object_mut().map(|members| members.insert(key, value));
    }
    document
}

fn codes(tasked: &Tasked) -> Vec<Value> {
    let code = |(gate, reason): (GateName, &Reason)| json!({"gate": gate.as_str(), "code": reason.code, "text": code_text(&reason.code)});
    tasked.ruling.decision.reasons().map(code).collect()
}

fn declined(declined: &Declined) -> Value {
    let mut one = json!({"layer": declined.layer.to_string(), "reason": declined.code});
    if let (Some(detail), Some(members)) = (&declined.detail, one.as_object_mut()) {
        members.insert("detail".to_owned(), json!(detail));
    }
    one
}

fn asked(question: &Question) -> Value {
    json!({"call": question.call, "outputs": [question.first, question.second]})
}
