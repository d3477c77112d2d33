//! What memory has of a task, and what it keeps of the answer.

use cascade_ledger::{AppendError, Fault, Ledger, Memory};
use cascade_receipt::content::{Evidence, Forgotten, Layer as LayerName};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::PrincipalId;

use super::perform::{Performer, Place};
use super::{Declined, Request, Spec};
use crate::facts;
use crate::memory::{self, Key, Lesson, Origin, Recall, Recalled};

/// What memory had of a task when it was asked.
pub(super) struct Remembered {
    pub(super) key: Key,
    pub(super) function_key: Option<Key>,
    pub(super) policy_hash: Digest,
    pub(super) answer: Option<Box<Recalled>>,
    pub(super) function: Option<Box<Recalled>>,
    /// Why there is no answer of exactly this task.
    pub(super) why_not: Option<&'static str>,
    /// What must be forgotten.
    pub(super) spoiled: Vec<(Box<Memory>, &'static str)>,
}

impl Remembered {
    pub(super) fn look(
        ledger: &Ledger,
        request: &Request,
        spec: &Spec,
        asker: PrincipalId,
        model: Option<&str>,
    ) -> Result<Self, Fault> {
        let (policy, _) = ledger.policy_in_force()?;
        let origin = Origin { log_origin: ledger.log_origin(), policy_hash: policy.hash, model };
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
        // What may not be used is not looked for. A function may be used before the answer, but not where it is that one.
        let last = LayerName::parse(&request.task.max_layer).unwrap_or(LayerName::L7);
        if last >= LayerName::L2 {
            match memory::recall(ledger, &found.key, asker, at)? {
                Recall::Answer(recalled) => found.answer = Some(recalled),
                Recall::Nothing(code) => found.why_not = Some(code),
                Recall::Spoiled(memory, code) => {
                    found.why_not = Some(code);
                    found.spoiled.push((memory, code));
                }
            }
        }
        if let Some(key) = found.function_key.as_ref().filter(|_| last >= LayerName::L2) {
            match memory::recall(ledger, key, asker, at)? {
                Recall::Answer(recalled) => found.function = Some(recalled),
                Recall::Nothing(_) => {}
                Recall::Spoiled(memory, code) => found.spoiled.push((memory, code)),
            }
        }
        Ok(found)
    }

    pub(super) fn declined(&self) -> Vec<Declined> {
        let code = self.why_not.into_iter();
        code.map(|code| Declined { layer: LayerName::L6, code: code.to_owned(), detail: None }).collect()
    }

    pub(super) const fn is_used(&self) -> bool {
        self.answer.is_some() || self.function.is_some()
    }

    /// Whether a function is remembered that is not the very answer to this task: whoever does not want that one, or
    /// has seen it fail, wants another.
    pub(super) fn knows_another_function(&self) -> bool {
        let answer = self.answer.as_ref().map(|recalled| recalled.memory.answer);
        self.function.as_ref().is_some_and(|function| Some(function.memory.answer) != answer)
    }

    /// What an answer from here stands on.
    pub(super) fn used(&self, place: Place) -> Option<&Recalled> {
        match place {
            Place::Memory => self.answer.as_deref(),
            Place::Function => self.function.as_deref(),
            Place::Layer(_) | Place::Command | Place::Model => None,
        }
    }
}

impl Performer<'_> {
    pub(super) fn forget(&mut self, memory: &Memory, code: &'static str) {
        let who = self.asker.principal_id();
        let forgotten = if Forgotten::WRONG.contains(&code) {
            memory::forget_wrong(self.ledger, memory, who, code, None)
        } else {
            memory::forget(self.ledger, memory, who, code, None).map(|appended| vec![appended])
        };
        match forgotten {
            Ok(appended) => self.receipts.extend(appended),
            // Somebody else was faster.
            Err(AppendError::MemoryGone { .. }) => {}
            Err(error) => self.unlearned = Some(error.to_string()),
        }
    }

    /// Remembers the answer that was given. It is out and on record; whatever goes wrong here loses nothing of it.
    pub(super) fn learn(&mut self) {
        let (Some(answer), Some(receipt)) = (&self.answer, self.receipts.last().cloned()) else { return };
        // A candidate of an engine costs nothing to find again, with the question that belongs to it.
        let cheap = answer.evidence == Evidence::Proposed && answer.layer != LayerName::L7;
        // What a model found out with tools is so now.
        let passing = !self.request.task.tools.is_empty();
        if cheap || passing || matches!(answer.layer, LayerName::L6 | LayerName::L6Cli) {
            return;
        }
        let (evidence, principal) = (answer.evidence, self.asker.principal_id());
        let (owner, found_anew) = (self.asker.person_id, self.stands_on.is_none());
        let function = self.remembered.function_key.as_ref().filter(|_| evidence == Evidence::Verified);
        let mut learned = Vec::new();
        for key in [Some(&self.remembered.key), function].into_iter().flatten() {
            let lesson = Lesson { key, answer: &receipt, evidence, principal, owner, found_anew };
            match memory::learn(self.ledger, &lesson) {
                Ok(appended) => learned.extend(appended),
                Err(error) => self.unlearned = Some(error.to_string()),
            }
        }
        self.learned = learned;
    }
}
