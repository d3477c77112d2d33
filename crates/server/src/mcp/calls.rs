//! Requests that are decided: on record before the server gets them, and again before the client gets the answer.

use std::collections::BTreeMap;
use std::time::Instant;

use cascade_policy::facts::ToolCall;
use cascade_policy::words;
use cascade_receipt::content::Ending;
use cascade_receipt::decision::{Reason, Verdict};
use cascade_receipt::id::ReceiptId;
use cascade_runtime::lease::{self, Begun, Open, Outcome};
use serde_json::json;
use serde_json::value::RawValue;

use super::elicit::{self, Consent};
use super::gateway::{Passage, Pending, What};
use super::listing;
use super::wire::{self, Id, Members, Meta, Method, Params};
use super::{IN_FLIGHT_MAX, UNHEARD};

/// A request that is decided.
#[derive(Debug)]
pub(super) struct Call {
    /// What is passed on.
    pub(super) line: Vec<u8>,
    pub(super) method: Method,
    /// The tool, or the request of the protocol, as policies name it.
    pub(super) name: String,
    /// JSON.
    pub(super) arguments: String,
    /// It is of the revision without sessions, and says itself who sends it.
    pub(super) meta: Option<String>,
    /// What the client's user was asked about it, and said.
    pub(super) consent: Consent,
    /// What the user was asked to wait for, as the client says.
    pub(super) escalation: Option<ReceiptId>,
}

impl Call {
    pub(super) const fn is_modern(&self) -> bool {
        self.meta.is_some()
    }

    pub(super) fn of(
        (id, method): (&Id, &str),
        params: Option<&RawValue>,
        elicits: bool,
    ) -> Result<Self, &'static str> {
        let none = "the request has no parameters that could be decided";
        let (members, read): (Members<'_>, Params<'_>) = match params {
            Some(raw) => (wire::members(raw).ok_or(none)?, wire::object(raw).ok_or(none)?),
            None => Default::default(),
        };
        let meta = members.get("_meta").filter(|_| is_modern(read.meta.as_ref()));
        let kind = Method::of(method);
        let name = match kind {
            Method::Call => read.name.as_deref().ok_or("the call names no tool")?.to_owned(),
            _ => Method::named(method).ok_or("no request is decided by this name")?,
        };
        if kind == Method::Call && Method::is_taken(&name) {
            return Err("no tool can be called by this name");
        }
        let elicits = match &read.meta {
            Some(own) if meta.is_some() => wire::can_elicit(own.capabilities),
            _ => elicits,
        };
        let (line, consent) = elicit::taken_out(&read, wire::request(id, method, params), elicits)?;
        Ok(Self {
            arguments: arguments(kind, &read, &members),
            line,
            method: kind,
            name,
            meta: meta.map(|raw| raw.get().to_owned()),
            consent,
            escalation: elicit::waited_for(&read),
        })
    }

    /// What is asked from here, because something is decided against it.
    pub(super) fn own(id: &Id, method: &'static str, (cursor, meta): (Option<&str>, Option<&str>)) -> Self {
        let cursor = cursor.map(|cursor| format!("\"cursor\":{}", json!(cursor)));
        let arguments = format!("{{{}}}", cursor.as_deref().unwrap_or_default());
        let own = meta.map(|meta| format!("\"_meta\":{meta}"));
        let params: Vec<String> = own.into_iter().chain(cursor).collect();
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":{},"method":"{method}","params":{{{}}}}}"#,
            id.json(),
            params.join(",")
        );
        Self {
            line: line.into_bytes(),
            method: Method::of(method),
            name: method.to_owned(),
            arguments,
            meta: meta.map(ToOwned::to_owned),
            consent: Consent::Mute,
            escalation: None,
        }
    }
}

fn is_modern(meta: Option<&Meta<'_>>) -> bool {
    meta.is_some_and(|meta| meta.version.is_some())
}

