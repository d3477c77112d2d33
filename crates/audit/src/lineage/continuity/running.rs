//! How trust held while it ran.

use std::rc::Rc;

use cascade_receipt::content::Rel;
use cascade_receipt::kind::Kind;

use super::Continuity;
use crate::lineage::act::{Act, is_long};
use crate::lineage::tracer::Tracer;
use crate::lineage::{Fault, Receipt, Referring, span};

/// The gates are asked again within this time of a change; until then a command may end by itself.
const NOTICED_MS: u64 = 1_000;
/// A run leaves a heartbeat at least this often, and none once the gates no longer admit it. With leave for a busy machine.
const SILENT_MS: u64 = 90_000;

pub(super) fn check(tracer: &mut Tracer<'_>, act: &Act, found: &mut Continuity) -> Result<(), Fault> {
    let Some(start) = &act.start else {
        if act.closers.iter().any(|closer| !closer.is_pure()) {
            let closers: Vec<&Receipt> = act.closers.iter().map(Rc::as_ref).collect();
            missing_intent(tracer, act, &closers, found);
        }
        return Ok(());
    };
    if !is_long(start) {
        return Ok(());
    }
    match act.closers.as_slice() {
        [] => {
            let text = "it has begun, and nothing here says how it ended: it may still run";
            found.not_provable("intent.without_closer", text, &[start]);
        }
        [closer] => closed(start, closer, found),
        several => {
            let receipts: Vec<&Receipt> = several.iter().map(Rc::as_ref).collect();
            found.broken("closer.twice", "it was closed more than once", &receipts);
        }
    }
    let until = act.closers.first().map_or(tracer.head(), |closer| closer.seq);
    if !tracer.holds(start.seq..until) {
        let text = "not everything between start and end is here: what changed meanwhile cannot be seen";
        found.not_provable("here.partial", text, &[start]);
    }
    for change in &act.changes {
        if let Some(what) = concerns(tracer, act, change)? {
            tracer.note(change, "change")?;
            changed(tracer, act, start, change, what, found)?;
        }
    }
    Ok(())
}

fn missing_intent(tracer: &Tracer<'_>, act: &Act, closers: &[&Receipt], found: &mut Continuity) {
    let text = "it ends something whose beginning is not here";
    if tracer.holds(0..act.about.seq) {
        found.broken("closer.without_intent", text, closers);
    } else {
        found.not_provable("closer.without_intent", text, closers);
    }
}

fn closed(start: &Rc<Receipt>, closer: &Rc<Receipt>, found: &mut Continuity) {
    if closer.is(Kind::TaskUnknown) {
        let text = if start.text("expires").is_none() {
            "Cascade ended while it ran: what it did is not known"
        } else {
            "whoever performed it reported no outcome in time: what it did is not known"
        };
        found.not_provable("closer.unknown", text, &[start, closer]);
    }
    if closer.seq < start.seq {
        found.broken("closer.before_intent", "it ended before it began", &[start, closer]);
    }
    if closer.digest("spec_hash") != start.digest("spec_hash") {
        found.broken("continuity.spec", "it ended as a step of another spec", &[start, closer]);
    }
}

/// What a change has to do with the action, in words that follow "while it ran,".
fn concerns(
    tracer: &mut Tracer<'_>,
    act: &Act,
    change: &Rc<Receipt>,
) -> Result<Option<(&'static str, String)>, Fault> {
    let who = change.principal();
    Ok(match change.known() {
        Some(Kind::PolicyActivated | Kind::PackActivated) => {
            let label = change.activates().map_or("", |(label, _)| label).to_owned();
            Some(("policy.changed_while_running", format!("the policy `{label}` was put in force")))
        }
        Some(Kind::Halted) => Some(("halted.while_running", "the tenant was halted".to_owned())),
        Some(Kind::GrantRevoked) => {
            let own =
                |held: &super::super::act::Held| held.revoked.as_ref().is_some_and(|one| one.id == change.id);
            let own = act.grants.iter().any(own);
            own.then(|| {
                ("grant.revoked_while_running", "a grant that it stands on was taken back".to_owned())
            })
        }
        Some(Kind::PrincipalRemoved) => {
            let concerned = act.concerned();
            match who.filter(|who| concerned.contains(who)) {
                Some(who) => {
                    let name = tracer.name(who)?;
                    Some(("principal.removed_while_running", format!("{name} was removed")))
                }
                None => None,
            }
        }
        _ => None,
    })
}

/// A change must have ended it, or the gates must have been asked again.
fn changed(
    tracer: &mut Tracer<'_>,
    act: &Act,
    start: &Rc<Receipt>,
    change: &Rc<Receipt>,
    (code, what): (&'static str, String),
    found: &mut Continuity,
) -> Result<(), Fault> {
    if start.is(Kind::ChainStarted) {
        // Every step of a run is decided on its own; between them nothing runs.
        found.told(
            code,
            format!("while the run went on, {what}; its later steps were decided after that"),
            &[change],
        );
        return Ok(());
    }
    let Some(closer) = act.closers.first() else {
        let text = format!("while it ran, {what}; how it ended is not on record yet");
        found.not_provable(code, text, &[start, change]);
        return Ok(());
    };
    let asked = Referring::to(start.id, 1).by(&[Rel::Intent]).of(&[Kind::Heartbeat]);
    let later = tracer.referring(&Referring { from: change.seq + 1, ..asked })?;
    let heartbeat = later.first().filter(|one| one.seq < closer.seq);
    let gap = closer.at.ms().saturating_sub(change.at.ms());
    let after = span(change.at, closer.at);
    if closer.is(Kind::TaskRevoked) {
        let text = format!("while it ran, {what}; the gates were asked again and it was ended {after} later");
        found.told(code, text, &[start, change, closer]);
    } else if let Some(heartbeat) = heartbeat {
        let text = format!(
            "while it ran, {what}; a heartbeat after that ({}) is written only when the gates admit it again",
            heartbeat.id
        );
        found.told(code, text, &[start, change, closer]);
    } else if gap <= NOTICED_MS {
        let text = format!(
            "while it ran, {what}; it ended by itself {after} later, before the gates were asked again"
        );
        found.told(code, text, &[start, change, closer]);
    } else if gap <= SILENT_MS || !tracer.holds(change.seq..closer.seq) {
        let text = format!(
            "while it ran, {what}; it ended by itself {after} later, and no receipt here says that the gates were asked again"
        );
        found.not_provable(code, text, &[start, change, closer]);
    } else {
        let text = format!("while it ran, {what}; it ran on for {after}, and the gates were not asked again");
        found.broken(code, text, &[start, change, closer]);
    }
    Ok(())
}
