//! A request of the caller's own: sent as it is, and its answer handed back as it came.
//!
//! Nothing of it is put together here and nothing of the answer is written anew. It goes the way of every other call:
//! to the one endpoint of the model, with the key that only this module adds, and what comes back is counted, timed and
//! looked through before anybody else sees it.

mod events;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request};
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use self::events::{Events, Told};
use super::estimate::{estimate_of, likely};
use super::passage::{Passage, Seen, broken, without_key};
use super::request;
use super::upstream::Body;
use super::{CallLimits, Model, ModelFault, ModelKey, Phase, Provider, Spent};

/// Most bytes of an answer.
pub const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Anthropic's version of its messages where the caller names none.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// Whose messages a caller speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// OpenAI's chat completions.
    Chat,
    /// Anthropic's messages.
    Messages,
}

/// A request of the caller's own.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Whose messages it speaks.
    pub dialect: Dialect,
    /// The body; it names the provider's own name of the model.
    pub body: Arc<[u8]>,
    /// Whether the answer is to come as a stream.
    pub stream: bool,
    /// The caller did not ask for the event that tells the tokens: it is read, and not handed on.
    pub hides_usage: bool,
    /// Which version of the provider's messages, where the caller says so.
    pub version: Option<String>,
    /// Which trials of the provider's, where the caller says so.
    pub beta: Option<String>,
    /// Most tokens that all its answers may have together.
    pub tokens_out_max: u64,
}

/// How it went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Relayed {
    /// Why there is no whole answer.
    pub fault: Option<ModelFault>,
    /// The model that answered, by the provider's word.
    pub served_model: Option<String>,
    /// What it cost.
    pub spent: Spent,
}

impl Model {
    /// Whether its endpoint understands these messages.
    #[must_use]
    pub const fn speaks(&self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::Messages => matches!(self.provider, Provider::Anthropic),
            Dialect::Chat => {
                matches!(self.provider, Provider::OpenAi | Provider::OpenAiCompatible | Provider::Ollama)
            }
        }
    }

    /// Longest time for an answer.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    fn path_of(&self, dialect: Dialect) -> String {
        let below = match (dialect, self.provider) {
            (Dialect::Messages, _) => "messages",
            // Beside its own messages, at the root.
            (Dialect::Chat, Provider::Ollama) => "v1/chat/completions",
            (Dialect::Chat, _) => "chat/completions",
        };
        format!("{}{below}", self.path)
    }
}

/// Sends a request once. `on_piece` gets what came of its answer as it comes, whole events of a stream, or the whole of
/// one that is none; where it gives false, the call is ended.
///
/// Blocks, and must not be called where an async task runs (`spawn_blocking` is the place).
pub fn relay(
    model: &Model,
    key: Option<&ModelKey>,
    sent: &Sent,
    limits: &CallLimits,
    on_piece: &mut dyn FnMut(Vec<u8>) -> bool,
) -> Relayed {
    let started = Instant::now();
    let (seen, mut told, mut came) = (Rc::new(Seen::default()), Told::default(), 0);
    let done = check(model, key, sent).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ModelFault::Local(error.to_string()))?;
        let passage = Passage {
            model: model.clone(),
            key: key.cloned(),
            limits: limits.clone(),
            seen: Rc::clone(&seen),
        };
        let carrying = Carrying { passage, sent, told: &mut told, came: &mut came, on_piece };
        let done = runtime.block_on(bounded(carrying, limits));
        // Not waited for: a look-up of a name may hang.
        runtime.shutdown_background();
        done
    });
    // What ended in silence may have been taken, and charged.
    let silent = done.as_ref().is_err_and(|fault| {
        matches!(fault, ModelFault::Cut | ModelFault::Cancelled)
            || matches!(fault, ModelFault::TimedOut(phase) if *phase != Phase::Connect)
    });
    let spent = spent((model, sent), &told, seen.accepted.get() || silent, came);
    let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let fault = done.err().map(|fault| match fault {
        ModelFault::Broke(words) => ModelFault::Broke(without_key(words, key)),
        other => other,
    });
    Relayed { fault, served_model: told.model, spent: Spent { duration_us, ..spent } }
}

/// The members that are held to the configuration.
#[derive(Deserialize)]
struct Named {
    model: String,
    #[serde(default)]
    stream: Option<bool>,
}

fn check(model: &Model, key: Option<&ModelKey>, sent: &Sent) -> Result<(), ModelFault> {
    let other = || ModelFault::Local("it asks for another model than the configured one".to_owned());
    let named: Named = serde_json::from_slice(&sent.body).map_err(|_| other())?;
    if !model.speaks(sent.dialect)
        || named.model != model.model
        || named.stream.unwrap_or_default() != sent.stream
    {
        return Err(other());
    }
    match key {
        Some(key) if key.endpoint != model.endpoint => {
            Err(ModelFault::KeyElsewhere(model.endpoint.to_string()))
        }
        None if model.secret.is_some() => Err(ModelFault::NoKey),
        _ => Ok(()),
    }
}

