//! A server as one asker knows it: how it speaks, its session, its tools.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cascade_ledger::TenantId;
use cascade_receipt::id::PrincipalId;
use cascade_runtime::upstream::{self, ExchangeFault, Reply, Sent, Upstream, Way};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::super::IN_FLIGHT_MAX;
use super::super::listing::Listing;
use super::super::wire::{self, Id, Message};
use super::head::encoded;
use super::speak::{self, Members};
use super::{
    ASKED_MAX, Era, HELLO_TIME_MAX, LEGACY, LINK_TIME, LINKS_MAX, LISTING_TIME, MODERN, REFUSAL_TIME_MAX,
};

/// JSON-RPC: there is no such method.
pub(super) const NO_METHOD: i32 = -32601;
/// Gives requests their ids.
static NEXT: AtomicU64 = AtomicU64::new(1);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    tenant: TenantId,
    upstream: String,
    asker: PrincipalId,
}

/// What is known of servers while the service runs. Nothing of it is shared between askers.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<BTreeMap<Key, Arc<Link>>>);

impl Links {
    /// What is known of a server; nothing yet where it is another one than before.
    pub(super) fn to(&self, tenant: &TenantId, asker: PrincipalId, upstream: &Upstream) -> Arc<Link> {
        let key = Key { tenant: tenant.clone(), upstream: upstream.name().to_owned(), asker };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = known.get(&key).filter(|link| link.upstream == *upstream) {
            *locked(&link.used) = Instant::now();
            return Arc::clone(link);
        }
        if known.len() >= LINKS_MAX {
            known.retain(|_, link| locked(&link.used).elapsed() < LINK_TIME);
        }
        let oldest = known.iter().min_by_key(|(_, link)| *locked(&link.used)).map(|(key, _)| key.clone());
        if let Some(oldest) = oldest.filter(|_| known.len() >= LINKS_MAX) {
            known.remove(&oldest);
        }
        let link = Arc::new(Link::to(upstream.clone()));
        known.insert(key, Arc::clone(&link));
        link
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server.
#[derive(Debug)]
pub(super) struct Link {
    upstream: Upstream,
    hello: tokio::sync::Mutex<Option<Arc<Hello>>>,
    listed: Mutex<Option<(Arc<Listing>, Instant)>>,
    /// Held by whoever asks for the tools.
    pub(super) listing: tokio::sync::Mutex<()>,
    pub(super) room: Arc<Semaphore>,
    used: Mutex<Instant>,
}

/// What a server said of itself.
#[derive(Debug)]
pub(super) struct Hello {
    pub(super) era: Era,
    version: String,
    session: Option<String>,
    pub(super) said: Introduced,
}

#[derive(Deserialize, Serialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Introduced {
    #[serde(default)]
    supported_versions: Vec<String>,
    #[serde(default)]
    protocol_version: Option<String>,
    #[serde(default)]
    pub(super) capabilities: Members,
    #[serde(default)]
    pub(super) server_info: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) instructions: Option<String>,
    #[serde(default, rename = "_meta")]
    pub(super) meta: Option<Box<RawValue>>,
}

/// What a client wants of a server.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) method: String,
    pub(super) params: Members,
    /// How the client speaks.
    pub(super) from: Era,
    /// Headers that the client gave for the server.
    pub(super) more: Vec<(axum::http::HeaderName, axum::http::HeaderValue)>,
}

impl Wanted {
    /// One of the gateway's own.
    pub(super) fn own(method: &str, params: &serde_json::Value) -> Self {
        let params = speak::members(&speak::raw(params)).unwrap_or_default();
        Self { method: method.to_owned(), params, from: Era::Legacy, more: Vec::new() }
    }
}

/// The result or the error, as the server wrote it.
pub(super) type Answer = Result<Box<RawValue>, Box<RawValue>>;

impl Link {
    fn to(upstream: Upstream) -> Self {
        Self {
            upstream,
            hello: tokio::sync::Mutex::default(),
            listed: Mutex::default(),
            listing: tokio::sync::Mutex::default(),
            room: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            used: Mutex::new(Instant::now()),
        }
    }

    /// The tools as they were seen a moment ago.
    pub(super) fn tools(&self) -> Option<Arc<Listing>> {
        let listed = locked(&self.listed);
        let fresh = listed.as_ref().filter(|(_, at)| at.elapsed() < LISTING_TIME);
        fresh.map(|(listing, _)| Arc::clone(listing))
    }

