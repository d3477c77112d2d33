//! Content types per kind (format section 2), for those who write receipts.
//!
//! [`Envelope`] is what every receipt has; [`Body`] is what its kind adds. Free text and names never
//! appear here: they live in the vault, and content carries their salted hashes.

mod action;
mod genesis;
mod glass;
mod halt;
mod keys;
mod limits;
mod log;
mod people;
mod routed;
mod run;
mod schedule;
mod secret;
mod tenant;
mod token;
mod tool;
mod workflow;

use alloc::string::String;
use alloc::vec::Vec;

use crate::decision::Reason;
use crate::digest::Digest;
use crate::id::{KeyId, LogOrigin, PrincipalId, ReceiptId};
use crate::kind::Kind;
use crate::member::Members;
use crate::time::Timestamp;

use action::Terms;
pub use action::{Action, Answer, AnswerRefused, Escalation, Leased, RequestTag, Runtime};
pub use genesis::{Admin, Genesis, GenesisKey};
pub use glass::{GlassBroken, Reviewed, UNREVIEWED_MAX};
pub use halt::{Halted, Resumed, Review};
pub use keys::{KeyAdded, KeyObject, KeyRevoked, RevocationStatement};
pub use limits::{Draw, Known, Spent, SubjectFact};
pub use log::{Anchor, Erased, Erasure, GuardRenewed};
pub use people::{
    ANY_COMMAND, DELEGATION_MAX, GRANT_COMMANDS_MAX, GrantRevoked, Granted, PersonAdded, PersonRemoved,
    Right, Scope,
};
pub use routed::{
    Evidence, Forgotten, Layer, Learned, MemoryState, PureTask, Recollection, Released, Routed, Shadow,
};
pub use run::{Closing, Ending, Heartbeat};
pub use schedule::{ChangeWord, CronInvocation, CronOutcome, ScheduleChange, ScheduleChanged};
pub use secret::SecretChanged;
pub use tenant::{EndedChain, TenantChange, TenantChanged};
pub use token::{TokenIssued, TokenRevoked, TokenScope};
pub use tool::ToolPinned;
pub use workflow::{ChainClosed, ChainStarted, OfSpec, StepAt, StepCounts, StepRole};

/// `_type` of content.
pub const TYPE: &str = "cascade/receipt/v1";

/// What the `task_type` of an act that governs the chain itself begins with. Who may govern stands in the chain: no
/// policy decides that, so there is none to ask again.
pub const CONTROL_PREFIX: &str = "control.";

/// Most groups of an escalation or a principal.
pub const GROUPS_MAX: usize = 64;

/// Members that every receipt has, set by the writer of the chain at the moment of the append.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The chain's name.
    pub log_origin: LogOrigin,
    /// Position, from 0.
    pub seq: u64,
    /// Random id.
    pub receipt_id: ReceiptId,
    /// Never smaller than the one before.
    pub timestamp: Timestamp,
    /// The clock stood before the last time stamp, which was repeated.
    pub clock_stepped: bool,
    /// The receipt key that signs.
    pub key_id: KeyId,
    /// HMAC epoch, from 0.
    pub hmac_epoch: u64,
    /// The policy in force.
    pub policy: PolicyRef,
}

/// A policy snapshot by label and hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyRef {
    /// `policy_version`, a label for people.
    pub version: String,
    /// `policy_hash`, the snapshot's address.
    pub hash: Digest,
}

/// A reference to another receipt of the same chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ref {
    /// What the other receipt is to this one.
    pub rel: Rel,
    /// Its id.
    pub receipt_id: ReceiptId,
    /// Its hash.
    pub entry_hash: Digest,
}

