//! How an action ended that somebody else performed.

use std::time::Duration;

use cascade_ledger::{
    AppendError, Appended, Draft, Fault, Ledger, Mark, PAGE_MAX, PrivateItem, Reader, Sought,
};
use cascade_policy::facts::Principal;
use cascade_receipt::content::{Body, Closing, Ending, Ref, Rel, Spent};
use cascade_receipt::decision::Reason;
use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;
use cascade_receipt::kind::Kind;
use cascade_receipt::time::Timestamp;

use super::{LeaseError, OUTPUT_BYTES_MAX};
use crate::consent::Approved;
use crate::record::Record;
use crate::run_lock::RunLock;

/// The stream of an output frame (format section 2.1).
const STDOUT: u8 = 1;
/// The longest frame, so that its length is a `u32`.
const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An intent that waits for its outcome.
#[derive(Debug)]
pub struct Open {
    intent: Ref,
    output_nonce: Nonce,
    /// Held until the closer is durable.
    lock: Option<RunLock>,
    /// What its decision stood on, where it was made here.
    stands: Option<Box<Stands>>,
}

/// What a decision stood on: once that has changed, the gates are to be asked again.
#[derive(Clone, Debug)]
pub(crate) struct Stands {
    /// Who it was made for.
    pub(crate) principal: Principal,
    /// What people answered.
    pub(crate) approved: Option<Approved>,
    /// The governance that it saw.
    pub(crate) mark: Mark,
    /// When time alone ends it.
    pub(crate) holds_until: Option<Timestamp>,
}

/// What is reported.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended. Nobody but Cascade says that it does not know.
    pub ending: Ending,
    /// The exit code, where there is one.
    pub exit_code: Option<u8>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// What came out of it; kept in the vault.
    pub output: Option<Output>,
    /// Why it ended so, as codes.
    pub reasons: Vec<Reason>,
    /// What it cost.
    pub spent: Spent,
}

/// What came out of an action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// There were more.
    pub truncated: bool,
}

impl Open {
    pub(super) fn new(intent: Ref, output_nonce: Nonce, lock: Option<RunLock>, stands: Stands) -> Self {
        Self { intent, output_nonce, lock, stands: Some(Box::new(stands)) }
    }

    /// The intent, what output is hashed with, the lock, and what the decision stood on.
    pub(crate) fn into_parts(self) -> (Ref, Nonce, Option<RunLock>, Option<Box<Stands>>) {
        (self.intent, self.output_nonce, self.lock, self.stands)
    }

    /// An intent of this chain that somebody else performs and that is open; `None` where it is closed, or is performed
    /// by a process of Cascade.
    ///
    /// # Errors
    /// [`LeaseError`].
    pub fn find(reader: &Reader, intent: ReceiptId) -> Result<Option<Self>, LeaseError> {
        let Some(action) = reader.open_action(intent)?.filter(|action| action.until.is_some()) else {
            return Ok(None);
        };
        let kept = reader.private_of(intent)?.into_iter().find(|item| item.field == "output_nonce");
        // Erased, there is nothing that an output could be hashed with; a fresh one hides it as well.
        let output_nonce = match kept {
            Some(item) => item.bytes.try_into().map(Nonce).map_err(|_| LeaseError::Damaged(intent))?,
            None => cascade_ledger::nonce()?,
        };
        let intent = Ref { rel: Rel::Intent, receipt_id: intent, entry_hash: action.entry_hash };
        Ok(Some(Self { intent, output_nonce, lock: None, stands: None }))
    }

    /// The intent.
    #[must_use]
    pub const fn intent(&self) -> ReceiptId {
        self.intent.receipt_id
    }
}

impl Output {
    /// At most [`OUTPUT_BYTES_MAX`] of these bytes.
    #[must_use]
    pub fn of(mut bytes: Vec<u8>) -> Self {
        let truncated = bytes.len() > OUTPUT_BYTES_MAX;
        bytes.truncate(OUTPUT_BYTES_MAX);
        Self { bytes, truncated }
    }

    /// The bytes as they are hashed: u8 stream ‖ u32 big-endian length ‖ bytes, frame by frame.
    fn frames(&self) -> Vec<u8> {
        let mut frames = Vec::with_capacity(self.bytes.len() + 8);
        for chunk in self.bytes.chunks(FRAME_BYTES_MAX) {
            frames.push(STDOUT);
            frames.extend(u32::try_from(chunk.len()).unwrap_or(u32::MAX).to_be_bytes());
            frames.extend_from_slice(chunk);
        }
        frames
    }
}

impl Outcome {
    /// It ended so, and that is all that is known.
    #[must_use]
    pub fn of(ending: Ending) -> Self {
        Self {
            ending,
            exit_code: None,
            duration: None,
            output: None,
            reasons: Vec::new(),
            spent: Spent::default(),
        }
    }
}

