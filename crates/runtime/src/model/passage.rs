//! Where the library's request leaves this process and the answer comes in.
//!
//! The library is given a Unix socket that ends here, in the same process and on the same thread. What it sends is held
//! to the configuration and gets the key; what comes back is counted, timed, taken apart and checked, and only then
//! reaches the library. So the limits hold whatever the library does, and it never sees a key or a stranger's bytes.

use std::cell::{Cell, OnceCell};
use std::convert::Infallible;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::rc::Rc;
use std::time::Duration;

use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;
use tokio::time::timeout;

use super::frames::{self, Form, Frames};
use super::request::outgoing;
use super::upstream::{self, Body};
use super::{CallLimits, Model, ModelFault, ModelKey, Phase, Provider};

/// Longest wait for a connection, TLS included.
pub(super) const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// Most bytes of a request: a prompt of the greatest length, each byte of it escaped.
const REQUEST_BYTES_MAX: usize = 8 * super::PROMPT_BYTES_MAX;
/// Bytes on the wire for a byte of an answer: a token of one letter in its JSON.
const WIRE_FACTOR: usize = 512;
/// Bytes on the wire besides.
const WIRE_BYTES: usize = 64 * 1024;
/// Most bytes that are read of an error's words, and the longest time for them.
const ERROR_BYTES_MAX: usize = 16 * 1024;
const ERROR_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest wait that a provider may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// What is known of an attempt.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Why it was ended here. The first reason counts.
    pub(super) fault: OnceCell<ModelFault>,
    /// The provider has taken the request: it will charge for it.
    pub(super) accepted: Cell<bool>,
}

impl Seen {
    fn stop(&self, fault: ModelFault) {
        // A later reason follows from the first.
        drop(self.fault.set(fault));
    }
}

/// Everything that a request needs on its way.
pub(super) struct Passage {
    pub(super) model: Model,
    pub(super) key: Option<ModelKey>,
    pub(super) limits: CallLimits,
    pub(super) seen: Rc<Seen>,
}

/// A listening end, and the address that the library is given.
pub(super) struct Entrance {
    listener: UnixListener,
    pub(super) address: String,
}

impl Entrance {
    pub(super) fn open() -> Result<Self, ModelFault> {
        let local = |error: io::Error| ModelFault::Local(error.to_string());
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| ModelFault::Local(error.to_string()))?;
        // In the abstract namespace: no file, nothing to remove.
        let name = format!("cascade-model-{:032x}", u128::from_ne_bytes(random));
        let address = SocketAddr::from_abstract_name(&name).map_err(local)?;
        let listener = StdListener::bind_addr(&address).map_err(local)?;
        listener.set_nonblocking(true).map_err(local)?;
        Ok(Self { listener: UnixListener::from_std(listener).map_err(local)?, address: format!("\0{name}") })
    }
}

/// Serves the one request of an attempt. Returns when the library has let go, or the entrance is broken.
pub(super) async fn serve(entrance: Entrance, passage: Passage) {
    let passage = Rc::new(passage);
    let seen = Rc::clone(&passage.seen);
    let stream = loop {
        match entrance.listener.accept().await {
            // Whoever else of this machine found the name is not answered.
            Ok((stream, _)) if is_ours(&stream) => break stream,
            Ok(_) => {}
            Err(error) => return seen.stop(ModelFault::Local(error.to_string())),
        }
    };
    drop(entrance);
    let asked = Rc::new(Cell::new(false));
    let answer = hyper::service::service_fn(move |request| {
        let (passage, again) = (Rc::clone(&passage), asked.replace(true));
        async move { Ok::<_, Infallible>(passage.answer(request, again).await) }
    });
    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    // How the library leaves is its own affair; what matters is in `seen`.
    drop(served.await);
}

fn is_ours(stream: &tokio::net::UnixStream) -> bool {
    let own = i32::try_from(std::process::id()).ok();
    stream.peer_cred().is_ok_and(|peer| peer.pid().is_some() && peer.pid() == own)
}

/// A body that this side writes.
type Answer = Channel<Bytes>;

