//! One task: effects of the route, one after the other.

use std::collections::VecDeque;
use std::time::Instant;

use cascade_kernel::action::{DECIDE_ATTEMPTS_MAX, Fault as KernelFault};
use cascade_kernel::route::{Effect, Event, Outcome, Record, Reply, Route, Slot, Status, Taken};
use cascade_ledger::{AppendError, Appended, Fault, Ledger, Mark, Memory};
use cascade_policy::decide::{self, Ruling};
use cascade_policy::facts::{Facts, TaskKind};
use cascade_receipt::content::{Evidence, Layer as LayerName, Ref, Rel};
use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::time::Timestamp;

use super::trial::{self, Trial};
use super::{Answer, Declined, Request, Router, Spec, TaskError, Tasked};
use crate::facts::{self, Asker};
use crate::govern::{holds_until, reference};
use crate::grants;
use crate::layer::{self, Asked, Proposal};
use crate::limits;
use crate::memory::{self, Key, Lesson, Origin, Recall, Recalled};

/// What a decision was made of; replaced when the task is decided again.
pub(super) struct Decided {
    pub(super) facts: Facts,
    pub(super) ruling: Ruling,
    pub(super) grants: Vec<Ref>,
    pub(super) holds_until: Option<Timestamp>,
    pub(super) mark: Mark,
}

/// What a function of the same types and examples that was verified is worth, once it has been run.
const FUNCTION_GRADE: u8 = 80;

/// The best of what one layer proposed.
struct Found {
    proposal: Proposal,
    evidence: Evidence,
    smoke: Option<String>,
}

/// Who stands behind a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// A layer of the router, by its number.
    Layer(usize),
    /// A verified answer to a function of the same types and examples.
    Function,
    /// An answer to exactly this task.
    Memory,
}

pub(super) struct Performer<'a> {
    router: &'a Router,
    ledger: &'a Ledger,
    pub(super) request: &'a Request,
    pub(super) asker: Asker,
    spec: Spec,
    remembered: Remembered,
    /// Who stands behind which slot.
    slots: Vec<(Place, Slot)>,
    pub(super) action_nonce: Nonce,
    pub(super) facts_nonce: Nonce,
    pub(super) output_nonce: Nonce,
    pub(super) intent_id: ReceiptId,
    pub(super) intent: Option<Ref>,
    pub(super) decided: Option<Decided>,
    pub(super) began: Instant,
    found: Vec<Option<Found>>,
    pub(super) declined: Vec<Declined>,
    asks: Option<String>,
    receipts: Vec<Appended>,
    refused: Option<AppendError>,
    answer: Option<Answer>,
    /// What is remembered that the answer stands on.
    pub(super) stands_on: Option<Ref>,
    learned: Vec<Appended>,
    unlearned: Option<String>,
}

