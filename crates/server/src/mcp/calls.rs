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

use super::IN_FLIGHT_MAX;
use super::elicit::{self, Consent};
use super::gateway::{Passage, Pending, What};
use super::wire::{self, Id, Meta, Method, Params};

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
        method: Method,
        params: Option<&RawValue>,
        line: &[u8],
        elicits: bool,
    ) -> Result<Self, &'static str> {
        let none = "the request has no parameters that could be decided";
        let read: Params<'_> = wire::object(params.ok_or(none)?).ok_or(none)?;
        let raw_meta: Option<RawMeta<'_>> = params.and_then(wire::object);
        let meta = raw_meta.and_then(|one| one.meta).filter(|_| is_modern(read.meta.as_ref()));
        let name = match method.own_name() {
            Some(name) => name.to_owned(),
            None => read.name.as_deref().ok_or("the call names no tool")?.to_owned(),
        };
        if method == Method::Call && Method::is_taken(&name) {
            return Err("no tool can be called by this name");
        }
        let elicits = match &read.meta {
            Some(own) if meta.is_some() => wire::can_elicit(own.capabilities),
            _ => elicits,
        };
        let (line, consent) = elicit::taken_out(&read, line, elicits)?;
        Ok(Self {
            arguments: arguments(method, &read),
            line,
            method,
            name,
            meta: meta.map(|raw| raw.get().to_owned()),
            consent,
            escalation: elicit::waited_for(&read),
        })
    }
}

#[derive(serde::Deserialize, Debug)]
struct RawMeta<'a> {
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

fn is_modern(meta: Option<&Meta<'_>>) -> bool {
    meta.is_some_and(|meta| meta.version.is_some())
}

/// Everything that the request says, as one JSON text.
fn arguments(method: Method, read: &Params<'_>) -> String {
    let mut own = BTreeMap::new();
    match method {
        Method::Call => {
            let given = read.arguments.map_or("{}", RawValue::get);
            let others: Vec<_> = elicit::others(read).collect();
            if others.is_empty() {
                return given.to_owned();
            }
            // What the server was answered in between is part of what it is asked.
            let answers: Vec<String> =
                others.into_iter().map(|(key, raw)| format!("{}:{}", json!(key), raw.get())).collect();
            return format!(r#"{{"arguments":{given},"inputResponses":{{{}}}}}"#, answers.join(","));
        }
        Method::ReadResource => own.insert("uri", read.uri.as_deref()),
        Method::FetchPrompt => own.insert("name", read.name.as_deref()),
        Method::Task(_) => own.insert("taskId", read.task_id.as_deref()),
    };
    let mut members: Vec<String> =
        own.iter().filter_map(|(key, text)| Some(format!("{}:{}", json!(key), json!((*text)?)))).collect();
    members.extend(read.arguments.map(|raw| format!("\"arguments\":{}", raw.get())));
    format!("{{{}}}", members.join(","))
}

impl Passage<'_> {
    pub(super) fn govern(&mut self, id: Id, method: Method, params: Option<&RawValue>, line: &[u8]) {
        let call = match Call::of(method, params, line, self.elicits) {
            Ok(call) => call,
            Err(text) => return self.tell_client(&wire::error(Some(&id), wire::PARAMS, text)),
        };
        if method == Method::Call && !self.listing.is_complete() {
            let meta = call.meta.clone();
            self.calls.insert(id, Pending { until: self.until(), what: What::Held(Box::new(call)) });
            return self.ask_for_tools(meta);
        }
        self.decide(&id, call);
    }

    /// Has a call decided; where it is admitted, the server gets it.
    pub(super) fn decide(&mut self, id: &Id, call: Call) {
        let Some(call) = self.answered_before(id, call) else { return };
        match self.gateway.begin(&call, &self.listing, None) {
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
            let what = What::Performing { open, method: call.method, began };
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
        answer: Result<&RawValue, &RawValue>,
        line: &[u8],
    ) {
        match self.gateway.answered(open, (method, began), answer) {
            Ok(()) => self.tell_client(line),
            Err(error) => {
                let text = format!("the answer couldn't be recorded and is withheld: {error}");
                self.tell_client(&wire::error(Some(id), wire::NO_ANSWER, &text));
            }
        }
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
        if matches!(self.calls.get(id), Some(Pending { what: What::Performing { .. } | What::Passed, .. })) {
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
            What::Passed | What::List { .. } | What::Held(_) => {}
        }
        self.tell_client(&wire::error(Some(id), wire::NO_ANSWER, words::code_text(code)));
    }

    /// A request of the server to the client.
    pub(super) fn server_asks(&mut self, id: Id, method: &str, params: Option<&RawValue>, line: &[u8]) {
        let refusal = match &id {
            Id::Text(text) if text.starts_with(wire::OWN_ID) => {
                Some("the id is one that is not yours to give")
            }
            _ if self.questions.contains_key(&id) => Some("the id is that of a request in flight"),
            _ if self.questions.len() >= IN_FLIGHT_MAX => Some("too many requests are in flight"),
            _ => None,
        };
        if let Some(text) = refusal {
            self.tell_once("the server asks the client too much, or with ids in use");
            let _sent = self.tell_server(wire::error(Some(&id), wire::INVALID, text));
            return;
        }
        if method != wire::SAMPLING {
            self.questions.insert(id, None);
            return self.tell_client(line);
        }
        let call = ToolCall {
            server: self.gateway.server.clone(),
            tool: wire::SAMPLING.to_owned(),
            arguments: params.map_or("{}", RawValue::get).to_owned(),
            definition: None,
            pinned: None,
        };
        let refusal = match self.gateway.decided(call, (None, None)) {
            Ok(Begun { open: Some(open), .. }) => {
                self.questions.insert(id, Some((open, Instant::now())));
                return self.tell_client(line);
            }
            Ok(begun) if begun.ruling.decision.verdict == Verdict::Escalate => elicit::told(&begun),
            Ok(begun) => denial(&begun),
            Err(error) => format!("nothing was decided, so nothing was done: {error}"),
        };
        let _sent = self.tell_server(wire::error(Some(&id), wire::REFUSED, &refusal));
    }

    /// The client's model has answered the server.
    pub(super) fn sampled(
        &mut self,
        id: &Id,
        (open, began): (Open, Instant),
        answer: Result<&RawValue, &RawValue>,
        line: &[u8],
    ) {
        let (raw, code) = match answer {
            Ok(raw) => (raw, None),
            Err(raw) => (raw, Some("mcp.refused_by_client")),
        };
        let sent = match self.gateway.settle(open, began, raw, code) {
            Ok(()) => self.tell_server(line.to_vec()),
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