macro_rules! rels {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// How one receipt refers to another.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Rel { $($(#[$doc])* $variant,)* }

        impl Rel {
            /// The word in `refs`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads the word.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

rels! {
    /// The `task_started` this closes or reports on.
    Intent = "intent",
    /// The dry run that was approved in advance.
    DryRun = "dry_run",
    /// The escalation this answers or follows.
    Escalation = "escalation",
    /// The approval this uses.
    Approval = "approval",
    /// The grant this stands on.
    Grant = "grant",
    /// The workflow this belongs to.
    Chain = "chain",
    /// The action this is part of.
    Parent = "parent",
    /// The schedule of an invocation, the invocation of what is started.
    Cron = "cron",
    /// The memory used.
    Memory = "memory",
    /// What this replaces.
    Supersedes = "supersedes",
}

/// A person's SSH signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// Who signed.
    pub principal: PrincipalId,
    /// The armoured SSHSIG text.
    pub sshsig: String,
}

/// `policy_activated`, or `pack_activated` where a pack changes it.
#[derive(Clone, Debug)]
pub struct PolicyActivated {
    /// What is in force from the next receipt on. (The envelope names what was until now.)
    pub activates: PolicyRef,
    /// Who activated it.
    pub principal: PrincipalId,
    /// Random, so that no signed statement can be used twice.
    pub statement_id: [u8; 8],
    /// An administrator's signature.
    pub signatures: Vec<Signature>,
    /// The regime that is declared or given up with it.
    pub pack: Option<PackChange>,
}

/// A regime that holds, or no longer holds, from the next receipt on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PackChange {
    /// Declared, or given up.
    pub active: bool,
    /// SHA-256 of the pack's text.
    pub hash: Digest,
    /// Its name.
    pub name: String,
}

/// What a kind adds.
#[derive(Clone, Debug)]
pub enum Body {
    /// `genesis`.
    Genesis(Genesis),
    /// `dry_run`.
    DryRun(Action),
    /// `blocked`.
    Blocked(Action),
    /// `escalation`.
    Escalation(Escalation),
    /// `approval`, `denial`.
    Answer(Answer),
    /// `break_glass`.
    GlassBroken(GlassBroken),
    /// `x_break_glass_review`.
    Reviewed(Reviewed),
    /// `approval_refused`.
    AnswerRefused(AnswerRefused),
    /// `approval_expired`.
    AnswerExpired(Ref),
    /// `task_started`.
    TaskStarted(Action),
    /// `task_started` of what somebody else performs.
    Leased(Leased),
    /// `task_completed` without an intent.
    Pure(PureTask),
    /// `task_completed` without an intent or an answer of the router: what a person settled or time brought about.
    Point(Action),
    /// `chain_started`.
    ChainStarted(ChainStarted),
    /// `chain_completed`, `chain_aborted`.
    ChainClosed(ChainClosed),
    /// `schedule_changed`.
    ScheduleChanged(ScheduleChanged),
    /// `cron_invocation`.
    CronInvocation(CronInvocation),
    /// `memory_learned`.
    Learned(Learned),
    /// `memory_forgotten`.
    Forgotten(Forgotten),
    /// `memory_forgotten` of wrong hits.
    Released(Released),
    /// `heartbeat`.
    Heartbeat(Heartbeat),
    /// `task_completed`, `task_failed`, `task_revoked`, `task_unknown`.
    Closing(Closing),
    /// `policy_activated`, `pack_activated`.
    PolicyActivated(PolicyActivated),
    /// `halted`.
    Halted(Halted),
    /// `resumed`.
    Resumed(Resumed),
    /// `secret_changed`.
    SecretChanged(SecretChanged),
    /// `erasure`.
    Erasure(Erasure),
    /// `anchor`.
    Anchor(Anchor),
    /// `recovery`.
    GuardRenewed(GuardRenewed),
    /// `key_added`, `key_rotated`.
    KeyAdded(KeyAdded),
    /// `key_revoked`.
    KeyRevoked(KeyRevoked),
    /// `principal_added`.
    PersonAdded(PersonAdded),
    /// `principal_removed`.
    PersonRemoved(PersonRemoved),
    /// `grant`.
    Granted(Granted),
    /// `grant_revoked`.
    GrantRevoked(GrantRevoked),
    /// `token_issued`.
    TokenIssued(TokenIssued),
    /// `token_revoked`.
    TokenRevoked(TokenRevoked),
    /// `tenant_changed`.
    TenantChanged(TenantChanged),
    /// `tool_pinned`.
    ToolPinned(ToolPinned),
    /// `x_subject_zone`, `x_consent`, `x_conversation`.
    SubjectFact(SubjectFact),
}

