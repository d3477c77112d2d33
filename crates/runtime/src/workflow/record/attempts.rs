//! Which receipt says how an attempt ended, where several were written for it.
//!
//! An attempt at a task may take several actions: layers act one after the other, and one that acts for a task that was
//! approved acts within it.

use std::collections::{BTreeMap, BTreeSet};

use cascade_kernel::csl::{Spec, Work};
use cascade_kernel::workflow::{Ended, Place, Role};
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;

use super::{Recorded, What};

/// An attempt that has started.
struct Open {
    intent: ReceiptId,
    /// Nothing of the world hangs on what has started of it.
    pure: bool,
    /// Actions within it.
    within: BTreeSet<ReceiptId>,
    /// What was given by one of them.
    given: Option<BTreeMap<String, Value>>,
    /// The gates stopped one of them.
    refused: bool,
    /// What an action within it waits for.
    asked: Option<Recorded>,
}

/// One start and one end of each attempt, in the order of the ends.
pub(super) fn of(all: Vec<Recorded>, spec: &Spec) -> Vec<Recorded> {
    let mut open: BTreeMap<Place, Open> = BTreeMap::new();
    // Whoever closes what a dead driver left does not ask what stood within what.
    let mut within: BTreeSet<ReceiptId> = BTreeSet::new();
    let mut kept: Vec<Recorded> = Vec::with_capacity(all.len());
    for one in all {
        if !is_task(spec, one.place) {
            kept.push(one);
            continue;
        }
        if one.intent.is_some_and(|intent| within.contains(&intent)) && !open.contains_key(&one.place) {
            continue;
        }
        let Some(outer) = open.get_mut(&one.place) else {
            // The last layer that acted says how it went.
            forget(&mut kept, one.place);
            if let What::Started { pure } = one.what {
                let begun = Open {
                    intent: one.receipt_id,
                    pure,
                    within: BTreeSet::new(),
                    given: None,
                    refused: false,
                    asked: None,
                };
                open.insert(one.place, begun);
            }
            kept.push(one);
            continue;
        };
        if one.intent == Some(outer.intent) {
            if let Some(outer) = open.remove(&one.place) {
                within.extend(&outer.within);
                close(&mut kept, one, outer);
            }
            continue;
        }
        match one.what {
            What::Started { pure } => {
                outer.pure &= pure;
                outer.within.insert(one.receipt_id);
            }
            What::Ended(ended, result) => {
                outer.refused |= ended == Ended::Refused;
                outer.given = Some(result);
            }
            What::Asked => outer.asked = Some(one),
            What::Settled { .. } | What::Called => {}
        }
    }
    kept
}

fn close(kept: &mut Vec<Recorded>, mut end: Recorded, outer: Open) {
    // What it was approved for waits for people in turn.
    if let Some(asked) = outer.asked {
        forget(kept, end.place);
        kept.push(asked);
        return;
    }
    if let What::Ended(ended, result) = &mut end.what {
        if *ended == Ended::Unknown && outer.pure {
            // Nobody heard the answer; nothing has happened.
            *ended = Ended::Failed;
        }
        if *ended == Ended::Failed && outer.refused {
            *ended = Ended::Refused;
        }
        if let Some(given) = outer.given.filter(|_| end.acted) {
            *result = given;
        }
    }
    kept.push(end);
}

/// Drops what an attempt has left so far, unless a person has to say something of it, or has.
fn forget(kept: &mut Vec<Recorded>, place: Place) {
    let is_settled = |one: &Recorded| {
        matches!(one.what, What::Settled { .. } | What::Ended(Ended::Unknown, _)) && one.place == place
    };
    if !kept.iter().any(is_settled) {
        kept.retain(|one| one.place != place);
    }
}

fn is_task(spec: &Spec, place: Place) -> bool {
    let step = spec.steps.get(place.step);
    place.role == Role::Step && step.is_some_and(|step| matches!(step.work, Work::Task(_)))
}
