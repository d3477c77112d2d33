//! Messages, as far as they are read: JSON-RPC 2.0, one a line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use cascade_policy::facts::MCP_REQUESTS;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer as _};
use serde_json::json;
use serde_json::value::RawValue;

use super::DEPTH_MAX;

/// Longest id of a request, in bytes.
const ID_BYTES_MAX: usize = 256;
/// JSON-RPC: the message is no JSON, or nested too deeply.
pub(super) const PARSE: i32 = -32700;
/// JSON-RPC: it is no request that is taken.
pub(super) const INVALID: i32 = -32600;
/// JSON-RPC: its parameters are not those of its method.
pub(super) const PARAMS: i32 = -32602;
/// Of the range for implementations: there is no answer, or none that may be handed on.
pub(super) const NO_ANSWER: i32 = -32000;
/// Of the same range: the gates refused.
pub(super) const REFUSED: i32 = -32001;
/// How ids begin that are given here.
pub(super) const OWN_ID: &str = "cascade-";

/// A message.
#[derive(Deserialize, Debug)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// The same by what it is.
#[derive(Debug)]
pub(super) enum Message<'a> {
    Request(Id, Cow<'a, str>, Option<&'a RawValue>),
    Notification(Cow<'a, str>, Option<&'a RawValue>),
    /// The result or the error.
    Answer(Id, Result<&'a RawValue, &'a RawValue>),
}

/// The id of a request: a number and the text of the same digits are two.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Id {
    Number(String),
    Text(String),
}

impl Id {
    fn of(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        if text.len() > ID_BYTES_MAX {
            return None;
        }
        if text.starts_with('"') {
            return serde_json::from_str(text).ok().map(Self::Text);
        }
        text.starts_with(|c: char| c == '-' || c.is_ascii_digit()).then(|| Self::Number(text.to_owned()))
    }

    /// As it is written in a message.
    pub(super) fn json(&self) -> String {
        match self {
            Self::Number(text) => text.clone(),
            Self::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        }
    }
}

impl<'a> Message<'a> {
    /// Reads a line; what is wrong with it otherwise.
    pub(super) fn of(line: &'a [u8]) -> Result<Self, (i32, &'static str)> {
        // Batches ended with revision 2025-06-18; and an array would be read as if its items were members.
        if line.trim_ascii_start().first() != Some(&b'{') {
            return Err((PARSE, "the message is no JSON-RPC object"));
        }
        if depth(line) > DEPTH_MAX {
            return Err((PARSE, "the message is nested too deeply"));
        }
        let read: Envelope<'a> =
            serde_json::from_slice(line).map_err(|_| (PARSE, "the message is no JSON-RPC object"))?;
        let id = match read.id {
            Some(raw) => Some(Id::of(raw).ok_or((INVALID, "the id is neither a number nor a short text"))?),
            None => None,
        };
        match (id, read.method, read.result, read.error) {
            (Some(id), Some(method), None, None) => Ok(Self::Request(id, method, read.params)),
            (None, Some(method), None, None) => Ok(Self::Notification(method, read.params)),
            (Some(id), None, Some(result), None) => Ok(Self::Answer(id, Ok(result))),
            (Some(id), None, None, Some(error)) => Ok(Self::Answer(id, Err(error))),
            _ => Err((INVALID, "the message is neither request nor notification nor answer")),
        }
    }
}

/// Levels of arrays and objects.
fn depth(line: &[u8]) -> usize {
    let (mut now, mut deepest, mut text, mut escaped) = (0_usize, 0, false, false);
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b'[' | b'{' if !text => {
                now = now.saturating_add(1);
                deepest = deepest.max(now);
            }
            b']' | b'}' if !text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The error of an answer that names no request.
pub(super) fn refusal(line: &[u8]) -> Option<&RawValue> {
    let read: Envelope<'_> = serde_json::from_slice(line).ok()?;
    read.error.filter(|_| read.id.is_none() && read.method.is_none() && read.result.is_none())
}

/// An id that nobody else gives.
pub(super) fn own_id() -> Option<Id> {
    let random = cascade_ledger::receipt_id().ok()?;
    Some(Id::Text(format!("{OWN_ID}{random}")))
}

/// Reads an object; an array is none, whatever its items are.
pub(super) fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    raw.get().trim_start().starts_with('{').then(|| serde_json::from_str(raw.get()).ok()).flatten()
}

