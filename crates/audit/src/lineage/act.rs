//! What belongs to one action: from the request for it to what closed it.

use std::collections::BTreeSet;
use std::rc::Rc;

use cascade_receipt::content::Rel;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::kind::Kind;

use super::graph::Folded;
use super::tracer::Tracer;
use super::{Fault, Find, Receipt};

/// How many runs, schedules and origins of answers are followed upwards.
const LEVELS_MAX: u32 = 4;
/// Receipts of one sort that are looked at: answers to one question, changes while something ran.
pub(super) const EACH_MAX: usize = 100;

/// Kinds that change what decisions stand on.
const CHANGES: [Kind; 6] = [
    Kind::PolicyActivated,
    Kind::PackActivated,
    Kind::GrantRevoked,
    Kind::PrincipalRemoved,
    Kind::Halted,
    Kind::KeyRevoked,
];

/// A grant that something stands on, or that one of those was handed on from.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) grant: Rc<Receipt>,
    /// The grant that it was handed on to, nearer to the action.
    pub(super) to: Option<Rc<Receipt>>,
    pub(super) revoked: Option<Rc<Receipt>>,
}

/// Something remembered that an answer stands on.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) learned: Rc<Receipt>,
    /// The call that had given the answer.
    pub(super) act: Option<Box<Act>>,
}

/// An action, or one receipt that is none.
#[derive(Debug)]
pub(super) struct Act {
    /// The receipt that led here.
    pub(super) about: Rc<Receipt>,
    /// Escalations and dry runs that were asked before it.
    pub(super) subjects: Vec<Rc<Receipt>>,
    /// What people answered to those, whether it counted or not.
    pub(super) answers: Vec<Rc<Receipt>>,
    /// The approvals that its start names.
    pub(super) used: Vec<Rc<Receipt>>,
    /// What began: an intent, a run, a change of a schedule, a pure task.
    pub(super) start: Option<Rc<Receipt>>,
    pub(super) glasses: Vec<Rc<Receipt>>,
    pub(super) reviews: Vec<Rc<Receipt>>,
    pub(super) grants: Vec<Held>,
    pub(super) heartbeats: Option<Folded>,
    pub(super) closers: Vec<Rc<Receipt>>,
    pub(super) invocation: Option<Rc<Receipt>>,
    pub(super) schedule: Option<Box<Self>>,
    /// The run that it is a step of, or that called it.
    pub(super) within: Option<Box<Self>>,
    /// What it undoes, and what undid it.
    pub(super) undoes: Option<Rc<Receipt>>,
    pub(super) undone_by: Vec<Rc<Receipt>>,
    pub(super) origins: Vec<Origin>,
    pub(super) learned: Vec<Rc<Receipt>>,
    /// What put the policy in force that it was decided by.
    pub(super) policy: Option<Rc<Receipt>>,
    pub(super) packs: Vec<Rc<Receipt>>,
    /// What changed while it ran.
    pub(super) changes: Vec<Rc<Receipt>>,
}

impl Act {
    pub(super) fn of(tracer: &mut Tracer<'_>, about: &Rc<Receipt>) -> Result<Self, Fault> {
        tracer.note(about, "asked for")?;
        Self::at(tracer, about, LEVELS_MAX)
    }

    fn blank(about: &Rc<Receipt>) -> Self {
        Self {
            about: about.clone(),
            subjects: Vec::new(),
            answers: Vec::new(),
            used: Vec::new(),
            start: None,
            glasses: Vec::new(),
            reviews: Vec::new(),
            grants: Vec::new(),
            heartbeats: None,
            closers: Vec::new(),
            invocation: None,
            schedule: None,
            within: None,
            undoes: None,
            undone_by: Vec::new(),
            origins: Vec::new(),
            learned: Vec::new(),
            policy: None,
            packs: Vec::new(),
            changes: Vec::new(),
        }
    }

    fn at(tracer: &mut Tracer<'_>, about: &Rc<Receipt>, levels: u32) -> Result<Self, Fault> {
        let mut act = Self::blank(about);
        act.find_start(tracer)?;
        act.request(tracer)?;
        act.authority(tracer)?;
        act.outcome(tracer)?;
        act.policy(tracer)?;
        if let Some(levels) = levels.checked_sub(1) {
            act.above(tracer, levels)?;
        }
        Ok(act)
    }

