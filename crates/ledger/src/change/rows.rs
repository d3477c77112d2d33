//! Rows of the views, from a typed body and from stored JSON alike.

use cascade_receipt::base64;
use cascade_receipt::content::{
    Action, Escalation, GenesisKey, GlassBroken, Granted, KeyObject, Learned, MemoryState, Rel,
};
use cascade_receipt::digest::{self, Digest};
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::Value;
use cascade_receipt::kind::Kind;
use cascade_receipt::reader::Purpose;
use cascade_receipt::time::Timestamp;

use super::{GlassRow, GrantRow, KeyRow, MemoryRow, Subject, grants_of, refs_of};

impl GlassRow {
    pub(super) fn of_body(broken: &GlassBroken) -> Self {
        Self {
            action_hash: broken.action.action_hash,
            principal: broken.action.principal,
            groups: broken.groups.clone(),
            due: broken.review_due,
        }
    }
}

impl MemoryRow {
    pub(super) fn of_body(learned: &Learned) -> Option<Self> {
        Some(Self {
            id: learned.memory,
            answer: learned.refs.iter().find(|one| one.rel == Rel::Parent)?.receipt_id,
            principal: learned.principal,
            state: learned.state,
            expires: learned.expires,
        })
    }

    pub(super) fn of_value(content: &Value) -> Option<Self> {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        Some(Self {
            id: digest::from_hex(text("memory")?)?,
            answer: refs_of(content)?.into_iter().find(|(rel, _)| *rel == Rel::Parent)?.1,
            principal: PrincipalId::parse(text("principal")?)?,
            state: MemoryState::parse(text("memory_state")?)?,
            expires: Timestamp::parse(text("expires")?)?,
        })
    }
}

impl GrantRow {
    pub(super) fn of_body(granted: &Granted) -> Self {
        Self {
            principal: granted.principal,
            to: granted.to,
            on_behalf_of: granted.on_behalf_of,
            parent: granted.parent.as_ref().map(|parent| parent.receipt_id),
            scope: granted.scope.text(),
            expires: granted.expires,
            delegate: granted.delegate,
        }
    }

    pub(super) fn of_value(content: &Value) -> Option<Self> {
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        let principal = |key: &str| PrincipalId::parse(text(key)?);
        Some(Self {
            principal: principal("principal")?,
            to: principal("to")?,
            on_behalf_of: principal("on_behalf_of"),
            parent: grants_of(content)?.first().copied(),
            scope: content.member("scope")?.to_canonical(),
            expires: text("expires").and_then(Timestamp::parse),
            delegate: content.member("delegate")?.as_u64()?,
        })
    }
}

impl KeyRow {
    pub(super) fn of_genesis(purpose: Purpose, key: &GenesisKey) -> Self {
        Self { key_id: key.key_id.as_str().to_owned(), purpose, public_key: key.public_key }
    }

    pub(super) fn of_object(key: &KeyObject) -> Self {
        Self { key_id: key.key_id.as_str().to_owned(), purpose: key.purpose, public_key: key.public_key }
    }

    pub(super) fn of_value(purpose: Purpose, key: &Value) -> Option<Self> {
        Some(Self {
            key_id: key.member("key_id")?.as_str()?.to_owned(),
            purpose,
            public_key: base64::decode_array(key.member("public_key")?.as_str()?)?,
        })
    }

    pub(super) fn of_value_object(key: &Value) -> Option<Self> {
        Self::of_value(Purpose::parse(key.member("purpose")?.as_str()?)?, key)
    }
}

impl Subject {
    pub(super) fn of_dry_run(action: &Action) -> Self {
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

    pub(super) fn of_escalation(escalation: &Escalation) -> Self {
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

    pub(super) fn of_value(kind: Kind, content: &Value) -> Option<Self> {
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