    pub(super) fn saw(&self, listing: Listing) -> Arc<Listing> {
        let listing = Arc::new(listing);
        *locked(&self.listed) = Some((Arc::clone(&listing), Instant::now()));
        listing
    }

    /// The tools may be others now.
    pub(super) fn forget_tools(&self) {
        *locked(&self.listed) = None;
    }

    /// How the server is spoken to; it is asked the first time.
    pub(super) async fn hello(&self, way: &Way, until: Instant) -> Result<Arc<Hello>, ExchangeFault> {
        let until = until.min(Instant::now() + HELLO_TIME_MAX);
        let turn = timeout_at(until.into(), self.hello.lock()).await;
        let mut known =
            turn.map_err(|_| ExchangeFault::Unreachable("it has not said who it is".to_owned()))?;
        if let Some(hello) = &*known {
            return Ok(Arc::clone(hello));
        }
        let hello = Arc::new(introduced(self, way, until).await?);
        *known = Some(Arc::clone(&hello));
        Ok(hello)
    }

    /// What it has said of itself already. Whoever is asking it just now is waited for as long as that may take.
    pub(super) async fn known(&self, until: Instant) -> Option<Arc<Hello>> {
        let until = until.min(Instant::now() + HELLO_TIME_MAX);
        timeout_at(until.into(), self.hello.lock()).await.ok()?.clone()
    }

    /// Asks a server, and waits for its answer.
    pub(super) async fn ask(
        &self,
        way: &Way,
        wanted: Wanted,
        until: Instant,
    ) -> Result<Answer, ExchangeFault> {
        // Who it is was asked before, as an action of its own; what has ended meanwhile is begun anew by the next.
        let hello = self.known(until).await.ok_or(ExchangeFault::SessionGone)?;
        let answer = self.exchange((way, &hello), wanted, until).await;
        if matches!(answer, Err(ExchangeFault::SessionGone)) {
            let mut known = self.hello.lock().await;
            if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &hello)) {
                *known = None;
            }
        }
        answer
    }

    async fn exchange(
        &self,
        (way, hello): (&Way, &Hello),
        wanted: Wanted,
        until: Instant,
    ) -> Result<Answer, ExchangeFault> {
        let id = Id::Number(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
        let mut headers = headers(hello);
        if hello.era == Era::Modern {
            headers.push(("mcp-method", wanted.method.clone()));
            let key = if wanted.method == "resources/read" { "uri" } else { "name" };
            let name = wanted.params.get(key).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
            headers.extend(name.map(|name| ("mcp-name", encoded(&name))));
        }
        let Wanted { method, params, from, more } = wanted;
        let body = speak::request(&id, &method, params, (from, hello.era));
        let mut reply = upstream::send(way, Sent { headers, more, body }, until).await?;
        self.heard(&mut reply, &id, (way, hello)).await
    }

    /// Reads until the answer is there. What else comes is dropped; a question is refused, because there is nobody here
    /// who could be asked.
    async fn heard(
        &self,
        reply: &mut Reply,
        id: &Id,
        (way, hello): (&Way, &Hello),
    ) -> Result<Answer, ExchangeFault> {
        let (mut asked, mut said) = (0_usize, false);
        while let Some(bytes) = reply.next().await? {
            said = true;
            match Message::of(&bytes) {
                Ok(Message::Answer(found, answer)) if found == *id => {
                    return Ok(answer.map(ToOwned::to_owned).map_err(ToOwned::to_owned));
                }
                Ok(Message::Request(theirs, ..)) => {
                    asked = asked.saturating_add(1);
                    if asked > ASKED_MAX {
                        return Err(ExchangeFault::Garbage("it asks too much before it answers"));
                    }
                    refuse((way, hello), &theirs).await;
                }
                Ok(Message::Notification(method, _)) if method == "notifications/tools/list_changed" => {
                    self.forget_tools();
                }
                Ok(Message::Notification(..) | Message::Answer(..)) => {}
                // An error about what could not be read as a request names none.
                Err(_) if reply.status != 200 => {
                    if let Some(error) = wire::refusal(&bytes) {
                        return Ok(Err(error.to_owned()));
                    }
                    return Err(ExchangeFault::Status(reply.status));
                }
                Err(_) => return Err(ExchangeFault::Garbage("it is no message of the protocol")),
            }
        }
        Err(if said { ExchangeFault::Garbage("it answers another request") } else { ExchangeFault::Cut })
    }
}

