//! What the router leaves behind: which layer answered, how much stands behind the answer, what was remembered.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use super::{Action, Ref, Terms, add_reasons, add_refs};
use crate::decision::Reason;
use crate::digest::Digest;
use crate::id::PrincipalId;
use crate::json::Writer;
use crate::member::Members;
use crate::time::Timestamp;

/// A layer of the router, in the order in which they are asked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Layer {
    /// Typed templates over structured specifications.
    L1,
    /// Verified answers to exactly this specification.
    L2,
    /// Known functions, tried against this task's examples.
    L3,
    /// Programs enumerated from the examples.
    L4,
    /// Graded search.
    L5,
    /// What was answered before.
    L6,
    /// A governed command.
    L6Cli,
    /// A language model.
    L7,
    /// A customer's layer, by its name.
    Ext(String),
}

impl Layer {
    /// The layers that come with Cascade, in their order.
    pub const OWN: [Self; 8] =
        [Self::L1, Self::L2, Self::L3, Self::L4, Self::L5, Self::L6, Self::L6Cli, Self::L7];

    /// Reads the member `layer_hit`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("ext:") {
            return (!name.is_empty()).then(|| Self::Ext(name.to_owned()));
        }
        Self::OWN.into_iter().find(|layer| layer.word() == text)
    }

    fn word(&self) -> &str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
            Self::L4 => "L4",
            Self::L5 => "L5",
            Self::L6 => "L6",
            Self::L6Cli => "L6.5",
            Self::L7 => "L7",
            Self::Ext(name) => name,
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self, Self::Ext(_)) {
            f.write_str("ext:")?;
        }
        f.write_str(self.word())
    }
}

/// How much stands behind an answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Evidence {
    /// Nothing that a caller could rely on.
    Proposed,
    /// It reproduces the caller's examples, which never makes it right, and reached the grade of its layer.
    Checked,
    /// The caller's tests, properties or reference hold, or it was verified before for exactly this task.
    Verified,
}

impl Evidence {
    /// Every level, the least first.
    pub const ALL: [Self; 3] = [Self::Proposed, Self::Checked, Self::Verified];

    /// The word in receipts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Checked => "checked",
            Self::Verified => "verified",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

/// Which layer answered, and what is known of the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Routed {
    /// The layer.
    pub layer: Layer,
    /// How much stands behind it.
    pub evidence: Evidence,
    /// 0–100, from the evidence that the layer names.
    pub grade: u8,
    /// What ran the answer, where something did: name and version.
    pub smoke: Option<String>,
    /// Salted hash of the question that tells two programs apart, where there is one.
    pub question_hash: Option<Digest>,
    /// Layers that were asked before it and why they have no answer, as codes.
    pub declined: Vec<(Layer, String)>,
    /// Of an answer that stands on something remembered.
    pub recalled: Option<Recollection>,
}

/// How something remembered was used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recollection {
    /// How many times it has been used since it was learned, this time included.
    pub hit: u64,
    /// What a shadow check of this hit found, where there was one.
    pub shadow: Option<Shadow>,
}

/// What the layer that had given an answer gives when it is asked once more, without anybody seeing it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shadow {
    /// A program that does the same.
    Same,
    /// A program that does something else on some input.
    Differs,
    /// None that it would answer with, or none in time.
    Nothing,
}

impl Shadow {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Same, Self::Differs, Self::Nothing];

    /// The word in receipts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs => "differs",
            Self::Nothing => "nothing",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shadow| shadow.as_str() == text)
    }
}

/// `task_completed` of a task without an effect on the world: decision and answer in one.
#[derive(Clone, Debug)]
pub struct PureTask {
    /// What was decided.
    pub action: Action,
    /// Where the answer comes from.
    pub routed: Routed,
    /// SHA-256(output nonce ‖ frames).
    pub output_hash: Digest,
    /// From the decision to the answer.
    pub duration_us: u64,
}

/// `memory_learned`.
#[derive(Clone, Debug)]
pub struct Learned {
    /// What it is remembered by; random.
    pub memory: [u8; 8],
    /// Salted hash of what it is an answer to.
    pub key_hash: Digest,
    /// How much stands behind it.
    pub state: MemoryState,
    /// Whose task it was.
    pub principal: PrincipalId,
    /// Until when it is used.
    pub expires: Timestamp,
    /// The receipt of the answer (parent), and of what it takes the place of (supersedes).
    pub refs: Vec<Ref>,
}

