//! What receipts say, in the words of OpenTelemetry's conventions for generative AI. Pure.
//!
//! Source: open-telemetry/semantic-conventions-genai (in development): `gen_ai.operation.name`, span names and kinds. What
//! those have no word for is named `cascade.*`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;
use cascade_runtime::record::Record;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{Array, KeyValue, StringValue, Value as Attribute};

/// Longest name of a program, tool or model, and longest path, in a span, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// What a span is of.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) kind: SpanKind,
}

/// A span without its place.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) named: Named,
    pub(super) began: SystemTime,
    pub(super) ended: SystemTime,
    pub(super) attributes: Vec<KeyValue>,
    pub(super) status: Status,
}

/// What a receipt is to a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// It opens one.
    Opens,
    /// It closes the one of this receipt.
    Closes(ReceiptId),
    /// It is one.
    Whole,
    /// None.
    Nothing,
}

impl Part {
    pub(super) fn of(record: &Record) -> Self {
        let named = |rel: &str| {
            let mut refs = record.refs().into_iter();
            refs.find(|(known, _)| *known == rel).and_then(|(_, id)| ReceiptId::parse(id))
        };
        match record.text("kind") {
            "task_started" | "chain_started" => Self::Opens,
            "task_completed" | "task_failed" | "task_revoked" | "task_unknown" => {
                named("intent").map_or(Self::Whole, Self::Closes)
            }
            "chain_completed" | "chain_aborted" => named("chain").map_or(Self::Nothing, Self::Closes),
            "blocked" | "escalation" | "dry_run" | "schedule_changed" => Self::Whole,
            _ => Self::Nothing,
        }
    }
}

/// The run of a workflow that a receipt belongs to, or that called it.
pub(super) fn above(record: &Record) -> Option<ReceiptId> {
    let wanted = if record.text("kind") == "chain_started" { "parent" } else { "chain" };
    let mut refs = record.refs().into_iter();
    refs.find(|(rel, _)| *rel == wanted).and_then(|(_, id)| ReceiptId::parse(id))
}

/// A span that begins with this receipt; `action` are its private words, as far as they are kept.
pub(super) fn opened(tenant: &str, record: &Record, action: Option<&Value>) -> Span {
    let at = time(record.text("timestamp"));
    let (named, mut attributes) = named(record, action);
    attributes.push(KeyValue::new("cascade.tenant", tenant.to_owned()));
    attributes.push(KeyValue::new("cascade.intent.id", record.text("receipt_id").to_owned()));
    let texts = [
        ("cascade.task.type", "task_type"),
        ("cascade.risk.tier", "risk_tier"),
        ("gen_ai.agent.id", "principal"),
        ("cascade.on_behalf_of", "on_behalf_of"),
        ("cascade.policy.version", "policy_version"),
        ("cascade.policy.digest", "policy_hash"),
        ("cascade.spec.digest", "spec_hash"),
    ];
    attributes.extend(texts.iter().filter_map(|(name, member)| text(record, name, member)));
    attributes.extend(decided(record));
    Span { named, began: at, ended: at, attributes, status: Status::Unset }
}

/// The same span, ended by this receipt.
pub(super) fn closed(mut span: Span, record: &Record) -> Span {
    span.ended = time(record.text("timestamp"));
    outcome(&mut span, record);
    span
}

/// A span that one receipt says everything of.
pub(super) fn whole(tenant: &str, record: &Record, action: Option<&Value>) -> Span {
    let mut span = opened(tenant, record, action);
    let took = record.content("duration_us").and_then(Value::as_u64).unwrap_or_default();
    span.began = span.ended.checked_sub(Duration::from_micros(took)).unwrap_or(span.ended);
    outcome(&mut span, record);
    span
}

/// What came of it.
fn outcome(span: &mut Span, record: &Record) {
    let kind = record.text("kind");
    let attributes = &mut span.attributes;
    attributes.push(KeyValue::new("cascade.receipt.id", record.text("receipt_id").to_owned()));
    attributes.push(KeyValue::new("cascade.receipt.kind", kind.to_owned()));
    let texts = [
        ("cascade.effect.status", "effect_status"),
        ("cascade.layer", "layer_hit"),
        ("cascade.evidence", "evidence"),
        ("gen_ai.response.model", "served_model"),
    ];
    attributes.extend(texts.iter().filter_map(|(name, member)| text(record, name, member)));
    let counts = [
        ("gen_ai.usage.input_tokens", "tokens_in"),
        ("gen_ai.usage.output_tokens", "tokens_out"),
        ("cascade.cost.microusd", "cost_microusd"),
        ("process.exit.code", "exit_code"),
        ("cascade.signal", "signal"),
    ];
    let count =
        |member| record.content(member).and_then(Value::as_u64).and_then(|one| i64::try_from(one).ok());
    attributes.extend(counts.iter().filter_map(|(name, member)| Some(KeyValue::new(*name, count(*member)?))));
    let declined = record.content("route").and_then(|route| route.member("declined")?.as_array());
    let layers = declined.unwrap_or_default().iter().filter_map(|one| one.member("layer")?.as_str());
    attributes.extend(list("cascade.router.declined_layers", layers));
    let codes = record.all_codes();
    attributes.extend(list("cascade.reasons", codes.iter().copied()));
    let failed = match kind {
        "blocked" | "task_failed" | "task_revoked" | "task_unknown" | "chain_aborted" => true,
        _ => record.text("effect_status") == "failed",
    };
    if failed {
        let code = codes.first().copied().unwrap_or(kind);
        attributes.push(KeyValue::new("error.type", short(code)));
        span.status = Status::error(if codes.is_empty() { kind.to_owned() } else { codes.join(", ") });
    }
}

