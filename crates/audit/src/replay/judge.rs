//! One recorded decision, made again.

use std::collections::BTreeSet;

use cascade_policy::decide::{self, Ruling, Understood};
use cascade_policy::facts::Facts;
use cascade_policy::snapshot::Snapshot;
use cascade_policy::unrecorded::unrecorded;
use cascade_receipt::content::CONTROL_PREFIX;
use cascade_receipt::decision::Verdict;
use cascade_receipt::json::{self, Value, Writer};
use cascade_receipt::kind::Kind;

use super::What;
use super::glance::{Glance, Members, Step};
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

/// Whether everything of a decision is the same under the policy of then, as [`again`] would find it.
pub(super) fn is_same(
    seen: &Glance<'_>,
    facts: &Facts,
    snapshot: &Snapshot,
    understood: &Understood,
) -> bool {
    let decision = decide::decision(snapshot, facts, understood);
    let same = |named: &str, own: Option<&str>| named.is_empty() || own == Some(named);
    let behalf = facts.on_behalf_of.as_ref().map(|person| person.id.to_string());
    let mut again = String::with_capacity(seen.decision.len());
    decision.write(&mut Writer::new(&mut again));
    Kind::parse(seen.kind).is_some_and(|kind| leads(kind, decision.verdict))
        && same(seen.principal, Some(&facts.principal.id.to_string()))
        && same(seen.on_behalf_of, behalf.as_deref())
        && same(seen.risk_tier, Some(understood.risk_tier().as_str()))
        && seen.decision == again
}

/// Whether facts, whose action is spelled so, are about the action that was kept apart: that one says as well who asks, for
/// whom, and about whom.
pub(super) fn is_about(kept: &str, spelled: &str, facts: &Facts) -> bool {
    let own = |key: &str| match key {
        "principal" => Some(Some(facts.principal.id)),
        "on_behalf_of" => Some(facts.on_behalf_of.as_ref().map(|person| person.id)),
        "assumed" => Some(facts.assumed),
        "subject" => Some(facts.subject.as_ref().map(|subject| subject.id)),
        "matter" => Some(facts.subject.as_ref().and_then(|subject| subject.matter)),
        _ => None,
    };
    let (Some(mut kept), Some(mut spelled)) = (Members::of(kept), Members::of(spelled)) else { return false };
    let mut named = 0;
    loop {
        let (key, value) = match kept.step() {
            Step::Member(key, value) => (key, value),
            Step::End => break,
            Step::NoObject => return false,
        };
        match own(key) {
            Some(id) => {
                let id = id.map(|id| id.to_string());
                if id.as_deref() != value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
                    return false;
                }
                named += 1;
            }
            None if spelled.step() == Step::Member(key, value) => {}
            None => return false,
        }
    }
    let people = ["principal", "on_behalf_of", "assumed", "subject", "matter"];
    let wanted = people.iter().filter(|key| own(key).flatten().is_some()).count();
    named == wanted && spelled.step() == Step::End
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

/// Whether the decision of a receipt leads to one of its kind.
fn leads_to(receipt: &Receipt, recorded: &Value) -> bool {
    let verdict = recorded.member("verdict").and_then(Value::as_str).and_then(Verdict::parse);
    verdict.is_some_and(|verdict| leads(receipt.kind, verdict))
}

/// Whether a decision of this verdict leads to a receipt of this kind.
const fn leads(kind: Kind, verdict: Verdict) -> bool {
    match kind {
        Kind::TaskStarted | Kind::ChainStarted | Kind::TaskCompleted | Kind::ScheduleChanged => {
            matches!(verdict, Verdict::Admit)
        }
        Kind::Escalation => matches!(verdict, Verdict::Escalate),
        Kind::Blocked => matches!(verdict, Verdict::Deny),
        _ => true,
    }
}
