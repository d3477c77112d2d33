//! A tenant on a temporary directory, and the bodies that tests append.

use std::path::Path;

use cascade_ledger::{
    Birth, Draft, Home, Ledger, OpenAction, Passphrase, PrincipalKind, PrivateItem, TenantId, nonce,
    receipt_id,
};
use cascade_receipt::content::{
    Action, Admin, Answer, Body, Closing, Ending, Escalation, PolicyActivated, PolicyRef, Ref, Rel, Runtime,
    Spent,
};
use cascade_receipt::decision::{Decision, Gate, GateName, GateOutcome, RiskTier};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::time::Timestamp;

pub(crate) const SNAPSHOT: &[u8] = b"{\"policies\":\"default\"}";
pub(crate) const ADMIN: PrincipalId = PrincipalId([0xad; 8]);
pub(crate) const PERSON: PrincipalId = PrincipalId([0x11; 8]);

pub(crate) fn tenant() -> TenantId {
    TenantId::parse("default").unwrap()
}

pub(crate) fn policy(snapshot: &[u8], version: &str) -> PolicyRef {
    PolicyRef { version: version.to_owned(), hash: Digest::of(snapshot) }
}

pub(crate) fn birth(passphrase: Option<&Passphrase>) -> Birth<'_> {
    Birth {
        host: "test.example",
        admins: vec![Admin {
            principal: ADMIN,
            ssh_key: include_str!("../../../receipt/examples/vectors/openssh/ecdsa-256.pub").to_owned(),
        }],
        names: vec![(ADMIN, PrincipalKind::Person, "ada".to_owned())],
        policy: policy(SNAPSHOT, "default/1"),
        blobs: vec![(Digest::of(SNAPSHOT), SNAPSHOT.to_vec())],
        recovery_out: None,
        passphrase,
        now: Timestamp::from_ms(1_700_000_000_000),
    }
}

pub(crate) fn no_sweep(_: &OpenAction) -> bool {
    true
}

pub(crate) fn create(dir: &Path) -> Ledger {
    let home = Home::open_or_create(&dir.join("home")).unwrap();
    home.create_tenant(&tenant(), &birth(None)).unwrap().0
}

pub(crate) fn open(dir: &Path) -> Ledger {
    Home::open(&dir.join("home")).unwrap().open_tenant(&tenant(), None, &no_sweep).unwrap()
}

pub(crate) fn action(name: &str) -> Action {
    let gates = GateName::ALL
        .iter()
        .map(|gate| Gate { gate: *gate, outcome: GateOutcome::Pass, reasons: Vec::new() })
        .collect();
    Action {
        task_type: "cli".to_owned(),
        risk_tier: RiskTier::Low,
        classified: true,
        request: None,
        principal: PERSON,
        on_behalf_of: None,
        action_hash: Digest::of(name.as_bytes()),
        facts_hash: Digest::of(b"facts"),
        decision: Decision::from_gates(gates),
        refs: Vec::new(),
        draws: Vec::new(),
        spec: None,
        runtime: Runtime {
            node: "node-1".to_owned(),
            version: "0.1.0".to_owned(),
            binary_sha256: Digest::of(b"binary"),
        },
    }
}

pub(crate) fn draft(body: Body) -> Draft {
    Draft::new(receipt_id().unwrap(), body)
}

pub(crate) fn blocked(name: &str) -> Draft {
    draft(Body::Blocked(action(name)))
}

/// The same with private facts, which its body commits to.
pub(crate) fn blocked_with(name: &str, facts: Vec<u8>) -> (Draft, PrivateItem) {
    let item = PrivateItem::new("facts_hash", nonce().unwrap(), facts);
    let mut draft = draft(Body::Blocked(Action { facts_hash: item.hash, ..action(name) }));
    draft.private.push(item.clone());
    (draft, item)
}

pub(crate) fn started(name: &str, refs: Vec<Ref>) -> Draft {
    draft(Body::TaskStarted(Action { refs, ..action(name) }))
}

pub(crate) fn reference(rel: Rel, to: &cascade_ledger::Appended) -> Ref {
    Ref { rel, receipt_id: to.receipt_id, entry_hash: to.entry_hash }
}

pub(crate) fn closed(intent: &cascade_ledger::Appended) -> Draft {
    draft(Body::Closing(Closing {
        ending: Ending::Completed,
        intent: reference(Rel::Intent, intent),
        output_hash: None,
        truncated: false,
        exit_code: Some(0),
        signal: None,
        duration_us: Some(5),
        reasons: Vec::new(),
        spent: Spent::default(),
        served_model: None,
        routed: None,
        review: None,
        chain: None,
        spec: None,
    }))
}

pub(crate) fn escalation(name: &str, required: u32) -> Draft {
    draft(Body::Escalation(Escalation {
        action: action(name),
        required,
        groups: vec!["admins".to_owned()],
        expires: Timestamp::from_ms(4_000_000_000_000),
        signature_required: false,
    }))
}

pub(crate) fn answer(name: &str, to: &cascade_ledger::Appended, approve: bool, by: PrincipalId) -> Draft {
    draft(Body::Answer(Answer {
        approve,
        subject: reference(Rel::Escalation, to),
        principal: by,
        action_hash: Digest::of(name.as_bytes()),
        expires: Timestamp::from_ms(4_000_000_000_000),
        signatures: Vec::new(),
    }))
}

pub(crate) fn activation(snapshot: &[u8], version: &str) -> Draft {
    let mut draft = draft(Body::PolicyActivated(PolicyActivated {
        activates: policy(snapshot, version),
        principal: ADMIN,
        statement_id: [1; 8],
        signatures: Vec::new(),
        pack: None,
    }));
    draft.blobs.push((Digest::of(snapshot), snapshot.to_vec()));
    draft
}
