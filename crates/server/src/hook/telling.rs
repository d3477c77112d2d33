//! Outcomes: what an agent says became of a call. Each is on record: as the end of its intent, or, where there is none
//! that it could end, by itself.

use cascade_ledger::{AppendError, Surface};
use cascade_receipt::content::{Ending, RequestTag};
use cascade_receipt::decision::Reason;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;
use cascade_runtime::facts::Asker;
use cascade_runtime::lease::{self, LeaseError, Open, Outcome};
use cascade_runtime::refused_act::{self, Act, Besides, RecordError};
use serde_json::json;

use super::asking::{codes, open_of, said, stored};
use super::{Answer, Ask, Call, HookError, Report};

/// The reason of an outcome of what was never asked about.
const NOT_ADMITTED: &str = "agent.not_admitted";
/// The reason of an outcome of what was refused, or waited for people.
const REFUSED: &str = "agent.refused";
/// The reason of an outcome whose input is not the one that was admitted: another hook may have rewritten it.
const OTHER_INPUT: &str = "agent.other_input";
/// The reason of an outcome that came when its intent was closed as unknown.
const TOLD_LATE: &str = "agent.told_late";
/// The reason of an outcome of a call that has another one.
const TOLD_OTHERWISE: &str = "agent.told_otherwise";

/// An outcome that is told.
struct Told<'a> {
    ask: &'a Ask<'a>,
    asker: &'a Asker,
    call: &'a Call,
    outcome: Outcome,
    /// The input is the one that was asked about.
    as_asked: bool,
}

/// Puts an outcome on record.
pub(super) fn after(
    ask: &Ask<'_>,
    asker: &Asker,
    (call, tag): (&Call, RequestTag),
    report: &Report,
) -> Result<Answer, HookError> {
    let named = if call.id.is_some() { ask.ledger.request(&tag.key)? } else { None };
    let joined = match named {
        Some(named) => Some(named),
        None => open_of(ask, asker, &tag.body)?.map(|intent| (intent, tag.body)),
    };
    let as_asked = joined.is_none_or(|(_, body)| body == tag.body);
    let mut outcome = report.outcome();
    if !as_asked {
        outcome.reasons.push(Reason::code(OTHER_INPUT));
    }
    let told = Told { ask, asker, call, outcome, as_asked };
    match joined {
        Some((intent, _)) => told.joined(intent),
        None => Err(HookError::NotAdmitted(told.apart(NOT_ADMITTED, None)?)),
    }
}

impl Told<'_> {
    /// The call was asked about, and `intent` answered that.
    fn joined(&self, intent: ReceiptId) -> Result<Answer, HookError> {
        if let Some(open) = Open::find(self.ask.ledger, intent)? {
            if !self.as_asked {
                // The intent says what was admitted; what was done instead is nowhere else.
                self.apart(OTHER_INPUT, Some(intent))?;
            }
            match lease::settle(self.ask.ledger, open, &self.outcome) {
                Ok(closer) => return Ok(Answer::Settled(closer.receipt_id)),
                Err(LeaseError::NotOpen(_)) => {}
                Err(other) => return Err(other.into()),
            }
        }
        self.closed(intent)
    }

    /// Nobody waits for it: it was told before, comes too late or tells something else, or nothing admitted the call.
    fn closed(&self, call: ReceiptId) -> Result<Answer, HookError> {
        let ledger = self.ask.ledger;
        let (_, content) = stored(ledger, call)?;
        if kind(&content) != "task_started" {
            return Err(HookError::Refused { call, told: self.apart(REFUSED, Some(call))? });
        }
        match lease::closer(ledger, call)? {
            Some((closer, content)) if ["task_completed", "task_failed"].contains(&kind(&content)) => {
                if lease::is_told(ledger, call, &content, &self.outcome)? && self.is_known()? {
                    return Ok(Answer::Settled(closer));
                }
                Err(HookError::Otherwise { call, told: self.apart(TOLD_OTHERWISE, Some(call))? })
            }
            _ => Err(HookError::TooLate { call, told: self.apart(TOLD_LATE, Some(call))? }),
        }
    }

    /// Whether the input is on record as well.
    fn is_known(&self) -> Result<bool, HookError> {
        if self.as_asked {
            return Ok(true);
        }
        let Some(tag) = self.tag()? else { return Ok(false) };
        let Some((receipt, _)) = self.ask.ledger.request(&tag.key)? else { return Ok(false) };
        let (_, content) = stored(self.ask.ledger, receipt)?;
        Ok(codes(&content).iter().any(|reason| reason.code == OTHER_INPUT))
    }

    /// Puts it on record by itself, the same one once: what is refused is the report.
    fn apart(&self, code: &str, about: Option<ReceiptId>) -> Result<ReceiptId, HookError> {
        let ledger = self.ask.ledger;
        let request = self.tag()?;
        if let Some(tag) = &request
            && let Some((known, _)) = ledger.request(&tag.key)?
        {
            return Ok(known);
        }
        let about = about.map(|id| Ok::<_, HookError>(stored(ledger, id)?.0)).transpose()?;
        let output = self.outcome.output.as_ref().map(|output| output.bytes.clone());
        let line = self.line();
        let act = Act { name: "hook_outcome", line: &line };
        let besides = Besides { request, about, output };
        match refused_act::record_with(ledger, self.asker, (&act, code), besides) {
            Ok(receipt) => Ok(receipt.receipt_id),
            // The same is told twice at once.
            Err(RecordError::Append(AppendError::Repeated { receipt })) => Ok(receipt),
            Err(error) => Err(HookError::Unrecorded(error)),
        }
    }

    /// What makes it the same outcome; nothing where two calls could not be told apart.
    fn tag(&self) -> Result<Option<RequestTag>, HookError> {
        if self.call.id.is_none() {
            return Ok(None);
        }
        let line = self.line();
        let key = format!("outcome\n{line}");
        let sender = self.asker.principal_id();
        Ok(Some(self.ask.ledger.request_tag(sender, (Surface::Hook, &key), line.as_bytes())?))
    }

    /// What was done and how it ended. How long it took does not make it another outcome.
    fn line(&self) -> String {
        let (agent, call, outcome) = (self.ask.agent, self.call, &self.outcome);
        let output = outcome.output.as_ref();
        let ended = json!({
            "id": call.id,
            "ended": if outcome.ending == Ending::Completed { "completed" } else { "failed" },
            "exit_code": outcome.exit_code,
            "output": output.map(|output| Digest::of(&output.bytes).to_hex()),
            "truncated": output.is_some_and(|output| output.truncated),
        });
        json!([agent.name(), call.session, call.tool, said(agent, call), ended]).to_string()
    }
}

fn kind(content: &Value) -> &str {
    content.member("kind").and_then(Value::as_str).unwrap_or_default()
}
