//! Layers without an effect on the world: they are asked, and what they propose is run.

use std::time::Duration;

use cascade_kernel::route::{Reply, Slot};
use cascade_policy::facts::TaskKind;
use cascade_receipt::content::{Evidence, Forgotten, Layer as LayerName};
use cascade_synthesis::spec;

use super::perform::{Found, Performer, Place};
use super::remembered::Remembered;
use super::trial::{self, Trial};
use super::{Request, Router, TaskError};
use crate::layer::{self, Asked, Candidate, retrieval};
use crate::memory::Recalled;

/// The lowest grade that is taken of a function that was verified for another task.
const FUNCTION_MIN: u8 = 70;
/// What a program must be worth without the caller's tests so that these verify it.
const VERIFY_MIN: u8 = 60;
/// How long after the decision a layer's second and further candidates are run.
const TRIALS_UNTIL: Duration = Duration::from_millis(1_350);

/// Whether a program is worth so much that the caller's tests verify it.
pub(super) const fn verifies(candidate: &Candidate) -> bool {
    candidate.unseen >= VERIFY_MIN || candidate.grade >= layer::VERIFY_FITTED_MIN
}

/// The layers that a task may be asked of, in their order. What is remembered of exactly this task comes first: the
/// layers before it were asked when it was learned, and the same engine finds the same.
pub(super) fn slots(router: &Router, request: &Request, remembered: &Remembered) -> Vec<(Place, Slot)> {
    let task = &request.task;
    let last = LayerName::parse(&task.max_layer).unwrap_or(LayerName::L7);
    let slot = |smoked, admit_min| Slot { acts: false, spends: false, smoked, admit_min };
    let mut slots = Vec::new();
    if last >= LayerName::L6
        && remembered.answer.is_some()
        && task.tools.is_empty()
        && !request.rehearses_an_act()
    {
        slots.push((Place::Memory, slot(task.kind == TaskKind::Code, 0)));
    }
    let mut function = (last >= LayerName::L2 && remembered.knows_another_function())
        .then(|| (Place::Function, slot(true, FUNCTION_MIN)));
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
    let acts = |spends| Slot { acts: true, spends, smoked: false, admit_min: 0 };
    if last >= LayerName::L6Cli && task.kind == TaskKind::Cli {
        slots.push((Place::Command, acts(false)));
    }
    // An intent that nobody follows up would use up what the task stands on.
    let in_vain = request.approved_itself().is_some() && router.asked().is_none();
    if last >= LayerName::L7 && task.kind != TaskKind::Cli && !in_vain {
        slots.push((Place::Model, acts(true)));
    }
    slots
}

