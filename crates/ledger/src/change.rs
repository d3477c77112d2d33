//! What a receipt changes in the views, read from a typed body (when appending) or from stored
//! JSON (when rebuilding). Both readings must agree: `fsck` compares the views with a rebuild.

mod grants;
mod memory;
mod read;
mod tenants;
mod tokens;
mod tools;

use cascade_receipt::base64;
use cascade_receipt::content::{
    Action, Answer, Body, Draw, Envelope, Escalation, GenesisKey, GlassBroken, KeyObject, KeyRevoked,
    PackChange, PolicyRef, Rel, ScheduleChanged, SecretChanged, SubjectFact,
};
use cascade_receipt::digest::{self, Digest};
use cascade_receipt::id::{PrincipalId, ReceiptId, TokenId};
use cascade_receipt::json::Value;
use cascade_receipt::kind::Kind;
use cascade_receipt::reader::Purpose;
use cascade_receipt::time::Timestamp;

use crate::limit_views::{self, Settlement};
use crate::regime_views;
use crate::schedule_views::{InvocationRow, ScheduleStep};

pub(crate) use grants::GrantRow;
use grants::grants_of;
pub(crate) use memory::MemoryRow;
use read::{admin_of, erased_of, policy_of, refs_of};
pub(crate) use tenants::TenantRow;
pub(crate) use tokens::TokenRow;
pub(crate) use tools::ToolRow;

/// One receipt's effect on the views.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// The first policy and the first administrators. The policy stands in the envelope.
    Genesis { policy: PolicyRef, admins: Vec<(PrincipalId, String)>, keys: Vec<KeyRow> },
    /// An intent; uses up what it refers to and takes what it draws.
    Started {
        principal: PrincipalId,
        action_hash: Digest,
        used: Vec<(Rel, ReceiptId)>,
        draws: Vec<Draw>,
        at: Timestamp,
        /// Somebody else performs it, and its outcome is waited for until then.
        until: Option<Timestamp>,
    },
    /// A task that was answered, or a point of a workflow that was settled, without an effect on the world; uses and takes what an intent does.
    Pure { used: Vec<(Rel, ReceiptId)>, draws: Vec<Draw>, at: Timestamp },
    /// A run of a workflow began; uses and takes what an intent does.
    ChainStarted {
        principal: PrincipalId,
        spec_hash: Digest,
        used: Vec<(Rel, ReceiptId)>,
        draws: Vec<Draw>,
        at: Timestamp,
    },
    /// A schedule was added, paused, resumed or removed; uses and takes what an intent does.
    Scheduled { step: ScheduleStep, used: Vec<(Rel, ReceiptId)>, draws: Vec<Draw>, at: Timestamp },
    /// A time at which a schedule was due is dealt with.
    Invoked(InvocationRow),
    /// It ended.
    ChainClosed { chain: ReceiptId },
    /// An answer is remembered.
    Learned(MemoryRow),
    /// It no longer is.
    Forgotten { learned: ReceiptId, wrong: bool, at: Timestamp },
    /// Wrong hits count no more.
    Released(Vec<ReceiptId>),
    /// A closer.
    Closed { intent: ReceiptId, settlement: Settlement },
    /// Something that became known of a person outside.
    SubjectFact { fact: SubjectFact, at: Timestamp },
    /// An escalation or a dry run: something that people can answer.
    Subject(Subject),
    /// An approval or denial.
    Answered {
        subject: ReceiptId,
        principal: PrincipalId,
        action_hash: Digest,
        approve: bool,
        expires: Timestamp,
        signed: bool,
    },
    /// An escalation or approval ran out.
    Expired { subject: ReceiptId },
    /// The stop button was pressed, or let go.
    Halt(bool),
    /// A credential was set, or removed.
    Secret { id: [u8; 8], set: bool },
    /// Another policy from the next receipt on, and the regime that is declared or given up with it.
    PolicyActivated(PolicyRef, Option<PackChange>),
    /// Private bytes of these receipts are gone.
    Erased(Vec<ReceiptId>),
    /// A new key, perhaps in the place of another. `parent` signed the receipt, at `added`.
    KeyAdded { key: KeyRow, retires: Option<String>, parent: String, added: Timestamp },
    /// A key was taken back, and with it those added under it since then.
    KeyRevoked { key_id: String, since: Timestamp, replacement: Option<KeyRow> },
    /// A person joined, or is registered anew.
    PersonAdded { principal: PrincipalId, ssh_key: String, groups: Vec<String> },
    /// A person left.
    PersonRemoved { principal: PrincipalId },
    /// A right was given.
    Granted(GrantRow),
    /// A right was taken back.
    GrantRevoked { grant: ReceiptId },
    /// A bearer token was issued.
    TokenIssued(TokenRow),
    /// It was taken back.
    TokenRevoked { token_id: TokenId },
    /// The tenant was suspended, is active again or was deleted, or another one was deleted.
    Tenant(TenantRow),
    /// The definition of a tool was pinned.
    ToolPinned(ToolRow),
    /// Somebody went past the gates.
    GlassBroken(GlassRow),
    /// Somebody else has looked at it.
    Reviewed { glass: ReceiptId },
    /// The views stay as they are.
    Nothing,
}

