//! What somebody does to a run beside driving it: ends it, says what became of an attempt.

use std::collections::BTreeMap;

use cascade_kernel::workflow::{End, Ended, Place};
use cascade_ledger::{Appended, Found, Ledger};
use cascade_policy::facts::Act;
use cascade_receipt::content::{Ref, Rel};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json;

use super::attempt::act_of;
use super::drive::{close, lock};
use super::look::counted;
use super::point::{Point, Pointed};
use super::record::{self, What};
use super::step::step_at;
use super::{Driver, WorkflowError, load, sub};

/// What somebody says of an attempt that took effect.
pub(super) const HAPPENED: &str = "it took effect";
/// What somebody says of one that did not.
const DID_NOT: &str = "it did not take effect";

pub(super) fn cancel(ledger: &Ledger, id: ReceiptId, driver: &Driver) -> Result<Appended, WorkflowError> {
    let chain = ledger.chain(id)?.ok_or(WorkflowError::NotAChain(id))?;
    if chain.closed.is_some() {
        return Err(WorkflowError::Ended(id));
    }
    for child in sub::open_children(ledger, id)? {
        match cancel(ledger, child, driver) {
            Ok(_) | Err(WorkflowError::Ended(_)) => {}
            Err(other) => return Err(other),
        }
    }
    // What is erased cannot be counted; the run can be ended all the same.
    let count = counted(ledger, id, &chain).unwrap_or_default();
    let end =
        End { completed: false, reasons: vec!["cancelled".to_owned()], outputs: BTreeMap::new(), count };
    close(ledger, (chain.reference(), chain.spec_hash), &end, driver)
}

pub(super) fn settle(
    ledger: &Ledger,
    id: ReceiptId,
    place: Place,
    happened: bool,
    driver: &Driver,
) -> Result<Pointed, WorkflowError> {
    let _lock = lock(ledger, id)?;
    let (run, chain) = load::run(ledger, id)?;
    if chain.closed.is_some() {
        return Err(WorkflowError::Ended(id));
    }
    let recorded = record::of_run(ledger, &chain, &run.spec)?;
    let last = recorded.iter().rev().find(|one| one.place == place);
    let unknown = last.filter(|one| matches!(one.what, What::Ended(Ended::Unknown, _)));
    let unknown = unknown.ok_or(WorkflowError::Known(id))?;
    let refs = match entry_of(ledger, unknown.receipt_id)? {
        Some(entry_hash) => {
            vec![Ref { rel: Rel::Supersedes, receipt_id: unknown.receipt_id, entry_hash }]
        }
        None => Vec::new(),
    };
    let text = if happened { HAPPENED } else { DID_NOT };
    Point {
        run: &run,
        act: act_of(&run, Act::Settle, Some(place.step), text.to_owned()),
        step: Some(step_at(place)),
        terms: None,
        approved: None,
        refs,
        dry_run: false,
    }
    .record(ledger, driver)
}

fn entry_of(ledger: &Ledger, id: ReceiptId) -> Result<Option<Digest>, WorkflowError> {
    let Found::One(_, _, line) = ledger.find(&id.to_string())? else { return Ok(None) };
    let receipt = json::parse(line.as_bytes()).ok();
    Ok(receipt.and_then(|receipt| Digest::from_hex(receipt.member("entry_hash")?.as_str()?)))
}
