//! Gate 9: rates, counts, tokens and money are not used up.

use cascade_receipt::decision::GateName;

use super::{Answer, Case};
use crate::facts::Facts;
use crate::limits::{Amounts, Draw, Lack};

pub(super) fn answer(case: &Case<'_>) -> Answer {
    let (facts, concern) = (case.facts, case.concern());
    let mut draws = case.thresholds.limits.draws(&concern).peekable();
    if facts.budgets.is_empty() && draws.peek().is_none() {
        return Answer::not_applicable();
    }
    let mut answer = Answer::pass();
    for budget in facts.budgets.iter().filter(|budget| budget.used >= budget.limit) {
        answer.deny_by("budget.exhausted", &budget.name);
    }
    for (budget, draw) in draws {
        match draw.and_then(|draw| Ok((used(facts, &draw)?, draw))) {
            Ok((used, draw)) if used.exhausted_by(&draw.amounts, &draw.caps) => {
                answer.hold("budget.exhausted", &budget.name, budget.escalate.as_ref());
            }
            Ok(_) => {}
            Err(lack) => answer.lacks(GateName::Budget, lack, &budget.name),
        }
    }
    answer
}

/// What the facts say was used. A counter that nobody read, or another one than the rule asks for, is no zero.
fn used(facts: &Facts, draw: &Draw) -> Result<Amounts<u64>, Lack> {
    let counter = facts.counters.iter().find(|counter| counter.budget == draw.budget);
    let asked = counter
        .filter(|counter| counter.since.is_none_or(|since| since == draw.since && counter.of == draw.of));
    asked.map(|counter| counter.used).ok_or(Lack::Counter)
}