/// What the provider says it cost; where it does not say, and took the request, what that likely was.
fn spent((model, sent): (&Model, &Sent), told: &Told, accepted: bool, came: usize) -> Spent {
    let guessed = if accepted {
        let out = likely(u64::try_from(came).unwrap_or(u64::MAX)).min(sent.tokens_out_max);
        (estimate_of(model, sent.body.len(), 0).tokens_in_likely, out)
    } else {
        (0, 0)
    };
    let (tokens_in, tokens_out) = (told.tokens_in.unwrap_or(guessed.0), told.tokens_out.unwrap_or(guessed.1));
    Spent {
        tokens_in,
        tokens_out,
        tokens_counted: told.tokens_in.is_some() && told.tokens_out.is_some(),
        cost_microusd: model.cost(tokens_in, tokens_out),
        attempts: 1,
        duration_us: 0,
    }
}

async fn bounded(carrying: Carrying<'_>, limits: &CallLimits) -> Result<(), ModelFault> {
    let local = tokio::task::LocalSet::new();
    let carried = local.run_until(carrying.run());
    tokio::select! {
        biased;
        () = limits.cancellation.wait() => Err(ModelFault::Cancelled),
        () = sleep(limits.deadline) => Err(ModelFault::TimedOut(Phase::Whole)),
        done = carried => done,
    }
}

struct Carrying<'a> {
    passage: Passage,
    sent: &'a Sent,
    told: &'a mut Told,
    /// Bytes of the answer so far.
    came: &'a mut usize,
    on_piece: &'a mut dyn FnMut(Vec<u8>) -> bool,
}

impl Carrying<'_> {
    async fn run(mut self) -> Result<(), ModelFault> {
        let Passage { model, key, .. } = &self.passage;
        let request = outgoing(model, key.as_ref(), self.sent)?;
        let kind = if self.sent.stream { "text/event-stream" } else { "application/json" };
        let incoming = self.passage.ask(request, kind).await?;
        if self.sent.stream { self.stream(incoming).await } else { self.whole(incoming).await }
    }

    async fn stream(&mut self, mut incoming: Incoming) -> Result<(), ModelFault> {
        let key = self.passage.key.clone();
        let mut events = Events::new(self.sent, key.as_ref().map(|key| key.value.bytes()));
        while let Some(bytes) = self.next(&mut incoming).await? {
            let mut whole = Vec::new();
            let taken = events.push(&bytes, self.told, &mut whole);
            // What was good before a fault is handed on.
            if !whole.is_empty() && !(self.on_piece)(whole) {
                return Err(ModelFault::Cancelled);
            }
            taken?;
            if self.told.ended {
                return Ok(());
            }
        }
        Err(ModelFault::Cut)
    }

    async fn whole(&mut self, mut incoming: Incoming) -> Result<(), ModelFault> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.next(&mut incoming).await? {
            whole.extend_from_slice(&bytes);
        }
        let key = self.passage.key.as_ref();
        events::whole(self.sent.dialect, &whole, key.map(|key| key.value.bytes()), self.told)?;
        if (self.on_piece)(whole) { Ok(()) } else { Err(ModelFault::Cancelled) }
    }

    /// What comes next, within what may come.
    async fn next(&mut self, incoming: &mut Incoming) -> Result<Option<Bytes>, ModelFault> {
        let limits = &self.passage.limits;
        let (wait, phase) = match *self.came {
            0 => (limits.first_byte, Phase::FirstByte),
            _ => (limits.between, Phase::Between),
        };
        loop {
            let frame = timeout(wait, incoming.frame()).await.map_err(|_| ModelFault::TimedOut(phase))?;
            let Some(frame) = frame else { return Ok(None) };
            // Trailers say nothing that is needed.
            let Ok(bytes) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
            *self.came = self.came.saturating_add(bytes.len());
            if *self.came > RESPONSE_BYTES_MAX {
                return Err(ModelFault::TooLong(RESPONSE_BYTES_MAX as u64));
            }
            return Ok(Some(bytes));
        }
    }
}

fn outgoing(model: &Model, key: Option<&ModelKey>, sent: &Sent) -> Result<Request<Body>, ModelFault> {
    let local = |what: &dyn std::fmt::Display| ModelFault::Local(what.to_string());
    let accept = if sent.stream { "text/event-stream" } else { "application/json" };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(model.path_of(sent.dialect))
        .header(header::HOST, model.endpoint.authority())
        .header(header::USER_AGENT, concat!("cascade/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::ACCEPT, accept)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::new(Bytes::copy_from_slice(&sent.body)))
        .map_err(|error| local(&error))?;
    let headers = request.headers_mut();
    if sent.dialect == Dialect::Messages {
        let version = sent.version.as_deref().unwrap_or(ANTHROPIC_VERSION);
        let beta = sent.beta.as_deref().map(|beta| ("anthropic-beta", beta));
        for (name, text) in [("anthropic-version", version)].into_iter().chain(beta) {
            let value = HeaderValue::from_str(text).map_err(|error| local(&error))?;
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if let Some(key) = key {
        let (name, before) = model.provider.key_header();
        headers.insert(HeaderName::from_static(name), request::value(before, key)?);
    }
    Ok(request)
}
