//! Budgets between the log and the gates: the counters that a decision wants, and what an intent takes.

use cascade_ledger::{Cap, Fault, Reader};
use cascade_policy::decide::{self, Ruling};
use cascade_policy::facts::{Counter, Facts};
use cascade_policy::limits::{Amounts, Draw};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::content;
use cascade_receipt::id::ReceiptId;

/// Reads the counters of every budget that the action draws on. Of an action that runs already, its own intent is not
/// counted.
///
/// # Errors
/// When the ledger cannot be read.
pub fn count(
    reader: &Reader,
    snapshot: &Snapshot,
    facts: &mut Facts,
    own: Option<ReceiptId>,
) -> Result<(), Fault> {
    for draw in decide::draws(snapshot, facts) {
        let used = reader.budget_used(&draw.budget, draw.of, draw.since, own)?;
        facts.counters.push(Counter {
            budget: draw.budget,
            of: draw.of,
            since: Some(draw.since),
            used: Amounts { actions: used.actions, tokens: used.tokens, microusd: used.microusd },
            oldest: used.oldest,
        });
    }
    Ok(())
}

/// What the intent of an admitted action takes.
pub(crate) fn taken(ruling: &Ruling) -> Vec<content::Draw> {
    let take = |draw: &Draw| content::Draw {
        budget: draw.budget.clone(),
        of: draw.of,
        actions: draw.amounts.actions,
        tokens: draw.amounts.tokens,
        microusd: draw.amounts.microusd,
    };
    ruling.draws.iter().map(take).collect()
}

/// How far others may have drawn until the intent is in the chain. Of a budget that was used up already and
/// lifted by people there is nothing left to guard.
pub(crate) fn caps(facts: &Facts, ruling: &Ruling) -> Vec<Cap> {
    let guarded = |draw: &&Draw| {
        let counter = facts.counters.iter().find(|counter| counter.budget == draw.budget);
        counter.is_some_and(|counter| !counter.used.exhausted_by(&draw.amounts, &draw.caps))
    };
    let cap = |draw: &Draw| {
        let before = |take: u64, cap: Option<u64>| Some(cap?.saturating_sub(take.max(1)));
        let (take, caps) = (&draw.amounts, &draw.caps);
        Cap {
            budget: draw.budget.clone(),
            of: draw.of,
            since: draw.since,
            before: [
                before(take.actions, caps.actions),
                before(take.tokens, caps.tokens),
                before(take.microusd, caps.microusd),
            ],
        }
    };
    ruling.draws.iter().filter(guarded).map(cap).collect()
}
