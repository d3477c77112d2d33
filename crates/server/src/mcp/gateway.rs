//! The gateway: what comes from either side, one message after the other, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use cascade_ledger::Ledger;
use cascade_receipt::content::Runtime;
use cascade_receipt::id::ReceiptId;
use cascade_runtime::consent::ANSWER_POLL;
use cascade_runtime::facts::Asker;
use cascade_runtime::lease::{LeaseError, Live, Open};
use cascade_runtime::policy_store::PolicyInForce;
use cascade_runtime::process::{CLOSE_GRACE, CompanionEnd};
use serde_json::value::RawValue;

use super::calls::Call;
use super::lines::{self, Event, From, Heard, Outbox};
use super::listing::Listing;
use super::wire::{self, Id, Message, Method};
use super::words::Words;
use super::{IN_FLIGHT_MAX, REFUSED_PER_S_MAX, Serving, ending};
use crate::api::Pace;

/// Who decides for whom, and how long answers are waited for.
#[derive(Debug)]
pub struct Gateway<'a> {
    /// The chain.
    pub ledger: &'a Ledger,
    /// Its policy, kept loaded.
    pub policy: &'a PolicyInForce,
    /// Which program writes the receipts.
    pub runtime: &'a Runtime,
    /// Whose calls these are.
    pub asker: &'a Asker,
    /// What policies call the server: `mcp:NAME`.
    pub server: String,
    /// Where the client works.
    pub cwd: PathBuf,
    /// How long an answer, or an approval, is waited for.
    pub timeout: Duration,
}

/// The client's side, and where something is told to people. Nobody waits for whoever does not read.
pub struct Mouths<'a> {
    /// What the client says.
    pub input: Box<dyn Read + Send>,
    /// What the client reads.
    pub output: Box<dyn Write + Send>,
    /// What people read: what the server writes to standard error, and what the gateway has to say.
    pub people: Box<dyn Write + Send>,
    /// A sentence of the gateway as they read it.
    pub line: &'a dyn Fn(&str) -> String,
}

impl fmt::Debug for Mouths<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mouths").finish_non_exhaustive()
    }
}

/// Why a gateway came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finished {
    /// The client has nothing more to say.
    ClientClosed,
    /// It was stopped from outside.
    Stopped,
    /// The server may not run any more: everything was stopped, or what admitted it has changed.
    Revoked,
    /// The ledger takes nothing more until it is opened anew.
    Unrecorded,
    /// The server ended before the client did.
    ServerEnded,
    /// The client sent a line that is longer than any message.
    ClientFloods,
    /// The server did.
    ServerFloods,
}

/// The end of a gateway.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Why.
    pub finished: Finished,
    /// How the server ended.
    pub end: CompanionEnd,
    /// People read what was said to them; otherwise whoever says more waits for ever.
    pub heard: bool,
}

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Threads or pipes could not be made.
    #[error("couldn't stand between client and server: {0}")]
    Setup(#[from] io::Error),
    /// How the server ended couldn't be put on record; nothing of it is alive all the same.
    #[error(transparent)]
    Lease(#[from] LeaseError),
}

/// Stands between until one of the two ends, then ends the server. What is open is closed as unknown.
///
/// # Errors
/// [`GatewayError`].
pub fn run(
    gateway: Gateway<'_>,
    mouths: Mouths<'_>,
    heard: Heard,
    serving: Serving,
) -> Result<Ended, GatewayError> {
    let Serving { mut companion, live } = serving;
    let Mouths { input, output, people, line } = mouths;
    let taken = || io::Error::from(io::ErrorKind::NotConnected);
    let to = companion.stdin.take().ok_or_else(taken)?;
    let from = companion.stdout.take().ok_or_else(taken)?;
    let errors = companion.stderr.take().ok_or_else(taken)?;
    let Heard { sender, events } = heard;
    let people = Outbox::new(people)?;
    lines::read(From::Client, input, sender.clone())?;
    lines::read(From::Server, from, sender.clone())?;
    let mut passage = Passage {
        gateway,
        live,
        words: Words::new(errors, sender)?,
        people: &people,
        client: Some(Outbox::new(output)?),
        server: Some(Outbox::new(to)?),
        // Whoever reads nothing misses it.
        say: &|text| _ = people.send_whole(line(text).into_bytes()),
        elicits: false,
        calls: BTreeMap::new(),
        questions: BTreeMap::new(),
        refused: Pace::new(REFUSED_PER_S_MAX, Instant::now()),
        unheard: None,
        elicitations: BTreeMap::new(),
        listing: Listing::default(),
        told: BTreeSet::new(),
        polled: Instant::now(),
        revoked: false,
    };
    let finished = passage.serve(&events);
    let end = passage.end(finished, companion);
    let Passage { gateway, live, .. } = passage;
    let recorded = ending::record(&gateway, live, end, &people);
    let heard = people.drain(CLOSE_GRACE);
    // Where nothing can be recorded, its closer is written by whoever opens the chain next.
    let revoked =
        recorded.or_else(|error| if finished == Finished::Unrecorded { Ok(false) } else { Err(error) })?;
    Ok(Ended { finished: if revoked { Finished::Revoked } else { finished }, end, heard })
}

/// A request of the client that has no answer yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) until: Instant,
    pub(super) what: What,
}

