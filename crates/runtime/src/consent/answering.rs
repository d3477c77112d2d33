//! Who may answer, and why an answer does not count.

use cascade_ledger::{Person, Reader, Subject, SubjectState};
use cascade_policy::decide;
use cascade_policy::facts::Facts;
use cascade_receipt::decision::{Reason, Verdict};
use cascade_receipt::json::Value;
use cascade_receipt::kind::Kind;
use cascade_receipt::time::Timestamp;

use super::ConsentError;
use crate::facts::Asker;
use crate::policy_store;

/// Whether the gates denied a rehearsed action: an approval lifts an escalation, never a denial.
pub(super) fn is_denied(content: &Value) -> bool {
    let verdict = content.member("decision").and_then(|decision| decision.member("verdict")?.as_str());
    verdict.and_then(Verdict::parse) == Some(Verdict::Deny)
}

/// Which groups are asked: a dry run names none, and would ask those that today's policy names.
pub(super) fn groups_asked(
    ledger: &Reader,
    subject: &Subject,
    facts: &Facts,
) -> Result<Vec<String>, ConsentError> {
    if subject.kind != Kind::DryRun {
        return Ok(subject.groups.clone());
    }
    let (snapshot, _) = policy_store::in_force(ledger)?;
    Ok(decide::decide(&snapshot, facts).escalation.map(|terms| terms.groups).unwrap_or_default())
}

/// Whether a person may answer for one of the groups that are asked.
pub(super) fn is_eligible(groups: &[String], person: &Person) -> bool {
    groups.is_empty() || person.groups.iter().any(|group| groups.contains(group))
}

/// Why this answer does not count.
pub(super) fn objections(
    subject: &Subject,
    asker: &Asker,
    eligible: bool,
    answered: bool,
    now: Timestamp,
) -> Vec<Reason> {
    let mut codes = Vec::new();
    if asker.agent.is_some() {
        codes.push("approval.agent");
    } else if !eligible {
        codes.push("approval.not_eligible");
    }
    if asker.has_ended() {
        codes.push("identity.revoked");
    }
    codes.extend(asker.enclosure.objection());
    if subject.principal == asker.speaker() {
        codes.push("approval.requester");
    }
    if answered {
        codes.push("approval.repeated");
    }
    match subject.state {
        SubjectState::Open | SubjectState::Approved => {}
        SubjectState::Denied => codes.push("approval.denied"),
        SubjectState::Erased => codes.push("approval.erased"),
        SubjectState::Expired => codes.push("approval.expired"),
        SubjectState::Used => codes.push("approval.used"),
    }
    if subject.expires.is_some_and(|expires| expires <= now) && subject.state != SubjectState::Expired {
        codes.push("approval.expired");
    }
    codes.into_iter().map(Reason::code).collect()
}
