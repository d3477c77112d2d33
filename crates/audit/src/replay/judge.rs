//! One recorded decision, made again.

use std::collections::BTreeSet;

use cascade_policy::decide::{self, Ruling};
use cascade_policy::facts::Facts;
use cascade_policy::snapshot::Snapshot;
use cascade_policy::unrecorded::unrecorded;
use cascade_receipt::content::CONTROL_PREFIX;
use cascade_receipt::json::{self, Value, Writer};
use cascade_receipt::kind::Kind;

use super::What;
use super::shown::Receipt;

/// The decision of a receipt, where policy made it. Who may govern the chain is decided by the chain and nothing else,
/// so there is no policy to ask again.
pub(super) fn decision_of(receipt: &Receipt) -> Option<&Value> {
    let governs = receipt.text("task_type").is_some_and(|task| task.starts_with(CONTROL_PREFIX));
    receipt.content.member("decision").filter(|_| !governs)
}

/// Facts as they were kept.
pub(super) fn facts_of(bytes: &[u8]) -> Result<Facts, What> {
    let value = json::parse(bytes).map_err(|_| What::Unreadable("the facts are no JSON".to_owned()))?;
    Facts::from_json(&value).map_err(|fault| What::Unreadable(fault.to_string()))
}

/// Under the policy of then; the same to the byte, or what is not. `action` is what the receipt's `action_hash` stands
/// for, where it is known.
pub(super) fn again(
    receipt: &Receipt,
    recorded: &Value,
    facts: &Facts,
    action: Option<&[u8]>,
    snapshot: &Snapshot,
) -> Result<(), What> {
    if !leads_to(receipt, recorded) {
        return Err(What::Verdict);
    }
    // Where the action is known, the facts are about it, or the decision was about something else.
    if action.is_some_and(|action| facts.action().to_canonical().as_bytes() != action) {
        return Err(What::Action);
    }
    let ruling = decide::decide(snapshot, facts);
    if !names(receipt, facts, &ruling) {
        return Err(What::Action);
    }
    let (recorded, again) = (recorded.to_canonical(), written(&ruling));
    if recorded == again { Ok(()) } else { Err(What::Decision { recorded, again }) }
}

/// What another policy decides over the same facts, and what it would have had to know beside them.
pub(super) struct Otherwise {
    pub(super) ruling: Ruling,
    pub(super) unknown: BTreeSet<String>,
}

/// Under another policy; `then` is the one that the facts were gathered for.
pub(super) fn otherwise(
    recorded: &Value,
    facts: &Facts,
    then: Option<&Snapshot>,
    candidate: &Snapshot,
) -> Otherwise {
    let ruling = decide::decide(candidate, facts);
    let unknown = match then {
        Some(then) => {
            unrecorded(then, candidate, facts, &ruling, |code, policy| says(recorded, code, policy))
        }
        None => BTreeSet::from(["policy of then".to_owned()]),
    };
    Otherwise { ruling, unknown }
}

pub(super) fn written(ruling: &Ruling) -> String {
    let mut text = String::new();
    ruling.decision.write(&mut Writer::new(&mut text));
    text
}

/// Whether a recorded decision holds a reason with this code and policy.
fn says(recorded: &Value, code: &str, policy: &str) -> bool {
    let is = |reason: &Value, key: &str, text: &str| reason.member(key).and_then(Value::as_str) == Some(text);
    let gates = recorded.member("gates").and_then(Value::as_array).unwrap_or_default();
    let reasons = gates.iter().filter_map(|gate| gate.member("reasons").and_then(Value::as_array)).flatten();
    reasons.into_iter().any(|reason| is(reason, "code", code) && is(reason, "policy_id", policy))
}

/// Whether the receipt is about those whom its facts are about, and as grave. A closer does not say it again.
fn names(receipt: &Receipt, facts: &Facts, ruling: &Ruling) -> bool {
    let same =
        |key: &str, own: Option<String>| receipt.text(key).is_none_or(|named| own.as_deref() == Some(named));
    let behalf = facts.on_behalf_of.as_ref().map(|person| person.id.to_string());
    same("principal", Some(facts.principal.id.to_string()))
        && same("on_behalf_of", behalf)
        && same("risk_tier", Some(ruling.risk_tier.as_str().to_owned()))
}

/// Whether a decision of this verdict leads to a receipt of this kind.
fn leads_to(receipt: &Receipt, recorded: &Value) -> bool {
    let verdict = recorded.member("verdict").and_then(Value::as_str);
    match receipt.kind {
        Kind::TaskStarted | Kind::ChainStarted | Kind::TaskCompleted | Kind::ScheduleChanged => {
            verdict == Some("admit")
        }
        Kind::Escalation => verdict == Some("escalate"),
        Kind::Blocked => verdict == Some("deny"),
        _ => true,
    }
}
