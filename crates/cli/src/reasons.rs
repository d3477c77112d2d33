//! Why the gates answered as they did, in words for people and as JSON.

use cascade_policy::decide::Ruling;
use cascade_receipt::json::Value;

/// One line per reason against the action: what the rule says, then its code.
pub(crate) fn texts(ruling: &Ruling) -> Vec<String> {
    ruling
        .decision
        .reasons()
        .map(|(gate, reason)| {
            let by = reason.policy_id.as_deref().map(|id| format!(" ({id})")).unwrap_or_default();
            format!("{gate}: {}{by}", words(&reason.code).unwrap_or(&reason.code))
        })
        .collect()
}

/// What a code means. Codes without an entry are shown as they are.
fn words(code: &str) -> Option<&'static str> {
    cascade_policy::explain::code(code)
}

/// The member `reasons` of `run` and `shell-check`.
pub(crate) fn document(ruling: &Ruling) -> Value {
    let item = |(gate, reason): (cascade_receipt::decision::GateName, &cascade_receipt::decision::Reason)| {
        let mut members = std::collections::BTreeMap::new();
        members.insert("code".to_owned(), reason.code.as_str().into());
        members.insert("gate".to_owned(), gate.as_str().into());
        if let Some(text) = words(&reason.code) {
            members.insert("text".to_owned(), text.into());
        }
        if let Some(policy_id) = &reason.policy_id {
            members.insert("policy_id".to_owned(), policy_id.as_str().into());
        }
        Value::Object(members)
    };
    Value::Array(ruling.decision.reasons().map(item).collect())
}
