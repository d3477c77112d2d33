//! Content as it is read (format section 2): the members that checks need, typed, per kind.
//!
//! The writing side is [`crate::content`]; a test holds the two together. Members that the format
//! does not name are hashed with the rest and otherwise ignored, so that later versions may add
//! some without breaking this reader.

#[cfg(test)]
mod agree;
mod fields;
mod keys;
mod kinds;
mod people;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::content::{
    self, Admin, ChangeWord, PolicyRef, Ref, Rel, Scope, Signature, StepAt, StepCounts, TenantChange,
};
use crate::decision::{RiskTier, Verdict};
use crate::digest::Digest;
use crate::id::{LogOrigin, PrincipalId, ReceiptId};
use crate::kind::Kind;
use crate::time::Timestamp;
use crate::tree::View;

use fields::{Fields, missing};
pub use keys::{NewKey, Purpose, RawKey, Revocation};

/// Why content is not what the format says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ContentFault {
    /// A required member is missing, or a named one has another type or spelling.
    #[error("member `{0}` is missing or not as the format says")]
    Member(&'static str),
    /// `_type` names another format.
    #[error("unknown `_type`")]
    Type,
    /// Neither a kind of this version nor an extension.
    #[error("unknown kind")]
    Kind,
}

/// Content of one receipt.
#[derive(Clone, Debug)]
pub struct Content<'a> {
    /// The chain's name.
    pub log_origin: &'a str,
    /// Position, from 0.
    pub seq: u64,
    /// Id.
    pub receipt_id: ReceiptId,
    /// Time stamp.
    pub timestamp: Timestamp,
    /// The clock had stepped back.
    pub clock_stepped: bool,
    /// The receipt key that signs.
    pub key_id: &'a str,
    /// HMAC epoch.
    pub hmac_epoch: u64,
    /// Label of the policy in force.
    pub policy_version: Cow<'a, str>,
    /// Its hash.
    pub policy_hash: Digest,
    /// `None` for an extension.
    pub kind: Option<Kind>,
    /// What it refers to.
    pub refs: Vec<Ref>,
    /// People's signatures.
    pub signatures: Vec<Signature>,
    /// `spec_hash`.
    pub spec_hash: Option<Digest>,
    /// A `task_completed` whose `layer_hit` is `L6`.
    pub from_memory: bool,
    /// `step`.
    pub step: Option<StepAt>,
    /// The statement that `signatures` cover when they are an administrator's; set when there are
    /// signatures.
    pub statement: Option<String>,
    /// What its kind means.
    pub meaning: Meaning,
}

/// A decided action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Action {
    /// Who asked.
    pub principal: PrincipalId,
    /// For whom.
    pub on_behalf_of: Option<PrincipalId>,
    /// Salted hash of the normalised action.
    pub action_hash: Digest,
    /// Salted hash of the facts.
    pub facts_hash: Digest,
    /// Tier.
    pub risk_tier: RiskTier,
    /// False when it could not be classified.
    pub classified: bool,
    /// The verdict that stands there.
    pub verdict: Verdict,
    /// The verdict that follows from the gates.
    pub from_gates: Verdict,
}

