//! What is handed to an outsider (format section 13): chosen receipts with proofs that they are in the
//! chain's tree, a checkpoint, and what is disclosed of private bytes; as an in-toto Statement in a DSSE
//! envelope.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use crate::base64;
use crate::digest::{Digest, Nonce};
use crate::id::{KeyId, ReceiptId};
use crate::json::{self, Value, Writer};
use crate::merkle::PROOF_HASHES_MAX;

/// Longest bundle in bytes.
pub const BUNDLE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of a file that tell a bundle from a ledger.
pub const LOOK_BYTES: usize = 256;
/// Most receipts in a bundle.
pub const RECEIPTS_MAX: usize = 20_000;
/// Most signatures of a bundle.
const SIGNATURES_MAX: usize = 16;
/// `payloadType` of an in-toto Statement.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// `_type` of a Statement.
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// `predicateType`.
pub const PREDICATE_TYPE: &str = "urn:cascade:bundle:v1";

/// What stands in a statement as `not_proven`, for those who read it without a verifier.
pub const NOT_PROVEN: [&str; 4] = [
    "rest: receipts that were left out; among them may be the revocation of a key, an outcome, or a denial",
    "order: that what happened may have happened in this order; that needs the whole ledger",
    "unsubmitted: actions that never went through Cascade are not here",
    "truth: that what was recorded was true when it was written",
];

/// A receipt and the proof that it is in the tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// The line, without its LF.
    pub line: String,
    /// Audit path, the leaf's sibling first.
    pub path: Vec<Digest>,
}

/// Private bytes behind one salted hash of a receipt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disclosure {
    /// The receipt whose content has the hash.
    pub receipt_id: ReceiptId,
    /// The member of content that is the hash.
    pub field: String,
    /// Its salt.
    pub nonce: Nonce,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The receipts that a bundle is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// Id.
    pub receipt_id: ReceiptId,
    /// Hash.
    pub entry_hash: Digest,
}

/// What a bundle says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// The chain's name.
    pub log_origin: String,
    /// The receipts it is about.
    pub subjects: Vec<Subject>,
    /// These, genesis, and every receipt that changed keys, in the order of the chain.
    pub receipts: Vec<Shown>,
    /// The note of a checkpoint that covers them.
    pub checkpoint: String,
    /// What is disclosed.
    pub disclosures: Vec<Disclosure>,
    /// Policy snapshots and the texts that they name, each known by its SHA-256.
    pub snapshots: Vec<Vec<u8>>,
    /// What even a valid bundle does not prove, for those who read it without a verifier.
    pub not_proven: Vec<String>,
}

/// A statement with the signatures on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bundle {
    /// What it says.
    pub statement: Statement,
    /// The exact bytes that are signed, before [`pre_authentication`].
    pub payload: Vec<u8>,
    /// Key ids and Ed25519 signatures.
    pub signatures: Vec<(String, [u8; 64])>,
}

/// Why a file is no bundle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BundleFault {
    /// Longer than [`BUNDLE_BYTES_MAX`], or with more parts than allowed.
    #[error("too large")]
    Size,
    /// A part is missing or has another type or spelling.
    #[error("not as the format says")]
    Malformed,
    /// An envelope or statement of another kind.
    #[error("another type of statement")]
    Type,
}

/// Whether a file is read as a bundle: its first [`LOOK_BYTES`] begin as an object does whose first member is one of
/// an envelope's.
#[must_use]
pub fn begins(bytes: &[u8]) -> bool {
    let first = bytes.get(..LOOK_BYTES).unwrap_or(bytes);
    let members: [&[u8]; 3] = [b"\"payload\"", b"\"payloadType\"", b"\"signatures\""];
    let rest = without_space(first).strip_prefix(b"{").map(without_space);
    rest.is_some_and(|rest| members.iter().any(|member| rest.starts_with(member)))
}

/// What follows JSON's white space, which a form feed is not.
fn without_space(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    end.and_then(|end| bytes.get(end..)).unwrap_or_default()
}

/// What DSSE signs.
#[must_use]
pub fn pre_authentication(payload: &[u8]) -> Vec<u8> {
    let head = alloc::format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    [&head, payload].concat()
}

/// The envelope around a payload.
#[must_use]
pub fn envelope(payload: &[u8], key_id: &KeyId, signature: &[u8; 64]) -> String {
    let mut text = String::new();
    Writer::new(&mut text).object(|out| {
        out.key("payload").str(&base64::encode(payload));
        out.key("payloadType").str(PAYLOAD_TYPE);
        out.key("signatures").array(|out| {
            out.item().object(|out| {
                out.key("keyid").str(key_id.as_str());
                out.key("sig").str(&base64::encode(signature));
            });
        });
    });
    text.push('\n');
    text
}