/// How far an answer that is remembered may be used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MemoryState {
    /// Given once, nothing verified: for whoever was given it.
    Observed,
    /// Verified by the tests of its task: for everybody of the tenant who asks exactly this.
    Verified,
    /// Confirmed by others as well.
    Trusted,
}

impl MemoryState {
    /// Every state, the least first.
    pub const ALL: [Self; 3] = [Self::Observed, Self::Verified, Self::Trusted];

    /// The word in receipts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::Verified => "verified",
            Self::Trusted => "trusted",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// `memory_forgotten`.
#[derive(Clone, Debug)]
pub struct Forgotten {
    /// What it was remembered by.
    pub memory: [u8; 8],
    /// The `memory_learned`.
    pub learned: Ref,
    /// Who asked for it, or whose task showed it.
    pub principal: PrincipalId,
    /// Why, as codes.
    pub reasons: Vec<Reason>,
}

impl Forgotten {
    /// A shadow check found that the answer is another one than its layer gives.
    pub const SHADOW_DIFFERS: &str = "memory.shadow_differs";
    /// What the task demands does not hold of the answer any more.
    pub const VERIFIER_FAILED: &str = "memory.verifier_failed";
    /// A person took it back.
    pub const REVOKED: &str = "memory.revoked";
    /// Reasons that say that the answer was wrong, and not only that it is used no more.
    pub const WRONG: [&str; 3] = [Self::SHADOW_DIFFERS, Self::VERIFIER_FAILED, Self::REVOKED];
}

/// `memory_forgotten` of wrong hits: they count against nobody any more.
#[derive(Clone, Debug)]
pub struct Released {
    /// Who asked for it.
    pub principal: PrincipalId,
    /// Why, as codes.
    pub reasons: Vec<Reason>,
    /// Each `memory_forgotten` that does not count any more (supersedes).
    pub wrong: Vec<Ref>,
}

impl Routed {
    /// The member `route`: what no verifier looks at.
    pub(super) fn write(&self, out: &mut Writer<'_>) {
        out.object(|out| {
            if !self.declined.is_empty() {
                out.key("declined").array(|out| {
                    for (layer, code) in &self.declined {
                        out.item().object(|out| {
                            out.key("code").str(code);
                            out.key("layer").str(&layer.to_string());
                        });
                    }
                });
            }
            out.key("grade").int(u64::from(self.grade));
            if let Some(recalled) = &self.recalled {
                out.key("hit").int(recalled.hit);
            }
            if let Some(hash) = &self.question_hash {
                out.key("question_hash").hex(&hash.0);
            }
            if let Some(shadow) = self.recalled.and_then(|recalled| recalled.shadow) {
                out.key("shadow").str(shadow.as_str());
            }
            if let Some(smoke) = &self.smoke {
                out.key("smoke").str(smoke);
            }
        });
    }
}

impl PureTask {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        self.action.add_with(&Terms::of_pure(self), to);
    }
}

impl Learned {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("expires", |out| out.spelled(&self.expires));
        to.add("memory", |out| out.hex(&self.memory));
        to.add("memory_key_hash", |out| out.hex(&self.key_hash.0));
        to.add("memory_state", |out| out.word(self.state.as_str()));
        to.add("principal", |out| out.spelled(&self.principal));
        add_refs(to, &self.refs);
    }
}

impl Forgotten {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("memory", |out| out.hex(&self.memory));
        to.add("principal", |out| out.spelled(&self.principal));
        add_reasons(to, &self.reasons);
        add_refs(to, core::slice::from_ref(&self.learned));
    }
}

impl Released {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("principal", |out| out.spelled(&self.principal));
        add_reasons(to, &self.reasons);
        add_refs(to, &self.wrong);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_spelled_as_verifiers_read_them() {
        for layer in Layer::OWN.into_iter().chain([Layer::Ext("a".into())]) {
            assert_eq!(Layer::parse(&layer.to_string()), Some(layer));
        }
        for text in ["", "L0", "L8", "l1", "ext:", "a"] {
            assert_eq!(Layer::parse(text), None, "{text}");
        }
    }
}