/// What memory had of a task when it was asked.
struct Remembered {
    key: Key,
    function_key: Option<Key>,
    policy_hash: Digest,
    answer: Option<Box<Recalled>>,
    function: Option<Box<Recalled>>,
    /// Why there is no answer of exactly this task.
    why_not: Option<&'static str>,
    /// What must be forgotten.
    spoiled: Vec<(Box<Memory>, &'static str)>,
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
    let asker = request.asker.again(ledger)?;
    let remembered = Remembered::look(ledger, request, &spec, asker.principal_id())?;
    let slots = slots(router, request, &remembered);
    let (route, effects) = Route::submit(slots.iter().map(|(_, slot)| *slot).collect(), request.spend);
    let mut performer = Performer {
        router,
        ledger,
        request,
        asker,
        spec,
        found: slots.iter().map(|_| None).collect(),
        slots,
        action_nonce: cascade_ledger::nonce()?,
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
        refused: None,
        answer: None,
        stands_on: None,
        learned: Vec::new(),
        unlearned: None,
    };
    for (memory, code) in std::mem::take(&mut performer.remembered.spoiled) {
        performer.forget(&memory, code);
    }
    let outcome = performer.perform_all(route, effects)?;
    if matches!(outcome, Outcome::Answered(_)) {
        performer.learn();
    }
    let decided = performer.decided.ok_or_else(undecided)?;
    Ok(Tasked {
        outcome,
        ruling: decided.ruling,
        receipts: performer.receipts,
        answer: performer.answer.filter(|_| matches!(outcome, Outcome::Answered(_))),
        declined: performer.declined,
        asks: performer.asks,
        learned: performer.learned,
        unlearned: performer.unlearned,
    })
}

/// The layers that a task may be asked of, in their order. What is remembered of exactly this task comes first: the
/// layers before it were asked when it was learned, and the same engine finds the same.
fn slots(router: &Router, request: &Request, remembered: &Remembered) -> Vec<(Place, Slot)> {
    let task = &request.task;
    let last = LayerName::parse(&task.max_layer).unwrap_or(LayerName::L7);
    let slot = |smoked, admit_min| Slot { acts: false, spends: false, smoked, admit_min };
    let mut slots = Vec::new();
    if last >= LayerName::L6 && remembered.answer.is_some() {
        slots.push((Place::Memory, slot(task.kind == TaskKind::Code, 0)));
    }
    let mut function = (last >= LayerName::L2 && remembered.function.is_some())
        .then(|| (Place::Function, slot(true, FUNCTION_GRADE)));
    for (at, layer) in router.layers.iter().enumerate() {
        let manifest = layer.manifest();
        if manifest.behind > LayerName::L2 {
            slots.extend(function.take());
        }
        if manifest.kinds.contains(&task.kind) && manifest.behind <= last {
            slots.push((Place::Layer(at), slot(true, manifest.admit_min)));
        }
    }
    slots.extend(function);
    slots
}

impl Performer<'_> {
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
                Effect::Act(_) => return Err(TaskError::Defect("a layer that does not act".to_owned())),
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
        let mut facts = facts::of_task(self.ledger, &self.asker, self.request.task.clone())?;
        facts.dry_run = self.request.dry_run;
        limits::count(self.ledger, &snapshot, &mut facts, None)?;
        let ruling = decide::decide(&snapshot, &facts);
        let event = Event::Decided { verdict: ruling.decision.verdict, dry_run: self.request.dry_run };
        let grants = grants::used(self.ledger, &ruling.decision)?;
        let holds_until = holds_until(&ruling, &facts, &grants);
        self.decided = Some(Decided { facts, ruling, grants, holds_until, mark });
        Ok(event)
    }

    fn ask(&mut self, slot: usize) -> Result<Reply, TaskError> {
        let Some((place, _)) = self.slots.get(slot).copied() else { return Ok(Reply::Pass) };
        if self.spec.contradicts_itself() {
            let why = self.spec.read.as_ref().err().map(ToString::to_string);
            self.decline(self.name(place), "task.contradiction", why);
            return Ok(Reply::Refuse);
        }
        match place {
            Place::Layer(at) => Ok(self.ask_layer(slot, at)),
            Place::Function => Ok(self.ask_function(slot)),
            Place::Memory => self.ask_memory(slot),
        }
    }

    fn name(&self, place: Place) -> LayerName {
        match place {
            Place::Layer(at) => {
                self.router.layers.get(at).map_or(LayerName::L7, |layer| layer.manifest().layer.clone())
            }
            Place::Function => LayerName::L2,
            Place::Memory => LayerName::L6,
        }
    }

    fn ask_layer(&mut self, slot: usize, at: usize) -> Reply {
        let Some(layer) = self.router.layers.get(at) else { return Reply::Pass };
        let name = layer.manifest().layer.clone();
        let task = &self.request.task;
        let asked = Asked { task, spec: &self.spec, several: task.tests.is_some() };
        match layer.propose(&asked) {
            layer::Reply::Pass(code) => {
                self.decline(name, code, None);
                Reply::Pass
            }
            layer::Reply::Refuse(code) => {
                self.decline(name, code, None);
                Reply::Refuse
            }
            layer::Reply::Ask(words) => {
                self.decline(name, "layer.asks", None);
                self.asks = Some(words);
                Reply::Ask
            }
            layer::Reply::Take(proposals) => self.try_out(slot, name, proposals),
        }
    }

    /// A function that was verified for another task, under this task's name for it.
    fn ask_function(&mut self, slot: usize) -> Reply {
        let Some(recalled) = &self.remembered.function else { return Reply::Pass };
        let source = self.spec.renamed(&recalled.answer);
        let proposal = Proposal { source, entry: None, grade: FUNCTION_GRADE, question: None };
        self.try_out(slot, LayerName::L2, vec![proposal])
    }

    /// The very answer to this task. Its verifier runs again; what fails is forgotten.
    fn ask_memory(&mut self, slot: usize) -> Result<Reply, TaskError> {
        let Some(recalled) = self.remembered.answer.clone() else { return Ok(Reply::Pass) };
        let Recalled { memory, answer, evidence, grade, .. } = *recalled;
        let proposal = Proposal { source: answer, entry: None, grade, question: None };
        if self.request.task.kind != TaskKind::Code {
            if let Some(place) = self.found.get_mut(slot) {
                *place = Some(Found { proposal, evidence, smoke: None });
            }
            return Ok(Reply::Take { grade, evidence, smoked: false, question: false });
        }
        let before = self.declined.len();
        let reply = self.try_out(slot, LayerName::L6, vec![proposal]);
        let Reply::Take { evidence: now, .. } = reply else {
            // A machine on which nothing can be run says nothing about the answer.
            let told = self.declined.get(before).map(|declined| declined.code.as_str());
            if told.is_some_and(|code| ["smoke.examples", "smoke.tests"].contains(&code)) {
                self.forget(&memory, "memory.verifier_failed");
            }
            return Ok(Reply::Pass);
        };
        // Examples make nothing of what was only proposed; tests that hold do.
        let evidence = if now == Evidence::Verified { now } else { now.min(evidence) };
        if let Some(Some(found)) = self.found.get_mut(slot) {
            found.evidence = evidence;
        }
        Ok(Reply::Take { grade, evidence, smoked: true, question: false })
    }

    fn forget(&mut self, memory: &Memory, code: &'static str) {
        let forgotten = memory::forget(self.ledger, memory, self.asker.principal_id(), code, None);
        match forgotten {
            Ok(appended) => self.receipts.push(appended),
            // Somebody else was faster.
            Err(AppendError::MemoryGone { .. }) => {}
            Err(error) => self.unlearned = Some(error.to_string()),
        }
    }

    /// Remembers the answer that was given. It is out and on record; whatever goes wrong here loses nothing of it.
    fn learn(&mut self) {
        let (Some(answer), Some(receipt)) = (&self.answer, self.receipts.last().cloned()) else { return };
        // A proposal of an engine costs nothing to find again, with the question that belongs to it.
        let cheap = answer.evidence == Evidence::Proposed && answer.layer != LayerName::L7;
        if cheap || matches!(answer.layer, LayerName::L1 | LayerName::L2 | LayerName::L6) {
            return;
        }
        let (evidence, principal) = (answer.evidence, self.asker.principal_id());
        let function = self.remembered.function_key.as_ref().filter(|_| evidence == Evidence::Verified);
        let mut learned = Vec::new();
        for key in [Some(&self.remembered.key), function].into_iter().flatten() {
            match memory::learn(self.ledger, &Lesson { key, answer: &receipt, evidence, principal }) {
                Ok(appended) => learned.extend(appended),
                Err(error) => self.unlearned = Some(error.to_string()),
            }
        }
        self.learned = learned;
    }

    /// Runs what a layer proposes until one does what the task demands.
    fn try_out(&mut self, slot: usize, name: LayerName, proposals: Vec<Proposal>) -> Reply {
        let tests = self.request.task.tests.as_deref();
        let mut first: Option<Trial> = None;
        for proposal in proposals.into_iter().take(layer::PROPOSALS_MAX) {
            let trial = trial::run(&self.router.smoke, &self.spec, &proposal, tests);
            let Some(evidence) = trial.evidence else {
                first.get_or_insert(trial);
                continue;
            };
            let reply = Reply::Take {
                grade: proposal.grade,
                evidence,
                smoked: true,
                question: proposal.question.is_some(),
            };
            let admit_min = self.slots.get(slot).map_or(0, |(_, slot)| slot.admit_min);
            if evidence < Evidence::Verified && proposal.grade < admit_min {
                self.decline(name, "grade.below", Some(format!("{} of {admit_min}", proposal.grade)));
            }
            if let Some(place) = self.found.get_mut(slot) {
                *place = Some(Found { proposal, evidence, smoke: trial.backend });
            }
            return reply;
        }
        let (code, detail) = first
            .map_or(("layer.nothing", None), |trial| (trial.fault.unwrap_or("smoke.failed"), trial.detail));
        self.decline(name, code, detail);
        Reply::Pass
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
            text: found.proposal.source,
            layer,
            evidence: taken.evidence.min(found.evidence),
            grade: found.proposal.grade,
            smoke: found.smoke,
            question: found.proposal.question,
        });
        self.stands_on = self.remembered.reference(place);
        Ok(())
    }

    fn append(&mut self, record: Record, route: &Route) -> Result<Event, TaskError> {
        if let (Record::Answer, Status::Answering(taken)) = (record, route.status()) {
            self.take(taken)?;
        }
        let decided = self.decided.take().ok_or_else(undecided)?;
        let draft = self.draft(record, &decided, self.answer.as_ref());
        self.decided = Some(decided);
        match self.ledger.append(draft?) {
            Ok(appended) => {
                if record == Record::Intent {
                    self.intent = Some(reference(Rel::Intent, &appended));
                }
                self.receipts.push(appended);
                Ok(Event::Durable)
            }
            Err(AppendError::MemoryGone { .. }) => Err(TaskError::Outdated),
            Err(AppendError::Stale | AppendError::Halted | AppendError::GrantEnded { .. }) => {
                Ok(Event::Stale)
            }
            Err(error) => {
                self.refused = Some(error);
                Ok(Event::AppendFailed)
            }
        }
    }
}

