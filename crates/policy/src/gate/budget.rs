//! Gate 9: rates, counts, tokens and money are not used up.

use super::Answer;
use crate::facts::Budget;

pub(super) fn answer(budgets: &[Budget]) -> Answer {
    if budgets.is_empty() {
        return Answer::not_applicable();
    }
    let mut answer = Answer::pass();
    for budget in budgets.iter().filter(|budget| budget.used >= budget.limit) {
        answer.deny_by("budget.exhausted", &budget.name);
    }
    answer
}
