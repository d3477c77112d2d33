//! Whether what began was allowed to, by those who could allow it.

use std::rc::Rc;

use cascade_receipt::content::Rel;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::kind::Kind;

use super::Continuity;
use crate::lineage::act::{Act, Held, names};
use crate::lineage::tracer::Tracer;
use crate::lineage::{Fault, Find, Receipt};

pub(super) fn check(tracer: &mut Tracer<'_>, act: &Act, found: &mut Continuity) -> Result<(), Fault> {
    let Some(start) = &act.start else { return Ok(()) };
    if start.verdict() != Some("admit") {
        found.broken("authorization.missing", "it began without a decision that admits it", &[start]);
    }
    for subject in &act.subjects {
        same(act, start, subject, found);
        policy_between(tracer, start, subject, found)?;
        enough(act, start, subject, found);
    }
    for approval in &act.used {
        approved(tracer, act, start, approval, found)?;
    }
    for denial in act.answers.iter().filter(|one| one.is(Kind::Denial) && one.seq < start.seq) {
        found.broken("approval.denied", "somebody had denied it before it began", &[denial, start]);
    }
    for held in &act.grants {
        grant(tracer, act, start, held, found)?;
    }
    in_force(act, start, found);
    if let Some(run) = &act.within {
        let (run, spec) = (run.core(), start.digest("spec_hash"));
        if names(start, Rel::Chain, run.id) && run.digest("spec_hash") != spec {
            found.broken(
                "continuity.spec",
                "it is of another spec than the run that it is a step of",
                &[run, start],
            );
        }
    }
    Ok(())
}

/// One principal and one action from the question to the start.
fn same(act: &Act, start: &Rc<Receipt>, subject: &Rc<Receipt>, found: &mut Continuity) {
    if subject.digest("action_hash") != start.digest("action_hash") {
        found.broken(
            "continuity.action",
            "what began is not the action that was asked about",
            &[subject, start],
        );
    }
    let people = |one: &Receipt| (one.principal(), one.who("on_behalf_of"));
    if people(subject) != people(start) && act.glasses.is_empty() {
        found.broken(
            "continuity.principal",
            "what began is somebody else's than the question",
            &[subject, start],
        );
    }
    if subject.digest("spec_hash") != start.digest("spec_hash") {
        found.broken("continuity.spec", "the question was of another spec", &[subject, start]);
    }
}

/// A policy that differs needs a receipt in between that says why.
fn policy_between(
    tracer: &mut Tracer<'_>,
    start: &Rc<Receipt>,
    subject: &Rc<Receipt>,
    found: &mut Continuity,
) -> Result<(), Fault> {
    if subject.policy().1 == start.policy().1 {
        return Ok(());
    }
    let between = subject.seq..start.seq;
    let kinds = vec![Kind::PolicyActivated, Kind::PackActivated];
    let find = Find { kinds, seqs: between.clone(), newest: true, limit: 1, ..Find::default() };
    let changes = tracer.find(&find)?;
    match changes.last() {
        Some(change) => {
            let text = format!(
                "the policy changed between question and start, and it was decided again under `{}`",
                start.policy().0
            );
            found.told("policy.changed_before", text, &[subject, change, start]);
        }
        None if tracer.holds(between) => {
            let text = "the policy is another one than when it was asked, and nothing in between says why";
            found.broken("continuity.policy", text, &[subject, start]);
        }
        None => {
            let text = "the policy is another one than when it was asked; what changed it is not here";
            found.not_provable("continuity.policy", text, &[subject, start]);
        }
    }
    Ok(())
}

/// As many approvals as the question demands.
fn enough(act: &Act, start: &Rc<Receipt>, subject: &Rc<Receipt>, found: &mut Continuity) {
    let demanded = match (subject.known(), subject.verdict()) {
        (Some(Kind::Escalation), _) => subject.number("required").unwrap_or(1),
        (_, Some("escalate")) => 1,
        _ => 0,
    };
    let mut by: Vec<Option<PrincipalId>> = act
        .used
        .iter()
        .filter(|one| one.is(Kind::Approval) && one.refs.iter().any(|to| to.receipt_id == subject.id))
        .map(|one| one.principal())
        .collect();
    by.sort_unstable();
    by.dedup();
    let here = |id| act.used.iter().any(|one| one.id == id);
    if start.named(Rel::Approval).any(|one| !here(one.receipt_id)) {
        // That it is missing is said; whether it is enough is not known without it.
        return;
    }
    if (by.len() as u64) < demanded {
        let text = format!("{demanded} approvals were needed, and it names {}", by.len());
        found.broken("authorization.missing", text, &[subject, start]);
    }
}