impl Performer<'_> {
    pub(super) fn ask(&mut self, slot: usize) -> Result<Reply, TaskError> {
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
            Place::Command | Place::Model => Err(TaskError::Defect("a layer that acts was asked".to_owned())),
        }
    }

    pub(super) fn name(&self, place: Place) -> LayerName {
        match place {
            Place::Layer(at) => {
                self.router.layers.get(at).map_or(LayerName::L7, |layer| layer.manifest().layer.clone())
            }
            Place::Function => LayerName::L2,
            Place::Memory => LayerName::L6,
            Place::Command => LayerName::L6Cli,
            Place::Model => LayerName::L7,
        }
    }

    pub(super) fn ask_layer(&mut self, slot: usize, at: usize) -> Reply {
        let Some(layer) = self.router.layers.get(at) else { return Reply::Pass };
        let name = layer.manifest().layer.clone();
        let task = &self.request.task;
        let until = self.began + layer.manifest().budget;
        let asked =
            Asked { task, spec: &self.spec, several: task.tests.is_some(), until, notes: &self.notes };
        match layer.ask(&asked) {
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
            layer::Reply::Take(candidates) => self.try_out(slot, name, candidates),
        }
    }

    /// A function that was verified for another task, under this task's name for it.
    pub(super) fn ask_function(&mut self, slot: usize) -> Reply {
        let Some(recalled) = &self.remembered.function else { return Reply::Pass };
        let source = self.spec.renamed(&recalled.answer);
        // It was made for another task, as what is retrieved was.
        let grade = |read: &Result<spec::Task, _>| {
            retrieval::grade(read.as_ref().map_or(0, |read| read.examples.len()))
        };
        let unseen = grade(&self.spec.told);
        let grade = layer::with_asserts(grade(&self.spec.read), unseen);
        let candidate = Candidate { source, entry: None, grade, unseen, question: None };
        self.try_out(slot, LayerName::L2, vec![candidate])
    }

    /// The very answer to this task. Its verifier runs again; what fails is forgotten.
    pub(super) fn ask_memory(&mut self, slot: usize) -> Result<Reply, TaskError> {
        let Some(recalled) = self.remembered.answer.clone() else { return Ok(Reply::Pass) };
        let Recalled { memory, answer, evidence, grade, .. } = recalled.as_ref().clone();
        let candidate = Candidate { source: answer, entry: None, grade, unseen: grade, question: None };
        if self.request.task.kind != TaskKind::Code {
            if let Some(place) = self.found.get_mut(slot) {
                *place = Some(Found { candidate, evidence, smoke: None });
            }
            return Ok(Reply::Take { grade, evidence, smoked: false, question: false });
        }
        let before = self.declined.len();
        let reply = self.try_out(slot, LayerName::L6, vec![candidate]);
        let Reply::Take { evidence: now, .. } = reply else {
            // A machine on which nothing can be run says nothing about the answer.
            let told = self.declined.get(before).map(|declined| declined.code.as_str());
            if told.is_some_and(|code| ["smoke.examples", "smoke.tests"].contains(&code)) {
                self.forget(&memory, Forgotten::VERIFIER_FAILED);
            }
            return Ok(Reply::Pass);
        };
        // What it was worth when it was given is what it is worth now: the tests are the same.
        let evidence = now.min(evidence);
        if let Some(Some(found)) = self.found.get_mut(slot) {
            found.evidence = evidence;
        }
        self.shadowed = self.shadow(&recalled);
        Ok(Reply::Take { grade, evidence, smoked: true, question: false })
    }

    /// Runs what a layer proposes until one does what the task demands.
    pub(super) fn try_out(&mut self, slot: usize, name: LayerName, candidates: Vec<Candidate>) -> Reply {
        let tests = self.request.task.tests.as_deref();
        let mut first: Option<Trial> = None;
        for (at, candidate) in candidates.into_iter().take(layer::CANDIDATES_MAX).enumerate() {
            if at > 0 && self.began.elapsed() > TRIALS_UNTIL {
                break;
            }
            let trial = trial::run(&self.router.smoke, &self.spec, &candidate, tests);
            let Some(evidence) = trial.evidence else {
                first.get_or_insert(trial);
                continue;
            };
            // A few asserts are examples in another spelling, and among many programs one passes them by luck: they
            // verify what speaks for itself without them.
            let evidence = if verifies(&candidate) { evidence } else { evidence.min(Evidence::Checked) };
            let reply = Reply::Take {
                grade: candidate.grade,
                evidence,
                smoked: true,
                question: candidate.question.is_some(),
            };
            let admit_min = self.slots.get(slot).map_or(0, |(_, slot)| slot.admit_min);
            if evidence < Evidence::Verified && candidate.grade < admit_min {
                let tested = if tests.is_some() { ", though your tests pass" } else { "" };
                let detail = format!("{} of {admit_min}{tested}", candidate.grade);
                self.decline(name, "grade.below", Some(detail));
            }
            if let Some(place) = self.found.get_mut(slot) {
                *place = Some(Found { candidate, evidence, smoke: trial.backend });
            }
            return reply;
        }
        let (code, detail) = first
            .map_or(("layer.nothing", None), |trial| (trial.fault.unwrap_or("smoke.failed"), trial.detail));
        self.decline(name, code, detail);
        Reply::Pass
    }
}
