//! From an event to a receipt, and back to what the agent is told.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use cascade_ledger::{AppendError, Found, Ledger, Standstill, Surface};
use cascade_policy::facts::ToolCall;
use cascade_receipt::content::{Ref, Rel, RequestTag};
use cascade_receipt::decision::{Reason, Verdict};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_runtime::facts::Asker;
use cascade_runtime::identity;
use cascade_runtime::lease::{self, Asked, Begun, Held, LeaseError, Request};
use cascade_runtime::refused_act::{self, Act, Besides, RecordError};
use serde_json::json;

use super::{Agent, Answer, Call, Event, HookError, Why, telling};
use crate::mcp;

/// The reason of a call that no server can offer.
const NAME_TAKEN: &str = "mcp.name_taken";

/// Where and for whom an event is answered.
#[derive(Debug)]
pub struct Ask<'a> {
    /// The chain.
    pub ledger: &'a Ledger,
    /// The agent that sends it.
    pub agent: Agent,
    /// The environment that the agent gives its hooks; its tools get about the same.
    pub env: Vec<(OsString, OsString)>,
    /// How long the outcome of an admitted call is waited for.
    pub lease: Duration,
}

/// Decides or records what an event is about.
///
/// # Errors
/// [`HookError`]; nothing may be performed then. A refusal is none.
pub fn answer(ask: &Ask<'_>, event: &Event) -> Result<Answer, HookError> {
    let call = match event {
        Event::Before(call) | Event::Permission(call) | Event::After(call, _) => call,
        Event::Other => return Ok(Answer::Nothing),
    };
    let asker = Asker::find(ask.ledger, &ask.env, Some(ask.agent.principal()))?;
    let tag = tag(ask, &asker, call)?;
    match event {
        Event::After(_, report) => telling::after(ask, &asker, (call, tag), report),
        Event::Permission(_) => match open_of(ask, &asker, &tag.body)? {
            Some(intent) => Ok(match ask.ledger.standstill()? {
                Some(why) => stopped(intent, why),
                None => Answer::Admitted(intent),
            }),
            // Whatever should have asked before the call did not: it is asked now.
            None => before(ask, &asker, call, tag),
        },
        _ => before(ask, &asker, call, tag),
    }
}

fn before(ask: &Ask<'_>, asker: &Asker, call: &Call, tag: RequestTag) -> Result<Answer, HookError> {
    if let Some(answered) = repeated(ask, &tag)? {
        return alike(ask, asker, call, answered);
    }
    if call.mcp.as_ref().is_some_and(|(_, tool)| mcp::is_taken(tool)) {
        return name_taken(ask, asker, call, tag);
    }
    let (asked, runtime) = (asked(ask, call)?, identity::runtime(ask.ledger).map_err(HookError::Runtime)?);
    let request = Request {
        asked: &asked,
        asker,
        approval: None,
        dry_run: false,
        reason: None,
        subject: None,
        runtime: &runtime,
        request: Some(tag),
        held: Held::Lease(ask.lease),
        policy: None,
    };
    match lease::begin(ask.ledger, &request) {
        Ok(begun) => Ok(told(begun)),
        // The same event is answered twice at once, and the other one was faster.
        Err(LeaseError::Append(AppendError::Repeated { receipt })) => {
            let answered = repeated(ask, &tag)?.ok_or(HookError::OtherCall(receipt))?;
            alike(ask, asker, call, answered)
        }
        Err(other) => Err(other.into()),
    }
}

/// What is said to an event that was answered before. Gemini CLI has no ids, so the second one may be a second call:
/// where the first was admitted, it is decided as one of its own, and stands on no approval that the first one used.
fn alike(ask: &Ask<'_>, asker: &Asker, call: &Call, answered: Answer) -> Result<Answer, HookError> {
    let was_admitted = matches!(answered, Answer::Admitted(_) | Answer::Refused { why: Why::Performed, .. });
    if ask.agent != Agent::Gemini || !was_admitted {
        return Ok(answered);
    }
    // What nobody else has for a moment: this ends here.
    let own = format!("{} {}", call.moment, cascade_ledger::receipt_id()?);
    let call = Call { moment: own, ..call.clone() };
    before(ask, asker, &call, tag(ask, asker, &call)?)
}