impl Statement {
    /// The payload.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        Writer::new(&mut text).object(|out| {
            out.key("_type").str(STATEMENT_TYPE);
            out.key("predicate").object(|out| self.write_predicate(out));
            out.key("predicateType").str(PREDICATE_TYPE);
            out.key("subject").array(|out| {
                for subject in &self.subjects {
                    out.item().object(|out| {
                        out.key("digest").object(|out| out.key("sha256").hex(&subject.entry_hash.0));
                        out.key("name").spelled(&subject.receipt_id);
                    });
                }
            });
        });
        text
    }

    fn write_predicate(&self, out: &mut Writer<'_>) {
        out.key("checkpoint").str(&self.checkpoint);
        out.key("disclosures").array(|out| {
            for one in &self.disclosures {
                out.item().object(|out| {
                    out.key("bytes").str(&base64::encode(&one.bytes));
                    out.key("field").str(&one.field);
                    out.key("nonce").str(&base64::encode(&one.nonce.0));
                    out.key("receipt_id").spelled(&one.receipt_id);
                });
            }
        });
        out.key("log_origin").str(&self.log_origin);
        out.key("not_proven").array(|out| self.not_proven.iter().for_each(|line| out.item().str(line)));
        out.key("receipts").array(|out| {
            for shown in &self.receipts {
                out.item().object(|out| {
                    out.key("line").str(&shown.line);
                    out.key("path").array(|out| {
                        shown.path.iter().for_each(|hash| out.item().str(&base64::encode(&hash.0)));
                    });
                });
            }
        });
        out.key("snapshots").array(|out| {
            self.snapshots.iter().for_each(|bytes| out.item().str(&base64::encode(bytes)));
        });
    }

    fn read(payload: &[u8]) -> Result<Self, BundleFault> {
        let value = json::parse_foreign(payload).map_err(|_| BundleFault::Malformed)?;
        if !matches!(value, Value::Object(_)) {
            return Err(BundleFault::Malformed);
        }
        let typed = |key: &str, text: &str| value.member(key).and_then(Value::as_str) == Some(text);
        if !typed("_type", STATEMENT_TYPE) || !typed("predicateType", PREDICATE_TYPE) {
            return Err(BundleFault::Type);
        }
        let predicate = value.member("predicate").ok_or(BundleFault::Malformed)?;
        let receipts = items(predicate, "receipts")?;
        if receipts.len() > RECEIPTS_MAX {
            return Err(BundleFault::Size);
        }
        Ok(Self {
            log_origin: text(predicate, "log_origin")?.to_owned(),
            subjects: all(items(&value, "subject")?, subject)?,
            receipts: all(receipts, shown)?,
            checkpoint: text(predicate, "checkpoint")?.to_owned(),
            disclosures: all(items(predicate, "disclosures")?, disclosure)?,
            snapshots: all(items(predicate, "snapshots")?, |one| base64::decode(one.as_str()?))?,
            not_proven: all(items(predicate, "not_proven")?, |one| Some(one.as_str()?.to_owned()))?,
        })
    }
}

impl Bundle {
    /// Reads a file.
    ///
    /// # Errors
    /// See [`BundleFault`]. Nothing is verified yet.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleFault> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleFault::Size);
        }
        // Whoever is given the file alone would take it for a ledger.
        if !begins(bytes) {
            return Err(BundleFault::Malformed);
        }
        let value = json::parse_foreign(bytes).map_err(|_| BundleFault::Malformed)?;
        if text(&value, "payloadType")? != PAYLOAD_TYPE {
            return Err(BundleFault::Type);
        }
        let payload = base64::decode(text(&value, "payload")?).ok_or(BundleFault::Malformed)?;
        let signatures = items(&value, "signatures")?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(BundleFault::Size);
        }
        let signature = |one: &Value| {
            Some((
                one.member("keyid")?.as_str()?.to_owned(),
                base64::decode_array(one.member("sig")?.as_str()?)?,
            ))
        };
        let signatures = all(signatures, signature)?;
        Ok(Self { statement: Statement::read(&payload)?, payload, signatures })
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Result<&'v str, BundleFault> {
    value.member(key).and_then(Value::as_str).ok_or(BundleFault::Malformed)
}

fn items<'v>(value: &'v Value, key: &str) -> Result<&'v [Value], BundleFault> {
    value.member(key).and_then(Value::as_array).ok_or(BundleFault::Malformed)
}

fn all<T>(items: &[Value], read: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, BundleFault> {
    items.iter().map(|one| read(one).ok_or(BundleFault::Malformed)).collect()
}

fn subject(one: &Value) -> Option<Subject> {
    Some(Subject {
        receipt_id: ReceiptId::parse(one.member("name")?.as_str()?)?,
        entry_hash: Digest::from_hex(one.member("digest")?.member("sha256")?.as_str()?)?,
    })
}

fn shown(one: &Value) -> Option<Shown> {
    let path = one.member("path")?.as_array().filter(|path| path.len() <= PROOF_HASHES_MAX)?;
    let path: Option<Vec<_>> =
        path.iter().map(|hash| base64::decode_array(hash.as_str()?).map(Digest)).collect();
    Some(Shown { line: one.member("line")?.as_str()?.to_owned(), path: path? })
}

fn disclosure(one: &Value) -> Option<Disclosure> {
    Some(Disclosure {
        receipt_id: ReceiptId::parse(one.member("receipt_id")?.as_str()?)?,
        field: one.member("field")?.as_str().filter(|field| json::is_key(field))?.to_owned(),
        nonce: Nonce(base64::decode_array(one.member("nonce")?.as_str()?)?),
        bytes: base64::decode(one.member("bytes")?.as_str()?)?,
    })
}
