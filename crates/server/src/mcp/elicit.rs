//! Calls that wait for people. What the user of a client answers here approves nothing: it says whether to go on waiting
//! for somebody who may.

use cascade_ledger::SubjectState;
use cascade_policy::words;
use cascade_receipt::id::ReceiptId;
use cascade_runtime::lease::Begun;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

use super::calls::Call;
use super::gateway::{Passage, Pending, What};
use super::wire::{self, Id, Params};

/// The name of the question in a result that wants input.
const QUESTION: &str = "cascade.approve";

/// How far the client's user was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Consent {
    /// Nobody can be asked.
    Mute,
    /// The user can be asked.
    Askable,
    /// The user wants to wait.
    Waits,
    /// The user does not.
    Declined,
    /// Everybody was asked, once is enough.
    Settled,
}

#[derive(Deserialize, Debug)]
struct Answer<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
}

fn accepts(raw: &RawValue) -> bool {
    wire::object::<Answer<'_>>(raw).is_some_and(|answer| answer.action == "accept")
}

/// What a request answers that its server asked.
pub(super) fn others<'p>(read: &'p Params<'_>) -> impl Iterator<Item = (&'p str, &'p RawValue)> {
    let all = read.input_responses.iter().flatten();
    all.filter(|(key, _)| key.as_ref() != QUESTION).map(|(key, raw)| (key.as_ref(), *raw))
}

/// Takes out of a request what is answered to this gateway, so that the server sees the call alone.
pub(super) fn taken_out(
    read: &Params<'_>,
    line: Vec<u8>,
    elicits: bool,
) -> Result<(Vec<u8>, Consent), &'static str> {
    let own = read.input_responses.as_ref().and_then(|all| all.get(QUESTION));
    let Some(answer) = own else {
        // With answers to the server's own questions underway, one more would lose them.
        let askable = elicits && read.request_state.is_none() && others(read).next().is_none();
        return Ok((line, if askable { Consent::Askable } else { Consent::Mute }));
    };
    let consent = if accepts(answer) { Consent::Waits } else { Consent::Declined };
    let rest: BTreeMap<&str, &RawValue> = others(read).collect();
    let own_state = read.request_state.as_deref().is_some_and(|state| state.starts_with(wire::OWN_ID));
    without(&line, &rest, own_state).map(|line| (line, consent)).ok_or("the request cannot be taken apart")
}

type Members = BTreeMap<String, Box<RawValue>>;

fn without(line: &[u8], rest: &BTreeMap<&str, &RawValue>, own_state: bool) -> Option<Vec<u8>> {
    let raw = |value: String| RawValue::from_string(value).ok();
    let mut message: Members = serde_json::from_slice(line).ok()?;
    let mut params: Members = serde_json::from_str(message.get("params")?.get()).ok()?;
    params.remove("inputResponses");
    if !rest.is_empty() {
        params.insert("inputResponses".to_owned(), raw(serde_json::to_string(rest).ok()?)?);
    }
    if own_state {
        params.remove("requestState");
    }
    message.insert("params".to_owned(), raw(serde_json::to_string(&params).ok()?)?);
    serde_json::to_vec(&message).ok()
}

/// What the client says that its user was asked to wait for. It is the client's word: see [`Gateway::awaited`].
///
/// [`Gateway::awaited`]: super::gateway::Gateway
pub(super) fn waited_for(read: &Params<'_>) -> Option<ReceiptId> {
    ReceiptId::parse(read.request_state.as_deref()?.strip_prefix(wire::OWN_ID)?)
}

/// What a person has to do.
pub(super) fn how(escalation: ReceiptId) -> String {
    format!("Somebody eligible runs `cascade approve {escalation}`; the same call then goes through.")
}

/// Why a call waits, for whoever wanted it.
pub(super) fn told(begun: &Begun) -> String {
    let texts = words::texts(&begun.ruling);
    format!("This waits for an approval: {}. {}", texts.join("; "), how(begun.receipt.receipt_id))
}