/// A server calls its tool like a request of the protocol, which policies rank by that name: it is not called.
fn name_taken(ask: &Ask<'_>, asker: &Asker, call: &Call, tag: RequestTag) -> Result<Answer, HookError> {
    let line = body(ask.agent, call);
    let act = Act { name: "hook_call", line: &line };
    match refused_act::record_with(
        ask.ledger,
        asker,
        (&act, NAME_TAKEN),
        Besides { request: Some(tag), ..Besides::default() },
    ) {
        Ok(receipt) => Ok(Answer::Refused {
            receipt: receipt.receipt_id,
            escalated: false,
            why: Why::Codes(vec![Reason::code(NAME_TAKEN)]),
        }),
        Err(RecordError::Append(AppendError::Repeated { receipt })) => {
            repeated(ask, &tag)?.ok_or(HookError::OtherCall(receipt))
        }
        Err(error) => Err(HookError::NotRefused(error)),
    }
}

fn told(begun: Begun) -> Answer {
    let receipt = begun.receipt.receipt_id;
    if begun.open.is_some() {
        return Answer::Admitted(receipt);
    }
    let escalated = begun.objections.is_empty() && begun.ruling.decision.verdict == Verdict::Escalate;
    let why = if begun.objections.is_empty() {
        Why::Ruling(Box::new(begun.ruling))
    } else {
        Why::Codes(begun.objections)
    };
    Answer::Refused { receipt, escalated, why }
}

/// It was admitted, and nothing begins now.
fn stopped(receipt: ReceiptId, why: Standstill) -> Answer {
    Answer::Refused { receipt, escalated: false, why: Why::Codes(vec![Reason::code(why.code())]) }
}

/// What the same event was answered when it came first.
fn repeated(ask: &Ask<'_>, tag: &RequestTag) -> Result<Option<Answer>, HookError> {
    let Some((receipt, body)) = ask.ledger.request(&tag.key)? else { return Ok(None) };
    if body != tag.body {
        return Err(HookError::OtherCall(receipt));
    }
    let (_, content) = stored(ask.ledger, receipt)?;
    let kind = content.member("kind").and_then(Value::as_str);
    if kind == Some("task_started") {
        let open = ask.ledger.open_action(receipt)?;
        let now = cascade_runtime::facts::chain_now(ask.ledger)?;
        if let (Some(_), Some(why)) = (&open, ask.ledger.standstill()?) {
            return Ok(Some(stopped(receipt, why)));
        }
        return Ok(Some(if open.is_some_and(|open| open.until.is_none_or(|until| until > now)) {
            Answer::Admitted(receipt)
        } else {
            Answer::Refused { receipt, escalated: false, why: Why::Performed }
        }));
    }
    let why = Why::Codes(codes(&content));
    Ok(Some(Answer::Refused { receipt, escalated: kind == Some("escalation"), why }))
}

/// The codes that decided, in stored content.
pub(super) fn codes(content: &Value) -> Vec<Reason> {
    let decision = content.member("decision");
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let verdict = text(decision.and_then(|decision| decision.member("verdict"))).unwrap_or_default();
    let gates = decision.and_then(|decision| decision.member("gates")?.as_array()).unwrap_or_default();
    let decisive =
        gates.iter().filter(|gate| text(gate.member("outcome")).is_some_and(|outcome| outcome == verdict));
    let reasons = decisive.filter_map(|gate| gate.member("reasons")?.as_array()).flatten();
    reasons.filter_map(|reason| Some(Reason::code(reason.member("code")?.as_str()?))).collect()
}