/// Requests, by what becomes of them. All but one are decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Method {
    Call,
    ReadResource,
    FetchPrompt,
    /// What a call left behind that was answered with a task.
    Task,
    /// The tools that there are.
    ListTools,
    /// Whatever else there is, or may be in some extension.
    Other,
}

/// Asks whether somebody is there. Its answer says nothing, so nothing of it is handed on.
pub(super) const PING: &str = "ping";
/// Asks who somebody is, in the revisions with sessions.
pub(super) const INITIALIZE: &str = "initialize";
/// The tools that there are.
pub(super) const LIST_TOOLS: &str = "tools/list";
/// Longest name of a method, in bytes.
const METHOD_BYTES_MAX: usize = 128;
/// What stands before the name of a method that policies have no name for.
const REQUEST: &str = "request ";

impl Method {
    const CALL: &'static str = "tools/call";

    pub(super) fn of(name: &str) -> Self {
        match name {
            Self::CALL => Self::Call,
            "resources/read" => Self::ReadResource,
            "prompts/get" => Self::FetchPrompt,
            "tasks/get" | "tasks/result" => Self::Task,
            LIST_TOOLS => Self::ListTools,
            _ => Self::Other,
        }
    }

    /// What policies call a request that calls no tool: what they do not know by its name is [`REQUEST`] and that. `None` for a name that cannot be one.
    pub(super) fn named(name: &str) -> Option<String> {
        if MCP_REQUESTS.contains(&name) {
            return Some(name.to_owned());
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.$".contains(&byte);
        let shaped = (1..=METHOD_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits);
        shaped.then(|| format!("{REQUEST}{name}"))
    }

    /// Whether a tool is called so that policies would take it for a request of the protocol.
    pub(super) fn is_taken(tool: &str) -> bool {
        MCP_REQUESTS.contains(&tool) || tool.contains(' ') || tool == REQUEST.trim_end()
    }
}

/// What clients notify, as the protocol has it, with the members that it has. Anything else is decided like a request.
const NOTIFIED: [(&str, &[&str]); 5] = [
    ("notifications/cancelled", &["requestId", "reason"]),
    ("notifications/initialized", &[]),
    ("notifications/progress", &["progressToken", "progress", "total", "message"]),
    ("notifications/roots/list_changed", &[]),
    (
        "notifications/tasks/status",
        &["taskId", "status", "statusMessage", "createdAt", "lastUpdatedAt", "ttl", "pollInterval"],
    ),
];
/// Longest parameters of one of them, in bytes: it says how something stands, and carries nothing.
const NOTIFIED_BYTES_MAX: usize = 4096;

/// Whether a notification of a client is one of the protocol's and says no more than that.
pub(super) fn is_plain(method: &str, params: Option<&RawValue>) -> bool {
    let Some((_, known)) = NOTIFIED.iter().find(|(name, _)| *name == method) else { return false };
    let Some(params) = params else { return true };
    let fits = |name: &String| known.contains(&name.as_str()) || name == "_meta";
    params.get().len() <= NOTIFIED_BYTES_MAX && members(params).is_some_and(|all| all.keys().all(fits))
}

/// The members of an object, as they are written.
pub(super) type Members<'a> = BTreeMap<String, &'a RawValue>;

/// Reads an object whose members are all there once: of two with one name readers may take either.
pub(super) fn members(raw: &RawValue) -> Option<Members<'_>> {
    struct Once;
    impl<'de> Visitor<'de> for Once {
        type Value = Members<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
            let mut all = Members::new();
            while let Some((name, raw)) = map.next_entry::<String, &RawValue>()? {
                if all.insert(name, raw).is_some() {
                    return Err(serde::de::Error::custom("a member is there twice"));
                }
            }
            Ok(all)
        }
    }
    let mut reading = serde_json::Deserializer::from_str(raw.get());
    reading.deserialize_map(Once).ok()
}

