//! Breaking the glass: in an emergency somebody answers for an action that would have had to wait, or that the
//! failfast gate stops for everyone.
//!
//! It lifts what people could have approved, and the failfast gate, "no appeal unless a policy defines break-glass".
//! Whatever else denies (a halt, a missing grant, a forbid without `@escalate`) still denies. Nobody breaks the glass
//! who owes the chain a review.

use std::collections::BTreeMap;

use cascade_receipt::content::UNREVIEWED_MAX;
use cascade_receipt::decision::{GateName, GateOutcome};

use super::{Answer, Case, pass_as};
use crate::facts::{BreakGlass, PrincipalKind};

/// Lets pass what may, where the principal asks for it; true where that is what the action passes by.
pub(super) fn apply(case: &Case<'_>, answers: &mut BTreeMap<GateName, Answer>) -> bool {
    let Some(asked) = &case.facts.break_glass else { return false };
    let held = |outcome| matches!(outcome, GateOutcome::Escalate | GateOutcome::Deny);
    let stands = |(name, answer): (&GateName, &Answer)| {
        answer.outcome == GateOutcome::Deny && *name != GateName::Failfast
    };
    // It passes anyhow, or would not run anyhow; the receipt is to say why.
    if !answers.values().any(|answer| held(answer.outcome)) || answers.iter().any(stands) {
        return false;
    }
    if let Err(code) = weigh(case, asked) {
        if let Some(failfast) = answers.get_mut(&GateName::Failfast) {
            failfast.deny(code);
        }
        return false;
    }
    for (name, answer) in answers.iter_mut().filter(|(_, answer)| held(answer.outcome)) {
        pass_as(*name, answer, "break_glass");
    }
    true
}

fn weigh(case: &Case<'_>, asked: &BreakGlass) -> Result<(), &'static str> {
    let facts = case.facts;
    let Some(terms) = &case.thresholds.break_glass else { return Err("failfast.break_glass_undefined") };
    if facts.principal.kind != PrincipalKind::Person || facts.assumed.is_some() {
        return Err("failfast.break_glass_not_a_person");
    }
    if !asked.groups.iter().any(|group| terms.groups.contains(group)) {
        return Err("failfast.break_glass_not_eligible");
    }
    if !asked.action_matches {
        return Err("failfast.break_glass_other_action");
    }
    if facts.own_overdue().next().is_some() {
        return Err("failfast.break_glass_review_overdue");
    }
    // What others owe keeps nobody from a glass that is broken already.
    if asked.receipt_id.is_some() {
        return Ok(());
    }
    if facts.unreviewed.iter().any(|one| one.due <= facts.at) {
        return Err("failfast.break_glass_review_overdue");
    }
    if facts.unreviewed.len() >= UNREVIEWED_MAX { Err("failfast.break_glass_unreviewed") } else { Ok(()) }
}
