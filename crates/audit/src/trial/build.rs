//! A chain from receipts that are written down.

use std::collections::BTreeMap;

use cascade_receipt::chain::{GENESIS_PREV, LINE_START, Seal, end_line, entry_hash};
use cascade_receipt::digest::Digest;
use cascade_receipt::epoch::EpochKey;
use cascade_receipt::id::{LogOrigin, ReceiptId};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use super::keys::{self, Key};
use super::{defaults, members};
use crate::control::Private;

/// When trial chains begin unless their first receipt says otherwise: 2026-01-05T09:00:00Z, a Monday.
pub(super) const START_MS: u64 = 1_767_603_600_000;
/// The HMAC master of every trial chain.
const MASTER: [u8; 32] = [0x54; 32];
/// Who founds every trial chain.
pub(super) const FOUNDER: &str = "ada";

/// Why a chain cannot be built.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("receipt {receipt}: {message}")]
pub struct TrialFault {
    /// Its name, or its number from 1.
    pub receipt: String,
    /// What is wrong.
    pub message: String,
}

/// A chain that was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// Its lines, without LF.
    pub lines: Vec<String>,
    /// Where each named receipt stands.
    pub names: BTreeMap<String, u64>,
    /// The private bytes of its receipts, by seq.
    pub private: BTreeMap<u64, Private>,
    /// The time of the last receipt, in milliseconds since 1970.
    pub last_ms: u64,
}

/// What later receipts refer to.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) seq: u64,
    pub(super) id: ReceiptId,
    pub(super) hash: Digest,
    pub(super) action_hash: Option<String>,
    pub(super) spec_hash: Option<String>,
}

/// A chain under construction.
pub(super) struct Chain {
    pub(super) origin: LogOrigin,
    pub(super) now_ms: u64,
    pub(super) made: BTreeMap<String, Made>,
    pub(super) founding: [Key; 3],
    pub(super) hashes: Vec<Digest>,
    policy: (String, String),
    lines: Vec<String>,
    head: Digest,
}

impl Chain {
    fn new() -> Self {
        Self {
            origin: LogOrigin::of("trial.invalid", &[0x54; 16]),
            now_ms: START_MS,
            made: BTreeMap::new(),
            founding: ["receipt", "log", "recovery"].map(Key::of),
            hashes: Vec::new(),
            policy: policy("default"),
            lines: Vec::new(),
            head: GENESIS_PREV,
        }
    }

    pub(super) fn seq(&self) -> u64 {
        self.lines.len() as u64
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.now_ms)
    }

    /// Adds content that has everything but what every receipt has.
    fn seal(&mut self, name: Option<&str>, mut content: BTreeMap<String, Value>) {
        let [receipt, ..] = &self.founding;
        let seq = self.seq();
        let [a, b, c, d, e, f, g, h, ..] = Digest::of(format!("trial receipt {seq}").as_bytes()).0;
        let id = ReceiptId([a, b, c, d, e, f, g, h]);
        let now = self.now();
        for (key, value) in [
            ("_type", cascade_receipt::content::TYPE.into()),
            ("hmac_key_id", "e0".into()),
            ("key_id", receipt.id.as_str().into()),
            ("log_origin", self.origin.as_str().into()),
            ("policy_hash", self.policy.1.as_str().into()),
            ("policy_version", self.policy.0.as_str().into()),
            ("receipt_id", id.to_string().into()),
            ("seq", Value::Int(i64::try_from(seq).unwrap_or(i64::MAX))),
            ("timestamp", now.to_string().into()),
        ] {
            content.insert(key.to_owned(), value);
        }
        let word = |key: &str| content.get(key).and_then(Value::as_str).map(str::to_owned);
        let (action_hash, spec_hash) = (word("action_hash"), word("spec_hash"));
        let activates = content.get("activates").cloned();
        let text = Value::Object(content).to_canonical();
        let hash = entry_hash(&self.head, text.as_bytes());
        let seal = Seal {
            receipt_id: id,
            timestamp: now,
            prev_hash: self.head,
            entry_hash: hash,
            hmac: EpochKey::first(&MASTER, &self.origin).tag(&hash),
            signature: receipt.sign(&hash),
        };
        let mut line = format!("{LINE_START}{text}");
        end_line(&mut line, &seal);
        self.lines.push(line.trim_end_matches('\n').to_owned());
        self.hashes.push(hash);
        self.head = hash;
        let name = name.map_or_else(|| format!("#{seq}"), str::to_owned);
        self.made.insert(name, Made { seq, id, hash, action_hash, spec_hash });
        if let Some(activates) = activates {
            let word = |key| activates.member(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            self.policy = (word("policy_version"), word("policy_hash"));
        }
    }
}

/// Label and hash of the policy of this label.
pub(super) fn policy(label: &str) -> (String, String) {
    (label.to_owned(), Digest::of(format!("trial policy {label}").as_bytes()).to_hex())
}

/// Builds a chain: genesis, founded by `ada`, and then what is written down, one receipt each.
///
/// # Errors
/// What cannot be read.
pub fn build(receipts: &[toml::Table]) -> Result<Built, TrialFault> {
    let mut chain = Chain::new();
    let mut private = BTreeMap::new();
    chain.seal(Some("genesis"), defaults::genesis(&chain));
    for (number, receipt) in receipts.iter().enumerate() {
        let name = receipt.get("name").and_then(toml::Value::as_str);
        let fault = |message: String| TrialFault {
            receipt: name.map_or_else(|| (number + 1).to_string(), |name| format!("`{name}`")),
            message,
        };
        if name.is_some_and(|name| chain.made.contains_key(name)) {
            return Err(fault("is there twice".to_owned()));
        }
        let read = members::read(&mut chain, receipt).map_err(fault)?;
        if let Some(bytes) = read.private {
            private.insert(chain.seq(), bytes);
        }
        chain.seal(name, read.content);
    }
    let names = chain.made.iter().map(|(name, made)| (name.clone(), made.seq)).collect();
    Ok(Built { lines: chain.lines, names, private, last_ms: chain.now_ms })
}

/// The id behind a name, as receipts spell it.
pub(super) fn principal(name: &str) -> Value {
    keys::principal(name).to_string().into()
}
