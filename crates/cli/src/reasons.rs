//! Why the gates answered as they did, in words for people and as JSON.

use cascade_policy::decide::Ruling;
pub(crate) use cascade_policy::words::{code_text, texts};
use cascade_policy::worker::Classified;
use cascade_receipt::decision::{GateName, Reason};
use cascade_receipt::json::Value;

/// The member `limits` of `run`, `shell-check` and `show`.
pub(crate) fn limits(ruling: &Ruling) -> Value {
    Value::Array(ruling.limits.iter().map(|text| text.as_str().into()).collect())
}

/// Reasons without a gate, as codes with their meaning.
pub(crate) fn codes(reasons: &[Reason]) -> Value {
    let item = |reason: &Reason| {
        Value::object([("code", reason.code.as_str().into()), ("text", code_text(&reason.code).into())])
    };
    Value::Array(reasons.iter().map(item).collect())
}

/// The member `reasons` of `run` and `shell-check`.
pub(crate) fn document(ruling: &Ruling) -> Value {
    let item = |(gate, reason): (GateName, &Reason)| {
        let mut members = std::collections::BTreeMap::new();
        members.insert("code".to_owned(), reason.code.as_str().into());
        members.insert("gate".to_owned(), gate.as_str().into());
        members.insert("text".to_owned(), code_text(&reason.code).into());
        if let Some(policy_id) = &reason.policy_id {
            members.insert("policy_id".to_owned(), policy_id.as_str().into());
        }
        Value::Object(members)
    };
    Value::Array(ruling.decision.reasons().map(item).collect())
}

/// What a command acts on.
pub(crate) fn resources(command: &Classified) -> String {
    let names: Vec<String> = command.resources.iter().map(ToString::to_string).collect();
    names.join(", ")
}
