//! What the chain says of a run, as events of its machine.

mod attempts;
mod called;

use std::collections::BTreeMap;

use cascade_kernel::csl::{Spec, Work};
use cascade_kernel::workflow::{Ended, Event, Place, Role};
use cascade_ledger::{Chain, Found, Reader};
use cascade_receipt::base64;
use cascade_receipt::content::StepRole;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::kind::Kind;
use cascade_receipt::time::Timestamp;

use super::WorkflowError;
use super::attempt::is_standstill;
use crate::govern::closing::ANSWERED;
use crate::task::ACTED;
pub(super) use called::started_by;

/// Types of tasks that change nothing in the world: a program text, words, a question to a model.
const PURE: [&str; 3] = ["code", "ask", "model"];

/// One receipt of a run.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) place: Place,
    pub(super) at: Timestamp,
    pub(super) receipt_id: ReceiptId,
    /// The intent that it closes.
    intent: Option<ReceiptId>,
    /// Another action gave what it gives.
    acted: bool,
    pub(super) what: What,
}

/// What it says.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// An attempt has started. Where it is `pure`, nothing of the world hangs on it.
    Started { pure: bool },
    /// It has ended.
    Ended(Ended, BTreeMap<String, Value>),
    /// People are asked.
    Asked,
    /// A run was started for it.
    Called,
    /// Somebody said what became of it.
    Settled { happened: bool },
}

impl Recorded {
    /// What the machine takes over; a question to people is asked again, or has its answer.
    pub(super) fn event(&self) -> Option<Event> {
        let (place, at) = (self.place, self.at);
        match &self.what {
            What::Ended(ended, result) => {
                Some(Event::Ended { place, at, ended: ended.clone(), result: result.clone() })
            }
            What::Settled { happened } => Some(Event::Settled { place, at, happened: *happened }),
            What::Started { .. } => Some(Event::Started { place, at }),
            What::Asked | What::Called => None,
        }
    }
}

/// Everything recorded of a run, in order. From the log itself: what a view had lost would be done again.
pub(super) fn of_run(ledger: &Reader, chain: &Chain, spec: &Spec) -> Result<Vec<Recorded>, WorkflowError> {
    let id = chain.receipt_id.to_string();
    let calls = spec.steps.iter().any(|step| matches!(step.work, Work::Workflow(_)));
    let (mut all, mut called) = (Vec::new(), called::Calls::default());
    for line in ledger.lines(chain.seq..ledger.head()?.next_seq) {
        let line = line?;
        // Ids are random: a line without it names another run, or none.
        if line.text.contains(&id) {
            all.extend(read(ledger, chain.receipt_id, &line.text)?);
        }
        if calls {
            all.extend(called.read(ledger, chain.receipt_id, &line.text)?);
        }
    }
    Ok(attempts::of(all, spec))
}

/// What some receipts of a run say, as [`of_run`] will.
pub(super) fn of_receipts(
    ledger: &Reader,
    chain: ReceiptId,
    spec: &Spec,
    receipts: &[ReceiptId],
) -> Result<Vec<Recorded>, WorkflowError> {
    let mut all = Vec::new();
    for id in receipts {
        if let Found::One(_, _, line) = ledger.find(&id.to_string())? {
            all.extend(read(ledger, chain, &line)?);
        }
    }
    Ok(attempts::of(all, spec))
}

fn read(ledger: &Reader, chain: ReceiptId, line: &str) -> Result<Option<Recorded>, WorkflowError> {
    let damaged = || WorkflowError::Damaged(chain);
    let receipt = json::parse(line.as_bytes()).map_err(|_| damaged())?;
    let content = receipt.member("content").ok_or_else(damaged)?;
    let text = |key: &str| content.member(key).and_then(Value::as_str);
    // Other people's extensions say nothing here.
    let Some(kind) = text("kind").and_then(Kind::parse) else { return Ok(None) };
    let Some(place) = content.member("step").map(place_of) else { return Ok(None) };
    if !names(content, "chain", chain) {
        return Ok(None);
    }
    let task_type = text("task_type");
    let is_act = task_type == Some("workflow");
    let what = match kind {
        Kind::TaskStarted => What::Started { pure: is_pure(ledger, content, task_type)? },
        // That somebody may not say what became of an attempt is nothing that became of it.
        Kind::Escalation | Kind::Blocked
            if is_act && act_of(ledger, content)?.as_deref() == Some("settle") =>
        {
            return Ok(None);
        }
        Kind::Escalation => What::Asked,
        // What was stopped for everyone has not been tried.
        Kind::Blocked if is_halted(content) => return Ok(None),
        Kind::Blocked => What::Ended(Ended::Refused, BTreeMap::new()),
        Kind::TaskCompleted if is_act => pointed(ledger, content)?.ok_or_else(damaged)?,
        kind if kind.is_closer() => closed(ledger, kind, content)?,
        _ => return Ok(None),
    };
    let refs = content.member("refs").and_then(Value::as_array).unwrap_or_default();
    let intent = refs.iter().find(|one| one.member("rel").and_then(Value::as_str) == Some("intent"));
    Ok(Some(Recorded {
        intent: intent.and_then(|one| ReceiptId::parse(one.member("receipt_id")?.as_str()?)),
        acted: kind.is_closer() && reasons(content).iter().any(|code| code == ACTED),
        place: place.ok_or_else(damaged)?,
        at: text("timestamp").and_then(Timestamp::parse).ok_or_else(damaged)?,
        receipt_id: text("receipt_id").and_then(ReceiptId::parse).ok_or_else(damaged)?,
        what,
    }))
}

