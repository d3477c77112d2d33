//! Requests that are decided: on record before a server gets them, and again before the client gets the answer.

use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderName, HeaderValue};
use cascade_ledger::{AppendError, SubjectState};
use cascade_policy::words;
use cascade_receipt::content::{Ending, RequestTag};
use cascade_receipt::decision::Verdict;
use cascade_receipt::id::ReceiptId;
use cascade_runtime::consent::ANSWER_POLL;
use cascade_runtime::lease::{Begun, LeaseError, Live};
use cascade_runtime::upstream::{ExchangeFault, Way};
use tokio::sync::OwnedSemaphorePermit;

use super::super::calls::{self, Call};
use super::super::elicit::{self, Consent};
use super::super::gateway::Gateway;
use super::super::governed;
use super::super::listing::Listing;
use super::super::wire::{self, Id, Message, Method};
use super::Era;
use super::carried::Meta;
use super::faces::{self, Unlisted};
use super::link::{Answer, Link, Wanted};
use super::repeated::{self, Repeated};
use super::serve::{Asked, Said, gateway};
use super::speak;
use crate::api::{Caller, Problem, Seat};

/// Everything that a request needs on its way.
pub(super) struct Work {
    pub(super) seat: Seat,
    /// The server, as it is configured.
    pub(super) server: String,
    pub(super) way: Way,
    pub(super) link: Arc<Link>,
    /// Headers that the client gave for the server.
    pub(super) params: Vec<(HeaderName, HeaderValue)>,
}

/// What came of an attempt.
enum Attempt {
    Said(Said),
    /// It waits for people.
    Waits(Box<Call>, ReceiptId, String),
}

/// What the gates said.
enum Ruled {
    Admitted(Arc<Caller>, Box<Live>),
    Waits(ReceiptId, String),
    Refused(String),
    /// The same request was answered before.
    Before(Repeated),
    /// Nothing was decided.
    Failed(String),
}

/// Has a request decided; where it is admitted, the server gets it.
pub(super) async fn governed(work: Work, asked: Asked) -> Result<Said, Problem> {
    let params = match Message::of(&asked.line) {
        Ok(Message::Request(_, _, params)) => params,
        _ => None,
    };
    // Whoever speaks with sessions would have to be asked on a stream; it is told what to do instead.
    let mut call = match Call::of((&asked.id, &asked.method), params, false) {
        Ok(call) => call,
        Err(text) => return Ok(asked.error(wire::PARAMS, text)),
    };
    // Held as long as anything of the request goes on, also where nobody waits for it any more.
    let Ok(room) = Arc::clone(&work.link.room).try_acquire_owned() else { return Ok(asked.busy()) };
    let room = Arc::new(room);
    let until = Instant::now() + work.way.upstream().timeout();
    let (work, asked) = (Arc::new(work), Arc::new(asked));
    if call.consent == Consent::Declined {
        return Ok(refused(&asked, &call, "You did not want to wait for an approval."));
    }
    if call.consent == Consent::Waits {
        call.consent = Consent::Settled;
        if let Some(said) = waited(&work, &asked, &call, until).await? {
            return Ok(said);
        }
    }
    loop {
        match detached((&work, &room), &asked, call, until).await? {
            Attempt::Said(said) => return Ok(said),
            Attempt::Waits(back, escalation, text) => match back.consent {
                Consent::Askable if back.is_modern() => {
                    return Ok(asked.result(&elicit::wanted(&text, escalation)));
                }
                Consent::Settled if back.escalation != Some(escalation) => {
                    call = Call { escalation: Some(escalation), ..*back };
                    if let Some(said) = waited(&work, &asked, &call, until).await? {
                        return Ok(said);
                    }
                }
                _ => return Ok(refused(&asked, &back, &text)),
            },
        }
    }
}

/// Whoever asked may go away in the middle: what was begun is put on record all the same.
async fn detached(
    (work, room): (&Arc<Work>, &Arc<OwnedSemaphorePermit>),
    asked: &Arc<Asked>,
    call: Call,
    until: Instant,
) -> Result<Attempt, Problem> {
    let (work, room, asked) = (Arc::clone(work), Arc::clone(room), Arc::clone(asked));
    let seat = work.seat.clone();
    let done = seat.detached(async move {
        let _room = room;
        attempt(&work, &asked, call, until).await
    });
    done.await.unwrap_or_else(|_| Err(Problem::internal("the request could not be worked on")))
}

