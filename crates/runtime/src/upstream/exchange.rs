//! One exchange: a message there, and what comes back for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cascade_ledger::Ledger;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use memchr::memmem;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::connection::{Driven, connect};
use super::events::Events;
use super::{ANSWER_BYTES_MAX, CONNECT_TIME_MAX, ExchangeFault, HELD_KIB_MAX, MESSAGE_BYTES_MAX, Upstream};
use crate::credentials;
use crate::facts::Asker;

/// Names the session of a server that has some.
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// Longest name of a session, in bytes.
const SESSION_BYTES_MAX: usize = 1024;
/// Shortest credential that is looked for in answers: a shorter one is in many a text by chance.
const REPEATED_BYTES_MIN: usize = 8;
/// Room for what is held of all answers together.
static ROOM: Semaphore = Semaphore::const_new(HELD_KIB_MAX);

/// A server with the values of its headers: made for one request, so that a credential that was taken away is not used
/// again.
#[derive(Clone)]
pub struct Way {
    upstream: Upstream,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The credentials among them.
    secrets: Arc<[Vec<u8>]>,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

impl Way {
    /// The way to a server for whoever asks. Credentials are those that are for this server's endpoint and this asker.
    ///
    /// # Errors
    /// [`ExchangeFault`].
    pub fn to(ledger: &Ledger, asker: &Asker, upstream: &Upstream) -> Result<Self, ExchangeFault> {
        let (mut headers, mut secrets) = (Vec::new(), Vec::new());
        for header in &upstream.headers {
            let mut bytes = header.text.clone().into_bytes();
            if let Some(name) = &header.secret {
                let key = credentials::endpoint_key(ledger, &asker.principal(), name, &upstream.endpoint)?;
                bytes.extend_from_slice(key.value.bytes());
                secrets.extend(
                    Some(key.value.bytes().to_vec()).filter(|value| value.len() >= REPEATED_BYTES_MIN),
                );
            }
            let value = HeaderValue::from_bytes(&bytes);
            let no_header = |_| ExchangeFault::Local(format!("the value of `{}` is no header", header.name));
            let mut value = value.map_err(no_header)?;
            value.set_sensitive(true);
            headers.push((header.name.clone(), value));
        }
        Ok(Self { upstream: upstream.clone(), headers, secrets: secrets.into() })
    }

    /// The server.
    #[must_use]
    pub const fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}

/// Whether a message says this, as it is or in whatever way JSON can write it. What is hidden otherwise is not found.
fn repeats(message: &[u8], value: &[u8]) -> bool {
    let said = |bytes: &[u8]| memmem::find(bytes, value).is_some();
    said(message) || (message.contains(&b'\\') && said(&unescaped(message)))
}

/// The bytes with the escapes of JSON undone, wherever they stand.
fn unescaped(message: &[u8]) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::with_capacity(message.len()), message);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let Some((escape, after)) = after.split_first().filter(|_| *byte == b'\\') else {
            plain.push(*byte);
            continue;
        };
        rest = after;
        let unit = after.get(..4).and_then(|hex| u16::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        match (escape, unit) {
            (b'n', _) => plain.push(b'\n'),
            (b'r', _) => plain.push(b'\r'),
            (b't', _) => plain.push(b'\t'),
            (b'u', Some(unit)) => {
                // A credential in a header has no characters that take two of these.
                let letter = char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
                plain.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after.get(4..).unwrap_or_default();
            }
            (other, _) => plain.push(*other),
        }
    }
    plain
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Headers of the protocol, in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// Others that a client gave for the server, held to the protocol's prefix by whoever read them.
    pub more: Vec<(HeaderName, HeaderValue)>,
    /// The message.
    pub body: Vec<u8>,
}

/// An answer that has begun.
pub struct Reply {
    /// The status: one of success, or that of an answer that is an error.
    pub status: u16,
    /// The session that the server has begun.
    pub session: Option<String>,
    body: Body,
    until: Instant,
    came: usize,
    held: Held,
    secrets: Arc<[Vec<u8>]>,
    _driven: Driven,
}

