//! One task: effects of the route, one after the other.

use std::collections::VecDeque;
use std::time::Instant;

use cascade_kernel::action::{DECIDE_ATTEMPTS_MAX, Fault as KernelFault};
use cascade_kernel::route::{Acted, Effect, Event, Outcome, Record, Route, Slot, Status, Taken};
use cascade_ledger::{AppendError, Appended, Ledger, Mark};
use cascade_policy::decide::{self, Ruling};
use cascade_policy::facts::{self as policy_facts, Facts};
use cascade_receipt::content::{Evidence, Layer as LayerName, Recollection, Ref, Rel, Shadow};
use cascade_receipt::digest::Nonce;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::time::Timestamp;

use super::asking::slots;
use super::remembered::Remembered;
use super::{Answer, Called, Declined, Ran, Request, Router, Spec, TaskError, Tasked};
use crate::consent::Of;
use crate::facts::{self, Asker};
use crate::govern::{holds_until, is_about_consent, reference};
use crate::grants;
use crate::layer::{Candidate, Notes};
use crate::limits;
use crate::memory::Recalled;
use crate::run_lock::RunLock;
use crate::workflow::OfStep;

/// What a decision was made of; replaced when the task is decided again.
pub(super) struct Decided {
    pub(super) facts: Facts,
    pub(super) ruling: Ruling,
    pub(super) grants: Vec<Ref>,
    pub(super) holds_until: Option<Timestamp>,
    pub(super) mark: Mark,
}

/// The best of what one layer proposed.
pub(super) struct Found {
    pub(super) candidate: Candidate,
    pub(super) evidence: Evidence,
    pub(super) smoke: Option<String>,
}

/// Who stands behind a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// A layer of the router, by its number.
    Layer(usize),
    /// A verified answer to a function of the same types and examples.
    Function,
    /// An answer to exactly this task.
    Memory,
    /// A command of a worker.
    Command,
    /// A language model.
    Model,
}

pub(super) struct Performer<'a> {
    pub(super) router: &'a Router,
    pub(super) ledger: &'a Ledger,
    pub(super) request: &'a Request,
    pub(super) asker: Asker,
    pub(super) spec: Spec,
    pub(super) remembered: Remembered,
    /// Who stands behind which slot.
    pub(super) slots: Vec<(Place, Slot)>,
    pub(super) action_nonce: Nonce,
    pub(super) facts_nonce: Nonce,
    pub(super) output_nonce: Nonce,
    pub(super) intent_id: ReceiptId,
    pub(super) intent: Option<Ref>,
    pub(super) decided: Option<Decided>,
    pub(super) began: Instant,
    pub(super) found: Vec<Option<Found>>,
    pub(super) declined: Vec<Declined>,
    pub(super) asks: Option<String>,
    pub(super) receipts: Vec<Appended>,
    pub(super) waits_for: Option<ReceiptId>,
    pub(super) refused: Option<AppendError>,
    pub(super) answer: Option<Answer>,
    /// What is remembered that the answer stands on.
    pub(super) stands_on: Option<Ref>,
    /// How that was used.
    pub(super) recalled: Option<Recollection>,
    /// What a shadow check of the remembered answer found.
    pub(super) shadowed: Option<Shadow>,
    pub(super) learned: Vec<Appended>,
    pub(super) unlearned: Option<String>,
    pub(super) notes: Notes,
    lock: Option<RunLock>,
    /// What the gates said of the action that a layer took.
    pub(super) acted_on: Option<Ruling>,
    pub(super) ran: Option<Ran>,
    pub(super) calls: Vec<Called>,
    pub(super) invented: u64,
    pub(super) tokens: u64,
    pub(super) cost_microusd: u64,
}

pub(super) fn perform(router: &Router, ledger: &Ledger, request: &Request) -> Result<Tasked, TaskError> {
    let spec = Spec::of(&request.task);
    for _ in 0..DECIDE_ATTEMPTS_MAX {
        match attempt(router, ledger, request, spec.clone()) {
            // What was recalled does not hold under what is in force now: from the beginning.
            Err(TaskError::Outdated) => {}
            other => return other,
        }
    }
    Err(TaskError::Unsettled)
}