fn approved(
    tracer: &mut Tracer<'_>,
    act: &Act,
    start: &Rc<Receipt>,
    approval: &Rc<Receipt>,
    found: &mut Continuity,
) -> Result<(), Fault> {
    // What it was asked by need not be here to be named by both.
    let asked = start.named(Rel::Escalation).chain(start.named(Rel::DryRun)).map(|one| one.receipt_id);
    let asked: Vec<_> = asked.chain(act.subjects.iter().map(|one| one.id)).collect();
    let answers = approval.refs.iter().any(|to| asked.contains(&to.receipt_id));
    if approval.digest("action_hash") != start.digest("action_hash") || !answers {
        found.broken(
            "approval.other_action",
            "an approval that it names is for another action",
            &[approval, start],
        );
    }
    if approval.time("expires").is_some_and(|expires| expires < start.at) {
        found.broken("approval.expired", "an approval had run out when it began", &[approval, start]);
    }
    let Some(approver) = approval.principal() else { return Ok(()) };
    let name = tracer.name(approver)?;
    if Some(approver) == start.principal() {
        found.broken(
            "approval.own",
            format!("{name} approved an action of his or her own"),
            &[approval, start],
        );
    }
    if let Some(removal) = removed(tracer, approver, 0..approval.seq)? {
        if tracer.holds(removal.seq..approval.seq) {
            let text = format!("{name} had been removed before approving it");
            found.broken("approval.by_removed", text, &[&removal, approval]);
        } else {
            let text = format!("{name} had once been removed; whether {name} had come back is not here");
            found.not_provable("approval.by_removed", text, &[&removal, approval]);
        }
    }
    let until = tracer.head();
    if let Some(removal) = removed(tracer, approver, approval.seq..until)? {
        let when = if removal.seq < start.seq { "before it began" } else { "since" };
        let text =
            format!("{name}, who approved it, was removed {when}; the approval counted when it was given");
        found.told("approval.since_removed", text, &[approval, &removal]);
    }
    Ok(())
}

/// The last word on somebody's membership within these places, if that is that he or she was removed.
pub(in crate::lineage) fn removed(
    tracer: &mut Tracer<'_>,
    who: PrincipalId,
    seqs: std::ops::Range<u64>,
) -> Result<Option<Rc<Receipt>>, Fault> {
    let kinds = vec![Kind::PrincipalAdded, Kind::PrincipalRemoved];
    let mut find = Find { kinds, principal: Some(who), seqs, newest: true, limit: 64, ..Find::default() };
    let last = loop {
        let page = tracer.find(&find)?;
        // Others that name the same one in another role may stand before it.
        if let Some(own) = page.iter().find(|one| one.principal() == Some(who)) {
            break own.clone();
        }
        let Some(oldest) = page.last().filter(|one| one.seq < find.seqs.end) else { return Ok(None) };
        find.seqs.end = oldest.seq;
    };
    if !last.is(Kind::PrincipalRemoved) {
        return Ok(None);
    }
    tracer.note(&last, "removal")?;
    Ok(Some(last))
}

fn grant(
    tracer: &mut Tracer<'_>,
    act: &Act,
    start: &Rc<Receipt>,
    held: &Held,
    found: &mut Continuity,
) -> Result<(), Fault> {
    let grant = &held.grant;
    let user = held.to.as_ref().map_or_else(|| start.principal(), |below| below.principal());
    if grant.who("to") != user {
        let by = held.to.as_ref().unwrap_or(start);
        found.broken("continuity.principal", "a grant is held by somebody else than used it", &[grant, by]);
    }
    if grant.time("expires").is_some_and(|expires| expires <= start.at) {
        found.broken("grant.expired_before", "a grant had run out when it began", &[grant, start]);
    }
    let end = act.closers.first();
    match &held.revoked {
        Some(revoked) if revoked.seq < start.seq => {
            found.broken(
                "grant.revoked_before",
                "a grant had been taken back before it began",
                &[grant, revoked, start],
            );
        }
        // What changes while it runs is judged there.
        Some(revoked)
            if end.is_some_and(|end| end.seq < revoked.seq) || !crate::lineage::act::is_long(start) =>
        {
            let text = "a grant that it stood on was taken back since; it held then";
            found.told("grant.since_revoked", text, &[grant, revoked]);
        }
        _ => {}
    }
    let Some(giver) = grant.principal() else { return Ok(()) };
    if let Some(removal) = removed(tracer, giver, grant.seq..start.seq)? {
        let name = tracer.name(giver)?;
        if tracer.holds(removal.seq..start.seq) {
            let text = format!("{name}, who gave a grant, had been removed before it began");
            found.broken("grant.giver_removed", text, &[grant, &removal, start]);
        } else {
            let text =
                format!("{name}, who gave a grant, had once been removed; what came then is not all here");
            found.not_provable("grant.giver_removed", text, &[grant, &removal, start]);
        }
    }
    Ok(())
}

/// The policy that it names is the one that was put in force last.
fn in_force(act: &Act, start: &Rc<Receipt>, found: &mut Continuity) {
    let Some(policy) = &act.policy else { return };
    let Some((_, hash)) = policy.activates() else { return };
    if start.policy().1 != Some(hash) {
        let text = "it was decided by another policy than the one that was put in force last";
        found.broken("continuity.policy", text, &[policy, start]);
    }
}