/// Whether nothing of the world hangs on what has started by itself. That of a task in words, as opposed to the command
/// that its words became, is the start of nothing.
fn is_pure(ledger: &Reader, content: &Value, task_type: Option<&str>) -> Result<bool, WorkflowError> {
    Ok(match task_type {
        Some(pure) if PURE.contains(&pure) => true,
        Some("cli") => action_of(ledger, content)?.is_some_and(|action| action.member("task").is_some()),
        _ => false,
    })
}

/// Whether a receipt refers to another one by this relation.
fn names(content: &Value, rel: &str, id: ReceiptId) -> bool {
    let refs = content.member("refs").and_then(Value::as_array).unwrap_or_default();
    refs.iter().any(|one| {
        let text = |key: &str| one.member(key).and_then(Value::as_str);
        text("rel") == Some(rel) && text("receipt_id").and_then(ReceiptId::parse) == Some(id)
    })
}

fn is_halted(content: &Value) -> bool {
    let gates = content.member("decision").and_then(|decision| decision.member("gates")?.as_array());
    let reasons = gates.into_iter().flatten().filter_map(|gate| gate.member("reasons")?.as_array()).flatten();
    reasons.filter_map(|reason| reason.member("code")?.as_str()).any(is_standstill)
}

/// A place as receipts have it.
pub(crate) fn place_of(step: &Value) -> Option<Place> {
    let number = |key: &str| step.member(key).and_then(Value::as_u64);
    let role = match step.member("role") {
        None => Role::Step,
        Some(role) => match StepRole::parse(role.as_str()?)? {
            StepRole::Compensation => Role::Compensation,
            StepRole::Reconciler => Role::Reconciler,
        },
    };
    Some(Place {
        step: usize::try_from(number("at")?).ok()?,
        item: usize::try_from(number("item")?).ok()?,
        attempt: u32::try_from(number("attempt")?).ok()?,
        role,
    })
}

/// The act of a workflow that a receipt is of.
fn act_of(ledger: &Reader, content: &Value) -> Result<Option<String>, WorkflowError> {
    Ok(action_of(ledger, content)?
        .and_then(|action| Some(action.member("workflow")?.member("act")?.as_str()?.to_owned())))
}

fn action_of(ledger: &Reader, content: &Value) -> Result<Option<Value>, WorkflowError> {
    let hash = content.member("action_hash").and_then(Value::as_str).and_then(Digest::from_hex);
    let action = hash.map(|hash| kept(ledger, &hash)).transpose()?.flatten();
    Ok(action.and_then(|action| json::parse(&action).ok()))
}

/// An approval point that was passed, a wait that is over, or what somebody said of an attempt.
fn pointed(ledger: &Reader, content: &Value) -> Result<Option<What>, WorkflowError> {
    let Some(action) = action_of(ledger, content)? else { return Ok(None) };
    let text = |key: &str| action.member("workflow").and_then(|act| act.member(key)?.as_str());
    Ok(Some(match text("act") {
        Some("settle") => What::Settled { happened: text("text") == Some(super::settle::HAPPENED) },
        _ => What::Ended(Ended::Completed, BTreeMap::new()),
    }))
}