    /// The receipt that says most of it: where it began, or else what was decided of it, or else itself.
    pub(super) fn core(&self) -> &Rc<Receipt> {
        self.start.as_ref().or_else(|| self.subjects.first()).unwrap_or(&self.about)
    }

    /// Finds where it began from whatever receipt of it was asked for.
    fn find_start(&mut self, tracer: &mut Tracer<'_>) -> Result<(), Fault> {
        let about = self.about.clone();
        if about.is_start() {
            self.start = Some(about);
            return Ok(());
        }
        match about.known() {
            Some(Kind::Escalation | Kind::DryRun) => self.subjects.push(about),
            Some(Kind::Approval | Kind::Denial | Kind::ApprovalRefused | Kind::ApprovalExpired) => {
                self.answers.push(about.clone());
                for rel in [Rel::Escalation, Rel::DryRun] {
                    let asked = named(tracer, &about, rel)?;
                    self.subjects.extend(asked);
                }
            }
            Some(Kind::BreakGlass) => self.glasses.push(about.clone()),
            Some(Kind::Review) => self.glasses = named(tracer, &about, Rel::Parent)?,
            Some(Kind::ChainCompleted | Kind::ChainAborted) => {
                self.start = named(tracer, &about, Rel::Chain)?.into_iter().next();
                self.closers.push(about.clone());
            }
            Some(kind) if kind.is_closer() || kind == Kind::Heartbeat => {
                self.start = named(tracer, &about, Rel::Intent)?.into_iter().next();
                if about.is_closer() {
                    self.closers.push(about.clone());
                }
            }
            _ => {}
        }
        self.started_on(tracer)
    }

    /// What began on a question or a broken glass that is known.
    fn started_on(&mut self, tracer: &mut Tracer<'_>) -> Result<(), Fault> {
        let about: Vec<ReceiptId> = self.subjects.iter().chain(&self.glasses).map(|one| one.id).collect();
        for id in about {
            if self.start.is_none() {
                let later = tracer.referring(id, &[Rel::Escalation, Rel::DryRun, Rel::Parent], EACH_MAX)?;
                self.start = later.into_iter().find(|one| one.is_start());
            }
        }
        Ok(())
    }

    /// What was asked before, and what people answered.
    fn request(&mut self, tracer: &mut Tracer<'_>) -> Result<(), Fault> {
        if let Some(start) = self.start.clone() {
            for rel in [Rel::DryRun, Rel::Escalation] {
                let asked = named(tracer, &start, rel)?;
                self.subjects.extend(asked);
            }
            self.used = named(tracer, &start, Rel::Approval)?;
            for parent in named(tracer, &start, Rel::Parent)? {
                if parent.is(Kind::BreakGlass) {
                    self.glasses.push(parent);
                }
            }
        }
        unique(&mut self.subjects);
        unique(&mut self.glasses);
        for subject in self.subjects.clone() {
            tracer.note(&subject, if subject.is(Kind::DryRun) { "dry run" } else { "question" })?;
            let answers = tracer.referring(subject.id, &[Rel::Escalation, Rel::DryRun], EACH_MAX)?;
            self.answers.extend(answers.into_iter().filter(|one| is_answer(one)));
        }
        self.answers.extend(self.used.iter().cloned());
        unique(&mut self.answers);
        for answer in &self.answers {
            tracer.note(answer, "answer")?;
        }
        for glass in self.glasses.clone() {
            tracer.note(&glass, "broken glass")?;
            let reviews = tracer.referring(glass.id, &[Rel::Parent], EACH_MAX)?;
            for review in reviews.into_iter().filter(|one| one.is(Kind::Review)) {
                tracer.note(&review, "review")?;
                self.reviews.push(review);
            }
        }
        Ok(())
    }

