//! Gate 6: the tier is within the operator's threshold for this kind of principal.

use cascade_receipt::decision::{GateOutcome, Reason};

use super::{Answer, Case};

pub(super) fn answer(case: &Case<'_>) -> Answer {
    let mut answer = Answer::pass();
    if case.classification.refused.is_some() {
        answer.deny("risk.limit");
    }
    if case.tier > case.thresholds.tier_max(case.facts.principal.kind) {
        answer.add(GateOutcome::Escalate, Reason::code("risk.above_threshold"));
        if !case.classified {
            answer.add(GateOutcome::Escalate, Reason::code("risk.unclassified"));
        }
        answer.groups.extend(case.thresholds.escalation.groups.iter().cloned());
    }
    answer
}
