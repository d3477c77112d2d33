//! What a receipt changes in the views, read from a typed body (when appending) or from stored
//! JSON (when rebuilding). Both readings must agree: `fsck` compares the views with a rebuild.

use cascade_receipt::base64;
use cascade_receipt::content::{
    Action, Answer, Body, Envelope, Escalation, GenesisKey, KeyObject, PolicyRef, Rel, SecretChanged,
};
use cascade_receipt::digest::{self, Digest};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::Value;
use cascade_receipt::kind::Kind;
use cascade_receipt::reader::Purpose;
use cascade_receipt::time::Timestamp;

/// One receipt's effect on the views.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// The first policy and the first administrators. The policy stands in the envelope.
    Genesis { policy: PolicyRef, admins: Vec<(PrincipalId, String)>, keys: Vec<KeyRow> },
    /// An intent; uses up what it refers to.
    Started { principal: PrincipalId, action_hash: Digest, used: Vec<(Rel, ReceiptId)> },
    /// A closer.
    Closed { intent: ReceiptId },
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
    /// Another policy from the next receipt on.
    PolicyActivated(PolicyRef),
    /// Private bytes of these receipts are gone.
    Erased(Vec<ReceiptId>),
    /// A new key, perhaps in the place of another. `parent` signed the receipt, at `added`.
    KeyAdded { key: KeyRow, retires: Option<String>, parent: String, added: Timestamp },
    /// A key was taken back, and with it those added under it since then.
    KeyRevoked { key_id: String, since: Timestamp, replacement: Option<KeyRow> },
    /// The views stay as they are.
    Nothing,
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
            Body::TaskStarted(action) => Self::Started {
                principal: action.principal,
                action_hash: action.action_hash,
                used: action
                    .refs
                    .iter()
                    .filter(|one| uses(one.rel))
                    .map(|one| (one.rel, one.receipt_id))
                    .collect(),
            },
            Body::Closing(closing) => Self::Closed { intent: closing.intent.receipt_id },
            Body::Answer(answer) => Self::of_answer(answer),
            Body::AnswerExpired(subject) => Self::Expired { subject: subject.receipt_id },
            Body::Halted(_) => Self::Halt(true),
            Body::Resumed(_) => Self::Halt(false),
            Body::SecretChanged(changed) => Self::Secret { id: changed.secret, set: changed.set },
            Body::PolicyActivated(activated) => Self::PolicyActivated(activated.activates.clone()),
            Body::Erasure(erasure) => Self::Erased(erasure.erased.iter().map(|one| one.receipt_id).collect()),
            Body::KeyAdded(added) => Self::KeyAdded {
                key: KeyRow::of_object(&added.key),
                retires: added.retires.as_ref().map(|id| id.as_str().to_owned()),
                parent: envelope.key_id.as_str().to_owned(),
                added: envelope.timestamp,
            },
            Body::KeyRevoked(revoked) => Self::KeyRevoked {
                key_id: revoked.statement.key_id.as_str().to_owned(),
                since: revoked.statement.compromised_since,
                replacement: revoked.statement.replacement.as_ref().map(KeyRow::of_object),
            },
            Body::Blocked(_)
            | Body::AnswerRefused(_)
            | Body::Heartbeat(_)
            | Body::Anchor(_)
            | Body::GuardRenewed(_) => Self::Nothing,
        }
    }

    /// Whether decisions made before it are stale afterwards.
    pub(crate) const fn moves_mark(&self) -> bool {
        match self {
            Self::Started { used, .. } => !used.is_empty(),
            Self::Answered { .. }
            | Self::Expired { .. }
            | Self::Halt(_)
            | Self::Secret { .. }
            | Self::PolicyActivated(_)
            | Self::Erased(_) => true,
            Self::Genesis { .. }
            | Self::Closed { .. }
            | Self::Subject(_)
            | Self::KeyAdded { .. }
            | Self::KeyRevoked { .. }
            | Self::Nothing => false,
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
        Some(match Kind::parse(text("kind")?)? {
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
            Kind::TaskStarted => Self::Started {
                principal: PrincipalId::parse(text("principal")?)?,
                action_hash: Digest::from_hex(text("action_hash")?)?,
                used: refs_of(content)?.into_iter().filter(|(rel, _)| uses(*rel)).collect(),
            },
            kind if kind.is_closer() => {
                // A pure task has no intent and closes nothing.
                let intent = refs_of(content)?.into_iter().find(|(rel, _)| *rel == Rel::Intent);
                intent.map_or(Self::Nothing, |(_, intent)| Self::Closed { intent })
            }
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
            Kind::SecretChanged => Self::Secret {
                id: digest::from_hex(text("secret")?)?,
                set: text("change")? == SecretChanged::SET,
            },
            Kind::PolicyActivated => Self::PolicyActivated(policy_of(content.member("activates")?)?),
            Kind::Erasure => {
                let ids = content.member("erased")?.as_array()?.iter();
                let id = |one: &Value| ReceiptId::parse(one.member("receipt_id")?.as_str()?);
                Self::Erased(ids.map(id).collect::<Option<_>>()?)
            }
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
            _ => Self::Nothing,
        })
    }
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

/// Whether an intent uses up what it refers to by this relation.
pub(crate) const fn uses(rel: Rel) -> bool {
    matches!(rel, Rel::Approval | Rel::Escalation | Rel::DryRun)
}

fn policy_of(value: &Value) -> Option<PolicyRef> {
    Some(PolicyRef {
        version: value.member("policy_version")?.as_str()?.to_owned(),
        hash: Digest::from_hex(value.member("policy_hash")?.as_str()?)?,
    })
}

fn admin_of(value: &Value) -> Option<(PrincipalId, String)> {
    let principal = PrincipalId::parse(value.member("principal")?.as_str()?)?;
    Some((principal, value.member("ssh_key")?.as_str()?.to_owned()))
}

fn refs_of(content: &Value) -> Option<Vec<(Rel, ReceiptId)>> {
    let Some(refs) = content.member("refs") else { return Some(Vec::new()) };
    refs.as_array()?
        .iter()
        .map(|one| {
            let rel = Rel::parse(one.member("rel")?.as_str()?)?;
            Some((rel, ReceiptId::parse(one.member("receipt_id")?.as_str()?)?))
        })
        .collect()
}