    /// The grants that it stands on, up to who could give them.
    fn authority(&mut self, tracer: &mut Tracer<'_>) -> Result<(), Fault> {
        let core = self.core().clone();
        let mut seen = BTreeSet::new();
        let mut ahead: Vec<(Rc<Receipt>, Option<Rc<Receipt>>)> = Vec::new();
        if core.is(Kind::Grant) {
            ahead.push((core.clone(), None));
        } else {
            ahead.extend(named(tracer, &core, Rel::Grant)?.into_iter().map(|grant| (grant, None)));
        }
        while let Some((grant, to)) = ahead.pop() {
            if !seen.insert(grant.id) || seen.len() > EACH_MAX {
                continue;
            }
            tracer.note(&grant, "grant")?;
            let revoked = tracer.referring(grant.id, &[Rel::Grant], EACH_MAX)?;
            let revoked = revoked.into_iter().find(|one| one.is(Kind::GrantRevoked));
            if let Some(revoked) = &revoked {
                tracer.note(revoked, "revocation")?;
            }
            let above = named(tracer, &grant, Rel::Grant)?;
            ahead.extend(above.into_iter().map(|above| (above, Some(grant.clone()))));
            self.grants.push(Held { grant, to, revoked });
        }
        Ok(())
    }

    /// What became of it: heartbeats, closers, what was learned of it or undid it.
    fn outcome(&mut self, tracer: &mut Tracer<'_>) -> Result<(), Fault> {
        let Some(start) = self.start.clone() else { return Ok(()) };
        tracer.note(&start, "start")?;
        match start.known() {
            Some(Kind::TaskStarted) => {
                self.heartbeats = tracer.heartbeats(start.id)?;
                self.closers.extend(self.closers_of(tracer, &start)?);
            }
            Some(Kind::ChainStarted) => {
                let find = Find {
                    kinds: vec![Kind::ChainCompleted, Kind::ChainAborted],
                    spec: start.digest("spec_hash"),
                    seqs: start.seq..tracer.head(),
                    limit: EACH_MAX,
                    ..Find::default()
                };
                let ends = tracer.find(&find)?.into_iter();
                self.closers.extend(ends.filter(|end| names(end, Rel::Chain, start.id)));
            }
            _ => {}
        }
        unique(&mut self.closers);
        for closer in self.closers.clone() {
            tracer.note(&closer, "closer")?;
        }
        for of in self.closers.clone().into_iter().chain([start.clone()]) {
            for later in tracer.referring(of.id, &[Rel::Parent, Rel::Supersedes], EACH_MAX)? {
                if later.is(Kind::MemoryLearned) {
                    tracer.note(&later, "learned")?;
                    self.learned.push(later);
                } else if names(&later, Rel::Supersedes, of.id) {
                    tracer.note(&later, "undoing")?;
                    self.undone_by.push(later);
                } else if later.is(Kind::ChainStarted) {
                    tracer.note(&later, "called run")?;
                }
            }
        }
        self.undoes = named(tracer, &start, Rel::Supersedes)?.into_iter().next();
        if let Some(undone) = &self.undoes {
            tracer.note(undone, "undone")?;
        }
        self.changed(tracer, &start)
    }

    fn closers_of(&self, tracer: &mut Tracer<'_>, start: &Receipt) -> Result<Vec<Rc<Receipt>>, Fault> {
        // Heartbeats come first and are known; what follows the last of them closes.
        let after = self.heartbeats.as_ref().map_or(0, |folded| folded.last_seq);
        let closers = tracer.referring_after(start.id, &[Rel::Intent], after + 1, EACH_MAX)?;
        Ok(closers.into_iter().filter(|one| one.is_closer()).collect())
    }

    fn changed(&mut self, tracer: &mut Tracer<'_>, start: &Rc<Receipt>) -> Result<(), Fault> {
        if !is_long(start) {
            return Ok(());
        }
        let until = self.closers.first().map_or(tracer.head(), |closer| closer.seq);
        let find =
            Find { kinds: CHANGES.to_vec(), seqs: start.seq + 1..until, limit: EACH_MAX, ..Find::default() };
        self.changes = tracer.find(&find)?;
        Ok(())
    }

