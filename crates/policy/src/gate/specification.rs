//! Gate 4: a workflow step is part of a specification that somebody trusted has signed, and goes no further than
//! that allows.

use cascade_receipt::content::GROUPS_MAX;
use cascade_receipt::decision::{GateOutcome, Reason};

use super::{ADMINS, Answer, Case};
use crate::decide::{EscalationTerms, is_elsewhere};
use crate::facts::{Act, Invocation, Signer, Spec, Stdin, WorkflowAct};
use crate::snapshot::EXPIRES_MS_MAX;

pub(super) fn answer(case: &Case<'_>) -> Answer {
    let mut answer = of_workflow(case);
    if let Invocation::Tool(call) = &case.facts.action.invocation {
        // A tool is what its definition says: another one is another tool.
        match call.objection() {
            Some(code) => answer.deny(code),
            None if call.definition.is_some() && answer.outcome == GateOutcome::NotApplicable => {
                answer.outcome = GateOutcome::Pass;
            }
            None => {}
        }
    }
    answer
}

fn of_workflow(case: &Case<'_>) -> Answer {
    let act = act_of(case);
    let Some(spec) = &case.facts.spec else {
        let mut answer = Answer::not_applicable();
        if act.is_some() {
            answer.deny("specification.missing");
        }
        return answer;
    };
    let mut answer = Answer::pass();
    let trusted = |signer: &Signer| {
        let authors = &case.thresholds.authors;
        let speaks = |group: &String| signer.groups.contains(group) || signer.admin && group == ADMINS;
        authors.iter().any(speaks)
    };
    // What a run is started for must be as trusted as what it is.
    let all = || std::iter::once(&spec.signers).chain(&spec.callers);
    if all().any(Vec::is_empty) {
        answer.deny("specification.unsigned");
    } else if !all().all(|signers| signers.iter().any(trusted)) {
        answer.deny("specification.untrusted");
    }
    if !spec.pinned || act.is_some_and(|act| act.spec_hash != spec.hash) {
        answer.deny("specification.unpinned");
    }
    if !spec.has_step {
        answer.deny("specification.no_step");
    }
    if !spec.open {
        answer.deny("specification.closed");
    }
    if act.is_some_and(|act| act.act == Act::Start) && !may_start(case, spec) {
        answer.deny("specification.starter");
    }
    hold_to_limits(&mut answer, case, spec);
    if let Some(terms) = point(case) {
        // More than a receipt can name would be no receipt.
        if terms.groups.len() > GROUPS_MAX {
            answer.deny("specification.terms");
        }
        answer.add(GateOutcome::Escalate, Reason::code("specification.approval"));
    }
    answer
}

/// Whether whoever starts it, or stands behind the agent that does, is one whom the specification names.
fn may_start(case: &Case<'_>, spec: &Spec) -> bool {
    let starters = &spec.limits.starters;
    let facts = case.facts;
    let (groups, admin) = match &facts.on_behalf_of {
        Some(person) => (&person.groups, person.admin),
        None => (&facts.principal.groups, facts.principal.admin),
    };
    let speaks = |group: &String| groups.contains(group) || admin && group == ADMINS;
    starters.is_empty() || starters.iter().any(speaks)
}

fn hold_to_limits(answer: &mut Answer, case: &Case<'_>, spec: &Spec) {
    if spec.limits.max_tier.is_some_and(|most| case.tier > most) {
        answer.deny("specification.tier");
    }
    if spec.limits.workers.as_ref().is_some_and(|workers| !runs_only(case, workers)) {
        answer.deny("specification.worker");
    }
    for pack in &spec.limits.packs {
        let active = case.packs.contains(pack) && case.facts.tenant.regimes.contains(pack);
        if !active || case.unready.contains_key(pack) {
            answer.deny_by("specification.pack", pack);
        }
    }
}

/// Whether every program that runs is one of these. What nobody has seen is none of them.
fn runs_only(case: &Case<'_>, workers: &[String]) -> bool {
    let (action, found) = (&case.facts.action, case.classification);
    let mut commands = found.commands.as_slice();
    // What Cascade does itself comes first, and is no worker.
    if matches!(action.invocation, Invocation::Task(_) | Invocation::Workflow(_) | Invocation::Schedule(_)) {
        commands = commands.get(1..).unwrap_or_default();
    } else if commands.is_empty() {
        return false;
    }
    let unseen = found.refused.is_some()
        || is_elsewhere(action)
        || found.stdin_executes && action.stdin != Stdin::None && action.script.is_none();
    !unseen && commands.iter().all(|command| workers.contains(&command.program))
}

/// The terms of the approval point that this action is, whatever else escalates. Without its own the specification
/// asks whom the operator asks.
pub(super) fn point(case: &Case<'_>) -> Option<EscalationTerms> {
    let spec = case.facts.spec.as_ref()?;
    act_of(case).filter(|act| act.act == Act::Approval)?;
    let defaults = &case.thresholds.escalation;
    let mut terms = spec.approval.clone().unwrap_or_else(|| defaults.clone());
    if terms.groups.is_empty() {
        terms.groups.clone_from(&defaults.groups);
    }
    terms.groups.sort_unstable();
    terms.groups.dedup();
    terms.required = terms.required.max(1);
    terms.expires_after_ms = terms.expires_after_ms.min(EXPIRES_MS_MAX);
    Some(terms)
}

fn act_of<'a>(case: &Case<'a>) -> Option<&'a WorkflowAct> {
    match &case.facts.action.invocation {
        Invocation::Workflow(act) => Some(act),
        _ => None,
    }
}
