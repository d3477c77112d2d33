//! Escalations, dry runs and the approvals that answer them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use crate::content::Rel;
use crate::decision::Verdict;
use crate::digest::Digest;
use crate::id::{PrincipalId, ReceiptId};
use crate::line::Receipt;
use crate::reader::{Action, Meaning};
use crate::time::Timestamp;
use crate::verify::code::Code;

/// What people may answer: an escalation, or a dry run that is to be approved in advance.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) entry_hash: Digest,
    pub(super) groups: Vec<String>,
    pub(super) signature_required: bool,
    escalation: bool,
    action_hash: Digest,
    requester: PrincipalId,
    verdict: Verdict,
    required: u64,
    expires: Option<Timestamp>,
    /// Somebody denied it, or it ran out.
    closed: Option<Code>,
}

#[derive(Clone, Debug)]
struct Approval {
    subject: ReceiptId,
    principal: PrincipalId,
    given: Timestamp,
    expires: Timestamp,
    eligible: bool,
    /// Why it cannot be used (again).
    spent: Option<Code>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Approvals {
    subjects: BTreeMap<ReceiptId, Subject>,
    approvals: BTreeMap<ReceiptId, Approval>,
    /// Actions that may not run without naming an escalation (true) or at least a dry run (false).
    bound: BTreeMap<Digest, bool>,
}

impl Approvals {
    pub(super) fn dry_run(&mut self, receipt: &Receipt<'_>, action: &Action) {
        let escalates = action.verdict == Verdict::Escalate;
        if escalates {
            self.bound.entry(action.action_hash).or_insert(false);
        }
        let subject = Subject {
            entry_hash: receipt.entry_hash,
            groups: Vec::new(),
            signature_required: false,
            escalation: false,
            action_hash: action.action_hash,
            requester: action.principal,
            verdict: action.verdict,
            required: u64::from(escalates),
            expires: None,
            closed: None,
        };
        self.subjects.insert(receipt.receipt_id, subject);
    }

    pub(super) fn escalation(&mut self, receipt: &Receipt<'_>) {
        let Meaning::Escalation { action, required, groups, expires, signature_required } =
            &receipt.content.meaning
        else {
            return;
        };
        self.bound.insert(action.action_hash, true);
        let subject = Subject {
            entry_hash: receipt.entry_hash,
            groups: groups.clone(),
            signature_required: *signature_required,
            escalation: true,
            action_hash: action.action_hash,
            requester: action.principal,
            verdict: action.verdict,
            required: *required,
            expires: Some(*expires),
            closed: None,
        };
        self.subjects.insert(receipt.receipt_id, subject);
    }

    /// What an answer is about.
    pub(super) fn subject_of(&self, receipt: &Receipt<'_>) -> Result<Subject, Code> {
        let Meaning::Answer { action_hash, .. } = &receipt.content.meaning else { return Err(Code::Subject) };
        let id = answered(receipt)?;
        let subject = self.subjects.get(&id).ok_or(Code::Subject)?;
        if subject.action_hash == *action_hash { Ok(subject.clone()) } else { Err(Code::ActionHash) }
    }

    /// Records a checked answer.
    pub(super) fn answer(&mut self, receipt: &Receipt<'_>, eligible: bool) {
        let Meaning::Answer { approve, principal, expires, .. } = &receipt.content.meaning else {
            return;
        };
        let Ok(subject) = answered(receipt) else { return };
        if !*approve {
            // Whoever denies, denies: a refusal needs no eligibility.
            if let Some(subject) = self.subjects.get_mut(&subject) {
                subject.closed.get_or_insert(Code::Denied);
            }
            return;
        }
        let approval = Approval {
            subject,
            principal: *principal,
            given: receipt.timestamp,
            expires: *expires,
            eligible,
            spent: None,
        };
        self.approvals.insert(receipt.receipt_id, approval);
    }

    /// `approval_expired`: what it names can no longer be used.
    pub(super) fn expire(&mut self, receipt: &Receipt<'_>) -> Result<(), Code> {
        if receipt.content.refs.is_empty() {
            return Err(Code::Subject);
        }
        for one in &receipt.content.refs {
            if let Some(subject) = self.subjects.get_mut(&one.receipt_id) {
                subject.closed.get_or_insert(Code::Expired);
            }
            if let Some(approval) = self.approvals.get_mut(&one.receipt_id) {
                approval.spent.get_or_insert(Code::Expired);
            }
        }
        Ok(())
    }

    /// Whether an admitted action may follow what it names, and uses up the approvals it names.
    pub(super) fn check_run(&mut self, receipt: &Receipt<'_>, action: &Action) -> Result<(), Code> {
        let mut counts: BTreeMap<ReceiptId, u64> = BTreeMap::new();
        let mut by_escalation = false;
        let followed =
            receipt.content.refs.iter().filter(|one| matches!(one.rel, Rel::Escalation | Rel::DryRun));
        for one in followed {
            let subject = self.subjects.get(&one.receipt_id).ok_or(Code::Ref)?;
            if subject.action_hash != action.action_hash {
                return Err(Code::ActionHash);
            }
            if subject.verdict == Verdict::Deny {
                return Err(Code::Denied);
            }
            if let Some(code) = subject.closed {
                return Err(code);
            }
            by_escalation |= subject.escalation;
            counts.insert(one.receipt_id, 0);
        }
        match self.bound.get(&action.action_hash) {
            Some(true) if !by_escalation => return Err(Code::ApprovalsMissing),
            Some(false) if counts.is_empty() => return Err(Code::ApprovalsMissing),
            _ => {}
        }
        self.use_approvals(receipt, action, &mut counts)?;
        let enough = counts
            .iter()
            .all(|(id, count)| self.subjects.get(id).is_some_and(|subject| *count >= subject.required));
        if enough { Ok(()) } else { Err(Code::ApprovalsMissing) }
    }

    fn use_approvals(
        &mut self,
        receipt: &Receipt<'_>,
        action: &Action,
        counts: &mut BTreeMap<ReceiptId, u64>,
    ) -> Result<(), Code> {
        let mut approvers = BTreeSet::new();
        for one in receipt.content.refs_of(Rel::Approval) {
            let approval = self.approvals.get_mut(&one.receipt_id).ok_or(Code::Ref)?;
            let subject = self.subjects.get(&approval.subject).ok_or(Code::ApprovalSubject)?;
            let count = counts.get_mut(&approval.subject).ok_or(Code::ApprovalSubject)?;
            if let Some(code) = approval.spent {
                return Err(code);
            }
            let late = subject.expires.is_some_and(|expires| approval.given > expires);
            if late || receipt.timestamp > approval.expires {
                return Err(Code::Expired);
            }
            if approval.principal == subject.requester || approval.principal == action.principal {
                return Err(Code::SelfApproval);
            }
            if !approvers.insert((approval.subject, approval.principal)) {
                return Err(Code::SameApprover);
            }
            if !approval.eligible {
                return Err(Code::NotEligible);
            }
            approval.spent = Some(Code::ApprovalReused);
            *count += 1;
        }
        Ok(())
    }
}

/// The one escalation or dry run that an answer names.
fn answered(receipt: &Receipt<'_>) -> Result<ReceiptId, Code> {
    let mut subjects =
        receipt.content.refs.iter().filter(|one| matches!(one.rel, Rel::Escalation | Rel::DryRun));
    match (subjects.next(), subjects.next()) {
        (Some(one), None) => Ok(one.receipt_id),
        _ => Err(Code::Subject),
    }
}