enum Body {
    /// The server has taken a notification.
    Nothing,
    Json(Incoming),
    Events(Incoming, Events),
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Sends a message. What it may cost in time is all over at `until`.
///
/// # Errors
/// [`ExchangeFault`].
pub async fn send(way: &Way, sent: Sent, until: Instant) -> Result<Reply, ExchangeFault> {
    let has_session = sent.headers.iter().any(|(name, _)| *name == SESSION.as_str());
    let request = request(way, Method::POST, sent)?;
    let connected = timeout(CONNECT_TIME_MAX.min(left(until)), connect(&way.upstream)).await;
    let unreachable = |_| ExchangeFault::Unreachable("no connection in time".to_owned());
    let (mut sender, driven) = connected.map_err(unreachable)??;
    let response = timeout(left(until), sender.send_request(request)).await;
    let response = response.map_err(|_| ExchangeFault::TimedOut)?.map_err(|error| broken(&error))?;
    let reply = began(response, has_session, until, driven)?;
    Ok(Reply { secrets: Arc::clone(&way.secrets), ..reply })
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

fn request(way: &Way, method: Method, sent: Sent) -> Result<Request<Full<Bytes>>, ExchangeFault> {
    let no_header = |_| ExchangeFault::Local("the value of a header is none".to_owned());
    let mut request = Request::new(Full::new(Bytes::from(sent.body)));
    *request.method_mut() = method;
    let path = way.upstream.path.parse();
    *request.uri_mut() = path.map_err(|_| ExchangeFault::Local("the path of its URL is none".to_owned()))?;
    let headers = request.headers_mut();
    let authority = HeaderValue::from_str(&way.upstream.endpoint.authority());
    headers.insert(header::HOST, authority.map_err(no_header)?);
    headers
        .insert(header::USER_AGENT, HeaderValue::from_static(concat!("cascade/", env!("CARGO_PKG_VERSION"))));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    for (name, value) in &sent.headers {
        headers.insert(*name, HeaderValue::from_str(value).map_err(no_header)?);
    }
    headers.extend(sent.more);
    // What the configuration says comes last: nobody else's word takes its place.
    headers.extend(way.headers.iter().cloned());
    Ok(request)
}

fn began(
    response: Response<Incoming>,
    has_session: bool,
    until: Instant,
    driven: Driven,
) -> Result<Reply, ExchangeFault> {
    let status = response.status().as_u16();
    let text = |name: HeaderName| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    if !matches!(text(header::CONTENT_ENCODING).as_str(), "" | "identity") {
        return Err(ExchangeFault::Garbage("it is compressed, which was not asked for"));
    }
    let kind = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let session = Some(text(SESSION)).filter(|session| (1..=SESSION_BYTES_MAX).contains(&session.len()));
    let body = response.into_body();
    let body = match (status, kind.as_str()) {
        (202 | 204, _) => Body::Nothing,
        (200, "application/json") => Body::Json(body),
        (200, "text/event-stream") => Body::Events(body, Events::default()),
        (200, _) => return Err(ExchangeFault::Garbage("it is of another content type than answers are")),
        (300..=399, _) => return Err(ExchangeFault::Redirected(status)),
        (404, _) if has_session => return Err(ExchangeFault::SessionGone),
        // An error of the protocol comes with a status of its own.
        (400 | 404 | 405 | 406, "application/json") => Body::Json(body),
        _ => return Err(ExchangeFault::Status(status)),
    };
    let held = Held::in_room(&ROOM);
    Ok(Reply { status, session, body, until, came: 0, held, secrets: Arc::new([]), _driven: driven })
}

impl Reply {
    /// The next message; `None` where there are no more. One that repeats a credential of ours goes nowhere.
    ///
    /// # Errors
    /// [`ExchangeFault`].
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ExchangeFault> {
        let message = self.message().await?;
        let said = |bytes: &Vec<u8>| self.secrets.iter().any(|one| repeats(bytes, one));
        if message.as_ref().is_some_and(said) {
            return Err(ExchangeFault::Garbage("it repeats the credential that it was sent"));
        }
        Ok(message)
    }

    async fn message(&mut self) -> Result<Option<Vec<u8>>, ExchangeFault> {
        match &mut self.body {
            Body::Nothing => Ok(None),
            Body::Json(incoming) => {
                let mut whole = Vec::new();
                while let Some(piece) = piece(incoming, self.until).await? {
                    if whole.len().saturating_add(piece.len()) > MESSAGE_BYTES_MAX {
                        return Err(ExchangeFault::TooLong);
                    }
                    self.held.grow(whole.len().saturating_add(piece.len()), self.until).await?;
                    whole.extend_from_slice(&piece);
                }
                self.body = Body::Nothing;
                Ok(Some(whole))
            }
            Body::Events(incoming, events) => loop {
                if let Some(data) = events.next() {
                    return Ok(Some(data));
                }
                let Some(piece) = piece(incoming, self.until).await? else { return Ok(None) };
                self.came = self.came.saturating_add(piece.len());
                if self.came > ANSWER_BYTES_MAX {
                    return Err(ExchangeFault::TooLong);
                }
                self.held.grow(self.came, self.until).await?;
                events.push(&piece)?;
            },
        }
    }
}

async fn piece(incoming: &mut Incoming, until: Instant) -> Result<Option<Bytes>, ExchangeFault> {
    loop {
        let next = timeout(left(until), incoming.frame()).await.map_err(|_| ExchangeFault::TimedOut)?;
        match next {
            None => return Ok(None),
            Some(Err(error)) => return Err(broken(&error)),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// The share of an answer in the room for all of them.
struct Held {
    room: &'static Semaphore,
    permit: Option<SemaphorePermit<'static>>,
}

impl Held {
    const fn in_room(room: &'static Semaphore) -> Self {
        Self { room, permit: None }
    }

    /// Waits until there is room for so much of it.
    async fn grow(&mut self, bytes: usize, until: Instant) -> Result<(), ExchangeFault> {
        let kib = bytes.div_ceil(1024);
        let more = kib.saturating_sub(self.permit.as_ref().map_or(0, SemaphorePermit::num_permits));
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).map_err(|_| ExchangeFault::TooLong)?;
        let permit = timeout(left(until), self.room.acquire_many(more)).await;
        let permit = permit.map_err(|_| ExchangeFault::TimedOut)?.map_err(|_| ExchangeFault::TooLong)?;
        match &mut self.permit {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }
}

fn broken(error: &hyper::Error) -> ExchangeFault {
    if error.is_parse() || error.is_parse_status() || error.is_parse_too_large() {
        ExchangeFault::Garbage("it is no HTTP")
    } else {
        ExchangeFault::Cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_found_however_json_writes_it() {
        let value = br#"gh/p_"12\34"#;
        for message in [
            &br#"gh/p_"12\34"#[..],
            br#"{"a":"x gh\/p_\"12\\34"}"#,
            br#"{"a":"\u0067h\u002fp\u005F\"12\u005c34"}"#,
        ] {
            assert!(repeats(message, value), "{}", String::from_utf8_lossy(message));
        }
        for message in [&br#"{"a":"gh p_12"}"#[..], br#"{"a":"gh\\/p_"}"#, br"\u00", br"\"] {
            assert!(!repeats(message, value), "{}", String::from_utf8_lossy(message));
        }
    }

    #[tokio::test]
    async fn answers_together_take_so_much_room_and_no_more() {
        static SMALL: Semaphore = Semaphore::const_new(3);
        let soon = || Instant::now() + Duration::from_millis(50);
        let (mut one, mut other) = (Held::in_room(&SMALL), Held::in_room(&SMALL));
        one.grow(1024, soon()).await.unwrap();
        one.grow(2048, soon()).await.unwrap();
        other.grow(1024, soon()).await.unwrap();
        assert!(matches!(other.grow(1025, soon()).await, Err(ExchangeFault::TimedOut)));
        drop(one);
        other.grow(3 * 1024, soon()).await.unwrap();
    }
}