/// Something done past the gates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GlassRow {
    pub(crate) action_hash: Digest,
    pub(crate) principal: PrincipalId,
    pub(crate) groups: Vec<String>,
    pub(crate) due: Timestamp,
}

/// A key of the chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeyRow {
    pub(crate) key_id: String,
    pub(crate) purpose: Purpose,
    pub(crate) public_key: [u8; 32],
}

/// What can be answered by people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) action_hash: Digest,
    pub(crate) principal: PrincipalId,
    pub(crate) required: u32,
    pub(crate) groups: Vec<String>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) signature_required: bool,
}

impl Change {
    /// The change that `body` makes. No wildcard: a new kind must say what it does to the views.
    pub(crate) fn of_body(body: &Body, envelope: &Envelope) -> Self {
        match body {
            Body::Genesis(genesis) => Self::Genesis {
                policy: envelope.policy.clone(),
                keys: [
                    (Purpose::Receipt, &genesis.receipt),
                    (Purpose::Log, &genesis.log),
                    (Purpose::Recovery, &genesis.recovery),
                ]
                .map(|(purpose, key)| KeyRow::of_genesis(purpose, key))
                .to_vec(),
                admins: genesis.admins.iter().map(|admin| (admin.principal, admin.ssh_key.clone())).collect(),
            },
            Body::DryRun(action) => Self::Subject(Subject::of_dry_run(action)),
            Body::Escalation(escalation) => Self::Subject(Subject::of_escalation(escalation)),
            Body::TaskStarted(action) => Self::of_intent(action, None, envelope.timestamp),
            Body::Leased(leased) => Self::of_intent(&leased.action, Some(leased.expires), envelope.timestamp),
            Body::Pure(task) => Self::of_pure(&task.action, envelope.timestamp),
            Body::Point(action) => Self::of_pure(action, envelope.timestamp),
            Body::ChainStarted(started) => Self::of_start(&started.action, envelope.timestamp),
            Body::ScheduleChanged(changed) => Self::of_schedule(changed, envelope.timestamp),
            Body::CronInvocation(fired) => Self::Invoked(InvocationRow::of_body(fired, envelope.timestamp)),
            Body::ChainClosed(closed) => Self::ChainClosed { chain: closed.chain.receipt_id },
            Body::Learned(learned) => MemoryRow::of_body(learned).map_or(Self::Nothing, Self::Learned),
            Body::Forgotten(forgotten) => Self::of_forgetting(forgotten, envelope.timestamp),
            Body::Released(released) => Self::of_release(released),
            Body::Closing(closing) => Self::Closed {
                intent: closing.intent.receipt_id,
                settlement: Settlement::of_closing(closing),
            },
            Body::SubjectFact(fact) => Self::SubjectFact { fact: fact.clone(), at: envelope.timestamp },
            Body::Answer(answer) => Self::of_answer(answer),
            Body::AnswerExpired(subject) => Self::Expired { subject: subject.receipt_id },
            Body::Halted(_) => Self::Halt(true),
            Body::Resumed(_) => Self::Halt(false),
            Body::SecretChanged(changed) => Self::Secret { id: changed.secret, set: changed.set },
            Body::PolicyActivated(activated) => {
                Self::PolicyActivated(activated.activates.clone(), activated.pack.clone())
            }
            Body::Erasure(erasure) => Self::Erased(erasure.erased.iter().map(|one| one.receipt_id).collect()),
            Body::KeyAdded(added) => Self::KeyAdded {
                key: KeyRow::of_object(&added.key),
                retires: added.retires.as_ref().map(|id| id.as_str().to_owned()),
                parent: envelope.key_id.as_str().to_owned(),
                added: envelope.timestamp,
            },
            Body::KeyRevoked(revoked) => Self::of_revocation(revoked),
            Body::PersonAdded(added) => Self::PersonAdded {
                principal: added.principal,
                ssh_key: added.ssh_key.clone(),
                groups: added.groups.clone(),
            },
            Body::PersonRemoved(removed) => Self::PersonRemoved { principal: removed.principal },
            Body::Granted(granted) => Self::Granted(GrantRow::of_body(granted)),
            Body::GrantRevoked(revoked) => Self::GrantRevoked { grant: revoked.grant.receipt_id },
            Body::TokenIssued(issued) => Self::TokenIssued(TokenRow::of_body(issued)),
            Body::TokenRevoked(revoked) => Self::TokenRevoked { token_id: revoked.token_id },
            Body::TenantChanged(changed) => Self::Tenant(TenantRow::of_body(changed)),
            Body::ToolPinned(pinned) => Self::ToolPinned(ToolRow::of_body(pinned)),
            Body::GlassBroken(broken) => Self::GlassBroken(GlassRow::of_body(broken)),
            Body::Reviewed(reviewed) => Self::Reviewed { glass: reviewed.glass.receipt_id },
            Body::Blocked(_)
            | Body::AnswerRefused(_)
            | Body::Heartbeat(_)
            | Body::Anchor(_)
            | Body::GuardRenewed(_) => Self::Nothing,
        }
    }

