//! A message of a client, and what it gets for it.

use std::sync::Arc;

use cascade_policy::facts::MCP_PREFIX;
use cascade_runtime::upstream::{ExchangeFault, Upstream, Upstreams, Way};
use serde_json::value::RawValue;

use super::super::gateway::Gateway;
use super::super::wire::{self, Id, Message};
use super::call::{self, Work};
use super::faces;
use super::head::Head;
use super::link::{Link, NO_METHOD};
use super::speak;
use super::{BETWEEN, Era};
use crate::api::{Caller, Problem, Seat};

/// Which servers a client has before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Face {
    /// One, with everything that it offers.
    One(String),
    /// All of a tenant, with their tools.
    All,
}

/// What a client gets.
#[derive(Debug)]
pub(crate) enum Said {
    /// It is no request, and gets no answer.
    Taken,
    /// A message, with a status.
    Line(u16, Vec<u8>),
}

/// A server that can be asked, or why it cannot.
pub(super) struct Before {
    pub(super) name: String,
    pub(super) way: Result<(Way, Arc<Link>), ExchangeFault>,
}

/// A request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: Id,
    pub(super) method: String,
    pub(super) params: Option<Box<RawValue>>,
    pub(super) era: Era,
    pub(super) line: Vec<u8>,
}

/// What can be asked of one server. All of it is decided, but for whether this gateway is there.
const CARRIED: [&str; 12] = [
    "completion/complete",
    "initialize",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "server/discover",
    "tasks/get",
    "tasks/result",
    "tools/call",
    wire::LIST_TOOLS,
];

/// Takes a message.
pub(crate) async fn serve(seat: Seat, face: Face, head: Head, body: Vec<u8>) -> Result<Said, Problem> {
    let (whom, at) = (face.clone(), seat.clone());
    let before = seat.work(move |caller| before(&at, caller, &whom)).await??;
    let (id, method, params) = match Message::of(&body) {
        Ok(Message::Request(id, method, params)) => (id, method.into_owned(), params.map(ToOwned::to_owned)),
        Ok(Message::Notification(..) | Message::Answer(..)) => return Ok(Said::Taken),
        Err((code, text)) => return Ok(Said::Line(400, wire::error(None, code, text))),
    };
    let era = match head.era(&id, &method, params.as_deref()) {
        Ok(era) => era,
        Err(line) => return Ok(Said::Line(400, line)),
    };
    let asked = Asked { id, method, params, era, line: body };
    match face {
        Face::All => all(seat, before, head, asked).await,
        Face::One(_) => match before.into_iter().next() {
            Some(before) => one(seat, before, head, asked).await,
            None => Err(Problem::no_route()),
        },
    }
}

/// The servers of whoever asks. Where they are, the tenant's file says and no request.
fn before(seat: &Seat, caller: &Caller, face: &Face) -> Result<Vec<Before>, Problem> {
    let ledger = &caller.tenant.ledger;
    let all = Upstreams::load(ledger.dir()).map_err(|_| {
        Problem::internal("the upstreams cannot be read; `cascade mcp upstream list` says more")
    })?;
    let chosen: Vec<_> = match face {
        Face::All => all.all().collect(),
        Face::One(name) => all.named(name).into_iter().collect(),
    };
    if chosen.is_empty() && *face != Face::All {
        return Err(Problem::not_found(
            "there is no such upstream; `cascade mcp upstream list` shows those there are",
        ));
    }
    let one = |upstream: &Upstream| Before {
        name: upstream.name().to_owned(),
        way: Way::to(ledger, &caller.asker, upstream).map(|way| {
            let link = seat.links().to(&caller.tenant.id, caller.asker.principal_id(), upstream);
            (way, link)
        }),
    };
    Ok(chosen.into_iter().map(one).collect())
}

/// What decides for a caller, of one server.
pub(super) fn gateway<'a>(caller: &'a Caller, server: &str) -> Gateway<'a> {
    Gateway {
        ledger: &caller.tenant.ledger,
        policy: &caller.tenant.policy,
        runtime: &caller.tenant.runtime,
        asker: &caller.asker,
        server: format!("{MCP_PREFIX}{server}"),
        cwd: std::path::PathBuf::new(),
        timeout: super::super::ANSWER_TIME,
    }
}

