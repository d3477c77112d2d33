//! Who has approved, and who still must.

use std::collections::BTreeSet;

use cascade_ledger::{Approval, Fault, Person, Reader, Subject};
use cascade_receipt::id::PrincipalId;
use cascade_receipt::time::Timestamp;

/// The groups that an answer speaks for as of now.
pub(super) fn groups_of(people: &[Person], answer: &Approval) -> Vec<String> {
    let person = people.iter().find(|person| person.principal == answer.principal);
    person.map(|person| person.groups_for(answer.seq).to_vec()).unwrap_or_default()
}

/// Who has approved an escalation so far, and who still must.
#[derive(Debug)]
pub struct Needed {
    /// Approvals that count as of now.
    pub approved: Vec<PrincipalId>,
    /// How many more people must approve at least.
    pub people: u32,
    /// The groups that nobody of has approved yet.
    pub groups: Vec<String>,
    /// Who could.
    pub eligible: Vec<PrincipalId>,
}

impl Needed {
    /// Whether nobody more must approve.
    #[must_use]
    pub const fn is_met(&self) -> bool {
        self.people == 0
    }
}

/// Who still must approve.
///
/// # Errors
/// When the ledger cannot be read.
pub fn needed(reader: &Reader, subject: &Subject, now: Timestamp) -> Result<Needed, Fault> {
    let people = reader.people()?;
    let answers = reader.approvals_of(subject.receipt_id)?;
    let wanted = |groups: &[String]| {
        subject.groups.is_empty() || groups.iter().any(|group| subject.groups.contains(group))
    };
    let mut approved = BTreeSet::new();
    let mut represented = BTreeSet::new();
    for answer in answers.iter().filter(|answer| answer.approve && answer.expires > now) {
        let groups = groups_of(&people, answer);
        if wanted(&groups) {
            approved.insert(answer.principal);
            represented.extend(groups);
        }
    }
    let groups: Vec<String> =
        subject.groups.iter().filter(|group| !represented.contains(*group)).cloned().collect();
    let heads = subject.required.saturating_sub(u32::try_from(approved.len()).unwrap_or(u32::MAX));
    // Where there are heads enough, only somebody of a group that has not answered helps.
    let helps = |own: &[String]| heads > 0 || own.iter().any(|group| groups.contains(group));
    let eligible = people.iter().filter(|person| {
        person.is_registered()
            && wanted(&person.groups)
            && helps(&person.groups)
            && person.principal != subject.principal
            && !approved.contains(&person.principal)
    });
    Ok(Needed {
        people: heads.max(u32::from(!groups.is_empty())),
        eligible: eligible.map(|person| person.principal).collect(),
        groups,
        approved: approved.into_iter().collect(),
    })
}