    fn of_schedule(changed: &ScheduleChanged, at: Timestamp) -> Self {
        let scheduled = |step| Self::Scheduled {
            step,
            used: used_of(&changed.action),
            draws: changed.action.draws.clone(),
            at,
        };
        ScheduleStep::of_body(changed).map_or(Self::Nothing, scheduled)
    }

    fn of_stored_intent(content: &Value) -> Option<Self> {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        Some(Self::Started {
            principal: PrincipalId::parse(text("principal")?)?,
            action_hash: Digest::from_hex(text("action_hash")?)?,
            used: refs_of(content)?.into_iter().filter(|(rel, _)| uses(*rel)).collect(),
            draws: limit_views::draws_of(content)?,
            at: Timestamp::parse(text("timestamp")?)?,
            until: match text("expires") {
                Some(until) => Some(Timestamp::parse(until)?),
                None => None,
            },
        })
    }

    fn of_schedule_value(content: &Value) -> Option<Self> {
        Some(Self::Scheduled {
            step: ScheduleStep::of_value(content)?,
            used: refs_of(content)?.into_iter().filter(|(rel, _)| uses(*rel)).collect(),
            draws: limit_views::draws_of(content)?,
            at: content.member("timestamp").and_then(Value::as_str).and_then(Timestamp::parse)?,
        })
    }