impl Body {
    /// The member `kind`.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Genesis(_) => Kind::Genesis,
            Self::DryRun(_) => Kind::DryRun,
            Self::Blocked(_) => Kind::Blocked,
            Self::Escalation(_) => Kind::Escalation,
            Self::Answer(answer) => {
                if answer.approve {
                    Kind::Approval
                } else {
                    Kind::Denial
                }
            }
            Self::GlassBroken(_) => Kind::BreakGlass,
            Self::Reviewed(_) => Kind::Review,
            Self::AnswerRefused(_) => Kind::ApprovalRefused,
            Self::AnswerExpired(_) => Kind::ApprovalExpired,
            Self::TaskStarted(_) | Self::Leased(_) => Kind::TaskStarted,
            Self::Pure(_) | Self::Point(_) => Kind::TaskCompleted,
            Self::ChainStarted(_) => Kind::ChainStarted,
            Self::ChainClosed(closed) if closed.completed => Kind::ChainCompleted,
            Self::ChainClosed(_) => Kind::ChainAborted,
            Self::ScheduleChanged(_) => Kind::ScheduleChanged,
            Self::CronInvocation(_) => Kind::CronInvocation,
            Self::Learned(_) => Kind::MemoryLearned,
            Self::Forgotten(_) | Self::Released(_) => Kind::MemoryForgotten,
            Self::Heartbeat(_) => Kind::Heartbeat,
            Self::Closing(closing) => match closing.ending {
                Ending::Completed => Kind::TaskCompleted,
                Ending::Failed => Kind::TaskFailed,
                Ending::Revoked => Kind::TaskRevoked,
                Ending::Unknown => Kind::TaskUnknown,
            },
            Self::PolicyActivated(activated) if activated.pack.is_some() => Kind::PackActivated,
            Self::PolicyActivated(_) => Kind::PolicyActivated,
            Self::Halted(_) => Kind::Halted,
            Self::Resumed(_) => Kind::Resumed,
            Self::SecretChanged(_) => Kind::SecretChanged,
            Self::Erasure(_) => Kind::Erasure,
            Self::Anchor(_) => Kind::Anchor,
            Self::GuardRenewed(_) => Kind::Recovery,
            Self::KeyAdded(added) if added.retires.is_some() => Kind::KeyRotated,
            Self::KeyAdded(_) => Kind::KeyAdded,
            Self::KeyRevoked(_) => Kind::KeyRevoked,
            Self::PersonAdded(_) => Kind::PrincipalAdded,
            Self::PersonRemoved(_) => Kind::PrincipalRemoved,
            Self::Granted(_) => Kind::Grant,
            Self::GrantRevoked(_) => Kind::GrantRevoked,
            Self::TokenIssued(_) => Kind::TokenIssued,
            Self::TokenRevoked(_) => Kind::TokenRevoked,
            Self::TenantChanged(_) => Kind::TenantChanged,
            Self::ToolPinned(_) => Kind::ToolPinned,
            Self::SubjectFact(fact) => fact.kind(),
        }
    }

    /// Adds this kind's own members, in ascending order.
    pub(crate) fn add_to(&self, to: &mut Members<'_>) {
        match self {
            Self::Genesis(genesis) => genesis.add_to(to),
            Self::DryRun(action)
            | Self::Blocked(action)
            | Self::TaskStarted(action)
            | Self::Point(action) => action.add_to(to),
            Self::ChainStarted(started) => started.add_to(to),
            Self::ChainClosed(closed) => closed.add_to(to),
            Self::Leased(leased) => leased.action.add_with(&Terms::of_lease(leased), to),
            Self::Escalation(escalation) => escalation.action.add_with(&Terms::of(escalation), to),
            Self::GlassBroken(broken) => broken.action.add_with(&Terms::of_glass(broken), to),
            Self::Reviewed(reviewed) => reviewed.add_to(to),
            Self::Answer(answer) => answer.add_to(to),
            Self::AnswerRefused(refused) => refused.add_to(to),
            Self::AnswerExpired(subject) => add_refs(to, core::slice::from_ref(subject)),
            Self::Pure(task) => task.add_to(to),
            Self::ScheduleChanged(changed) => changed.add_to(to),
            Self::CronInvocation(invocation) => invocation.add_to(to),
            Self::Learned(learned) => learned.add_to(to),
            Self::Forgotten(forgotten) => forgotten.add_to(to),
            Self::Released(released) => released.add_to(to),
            Self::Heartbeat(heartbeat) => heartbeat.add_to(to),
            Self::Closing(closing) => closing.add_to(to),
            Self::PolicyActivated(activated) => activated.add_to(to),
            Self::Halted(halted) => halted.add_to(to),
            Self::Resumed(resumed) => resumed.add_to(to),
            Self::SecretChanged(changed) => changed.add_to(to),
            Self::Erasure(erasure) => erasure.add_to(to),
            Self::Anchor(anchor) => anchor.add_to(to),
            Self::GuardRenewed(renewed) => renewed.add_to(to),
            Self::KeyAdded(added) => added.add_to(to),
            Self::KeyRevoked(revoked) => revoked.add_to(to),
            Self::PersonAdded(added) => added.add_to(to),
            Self::PersonRemoved(removed) => removed.add_to(to),
            Self::Granted(granted) => granted.add_to(to),
            Self::GrantRevoked(revoked) => revoked.add_to(to),
            Self::TokenIssued(issued) => issued.add_to(to),
            Self::TokenRevoked(revoked) => revoked.add_to(to),
            Self::TenantChanged(changed) => changed.add_to(to),
            Self::ToolPinned(pinned) => pinned.add_to(to),
            Self::SubjectFact(fact) => fact.add_to(to),
        }
    }

    /// The statement an administrator signs (format section 2.2): `kind` and the kind's own members
    /// without `signatures`, as canonical JSON.
    #[must_use]
    pub fn statement(&self) -> String {
        let mut text = String::new();
        Members::statement(&mut text, self, "signatures");
        text
    }
}