fn closed(ledger: &Reader, kind: Kind, content: &Value) -> Result<What, WorkflowError> {
    let number = |key: &str| content.member(key).and_then(Value::as_int);
    let reasons = reasons(content);
    let is = |code: &str| reasons.iter().any(|reason| reason == code);
    let is_timed_out = is(TIMED_OUT);
    let ended = match kind {
        Kind::TaskCompleted => Ended::Completed,
        // Its exit code is an answer, though it is not 0.
        Kind::TaskFailed if is(ANSWERED) => Ended::Completed,
        Kind::TaskFailed => Ended::Failed,
        Kind::TaskRevoked if is_timed_out => Ended::Failed,
        Kind::TaskRevoked => Ended::Refused,
        _ => Ended::Unknown,
    };
    let output = content.member("output_hash").and_then(Value::as_str).and_then(Digest::from_hex);
    let frames = output.map(|hash| kept(ledger, &hash)).transpose()?;
    let truncated = content.member("truncated").and_then(Value::as_bool).unwrap_or(false);
    let mut result = match &frames {
        // Erased since: what names it has no value, rather than an empty one.
        Some(None) => result_of(number("exit_code"), &[], &[], true),
        Some(Some(frames)) => {
            let (stdout, stderr) = streams_of(frames);
            result_of(number("exit_code"), &stdout, &stderr, truncated)
        }
        None => result_of(number("exit_code"), &[], &[], truncated),
    };
    if matches!(frames, Some(None)) {
        result.remove("truncated");
        result.insert("erased".to_owned(), Value::Bool(true));
    }
    result.extend(routed(content));
    Ok(What::Ended(ended, result))
}

/// What the router says of an answer: where it comes from, what stands behind it, what it cost.
fn routed(content: &Value) -> BTreeMap<String, Value> {
    let number = |key: &str| content.member(key).and_then(Value::as_int);
    let text = |name: &str, key: &str| Some((name.to_owned(), content.member(key)?.as_str()?.into()));
    let Some(layer) = text("layer", "layer_hit") else { return BTreeMap::new() };
    let tokens = number("tokens_in").unwrap_or(0).saturating_add(number("tokens_out").unwrap_or(0));
    let spent = [("tokens", tokens), ("cost_microusd", number("cost_microusd").unwrap_or(0))];
    let spent = spent.into_iter().map(|(name, number)| (name.to_owned(), Value::Int(number)));
    [layer].into_iter().chain(text("evidence", "evidence")).chain(spent).collect()
}

/// The private bytes behind a salted hash. What does not fit its hash is not what was recorded.
pub(super) fn kept(ledger: &Reader, hash: &Digest) -> Result<Option<Vec<u8>>, WorkflowError> {
    let Some((nonce, bytes)) = ledger.private(hash)? else { return Ok(None) };
    if Digest::salted(&nonce, &bytes) != *hash {
        return Err(WorkflowError::Altered(*hash));
    }
    Ok(Some(bytes))
}

/// The reason of a run that was ended by its own deadline.
pub(super) const TIMED_OUT: &str = "run.timed_out";

pub(super) fn reasons(content: &Value) -> Vec<String> {
    let code = |reason: &Value| Some(reason.member("code")?.as_str()?.to_owned());
    content
        .member("reasons")
        .and_then(Value::as_array)
        .map(|all| all.iter().filter_map(code).collect())
        .unwrap_or_default()
}

/// What a command left, as expressions see it. The last line feed of a text is the program's, not the value's.
pub(super) fn result_of(
    exit_code: Option<i64>,
    stdout: &[u8],
    stderr: &[u8],
    truncated: bool,
) -> BTreeMap<String, Value> {
    let mut result = BTreeMap::new();
    if let Some(code) = exit_code {
        result.insert("exit_code".to_owned(), Value::Int(code));
    }
    if truncated {
        result.insert("truncated".to_owned(), Value::Bool(true));
        return result;
    }
    for (name, bytes) in [("stdout", stdout), ("stderr", stderr)] {
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                let text = text.strip_suffix('\n').unwrap_or(text);
                result.insert(name.to_owned(), text.into());
            }
            Err(_) => {
                result.insert(format!("{name}_b64"), base64::encode(bytes).into());
            }
        }
    }
    result
}

/// The streams of stored frames (format section 2.1, `heartbeat`): u8 stream ‖ u32 big-endian length ‖ bytes.
pub(super) fn streams_of(frames: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut stdout, mut stderr, mut rest) = (Vec::new(), Vec::new(), frames);
    while let Some(((head, length), after)) = header(rest) {
        let Some((bytes, behind)) = after.split_at_checked(length) else { break };
        if head == 2 {
            stderr.extend_from_slice(bytes);
        } else {
            stdout.extend_from_slice(bytes);
        }
        rest = behind;
    }
    (stdout, stderr)
}

fn header(bytes: &[u8]) -> Option<((u8, usize), &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<5>()?;
    let [stream, length @ ..] = head;
    Some(((*stream, usize::try_from(u32::from_be_bytes(*length)).ok()?), rest))
}
