//! Examples held out: how few of them are enough to find the same program, and whether it stays without each one.
//!
//! The bank knows the cheapest term for each set of examples it reproduces, so nothing is searched again: what a
//! search over fewer examples would have given first is looked up. A program that some examples suffice to find has
//! been right about the others without having been fitted to them.

use super::bank::Bank;
use super::tree::{Builder, STEPS_MAX};
use crate::grade::Held;

/// Looks at the goals that a program was found by; `None` when there are no goals to look at.
pub(super) fn out(bank: &Bank, parts: bool) -> Option<Held> {
    let goals = if parts { bank.goals.get(1..)? } else { bank.goals.get(..1)? };
    let full = goals.first()?.full;
    let mut builders: Vec<Builder> =
        goals.iter().map(|goal| Builder::new(goal, &bank.entries, STEPS_MAX)).collect();
    // What the cheapest programs for some examples reproduce in all.
    let mut reached = |need: u128| {
        builders.iter_mut().map(|builder| builder.cheapest(need)).fold(full, |all, mask| all & mask)
    };
    let examples = full.count_ones();
    let each = (0..examples).map(|bit| 1_u128 << bit);
    // With one example nothing can be left out.
    let kept = if examples > 1 { each.filter(|bit| reached(full & !bit) == full).count() } else { 0 };
    let mut need = 0;
    loop {
        let missed = full & !reached(need) & !need;
        if missed == 0 {
            break;
        }
        need |= missed & missed.wrapping_neg();
    }
    let needed = usize::try_from(need.count_ones()).unwrap_or(0);
    Some(Held { examples: usize::try_from(examples).unwrap_or(0), kept, needed })
}