    /// Whether decisions made before it are stale afterwards.
    pub(crate) fn moves_mark(&self) -> bool {
        match self {
            Self::Started { used, .. }
            | Self::Pure { used, .. }
            | Self::ChainStarted { used, .. }
            | Self::Scheduled { used, .. } => stands_on_answers(used),
            Self::Answered { .. }
            // Steps that run are decided on again: nothing of a workflow outlives its end by itself.
            | Self::ChainClosed { .. }
            | Self::Expired { .. }
            | Self::Halt(_)
            | Self::Tenant(TenantRow::Own(_))
            | Self::Secret { .. }
            | Self::PolicyActivated(..)
            | Self::Erased(_)
            | Self::PersonAdded { .. }
            | Self::PersonRemoved { .. }
            | Self::Granted(_)
            | Self::GrantRevoked { .. }
            | Self::TokenRevoked { .. }
            | Self::ToolPinned(ToolRow { supersedes: Some(_), .. }) => true,
            Self::Genesis { .. }
            | Self::Closed { .. }
            // What stands on it is looked at under the write lock.
            | Self::Invoked(_)
            | Self::Learned(_)
            | Self::Forgotten { .. }
            | Self::Released(_)
            | Self::SubjectFact { .. }
            | Self::Subject(_)
            | Self::KeyAdded { .. }
            | Self::KeyRevoked { .. }
            // Nothing was decided on it yet.
            | Self::TokenIssued(_)
            | Self::Tenant(TenantRow::Other(_))
            | Self::ToolPinned(_)
            // What it changes is looked at under the write lock; runs of others go on undisturbed.
            | Self::GlassBroken(_)
            | Self::Reviewed { .. }
            | Self::Nothing => false,
        }
    }

    fn of_intent(action: &Action, until: Option<Timestamp>, at: Timestamp) -> Self {
        Self::Started {
            principal: action.principal,
            action_hash: action.action_hash,
            used: used_of(action),
            draws: action.draws.clone(),
            at,
            until,
        }
    }

    /// A start without a specification never gets here: it is refused under the write lock.
    fn of_start(action: &Action, at: Timestamp) -> Self {
        let Some(spec) = action.spec else { return Self::Nothing };
        Self::ChainStarted {
            principal: action.principal,
            spec_hash: spec.spec_hash,
            used: used_of(action),
            draws: action.draws.clone(),
            at,
        }
    }

    fn of_pure(action: &Action, at: Timestamp) -> Self {
        Self::Pure { used: used_of(action), draws: action.draws.clone(), at }
    }

    fn of_revocation(revoked: &KeyRevoked) -> Self {
        Self::KeyRevoked {
            key_id: revoked.statement.key_id.as_str().to_owned(),
            since: revoked.statement.compromised_since,
            replacement: revoked.statement.replacement.as_ref().map(KeyRow::of_object),
        }
    }

    fn of_answer(answer: &Answer) -> Self {
        Self::Answered {
            subject: answer.subject.receipt_id,
            principal: answer.principal,
            action_hash: answer.action_hash,
            approve: answer.approve,
            expires: answer.expires,
            signed: !answer.signatures.is_empty(),
        }
    }

    /// The change that stored content makes; `None` when it is no content of this version.
    pub(crate) fn of_value(content: &Value) -> Option<Self> {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        let Some(kind) = Kind::parse(text("kind")?) else {
            // Other people's extensions change nothing here.
            return text("kind")?.starts_with("x_").then_some(Self::Nothing);
        };
        Some(match kind {
            Kind::Genesis => Self::Genesis {
                policy: policy_of(content)?,
                admins: content.member("admins")?.as_array()?.iter().map(admin_of).collect::<Option<_>>()?,
                keys: [Purpose::Receipt, Purpose::Log, Purpose::Recovery]
                    .into_iter()
                    .map(|purpose| {
                        KeyRow::of_value(purpose, content.member("keys")?.member(purpose.as_str())?)
                    })
                    .collect::<Option<_>>()?,
            },
            Kind::TaskStarted => Self::of_stored_intent(content)?,
            Kind::ChainStarted | Kind::ChainCompleted | Kind::ChainAborted => Self::of_chain(kind, content)?,
            Kind::ScheduleChanged => Self::of_schedule_value(content)?,
            Kind::CronInvocation => Self::Invoked(InvocationRow::of_value(content)?),
            kind if kind.is_closer() => Self::of_closer(kind, content)?,
            kind if kind.is_open() => Self::SubjectFact {
                fact: limit_views::fact_of(kind, content)?,
                at: Timestamp::parse(text("timestamp")?)?,
            },
            kind @ (Kind::DryRun | Kind::Escalation) => Self::Subject(Subject::of_value(kind, content)?),
            kind @ (Kind::Approval | Kind::Denial) => Self::Answered {
                subject: refs_of(content)?.first()?.1,
                principal: PrincipalId::parse(text("principal")?)?,
                action_hash: Digest::from_hex(text("action_hash")?)?,
                approve: kind == Kind::Approval,
                expires: Timestamp::parse(text("expires")?)?,
                signed: content
                    .member("signatures")
                    .and_then(Value::as_array)
                    .is_some_and(|all| !all.is_empty()),
            },
            Kind::ApprovalExpired => Self::Expired { subject: refs_of(content)?.first()?.1 },
            Kind::Halted => Self::Halt(true),
            Kind::Resumed => Self::Halt(false),
            Kind::PolicyActivated | Kind::PackActivated => activated(content)?,
            Kind::Erasure => Self::Erased(erased_of(content)?),
            Kind::KeyAdded | Kind::KeyRotated => Self::KeyAdded {
                key: KeyRow::of_value_object(content.member("key")?)?,
                retires: text("retires").map(str::to_owned),
                parent: text("key_id")?.to_owned(),
                added: Timestamp::parse(text("timestamp")?)?,
            },
            Kind::KeyRevoked => {
                let statement = content.member("statement")?;
                let replacement = statement.member("replacement");
                Self::KeyRevoked {
                    key_id: statement.member("key_id")?.as_str()?.to_owned(),
                    since: Timestamp::parse(statement.member("compromised_since")?.as_str()?)?,
                    replacement: match replacement {
                        Some(key) => Some(KeyRow::of_value_object(key)?),
                        None => None,
                    },
                }
            }
            kind => Self::of_people(kind, content)?,
        })
    }