impl Passage {
    async fn answer(&self, request: Request<Incoming>, again: bool) -> Response<Answer> {
        let asked = if again {
            Err(ModelFault::Local("the library asked twice".to_owned()))
        } else {
            self.forward(request).await
        };
        let (status, body) = match asked {
            Ok(incoming) => {
                let (sender, body) = Channel::new(1);
                let pump =
                    Pump { limits: self.limits.clone(), key: self.key.clone(), seen: Rc::clone(&self.seen) };
                let form = form(self.model.provider);
                drop(tokio::task::spawn_local(pump.run(incoming, form, sender)));
                (StatusCode::OK, body)
            }
            Err(fault) => {
                self.seen.stop(fault);
                (StatusCode::BAD_GATEWAY, Channel::new(1).1)
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response
    }

    /// Sends the request on; gives the body of an answer that began well.
    async fn forward(&self, request: Request<Incoming>) -> Result<Incoming, ModelFault> {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, REQUEST_BYTES_MAX).collect().await;
        let body = body.map_err(|error| ModelFault::Local(error.to_string()))?.to_bytes();
        let key = self.key.as_ref().filter(|key| key.endpoint == self.model.endpoint);
        let request = outgoing(&self.model, key, (&parts.uri, &parts.headers, body))?;
        self.ask(request, self.model.provider.content_type()).await
    }

    /// Sends a request that is held to the configuration; gives the body of an answer of this kind.
    pub(super) async fn ask(&self, request: Request<Body>, kind: &str) -> Result<Incoming, ModelFault> {
        let connected = timeout(CONNECT_TIME_MAX, upstream::connect(&self.model)).await;
        let mut sender = connected.map_err(|_| ModelFault::TimedOut(Phase::Connect))??;
        let sent = timeout(self.limits.first_byte, sender.send_request(request)).await;
        let response = sent.map_err(|_| ModelFault::TimedOut(Phase::FirstByte))?;
        let response = response.map_err(|error| broken(&error))?;
        self.began(response, kind).await
    }

    async fn began(&self, response: Response<Incoming>, kind: &str) -> Result<Incoming, ModelFault> {
        let status = response.status();
        if status != StatusCode::OK {
            return Err(self.refused(response).await);
        }
        self.seen.accepted.set(true);
        let text =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let given = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
        if !given.eq_ignore_ascii_case(kind) {
            return Err(ModelFault::Garbage("it is of another content type than the provider's answers"));
        }
        if !matches!(text(header::CONTENT_ENCODING), "" | "identity") {
            return Err(ModelFault::Garbage("it is compressed, which was not asked for"));
        }
        Ok(response.into_body())
    }

    async fn refused(&self, response: Response<Incoming>) -> ModelFault {
        let status = response.status().as_u16();
        match status {
            // Nothing of their words: some repeat the key.
            401 | 403 => ModelFault::Unauthorized(status),
            429 => ModelFault::RateLimited(retry_after(&response)),
            300..=399 => ModelFault::Redirected(status),
            500..=599 => ModelFault::Failed(status),
            _ => {
                let body = Limited::new(response.into_body(), ERROR_BYTES_MAX).collect();
                let body = match timeout(ERROR_TIME_MAX, body).await {
                    Ok(Ok(body)) => body.to_bytes(),
                    _ => Bytes::new(),
                };
                ModelFault::Rejected { status, words: self.words(&body) }
            }
        }
    }

    /// The first words of an error.
    fn words(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        let words = serde_json::from_str::<serde_json::Value>(&text).map_or_else(
            |_| frames::words(&text),
            |value| frames::said(value.get("error").unwrap_or(&value)),
        );
        without_key(words, self.key.as_ref())
    }
}

/// Shortest part of a key that is taken for the key.
const KEY_PART_BYTES: usize = 8;

/// A stranger's words, unless they repeat the key.
pub(super) fn without_key(words: String, key: Option<&ModelKey>) -> String {
    if key.is_some_and(|key| shares(words.as_bytes(), key.value.bytes())) {
        return "(its words repeat the key)".to_owned();
    }
    words
}

fn shares(words: &[u8], key: &[u8]) -> bool {
    key.windows(KEY_PART_BYTES).any(|part| words.windows(KEY_PART_BYTES).any(|other| other == part))
}

const fn form(provider: Provider) -> Form {
    match provider {
        Provider::Ollama => Form::Lines,
        _ => Form::Events,
    }
}

fn retry_after(response: &Response<Incoming>) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    // The other form is a date, which is no shorter wait than the one that is taken without.
    Some(Duration::from_secs(text.trim().parse().ok()?).min(RETRY_AFTER_MAX))
}

pub(super) fn broken(error: &hyper::Error) -> ModelFault {
    if error.is_parse() || error.is_parse_status() || error.is_parse_too_large() {
        ModelFault::Garbage("it is no HTTP")
    } else {
        ModelFault::Cut
    }
}

/// Carries an answer to the library.
struct Pump {
    limits: CallLimits,
    key: Option<ModelKey>,
    seen: Rc<Seen>,
}

impl Pump {
    async fn run(self, incoming: Incoming, form: Form, mut sender: Sender<Bytes>) {
        if let Err(fault) = self.carry(incoming, form, &mut sender).await {
            self.seen.stop(match fault {
                ModelFault::Broke(words) => ModelFault::Broke(without_key(words, self.key.as_ref())),
                other => other,
            });
        }
        // The body ends in any case as if it were whole: what came before a fault would be lost otherwise. An end that
        // the library takes for one has a reason in it; see `ask`.
    }

    async fn carry(
        &self,
        mut incoming: Incoming,
        form: Form,
        sender: &mut Sender<Bytes>,
    ) -> Result<(), ModelFault> {
        let most = self.limits.bytes.saturating_mul(WIRE_FACTOR).saturating_add(WIRE_BYTES);
        let (mut frames, mut came) = (Frames::new(form), 0_usize);
        loop {
            let (wait, phase) = match came {
                0 => (self.limits.first_byte, Phase::FirstByte),
                _ => (self.limits.between, Phase::Between),
            };
            let next = timeout(wait, incoming.frame()).await.map_err(|_| ModelFault::TimedOut(phase))?;
            let mut checked = Vec::new();
            let taken = match next {
                None => frames.end(&mut checked),
                Some(Err(ref error)) => Err(broken(error)),
                Some(Ok(ref frame)) => {
                    let bytes = frame.data_ref().map_or(&[] as &[u8], |bytes| bytes);
                    came = came.saturating_add(bytes.len());
                    if came > most {
                        return Err(ModelFault::TooLong(self.limits.bytes as u64));
                    }
                    frames.push(bytes, &mut checked)
                }
            };
            // What was good before a fault is handed on. A library that has what it wants stops to read.
            let left = !checked.is_empty() && sender.send_data(checked.into()).await.is_err();
            taken?;
            if left || next.is_none() {
                return Ok(());
            }
        }
    }
}