/// What becomes of it.
#[derive(Debug)]
pub(super) enum What {
    /// The server is asked whether it is there.
    Ping,
    /// It waits until the tools of the server are known.
    Held(Box<Call>),
    /// It waits for people.
    Waiting { call: Box<Call>, escalation: ReceiptId, elicitation: Option<Id> },
    /// It was admitted, and the server is at it.
    Performing { open: Open, method: Method, first: bool, began: Instant },
}

impl Pending {
    pub(super) const fn is_held(&self) -> bool {
        matches!(self.what, What::Held(_))
    }
}

/// What a gateway knows while it stands between.
pub(super) struct Passage<'a> {
    pub(super) gateway: Gateway<'a>,
    /// The server itself, with what it notifies and what it says to people.
    pub(super) live: Live,
    pub(super) words: Words,
    pub(super) people: &'a Outbox,
    /// Gone when the client does not read any more.
    pub(super) client: Option<Outbox>,
    /// Gone when the client has nothing more to say.
    pub(super) server: Option<Outbox>,
    pub(super) say: &'a dyn Fn(&str),
    /// The client of a revision with sessions can ask its user.
    pub(super) elicits: bool,
    pub(super) calls: BTreeMap<Id, Pending>,
    /// Requests of the server to the client, with their intents.
    pub(super) questions: BTreeMap<Id, (Open, Instant)>,
    /// Requests of the server that were refused.
    pub(super) refused: Pace,
    /// Until when none of them is decided: too many were refused.
    pub(super) unheard: Option<Instant>,
    /// Questions to the client's user that were asked from here, with the call that each is about.
    pub(super) elicitations: BTreeMap<Id, Id>,
    pub(super) listing: Listing,
    told: BTreeSet<&'static str>,
    polled: Instant,
    /// The server may not run any more.
    revoked: bool,
}