fn attempt(router: &Router, ledger: &Ledger, request: &Request, spec: Spec) -> Result<Tasked, TaskError> {
    let began = Instant::now();
    let asker = request.asker.again(ledger)?;
    let remembered =
        Remembered::look(ledger, request, &spec, asker.principal_id(), router.asked().as_deref())?;
    let slots = slots(router, request, &remembered);
    let known = slots.iter().map(|(_, slot)| *slot).collect();
    let (route, effects) = match request.approved_itself() {
        Some(_) => Route::submit_approved(known, request.spend),
        None => Route::submit(known, request.spend),
    };
    let mut performer = Performer::new(router, ledger, request, (asker, spec, remembered, slots))?;
    // The look into memory is part of what a task takes.
    performer.began = began;
    for (memory, code) in std::mem::take(&mut performer.remembered.spoiled) {
        performer.forget(&memory, code);
    }
    if request.approved_itself().is_some() && router.asked().is_none() {
        performer.lacks_model();
    }
    let outcome = match request.approved.as_ref().map(|standing| &standing.of) {
        // What was approved is this very action: no other layer is asked.
        Some(Of::Question) => Outcome::Acted(0, performer.ask_model()?),
        Some(Of::Command(command)) => Outcome::Acted(0, performer.run_approved(command)?),
        Some(Of::Task) | None => performer.perform_all(route, effects)?,
    };
    performer.ended(outcome)
}

impl<'a> Performer<'a> {
    fn new(
        router: &'a Router,
        ledger: &'a Ledger,
        request: &'a Request,
        (asker, spec, remembered, slots): (Asker, Spec, Remembered, Vec<(Place, Slot)>),
    ) -> Result<Self, TaskError> {
        // What follows an escalation or a dry run inherits its nonce, so that all carry the same action_hash.
        let action_nonce = match request.approved_itself() {
            Some(approved) => approved.action_nonce,
            None => cascade_ledger::nonce()?,
        };
        Ok(Self {
            router,
            ledger,
            request,
            asker,
            spec,
            found: slots.iter().map(|_| None).collect(),
            slots,
            action_nonce,
            facts_nonce: cascade_ledger::nonce()?,
            output_nonce: cascade_ledger::nonce()?,
            intent_id: cascade_ledger::receipt_id()?,
            intent: None,
            decided: None,
            began: Instant::now(),
            declined: remembered.declined(),
            remembered,
            asks: None,
            receipts: Vec::new(),
            waits_for: None,
            refused: None,
            answer: None,
            stands_on: None,
            recalled: None,
            shadowed: None,
            learned: Vec::new(),
            unlearned: None,
            notes: Notes::default(),
            lock: None,
            acted_on: None,
            ran: None,
            calls: Vec::new(),
            invented: 0,
            tokens: 0,
            cost_microusd: 0,
        })
    }
}

