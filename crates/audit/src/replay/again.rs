//! The decisions of a bundle, made again.

use std::collections::BTreeMap;

use cascade_policy::snapshot::Snapshot;
use cascade_receipt::digest::Digest;

use super::judge;
use super::shown::{Receipt, Shown};
use super::{Divergence, Replayed, What};

pub(super) fn decisions(shown: &Shown, replayed: &mut Replayed) {
    let mut snapshots = BTreeMap::new();
    for receipt in &shown.receipts {
        let Some(recorded) = judge::decision_of(receipt) else { continue };
        replayed.decisions += 1;
        let policy = receipt.digest("policy_hash").and_then(|hash| Some((hash, shown.text(&hash)?)));
        let (Some(facts), Some((hash, document))) = (shown.private(receipt.id, "facts_hash"), policy) else {
            *if shown.is_erased(receipt.id) { &mut replayed.erased } else { &mut replayed.undisclosed } += 1;
            continue;
        };
        let snapshot = snapshots.entry(hash).or_insert_with(|| load(shown, document));
        match judged(shown, receipt, recorded, facts, snapshot) {
            Ok(()) => replayed.matches += 1,
            Err(what) => replayed.divergences.push(Divergence { receipt_id: receipt.id, what }),
        }
    }
}

fn load(shown: &Shown, document: &[u8]) -> Result<Snapshot, String> {
    Snapshot::load(document, |hash: &Digest| shown.text(hash).cloned()).map_err(|fault| fault.to_string())
}

fn judged(
    shown: &Shown,
    receipt: &Receipt,
    recorded: &cascade_receipt::json::Value,
    facts: &[u8],
    snapshot: &Result<Snapshot, String>,
) -> Result<(), What> {
    let facts = judge::facts_of(facts)?;
    let snapshot = snapshot.as_ref().map_err(|why| What::Unreadable(why.clone()))?;
    let action = shown.private(receipt.id, "action_hash").map(Vec::as_slice);
    judge::again(receipt, recorded, &facts, action, snapshot)
}
