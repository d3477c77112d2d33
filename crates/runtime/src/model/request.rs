//! The request as it leaves: what the library made of the prompt, held to the configuration, with the key.

use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use serde_json::Value;
use zeroize::Zeroizing;

use super::upstream::Body;
use super::{Model, ModelFault, ModelKey, Provider};

/// Headers that are passed on. The rest is ours.
const PASSED: &[&str] = &["content-type", "accept", "anthropic-version", "anthropic-beta"];

/// Builds the request that is sent, from the one that the library sent.
pub(super) fn outgoing(
    model: &Model,
    key: Option<&ModelKey>,
    (uri, headers, body): (&Uri, &HeaderMap, Bytes),
) -> Result<Request<Body>, ModelFault> {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    check(model, path, &body)?;
    let local = |error: hyper::http::Error| ModelFault::Local(error.to_string());
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, model.endpoint.authority())
        .header(header::USER_AGENT, concat!("cascade/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT_ENCODING, "identity")
        .body(Body::new(body))
        .map_err(local)?;
    for name in PASSED {
        if let Some(value) = headers.get(*name) {
            request.headers_mut().insert(HeaderName::from_static(name), value.clone());
        }
    }
    if let Some(key) = key {
        let (name, before) = model.provider.key_header();
        request.headers_mut().insert(HeaderName::from_static(name), value(before, key)?);
    }
    Ok(request)
}

pub(super) fn value(before: &str, key: &ModelKey) -> Result<HeaderValue, ModelFault> {
    let bytes = Zeroizing::new([before.as_bytes(), key.value.bytes()].concat());
    // A key with a line end in it would be a header more.
    let mut value = HeaderValue::from_bytes(&bytes)
        .map_err(|_| ModelFault::Local("the key has bytes that no header can hold".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether it asks what was configured: this model, at this endpoint, as a stream.
fn check(model: &Model, path: &str, body: &[u8]) -> Result<(), ModelFault> {
    let other =
        || Err(ModelFault::Local("the library asks for another model than the configured one".to_owned()));
    let Some(below) = path.strip_prefix(model.path.as_str()) else { return other() };
    if model.provider == Provider::Gemini {
        let asked = below.strip_prefix("models/").and_then(|rest| rest.split_once(':'));
        return match asked {
            Some((name, "streamGenerateContent?alt=sse")) if name == model.model => Ok(()),
            _ => other(),
        };
    }
    let body: Value = serde_json::from_slice(body).map_err(|error| ModelFault::Local(error.to_string()))?;
    let named = body.get("model").and_then(Value::as_str) == Some(model.model.as_str());
    if named && body.get("stream") == Some(&Value::Bool(true)) { Ok(()) } else { other() }
}
