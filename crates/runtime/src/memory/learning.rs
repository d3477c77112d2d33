//! What is learned, how far it may be used, and what is forgotten.

use cascade_ledger::{AppendError, Appended, Draft, Fault, Ledger, Memory, PrincipalKind, PrivateItem};
use cascade_receipt::content::{Body, Evidence, Forgotten, Learned, MemoryState, Ref, Rel};
use cascade_receipt::decision::Reason;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::time::Timestamp;

use super::log::{content_of, owner, uses};
use super::{Key, nonce, quarantine, receipt_id, reference};

/// How long something is remembered that nobody verified, in milliseconds.
pub const OBSERVED_MS: u64 = 7 * DAY_MS;
/// How long something verified is remembered, in milliseconds.
pub const VERIFIED_MS: u64 = 90 * DAY_MS;
/// How long something is remembered that several people found and verified, in milliseconds. Then it begins anew.
pub const TRUSTED_MS: u64 = 365 * DAY_MS;
const DAY_MS: u64 = 86_400_000;

/// An answer that was given, to be remembered.
#[derive(Clone, Debug)]
pub struct Lesson<'a> {
    /// What it is an answer to.
    pub key: &'a Key,
    /// Its receipt.
    pub answer: &'a Appended,
    /// What stands behind it.
    pub evidence: Evidence,
    /// Whose task it was.
    pub principal: PrincipalId,
    /// The person behind whoever that is.
    pub owner: PrincipalId,
    /// It was found anew, and is not what was remembered under another name.
    pub found_anew: bool,
}

/// Remembers an answer; `None` where what is remembered already is worth as much.
///
/// # Errors
/// When it could not be made durable.
pub fn learn(ledger: &Ledger, lesson: &Lesson<'_>) -> Result<Option<Appended>, AppendError> {
    let id =
        ledger.principal_for(PrincipalKind::Memory, &lesson.key.name()).map_err(AppendError::NotRecorded)?.0;
    let known = ledger.memory(id).map_err(AppendError::NotRecorded)?;
    let at = lesson.answer.timestamp;
    let state =
        if lesson.evidence == Evidence::Verified { MemoryState::Verified } else { MemoryState::Observed };
    // What the log has forgotten is not there, whatever the view says.
    let alive = match known.filter(|known| known.is_alive(at)) {
        Some(known) if uses(ledger, &known).map_err(AppendError::NotRecorded)?.is_some() => Some(known),
        _ => None,
    };
    let Some(state) = worth(ledger, lesson, alive.as_ref(), state).map_err(AppendError::NotRecorded)? else {
        return Ok(None);
    };
    let lasts = match state {
        MemoryState::Observed => OBSERVED_MS,
        MemoryState::Verified => VERIFIED_MS,
        MemoryState::Trusted => TRUSTED_MS,
    };
    let key = PrivateItem::new("memory_key_hash", nonce()?, lesson.key.text().as_bytes().to_vec());
    let mut refs = vec![crate::govern::reference(Rel::Parent, lesson.answer)];
    refs.extend(alive.as_ref().map(|known| Ref { rel: Rel::Supersedes, ..reference(known) }));
    let body = Body::Learned(Learned {
        memory: id,
        key_hash: key.hash,
        state,
        principal: lesson.principal,
        expires: Timestamp::from_ms(at.ms().saturating_add(lasts)),
        refs,
    });
    let mut draft = Draft::new(receipt_id()?, body);
    draft.private = vec![key];
    ledger.append(draft).map(Some)
}

/// How far an answer may be used; `None` where what is remembered already is worth as much.
fn worth(
    ledger: &Ledger,
    lesson: &Lesson<'_>,
    known: Option<&Memory>,
    state: MemoryState,
) -> Result<Option<MemoryState>, Fault> {
    let Some(known) = known else { return Ok(Some(state)) };
    // What is in quarantine vouches for nothing.
    if quarantine::holds(ledger, known)? {
        return Ok(Some(state));
    }
    Ok(if state == MemoryState::Verified && known.state >= state {
        is_independent(ledger, lesson, known)?.then_some(MemoryState::Trusted)
    } else if known.state > state || known.state == state && known.principal == lesson.principal {
        None
    } else {
        Some(state)
    })
}

/// Another person has found and verified an answer. An agent is whoever it acts for: nobody confirms himself through it.
fn is_independent(ledger: &Ledger, lesson: &Lesson<'_>, known: &Memory) -> Result<bool, Fault> {
    let owner = content_of(ledger, known.answer)?.as_ref().and_then(owner);
    Ok(lesson.found_anew && owner.is_some_and(|owner| owner != lesson.owner))
}

/// Forgets something. What stands on it from here on is refused.
///
/// # Errors
/// When it could not be made durable, or is forgotten already.
pub fn forget(
    ledger: &Ledger,
    memory: &Memory,
    principal: PrincipalId,
    code: &str,
    reason: Option<&str>,
) -> Result<Appended, AppendError> {
    // The view may say otherwise; a second receipt would make the chain invalid.
    if uses(ledger, memory).map_err(AppendError::NotRecorded)?.is_none() {
        return Err(AppendError::MemoryGone { memory: memory.learned });
    }
    let body = Body::Forgotten(Forgotten {
        memory: memory.id,
        learned: reference(memory),
        principal,
        reasons: vec![Reason::code(code)],
    });
    let mut draft = Draft::new(receipt_id()?, body);
    if let Some(reason) = reason {
        draft.private.push(PrivateItem::new("reason", nonce()?, reason.as_bytes().to_vec()));
    }
    ledger.append(draft)
}

/// Forgets a wrong answer, under every key that it was learned for; the receipt of `memory` comes first.
///
/// # Errors
/// When it could not be made durable, or is forgotten already.
pub fn forget_wrong(
    ledger: &Ledger,
    memory: &Memory,
    principal: PrincipalId,
    code: &str,
    reason: Option<&str>,
) -> Result<Vec<Appended>, AppendError> {
    let mut receipts = vec![forget(ledger, memory, principal, code, reason)?];
    for other in ledger.memories_of(memory.answer).map_err(AppendError::NotRecorded)? {
        match forget(ledger, &other, principal, code, reason) {
            Ok(appended) => receipts.push(appended),
            // It is `memory` itself, or somebody else was faster.
            Err(AppendError::MemoryGone { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(receipts)
}
