//! Shadow checks: now and then, whoever gave a remembered answer is asked once more, and nobody sees what comes of it.
//!
//! What is compared is what the programs do, on the examples and on inputs near them. A difference does not change the
//! answer that leaves; its receipt says so, and the answer is forgotten behind it.

use std::time::{Duration, Instant};

use cascade_receipt::content::{Evidence, Forgotten, Layer as LayerName, Shadow};
use cascade_synthesis::probes;
use cascade_synthesis::value::{self, Value};

use super::asking::verifies;
use super::perform::Performer;
use super::trial;
use crate::layer::{self, Asked, CANDIDATES_MAX, Candidate, Layer, Notes};
use crate::memory::Recalled;
use crate::smoke::{Called, Job};

/// How long a shadow check may keep an answer waiting.
pub const SHADOW_MAX: Duration = Duration::from_millis(750);

impl Performer<'_> {
    /// What a shadow check finds, where this hit is one of those that have one: only layers that look by themselves and
    /// cost nothing are asked.
    pub(super) fn shadow(&self, recalled: &Recalled) -> Option<Shadow> {
        let layer = self.router.layers.iter().find(|layer| layer.manifest().layer == recalled.layer)?;
        let due = self.remembered.key.is_checked_at(recalled.uses + 1);
        (due && recalled.layer <= LayerName::L5)
            .then(|| self.look_again(layer.as_ref(), recalled, Instant::now() + SHADOW_MAX))
    }

    fn look_again(&self, layer: &dyn Layer, recalled: &Recalled, end: Instant) -> Shadow {
        let (task, notes) = (&self.request.task, Notes::default());
        let several = task.tests.is_some();
        let until = end.min(Instant::now() + layer.manifest().budget);
        let asked = Asked { task, spec: &self.spec, several, notes: &notes, until };
        let layer::Reply::Take(candidates) = layer.ask(&asked) else { return Shadow::Nothing };
        // A search that was cut short may have missed what it found then.
        if layer.manifest().budget > SHADOW_MAX && notes.searched.get().is_none() {
            return Shadow::Nothing;
        }
        for candidate in candidates.into_iter().take(CANDIDATES_MAX) {
            // The engine finds the very same most times; nothing has to run for that.
            if candidate.source == recalled.answer {
                return Shadow::Same;
            }
            let Some(left) = left(end) else { return Shadow::Nothing };
            let trial =
                trial::run_within(&self.router.smoke, &self.spec, &candidate, task.tests.as_deref(), left);
            let Some(evidence) = trial.evidence else { continue };
            let verified = evidence == Evidence::Verified && verifies(&candidate);
            // What the layer would not answer with says nothing against what it did answer with.
            return if verified || candidate.grade >= layer.manifest().admit_min {
                self.compare(&recalled.answer, &candidate, end)
            } else {
                Shadow::Nothing
            };
        }
        Shadow::Nothing
    }

    /// Whether two programs do the same on the examples and on inputs near them.
    fn compare(&self, answer: &str, candidate: &Candidate, end: Instant) -> Shadow {
        let Ok(task) = &self.spec.read else { return Shadow::Nothing };
        let mut calls: Vec<String> = self.spec.calls.iter().map(|call| call.expression.clone()).collect();
        calls.extend(probes::derive_wide(task).iter().map(|arguments| {
            let arguments: Vec<String> = arguments.iter().map(Value::repr).collect();
            format!("{}({})", task.name, arguments.join(", "))
        }));
        let run = |source: &str, entry: Option<&String>| {
            let entry = entry.or(self.spec.entry.as_ref()).cloned();
            let job = Job { source: source.to_owned(), calls: calls.clone(), tests: None, entry };
            let checked = self.router.smoke.check(&job, left(end)?).ok()?;
            (checked.called.len() == calls.len()).then_some(checked.called)
        };
        let (first, second) = (run(answer, None), run(&candidate.source, candidate.entry.as_ref()));
        let (Some(first), Some(second)) = (first, second) else { return Shadow::Nothing };
        if first.iter().zip(&second).all(|(first, second)| is_same(first, second)) {
            Shadow::Same
        } else {
            Shadow::Differs
        }
    }

    /// Forgets what the shadow check of the answer that left speaks against.
    pub(super) fn forget_what_differs(&mut self) {
        let from_memory = self.answer.as_ref().is_some_and(|answer| answer.layer == LayerName::L6);
        let recalled = self.remembered.answer.take().filter(|_| from_memory);
        if let Some(recalled) = recalled.filter(|_| self.shadowed == Some(Shadow::Differs)) {
            let before = self.receipts.len();
            self.forget(&recalled.memory, Forgotten::SHADOW_DIFFERS);
            // The answer's receipt stays the task's last.
            self.learned.extend(self.receipts.drain(before..));
        }
    }
}

fn left(end: Instant) -> Option<Duration> {
    end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

fn is_same(first: &Called, second: &Called) -> bool {
    match (first, second) {
        (Called::Value(first), Called::Value(second)) => {
            first == second || value::parse(first).is_ok_and(|first| Ok(first) == value::parse(second))
        }
        (Called::Raised(_), Called::Raised(_)) => true,
        (Called::Value(_), Called::Raised(_)) | (Called::Raised(_), Called::Value(_)) => false,
    }
}