/// What says nothing of what is wanted, or is taken out.
const ASIDE: [&str; 3] = ["_meta", "inputResponses", "requestState"];

/// Everything that the request says, as one JSON text: of a call the arguments, unless it says more.
fn arguments(method: Method, read: &Params<'_>, members: &Members<'_>) -> String {
    let is_call = method == Method::Call;
    let said = members.iter().filter(|(name, _)| !ASIDE.contains(&name.as_str()));
    let mut said: BTreeMap<&str, String> =
        said.map(|(name, raw)| (name.as_str(), raw.get().to_owned())).collect();
    // What the server was answered in between is part of what it is asked.
    let answers: Vec<String> =
        elicit::others(read).map(|(key, raw)| format!("{}:{}", json!(key), raw.get())).collect();
    if !answers.is_empty() {
        said.insert("inputResponses", format!("{{{}}}", answers.join(",")));
    }
    if is_call {
        said.remove("name");
        let given = said.entry("arguments").or_insert_with(|| "{}".to_owned());
        if let (given, 1) = (given.clone(), said.len()) {
            return given;
        }
    }
    let members: Vec<String> = said.iter().map(|(name, text)| format!("{}:{text}", json!(name))).collect();
    format!("{{{}}}", members.join(","))
}

impl Passage<'_> {
    pub(super) fn govern(&mut self, id: Id, method: &str, params: Option<&RawValue>) {
        let call = match Call::of((&id, method), params, self.elicits) {
            Ok(call) => call,
            Err(text) => return self.tell_client(&wire::error(Some(&id), wire::PARAMS, text)),
        };
        if call.method == Method::Call && !self.listing.is_complete() {
            let meta = call.meta.clone();
            self.calls.insert(id, Pending { until: self.until(), what: What::Held(Box::new(call)) });
            return self.ask_for_tools(meta);
        }
        self.decide(&id, call);
    }

    /// Has a call decided; where it is admitted, the server gets it.
    pub(super) fn decide(&mut self, id: &Id, call: Call) {
        let Some(call) = self.answered_before(id, call) else { return };
        match self.gateway.begin(&call, &self.listing, None).map(|(begun, _)| begun) {
            Ok(Begun { open: Some(open), .. }) => self.perform(id, &call, open),
            Ok(begun)
                if begun.ruling.decision.verdict == Verdict::Escalate && begun.objections.is_empty() =>
            {
                self.wait_for_people(id, call, &begun);
            }
            Ok(begun) => self.refuse(id, &call, &denial(&begun)),
            Err(error) => {
                let text = format!("nothing was decided, so nothing was done: {error}");
                self.tell_client(&wire::error(Some(id), wire::NO_ANSWER, &text));
            }
        }
    }

    /// Commit point: the intent is durable, and nobody has been asked to do anything.
    fn perform(&mut self, id: &Id, call: &Call, open: Open) {
        let began = Instant::now();
        if self.tell_server(call.line.clone()) {
            let first = listing::is_first(&call.arguments);
            let what = What::Performing { open, method: call.method, first, began };
            self.calls.insert(id.clone(), Pending { until: self.until(), what });
            return;
        }
        let reasons = vec![Reason::code("mcp.server_gone")];
        let outcome = Outcome { reasons, ..Outcome::of(Ending::Failed) };
        if let Err(error) = lease::settle(self.gateway.ledger, open, &outcome) {
            (self.say)(&error.to_string());
        }
        self.tell_client(&wire::error(Some(id), wire::NO_ANSWER, "the server does not read"));
    }

    /// Commit point: the answer has come, and leaves when it is on record.
    pub(super) fn performed(
        &mut self,
        id: &Id,
        (open, method, began): (Open, Method, Instant),
        first: bool,
        answer: Result<&RawValue, &RawValue>,
    ) {
        // What a client sees of tools was seen here before.
        let seen = match (method, answer) {
            (Method::ListTools, Ok(page)) => self.learn(first, page),
            _ => Ok(()),
        };
        let settled = match &seen {
            Ok(()) => self.gateway.answered(open, (method, began), answer),
            Err(_) => self.gateway.without_answer(open, began, (Ending::Failed, "mcp.no_answer")),
        };
        let line = match (settled, seen) {
            (Ok(()), Ok(())) => wire::answer(id, answer),
            (Ok(()), Err(text)) => wire::error(Some(id), wire::NO_ANSWER, &text),
            (Err(error), _) => {
                let text = format!("the answer couldn't be recorded and is withheld: {error}");
                wire::error(Some(id), wire::NO_ANSWER, &text)
            }
        };
        self.tell_client(&line);
    }

    /// Nobody will know what came of it.
    pub(super) fn unknown(&self, open: Open, began: Instant, code: &'static str) {
        if let Err(error) = self.gateway.unknown(open, began, code) {
            (self.say)(&error.to_string());
        }
    }

    /// Answers a call that was not made: a tool's with a result that says why, so that a model can read it.
    pub(super) fn refuse(&mut self, id: &Id, call: &Call, text: &str) {
        let line = match call.method {
            Method::Call => wire::not_called(id, text, call.is_modern()),
            _ => wire::error(Some(id), wire::REFUSED, text),
        };
        self.tell_client(&line);
    }

    /// Ends a request that has waited for too long.
    pub(super) fn too_late(&mut self, id: &Id) {
        if matches!(self.calls.get(id), Some(Pending { what: What::Performing { .. } | What::Ping, .. })) {
            let line = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
                "params": {"requestId": serde_json::from_str::<serde_json::Value>(&id.json()).ok(),
                    "reason": "no answer in time"}});
            // A server that does not read does not stop either.
            let _sent = self.tell_server(line.to_string().into_bytes());
        }
        self.unanswered(id, "mcp.timeout");
    }

    /// Ends a request whose answer will not come, or will not be handed on any more.
    pub(super) fn unanswered(&mut self, id: &Id, code: &'static str) {
        let Some(Pending { what, .. }) = self.calls.remove(id) else { return };
        match what {
            What::Waiting { call, escalation, elicitation } => {
                self.withdraw(elicitation);
                let text = format!("nobody has approved it in time. {}", elicit::how(escalation));
                return self.refuse(id, &call, &text);
            }
            What::Performing { open, began, .. } => self.unknown(open, began, code),
            What::Ping | What::Held(_) => {}
        }
        self.tell_client(&wire::error(Some(id), wire::NO_ANSWER, words::code_text(code)));
    }

    /// Ends questions of the server that the client has not answered in time.
    pub(super) fn questions_too_late(&mut self, now: Instant) {
        let timeout = self.gateway.timeout;
        let late = |began: &Instant| now.saturating_duration_since(*began) >= timeout;
        let late: Vec<Id> =
            self.questions.iter().filter(|(_, (_, began))| late(began)).map(|(id, _)| id.clone()).collect();
        for id in late {
            if let Some((open, began)) = self.questions.remove(&id) {
                self.unknown(open, began, "mcp.timeout");
                let text = words::code_text("mcp.timeout");
                let _sent = self.tell_server(wire::error(Some(&id), wire::NO_ANSWER, text));
            }
        }
    }

    /// A request of the server to the client.
    pub(super) fn server_asks(&mut self, id: Id, method: &str, params: Option<&RawValue>) {
        let refusal = match &id {
            Id::Text(text) if text.starts_with(wire::OWN_ID) => {
                Some("the id is one that is not yours to give")
            }
            _ if self.questions.contains_key(&id) => Some("the id is that of a request in flight"),
            _ if self.questions.len() >= IN_FLIGHT_MAX => Some("too many requests are in flight"),
            // Each refusal is a receipt: a server does not fill the chain with them.
            _ if self.unheard.is_some_and(|until| Instant::now() < until) => {
                Some("too many requests were refused; ask again later")
            }
            _ => None,
        };
        if let Some(text) = refusal {
            self.tell_once("the server asks the client too much, or with ids in use");
            let _sent = self.tell_server(wire::error(Some(&id), wire::INVALID, text));
            return;
        }
        // Who is there is this gateway: the client need not hear of it, and nothing of it is handed on.
        if method == wire::PING {
            let _sent = self.tell_server(wire::result(&id, &json!({})));
            return;
        }
        let refusal = match self.decided_of(method, params) {
            Ok(Begun { open: Some(open), .. }) => {
                let line = wire::request(&id, method, params);
                self.questions.insert(id, (open, Instant::now()));
                return self.tell_client(&line);
            }
            Ok(begun) if begun.ruling.decision.verdict == Verdict::Escalate => elicit::told(&begun),
            Ok(begun) => denial(&begun),
            Err(text) => text,
        };
        if !self.refused.take(Instant::now()) {
            self.unheard = Some(Instant::now() + UNHEARD);
        }
        let _sent = self.tell_server(wire::error(Some(&id), wire::REFUSED, &refusal));
    }

    /// What is no call: decided by its name.
    fn decided_of(&self, method: &str, params: Option<&RawValue>) -> Result<Begun, String> {
        let call = ToolCall {
            server: self.gateway.server.clone(),
            tool: Method::named(method).ok_or_else(|| "no request is decided by this name".to_owned())?,
            arguments: params.map_or("{}", RawValue::get).to_owned(),
            definition: None,
            pinned: None,
        };
        let decided = self.gateway.decided(call, (None, None)).map(|(begun, _)| begun);
        decided.map_err(|error| format!("nothing was decided, so nothing was done: {error}"))
    }

    /// A notification of the client that the protocol does not have: nobody knows what it does.
    pub(super) fn notified(&mut self, method: &str, params: Option<&RawValue>) {
        let text = match self.decided_of(method, params) {
            Ok(Begun { open: Some(open), .. }) => {
                let sent = self.tell_server(wire::notification(method, params));
                let ending = if sent { Ending::Completed } else { Ending::Failed };
                let reasons = if sent { Vec::new() } else { vec![Reason::code("mcp.server_gone")] };
                let outcome = Outcome { reasons, ..Outcome::of(ending) };
                match lease::settle(self.gateway.ledger, open, &outcome) {
                    Ok(_) => return,
                    Err(error) => error.to_string(),
                }
            }
            Ok(begun) if begun.ruling.decision.verdict == Verdict::Escalate => elicit::told(&begun),
            Ok(begun) => denial(&begun),
            Err(text) => text,
        };
        (self.say)(&format!("a notification was not passed on: {text}"));
    }

    /// The client has answered what the server asked.
    pub(super) fn sampled(
        &mut self,
        id: &Id,
        (open, began): (Open, Instant),
        answer: Result<&RawValue, &RawValue>,
    ) {
        let (raw, code) = match answer {
            Ok(raw) => (raw, None),
            Err(raw) => (raw, Some("mcp.refused_by_client")),
        };
        let sent = match self.gateway.settle(open, began, raw, code) {
            Ok(()) => self.tell_server(wire::answer(id, answer)),
            Err(error) => {
                let text = format!("the answer couldn't be recorded and is withheld: {error}");
                self.tell_server(wire::error(Some(id), wire::NO_ANSWER, &text))
            }
        };
        if !sent {
            self.tell_once("the server does not read; an answer was not passed on");
        }
    }
}

/// Why a call was denied, for the model that wanted it.
pub(super) fn denial(begun: &Begun) -> String {
    let mut texts: Vec<String> =
        begun.objections.iter().map(|reason| words::code_text(&reason.code).to_owned()).collect();
    if texts.is_empty() {
        texts = words::texts(&begun.ruling);
    }
    format!("Denied: {}. Receipt {}.", texts.join("; "), begun.receipt.receipt_id)
}