    /// The same of kinds about people, what they were given, and credentials.
    fn of_people(kind: Kind, content: &Value) -> Option<Self> {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        Some(match kind {
            Kind::PrincipalAdded => Self::PersonAdded {
                principal: PrincipalId::parse(text("principal")?)?,
                ssh_key: text("ssh_key")?.to_owned(),
                groups: words_of(content.member("groups")?)?,
            },
            Kind::PrincipalRemoved => {
                Self::PersonRemoved { principal: PrincipalId::parse(text("principal")?)? }
            }
            Kind::Grant => Self::Granted(GrantRow::of_value(content)?),
            Kind::SecretChanged => Self::Secret {
                id: digest::from_hex(text("secret")?)?,
                set: text("change")? == SecretChanged::SET,
            },
            Kind::GrantRevoked => Self::GrantRevoked { grant: *grants_of(content)?.first()? },
            Kind::TokenIssued => Self::TokenIssued(TokenRow::of_value(content)?),
            Kind::TokenRevoked => Self::TokenRevoked { token_id: TokenId::parse(text("token_id")?)? },
            Kind::TenantChanged => Self::Tenant(TenantRow::of_value(content)?),
            Kind::ToolPinned => Self::ToolPinned(ToolRow::of_value(content)?),
            // One that says nothing of a review is another program's, and owes none.
            Kind::BreakGlass if content.member("review_due").is_some() => Self::GlassBroken(GlassRow {
                action_hash: Digest::from_hex(text("action_hash")?)?,
                principal: PrincipalId::parse(text("principal")?)?,
                groups: words_of(content.member("groups")?)?,
                due: Timestamp::parse(text("review_due")?)?,
            }),
            Kind::Review => Self::Reviewed { glass: refs_of(content)?.first()?.1 },
            // One that says nothing of an answer is another program's.
            Kind::MemoryLearned => MemoryRow::of_value(content).map_or(Self::Nothing, Self::Learned),
            Kind::MemoryForgotten => Self::of_forgotten(content)?,
            _ => Self::Nothing,
        })
    }

    /// The same of a workflow's start and end.
    fn of_chain(kind: Kind, content: &Value) -> Option<Self> {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        let refs = refs_of(content)?;
        Some(match kind {
            Kind::ChainStarted => Self::ChainStarted {
                principal: PrincipalId::parse(text("principal")?)?,
                spec_hash: Digest::from_hex(text("spec_hash")?)?,
                used: refs.into_iter().filter(|(rel, _)| uses(*rel)).collect(),
                draws: limit_views::draws_of(content)?,
                at: Timestamp::parse(text("timestamp")?)?,
            },
            _ => Self::ChainClosed { chain: refs.into_iter().find(|(rel, _)| *rel == Rel::Chain)?.1 },
        })
    }

