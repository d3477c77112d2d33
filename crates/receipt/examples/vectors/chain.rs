//! Builds ledgers byte for byte, good and bad, from fixed seeds.

use cascade_receipt::base64;
use cascade_receipt::chain::{GENESIS_PREV, LINE_START, Seal, end_line, entry_hash};
use cascade_receipt::content::{
    Action, Admin, Body, Content, Envelope, Genesis, GenesisKey, PolicyRef, Ref, Rel, Runtime,
};
use cascade_receipt::decision::{Decision, Gate, GateName, GateOutcome, Reason, RiskTier, Verdict};
use cascade_receipt::digest::Digest;
use cascade_receipt::epoch::EpochKey;
use cascade_receipt::id::{KeyId, LogOrigin, PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};
use cascade_receipt::statement;
use cascade_receipt::time::Timestamp;
use ed25519_dalek::{Signer as _, SigningKey};

/// The HMAC master of every vector. It is public, like all seeds here.
pub(crate) const MASTER: [u8; 32] = [0x4d; 32];
/// 2026-01-02T03:04:05.678Z.
const START_MS: u64 = 1_767_323_045_678;

/// A key of the chain.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) secret: SigningKey,
}

impl Key {
    pub(crate) fn of(name: &str, seed: u8) -> Self {
        let secret = SigningKey::from_bytes(&[seed; 32]);
        Self { id: KeyId::of(name, secret.verifying_key().as_bytes()), secret }
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.secret.verifying_key().to_bytes()
    }

    pub(crate) fn sign(&self, digest: &Digest) -> [u8; 64] {
        self.secret.sign(&digest.0).to_bytes()
    }

    fn genesis(&self) -> GenesisKey {
        GenesisKey { key_id: self.id.clone(), public_key: self.public() }
    }
}

/// A ledger under construction.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) origin: LogOrigin,
    pub(crate) receipt: Key,
    pub(crate) log: Key,
    pub(crate) recovery: Key,
    /// Signs the next receipt.
    pub(crate) signer: Key,
    pub(crate) lines: Vec<String>,
    /// The entry hash of each line.
    pub(crate) hashes: Vec<Digest>,
    pub(crate) head: Digest,
    pub(crate) time_ms: u64,
    pub(crate) epoch: u64,
    pub(crate) policy: PolicyRef,
    epoch_key: EpochKey,
}

/// Members of a receipt that `Body` has no type for.
pub(crate) type Extra<'a> = &'a [(&'a str, Value)];

impl Chain {
    /// A chain without a receipt.
    pub(crate) fn new() -> Self {
        let origin = LogOrigin::of("vectors.example", &[0xa5; 16]);
        let receipt = Key::of("receipt", 1);
        Self {
            epoch_key: EpochKey::first(&MASTER, &origin),
            signer: receipt.clone(),
            receipt,
            log: Key::of("log", 2),
            recovery: Key::of("recovery", 3),
            origin,
            lines: Vec::new(),
            hashes: Vec::new(),
            head: GENESIS_PREV,
            time_ms: START_MS,
            epoch: 0,
            policy: PolicyRef { version: "default-1".into(), hash: Digest::of(b"policy snapshot") },
        }
    }

    /// A chain with its genesis, administered by `admins`.
    pub(crate) fn founded(admins: &[Admin]) -> Self {
        let mut chain = Self::new();
        let body = chain.genesis(admins);
        chain.add(&body);
        chain
    }

    pub(crate) fn genesis(&self, admins: &[Admin]) -> Body {
        Body::Genesis(Genesis {
            receipt: self.receipt.genesis(),
            log: self.log.genesis(),
            recovery: self.recovery.genesis(),
            admins: admins.to_vec(),
        })
    }

    pub(crate) fn seq(&self) -> u64 {
        self.lines.len() as u64
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.time_ms)
    }

    pub(crate) fn later(&self, ms: u64) -> Timestamp {
        Timestamp::from_ms(self.time_ms + ms)
    }

    /// Goes on to the next HMAC epoch.
    pub(crate) fn step_epoch(&mut self) {
        self.epoch += 1;
        self.epoch_key = self.epoch_key.next();
    }

    /// Adds a receipt one second after the last.
    pub(crate) fn add(&mut self, body: &Body) -> Made {
        self.add_with(body, |_| {})
    }

    /// Adds a receipt whose content was changed before it was hashed and signed.
    pub(crate) fn add_with(&mut self, body: &Body, change: impl FnOnce(&mut Value)) -> Made {
        let mut content = self.content(body);
        change(&mut content);
        self.seal(&content)
    }

    /// Adds a receipt of a kind that is not written yet.
    pub(crate) fn add_kind(&mut self, kind: &str, members: Extra<'_>) -> Made {
        let mut content = self.content(&Body::AnswerExpired(dangling()));
        remove(&mut content, "refs");
        set(&mut content, "kind", kind);
        for (key, value) in members {
            set(&mut content, key, value.clone());
        }
        self.seal(&content)
    }

    /// Content as it would be added now.
    pub(crate) fn content(&mut self, body: &Body) -> Value {
        if !self.lines.is_empty() {
            self.time_ms += 1000;
        }
        let envelope = Envelope {
            log_origin: self.origin.clone(),
            seq: self.seq(),
            receipt_id: receipt_id(self.seq()),
            timestamp: self.now(),
            clock_stepped: false,
            key_id: self.signer.id.clone(),
            hmac_epoch: self.epoch,
            policy: self.policy.clone(),
        };
        let mut text = String::new();
        Content { envelope: &envelope, body }.write(&mut text);
        json::parse_canonical(text.as_bytes()).expect("the writer is canonical")
    }

    /// Hashes, signs and appends content as it stands, true or not.
    pub(crate) fn seal(&mut self, content: &Value) -> Made {
        self.seal_text(&content.to_canonical(), content)
    }

    /// Like [`Self::seal`], with another spelling of the content.
    pub(crate) fn seal_text(&mut self, text: &str, content: &Value) -> Made {
        let (head, signer) = (self.head, self.signer.clone());
        self.seal_as(text, content, head, |digest| signer.sign(digest))
    }

    /// Like [`Self::seal_text`], with another link or signature.
    pub(crate) fn seal_as(
        &mut self,
        text: &str,
        content: &Value,
        prev_hash: Digest,
        sign: impl FnOnce(&Digest) -> [u8; 64],
    ) -> Made {
        let word = |key: &str| content.member(key).and_then(Value::as_str).unwrap_or_default();
        let hash = entry_hash(&prev_hash, text.as_bytes());
        let seal = Seal {
            receipt_id: ReceiptId::parse(word("receipt_id")).unwrap_or(receipt_id(self.seq())),
            timestamp: Timestamp::parse(word("timestamp")).unwrap_or(self.now()),
            prev_hash,
            entry_hash: hash,
            hmac: self.epoch_key.tag(&hash),
            signature: sign(&hash),
        };
        let mut line = format!("{LINE_START}{text}");
        end_line(&mut line, &seal);
        let made = Made { id: seal.receipt_id, hash };
        self.lines.push(line);
        self.hashes.push(hash);
        self.head = hash;
        made
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.lines.concat().into_bytes()
    }

    /// The object `key` of a new key, with its proof of possession.
    pub(crate) fn key_object(&self, key: &Key, purpose: &str) -> Value {
        let proof = key.sign(&statement::key_proof(&self.origin, purpose, &key.id, &key.public()));
        Value::object([
            ("_type", "cascade/key/v1".into()),
            ("key_id", key.id.as_str().into()),
            ("log_origin", self.origin.as_str().into()),
            ("pop", base64::encode(&proof).into()),
            ("public_key", base64::encode(&key.public()).into()),
            ("purpose", purpose.into()),
        ])
    }

    /// The recovery key's signature over an object.
    pub(crate) fn recovery_sig(&self, object: &Value) -> Value {
        let digest = Digest::of(object.to_canonical().as_bytes());
        base64::encode(&self.recovery.sign(&digest)).into()
    }
}

/// A receipt that was added.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    pub(crate) id: ReceiptId,
    pub(crate) hash: Digest,
}