fn headers(hello: &Hello) -> Vec<(&'static str, String)> {
    let mut headers = vec![("mcp-protocol-version", hello.version.clone())];
    headers.extend(hello.session.clone().map(|session| ("mcp-session-id", session)));
    headers
}

async fn refuse((way, hello): (&Way, &Hello), id: &Id) {
    let body = wire::error(Some(id), NO_METHOD, "nobody can be asked through this gateway");
    let sent = Sent { headers: headers(hello), more: Vec::new(), body };
    // A server that does not hear it waits for its own answer.
    drop(upstream::send(way, sent, Instant::now() + REFUSAL_TIME_MAX).await);
}

/// Finds out how a server speaks: the revision without sessions first, then the others.
async fn introduced(link: &Link, way: &Way, until: Instant) -> Result<Hello, ExchangeFault> {
    let hello = |era, version: &str, session, said| Hello { era, version: version.to_owned(), session, said };
    let modern = hello(Era::Modern, MODERN, None, Introduced::default());
    let wanted = Wanted::own("server/discover", &json!({}));
    match link.exchange((way, &modern), wanted, until).await {
        Ok(Ok(raw)) => {
            let said = wire::object::<Introduced>(&raw);
            if let Some(said) = said.filter(|said| said.supported_versions.iter().any(|one| one == MODERN)) {
                return Ok(hello(Era::Modern, MODERN, None, said));
            }
        }
        // Whoever does not know the question knows an older one; who may not ask it may not ask that either.
        Ok(Err(_)) | Err(ExchangeFault::Garbage(_)) => {}
        Err(ExchangeFault::Status(status)) if !matches!(status, 401 | 403 | 429 | 500..) => {}
        Err(fault) => return Err(fault),
    }
    let (answer, session) = initialized(link, way, until).await?;
    let no_server = ExchangeFault::Garbage("it takes no client of any revision");
    let Ok(raw) = answer else { return Err(no_server) };
    let said: Introduced = wire::object(&raw).ok_or(no_server)?;
    let version = said.protocol_version.clone().filter(|version| LEGACY.contains(&version.as_str()));
    let version = version.ok_or(ExchangeFault::Garbage("it speaks a revision that is not spoken here"))?;
    let known = hello(Era::Legacy, &version, session, said);
    let body = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_vec();
    let sent = Sent { headers: headers(&known), more: Vec::new(), body };
    upstream::send(way, sent, until).await?;
    Ok(known)
}

async fn initialized(
    link: &Link,
    way: &Way,
    until: Instant,
) -> Result<(Answer, Option<String>), ExchangeFault> {
    let id = Id::Number(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
    let [newest, ..] = LEGACY;
    let params = json!({"protocolVersion": newest, "capabilities": {}, "clientInfo": speak::own_info()});
    let params = speak::members(&speak::raw(&params)).unwrap_or_default();
    let body = speak::request(&id, "initialize", params, (Era::Legacy, Era::Legacy));
    let mut reply = upstream::send(way, Sent { headers: Vec::new(), more: Vec::new(), body }, until).await?;
    let session = reply.session.clone();
    let nothing = Hello {
        era: Era::Legacy,
        version: newest.to_owned(),
        session: session.clone(),
        said: Introduced::default(),
    };
    Ok((link.heard(&mut reply, &id, (way, &nothing)).await?, session))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_links_are_remembered_and_the_one_that_was_not_used_for_longest_goes() {
        let links = Links::default();
        let asker = |number: usize| PrincipalId::parse(&format!("p_{number:016x}")).unwrap();
        let tenant = TenantId::parse("default").unwrap();
        let upstream = Upstream::new("notes", "https://a.example/mcp").unwrap();
        let to = |number: usize| links.to(&tenant, asker(number), &upstream);
        let (first, second) = (to(0), to(1));
        for number in 2..LINKS_MAX {
            drop(to(number));
        }
        assert!(Arc::ptr_eq(&first, &to(0)), "as many as there may be");
        drop(to(LINKS_MAX));
        assert!(Arc::ptr_eq(&first, &to(0)));
        assert!(!Arc::ptr_eq(&second, &to(1)));
        // Another place under the same name is another server, of which nothing is known.
        let moved = Upstream::new("notes", "https://b.example/mcp").unwrap();
        assert!(!Arc::ptr_eq(&to(0), &links.to(&tenant, asker(0), &moved)));
    }
}
