//! L6: what was answered before is answered again, for exactly the same task and nobody who did not ask it.
//!
//! A key holds everything that an answer depends on; any difference is another key. What is remembered is found by
//! the key's hash, which stands in the vault; receipts carry a random id and a salted hash. The answer itself is the
//! private output of the receipt that gave it, and is compared with that receipt's `output_hash` whenever it is used:
//! whoever changes the vault changes no answer unseen.

mod key;
mod learning;
mod log;
mod quarantine;

use cascade_ledger::{AppendError, Fault, Memory, PrincipalKind, Reader};
use cascade_receipt::content::{Evidence, Layer, MemoryState, Ref, Rel};
use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};
use cascade_receipt::time::Timestamp;

pub use key::{Key, Origin, SHADOW_EVERY, Scope};
pub use learning::{Lesson, OBSERVED_MS, TRUSTED_MS, VERIFIED_MS, forget, forget_wrong, learn};
use log::content_of;
pub use log::{Happened, OriginCall, Story, origin_call, story};
pub use quarantine::{Charges, Maker, Quarantine, WINDOW_MS, WRONG_MAX, release};

/// An answer from memory, as far as the ledger vouches for it; its verifier has yet to run.
#[derive(Clone, Debug)]
pub struct Recalled {
    /// What is known of it.
    pub memory: Memory,
    /// The answer.
    pub answer: String,
    /// What stood behind it when it was given.
    pub evidence: Evidence,
    /// 0–100, as it was then.
    pub grade: u8,
    /// The layer that gave it.
    pub layer: Layer,
    /// How many times it was used before.
    pub uses: u64,
}

impl Recalled {
    /// How a receipt refers to it.
    #[must_use]
    pub fn reference(&self) -> Ref {
        reference(&self.memory)
    }
}