/// The whole content of one receipt.
#[derive(Debug)]
pub struct Content<'a> {
    /// What every receipt has.
    pub envelope: &'a Envelope,
    /// What its kind adds.
    pub body: &'a Body,
}

impl Content<'_> {
    /// Appends the canonical text, the bytes that are hashed and stored.
    pub fn write(&self, out: &mut String) {
        Members::content(out, self.envelope, self.body);
    }
}

impl PolicyActivated {
    fn add_to(&self, to: &mut Members<'_>) {
        to.add("activates", |out| {
            out.object(|out| {
                out.key("policy_hash").hex(&self.activates.hash.0);
                out.key("policy_version").str(&self.activates.version);
            });
        });
        if let Some(pack) = &self.pack {
            to.add("pack", |out| {
                out.object(|out| {
                    out.key("active").bool(pack.active);
                    out.key("hash").hex(&pack.hash.0);
                    out.key("name").str(&pack.name);
                });
            });
        }
        to.add("principal", |out| out.spelled(&self.principal));
        add_signatures(to, &self.signatures);
        to.add("statement_id", |out| out.hex(&self.statement_id));
    }
}

fn add_refs(to: &mut Members<'_>, refs: &[Ref]) {
    if !refs.is_empty() {
        add_each_ref(to, refs.iter());
    }
}

/// What follows an intent names it and, if it is a step's, the run of the workflow.
fn add_intent(to: &mut Members<'_>, intent: &Ref, chain: Option<&Ref>) {
    add_each_ref(to, core::iter::once(intent).chain(chain));
}

fn add_each_ref<'r>(to: &mut Members<'_>, refs: impl Iterator<Item = &'r Ref>) {
    to.add("refs", |out| {
        out.array(|out| {
            for one in refs {
                out.item().object(|out| {
                    out.key("entry_hash").hex(&one.entry_hash.0);
                    out.key("receipt_id").spelled(&one.receipt_id);
                    out.key("rel").word(one.rel.as_str());
                });
            }
        });
    });
}

fn add_reasons(to: &mut Members<'_>, reasons: &[Reason]) {
    to.add("reasons", |out| {
        out.array(|out| {
            for reason in reasons {
                out.item().object(|out| out.key("code").str(&reason.code));
            }
        });
    });
}

fn add_signatures(to: &mut Members<'_>, signatures: &[Signature]) {
    to.add("signatures", |out| {
        out.array(|out| {
            for signature in signatures {
                out.item().object(|out| {
                    out.key("principal").spelled(&signature.principal);
                    out.key("sshsig").str(&signature.sshsig);
                });
            }
        });
    });
}
