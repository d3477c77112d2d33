//! Decisions made again.

use std::collections::BTreeMap;

use cascade_policy::decide::{self, Ruling};
use cascade_policy::facts::Facts;
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::{Value, Writer};
use cascade_receipt::kind::Kind;

use super::shown::{Receipt, Shown};
use super::{Divergence, Replayed, What};

pub(super) fn decisions(shown: &Shown, replayed: &mut Replayed) {
    let mut snapshots = BTreeMap::new();
    for receipt in &shown.receipts {
        let Some(recorded) = receipt.content.member("decision") else { continue };
        replayed.decisions += 1;
        let policy = receipt.digest("policy_hash").and_then(|hash| Some((hash, shown.text(&hash)?)));
        let (Some(facts), Some((hash, document))) = (shown.facts(receipt.id), policy) else {
            replayed.erased += 1;
            continue;
        };
        if !leads_to(receipt, recorded) {
            replayed.divergences.push(Divergence { receipt_id: receipt.id, what: What::Verdict });
            continue;
        }
        let snapshot = snapshots.entry(hash).or_insert_with(|| load(shown, document));
        match judge(shown, receipt, facts, snapshot) {
            Ok(again) if again == recorded.to_canonical() => replayed.matches += 1,
            Ok(again) => {
                let what = What::Decision { recorded: recorded.to_canonical(), again };
                replayed.divergences.push(Divergence { receipt_id: receipt.id, what });
            }
            Err(what) => replayed.divergences.push(Divergence { receipt_id: receipt.id, what }),
        }
    }
}

fn load(shown: &Shown, document: &[u8]) -> Result<Snapshot, String> {
    Snapshot::load(document, |hash: &Digest| shown.text(hash).cloned()).map_err(|fault| fault.to_string())
}

fn judge(
    shown: &Shown,
    receipt: &Receipt,
    facts: Result<Facts, String>,
    snapshot: &Result<Snapshot, String>,
) -> Result<String, What> {
    let facts = facts.map_err(What::Unreadable)?;
    let snapshot = snapshot.as_ref().map_err(|why| What::Unreadable(why.clone()))?;
    // Where the action is disclosed, the facts are about it, or the decision was about something else.
    if let Some(action) = shown.private(receipt.id, "action_hash")
        && facts.action().to_canonical().as_bytes() != action
    {
        return Err(What::Action);
    }
    let ruling = decide::decide(snapshot, &facts);
    if !names(receipt, &facts, &ruling) {
        return Err(What::Action);
    }
    let mut again = String::new();
    ruling.decision.write(&mut Writer::new(&mut again));
    Ok(again)
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
