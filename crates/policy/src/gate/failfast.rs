//! Gate 7: what nobody may do, whoever approves.

use cascade_receipt::decision::RiskTier;

use super::{Answer, Case};

pub(super) fn answer(case: &Case<'_>) -> Answer {
    let mut answer = Answer::pass();
    for finding in &case.classification.failfast {
        answer.deny_by("failfast.pattern", &finding.code);
    }
    if case.tier == RiskTier::Critical {
        answer.deny("failfast.critical");
    }
    answer
}