async fn attempt(work: &Work, asked: &Asked, call: Call, until: Instant) -> Result<Attempt, Problem> {
    let mut listing = Arc::new(Listing::default());
    if call.method == Method::Call {
        listing = match faces::tools(work, until).await? {
            Ok(listing) => listing,
            Err(why) => return Ok(Attempt::Said(asked.failed(&format!("the server shows no tools: {why}")))),
        };
    } else if !faces::HAILS.contains(&asked.method.as_str())
        && let Err(why) = faces::greeted(work, until).await?
    {
        return Ok(Attempt::Said(asked.failed(&format!("the server does not say who it is: {why}"))));
    }
    let call = Arc::new(call);
    let (server, ruled_on) = (work.server.clone(), Arc::clone(&call));
    let meta = Meta::of(asked.params.as_deref());
    let ruled = work.seat.work(move |caller| ruled(caller, &server, (&ruled_on, &listing), &meta)).await??;
    Ok(match ruled {
        Ruled::Admitted(caller, live) => {
            Attempt::Said(performed(work, asked, &call, (caller, *live), until).await)
        }
        Ruled::Waits(escalation, text) => {
            let call =
                Arc::try_unwrap(call).map_err(|_| Problem::internal("the request is still looked at"))?;
            Attempt::Waits(Box::new(call), escalation, text)
        }
        Ruled::Refused(text) => Attempt::Said(refused(asked, &call, &text)),
        Ruled::Before(Repeated::Answered(answer)) => Attempt::Said(asked.answered(&answer)),
        Ruled::Before(Repeated::Told(text)) => Attempt::Said(refused(asked, &call, &text)),
        Ruled::Failed(text) => Attempt::Said(asked.failed(&text)),
    })
}

fn ruled(
    caller: &Arc<Caller>,
    server: &str,
    (call, listing): (&Call, &Listing),
    meta: &Meta,
) -> Result<Ruled, Problem> {
    let tag = repeated::tag(caller, server, call)?;
    if let Some(tag) = &tag
        && let Some(before) = repeated::answered(caller, tag)?
    {
        return Ok(Ruled::Before(before));
    }
    let began = Instant::now();
    let begun = gateway(caller, server).begin(call, listing, tag);
    if let Ok((begun, _)) = &begun {
        caller.tenant.gauges.decided(begun.gates, began.elapsed());
        if let Some(trace) = meta.trace(caller) {
            trace.began(begun.receipt.receipt_id);
        }
    }
    match begun {
        Ok((Begun { open: Some(open), .. }, asked)) => match Live::of(open, asked) {
            Ok(live) => Ok(Ruled::Admitted(Arc::clone(caller), Box::new(live))),
            Err(error) => undecided(caller, tag.as_ref(), &error),
        },
        Ok((begun, _))
            if begun.ruling.decision.verdict == Verdict::Escalate && begun.objections.is_empty() =>
        {
            Ok(Ruled::Waits(begun.receipt.receipt_id, elicit::told(&begun)))
        }
        Ok((begun, _)) => Ok(Ruled::Refused(calls::denial(&begun))),
        Err(error) => undecided(caller, tag.as_ref(), &error),
    }
}

fn undecided(caller: &Caller, tag: Option<&RequestTag>, error: &LeaseError) -> Result<Ruled, Problem> {
    // The same request, at the same moment, on another thread or in another process.
    if let (LeaseError::Append(AppendError::Repeated { .. }), Some(tag)) = (error, tag)
        && let Some(before) = repeated::answered(caller, tag)?
    {
        return Ok(Ruled::Before(before));
    }
    Ok(Ruled::Failed(format!("nothing was decided, so nothing was done: {error}")))
}

