//! Gate 8: the approvals that the other gates demand are there.
//!
//! Four eyes: the requester and the principal assumed never count. The person behind an agent does: agent
//! and person are two principals, and that person's consent is what an escalated agent waits for.

use std::collections::BTreeSet;

use cascade_receipt::decision::{GateOutcome, Reason};
use cascade_receipt::id::PrincipalId;

use super::Answer;
use crate::decide::EscalationTerms;
use crate::facts::{Approval, Facts};

pub(super) fn answer(facts: &Facts, demand: Option<&EscalationTerms>) -> Answer {
    let Some(demand) = demand else { return Answer::not_applicable() };
    let terms = stricter(demand, facts.answers.as_ref());
    let mut answer = Answer::new(GateOutcome::Escalate);
    let mut people: BTreeSet<PrincipalId> = BTreeSet::new();
    let mut groups: BTreeSet<&String> = BTreeSet::new();
    for approval in &facts.approvals {
        match weigh(approval, facts, &terms) {
            Ok(()) if !approval.approve => answer.deny("approval.denied"),
            Ok(()) if people.contains(&approval.principal) => {
                answer.add(GateOutcome::Escalate, Reason::code("approval.duplicate"));
            }
            Ok(()) => {
                people.insert(approval.principal);
                groups.extend(terms.groups.iter().filter(|group| approval.groups.contains(group)));
            }
            Err(code) => answer.add(GateOutcome::Escalate, Reason::code(code)),
        }
    }
    if answer.outcome == GateOutcome::Deny {
        return answer;
    }
    // No number of people below one approves anything, whatever the terms say.
    let enough = people.len() >= usize::try_from(terms.required.max(1)).unwrap_or(usize::MAX);
    if enough && terms.groups.iter().all(|group| groups.contains(group)) {
        let mut pass = Answer::pass();
        pass.add(GateOutcome::Pass, Reason::code("approval.granted"));
        return pass;
    }
    let code = match (people.is_empty(), enough) {
        (true, _) => "approval.missing",
        (false, false) => "approval.too_few",
        (false, true) => "approval.group",
    };
    answer.reasons.insert(0, Reason::code(code));
    answer
}

/// Whether an answer counts. A refusal needs neither signature nor time limit: it can only stop.
fn weigh(approval: &Approval, facts: &Facts, terms: &EscalationTerms) -> Result<(), &'static str> {
    let requester = [Some(facts.principal.id), facts.assumed];
    if !approval.action_matches {
        return Err("approval.other_action");
    }
    // Who owes the chain a review lets nobody act for it, an agent of theirs least of all.
    let owes = facts.own_overdue().any(|one| one.principal == approval.principal);
    if owes || requester.contains(&Some(approval.principal)) {
        return Err("approval.requester");
    }
    if !approval.groups.iter().any(|group| terms.groups.contains(group)) {
        return Err("approval.ineligible");
    }
    if approval.approve && approval.expires <= facts.at {
        return Err("approval.expired");
    }
    if approval.approve && terms.signature_required && !approval.signed {
        return Err("approval.unsigned");
    }
    Ok(())
}

/// Terms that are met only when both are met.
pub(super) fn stricter(demand: &EscalationTerms, answered: Option<&EscalationTerms>) -> EscalationTerms {
    let Some(answered) = answered else { return demand.clone() };
    let groups: BTreeSet<&String> = demand.groups.iter().chain(&answered.groups).collect();
    EscalationTerms {
        required: demand.required.max(answered.required),
        groups: groups.into_iter().cloned().collect(),
        expires_after_ms: demand.expires_after_ms.min(answered.expires_after_ms),
        signature_required: demand.signature_required || answered.signature_required,
    }
}