/// What a kind means, as far as checks need it.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// `genesis`.
    Genesis {
        /// Signs receipts.
        receipt: RawKey,
        /// Signs checkpoints.
        log: RawKey,
        /// Takes keys back.
        recovery: RawKey,
        /// First administrators.
        admins: Vec<Admin>,
    },
    /// `dry_run`.
    DryRun(Action),
    /// `blocked`.
    Blocked(Action),
    /// `task_started`.
    Started(Action),
    /// `task_completed` without an intent: decision and outcome in one receipt.
    Pure(Action),
    /// `chain_started`: a decided action that steps follow.
    ChainStarted(Action),
    /// `chain_completed`, `chain_aborted`.
    ChainClosed {
        /// True for `chain_completed`.
        completed: bool,
        /// Who ended it, or whose run it was.
        principal: PrincipalId,
        /// What became of its steps.
        steps: StepCounts,
    },
    /// `escalation`.
    Escalation {
        /// The action that waits.
        action: Action,
        /// How many must approve.
        required: u64,
        /// From which groups.
        groups: Vec<String>,
        /// Until when.
        expires: Timestamp,
        /// Whether they must sign.
        signature_required: bool,
    },
    /// `approval`, `denial`.
    Answer {
        /// True for `approval`.
        approve: bool,
        /// Who answers.
        principal: PrincipalId,
        /// The exact action.
        action_hash: Digest,
        /// Until when an approval may be used.
        expires: Timestamp,
    },
    /// `break_glass` that says when it must be reviewed; one that does not is [`Meaning::Other`].
    GlassBroken {
        /// The action.
        action: Action,
        /// Whose members review it.
        groups: Vec<String>,
        /// Until when.
        review_due: Timestamp,
    },
    /// `x_break_glass_review`, by this principal.
    Reviewed(PrincipalId),
    /// `approval_expired`.
    Expired,
    /// `heartbeat`.
    Heartbeat {
        /// From 0.
        segment: u64,
        /// Output bytes so far.
        bytes: u64,
        /// Hash of the output so far.
        running_hash: Digest,
    },
    /// A closer of `task_started`.
    Closing {
        /// `effect_status`, if it stands there.
        effect_status: Option<EffectStatus>,
        /// The child's exit code.
        exit_code: Option<u64>,
        /// The signal that killed the child.
        signal: Option<u64>,
        /// Hash of the output.
        output_hash: Option<Digest>,
        /// Output beyond the cap was dropped.
        truncated: bool,
    },
    /// `key_added`, `key_rotated`.
    KeyAdded {
        /// The new key.
        key: NewKey,
        /// The key that it replaces (`key_rotated`).
        retires: Option<String>,
        /// The recovery key's signature over `key`.
        recovery_sig: Option<[u8; 64]>,
    },
    /// `key_revoked`.
    KeyRevoked(Revocation),
    /// `clock_corrected`.
    ClockCorrected {
        /// The time before.
        from: Timestamp,
        /// The time from now on.
        to: Timestamp,
        /// The recovery key's signature.
        recovery_sig: [u8; 64],
    },
    /// `anchor`.
    Anchor {
        /// The note.
        checkpoint: String,
        /// Its hash.
        checkpoint_sha256: Digest,
        /// Hash of a time stamp token over it.
        tst_sha256: Option<Digest>,
    },
    /// `erasure`: whose private bytes are gone.
    Erasure(Vec<ReceiptId>),
    /// `principal_added`.
    PrincipalAdded {
        /// Who.
        principal: PrincipalId,
        /// With which SSH key.
        ssh_key: String,
        /// In which groups.
        groups: Vec<String>,
    },
    /// `principal_removed`.
    PrincipalRemoved(PrincipalId),
    /// `grant`.
    Granted(Given),
    /// `grant_revoked`, by this principal.
    GrantRevoked(PrincipalId),
    /// `token_issued`, by this principal.
    TokenIssued(PrincipalId),
    /// `token_revoked`, by this principal.
    TokenRevoked(PrincipalId),
    /// `tool_pinned`.
    ToolPinned {
        /// Who saw the tool first, or accepts what it has become.
        principal: PrincipalId,
        /// It takes the place of another one.
        supersedes: bool,
    },
    /// `tenant_changed`.
    TenantChanged {
        /// What the tenant is from here on.
        change: TenantChange,
        /// Name of the chain that it is about, where it is another one.
        of: Option<String>,
    },
    /// `policy_activated`, `pack_activated`.
    PolicyActivated {
        /// In force from the next receipt on.
        activates: PolicyRef,
        /// Who activated it.
        principal: PrincipalId,
    },
    /// `schedule_changed`: a decided action that changes what fires.
    ScheduleChanged {
        /// The action.
        action: Action,
        /// What happens to the schedule.
        change: ChangeWord,
    },
    /// `cron_invocation`.
    CronInvocation {
        /// Something is started for it.
        runs: bool,
        /// When it was due.
        due: Option<Timestamp>,
        /// Until when nobody was there, for a miss.
        until: Option<Timestamp>,
    },
    /// `halted`: nothing may run from here on.
    Halted,
    /// `resumed`: things may run again.
    Resumed,
    /// `secret_changed`: a brokered credential was set or removed.
    SecretChanged,
    /// A kind whose members no check reads.
    Other,
}

