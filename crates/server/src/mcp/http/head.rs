//! What a request says in its head, held against its body: nothing between client and gateway was told something else.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64ct::{Base64, Encoding as _};
use serde_json::json;
use serde_json::value::RawValue;

use super::super::wire::{self, Id, Params};
use super::{Era, LEGACY, MODERN};

/// Head and body say different things.
const MISMATCH: i32 = -32020;
/// A revision that is not spoken here.
const VERSION: i32 = -32022;
/// Headers that repeat arguments of a tool, for servers that ask for that.
const PARAM: &str = "mcp-param-";
/// Most of these.
const PARAMS_MAX: usize = 32;

/// What is read of the head of a request.
#[derive(Debug, Default)]
pub(crate) struct Head {
    version: Option<String>,
    method: Option<String>,
    name: Option<String>,
    /// Passed on as they are.
    pub(super) params: Vec<(HeaderName, HeaderValue)>,
}

/// Why a request is not looked at any further.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum HeadFault {
    /// It comes from a page of somebody's.
    #[error("requests of web pages are taken from this machine's own alone (`Origin`)")]
    Origin,
    /// A header that decides where it goes comes twice, or is no text.
    #[error("`{0}` comes more than once, or is not visible ASCII")]
    Header(&'static str),
    /// More headers than a tool has arguments.
    #[error("there are more than {PARAMS_MAX} headers `Mcp-Param-…`")]
    Params,
}

impl Head {
    /// Reads a head.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, HeadFault> {
        let once = |name: &'static str| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (None, _) => Ok(None),
                (Some(value), None) => {
                    value.to_str().map(|text| Some(text.to_owned())).map_err(|_| HeadFault::Header(name))
                }
                (Some(_), Some(_)) => Err(HeadFault::Header(name)),
            }
        };
        // A page whose name was made to lead here says its own name; no other program says one.
        if once("origin")?.is_some_and(|origin| !is_own(&origin)) {
            return Err(HeadFault::Origin);
        }
        let params = headers.iter().filter(|(name, _)| name.as_str().starts_with(PARAM));
        let params: Vec<_> = params.map(|(name, value)| (name.clone(), value.clone())).collect();
        if params.len() > PARAMS_MAX {
            return Err(HeadFault::Params);
        }
        Ok(Self {
            version: once("mcp-protocol-version")?,
            method: once("mcp-method")?,
            name: once("mcp-name")?,
            params,
        })
    }

    /// How the client speaks; the answer that it gets where head and body do not agree.
    pub(super) fn era(&self, id: &Id, method: &str, params: Option<&RawValue>) -> Result<Era, Vec<u8>> {
        let read = params.and_then(wire::object::<Params<'_>>);
        let said = read.as_ref().and_then(|read| read.meta.as_ref()?.version);
        let said: Option<String> = said.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let mismatch = |header: &str| {
            Err(wire::error(Some(id), MISMATCH, &format!("`{header}` does not say what the body says")))
        };
        match (self.version.as_deref(), said) {
            // Whoever begins a session has none to speak of.
            (_, None) if method == "initialize" => Ok(Era::Legacy),
            (None, None) => Ok(Era::Legacy),
            (Some(version), None) if LEGACY.contains(&version) => Ok(Era::Legacy),
            (Some(version), said)
                if said.as_deref().is_none_or(|said| said == version) && version != MODERN =>
            {
                Err(unsupported(id, version))
            }
            (version, said) if version != said.as_deref() => mismatch("MCP-Protocol-Version"),
            _ if self.method.as_deref() != Some(method) => mismatch("Mcp-Method"),
            _ => {
                let uri = params.and_then(wire::members).and_then(|all| {
                    all.get("uri").and_then(|raw| serde_json::from_str::<String>(raw.get()).ok())
                });
                let name = read.as_ref().and_then(|read| match method {
                    "tools/call" | "prompts/get" => read.name.as_deref(),
                    "resources/read" => uri.as_deref(),
                    _ => None,
                });
                let given = self.name.as_deref().and_then(decoded);
                if name.is_some() && given.as_deref() != name {
                    mismatch("Mcp-Name")
                } else {
                    Ok(Era::Modern)
                }
            }
        }
    }
}