/// Commit point: the intent is durable, and nobody has been asked to do anything.
async fn performed(
    work: &Work,
    asked: &Asked,
    call: &Call,
    (caller, live): (Arc<Caller>, Live),
    until: Instant,
) -> Said {
    let trace = Meta::of(asked.params.as_deref()).trace(&caller);
    let onwards = trace.map(|trace| trace.onwards(live.intent()));
    let asking = async {
        match wanted(work, asked, call, onwards) {
            Some(wanted) if faces::HAILS.contains(&wanted.method.as_str()) => {
                let hello = work.link.hello(&work.way, until).await;
                hello.map(|hello| Ok(speak::raw(&faces::of_one(asked, &hello))))
            }
            Some(wanted) => work.link.ask(&work.way, wanted, until).await,
            None => Err(ExchangeFault::Local("the request cannot be taken apart".to_owned())),
        }
    };
    let Ok((live, answer)) = watched(work, (&caller, live), asking).await else {
        return asked.failed(WITHHELD);
    };
    if call.method == Method::ListTools {
        // Whatever a client has seen is seen again before it is called.
        work.link.forget_tools();
    }
    let (server, method) = (work.server.clone(), call.method);
    let settled = work.seat.finish(move || settled(&gateway(&caller, &server), method, live, answer));
    match settled.await {
        Ok(Ok(answer)) => asked.answered(&answer),
        Ok(Err(Unanswered::Exchange(fault))) => asked.unanswered(&fault),
        Ok(Err(Unanswered::Revoked)) => asked.error(wire::REFUSED, words::code_text("mcp.revoked")),
        Ok(Err(Unanswered::Page(text))) => asked.failed(&text),
        Ok(Err(Unanswered::Unrecorded(error))) => asked.failed(&format!("{WITHHELD}: {error}")),
        Err(_) => asked.failed(WITHHELD),
    }
}

/// What a client is told whose answer is not on record.
const WITHHELD: &str = "the answer couldn't be recorded and is withheld";

/// Why a client gets no answer of the server.
enum Unanswered {
    Exchange(ExchangeFault),
    /// It was not admitted any more when the answer came, or would have.
    Revoked,
    /// What was to be a list is none, or could not be pinned.
    Page(String),
    Unrecorded(LeaseError),
}

/// Waits for what a server says, for as long as asking it is admitted; `None` where it is not any more.
async fn watched<T>(
    work: &Work,
    (caller, mut live): (&Arc<Caller>, Live),
    asking: impl Future<Output = T>,
) -> Result<(Live, Option<T>), Problem> {
    let mut asking = std::pin::pin!(asking);
    loop {
        if let Ok(found) = tokio::time::timeout(ANSWER_POLL, &mut asking).await {
            return Ok((live, Some(found)));
        }
        let (caller, server) = (Arc::clone(caller), work.server.clone());
        let looked = work.seat.finish(move || {
            let goes_on = gateway(&caller, &server).under(&mut live, |live, under| live.goes_on(under));
            (live, goes_on)
        });
        let goes_on;
        (live, goes_on) = looked.await?;
        if !goes_on {
            return Ok((live, None));
        }
    }
}

/// Commit point: what came is on record, and may leave.
fn settled(
    gateway: &Gateway<'_>,
    method: Method,
    live: Live,
    answer: Option<Result<Answer, ExchangeFault>>,
) -> Result<Answer, Unanswered> {
    let closed = |live, end, output: Option<&[u8]>| match gateway.closed(live, end, output) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Unanswered::Revoked),
        Err(error) => Err(Unanswered::Unrecorded(error)),
    };
    let answer = match answer {
        // The gates say so once more, and what they say is on record.
        None => return closed(live, (Ending::Unknown, None), None).and(Err(Unanswered::Revoked)),
        Some(Err(fault)) => {
            return closed(live, ended_by(&fault), None).and(Err(Unanswered::Exchange(fault)));
        }
        Some(Ok(answer)) => answer,
    };
    if let (Method::ListTools, Ok(page)) = (method, &answer)
        && let Err(text) = faces::look(gateway, page)
    {
        return closed(live, (Ending::Failed, Some("mcp.no_answer")), None).and(Err(Unanswered::Page(text)));
    }
    let (raw, code) = governed::told(method, answer.as_deref().map_err(|raw| &**raw));
    let ending = if code.is_some() { Ending::Failed } else { Ending::Completed };
    closed(live, (ending, code), Some(raw.get().as_bytes()))?;
    Ok(answer)
}

const fn ended_by(fault: &ExchangeFault) -> (Ending, Option<&'static str>) {
    let ending = if fault.is_undone() { Ending::Failed } else { Ending::Unknown };
    (ending, Some(fault.code()))
}