    /// A pure task has no intent and closes nothing.
    fn of_closer(kind: Kind, content: &Value) -> Option<Self> {
        let refs = refs_of(content)?;
        let Some((_, intent)) = refs.iter().find(|(rel, _)| *rel == Rel::Intent) else {
            return Some(Self::Pure {
                used: refs.into_iter().filter(|(rel, _)| uses(*rel)).collect(),
                draws: limit_views::draws_of(content)?,
                at: Timestamp::parse(content.member("timestamp")?.as_str()?)?,
            });
        };
        Some(Self::Closed { intent: *intent, settlement: Settlement::of_value(kind, content) })
    }
}

impl GlassRow {
    fn of_body(broken: &GlassBroken) -> Self {
        Self {
            action_hash: broken.action.action_hash,
            principal: broken.action.principal,
            groups: broken.groups.clone(),
            due: broken.review_due,
        }
    }
}

fn words_of(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect()
}

impl KeyRow {
    fn of_genesis(purpose: Purpose, key: &GenesisKey) -> Self {
        Self { key_id: key.key_id.as_str().to_owned(), purpose, public_key: key.public_key }
    }

    fn of_object(key: &KeyObject) -> Self {
        Self { key_id: key.key_id.as_str().to_owned(), purpose: key.purpose, public_key: key.public_key }
    }

    fn of_value(purpose: Purpose, key: &Value) -> Option<Self> {
        Some(Self {
            key_id: key.member("key_id")?.as_str()?.to_owned(),
            purpose,
            public_key: base64::decode_array(key.member("public_key")?.as_str()?)?,
        })
    }

    fn of_value_object(key: &Value) -> Option<Self> {
        Self::of_value(Purpose::parse(key.member("purpose")?.as_str()?)?, key)
    }
}

impl Subject {
    fn of_dry_run(action: &Action) -> Self {
        Self {
            kind: Kind::DryRun,
            action_hash: action.action_hash,
            principal: action.principal,
            required: 1,
            groups: Vec::new(),
            expires: None,
            signature_required: false,
        }
    }

    fn of_escalation(escalation: &Escalation) -> Self {
        Self {
            kind: Kind::Escalation,
            action_hash: escalation.action.action_hash,
            principal: escalation.action.principal,
            required: escalation.required,
            groups: escalation.groups.clone(),
            expires: Some(escalation.expires),
            signature_required: escalation.signature_required,
        }
    }

    fn of_value(kind: Kind, content: &Value) -> Option<Self> {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        let escalation = kind == Kind::Escalation;
        let groups = content.member("groups").and_then(Value::as_array).unwrap_or_default();
        Some(Self {
            kind,
            action_hash: Digest::from_hex(text("action_hash")?)?,
            principal: PrincipalId::parse(text("principal")?)?,
            required: if escalation {
                u32::try_from(content.member("required")?.as_u64()?).ok()?
            } else {
                1
            },
            groups: groups.iter().map(|group| group.as_str().map(str::to_owned)).collect::<Option<_>>()?,
            expires: if escalation { Some(Timestamp::parse(text("expires")?)?) } else { None },
            signature_required: escalation && content.member("signature_required")?.as_bool()?,
        })
    }
}

/// What an action uses up.
fn used_of(action: &Action) -> Vec<(Rel, ReceiptId)> {
    let used = action.refs.iter().filter(|one| uses(one.rel));
    used.map(|one| (one.rel, one.receipt_id)).collect()
}

/// Whether an intent uses up what others may stand on as well.
fn stands_on_answers(used: &[(Rel, ReceiptId)]) -> bool {
    used.iter().any(|(rel, _)| *rel != Rel::Parent)
}

/// Whether an intent uses up what it refers to by this relation.
pub(crate) const fn uses(rel: Rel) -> bool {
    matches!(rel, Rel::Approval | Rel::Escalation | Rel::DryRun | Rel::Parent)
}

fn activated(content: &Value) -> Option<Change> {
    let pack = match content.member("pack") {
        Some(pack) => Some(regime_views::change_of(pack)?),
        None => None,
    };
    Some(Change::PolicyActivated(policy_of(content.member("activates")?)?, pack))
}