async fn one(seat: Seat, before: Before, head: Head, asked: Asked) -> Result<Said, Problem> {
    let (way, link) = match before.way {
        Ok(found) => found,
        Err(fault) => return Ok(asked.unanswered(&fault)),
    };
    let work = Work { seat, server: before.name, way, link, params: head.params };
    match asked.method.as_str() {
        wire::PING => Ok(asked.result(&serde_json::json!({}))),
        method if CARRIED.contains(&method) => call::governed(work, asked).await,
        _ => Ok(asked.no_method()),
    }
}

async fn all(seat: Seat, before: Vec<Before>, head: Head, asked: Asked) -> Result<Said, Problem> {
    match asked.method.as_str() {
        wire::PING => Ok(asked.result(&serde_json::json!({}))),
        "initialize" | "server/discover" => Ok(asked.result(&faces::of_all(&asked))),
        wire::LIST_TOOLS => {
            // Whoever asked may go away in the middle: what was begun is put on record all the same.
            let at = seat.clone();
            let done = at.detached(async move { faces::tools_of_all(&seat, before, &asked).await });
            done.await.unwrap_or_else(|_| Err(Problem::internal("the request could not be worked on")))
        }
        "tools/call" => {
            let params = asked.params.as_deref().and_then(wire::object::<wire::Params<'_>>);
            let name = params.as_ref().and_then(|params| params.name.as_deref()).unwrap_or_default();
            let Some((server, tool)) = name.split_once(BETWEEN) else { return Ok(asked.unknown_tool()) };
            let found = before.into_iter().find(|before| before.name == server);
            let (Some(before), Some(line)) = (found, speak::renamed(&asked.line, tool)) else {
                return Ok(asked.unknown_tool());
            };
            let asked = Asked { params: None, line, ..asked };
            let (way, link) = match before.way {
                Ok(found) => found,
                Err(fault) => return Ok(asked.unanswered(&fault)),
            };
            let work = Work { seat, server: before.name, way, link, params: head.params };
            call::governed(work, asked).await
        }
        _ => Ok(asked.no_method()),
    }
}

impl Asked {
    pub(super) fn result(&self, result: &serde_json::Value) -> Said {
        Said::Line(200, speak::result(&self.id, &self.method, &speak::raw(result), self.era))
    }

    pub(super) fn answered(&self, answer: &Result<Box<RawValue>, Box<RawValue>>) -> Said {
        match answer {
            Ok(found) => Said::Line(200, speak::result(&self.id, &self.method, found, self.era)),
            Err(found) => {
                #[derive(serde::Deserialize)]
                struct Code {
                    code: i64,
                }
                let code = wire::object::<Code>(found).map_or(0, |error| error.code);
                Said::Line(self.status(code), speak::error(&self.id, found))
            }
        }
    }

    /// The status that goes with an error: the revision without sessions says which.
    fn status(&self, code: i64) -> u16 {
        match (self.era, code) {
            (Era::Modern, -32700 | -32600 | -32602 | -32020 | -32021 | -32022) => 400,
            (Era::Modern, -32601) => 404,
            _ => 200,
        }
    }

    pub(super) fn error(&self, code: i32, text: &str) -> Said {
        Said::Line(self.status(code.into()), wire::error(Some(&self.id), code, text))
    }

    pub(super) fn failed(&self, text: &str) -> Said {
        self.error(wire::NO_ANSWER, text)
    }

    pub(super) fn unanswered(&self, fault: &ExchangeFault) -> Said {
        self.failed(&format!("the server has no answer: {fault}"))
    }

    pub(super) fn busy(&self) -> Said {
        self.failed("too many requests are in flight")
    }

    fn no_method(&self) -> Said {
        self.error(NO_METHOD, "this gateway does not know the method")
    }

    fn unknown_tool(&self) -> Said {
        self.error(wire::PARAMS, "no upstream has a tool of this name: it is SERVER__TOOL")
    }
}