fn wanted(work: &Work, asked: &Asked, call: &Call, trace: Option<String>) -> Option<Wanted> {
    let Ok(Message::Request(_, method, params)) = Message::of(&call.line) else { return None };
    let params = params.map_or_else(|| Some(speak::Members::new()), speak::members)?;
    let mut more = work.params.clone();
    let trace = trace.and_then(|trace| HeaderValue::try_from(trace).ok());
    more.extend(trace.map(|trace| (HeaderName::from_static("traceparent"), trace)));
    Some(Wanted { method: method.into_owned(), params, from: asked.era, more })
}

/// What is asked of a server because a call is decided against it: an action of the caller's, decided like any other, with
/// what was answered on record before it is used.
pub(super) async fn own<T: Send + 'static>(
    work: &Work,
    method: &'static str,
    asking: impl Future<Output = Result<(T, Vec<u8>), Unlisted>>,
) -> Result<Result<T, Unlisted>, Problem> {
    let server = work.server.clone();
    let call = Call::own(&Id::Number("0".to_owned()), method, (None, None));
    let begun = work.seat.work(move |caller| {
        let begun = gateway(caller, &server).begin(&call, &Listing::default(), None);
        begun.map(|begun| (Arc::clone(caller), begun))
    });
    let (caller, live) = match begun.await? {
        Ok((caller, (Begun { open: Some(open), .. }, asked))) => match Live::of(open, asked) {
            Ok(live) => (caller, live),
            Err(error) => return Ok(Err(Unlisted::Page(error.to_string()))),
        },
        Ok((_, (begun, _))) => return Ok(Err(Unlisted::Refused(calls::denial(&begun)))),
        Err(error) => return Ok(Err(Unlisted::Page(format!("nothing was decided: {error}")))),
    };
    let (live, answer) = watched(work, (&caller, live), asking).await?;
    let server = work.server.clone();
    let settled = work.seat.finish(move || {
        let gateway = gateway(&caller, &server);
        let closed = match &answer {
            Some(Ok((_, said))) => gateway.closed(live, (Ending::Completed, None), Some(said)),
            Some(Err(Unlisted::Exchange(fault))) => gateway.closed(live, ended_by(fault), None),
            Some(Err(_)) => gateway.closed(live, (Ending::Failed, Some("mcp.no_answer")), None),
            None => gateway.closed(live, (Ending::Unknown, None), None),
        };
        (closed, answer)
    });
    Ok(match settled.await? {
        (Ok(true), Some(answer)) => answer.map(|(found, _)| found),
        (Ok(_), _) => Err(Unlisted::Refused(words::code_text("mcp.revoked").to_owned())),
        (Err(error), _) => Err(Unlisted::Page(format!("the list couldn't be recorded: {error}"))),
    })
}

/// Waits until people have answered; what the client gets where that is not yes.
async fn waited(work: &Work, asked: &Asked, call: &Call, until: Instant) -> Result<Option<Said>, Problem> {
    let (server, said) = (work.server.clone(), call.escalation);
    // The client's word, held to what is its own.
    let own = work.seat.work(move |caller| gateway(caller, &server).awaited_of(said));
    let Some(escalation) = own.await? else { return Ok(None) };
    loop {
        let server = work.server.clone();
        let state = work.seat.work(move |caller| gateway(caller, &server).has_answer(escalation)).await?;
        match state {
            Some(SubjectState::Approved) => return Ok(None),
            Some(SubjectState::Denied) => {
                return Ok(Some(refused(asked, call, &format!("Somebody denied it. Receipt {escalation}."))));
            }
            Some(_) => return Ok(None),
            None if Instant::now() >= until => {
                let text = format!("Nobody has approved it in time. {}", elicit::how(escalation));
                return Ok(Some(refused(asked, call, &text)));
            }
            None => tokio::time::sleep(ANSWER_POLL).await,
        }
    }
}

/// Answers a call that was not made: a tool's with a result that says why, so that a model can read it.
fn refused(asked: &Asked, call: &Call, text: &str) -> Said {
    match call.method {
        Method::Call => Said::Line(200, wire::not_called(&asked.id, text, asked.era == Era::Modern)),
        _ => asked.error(wire::REFUSED, text),
    }
}