impl Passage<'_> {
    /// Asks the user where the client can, and otherwise says what there is to do.
    pub(super) fn wait_for_people(&mut self, id: &Id, mut call: Call, begun: &Begun) {
        let escalation = begun.receipt.receipt_id;
        let text = told(begun);
        match call.consent {
            Consent::Askable if call.is_modern() => {
                let line = wire::result(id, &wanted(&text, escalation));
                self.tell_client(&line);
            }
            Consent::Askable => {
                let Some(own) = wire::own_id() else { return self.refuse(id, &call, &text) };
                let params = json!({"message": text, "requestedSchema": schema()});
                let question = json!({"jsonrpc": "2.0", "id": serde_json::from_str::<serde_json::Value>(&own.json()).ok(),
                    "method": "elicitation/create", "params": params});
                self.tell_client(question.to_string().as_bytes());
                self.elicitations.insert(own.clone(), id.clone());
                call.consent = Consent::Settled;
                self.hold(id, call, escalation, Some(own));
            }
            Consent::Waits => {
                call.consent = Consent::Settled;
                self.hold(id, call, escalation, None);
            }
            Consent::Mute | Consent::Declined | Consent::Settled => self.refuse(id, &call, &text),
        }
    }

    fn hold(&mut self, id: &Id, call: Call, escalation: ReceiptId, elicitation: Option<Id>) {
        let what = What::Waiting { call: Box::new(call), escalation, elicitation };
        self.calls.insert(id.clone(), Pending { until: self.until(), what });
    }

    /// A call that comes back with what the user said; `None` where it need not be decided again.
    pub(super) fn answered_before(&mut self, id: &Id, mut call: Call) -> Option<Call> {
        let (Consent::Waits | Consent::Declined) = call.consent else { return Some(call) };
        let Some(escalation) = self.gateway.awaited(&call) else { return Some(call) };
        if call.consent == Consent::Declined {
            self.refuse(id, &call, &format!("You did not want to wait for an approval. {}", how(escalation)));
            return None;
        }
        if self.gateway.has_answer(escalation).is_some() {
            return Some(call);
        }
        call.consent = Consent::Settled;
        self.hold(id, call, escalation, None);
        None
    }

    /// Goes on with calls that people have answered.
    pub(super) fn look_for_answers(&mut self) {
        let waiting = self.calls.iter().filter_map(|(id, one)| match &one.what {
            What::Waiting { escalation, .. } => Some((id.clone(), *escalation)),
            _ => None,
        });
        let waiting: Vec<(Id, ReceiptId)> = waiting.collect();
        for (id, escalation) in waiting {
            let Some(state) = self.gateway.has_answer(escalation) else { continue };
            let Some(Pending { what: What::Waiting { call, elicitation, .. }, .. }) = self.calls.remove(&id)
            else {
                continue;
            };
            self.withdraw(elicitation);
            match state {
                SubjectState::Approved => self.decide(&id, *call),
                SubjectState::Denied => {
                    self.refuse(&id, &call, &format!("Somebody denied it. Receipt {escalation}."));
                }
                _ => self.refuse(&id, &call, &format!("Nobody approved it in time. Receipt {escalation}.")),
            }
        }
    }

    /// The user was asked over the session, and answered.
    pub(super) fn user_answered(&mut self, id: &Id, answer: Result<&RawValue, &RawValue>) {
        if answer.is_ok_and(accepts) {
            return;
        }
        let Some(Pending { what: What::Waiting { .. }, .. }) = self.calls.get(id) else { return };
        if let Some(Pending { what: What::Waiting { call, escalation, .. }, .. }) = self.calls.remove(id) {
            let text = format!("Nobody at the client wants to wait for an approval. {}", how(escalation));
            self.refuse(id, &call, &text);
        }
    }

    /// Takes back a question that nobody need answer any more.
    pub(super) fn withdraw(&mut self, elicitation: Option<Id>) {
        let Some(own) = elicitation else { return };
        if self.elicitations.remove(&own).is_some() {
            let line = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
                "params": {"requestId": serde_json::from_str::<serde_json::Value>(&own.json()).ok()}});
            self.tell_client(line.to_string().as_bytes());
        }
    }

    /// The client has given up a request; true where the server never heard of it.
    pub(super) fn gave_up(&mut self, params: Option<&RawValue>) -> bool {
        let Some(id) = params.and_then(wire::cancelled) else { return false };
        let unheard =
            matches!(self.calls.get(&id), Some(Pending { what: What::Held(_) | What::Waiting { .. }, .. }));
        if unheard
            && let Some(Pending { what: What::Waiting { elicitation, .. }, .. }) = self.calls.remove(&id)
        {
            self.withdraw(elicitation);
        }
        unheard
    }
}

/// The result of a call that wants input first.
pub(super) fn wanted(text: &str, escalation: ReceiptId) -> serde_json::Value {
    json!({
        "resultType": "input_required",
        "inputRequests": {QUESTION: {
            "method": "elicitation/create",
            "params": {"mode": "form", "message": text, "requestedSchema": schema()},
        }},
        "requestState": format!("{}{escalation}", wire::OWN_ID),
    })
}

/// Nothing is to be filled in.
fn schema() -> serde_json::Value {
    json!({"type": "object", "properties": {}})
}
