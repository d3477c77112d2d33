//! What came of a run, as the document that programs get.

use std::collections::BTreeMap;

use cascade_kernel::csl::Spec;
use cascade_kernel::workflow::Role;
use cascade_policy::words;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;

use super::{Attempt, Driven, Standing};

impl Standing {
    /// The word in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Escalated => "escalated",
            Self::Rehearsed => "dry_run",
            Self::Completed => "completed",
            Self::Aborted => "aborted",
            Self::Waits => "waiting",
        }
    }
}

/// The document, the same wherever a run was asked for.
#[must_use]
pub fn document(spec: &Spec, hash: &Digest, driven: &Driven) -> Value {
    let texts = |all: &[String]| Value::Array(all.iter().map(|one| one.as_str().into()).collect());
    let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let mut members = BTreeMap::from([
        ("outcome".to_owned(), driven.standing.as_str().into()),
        ("name".to_owned(), spec.name.as_str().into()),
        ("version".to_owned(), spec.version.as_str().into()),
        ("spec_hash".to_owned(), hash.to_hex().into()),
        ("reasons".to_owned(), texts(&driven.reasons)),
        (
            "receipts".to_owned(),
            Value::Array(driven.receipts.iter().map(|id| id.to_string().into()).collect()),
        ),
        ("steps".to_owned(), Value::Array(driven.attempts.iter().map(|one| attempt(spec, one)).collect())),
        (
            "outputs".to_owned(),
            Value::Object(
                driven.outputs.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect(),
            ),
        ),
        (
            "counts".to_owned(),
            Value::object([
                ("completed", number(driven.count.completed)),
                ("failed", number(driven.count.failed)),
                ("skipped", number(driven.count.skipped)),
                ("unknown", number(driven.count.unknown)),
            ]),
        ),
    ]);
    if let Some(id) = driven.receipts.last() {
        members.insert("receipt_id".to_owned(), id.to_string().into());
    }
    if let Some(id) = driven.chain {
        members.insert("chain".to_owned(), id.to_string().into());
    }
    if let Some(ruling) = &driven.ruling {
        members.insert("verdict".to_owned(), ruling.decision.verdict.as_str().into());
        members.insert("decision_reasons".to_owned(), words::document(ruling));
    }
    let unknown = driven.unknown.iter().map(|place| {
        let id = spec.steps.get(place.step).map_or("?", |step| step.id.as_str());
        Value::object([("id", id.into()), ("item", number(u64::try_from(place.item).unwrap_or(u64::MAX)))])
    });
    members.insert("unknown".to_owned(), Value::Array(unknown.collect()));
    Value::Object(members)
}

fn attempt(spec: &Spec, attempt: &Attempt) -> Value {
    let place = attempt.place;
    let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let id = spec.steps.get(place.step).map_or("?", |step| step.id.as_str());
    let mut members = BTreeMap::from([
        ("id".to_owned(), id.into()),
        ("item".to_owned(), number(place.item)),
        ("attempt".to_owned(), Value::Int(i64::from(place.attempt))),
        ("status".to_owned(), attempt.ended.into()),
        (
            "reasons".to_owned(),
            Value::Array(attempt.reasons.iter().map(|code| code.as_str().into()).collect()),
        ),
    ]);
    let role = match place.role {
        Role::Step => None,
        Role::Compensation => Some("compensation"),
        Role::Reconciler => Some("reconciler"),
    };
    if let Some(role) = role {
        members.insert("role".to_owned(), role.into());
    }
    if let Some(id) = attempt.receipt_id {
        members.insert("receipt_id".to_owned(), id.to_string().into());
    }
    if let Some(code) = attempt.exit_code {
        members.insert("exit_code".to_owned(), Value::Int(code));
    }
    Value::Object(members)
}