/// Parameters of requests, as far as they are looked at.
#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Params<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) input_responses: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
    #[serde(borrow, default)]
    pub(super) request_state: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "_meta")]
    pub(super) meta: Option<Meta<'a>>,
}

/// What a request of the revision without sessions says of its sender.
#[derive(Deserialize, Debug, Default)]
pub(super) struct Meta<'a> {
    #[serde(borrow, default, rename = "io.modelcontextprotocol/protocolVersion")]
    pub(super) version: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "io.modelcontextprotocol/clientCapabilities")]
    pub(super) capabilities: Option<&'a RawValue>,
}

/// What a client can.
#[derive(Deserialize, Debug, Default)]
pub(super) struct Capabilities<'a> {
    #[serde(borrow, default)]
    elicitation: Option<&'a RawValue>,
}

/// `initialize`.
#[derive(Deserialize, Debug)]
struct Hello<'a> {
    #[serde(borrow, default)]
    capabilities: Option<&'a RawValue>,
}

/// Whether these capabilities have `elicitation`.
pub(super) fn can_elicit(capabilities: Option<&RawValue>) -> bool {
    let read = capabilities.and_then(object::<Capabilities<'_>>);
    read.is_some_and(|can| can.elicitation.is_some())
}

/// The same of the parameters of `initialize`.
pub(super) fn introduced_elicitation(params: Option<&RawValue>) -> bool {
    let hello = params.and_then(object::<Hello<'_>>);
    can_elicit(hello.and_then(|hello| hello.capabilities))
}

/// The request that a `notifications/cancelled` is about.
pub(super) fn cancelled(params: &RawValue) -> Option<Id> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cancelled<'a> {
        #[serde(borrow)]
        request_id: &'a RawValue,
    }
    let read: Cancelled<'_> = object(params)?;
    Id::of(read.request_id)
}

/// The result of a tool, as far as it says how it ended.
#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolResult {
    #[serde(default)]
    pub(super) is_error: bool,
}

