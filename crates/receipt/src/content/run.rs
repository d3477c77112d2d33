//! What a run leaves behind its intent.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::workflow::{add_spec_hash, add_step};
use super::{OfSpec, Ref, Review, Routed, Spent, add_intent, add_reasons};
use crate::decision::Reason;
use crate::digest::Digest;
use crate::member::Members;

/// How an action that had started ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// `task_completed`: exit 0.
    Completed,
    /// `task_failed`: another exit code, a signal, or it could not start.
    Failed,
    /// `task_revoked`: ended by a deadline, a revocation or a budget.
    Revoked,
    /// `task_unknown`: Cascade died while it ran.
    Unknown,
}

/// A closer of `task_started`.
#[derive(Clone, Debug)]
pub struct Closing {
    /// How it ended.
    pub ending: Ending,
    /// The intent it closes.
    pub intent: Ref,
    /// SHA-256(output nonce ‖ frames), when output was captured.
    pub output_hash: Option<Digest>,
    /// Output beyond the cap was dropped.
    pub truncated: bool,
    /// The child's exit code.
    pub exit_code: Option<u8>,
    /// The signal that killed the child.
    pub signal: Option<u8>,
    /// From the start of the child to its end.
    pub duration_us: Option<u64>,
    /// Why, as codes.
    pub reasons: Vec<Reason>,
    /// What it cost.
    pub spent: Spent,
    /// Which model answered, by its provider's word, where a model was asked as the caller wished.
    pub served_model: Option<String>,
    /// Which layer of the router it was, and what is known of the answer.
    pub routed: Option<Routed>,
    /// The decision by which it was ended (`task_revoked`).
    pub review: Option<Review>,
    /// The run of the workflow that its intent names.
    pub chain: Option<Ref>,
    /// The step that its intent names.
    pub spec: Option<OfSpec>,
}

/// `heartbeat`.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// The intent it reports on.
    pub intent: Ref,
    /// From 0.
    pub segment: u64,
    /// Output bytes so far.
    pub bytes: u64,
    /// SHA-256(output nonce ‖ frames so far).
    pub running_hash: Digest,
    /// The run of the workflow that its intent names.
    pub chain: Option<Ref>,
    /// The step that its intent names.
    pub spec: Option<OfSpec>,
}

impl Heartbeat {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("bytes", |out| out.int(self.bytes));
        add_intent(to, &self.intent, self.chain.as_ref());
        to.add("running_hash", |out| out.hex(&self.running_hash.0));
        to.add("segment", |out| out.int(self.segment));
        add_spec_hash(to, self.spec.as_ref());
        add_step(to, self.spec.as_ref());
    }
}

impl Closing {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        if let Some(cost) = self.spent.cost_microusd {
            to.add("cost_microusd", |out| out.int(cost));
        }
        if let Some(review) = &self.review {
            to.add("decision", |out| review.decision.write(out));
        }
        if let Some(duration_us) = self.duration_us {
            to.add("duration_us", |out| out.int(duration_us));
        }
        to.add("effect_status", |out| {
            out.str(match self.ending {
                Ending::Completed => "confirmed",
                Ending::Failed => "failed",
                Ending::Revoked => "revoked",
                Ending::Unknown => "unknown",
            });
        });
        if let Some(routed) = &self.routed {
            to.add("evidence", |out| out.word(routed.evidence.as_str()));
        }
        if let Some(code) = self.exit_code {
            to.add("exit_code", |out| out.int(u64::from(code)));
        }
        if let Some(review) = &self.review {
            to.add("facts_hash", |out| out.hex(&review.facts_hash.0));
        }
        if let Some(routed) = &self.routed {
            to.add("layer_hit", |out| out.str(&routed.layer.to_string()));
        }
        if let Some(hash) = &self.output_hash {
            to.add("output_hash", |out| out.hex(&hash.0));
        }
        if !self.reasons.is_empty() {
            add_reasons(to, &self.reasons);
        }
        add_intent(to, &self.intent, self.chain.as_ref());
        if let Some(routed) = &self.routed {
            to.add("route", |out| routed.write(out));
        }
        if let Some(model) = &self.served_model {
            to.add("served_model", |out| out.str(model));
        }
        if let Some(signal) = self.signal {
            to.add("signal", |out| out.int(u64::from(signal)));
        }
        add_spec_hash(to, self.spec.as_ref());
        add_step(to, self.spec.as_ref());
        for (key, tokens) in [("tokens_in", self.spent.tokens_in), ("tokens_out", self.spent.tokens_out)] {
            if let Some(tokens) = tokens {
                to.add(key, |out| out.int(tokens));
            }
        }
        if self.truncated {
            to.add("truncated", |out| out.bool(true));
        }
    }
}
