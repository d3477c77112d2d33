//! Calls that are sent again: the protocol has no name for a request that was answered before, so its sender may give one.

use cascade_ledger::Surface;
use cascade_receipt::content::RequestTag;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;
use cascade_runtime::lease;
use serde_json::value::RawValue;

use super::super::calls::Call;
use super::link::Answer;
use crate::api::{Caller, Problem};

/// Bytes before those of a piece of output: its stream, and its length.
const FRAME_BYTES: usize = 5;

/// What is said to a call that was made before.
pub(super) enum Repeated {
    /// The answer that it got.
    Answered(Answer),
    /// Why there is none to be had.
    Told(String),
}

/// Names the request, where its sender does. What is compared is what is called, not how the message is written.
pub(super) fn tag(caller: &Caller, server: &str, call: &Call) -> Result<Option<RequestTag>, Problem> {
    let Some(key) = &caller.key else { return Ok(None) };
    let body = format!("mcp:{server}\n{}\n{}", call.name, call.arguments);
    let key = (Surface::Http, key.as_str());
    Ok(Some(caller.tenant.ledger.request_tag(caller.asker.principal_id(), key, body.as_bytes())?))
}

/// What came of the request before; a problem where it asked for something else.
pub(super) fn answered(caller: &Caller, tag: &RequestTag) -> Result<Option<Repeated>, Problem> {
    let Some((receipt_id, body)) = caller.tenant.ledger.request(&tag.key)? else { return Ok(None) };
    if body != tag.body {
        return Err(Problem::conflict(
            "request.key_reused",
            "this idempotency key was used for another request",
        ));
    }
    Ok(Some(match lease::closer(&caller.tenant.ledger, receipt_id)? {
        Some((by, content)) => kept(caller, by, &content)?.unwrap_or_else(|| {
            Repeated::Told(format!(
                "This was called before under the same key, and there is no answer of it. It is not called again. \
                 Receipt {by}."
            ))
        }),
        None => Repeated::Told(format!(
            "This was asked before under the same key and has no outcome: it is under way, was denied, or waits for \
             people. It is not called again. Receipt {receipt_id}."
        )),
    }))
}

/// The answer as it was kept with its receipt.
fn kept(caller: &Caller, by: ReceiptId, content: &Value) -> Result<Option<Repeated>, Problem> {
    if content.member("truncated").and_then(Value::as_bool) == Some(true) {
        return Ok(None);
    }
    let items = caller.tenant.ledger.private_of(by)?;
    let output = items.into_iter().find(|item| item.field == "output_hash");
    let Some(raw) = output.and_then(|item| unframed(&item.bytes)) else { return Ok(None) };
    let is_refusal =
        |reason: &Value| reason.member("code").and_then(Value::as_str) == Some("mcp.refused_by_server");
    let reasons = content.member("reasons").and_then(Value::as_array).unwrap_or_default();
    let answer = if reasons.iter().any(is_refusal) { Err(raw) } else { Ok(raw) };
    Ok(Some(Repeated::Answered(answer)))
}

/// The bytes of an output: u8 stream ‖ u32 big-endian length ‖ bytes, frame by frame.
fn unframed(mut frames: &[u8]) -> Option<Box<RawValue>> {
    let mut bytes = Vec::with_capacity(frames.len());
    while !frames.is_empty() {
        let (head, rest) = frames.split_at_checked(FRAME_BYTES)?;
        let (_, length) = head.split_first()?;
        let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
        let (piece, rest) = rest.split_at_checked(length)?;
        bytes.extend_from_slice(piece);
        frames = rest;
    }
    RawValue::from_string(String::from_utf8(bytes).ok()?).ok()
}