/// What memory says of a key.
#[derive(Debug)]
pub enum Recall {
    /// Nothing, and why: a code.
    Nothing(&'static str),
    /// An answer.
    Answer(Box<Recalled>),
    /// Something that must not be used: its bytes are not those that its receipt commits to, or are gone.
    Spoiled(Box<Memory>, &'static str),
}

/// Looks a key up for somebody.
///
/// # Errors
/// When the ledger cannot be read.
pub fn recall(reader: &Reader, key: &Key, asker: PrincipalId, at: Timestamp) -> Result<Recall, Fault> {
    let Some(id) = reader.principal(PrincipalKind::Memory, &key.name())? else {
        return Ok(Recall::Nothing("memory.unknown"));
    };
    let Some(memory) = reader.memory(id.0)? else { return Ok(Recall::Nothing("memory.unknown")) };
    if memory.forgotten.is_some() {
        return Ok(Recall::Nothing("memory.forgotten"));
    }
    // The view may have been edited; what the receipt says holds.
    if !is_as_learned(reader, &memory)? {
        return Ok(Recall::Spoiled(Box::new(memory), "memory.spoiled"));
    }
    let Some(uses) = log::uses(reader, &memory)? else { return Ok(Recall::Nothing("memory.forgotten")) };
    if !memory.is_alive(at) {
        return Ok(Recall::Nothing("memory.expired"));
    }
    // Nobody verified it: it may be wrong, and is nobody's but theirs who were given it.
    if memory.state == MemoryState::Observed && memory.principal != asker {
        return Ok(Recall::Nothing("memory.others"));
    }
    // The id in the vault leads to what was learned under this very key, or the vault was tampered with.
    if !is_of_key(reader, &memory, key)? {
        return Ok(Recall::Spoiled(Box::new(memory), "memory.other_key"));
    }
    if quarantine::holds(reader, &memory)? {
        return Ok(Recall::Nothing("memory.quarantined"));
    }
    Ok(match answer(reader, &memory)? {
        Some((answer, given)) => Recall::Answer(Box::new(Recalled {
            answer,
            evidence: given.evidence,
            grade: given.grade,
            layer: given.layer,
            uses,
            memory,
        })),
        None => Recall::Spoiled(Box::new(memory), "memory.spoiled"),
    })
}

fn is_as_learned(reader: &Reader, memory: &Memory) -> Result<bool, Fault> {
    let Some(content) = content_of(reader, memory.learned)? else { return Ok(false) };
    let text = |key: &str| content.member(key).and_then(Value::as_str);
    let answer = log::named(&content, Rel::Parent).next();
    Ok(answer == Some(memory.answer)
        && text("principal").and_then(PrincipalId::parse) == Some(memory.principal)
        && text("memory_state") == Some(memory.state.as_str())
        && text("expires").and_then(Timestamp::parse) == Some(memory.expires))
}

fn is_of_key(reader: &Reader, memory: &Memory, key: &Key) -> Result<bool, Fault> {
    let Some(content) = content_of(reader, memory.learned)? else { return Ok(false) };
    let hash = content.member("memory_key_hash").and_then(Value::as_str).and_then(Digest::from_hex);
    let Some(hash) = hash else { return Ok(false) };
    let stored = reader.private(&hash)?;
    Ok(stored.is_some_and(|(nonce, _)| Digest::salted(&nonce, key.text().as_bytes()) == hash))
}

/// What the answer's receipt says of it.
struct Given {
    evidence: Evidence,
    grade: u8,
    layer: Layer,
}

/// The answer of a memory and what its receipt says of it; `None` where the bytes are gone or are not those.
fn answer(reader: &Reader, memory: &Memory) -> Result<Option<(String, Given)>, Fault> {
    let Some(content) = content_of(reader, memory.answer)? else { return Ok(None) };
    let text = |key: &str| content.member(key).and_then(Value::as_str);
    let given = (|| {
        let grade = content.member("route")?.member("grade")?.as_u64()?;
        Some(Given {
            evidence: Evidence::parse(text("evidence")?)?,
            grade: u8::try_from(grade).ok()?,
            layer: Layer::parse(text("layer_hit")?)?,
        })
    })();
    let (Some(given), Some(hash)) = (given, text("output_hash").and_then(Digest::from_hex)) else {
        return Ok(None);
    };
    let Some((nonce, bytes)) = reader.private(&hash)? else { return Ok(None) };
    if Digest::salted(&nonce, &bytes) != hash {
        return Ok(None);
    }
    Ok(unframed(&bytes).map(|answer| (answer, given)))
}

/// The answer in its one frame.
fn unframed(bytes: &[u8]) -> Option<String> {
    let text = bytes.get(5..)?;
    (crate::task::frame(text) == bytes).then(|| String::from_utf8(text.to_vec()).ok()).flatten()
}

/// The answer that is remembered; `None` where its bytes are gone or are not those that its receipt commits to.
///
/// # Errors
/// When the ledger cannot be read.
pub fn answer_of(reader: &Reader, memory: &Memory) -> Result<Option<String>, Fault> {
    Ok(answer(reader, memory)?.map(|(answer, _)| answer))
}

/// The task that something is remembered for, where the vault still has it.
///
/// # Errors
/// When the ledger cannot be read.
pub fn key_of(reader: &Reader, memory: &Memory) -> Result<Option<Value>, Fault> {
    let Some(content) = content_of(reader, memory.learned)? else { return Ok(None) };
    key_of_learned(reader, &content)
}

/// The same by the content of the `memory_learned`.
fn key_of_learned(reader: &Reader, content: &Value) -> Result<Option<Value>, Fault> {
    let hash = content.member("memory_key_hash").and_then(Value::as_str).and_then(Digest::from_hex);
    let stored = hash.map(|hash| reader.private(&hash)).transpose()?.flatten();
    Ok(stored.and_then(|(_, bytes)| json::parse(&bytes).ok()))
}

fn reference(memory: &Memory) -> Ref {
    Ref { rel: Rel::Memory, receipt_id: memory.learned, entry_hash: memory.entry_hash }
}

fn nonce() -> Result<Nonce, AppendError> {
    cascade_ledger::nonce().map_err(AppendError::NotRecorded)
}

fn receipt_id() -> Result<ReceiptId, AppendError> {
    cascade_ledger::receipt_id().map_err(AppendError::NotRecorded)
}