impl Passage<'_> {
    fn serve(&mut self, events: &Receiver<Event>) -> Finished {
        let mut closing: Option<Instant> = None;
        loop {
            if self.client.is_none() && closing.is_none() {
                self.server = None;
                closing = Some(Instant::now() + CLOSE_GRACE);
            }
            self.keep_time();
            if self.revoked {
                return Finished::Revoked;
            }
            // Nothing that would come now could be put on record.
            if self.gateway.ledger.has_failed() {
                return Finished::Unrecorded;
            }
            let due = self.calls.values().map(|one| one.until).chain(closing).chain(self.live.due()).min();
            let left = due.map_or(ANSWER_POLL, |due| due.saturating_duration_since(Instant::now()));
            match events.recv_timeout(left.min(ANSWER_POLL)) {
                Ok(Event::Line(From::Client, line)) => self.client_said(&line),
                Ok(Event::Line(From::Server, line)) => self.server_said(&line),
                Ok(Event::TooLong(From::Client)) => return Finished::ClientFloods,
                Ok(Event::TooLong(From::Server)) => return Finished::ServerFloods,
                Ok(Event::Stop) => return Finished::Stopped,
                Ok(Event::End(From::Server)) if closing.is_none() => return Finished::ServerEnded,
                Ok(Event::End(From::Client)) => {
                    // With its input closed the server is to finish what it was asked, and to end.
                    self.server = None;
                    closing = Some(Instant::now() + CLOSE_GRACE);
                }
                Ok(Event::End(From::Server)) | Err(RecvTimeoutError::Disconnected) => {
                    return Finished::ClientClosed;
                }
                Ok(Event::Words) | Err(RecvTimeoutError::Timeout) => {}
            }
            self.hear_words();
            if closing.is_some_and(|until| until <= Instant::now()) {
                return Finished::ClientClosed;
            }
        }
    }

    /// Ends what has waited too long, and looks whether people have answered.
    fn keep_time(&mut self) {
        let now = Instant::now();
        let late: Vec<Id> =
            self.calls.iter().filter(|(_, one)| one.until <= now).map(|(id, _)| id.clone()).collect();
        for id in late {
            self.too_late(&id);
        }
        self.questions_too_late(now);
        if self.listing.asked_before(now.checked_sub(self.gateway.timeout)) {
            self.give_up_asking("mcp.timeout");
            // Whoever still waits for the list asks for it anew.
            let held = self.calls.values().find_map(|one| match &one.what {
                What::Held(call) => Some(call.meta.clone()),
                _ => None,
            });
            if let Some(meta) = held {
                self.ask_for_tools(meta);
            }
        }
        if now.saturating_duration_since(self.polled) >= ANSWER_POLL {
            self.polled = now;
            self.look_for_answers();
            self.may_go_on();
        }
        if self.live.due().is_some_and(|due| due <= Instant::now()) {
            self.hand_on();
        }
    }

    /// Whether the server is still admitted. The gates are asked where what they saw has changed.
    pub(super) fn may_go_on(&mut self) -> bool {
        self.revoked |= !self.gateway.under(&mut self.live, |live, under| live.goes_on(under));
        !self.revoked
    }

    fn client_said(&mut self, line: &[u8]) {
        match Message::of(line) {
            Ok(Message::Request(id, method, params)) => self.asked(id, &method, params),
            Ok(Message::Notification(method, params)) => self.noted(&method, params),
            Ok(Message::Answer(id, answer)) => self.client_answered(&id, answer),
            Err((code, text)) => self.tell_client(&wire::error(None, code, text)),
        }
    }

    fn asked(&mut self, id: Id, method: &str, params: Option<&RawValue>) {
        if self.calls.contains_key(&id) {
            // Whoever got this with the id would take it for the answer to the first.
            return self.tell_client(&wire::error(
                None,
                wire::INVALID,
                "the id is that of a request in flight",
            ));
        }
        if self.calls.len() >= IN_FLIGHT_MAX {
            return self.tell_client(&wire::error(
                Some(&id),
                wire::NO_ANSWER,
                "too many requests are in flight",
            ));
        }
        if method != wire::PING {
            if method == "initialize" {
                self.elicits = wire::introduced_elicitation(params);
            }
            return self.govern(id, method, params);
        }
        if self.tell_server(wire::request(&id, method, None)) {
            self.calls.insert(id, Pending { until: self.until(), what: What::Ping });
        } else {
            self.tell_client(&wire::error(Some(&id), wire::NO_ANSWER, "the server does not read"));
        }
    }

    /// Nothing but what is called a notification is one: another method would be done and never answered.
    fn noted(&mut self, method: &str, params: Option<&RawValue>) {
        if !method.starts_with(NOTIFICATION) {
            return self.tell_once("a request without an id was not passed on");
        }
        if method == "notifications/cancelled" && self.gave_up(params) {
            return;
        }
        if !wire::is_plain(method, params) {
            return self.notified(method, params);
        }
        if !self.tell_server(wire::notification(method, params)) {
            self.tell_once("the server does not read; a notification was not passed on");
        }
    }

    fn client_answered(&mut self, id: &Id, answer: Result<&RawValue, &RawValue>) {
        if let Some(call) = self.elicitations.remove(id) {
            return self.user_answered(&call, answer);
        }
        match self.questions.remove(id) {
            None => self.tell_once("the client answered what the server did not ask"),
            Some((open, began)) => self.sampled(id, (open, began), answer),
        }
    }

    fn server_said(&mut self, line: &[u8]) {
        match Message::of(line) {
            Ok(Message::Request(id, method, params)) => self.server_asks(id, &method, params),
            Ok(Message::Notification(method, params)) if method.starts_with(NOTIFICATION) => {
                if method == "notifications/tools/list_changed" {
                    self.listing.forget();
                }
                self.notify(&wire::notification(&method, params));
            }
            Ok(Message::Notification(..)) => self.tell_once("the server sent a request without an id"),
            Ok(Message::Answer(id, answer)) => self.server_answered(&id, answer),
            Err(_) => self.tell_once("the server sent what is no message of the protocol"),
        }
    }

    fn server_answered(&mut self, id: &Id, answer: Result<&RawValue, &RawValue>) {
        if self.listing.is_asked(id) {
            return self.page_came(answer);
        }
        match self.calls.remove(id) {
            // That it answers is all that is told of it.
            Some(Pending { what: What::Ping, .. }) => self.tell_client(&match answer {
                Ok(_) => wire::result(id, &serde_json::json!({})),
                Err(_) => wire::error(Some(id), wire::NO_ANSWER, "the server takes no such request"),
            }),
            Some(Pending { what: What::Performing { open, method, first, began }, .. }) => {
                self.performed(id, (open, method, began), first, answer);
            }
            // It was not asked yet, so it can know nothing.
            Some(other) => {
                self.calls.insert(id.clone(), other);
                self.tell_once("the server answered what it was not asked");
            }
            None => self.tell_once("the server answered what it was not asked, or twice"),
        }
    }

    /// Until when an answer to what is asked now is waited for.
    pub(super) fn until(&self) -> Instant {
        Instant::now() + self.gateway.timeout
    }

    /// Tells what is on record already, or is Cascade's own; what the server has notified before goes first.
    pub(super) fn tell_client(&mut self, line: &[u8]) {
        self.hand_on();
        self.write([line, b"\n"].concat());
    }

    /// Nobody here waits for a client: one that does not read keeps nothing from being ended.
    fn write(&mut self, bytes: Vec<u8>) {
        if self.client.as_ref().is_some_and(|client| !client.send_whole(bytes)) {
            self.tell_once("the client does not read; it is taken for gone");
            self.client = None;
        }
    }

    /// What the server notifies is its output, and waits until a heartbeat of it is durable.
    fn notify(&mut self, line: &[u8]) {
        if self.live.room() <= line.len() {
            self.hand_on();
        }
        self.live.push(&[line, b"\n"].concat());
    }

    /// What the server says to people is its output as well.
    pub(super) fn said(&mut self, words: &[u8]) {
        if self.revoked {
            return;
        }
        if self.live.room() < words.len() {
            self.hand_on();
        }
        self.live.push_errors(words);
    }

    pub(super) fn hear_words(&mut self) {
        let words = self.words.so_far();
        self.said(&words);
    }

    /// Commit point: what the server notified, or said to people, leaves when it is on record.
    pub(super) fn hand_on(&mut self) {
        if self.live.due().is_none() || self.revoked {
            return;
        }
        match self.gateway.under(&mut self.live, |live, under| live.release(under)) {
            Ok(Some(handed)) => {
                _ = self.people.send_whole(handed.errors);
                if !handed.out.is_empty() {
                    self.write(handed.out);
                }
            }
            Ok(None) => self.revoked = true,
            Err(_) => {
                self.tell_once("what the server said couldn't be recorded, and is withheld");
                self.live.withhold();
            }
        }
    }

    /// False where the server does not read, or is not to be asked any more.
    pub(super) fn tell_server(&self, line: Vec<u8>) -> bool {
        self.server.as_ref().is_some_and(|server| server.send(line))
    }

    /// A fault that one side can repeat as often as it likes is told once.
    pub(super) fn tell_once(&mut self, text: &'static str) {
        if self.told.insert(text) {
            (self.say)(text);
        }
    }
}

/// How the methods of notifications begin.
const NOTIFICATION: &str = "notifications/";
