//! `/v1/events`: receipts as they come, as server-sent events (WHATWG HTML, section 9.2).
//!
//! One task looks at the head of each tenant that has listeners and wakes them; each then reads what is new for it. A
//! slow one holds nothing back but its own place, and comes after from the log.

#![expect(unused_qualifications, reason = "the macro that describes a route names traits in full")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use cascade_receipt::content::TokenScope;
use futures_util::Stream;
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;

use super::{Api, Caller, Credentials, Problem, TenantHeader, answer};
use crate::listener::said;
use crate::tenants::Tenant;

/// Listeners of one tenant at once.
pub(crate) const LISTENERS_MAX: usize = 12_000;
/// How often the head is looked at while somebody listens.
const LOOK: Duration = Duration::from_millis(200);
/// What a head says when nothing comes any more.
const ENDED: u64 = u64::MAX;
/// Receipts that are read for one listener in one step.
const STEP: u64 = 64;
/// A comment so often tells both ends that the connection is alive.
const ALIVE: Duration = Duration::from_secs(20);
/// Whether a listener may still listen is asked again after this long.
const RECHECK: Duration = Duration::from_secs(30);

/// Who listens to a tenant, and how far its chain has come.
#[derive(Debug)]
pub(crate) struct Feed {
    head: watch::Sender<u64>,
    listeners: AtomicUsize,
}

impl Default for Feed {
    fn default() -> Self {
        Self { head: watch::Sender::new(0), listeners: AtomicUsize::new(0) }
    }
}

impl Feed {
    /// Those who listen now.
    pub(crate) fn listeners(&self) -> usize {
        self.listeners.load(Ordering::Relaxed)
    }

    /// Nothing comes any more.
    pub(crate) fn end(&self) {
        self.head.send_replace(ENDED);
    }
}

/// Looks at heads until the service stops.
pub(crate) async fn feed(api: Arc<Api>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = said(&mut stop) => break,
            () = tokio::time::sleep(LOOK) => {}
        }
        for tenant in api.tenants().all().into_iter().filter(|tenant| tenant.feed.listeners() > 0) {
            let looked = tokio::task::spawn_blocking(move || {
                if let Ok(head) = tenant.ledger.head() {
                    tenant.feed.head.send_if_modified(|known| {
                        *known != ENDED && std::mem::replace(known, head.next_seq) != head.next_seq
                    });
                }
            });
            drop(looked.await);
        }
    }
    for tenant in api.tenants().all() {
        tenant.feed.end();
    }
}

/// From where.
#[derive(Deserialize, IntoParams, Debug)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Since {
    /// The first receipt, by its place in the chain; `Last-Event-ID` counts before it. Without both only what comes from now on.
    #[param(value_type = u64, required = false, maximum = 9007199254740991_u64)]
    from: Option<u64>,
}

/// Receipts as they come.
///
/// Each event has the receipt's place as its id, its kind as its name and the line as its data. After a broken connection
/// `Last-Event-ID` goes on where it was.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "receipts",
    operation_id = "stream_events",
    params(Since, TenantHeader),
    responses(
        (status = 200, description = "A stream that does not end", body = String, content_type = "text/event-stream"),
        (status = "4XX", description = "Not shown", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many listen", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub(super) async fn stream(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    headers: HeaderMap,
    since: Result<Query<Since>, axum::extract::rejection::QueryRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Query(since) = answer::query(since)?;
    // A client that connects anew asks for the same address again, `from` included.
    let first = last(&headers)?.map(|last| last.saturating_add(1)).or(since.from);
    let listening = api
        .work(shown, TokenScope::Read, move |caller| {
            caller.may("log")?;
            Listening::begin(caller, first)
        })
        .await?;
    let stream = futures_util::stream::unfold(listening, Listening::next);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE)))
}

/// The last one that a client has, which it says when it connects anew. One that is misread would be silence.
fn last(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let place = value.to_str().ok().and_then(|text| text.parse().ok());
    let wrong = || Problem::bad("request.malformed", "`Last-Event-ID` is no place in the chain");
    place.map(Some).ok_or_else(wrong)
}

/// One listener.
struct Listening {
    caller: Caller,
    head: watch::Receiver<u64>,
    next: u64,
    ready: std::vec::IntoIter<Event>,
    checked: std::time::Instant,
    _place: Place,
}

/// A place among the listeners.
struct Place(Arc<Tenant>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.feed.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Listening {
    fn begin(caller: &Caller, first: Option<u64>) -> Result<Self, Problem> {
        let tenant = &caller.tenant;
        let before = tenant.feed.listeners.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(tenant));
        if before >= LISTENERS_MAX {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many listen already"));
        }
        let now = tenant.ledger.head()?.next_seq;
        let head = tenant.feed.head.subscribe();
        let caller = Caller { trace: None, ..caller.apart() };
        let next = first.unwrap_or(now).min(now);
        let ready = Vec::new().into_iter();
        Ok(Self { caller, head, next, ready, checked: std::time::Instant::now(), _place: place })
    }

    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.ready.next() {
                return Some((Ok(event), self));
            }
            let head = *self.head.borrow_and_update();
            if head == ENDED {
                return None;
            }
            let behind = head > self.next;
            if !behind {
                // Nothing new: wait, and now and then ask whether this one may still listen.
                match tokio::time::timeout(RECHECK, self.head.changed()).await {
                    Ok(Ok(())) | Err(_) => {}
                    Ok(Err(_)) => return None,
                }
            }
            self = tokio::task::spawn_blocking(move || self.read()).await.ok()??;
        }
    }

    /// Reads what is new; `None` where it may listen no more, or nothing can be read.
    fn read(mut self) -> Option<Self> {
        if self.checked.elapsed() >= RECHECK {
            self.checked = std::time::Instant::now();
            self.caller.asker = self.caller.asker.again(&self.caller.tenant.ledger).ok()?;
            if self.caller.asker.has_ended() || self.caller.may("log").is_err() {
                return None;
            }
        }
        let end = (*self.head.borrow()).min(self.next.saturating_add(STEP));
        let mut events = Vec::new();
        for line in self.caller.tenant.ledger.lines(self.next..end) {
            let line = line.ok()?;
            self.next = line.seq.saturating_add(1);
            events.push(Event::default().id(line.seq.to_string()).event(kind(&line.text)).data(line.text));
        }
        self.ready = events.into_iter();
        Some(self)
    }
}

fn kind(line: &str) -> String {
    let content = super::decisions::line_content(line);
    let kind = content.and_then(|(content, _)| Some(content.member("kind")?.as_str()?.to_owned()));
    kind.unwrap_or_else(|| "receipt".to_owned())
}