/// What a `grant` gives to whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// Who gives it.
    pub principal: PrincipalId,
    /// Who holds it.
    pub to: PrincipalId,
    /// For whom the holder must act.
    pub on_behalf_of: Option<PrincipalId>,
    /// What.
    pub scope: Scope,
    /// Until when.
    pub expires: Option<Timestamp>,
    /// How many levels further it may be handed on.
    pub delegate: u64,
}

/// What became of the effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EffectStatus {
    /// It happened.
    Confirmed,
    /// It failed.
    Failed,
    /// It was ended.
    Revoked,
    /// Nobody knows.
    Unknown,
}

impl EffectStatus {
    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "confirmed" => Self::Confirmed,
            "failed" => Self::Failed,
            "revoked" => Self::Revoked,
            "unknown" => Self::Unknown,
            _ => return None,
        })
    }
}

impl<'a> Content<'a> {
    /// Reads content.
    ///
    /// # Errors
    /// The first member, in the order of format section 2, that is not as the format says.
    pub fn read(view: View<'_, 'a>) -> Result<Self, ContentFault> {
        let fields = Fields::of(view, "content")?;
        if fields.req("_type", View::text)? != content::TYPE {
            return Err(ContentFault::Type);
        }
        let kind_text = fields.req("kind", View::text)?;
        let kind = Kind::parse(&kind_text).filter(|kind| !kind.is_open());
        if kind.is_none() && !is_extension(&kind_text) {
            return Err(ContentFault::Kind);
        }
        let mut content = Self::read_envelope(&fields, kind)?;
        if let Some(kind) = kind {
            content.refs = kinds::refs(&fields)?;
            content.signatures = kinds::signatures(&fields)?;
            content.spec_hash = fields.opt("spec_hash", fields::digest)?;
            content.step = fields.opt("step", kinds::step)?;
            let common = kinds::common(&fields)?;
            content.from_memory = kind == Kind::TaskCompleted && common.from_memory;
            content.meaning = kinds::meaning(kind, &fields, common, &content.refs)?;
            if !content.signatures.is_empty() {
                content.statement = view.without(|key| is_envelope(key) || key == "signatures");
            }
        }
        Ok(content)
    }

    fn read_envelope(fields: &Fields<'_, 'a>, kind: Option<Kind>) -> Result<Self, ContentFault> {
        let log_origin = fields.plain("log_origin")?;
        LogOrigin::parse(log_origin).ok_or_else(|| missing("log_origin"))?;
        let key_id = fields.plain("key_id")?;
        if !keys::is_key_id(key_id) {
            return Err(missing("key_id"));
        }
        let clock = fields.opt("clock", View::plain)?;
        if clock.is_some_and(|word| word != "stepped") {
            return Err(missing("clock"));
        }
        Ok(Self {
            log_origin,
            seq: fields.req("seq", View::uint)?,
            receipt_id: fields.req("receipt_id", fields::receipt_id)?,
            timestamp: fields.req("timestamp", fields::timestamp)?,
            clock_stepped: clock.is_some(),
            key_id,
            hmac_epoch: fields.req("hmac_key_id", fields::epoch)?,
            policy_version: fields.req("policy_version", View::text)?,
            policy_hash: fields.req("policy_hash", fields::digest)?,
            kind,
            refs: Vec::new(),
            signatures: Vec::new(),
            spec_hash: None,
            from_memory: false,
            step: None,
            statement: None,
            meaning: Meaning::Other,
        })
    }

    /// The references of one relation, in their order.
    pub fn refs_of(&self, rel: Rel) -> impl Iterator<Item = &Ref> {
        self.refs.iter().filter(move |one| one.rel == rel)
    }
}

/// Whether `key` is one of the members that every receipt has and that its writer sets. They are
/// not part of an administrator's statement, with one exception: `kind` is.
fn is_envelope(key: &str) -> bool {
    matches!(
        key,
        "_type"
            | "clock"
            | "hmac_key_id"
            | "key_id"
            | "log_origin"
            | "policy_hash"
            | "policy_version"
            | "receipt_id"
            | "seq"
            | "timestamp"
    )
}

fn is_extension(kind: &str) -> bool {
    kind.strip_prefix("x_").is_some_and(crate::json::is_key)
}
