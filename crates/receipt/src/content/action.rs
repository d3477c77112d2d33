//! Decided actions, and what people answer.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::limits::{self, Draw};
use super::workflow::{add_spec_hash, add_step};
use super::{
    ChainStarted, GlassBroken, OfSpec, PureTask, Ref, ScheduleChange, Signature, add_reasons, add_refs,
    add_signatures,
};
use crate::decision::{Decision, Reason, RiskTier};
use crate::digest::Digest;
use crate::id::PrincipalId;
use crate::member::Members;
use crate::time::Timestamp;

/// Which program wrote the receipt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Runtime {
    /// Name of the node within its organisation; never a person's.
    pub node: String,
    /// Version of Cascade.
    pub version: String,
    /// SHA-256 of the running binary.
    pub binary_sha256: Digest,
}

/// A request by the key under which its sender may send it again, both under a secret of the chain's home: they tell a
/// reader of the chain nothing, and the home that a second one is the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestTag {
    /// Sender and key.
    pub key: Digest,
    /// What was asked.
    pub body: Digest,
}

impl RequestTag {
    fn add_to(request: Option<&Self>, to: &mut Members<'_>) {
        if let Some(request) = request {
            to.add("request", |out| {
                out.object(|out| {
                    out.key("body").hex(&request.body.0);
                    out.key("key").hex(&request.key.0);
                });
            });
        }
    }
}

/// What every decided action carries, whether it ran or not.
#[derive(Clone, Debug)]
pub struct Action {
    /// `cli` for a command.
    pub task_type: String,
    /// Its tier.
    pub risk_tier: RiskTier,
    /// False when it could not be classified.
    pub classified: bool,
    /// Who asked.
    pub principal: PrincipalId,
    /// For whom, if that is somebody else.
    pub on_behalf_of: Option<PrincipalId>,
    /// Salted hash of the normalised action.
    pub action_hash: Digest,
    /// Salted hash of the facts that were decided on.
    pub facts_hash: Digest,
    /// Ten gates.
    pub decision: Decision,
    /// What it refers to.
    pub refs: Vec<Ref>,
    /// What a run takes out of budgets.
    pub draws: Vec<Draw>,
    /// The request that asked for it, where its sender may send it again.
    pub request: Option<RequestTag>,
    /// The workflow that it is a step of, or is.
    pub spec: Option<OfSpec>,
    /// Which program.
    pub runtime: Runtime,
}

/// `task_started` of an action that a program outside of Cascade performs, and reports.
#[derive(Clone, Debug)]
pub struct Leased {
    /// The action that was admitted.
    pub action: Action,
    /// Until when its outcome is waited for; afterwards it is closed as `task_unknown`.
    pub expires: Timestamp,
}

/// `escalation`.
#[derive(Clone, Debug)]
pub struct Escalation {
    /// The action that waits.
    pub action: Action,
    /// How many people must approve.
    pub required: u32,
    /// From which groups.
    pub groups: Vec<String>,
    /// Until when.
    pub expires: Timestamp,
    /// Whether they must sign with their SSH key.
    pub signature_required: bool,
}

/// `approval` or `denial`.
#[derive(Clone, Debug)]
pub struct Answer {
    /// True for `approval`.
    pub approve: bool,
    /// The escalation, or the dry run approved in advance.
    pub subject: Ref,
    /// Who answers.
    pub principal: PrincipalId,
    /// The exact action.
    pub action_hash: Digest,
    /// Until when an approval may be used.
    pub expires: Timestamp,
    /// Signature over the approval statement.
    pub signatures: Vec<Signature>,
}

/// `approval_refused`: an approval was offered and not accepted.
#[derive(Clone, Debug)]
pub struct AnswerRefused {
    /// What it was about.
    pub refs: Vec<Ref>,
    /// Who offered it.
    pub principal: PrincipalId,
    /// Why not.
    pub reasons: Vec<Reason>,
}