/// The gates that had a say.
fn decided(record: &Record) -> Vec<KeyValue> {
    let Some(decision) = record.content("decision") else { return Vec::new() };
    let text =
        |value: &Value, key: &str| value.member(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut said = vec![KeyValue::new("cascade.decision.verdict", text(decision, "verdict"))];
    for gate in decision.member("gates").and_then(Value::as_array).unwrap_or_default() {
        let outcome = text(gate, "outcome");
        if outcome != "not_applicable" {
            said.push(KeyValue::new(format!("cascade.gate.{}", text(gate, "gate")), outcome));
        }
    }
    said
}

/// What it is called, and what the conventions want to know of it.
fn named(record: &Record, action: Option<&Value>) -> (Named, Vec<KeyValue>) {
    let internal = |name: String| Named { name, kind: SpanKind::Internal };
    let operation = |name: &'static str| KeyValue::new("gen_ai.operation.name", name);
    let member = |value: &Value, key: &str| value.member(key).and_then(Value::as_str).map(short);
    let Some(action) = action else {
        return (internal(record.text("kind").to_owned()), Vec::new());
    };
    if let Some(act) = action.member("workflow") {
        let name = member(act, "name").unwrap_or_default();
        if member(act, "act").as_deref() == Some("start") {
            let attributes =
                vec![operation("invoke_workflow"), KeyValue::new("gen_ai.workflow.name", name.clone())];
            return (internal(format!("invoke_workflow {name}")), attributes);
        }
        return (internal("workflow step".to_owned()), vec![KeyValue::new("gen_ai.workflow.name", name)]);
    }
    if let Some(model) = action.member("task").and(action.member("model")) {
        let name = member(model, "name").unwrap_or_default();
        let attributes = vec![
            operation("chat"),
            KeyValue::new("gen_ai.provider.name", provider(&member(model, "provider").unwrap_or_default())),
            KeyValue::new("gen_ai.request.model", name.clone()),
        ];
        return (Named { name: format!("chat {name}"), kind: SpanKind::Client }, attributes);
    }
    if action.member("task").is_some() {
        let attributes = vec![operation("invoke_agent"), KeyValue::new("gen_ai.agent.name", "cascade")];
        return (internal("invoke_agent cascade".to_owned()), attributes);
    }
    if action.member("schedule").is_some() {
        return (internal("schedule".to_owned()), Vec::new());
    }
    let mut attributes = vec![operation("execute_tool")];
    let tool = match action.member("tool") {
        Some(call) => {
            attributes
                .extend(member(call, "server").map(|server| KeyValue::new("cascade.tool.server", server)));
            attributes.push(KeyValue::new("gen_ai.tool.type", "function"));
            member(call, "name")
        }
        None => program(action).inspect(|program| {
            attributes.push(KeyValue::new("process.executable.name", program.clone()));
        }),
    };
    let Some(tool) = tool else { return (internal("execute_tool".to_owned()), attributes) };
    attributes.push(KeyValue::new("gen_ai.tool.name", tool.clone()));
    (internal(format!("execute_tool {tool}")), attributes)
}

/// The program that a command names, without where it lies. A shell line is one of `sh`: which of its words are names,
/// only its grammar says.
fn program(action: &Value) -> Option<String> {
    if action.member("line").is_some() {
        return Some("sh".to_owned());
    }
    let first = |name: &str| action.member(name)?.as_array()?.first()?.as_str();
    let decoded =
        || Some(String::from_utf8_lossy(&cascade_receipt::base64::decode(first("argv_b64")?)?).into_owned());
    let word = first("argv").map(str::to_owned).or_else(decoded)?;
    word.rsplit('/').next().filter(|name| !name.is_empty()).map(short)
}

/// Names that the conventions list, where they have one.
fn provider(name: &str) -> String {
    match name {
        "gemini" => "gcp.gemini".to_owned(),
        "openai_responses" => "openai".to_owned(),
        other => other.to_owned(),
    }
}

fn text(record: &Record, name: &'static str, member: &str) -> Option<KeyValue> {
    let text = record.text(member);
    (!text.is_empty()).then(|| KeyValue::new(name, text.to_owned()))
}

fn list<'a>(name: &'static str, texts: impl Iterator<Item = &'a str>) -> Option<KeyValue> {
    let texts: Vec<StringValue> = texts.map(|text| text.to_owned().into()).collect();
    (!texts.is_empty()).then(|| KeyValue::new(name, Attribute::Array(Array::String(texts))))
}

/// No more of a name than belongs into one.
pub(super) fn short(text: &str) -> String {
    let end = (0..=text.len().min(NAME_BYTES_MAX)).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or_default()).unwrap_or_default().to_owned()
}

fn time(text: &str) -> SystemTime {
    let ms = Timestamp::parse(text).map_or(0, Timestamp::ms);
    UNIX_EPOCH.checked_add(Duration::from_millis(ms)).unwrap_or(UNIX_EPOCH)
}
