//! Gate 3: a role or a grant covers principal, action and resource, and the delegation is intact.
//!
//! Without further settings every kind of principal has the role to submit actions, which the
//! policy then judges. `[authority] grant_required` in thresholds.toml takes the role away from a
//! kind, so that each command needs a live grant. Who broke the glass and was not reviewed in time asks for
//! everything above LOW.

use cascade_receipt::decision::{GateOutcome, Reason, RiskTier};
use cascade_receipt::resource::Pattern;
use cascade_receipt::time::Timestamp;

use super::{Answer, Case};
use crate::facts::{Covers, Grant, PrincipalKind};
use crate::worker::Classified;

pub(super) fn answer(case: &Case<'_>) -> Answer {
    let facts = case.facts;
    let mut answer = Answer::pass();
    match &facts.on_behalf_of {
        Some(delegator) if !delegator.alive => answer.deny("authority.delegator"),
        None if facts.principal.kind == PrincipalKind::Agent => answer.deny("authority.no_delegator"),
        Some(_) | None => {}
    }
    // Whoever owes the chain a review has lost the right to act alone.
    if case.tier > RiskTier::Low && facts.own_overdue().next().is_some() {
        answer.add(GateOutcome::Escalate, Reason::code("authority.review_overdue"));
        answer.groups.extend(case.thresholds.review_groups().iter().cloned());
    }
    if let Some(assumed) = facts.assumed.filter(|id| *id != facts.principal.id) {
        let covers = |grant: &Grant| grant.covers == Covers::Assume(assumed);
        require(&mut answer, case, "authority.assume", case.classification.tier, covers);
    }
    if case.thresholds.grant_required.contains(&facts.principal.kind) {
        if case.classification.commands.is_empty() {
            answer.deny("authority.no_grant");
        }
        for command in &case.classification.commands {
            let covers = |grant: &Grant| covers_command(grant, command);
            // Who may do it, but not here, is told so.
            let held = case.facts.grants.iter().any(|grant| grant.to == facts.principal.id && covers(grant));
            let code = if held { "authority.grant_resource" } else { "authority.no_grant" };
            let covers = |grant: &Grant| covers(grant) && is_on(grant, command);
            require(&mut answer, case, code, command.tier, covers);
        }
    }
    answer
}

/// Demands a live grant that reaches `tier`; where there is none, says how near the principal came.
fn require(
    answer: &mut Answer,
    case: &Case<'_>,
    code: &str,
    tier: RiskTier,
    covers: impl Fn(&Grant) -> bool,
) {
    let mut nearest = code;
    for grant in case.facts.grants.iter().filter(|grant| grant.to == case.facts.principal.id && covers(grant))
    {
        match standing(grant, case.facts.at, tier) {
            Ok(()) => {
                let reason = Reason::of("authority.granted", &grant.receipt_id.to_string());
                return answer.add(GateOutcome::Pass, reason);
            }
            Err(cause) => nearest = cause,
        }
    }
    answer.deny(nearest);
}

fn standing(grant: &Grant, at: Timestamp, tier: RiskTier) -> Result<(), &'static str> {
    if !grant.grantor_alive {
        return Err("authority.grant_broken");
    }
    if grant.expires.is_some_and(|expires| expires <= at) {
        return Err("authority.grant_expired");
    }
    if grant.up_to.is_some_and(|most| tier > most) {
        return Err("authority.grant_tier");
    }
    Ok(())
}

fn covers_command(grant: &Grant, command: &Classified) -> bool {
    let Covers::Commands(commands) = &grant.covers else { return false };
    commands.iter().any(|covered| match covered.split_once(' ') {
        Some((program, subcommand)) => program == command.program && subcommand == command.subcommand,
        None => covered == "*" || *covered == command.program,
    })
}

/// All that the command acts on is what the grant speaks of, as far as it speaks of such things. What cannot be known
/// is never that.
fn is_on(grant: &Grant, command: &Classified) -> bool {
    let patterns: Option<Vec<Pattern<'_>>> =
        grant.resources.iter().map(|text| Pattern::parse(text)).collect();
    let Some(patterns) = patterns else { return false };
    command.resources.iter().all(|resource| {
        let kind = resource.kind.as_str();
        let mut limits = patterns.iter().filter(|pattern| pattern.kind == kind).peekable();
        limits.peek().is_none()
            || (resource.is_known() && limits.any(|pattern| pattern.matches(kind, &resource.name)))
    })
}