impl Remembered {
    fn look(ledger: &Ledger, request: &Request, spec: &Spec, asker: PrincipalId) -> Result<Self, Fault> {
        let (policy, _) = ledger.policy_in_force()?;
        let origin = Origin { log_origin: ledger.log_origin(), policy_hash: policy.hash, model: None };
        let (key, function_key) = (Key::of_task(&origin, &request.task), Key::of_function(&origin, spec));
        let mut found = Self {
            key,
            function_key,
            policy_hash: policy.hash,
            answer: None,
            function: None,
            why_not: None,
            spoiled: Vec::new(),
        };
        let at = facts::chain_now(ledger)?;
        match memory::recall(ledger, &found.key, asker, at)? {
            Recall::Answer(recalled) => found.answer = Some(recalled),
            Recall::Nothing(code) => found.why_not = Some(code),
            Recall::Spoiled(memory, code) => {
                found.why_not = Some(code);
                found.spoiled.push((memory, code));
            }
        }
        if let Some(key) = &found.function_key {
            match memory::recall(ledger, key, asker, at)? {
                Recall::Answer(recalled) => found.function = Some(recalled),
                Recall::Nothing(_) => {}
                Recall::Spoiled(memory, code) => found.spoiled.push((memory, code)),
            }
        }
        Ok(found)
    }

    fn declined(&self) -> Vec<Declined> {
        let code = self.why_not.into_iter();
        code.map(|code| Declined { layer: LayerName::L6, code: code.to_owned(), detail: None }).collect()
    }

    const fn is_used(&self) -> bool {
        self.answer.is_some() || self.function.is_some()
    }

    fn reference(&self, place: Place) -> Option<Ref> {
        match place {
            Place::Memory => self.answer.as_ref().map(|recalled| recalled.reference()),
            Place::Function => self.function.as_ref().map(|recalled| recalled.reference()),
            Place::Layer(_) => None,
        }
    }
}

fn undecided() -> TaskError {
    TaskError::Defect("nothing decided".to_owned())
}

fn no_answer() -> TaskError {
    TaskError::Defect("an answer was taken that nobody gave".to_owned())
}
