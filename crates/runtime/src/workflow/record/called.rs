//! Runs that steps of a run have started.

use std::collections::BTreeMap;

use cascade_kernel::workflow::{Ended, Place, Role};
use cascade_ledger::{Chain, Reader};
use cascade_policy::facts::Caller;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::kind::Kind;
use cascade_receipt::time::Timestamp;

use super::{Recorded, What, action_of, is_halted, names};
use crate::workflow::{WorkflowError, look, sub};

/// Everything that the chain says of them, while its lines go by.
#[derive(Default)]
pub(super) struct Calls {
    /// Where each belongs.
    places: BTreeMap<ReceiptId, Place>,
}

impl Calls {
    /// What a line says of the start or the end of one, if it does.
    pub(super) fn read(
        &mut self,
        ledger: &Reader,
        chain: ReceiptId,
        line: &str,
    ) -> Result<Option<Recorded>, WorkflowError> {
        let is_end = !self.places.is_empty() && line.contains("\"kind\":\"chain_");
        if !is_end && !line.contains("\"rel\":\"parent\"") {
            return Ok(None);
        }
        let damaged = || WorkflowError::Damaged(chain);
        let receipt = json::parse(line.as_bytes()).map_err(|_| damaged())?;
        let content = receipt.member("content").ok_or_else(damaged)?;
        let text = |key: &str| content.member(key).and_then(Value::as_str);
        // Other people's extensions say nothing here.
        let Some(kind) = text("kind").and_then(Kind::parse) else { return Ok(None) };
        let receipt_id = text("receipt_id").and_then(ReceiptId::parse).ok_or_else(damaged)?;
        let found = match kind {
            Kind::ChainCompleted | Kind::ChainAborted => {
                let whose = self.places.iter().find(|(child, _)| names(content, "chain", **child));
                match whose {
                    Some((child, place)) => Some((*place, ended(ledger, kind, *child, content)?)),
                    None => None,
                }
            }
            Kind::ChainStarted | Kind::Escalation | Kind::Blocked if names(content, "parent", chain) => {
                started(ledger, chain, (kind, receipt_id), content)?
            }
            _ => None,
        };
        let Some((place, what)) = found else { return Ok(None) };
        if kind == Kind::ChainStarted {
            self.places.insert(receipt_id, place);
        }
        let at = text("timestamp").and_then(Timestamp::parse).ok_or_else(damaged)?;
        Ok(Some(Recorded { place, at, receipt_id, intent: None, acted: false, what }))
    }
}

fn started(
    ledger: &Reader,
    chain: ReceiptId,
    (kind, id): (Kind, ReceiptId),
    content: &Value,
) -> Result<Option<(Place, What)>, WorkflowError> {
    let Some(action) = action_of(ledger, content)? else { return Err(WorkflowError::Erased(id)) };
    let caller = action.member("workflow").and_then(|act| act.member("caller"));
    let caller = caller.and_then(|caller| Caller::read(caller).ok()).filter(|caller| caller.run == chain);
    let Some(place) = caller.and_then(place_of) else { return Ok(None) };
    Ok(match kind {
        Kind::ChainStarted => Some((place, What::Called)),
        Kind::Escalation => Some((place, What::Asked)),
        // What was stopped for everyone has not been tried.
        _ if is_halted(content) => None,
        _ => Some((place, What::Ended(Ended::Refused, BTreeMap::new()))),
    })
}

fn place_of(caller: Caller) -> Option<Place> {
    Some(Place {
        step: usize::try_from(caller.at).ok()?,
        item: usize::try_from(caller.item).ok()?,
        attempt: u32::try_from(caller.attempt).ok()?,
        role: Role::Step,
    })
}

fn ended(ledger: &Reader, kind: Kind, child: ReceiptId, content: &Value) -> Result<What, WorkflowError> {
    let result = match look::look(ledger, child) {
        Ok(driven) => sub::result(&driven),
        Err(WorkflowError::Erased(_)) => BTreeMap::from([("erased".to_owned(), Value::Bool(true))]),
        Err(other) => return Err(other),
    };
    let ended = if kind == Kind::ChainCompleted { Ended::Completed } else { aborted(content) };
    Ok(What::Ended(ended, result))
}

/// What the end of a run that was aborted is to whoever started it. What nobody knows of it is not tried again unseen, and
/// what was refused or ended by somebody not at all.
fn aborted(content: &Value) -> Ended {
    let unknown = content.member("steps").and_then(|steps| steps.member("unknown")?.as_u64()).unwrap_or(0);
    sub::ended_of(unknown, &super::reasons(content))
}

/// The runs that steps of one have started, by what the chain says, whether or not their private bytes are there.
pub(crate) fn started_by(ledger: &Reader, chain: &Chain) -> Result<Vec<ReceiptId>, WorkflowError> {
    let id = chain.receipt_id.to_string();
    let mut all = Vec::new();
    for line in ledger.lines(chain.seq..ledger.head()?.next_seq) {
        let line = line?;
        if !line.text.contains(&id) || !line.text.contains("\"kind\":\"chain_started\"") {
            continue;
        }
        let damaged = || WorkflowError::Damaged(chain.receipt_id);
        let receipt = json::parse(line.text.as_bytes()).map_err(|_| damaged())?;
        let content = receipt.member("content").ok_or_else(damaged)?;
        if names(content, "parent", chain.receipt_id) {
            let own = content.member("receipt_id").and_then(Value::as_str).and_then(ReceiptId::parse);
            all.extend(own);
        }
    }
    Ok(all)
}