/// Puts an outcome on record. Only then may its result be handed on.
///
/// # Errors
/// [`LeaseError::NotOpen`] when the intent was closed meanwhile, or the ledger's.
pub fn settle(ledger: &Ledger, open: Open, outcome: &Outcome) -> Result<Appended, LeaseError> {
    let Open { intent, output_nonce, lock, .. } = open;
    let receipt_id = intent.receipt_id;
    let output = outcome.output.as_ref();
    let item = output.map(|output| PrivateItem::new("output_hash", output_nonce, output.frames()));
    let mut body = closing(intent, outcome);
    body.output_hash = item.as_ref().map(|item| item.hash);
    let mut draft = Draft::new(cascade_ledger::receipt_id()?, Body::Closing(body));
    draft.private.extend(item);
    let settled = ledger.append(draft).map_err(|error| match error {
        AppendError::NotOpen { .. } => LeaseError::NotOpen(receipt_id),
        other => LeaseError::Append(other),
    });
    drop(lock);
    settled
}

/// What a closer says of an outcome, but for its output.
pub(super) fn closing(intent: Ref, outcome: &Outcome) -> Closing {
    Closing {
        ending: outcome.ending,
        intent,
        output_hash: None,
        truncated: outcome.output.as_ref().is_some_and(|output| output.truncated),
        exit_code: outcome.exit_code,
        signal: None,
        duration_us: outcome.duration.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
        reasons: outcome.reasons.clone(),
        spent: outcome.spent,
        served_model: None,
        routed: None,
        review: None,
        chain: None,
        spec: None,
    }
}

/// The receipt that closed an intent, and its content; `None` while nothing has.
///
/// # Errors
/// When the ledger cannot be read.
pub fn closer(reader: &Reader, intent: ReceiptId) -> Result<Option<(ReceiptId, Value)>, Fault> {
    let any = Sought::default();
    let found = reader.with_index(&mut |_, _| (), |index| {
        index.referring(intent, &[Some(Rel::Intent)], &any, 0, PAGE_MAX)
    })?;
    // What is found by the index is believed when the chain says it as well; the closer comes last.
    for seq in found.into_iter().rev() {
        let Some(line) = reader.lines(seq..seq.saturating_add(1)).next().transpose()? else { continue };
        let Some(record) = Record::parse(line.seq, &line.text) else { continue };
        let closes = Kind::parse(record.text("kind")).is_some_and(Kind::is_closer);
        let names = record.refs().contains(&("intent", intent.to_string().as_str()));
        let id = ReceiptId::parse(record.text("receipt_id")).filter(|_| closes && names);
        if let (Some(id), Some(content)) = (id, record.receipt.member("content")) {
            return Ok(Some((id, content.clone())));
        }
    }
    Ok(None)
}

/// Whether the closer of an intent, by its content, tells exactly this outcome; how long it took aside. An output whose
/// salt was erased cannot be compared, and is another one.
///
/// # Errors
/// When the ledger cannot be read.
pub fn is_told(reader: &Reader, intent: ReceiptId, closer: &Value, outcome: &Outcome) -> Result<bool, Fault> {
    let ending = match outcome.ending {
        Ending::Completed => "task_completed",
        Ending::Failed => "task_failed",
        Ending::Revoked => "task_revoked",
        Ending::Unknown => "task_unknown",
    };
    let reasons = closer.member("reasons").and_then(Value::as_array).unwrap_or_default();
    let codes = reasons.iter().filter_map(|reason| reason.member("code")?.as_str());
    let told_hash = closer.member("output_hash").and_then(Value::as_str).and_then(Digest::from_hex);
    let is_cut = closer.member("truncated").and_then(Value::as_bool) == Some(true);
    Ok(closer.member("kind").and_then(Value::as_str) == Some(ending)
        && closer.member("exit_code").and_then(Value::as_u64) == outcome.exit_code.map(u64::from)
        && codes.eq(outcome.reasons.iter().map(|reason| reason.code.as_str()))
        && is_cut == outcome.output.as_ref().is_some_and(|output| output.truncated)
        && match (told_hash, &outcome.output) {
            (None, None) => true,
            (Some(told), Some(output)) => output_nonce(reader, intent)?
                .is_some_and(|nonce| Digest::salted(&nonce, &output.frames()) == told),
            _ => false,
        })
}

/// What the output of an intent is hashed with, as long as nobody has erased it.
fn output_nonce(reader: &Reader, intent: ReceiptId) -> Result<Option<Nonce>, Fault> {
    let kept = reader.private_of(intent)?.into_iter().find(|item| item.field == "output_nonce");
    Ok(kept.and_then(|item| item.bytes.try_into().ok()).map(Nonce))
}