fn unsupported(id: &Id, version: &str) -> Vec<u8> {
    let supported: Vec<&str> = [MODERN].into_iter().chain(LEGACY).collect();
    let error = json!({"code": VERSION, "message": "this revision of the protocol is not spoken here",
        "data": {"supported": supported, "requested": version}});
    format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, id.json()).into_bytes()
}

/// `http://localhost:3000` and the like.
fn is_own(origin: &str) -> bool {
    let Some((scheme, rest)) = origin.split_once("://") else { return false };
    let host = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => rest.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<std::net::IpAddr>();
    ["http", "https"].contains(&scheme)
        && (host == "localhost" || address.is_ok_and(|address| address.is_loopback()))
}

/// A header as it was before it was made fit for one.
fn decoded(value: &str) -> Option<String> {
    let inner = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    match inner {
        None => Some(value.to_owned()),
        Some(inner) => String::from_utf8(Base64::decode_vec(inner).ok()?).ok(),
    }
}

/// The same the other way round.
pub(super) fn encoded(value: &str) -> String {
    let plain = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if plain && value == value.trim() && !value.starts_with("=?base64?") {
        return value.to_owned();
    }
    format!("=?base64?{}?=", Base64::encode_string(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(pairs: &[(&'static str, &str)]) -> Result<Head, HeadFault> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Head::of(&headers)
    }

    #[test]
    fn pages_of_others_are_not_heard_and_nothing_comes_twice() {
        for own in ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:80"] {
            assert!(head(&[("origin", own)]).is_ok(), "{own}");
        }
        for other in
            ["http://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1.evil.example"]
        {
            assert_eq!(head(&[("origin", other)]).unwrap_err(), HeadFault::Origin, "{other}");
        }
        assert!(head(&[("mcp-name", "a"), ("mcp-name", "b")]).is_err());
        let many: Vec<(&str, &str)> = vec![("mcp-param-a", "x"); PARAMS_MAX];
        assert!(head(&many).is_ok());
        assert!(head(&[many, vec![("mcp-param-a", "x")]].concat()).is_err());
    }

    #[test]
    fn head_and_body_say_the_same() {
        let id = Id::Number("1".to_owned());
        let era = |pairs: &[(&'static str, &str)], method: &str, params: serde_json::Value| {
            let raw = RawValue::from_string(params.to_string()).unwrap();
            let answer = head(pairs).unwrap().era(&id, method, Some(&raw));
            answer.map_err(|line| {
                serde_json::from_slice::<serde_json::Value>(&line).unwrap()["error"]["code"].as_i64()
            })
        };
        let modern = json!({"name": "é", "_meta": {"io.modelcontextprotocol/protocolVersion": MODERN}});
        let name = encoded("é");
        let (version, method) = (("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"));
        let call = |pairs: &[(&'static str, &str)]| era(pairs, "tools/call", modern.clone());
        assert_eq!(call(&[version, method, ("mcp-name", &name)]), Ok(Era::Modern));
        let mismatch = Err(Some(i64::from(MISMATCH)));
        assert_eq!(call(&[version, method, ("mcp-name", "e")]), mismatch);
        assert_eq!(call(&[version, method]), mismatch);
        assert_eq!(call(&[version, ("mcp-method", "tools/list"), ("mcp-name", &name)]), mismatch);
        assert_eq!(call(&[("mcp-protocol-version", "2025-11-25"), method, ("mcp-name", &name)]), mismatch);
        assert_eq!(call(&[]), mismatch);
        assert_eq!(era(&[version, method], "tools/call", json!({})), mismatch);
        assert_eq!(era(&[("mcp-protocol-version", "2025-06-18")], "tools/call", json!({})), Ok(Era::Legacy));
        assert_eq!(era(&[], "tools/list", json!({})), Ok(Era::Legacy));
        assert_eq!(
            era(&[("mcp-protocol-version", "1999-01-01")], "x", json!({})),
            Err(Some(i64::from(VERSION)))
        );
    }
}
