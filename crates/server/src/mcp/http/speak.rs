//! Between two ways of speaking: what a request needs for its server, and a result for its client.

use std::collections::BTreeMap;

use serde_json::json;
use serde_json::value::RawValue;

use super::super::wire::Id;
use super::{Era, MODERN};

pub(super) type Members = BTreeMap<String, Box<RawValue>>;

/// How the names of the protocol's own members of `_meta` begin.
const OWN_META: &str = "io.modelcontextprotocol/";
/// Results that say how long they hold.
const HELD: [&str; 6] = [
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "server/discover",
];

/// The members of an object.
pub(super) fn members(raw: &RawValue) -> Option<Members> {
    serde_json::from_str(raw.get()).ok()
}

pub(super) fn raw(value: &serde_json::Value) -> Box<RawValue> {
    // A value always has a text.
    RawValue::from_string(value.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Who asks, where nobody else says it.
pub(super) fn own_meta() -> serde_json::Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": own_info(),
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

pub(super) fn own_info() -> serde_json::Value {
    json!({"name": "cascade", "version": env!("CARGO_PKG_VERSION")})
}

/// A request for a server that speaks so.
pub(super) fn request(id: &Id, method: &str, mut params: Members, (from, to): (Era, Era)) -> Vec<u8> {
    let mut meta = params.remove("_meta").and_then(|raw| members(&raw)).unwrap_or_default();
    // Progress would be told to nobody.
    meta.remove("progressToken");
    match (from, to) {
        (Era::Modern, Era::Modern) => {}
        (_, Era::Legacy) => meta.retain(|name, _| !name.starts_with(OWN_META)),
        (Era::Legacy, Era::Modern) => {
            meta.extend(members(&raw(&own_meta())).unwrap_or_default());
        }
    }
    if !meta.is_empty() {
        params.insert("_meta".to_owned(), text(&meta));
    }
    format!(r#"{{"jsonrpc":"2.0","id":{},"method":{},"params":{}}}"#, id.json(), json!(method), text(&params))
        .into_bytes()
}

pub(super) fn text(members: &Members) -> Box<RawValue> {
    serde_json::value::to_raw_value(members).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A result for a client that speaks so: as it is, unless it lacks what that client must find in it, or says what only
/// another revision says.
pub(super) fn result(id: &Id, method: &str, found: &RawValue, to: Era) -> Vec<u8> {
    let mut line = format!(r#"{{"jsonrpc":"2.0","id":{},"result":"#, id.json()).into_bytes();
    match (to, members(found)) {
        (Era::Modern, Some(mut all)) if !all.contains_key("resultType") => {
            all.insert("resultType".to_owned(), raw(&json!("complete")));
            if HELD.contains(&method) {
                all.entry("ttlMs".to_owned()).or_insert_with(|| raw(&json!(0)));
                all.entry("cacheScope".to_owned()).or_insert_with(|| raw(&json!("private")));
            }
            line.extend_from_slice(text(&all).get().as_bytes());
        }
        (Era::Legacy, Some(mut all)) if all.contains_key("_meta") => {
            let mut meta = all.remove("_meta").and_then(|raw| members(&raw)).unwrap_or_default();
            meta.retain(|name, _| !name.starts_with(OWN_META));
            if !meta.is_empty() {
                all.insert("_meta".to_owned(), text(&meta));
            }
            line.extend_from_slice(text(&all).get().as_bytes());
        }
        _ => line.extend_from_slice(found.get().as_bytes()),
    }
    line.push(b'}');
    line
}

/// An error of the server, for the client's request.
pub(super) fn error(id: &Id, found: &RawValue) -> Vec<u8> {
    format!(r#"{{"jsonrpc":"2.0","id":{},"error":{}}}"#, id.json(), found.get()).into_bytes()
}

/// The same message with another `name` among its parameters.
pub(super) fn renamed(line: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut message: Members = serde_json::from_slice(line).ok()?;
    let mut params = members(message.get("params")?)?;
    params.insert("name".to_owned(), raw(&json!(name)));
    message.insert("params".to_owned(), text(&params));
    serde_json::to_vec(&message).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &[u8]) -> serde_json::Value {
        serde_json::from_slice(line).unwrap()
    }

    #[test]
    fn what_passes_is_only_what_the_other_side_lacks() {
        let id = Id::Text("a".to_owned());
        let params = || {
            members(&raw(&json!({"name": "t", "_meta": {"progressToken": 1, "traceparent": "x"}}))).unwrap()
        };
        let sent = value(&request(&id, "tools/call", params(), (Era::Legacy, Era::Modern)));
        assert_eq!(sent["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], MODERN);
        assert_eq!(sent["params"]["_meta"]["traceparent"], "x");
        assert!(sent["params"]["_meta"].get("progressToken").is_none());
        let sent = value(&request(&id, "tools/call", params(), (Era::Legacy, Era::Legacy)));
        assert_eq!(sent["params"], json!({"name": "t", "_meta": {"traceparent": "x"}}));

        let found = raw(&json!({"tools": []}));
        let got = value(&result(&id, "tools/list", &found, Era::Modern));
        assert_eq!(
            got["result"],
            json!({"tools": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"})
        );
        assert_eq!(value(&result(&id, "tools/list", &found, Era::Legacy))["result"], json!({"tools": []}));
        let said = raw(&json!({"_meta": {"io.modelcontextprotocol/serverInfo": {}, "mine": 1}}));
        assert_eq!(value(&result(&id, "x", &said, Era::Legacy))["result"], json!({"_meta": {"mine": 1}}));
        let asks = raw(&json!({"resultType": "input_required", "inputRequests": {}}));
        assert_eq!(
            value(&result(&id, "tools/call", &asks, Era::Modern))["result"]["resultType"],
            "input_required"
        );
    }
}