impl Action {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        self.add_with(&Terms::default(), to);
    }

    /// What a kind has beside the action stands between the action's own members.
    pub(super) fn add_with(&self, terms: &Terms<'_>, to: &mut Members<'_>) {
        to.add("action_hash", |out| out.hex(&self.action_hash.0));
        if let Some(change) = terms.schedule {
            to.add("change", |out| out.word(change.word().as_str()));
        }
        if !self.classified {
            to.add("classified", |out| out.bool(false));
        }
        to.add("decision", |out| self.decision.write(out));
        limits::add_draws(to, &self.draws);
        if let Some(pure) = terms.pure {
            to.add("duration_us", |out| out.int(pure.duration_us));
            to.add("evidence", |out| out.word(pure.routed.evidence.as_str()));
        }
        if let Some(expires) = terms.expires {
            to.add("expires", |out| out.spelled(expires));
        }
        to.add("facts_hash", |out| out.hex(&self.facts_hash.0));
        if let Some(groups) = terms.groups {
            to.add("groups", |out| {
                out.array(|out| groups.iter().for_each(|group| out.item().str(group)));
            });
        }
        if let Some(pure) = terms.pure {
            to.add("layer_hit", |out| out.str(&pure.routed.layer.to_string()));
        }
        if let Some(person) = &self.on_behalf_of {
            to.add("on_behalf_of", |out| out.spelled(person));
        }
        if let Some(pure) = terms.pure {
            to.add("output_hash", |out| out.hex(&pure.output_hash.0));
        }
        to.add("principal", |out| out.spelled(&self.principal));
        add_refs(to, &self.refs);
        RequestTag::add_to(self.request.as_ref(), to);
        if let Some(required) = terms.required {
            to.add("required", |out| out.int(u64::from(required)));
        }
        if let Some(due) = terms.review_due {
            to.add("review_due", |out| out.spelled(due));
        }
        to.add("risk_tier", |out| out.word(self.risk_tier.as_str()));
        if let Some(pure) = terms.pure {
            to.add("route", |out| pure.routed.write(out));
        }
        to.add("runtime", |out| {
            out.object(|out| {
                out.key("binary_sha256").hex(&self.runtime.binary_sha256.0);
                out.key("node").str(&self.runtime.node);
                out.key("version").str(&self.runtime.version);
            });
        });
        if let Some(ScheduleChange::Added { schedule, schedule_hash }) = terms.schedule {
            to.add("schedule", |out| out.hex(schedule));
            to.add("schedule_hash", |out| out.hex(&schedule_hash.0));
        }
        if let Some(required) = terms.signature_required {
            to.add("signature_required", |out| out.bool(required));
        }
        if let Some(signatures) = terms.signatures {
            add_signatures(to, signatures);
        }
        add_spec_hash(to, self.spec.as_ref());
        if let Some(statement_id) = terms.statement_id {
            to.add("statement_id", |out| out.hex(statement_id));
        }
        add_step(to, self.spec.as_ref());
        to.add("task_type", |out| out.str(&self.task_type));
    }
}

/// What an action is made to wait under, or answered for.
#[derive(Default)]
pub(super) struct Terms<'a> {
    expires: Option<&'a Timestamp>,
    groups: Option<&'a [String]>,
    pure: Option<&'a PureTask>,
    required: Option<u32>,
    review_due: Option<&'a Timestamp>,
    schedule: Option<&'a ScheduleChange>,
    signature_required: Option<bool>,
    signatures: Option<&'a [Signature]>,
    statement_id: Option<&'a [u8; 8]>,
}

impl<'a> Terms<'a> {
    pub(super) fn of(escalation: &'a Escalation) -> Self {
        Self {
            expires: Some(&escalation.expires),
            groups: Some(&escalation.groups),
            required: Some(escalation.required),
            signature_required: Some(escalation.signature_required),
            ..Self::default()
        }
    }

    pub(super) fn of_lease(leased: &'a Leased) -> Self {
        Self { expires: Some(&leased.expires), ..Self::default() }
    }

    pub(super) fn of_pure(pure: &'a PureTask) -> Self {
        Self { pure: Some(pure), ..Self::default() }
    }

    pub(super) fn of_schedule(change: &'a ScheduleChange) -> Self {
        Self { schedule: Some(change), ..Self::default() }
    }

    /// A specification that nobody signed has no signatures to show.
    pub(super) fn of_chain(started: &'a ChainStarted) -> Self {
        let signatures = Some(started.signatures.as_slice()).filter(|all| !all.is_empty());
        Self { signatures, ..Self::default() }
    }

    pub(super) fn of_glass(broken: &'a GlassBroken) -> Self {
        Self {
            groups: Some(&broken.groups),
            review_due: Some(&broken.review_due),
            signatures: Some(&broken.signatures),
            statement_id: Some(&broken.statement_id),
            ..Self::default()
        }
    }
}

impl Answer {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("action_hash", |out| out.hex(&self.action_hash.0));
        to.add("expires", |out| out.spelled(&self.expires));
        to.add("principal", |out| out.spelled(&self.principal));
        add_refs(to, core::slice::from_ref(&self.subject));
        add_signatures(to, &self.signatures);
    }
}

impl AnswerRefused {
    pub(super) fn add_to(&self, to: &mut Members<'_>) {
        to.add("principal", |out| out.spelled(&self.principal));
        add_reasons(to, &self.reasons);
        add_refs(to, &self.refs);
    }
}