/// A request, of nothing but what was read.
pub(super) fn request(id: &Id, method: &str, params: Option<&RawValue>) -> Vec<u8> {
    message(&format!(r#""id":{},"#, id.json()), method, params)
}

/// A notification, of nothing but what was read.
pub(super) fn notification(method: &str, params: Option<&RawValue>) -> Vec<u8> {
    message("", method, params)
}

fn message(id: &str, method: &str, params: Option<&RawValue>) -> Vec<u8> {
    let params = params.map(|raw| format!(r#","params":{}"#, raw.get())).unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0",{id}"method":{}{params}}}"#, json!(method)).into_bytes()
}

/// An answer, of nothing but what was read.
pub(super) fn answer(id: &Id, answer: Result<&RawValue, &RawValue>) -> Vec<u8> {
    let (name, raw) = match answer {
        Ok(raw) => ("result", raw),
        Err(raw) => ("error", raw),
    };
    format!(r#"{{"jsonrpc":"2.0","id":{},"{name}":{}}}"#, id.json(), raw.get()).into_bytes()
}

/// A JSON-RPC error; without an id where that is not known.
pub(super) fn error(id: Option<&Id>, code: i32, message: &str) -> Vec<u8> {
    let error = json!({"code": code, "message": message});
    let id = id.map_or_else(|| "null".to_owned(), Id::json);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).into_bytes()
}

/// A result.
pub(super) fn result(id: &Id, result: &serde_json::Value) -> Vec<u8> {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, id.json()).into_bytes()
}

/// The result of a tool that was not called.
pub(super) fn not_called(id: &Id, text: &str, is_modern: bool) -> Vec<u8> {
    let mut body = json!({"content": [{"type": "text", "text": text}], "isError": true});
    if is_modern && let Some(members) = body.as_object_mut() {
        members.insert("resultType".to_owned(), "complete".into());
    }
    result(id, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_what_they_are_and_nothing_is_read_two_ways() {
        let kind = |line: &str| match Message::of(line.as_bytes()) {
            Ok(Message::Request(id, method, _)) => format!("request {id:?} {method}"),
            Ok(Message::Notification(method, _)) => format!("notification {method}"),
            Ok(Message::Answer(id, result)) => format!("answer {id:?} {}", result.is_ok()),
            Err((code, _)) => code.to_string(),
        };
        for (line, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#,
                "request Number(\"1\") tools/call",
            ),
            (r#"{"id":"1","method":"ping"}"#, "request Text(\"1\") ping"),
            (r#"{"method":"notifications/initialized"}"#, "notification notifications/initialized"),
            (r#"{"id":"\u0061","result":{}}"#, "answer Text(\"a\") true"),
            (r#"{"id":7,"error":{}}"#, "answer Number(\"7\") false"),
            (r#"{"id":7,"result":{},"error":{}}"#, "-32600"),
            (r#"{"id":7,"method":"a","result":{}}"#, "-32600"),
            (r#"{"id":[1],"method":"a"}"#, "-32600"),
            (r#"{"id":1,"method":"a","\u006dethod":"tools/call"}"#, "-32700"),
            (r#"[{"id":1,"method":"tools/call"}]"#, "-32700"),
            ("hello", "-32700"),
        ] {
            assert_eq!(kind(line), expected, "{line}");
        }
    }

    #[test]
    fn a_message_nests_so_deep_and_no_deeper() {
        let nested = |levels: usize| {
            let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
            format!(r#"{{"id":1,"method":"x","params":{open}"[[[\"{{"{close}}}"#)
        };
        assert!(Message::of(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert!(matches!(Message::of(nested(DEPTH_MAX + 1).as_bytes()), Err((PARSE, _))));
    }

    #[test]
    fn no_tool_passes_for_a_request_of_the_protocol() {
        assert!(
            ["resources/read", "prompts/get", "resources/read x", "a b", "request", "request x/y"]
                .into_iter()
                .all(Method::is_taken)
        );
        assert!(["read", "resources/reader", "a.b/c-d"].into_iter().all(|name| !Method::is_taken(name)));
        // What says more than the protocol has is none of its notifications.
        let plain = |method: &str, params: &str| {
            is_plain(method, Some(&RawValue::from_string(params.to_owned()).unwrap()))
        };
        let longest = |bytes: usize| format!(r#"{{"requestId":1,"reason":"{}"}}"#, "x".repeat(bytes - 27));
        assert!(plain("notifications/cancelled", &longest(NOTIFIED_BYTES_MAX)));
        assert!(!plain("notifications/cancelled", &longest(NOTIFIED_BYTES_MAX + 1)));
        assert!(plain("notifications/initialized", r#"{"_meta":{}}"#) && !plain("notifications/x", "{}"));
        assert!(!plain("notifications/initialized", r#"{"exfil":"x"}"#));
        // What some extension has is named so that no tool can be.
        assert_eq!(Method::named("tools/list").as_deref(), Some("tools/list"));
        assert_eq!(Method::named("x/forget").as_deref(), Some("request x/forget"));
        assert!(Method::named(&"a".repeat(METHOD_BYTES_MAX)).is_some());
        assert!(
            [&"a".repeat(METHOD_BYTES_MAX + 1), "", "a b", "a\nb", "\u{e9}"]
                .into_iter()
                .all(|name| Method::named(name).is_none())
        );
    }
}
