//! What belongs to one action: from the request for it to what closed it.

mod standing;

use std::collections::BTreeSet;
use std::rc::Rc;

use cascade_receipt::content::Rel;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::kind::Kind;

use super::graph::Folded;
use super::tracer::Tracer;
use super::{Fault, Receipt, Referring};

/// How many runs, schedules and origins of answers are followed upwards.
const LEVELS_MAX: u32 = 4;
/// Receipts of one sort that are looked at: answers to one question, changes while something ran.
pub(super) const EACH_MAX: usize = 100;

/// Kinds that begin something; those of pure tasks stand among them.
const STARTS: [Kind; 4] = [Kind::TaskStarted, Kind::ChainStarted, Kind::ScheduleChanged, Kind::TaskCompleted];
/// Answers that decide. Those that were refused are asked for apart: anybody may give any number of them.
const ANSWERS: [Kind; 3] = [Kind::Approval, Kind::Denial, Kind::ApprovalExpired];
const CLOSERS: [Kind; 4] = [Kind::TaskCompleted, Kind::TaskFailed, Kind::TaskRevoked, Kind::TaskUnknown];

/// Where a bound ended a look.
#[derive(Debug)]
pub(super) struct Cut {
    /// Whether what was not looked at could change the verdict.
    pub(super) weighs: bool,
    pub(super) text: &'static str,
    pub(super) by: Rc<Receipt>,
}

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
    /// What was not looked at.
    pub(super) cuts: Vec<Cut>,
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
            cuts: Vec::new(),
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
                let rels = [Rel::Escalation, Rel::DryRun, Rel::Parent];
                let asked = Referring::to(id, EACH_MAX + 1).by(&rels).of(&STARTS);
                let later = tracer.referring(&asked)?;
                let cut = later.len() > EACH_MAX;
                self.start = later.into_iter().find(|one| one.is_start());
                if cut && self.start.is_none() {
                    let text = "more names it than is looked at: what began on it may be among that";
                    self.cuts.push(Cut { weighs: true, text, by: self.about.clone() });
                }
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
            let rels = [Rel::Escalation, Rel::DryRun];
            let text = "there are more answers than are looked at";
            let answers = self.referring(tracer, subject.id, &rels, &ANSWERS, Some(text))?;
            let refused = self.referring(tracer, subject.id, &rels, &[Kind::ApprovalRefused], None)?;
            self.answers.extend(answers.into_iter().chain(refused));
        }
        self.answers.extend(self.used.iter().cloned());
        unique(&mut self.answers);
        for answer in &self.answers {
            tracer.note(answer, "answer")?;
        }
        for glass in self.glasses.clone() {
            tracer.note(&glass, "broken glass")?;
            for review in self.referring(tracer, glass.id, &[Rel::Parent], &[Kind::Review], None)? {
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
            if !seen.insert(grant.id) {
                continue;
            }
            if seen.len() > EACH_MAX {
                let text = "it stands on more grants than are looked at";
                self.cuts.push(Cut { weighs: true, text, by: core.clone() });
                break;
            }
            tracer.note(&grant, "grant")?;
            let asked = Referring::to(grant.id, 1).by(&[Rel::Grant]).of(&[Kind::GrantRevoked]);
            let revoked = tracer.referring(&asked)?.into_iter().next();
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
                let text = "more claims to end it than is looked at";
                let ends = self.referring(tracer, start.id, &[Rel::Intent], &CLOSERS, Some(text))?;
                self.closers.extend(ends);
            }
            Some(Kind::ChainStarted) => {
                let kinds = [Kind::ChainCompleted, Kind::ChainAborted];
                let text = "more claims to end the run than is looked at";
                let ends = self.referring(tracer, start.id, &[Rel::Chain], &kinds, Some(text))?;
                self.closers.extend(ends);
            }
            _ => {}
        }
        unique(&mut self.closers);
        for closer in self.closers.clone() {
            tracer.note(&closer, "closer")?;
        }
        for of in self.closers.clone().into_iter().chain([start.clone()]) {
            for later in self.referring(tracer, of.id, &[Rel::Supersedes], &[], None)? {
                tracer.note(&later, "undoing")?;
                self.undone_by.push(later);
            }
            for later in self.referring(tracer, of.id, &[Rel::Parent], &[Kind::MemoryLearned], None)? {
                tracer.note(&later, "learned")?;
                self.learned.push(later);
            }
            for later in self.referring(tracer, of.id, &[Rel::Parent], &[Kind::ChainStarted], None)? {
                tracer.note(&later, "called run")?;
            }
        }
        self.undoes = named(tracer, &start, Rel::Supersedes)?.into_iter().next();
        if let Some(undone) = &self.undoes {
            tracer.note(undone, "undone")?;
        }
        self.changed(tracer, &start)
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

/// Each once, in the order of the chain.
fn unique(receipts: &mut Vec<Rc<Receipt>>) {
    receipts.sort_by_key(|one| one.seq);
    receipts.dedup_by_key(|one| one.id);
}
