//! Answers that need no language model: a request that is one question is taken to the router's layers below it first,
//! where the configuration says so.

use cascade_policy::facts::{Task, TaskKind};
use cascade_receipt::content::Evidence;
use cascade_receipt::id::ReceiptId;
use cascade_runtime::facts;
use cascade_runtime::model::{Dialect, Sent};
use cascade_runtime::task::{Answer, Request, Spec};
use serde_json::{Value, json};

use super::super::Caller;

/// The last layer that is asked: those beyond it act on the world, or are the model itself.
const LAST: &str = "L6";
/// Bytes of a token, at the least that is usual.
const TOKEN_BYTES: usize = 3;

/// An answer in the provider's words, and its receipt, which is durable.
pub(super) struct Made {
    pub(super) receipt: ReceiptId,
    pub(super) body: Vec<u8>,
}

/// What the layers answer with this evidence at least; none is no fault: then the model is asked.
pub(super) fn answered(caller: &Caller, least: Evidence, words: &str, sent: &Sent) -> Option<Made> {
    let task = task(words)?;
    let tenant = &caller.tenant;
    let request = Request {
        task,
        asker: caller.asker.clone(),
        approved: None,
        dry_run: false,
        spend: false,
        reason: None,
        runtime: tenant.runtime.clone(),
        step: None,
    };
    let tasked = tenant.router()?.answer(&tenant.ledger, &request).ok()?;
    caller.began(tasked.receipts.iter().map(|receipt| receipt.receipt_id));
    let receipt = tasked.receipts.last()?.receipt_id;
    let answer = tasked.answer.filter(|answer| answer.evidence >= least)?;
    // What is longer than the client takes would have to be cut, and half a program is none.
    let tokens = u64::try_from(answer.text.len() / TOKEN_BYTES).unwrap_or(u64::MAX);
    (tokens <= sent.tokens_out_max).then(|| Made { receipt, body: body(&answer, receipt, sent) })
}

/// The question as a task: a function, with examples or tests of it. Of others nothing could be held against an answer.
fn task(words: &str) -> Option<Task> {
    let asserts: Vec<&str> =
        words.lines().map(str::trim).filter(|line| line.starts_with("assert ")).collect();
    let task = Task {
        kind: TaskKind::Code,
        text: words.to_owned(),
        signature: None,
        examples: Vec::new(),
        tests: (!asserts.is_empty()).then(|| asserts.join("\n") + "\n"),
        schema: None,
        max_layer: LAST.to_owned(),
        tools: Vec::new(),
        model: None,
    };
    let spec = Spec::of(&task);
    let is_held = task.tests.is_some() || spec.calls.iter().any(|call| call.asks);
    (spec.entry.is_some() && is_held).then_some(task)
}

/// Who answered is said as it is: no name, no id and no token of a provider's.
fn body(answer: &Answer, receipt: ReceiptId, sent: &Sent) -> Vec<u8> {
    let model = format!("cascade/{}", answer.layer);
    let text = format!("```python\n{}\n```", answer.text.trim_end());
    let said = Said { model: &model, text: &text, id: &receipt.to_string(), evidence: answer.evidence };
    match (sent.dialect, sent.stream) {
        (Dialect::Chat, false) => said.chat().to_string().into_bytes(),
        (Dialect::Chat, true) => said.chat_stream(!sent.hides_usage),
        (Dialect::Messages, false) => {
            said.message(&json!([Said::block(said.text)]), &"end_turn".into()).to_string().into_bytes()
        }
        (Dialect::Messages, true) => said.message_stream(),
    }
}

struct Said<'a> {
    model: &'a str,
    text: &'a str,
    id: &'a str,
    evidence: Evidence,
}

impl Said<'_> {
    fn metadata(&self) -> Value {
        json!({"cascade_receipt": self.id, "cascade_evidence": self.evidence.as_str()})
    }

    fn of_chat(&self, object: &str, choices: &Value) -> Value {
        let created = facts::now().ms() / 1000;
        json!({"id": self.id, "object": object, "created": created, "model": self.model, "choices": choices,
               "metadata": self.metadata()})
    }

    fn chat(&self) -> Value {
        let message = json!({"role": "assistant", "content": self.text, "refusal": null});
        let choice = json!([{"index": 0, "message": message, "finish_reason": "stop", "logprobs": null}]);
        let mut chat = self.of_chat("chat.completion", &choice);
        if let Value::Object(members) = &mut chat {
            members.insert("usage".to_owned(), no_tokens());
        }
        chat
    }

    fn chat_stream(&self, with_usage: bool) -> Vec<u8> {
        let chunk = |choices: Value| self.of_chat("chat.completion.chunk", &choices);
        let delta = json!({"role": "assistant", "content": self.text});
        let mut events = vec![
            chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}])),
            chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}])),
        ];
        if with_usage {
            let mut last = chunk(json!([]));
            if let Value::Object(members) = &mut last {
                members.insert("usage".to_owned(), no_tokens());
            }
            events.push(last);
        }
        let events = events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>();
        (events + "data: [DONE]\n\n").into_bytes()
    }

    fn block(text: &str) -> Value {
        json!({"type": "text", "text": text})
    }

    fn message(&self, content: &Value, stop: &Value) -> Value {
        json!({"id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": content,
               "stop_reason": stop, "stop_sequence": null, "metadata": self.metadata(),
               "usage": {"input_tokens": 0, "output_tokens": 0}})
    }

    fn message_stream(&self) -> Vec<u8> {
        let delta = json!({"stop_reason": "end_turn", "stop_sequence": null});
        let events = [
            json!({"type": "message_start", "message": self.message(&json!([]), &Value::Null)}),
            json!({"type": "content_block_start", "index": 0, "content_block": Self::block("")}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": self.text}}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 0}}),
            json!({"type": "message_stop"}),
        ];
        let event = |event: &Value| {
            format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
        };
        events.iter().map(event).collect::<String>().into_bytes()
    }
}

fn no_tokens() -> Value {
    json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
}
