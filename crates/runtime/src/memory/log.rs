//! What the log itself says of something remembered. Views are there to be fast and can be edited; a line of the log
//! cannot, without breaking the chain.

use cascade_ledger::{Fault, Found, Memory, Reader};
use cascade_receipt::content::{Layer, MemoryState, Rel, Shadow};
use cascade_receipt::digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::json::{self, Value};
use cascade_receipt::kind::Kind;
use cascade_receipt::time::Timestamp;

/// The content of a receipt.
pub(super) fn content_of(reader: &Reader, id: ReceiptId) -> Result<Option<Value>, Fault> {
    let Found::One(found, _, line) = reader.find(&id.to_string())? else { return Ok(None) };
    Ok(content(&line).filter(|_| found == id))
}

fn content(line: &str) -> Option<Value> {
    json::parse(line.as_bytes()).ok()?.member("content").cloned()
}

fn text<'a>(content: &'a Value, key: &str) -> Option<&'a str> {
    content.member(key).and_then(Value::as_str)
}

fn kind_of(content: &Value) -> Option<Kind> {
    text(content, "kind").and_then(Kind::parse)
}

/// What a receipt refers to by one relation.
pub(super) fn named(content: &Value, rel: Rel) -> impl Iterator<Item = ReceiptId> {
    let refs = content.member("refs").and_then(Value::as_array).unwrap_or_default();
    let fitting = refs.iter().filter(move |one| text(one, "rel") == Some(rel.as_str()));
    fitting.filter_map(|one| text(one, "receipt_id").and_then(ReceiptId::parse))
}

/// How a receipt of a task says whose it was: the person, whoever asked for them.
pub(super) fn owner(content: &Value) -> Option<PrincipalId> {
    let whose = text(content, "on_behalf_of").or_else(|| text(content, "principal"));
    whose.and_then(PrincipalId::parse)
}

/// How many times something was used since it was learned; `None` where the log has it forgotten, replaced, or not at
/// all. Whatever used it last was checked like this, so nobody has to look further back.
pub(super) fn uses(reader: &Reader, memory: &Memory) -> Result<Option<u64>, Fault> {
    let id = memory.learned;
    let found = reader.newest_naming(id, memory.seq, |line| says(&content(line)?, id))?;
    Ok(found.and_then(|said| match said {
        Said::Used(times) => Some(times),
        Said::Gone => None,
    }))
}

/// What one receipt says of something learned.
enum Said {
    /// It stands, and was used so often.
    Used(u64),
    /// It was forgotten, or replaced.
    Gone,
}

/// `None` where a receipt says nothing of it.
fn says(content: &Value, learned: ReceiptId) -> Option<Said> {
    let stands_on = |rel| named(content, rel).any(|one| one == learned);
    match kind_of(content)? {
        Kind::MemoryLearned if text(content, "receipt_id") == Some(learned.to_string().as_str()) => {
            Some(Said::Used(0))
        }
        Kind::MemoryLearned if stands_on(Rel::Supersedes) => Some(Said::Gone),
        Kind::MemoryForgotten if stands_on(Rel::Memory) => Some(Said::Gone),
        Kind::TaskCompleted if stands_on(Rel::Memory) => Some(Said::Used(hit(content).unwrap_or(1))),
        _ => None,
    }
}

fn hit(content: &Value) -> Option<u64> {
    content.member("route")?.member("hit")?.as_u64()
}

/// One thing that happened to something remembered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Happened {
    /// It was learned, and how far it may be used since.
    Learned(MemoryState),
    /// It was forgotten, and why, as codes.
    Forgotten(Vec<String>),
}

/// Its life, from the log.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Story {
    /// Every change, with the receipt that made it, the oldest first.
    pub changes: Vec<(Timestamp, ReceiptId, Happened)>,
    /// Answers that stood on it.
    pub hits: u64,
    /// The last of them.
    pub last_hit: Option<(Timestamp, ReceiptId)>,
    /// What shadow checks of these found, with the receipt that says so.
    pub shadows: Vec<(ReceiptId, Shadow)>,
}

impl Story {
    /// How many shadow checks found this.
    #[must_use]
    pub fn found(&self, shadow: Shadow) -> usize {
        self.shadows.iter().filter(|(_, found)| *found == shadow).count()
    }
}

/// Everything that the log tells of what is remembered under an id, in one pass.
///
/// # Errors
/// When the ledger cannot be read.
pub fn story(reader: &Reader, id: [u8; 8]) -> Result<Story, Fault> {
    let (mut story, mut learned) = (Story::default(), Vec::<ReceiptId>::new());
    let own = digest::to_hex(&id);
    for line in reader.lines(0..reader.head()?.next_seq) {
        let line = line?;
        // Most receipts say nothing of it; a look at the text costs less than reading them.
        let relevant = line.text.contains(&own) || line.text.contains("\"rel\":\"memory\"");
        let Some(content) = relevant.then(|| content(&line.text)).flatten() else { continue };
        story.take(&content, &own, &mut learned);
    }
    Ok(story)
}

impl Story {
    fn take(&mut self, content: &Value, own: &str, learned: &mut Vec<ReceiptId>) {
        let id = text(content, "receipt_id").and_then(ReceiptId::parse);
        let at = text(content, "timestamp").and_then(Timestamp::parse);
        let (Some(id), Some(at), Some(kind)) = (id, at, kind_of(content)) else { return };
        let is_own = text(content, "memory") == Some(own);
        match kind {
            Kind::MemoryLearned if is_own => {
                let state = text(content, "memory_state").and_then(MemoryState::parse);
                learned.push(id);
                self.changes.extend(state.map(|state| (at, id, Happened::Learned(state))));
            }
            Kind::MemoryForgotten if is_own => {
                let reasons = content.member("reasons").and_then(Value::as_array).unwrap_or_default();
                let codes = reasons.iter().filter_map(|reason| text(reason, "code")).map(str::to_owned);
                self.changes.push((at, id, Happened::Forgotten(codes.collect())));
            }
            Kind::TaskCompleted if named(content, Rel::Memory).any(|one| learned.contains(&one)) => {
                self.hits += 1;
                self.last_hit = Some((at, id));
                let shadow = content.member("route").and_then(|route| text(route, "shadow"));
                self.shadows.extend(shadow.and_then(Shadow::parse).map(|shadow| (id, shadow)));
            }
            _ => {}
        }
    }
}

/// What the receipt of the answer says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OriginCall {
    /// The layer that gave it.
    pub layer: Layer,
    /// What ran it then.
    pub smoke: Option<String>,
    /// 0–100.
    pub grade: u64,
    /// When.
    pub at: Timestamp,
    /// Who asked.
    pub principal: PrincipalId,
}

/// The call that the answer was given to; `None` where its receipt does not say.
///
/// # Errors
/// When the ledger cannot be read.
pub fn origin_call(reader: &Reader, memory: &Memory) -> Result<Option<OriginCall>, Fault> {
    let Some(content) = content_of(reader, memory.answer)? else { return Ok(None) };
    let route = content.member("route");
    Ok((|| {
        Some(OriginCall {
            layer: Layer::parse(text(&content, "layer_hit")?)?,
            smoke: route.and_then(|route| text(route, "smoke")).map(str::to_owned),
            grade: route.and_then(|route| route.member("grade")?.as_u64()).unwrap_or_default(),
            at: Timestamp::parse(text(&content, "timestamp")?)?,
            // The closer of a question to a model does not say whose it was.
            principal: text(&content, "principal").and_then(PrincipalId::parse).unwrap_or(memory.principal),
        })
    })())
}
