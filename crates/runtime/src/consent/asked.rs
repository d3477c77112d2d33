//! What was asked for, for those who answer: in whose name, and with which standard input.

use cascade_ledger::{Fault, PrincipalKind, Reader, Subject};
use cascade_policy::facts::Stdin;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};

use super::{ConsentError, find, stored_facts, subject_of};
use crate::grants;
use crate::people::Whom;

/// What whoever asked for the action that `id` is about says with `--as`; `None` for the person at the terminal.
///
/// # Errors
/// [`ConsentError`].
pub fn asked_as(reader: &Reader, id: ReceiptId) -> Result<Option<String>, ConsentError> {
    let (subject, content) = subject_of(reader, &id.to_string())?;
    let facts = stored_facts(reader, subject.receipt_id, &content)?;
    let called = |id: PrincipalId| reader.name(id);
    if let Some(assumed) = facts.assumed {
        return Ok(Some(called(assumed)?.map_or_else(|| assumed.to_string(), |name| name.name)));
    }
    let own = called(subject.principal)?.filter(|name| name.kind == PrincipalKind::Agent);
    Ok(own.map(|name| format!("{}{}", Whom::AGENT_PREFIX, grants::agent_in(&name.name))))
}

/// Standard input that was read beforehand, by its hash.
pub(super) fn captured(ledger: &Reader, id: ReceiptId, hash: Digest) -> Result<Option<Vec<u8>>, Fault> {
    let stored = ledger.private_of(id)?.into_iter();
    let mut stdin = stored.filter(|item| item.field == "stdin" && Digest::of(&item.bytes) == hash);
    Ok(stdin.next().map(|item| item.bytes))
}

/// The standard input that is part of what `subject` asks for; `None` where none was read, or it is erased.
///
/// # Errors
/// [`ConsentError`].
pub fn stdin_of(reader: &Reader, subject: &Subject) -> Result<Option<Vec<u8>>, ConsentError> {
    let (id, content) = find(reader, &subject.receipt_id.to_string())?;
    let facts = match stored_facts(reader, id, &content) {
        Err(ConsentError::Erased(_)) => return Ok(None),
        other => other?,
    };
    let Stdin::Captured(hash) = facts.action.stdin else { return Ok(None) };
    Ok(captured(reader, id, hash)?)
}
