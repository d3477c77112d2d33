//! Runs of a workflow: which specification and step a receipt belongs to, how a run begins and ends.

use alloc::vec::Vec;

use super::{Action, Ref, Signature, Terms, add_reasons, add_refs};
use crate::decision::Reason;
use crate::digest::Digest;
use crate::id::PrincipalId;
use crate::member::Members;

/// The specification that a receipt belongs to, and the step of it. Which run it is says a ref of rel `chain`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OfSpec {
    /// SHA-256 over the JCS of the specification.
    pub spec_hash: Digest,
    /// The step, where it is one.
    pub step: Option<StepAt>,
}

/// A step by its place. Ids of steps may be private.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StepAt {
    /// Its position in the specification, from 0.
    pub at: u64,
    /// Its position in the fan-out, from 0.
    pub item: u64,
    /// Which try it is, from 1.
    pub attempt: u64,
    /// What is done for the step, where that is not the step itself.
    pub role: Option<StepRole>,
}

/// What is done for a step beside the step itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StepRole {
    /// It takes back what the step did.
    Compensation,
    /// It finds out what became of the step.
    Reconciler,
}

impl StepRole {
    /// The word in receipts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compensation => "compensation",
            Self::Reconciler => "reconciler",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Compensation, Self::Reconciler].into_iter().find(|role| role.as_str() == text)
    }
}

/// `chain_started`.
#[derive(Clone, Debug)]
pub struct ChainStarted {
    /// What was decided; its `spec` names the specification.
    pub action: Action,
    /// Signatures of the specification's authors, over its hash.
    pub signatures: Vec<Signature>,
}

/// `chain_completed` or `chain_aborted`.
#[derive(Clone, Debug)]
pub struct ChainClosed {
    /// True for `chain_completed`.
    pub completed: bool,
    /// The `chain_started`.
    pub chain: Ref,
    /// The specification of the run.
    pub spec_hash: Digest,
    /// Who ended it, or whose run it was.
    pub principal: PrincipalId,
    /// Why, as codes.
    pub reasons: Vec<Reason>,
    /// What became of its steps.
    pub steps: StepCounts,
}

/// How many steps of a run ended in which way; each element of a fan-out counts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct StepCounts {
    /// Done.
    pub completed: u64,
    /// Ran and failed, or ended by somebody.
    pub failed: u64,
    /// Never ran.
    pub skipped: u64,
    /// Nobody knows.
    pub unknown: u64,
}

impl StepCounts {
    /// Each count with its member, in their order.
    #[must_use]
    pub const fn members(self) -> [(&'static str, u64); 4] {
        [
            ("completed", self.completed),
            ("failed", self.failed),
            ("skipped", self.skipped),
            ("unknown", self.unknown),
        ]
    }
}

/// The member `spec_hash`.
pub(super) fn add_spec_hash(to: &mut Members<'_>, spec: Option<&OfSpec>) {
    if let Some(spec) = spec {
        to.add("spec_hash", |out| out.hex(&spec.spec_hash.0));
    }
}

/// The member `step`.
pub(super) fn add_step(to: &mut Members<'_>, spec: Option<&OfSpec>) {
    let Some(step) = spec.and_then(|spec| spec.step) else { return };
    to.add("step", |out| {
        out.object(|out| {
            out.key("at").int(step.at);
            out.key("attempt").int(step.attempt);
            out.key("item").int(step.item);
            if let Some(role) = step.role {
                out.key("role").word(role.as_str());
            }
        });
    });
}

impl ChainStarted {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        self.action.add_with(&Terms::of_chain(self), to);
    }
}

impl ChainClosed {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("principal", |out| out.spelled(&self.principal));
        if !self.reasons.is_empty() {
            add_reasons(to, &self.reasons);
        }
        add_refs(to, core::slice::from_ref(&self.chain));
        to.add("spec_hash", |out| out.hex(&self.spec_hash.0));
        to.add("steps", |out| {
            out.object(|out| {
                for (key, count) in self.steps.members() {
                    out.key(key).int(count);
                }
            });
        });
    }
}