    /// The policy that was in force, and the packs.
    fn policy(&mut self, tracer: &mut Tracer<'_>) -> Result<(), Fault> {
        let core = self.core().clone();
        if core.verdict().is_none() {
            return Ok(());
        }
        let before = |kinds: &[Kind], limit| Find {
            kinds: kinds.to_vec(),
            seqs: 0..core.seq,
            newest: true,
            limit,
            ..Find::default()
        };
        let newest = tracer.find(&before(&[Kind::PolicyActivated, Kind::PackActivated], 1))?;
        self.policy = match newest.into_iter().next() {
            Some(activation) => Some(activation),
            None => tracer.by_seq(0)?.filter(|first| first.is(Kind::Genesis)),
        };
        if let Some(policy) = self.policy.clone() {
            tracer.note(&policy, "policy")?;
            tracer.link(&core, "policy", &policy);
        }
        let mut known = BTreeSet::new();
        for pack in tracer.find(&before(&[Kind::PackActivated], EACH_MAX))? {
            let Some(said) = pack.content.member("pack") else { continue };
            let name = said.member("name").and_then(|name| name.as_str()).unwrap_or_default().to_owned();
            let holds = said.member("active").and_then(|active| active.as_bool()) == Some(true);
            if known.insert(name) && holds {
                tracer.note(&pack, "pack")?;
                self.packs.push(pack.clone());
            }
        }
        Ok(())
    }

    /// What it is part of, and where answers that it repeats come from.
    fn above(&mut self, tracer: &mut Tracer<'_>, levels: u32) -> Result<(), Fault> {
        let core = self.core().clone();
        let run = named(tracer, &core, Rel::Chain)?.into_iter().next();
        let caller = named(tracer, &core, Rel::Parent)?.into_iter().find(|one| one.is_start());
        if let Some(run) = run.or(caller).filter(|run| run.id != core.id) {
            tracer.note(&run, "run")?;
            self.within = Some(Box::new(Self::at(tracer, &run, levels)?));
        }
        if core.is(Kind::ScheduleChanged) || core.is(Kind::CronInvocation) {
            if let Some(added) = named(tracer, &core, Rel::Cron)?.into_iter().next() {
                tracer.note(&added, "schedule")?;
                self.schedule = Some(Box::new(Self::at(tracer, &added, levels)?));
            }
        } else if let Some(invocation) = named(tracer, &core, Rel::Cron)?.into_iter().next() {
            tracer.note(&invocation, "invocation")?;
            if let Some(added) = named(tracer, &invocation, Rel::Cron)?.into_iter().next() {
                tracer.note(&added, "schedule")?;
                self.schedule = Some(Box::new(Self::at(tracer, &added, levels)?));
            }
            self.invocation = Some(invocation);
        }
        self.remembered(tracer, levels)
    }

    fn remembered(&mut self, tracer: &mut Tracer<'_>, levels: u32) -> Result<(), Fault> {
        let mut learned = Vec::new();
        for by in self.closers.clone().iter().chain([&self.core().clone(), &self.about.clone()]) {
            learned.extend(named(tracer, by, Rel::Memory)?);
        }
        if self.about.is(Kind::MemoryLearned) {
            learned.push(self.about.clone());
        }
        unique(&mut learned);
        for learned in learned {
            tracer.note(&learned, "memory")?;
            let answer = named(tracer, &learned, Rel::Parent)?.into_iter().next();
            let act = match answer {
                Some(answer) => {
                    tracer.note(&answer, "origin")?;
                    Some(Box::new(Self::at(tracer, &answer, levels)?))
                }
                None => None,
            };
            self.origins.push(Origin { learned, act });
        }
        Ok(())
    }
}

/// The receipts that one names by a relation. What is not there is noted as missing.
fn named(tracer: &mut Tracer<'_>, by: &Rc<Receipt>, rel: Rel) -> Result<Vec<Rc<Receipt>>, Fault> {
    let mut found = Vec::new();
    for one in by.named(rel) {
        match tracer.by_id(one.receipt_id)? {
            Some(receipt) => found.push(receipt),
            None => tracer.note_missing(by.id, rel, one.receipt_id),
        }
    }
    Ok(found)
}

/// Whether something of this start goes on after it.
pub(super) fn is_long(start: &Receipt) -> bool {
    matches!(start.known(), Some(Kind::TaskStarted | Kind::ChainStarted))
}

pub(super) fn names(receipt: &Receipt, rel: Rel, id: ReceiptId) -> bool {
    receipt.named(rel).any(|one| one.receipt_id == id)
}

fn is_answer(receipt: &Receipt) -> bool {
    matches!(
        receipt.known(),
        Some(Kind::Approval | Kind::Denial | Kind::ApprovalRefused | Kind::ApprovalExpired)
    )
}

/// Each once, in the order of the chain.
fn unique(receipts: &mut Vec<Rc<Receipt>>) {
    receipts.sort_by_key(|one| one.seq);
    receipts.dedup_by_key(|one| one.id);
}
