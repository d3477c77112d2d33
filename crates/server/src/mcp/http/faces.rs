//! What clients are told that there is: of one server what it says of itself, of all of them their tools.

use std::sync::Arc;
use std::time::Instant;

use cascade_runtime::lease::OUTPUT_BYTES_MAX;
use cascade_runtime::upstream::ExchangeFault;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use super::super::gateway::Gateway;
use super::super::listing::Listing;
use super::super::wire;
use super::super::{PAGES_MAX, TOOLS_MAX};
use super::call::{self, Work};
use super::link::{Hello, Wanted};
use super::serve::{Asked, Before, Said, gateway};
use super::speak::{self, Members};
use super::{BETWEEN, LEGACY, MODERN};
use crate::api::{Problem, Seat};

/// Ask a server who it is.
pub(super) const HAILS: [&str; 2] = [wire::INITIALIZE, "server/discover"];
/// Most bytes of all pages of a list of tools: as much as is kept with its receipt.
const PAGES_BYTES_MAX: usize = OUTPUT_BYTES_MAX - 1024;
/// What a server can that can be had through here.
const CARRIED: [&str; 4] = ["tools", "resources", "prompts", "completions"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hailed {
    protocol_version: Option<String>,
}

/// The answer to `initialize` and `server/discover`: who the server says that it is, and what of it can be had here.
/// Nothing is offered that would need a way from the server to the client.
pub(super) fn of_one(asked: &Asked, hello: &Hello) -> serde_json::Value {
    let has = |name: &&str| hello.said.capabilities.contains_key(*name);
    let can: serde_json::Map<_, _> =
        CARRIED.iter().filter(|name| has(name)).map(|name| ((*name).to_owned(), json!({}))).collect();
    let value = |raw: &RawValue| serde_json::from_str::<serde_json::Value>(raw.get()).ok();
    let info = hello.said.server_info.as_deref().and_then(value).unwrap_or_else(speak::own_info);
    let mut result = hail(asked, &can.into(), &info);
    let more = [
        ("instructions", hello.said.instructions.clone().map(Into::into)),
        ("_meta", hello.said.meta.as_deref().and_then(value).filter(|_| asked.method == "server/discover")),
    ];
    if let Some(members) = result.as_object_mut() {
        members.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    result
}

/// The same of all servers.
pub(super) fn of_all(asked: &Asked) -> serde_json::Value {
    hail(asked, &json!({"tools": {}}), &speak::own_info())
}

fn hail(asked: &Asked, capabilities: &serde_json::Value, info: &serde_json::Value) -> serde_json::Value {
    let [newest, ..] = LEGACY;
    if asked.method == "server/discover" {
        let all: Vec<&str> = [MODERN].into_iter().chain(LEGACY).collect();
        return json!({"resultType": "complete", "supportedVersions": all, "capabilities": capabilities,
            "serverInfo": info, "ttlMs": 0, "cacheScope": "private"});
    }
    let wanted =
        asked.params.as_deref().and_then(wire::object::<Hailed>).and_then(|hailed| hailed.protocol_version);
    let version = LEGACY.into_iter().find(|one| wanted.as_deref() == Some(one)).unwrap_or(newest);
    json!({"protocolVersion": version, "capabilities": capabilities, "serverInfo": info})
}

/// Looks at a page that a client is about to see: what nobody has seen is pinned, durably.
pub(super) fn look(gateway: &Gateway<'_>, page: &RawValue) -> Result<(), String> {
    Listing::default().page((gateway, &|_| ()), true, page).map(|_| ())
}

/// Why the tools of a server are not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unlisted {
    #[error(transparent)]
    Exchange(#[from] ExchangeFault),
    /// The gates do not let it be asked.
    #[error("{0}")]
    Refused(String),
    /// What it says is no list, or could not be pinned.
    #[error("{0}")]
    Page(String),
}

/// The tools of a server, seen a moment ago or now.
pub(super) async fn tools(work: &Work, until: Instant) -> Result<Result<Arc<Listing>, Unlisted>, Problem> {
    if let Some(listing) = work.link.tools() {
        return Ok(Ok(listing));
    }
    let _turn = work.link.listing.lock().await;
    if let Some(listing) = work.link.tools() {
        return Ok(Ok(listing));
    }
    Ok(walked(work, until).await?.map(|(listing, _)| listing))
}

type Walked = (Arc<Listing>, Vec<Box<RawValue>>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
}

/// Has the server say who it is, unless it has: an action of its own, decided as `initialize` whichever revision it speaks.
pub(super) async fn greeted(work: &Work, until: Instant) -> Result<Result<(), Unlisted>, Problem> {
    if work.link.known(until).await.is_some() {
        return Ok(Ok(()));
    }
    let done = call::own(work, wire::INITIALIZE, async {
        let hello = work.link.hello(&work.way, until).await?;
        Ok(((), serde_json::to_vec(&hello.said).unwrap_or_default()))
    });
    done.await
}

/// Asks for every page, as one action.
async fn walked(work: &Work, until: Instant) -> Result<Result<Walked, Unlisted>, Problem> {
    if let Err(why) = greeted(work, until).await? {
        return Ok(Err(why));
    }
    let done = call::own(work, wire::LIST_TOOLS, async {
        match pages(work, until).await {
            Ok(pages) => {
                let said: Vec<&str> = pages.iter().map(|page| page.get()).collect();
                let said = format!("[{}]", said.join(",")).into_bytes();
                Ok((pages, said))
            }
            Err(fault) => Err(Unlisted::Exchange(fault)),
        }
    });
    let pages = match done.await? {
        Ok(pages) => pages,
        Err(why) => return Ok(Err(why)),
    };
    let server = work.server.clone();
    let learnt = work.seat.work(move |caller| {
        let (gateway, mut listing, mut all) = (gateway(caller, &server), Listing::default(), Vec::new());
        for (number, page) in pages.iter().enumerate() {
            listing.page((&gateway, &|_| ()), number == 0, page)?;
            let read = wire::object::<Page<'_>>(page);
            all.extend(read.into_iter().flat_map(|page| page.tools).map(ToOwned::to_owned));
        }
        listing.close();
        Ok((listing, all))
    });
    Ok(match learnt.await? {
        Ok((listing, all)) => Ok((work.link.saw(listing), all)),
        Err(text) => Err(Unlisted::Page(text)),
    })
}

/// The pages as the server gives them, as many as are asked for.
async fn pages(work: &Work, until: Instant) -> Result<Vec<Box<RawValue>>, ExchangeFault> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Next {
        next_cursor: Option<String>,
    }
    let (mut pages, mut bytes, mut cursor) = (Vec::new(), 0_usize, None::<String>);
    while pages.len() < PAGES_MAX {
        let params = cursor.as_ref().map_or_else(|| json!({}), |cursor| json!({"cursor": cursor}));
        let wanted = Wanted::own(wire::LIST_TOOLS, &params);
        // A server without tools has none that could be called.
        let Ok(page) = work.link.ask(&work.way, wanted, until).await? else { break };
        cursor = wire::object::<Next>(&page).and_then(|page| page.next_cursor);
        bytes = bytes.saturating_add(page.get().len());
        if bytes > PAGES_BYTES_MAX {
            return Err(ExchangeFault::TooLong);
        }
        pages.push(page);
        if cursor.is_none() {
            break;
        }
    }
    Ok(pages)
}

/// The tools of all servers, each with the name of its server before its own. One that has no answer is left out, and
/// named.
pub(super) async fn tools_of_all(seat: &Seat, before: Vec<Before>, asked: &Asked) -> Result<Said, Problem> {
    let mut walks = JoinSet::new();
    let mut silent = Vec::new();
    for Before { name, way } in before {
        let Ok((way, link)) = way else {
            silent.push(name);
            continue;
        };
        let until = Instant::now() + super::HELLO_TIME_MAX.min(way.upstream().timeout());
        let work = Work { seat: seat.clone(), server: name, way, link, params: Vec::new() };
        walks.spawn(async move {
            let walked = walked(&work, until).await;
            (work.server, walked)
        });
    }
    let mut found = Vec::new();
    while let Some(done) = walks.join_next().await {
        let Ok((name, walked)) = done else { continue };
        match walked? {
            Ok((_, tools)) => found.push((name, tools)),
            Err(_) => silent.push(name),
        }
    }
    // In the same order every time.
    found.sort_by(|left, right| left.0.cmp(&right.0));
    silent.sort();
    let named = found.iter().flat_map(|(name, tools)| tools.iter().filter_map(|tool| prefixed(name, tool)));
    let tools: Vec<Box<RawValue>> = named.take(TOOLS_MAX).collect();
    let mut result = Members::new();
    if let Ok(tools) = serde_json::value::to_raw_value(&tools) {
        result.insert("tools".to_owned(), tools);
    }
    if !silent.is_empty() {
        result.insert("_meta".to_owned(), speak::raw(&json!({"cascade/unavailable": silent})));
    }
    Ok(asked.answered(&Ok(speak::text(&result))))
}

fn prefixed(server: &str, tool: &RawValue) -> Option<Box<RawValue>> {
    let mut members = speak::members(tool)?;
    let name: String = serde_json::from_str(members.get("name")?.get()).ok()?;
    members.insert("name".to_owned(), speak::raw(&json!(format!("{server}{BETWEEN}{name}"))));
    Some(speak::text(&members))
}