/// A receipt of this chain: how one that is about it names it, and its content.
pub(super) fn stored(ledger: &Ledger, id: ReceiptId) -> Result<(Ref, Value), HookError> {
    let damaged = || HookError::Lease(LeaseError::Damaged(id));
    let Found::One(_, _, line) = ledger.find(&id.to_string())? else { return Err(damaged()) };
    let receipt = json::parse(line.as_bytes()).map_err(|_| damaged())?;
    let hash = receipt.member("entry_hash").and_then(Value::as_str).and_then(Digest::from_hex);
    let named = Ref { rel: Rel::Parent, receipt_id: id, entry_hash: hash.ok_or_else(damaged)? };
    Ok((named, receipt.member("content").cloned().ok_or_else(damaged)?))
}

/// The oldest open intent of this asker that answers a request of this body.
pub(super) fn open_of(ask: &Ask<'_>, asker: &Asker, body: &Digest) -> Result<Option<ReceiptId>, HookError> {
    let body = body.to_hex();
    let own = asker.principal_id();
    let open = ask.ledger.open_actions()?;
    for action in open.into_iter().filter(|one| one.until.is_some() && one.principal == own) {
        let (_, content) = stored(ask.ledger, action.receipt_id)?;
        let asked = content.member("request").and_then(|request| request.member("body")?.as_str());
        if asked == Some(body.as_str()) {
            return Ok(Some(action.receipt_id));
        }
    }
    Ok(None)
}

/// The request that an event is, for this chain: by its id where it has one, else by what is asked and when.
fn tag(ask: &Ask<'_>, asker: &Asker, call: &Call) -> Result<RequestTag, HookError> {
    let agent = ask.agent.name();
    let body = body(ask.agent, call);
    let key = match &call.id {
        Some(id) => json!(["hook", agent, call.session, id]).to_string(),
        None => json!(["hook", agent, call.session, call.moment, body]).to_string(),
    };
    Ok(ask.ledger.request_tag(asker.principal_id(), (Surface::Hook, &key), body.as_bytes())?)
}

/// What a call is, as one text.
fn body(agent: Agent, call: &Call) -> String {
    json!([agent.name(), call.session, call.tool, said(agent, call)]).to_string()
}

/// What the input of a call does, in one spelling. Codex tells people what it is for in one of two events.
pub(super) fn said(agent: Agent, call: &Call) -> serde_json::Value {
    let mut input = call.input.clone();
    if agent == Agent::Codex {
        input.remove("description");
    }
    sorted(serde_json::Value::Object(input))
}

/// The same with the members of objects in order, so that a call that is written again is the same call.
fn sorted(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            members.into_iter().map(|(key, value)| (key, sorted(value))).collect()
        }
        serde_json::Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// What is to be decided.
fn asked(ask: &Ask<'_>, call: &Call) -> Result<Asked, HookError> {
    if ask.agent.shells().contains(&call.tool.as_str()) {
        let line = call.input.get("command").and_then(serde_json::Value::as_str);
        let line = line.ok_or(HookError::NoCommand)?.as_bytes().to_vec();
        return Ok(Asked::Line { line, cwd: directory(call), env: ask.env.clone() });
    }
    let (server, tool) = match &call.mcp {
        Some((server, tool)) => (format!("mcp:{server}"), tool.clone()),
        None => (ask.agent.principal().to_owned(), call.tool.clone()),
    };
    let arguments = sorted(serde_json::Value::Object(call.input.clone())).to_string();
    let call_of = ToolCall { server, tool, arguments, definition: None, pinned: None };
    Ok(Asked::Tool { call: call_of, cwd: call.cwd.clone() })
}

/// Where a line runs: Gemini CLI and Codex may name another directory with it.
fn directory(call: &Call) -> PathBuf {
    let named = ["dir_path", "directory", "workdir"].iter().find_map(|name| call.input.get(*name)?.as_str());
    named.map_or_else(|| call.cwd.clone(), |named| call.cwd.join(named))
}