impl Performer<'_> {
    /// What the caller is told, once what follows the answer is done.
    fn ended(mut self, outcome: Outcome) -> Result<Tasked, TaskError> {
        let answered = matches!(outcome, Outcome::Answered(_) | Outcome::Acted(_, Acted::Answered));
        if answered {
            self.learn();
            self.forget_what_differs();
        }
        let decided = self.decided.map(|decided| decided.ruling);
        Ok(Tasked {
            outcome,
            ruling: self.acted_on.or(decided).ok_or_else(undecided)?,
            receipts: self.receipts,
            waits_for: self.waits_for,
            answer: self.answer.filter(|_| answered),
            declined: self.declined,
            asks: self.asks,
            learned: self.learned,
            unlearned: self.unlearned,
            ran: self.ran,
            calls: self.calls,
            invented: self.invented,
            tokens: self.tokens,
            cost_microusd: self.cost_microusd,
        })
    }

    fn perform_all(&mut self, mut route: Route, effects: Vec<Effect>) -> Result<Outcome, TaskError> {
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            let event = match effect {
                Effect::Decide => self.decide()?,
                Effect::Ask(slot) => Event::Replied(self.ask(slot)?),
                Effect::Append(record) => self.append(record, &route)?,
                // The answer is handed over when the route has reported its end, which it does in the same step.
                Effect::Release => continue,
                Effect::Report(outcome) => return Ok(outcome),
                Effect::Fault(KernelFault::Unsettled) => return Err(TaskError::Unsettled),
                Effect::Fault(KernelFault::Ledger) => {
                    return Err(TaskError::Append(self.refused.take().unwrap_or(AppendError::Stopped)));
                }
                Effect::Act(slot) => Event::Ended(self.act(slot)?),
            };
            queue.extend(route.step(event)?);
        }
        Err(TaskError::Defect("the task ended without a report".to_owned()))
    }

    fn decide(&mut self) -> Result<Event, TaskError> {
        // The mark comes from the same look as the policy: whatever changes after it makes the receipt stale.
        let (snapshot, mark) = self.router.policy(self.ledger)?;
        if self.remembered.policy_hash != snapshot.policy_hash() && self.remembered.is_used() {
            return Err(TaskError::Outdated);
        }
        self.asker = self.asker.again(self.ledger)?;
        let mut facts = facts::of_task(&self.ledger.present()?, &self.asker, self.request.task.clone())?;
        facts.spec = self.spec_facts()?;
        let dry_run = self.request.dry_run && !self.request.rehearses_an_act();
        facts.dry_run = dry_run;
        limits::count(self.ledger, &snapshot, &mut facts, None)?;
        if let Some(approved) = self.request.approved_itself() {
            let gone = approved.gone(self.ledger)?;
            if !gone.is_empty() {
                return Err(TaskError::ApprovalGone(gone));
            }
            approved.add_to(self.ledger, &mut facts, None)?;
        }
        let ruling = decide::decide(&snapshot, &facts);
        let event = Event::Decided { verdict: ruling.decision.verdict, dry_run };
        let grants = grants::used(self.ledger, &ruling.decision)?;
        let holds_until = holds_until(&ruling, &facts, &grants, &self.asker);
        self.decided = Some(Decided { facts, ruling, grants, holds_until, mark });
        Ok(event)
    }

    /// What the gates hear of the workflow that the task is a step of.
    pub(super) fn spec_facts(&self) -> Result<Option<policy_facts::Spec>, TaskError> {
        let of = |step: &OfStep| step.task_facts(self.ledger, &self.request.task);
        Ok(self.request.step.as_ref().map(of).transpose()?)
    }

    pub(super) fn decline(&mut self, layer: LayerName, code: &str, detail: Option<String>) {
        self.declined.push(Declined { layer, code: code.to_owned(), detail });
    }

    /// The answer that the route has taken.
    fn take(&mut self, taken: Taken) -> Result<(), TaskError> {
        if self.answer.is_some() {
            return Ok(());
        }
        let (place, _) = self.slots.get(taken.slot).copied().ok_or_else(no_answer)?;
        let layer = self.name(place);
        let found = self.found.get_mut(taken.slot).and_then(Option::take).ok_or_else(no_answer)?;
        // A layer that answers all the same has not declined.
        self.declined.retain(|declined| declined.layer != layer);
        self.answer = Some(Answer {
            text: found.candidate.source,
            layer,
            evidence: taken.evidence.min(found.evidence),
            grade: found.candidate.grade,
            smoke: found.smoke,
            question: found.candidate.question,
        });
        let used = self.remembered.used(place);
        self.stands_on = used.map(Recalled::reference);
        let shadow = self.shadowed.filter(|_| place == Place::Memory);
        self.recalled = used.map(|used| Recollection { hit: used.uses + 1, shadow });
        Ok(())
    }

    fn append(&mut self, record: Record, route: &Route) -> Result<Event, TaskError> {
        if let (Record::Answer, Status::Answering(taken)) = (record, route.status()) {
            self.take(taken)?;
        }
        let decided = self.decided.take().ok_or_else(undecided)?;
        if record == Record::Intent {
            // Nobody else closes it before we do.
            self.lock = Some(RunLock::take(self.ledger, self.intent_id)?);
        }
        let draft = match (record, route.status()) {
            (Record::Closer, Status::Settling(outcome)) => self.settled(outcome),
            (Record::Closer, _) => self.closer(),
            _ => self.draft(record, &decided, self.answer.as_ref()),
        };
        self.decided = Some(decided);
        match self.ledger.append(draft?) {
            Ok(appended) => {
                if record == Record::Intent {
                    self.intent = Some(reference(Rel::Intent, &appended));
                }
                if record == Record::Escalation {
                    self.waits_for = Some(appended.receipt_id);
                }
                self.receipts.push(appended);
                Ok(Event::Durable)
            }
            Err(AppendError::MemoryGone { .. }) => Err(TaskError::Outdated),
            Err(AppendError::Stale | AppendError::Halted | AppendError::Suspended) => Ok(Event::Stale),
            // Somebody used or changed the approval or grant in between: the gates look again.
            Err(error) if is_about_consent(&error) => Ok(Event::Stale),
            Err(error) => {
                self.refused = Some(error);
                Ok(Event::AppendFailed)
            }
        }
    }
}

fn undecided() -> TaskError {
    TaskError::Defect("nothing decided".to_owned())
}

fn no_answer() -> TaskError {
    TaskError::Defect("an answer was taken that nobody gave".to_owned())
}