impl Made {
    pub(crate) fn as_ref(&self, rel: Rel) -> Ref {
        Ref { rel, receipt_id: self.id, entry_hash: self.hash }
    }
}

pub(crate) fn receipt_id(number: u64) -> ReceiptId {
    ReceiptId((0x5eed_0000_0000_0000 + number).to_be_bytes())
}

pub(crate) fn principal(number: u8) -> PrincipalId {
    PrincipalId([0, 0, 0, 0, 0, 0, 0xbb, number])
}

fn dangling() -> Ref {
    Ref { rel: Rel::Escalation, receipt_id: receipt_id(0), entry_hash: Digest([0; 32]) }
}

pub(crate) fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    let Value::Object(members) = object else { panic!("not an object") };
    members.insert(key.into(), value.into());
}

pub(crate) fn remove(object: &mut Value, key: &str) {
    let Value::Object(members) = object else { panic!("not an object") };
    members.remove(key);
}

/// Ten gates with this verdict.
pub(crate) fn decision(verdict: Verdict) -> Decision {
    let gates = GateName::ALL
        .iter()
        .map(|gate| {
            let (outcome, reasons) = match (gate, verdict) {
                (GateName::Risk, Verdict::Escalate) => {
                    (GateOutcome::Escalate, vec![Reason::code("risk.above_threshold")])
                }
                (GateName::Failfast, Verdict::Deny) => {
                    (GateOutcome::Deny, vec![Reason::of("failfast.pattern", "git.push.force")])
                }
                (GateName::Specification, _) => (GateOutcome::NotApplicable, vec![]),
                _ => (GateOutcome::Pass, vec![]),
            };
            Gate { gate: *gate, outcome, reasons }
        })
        .collect();
    Decision::from_gates(gates)
}

/// An action told apart from others by `name`, asked for by the agent.
pub(crate) fn action(name: &str, verdict: Verdict, refs: &[Ref]) -> Action {
    Action {
        task_type: "cli".into(),
        risk_tier: RiskTier::Medium,
        classified: true,
        request: None,
        principal: AGENT(),
        on_behalf_of: Some(ALICE()),
        action_hash: Digest::of(name.as_bytes()),
        facts_hash: Digest::of(format!("facts of {name}").as_bytes()),
        decision: decision(verdict),
        refs: refs.to_vec(),
        draws: vec![],
        spec: None,
        runtime: Runtime {
            node: "node-1".into(),
            version: "0.1.0".into(),
            binary_sha256: Digest::of(b"binary"),
        },
    }
}

/// The first administrator.
pub(crate) const ALICE: fn() -> PrincipalId = || principal(1);
/// Joins later.
pub(crate) const BOB: fn() -> PrincipalId = || principal(2);
/// Asks for actions.
pub(crate) const AGENT: fn() -> PrincipalId = || principal(9);
