//! A caller's own request to a language model: decided like any other action, passed on, its answer handed back.
//!
//! Its intent is durable before a byte of it leaves. A stream comes back in segments, each behind a heartbeat that
//! commits to it; what is no stream, and the last of one, waits for the closer. While it runs the gates are asked again
//! whenever what they saw has changed, and a caller who is gone ends it.

mod closing;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use cascade_ledger::{Appended, Ledger};
use cascade_policy::facts::{AskedModel, Principal, Task, TaskKind};
use cascade_receipt::content::{Ending, Runtime};
use cascade_receipt::decision::Reason;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;

use crate::credentials;
use crate::facts::Asker;
use crate::lease::{self, Asked, Begun, Held, LeaseError, Live, Under};
use crate::model::{self, CallLimits, Cancellation, Model, ModelFault, ModelKey, Relayed, Sent};
use crate::policy_store::PolicyInForce;
use crate::process::LEADING_EDGE;

/// Most bytes of a request that are shown to whoever is asked to approve it.
pub const SHOWN_BYTES_MAX: usize = 16 * 1024;
/// Longest silence within an answer.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The reason of a closer whose caller left before the end.
pub const CLIENT_GONE: &str = "client.gone";
/// Pieces of an answer that wait for their receipt; then the provider waits.
const PIECES_MAX: usize = 16;
/// How often is looked whether the request may go on and its caller is there.
const LOOK: Duration = Duration::from_millis(100);

/// What is asked.
#[derive(Debug)]
pub struct Request<'a> {
    /// Which model.
    pub model: &'a Model,
    /// What is sent.
    pub sent: &'a Sent,
    /// What people are shown of it.
    pub shown: &'a str,
    /// Who asks.
    pub asker: &'a Asker,
    /// Which program writes the receipts.
    pub runtime: &'a Runtime,
    /// The policy in force.
    pub policy: &'a PolicyInForce,
}

/// Whoever waits for the answer.
pub trait Client {
    /// Hands on what a durable receipt commits to; false where nobody takes it any more. `intent` is what it belongs to.
    fn take(&mut self, intent: ReceiptId, bytes: Vec<u8>) -> bool;

    /// Whether somebody still waits.
    fn is_there(&self) -> bool;
}

/// How it went.
#[derive(Debug)]
pub enum Outcome {
    /// The gates did not admit it: nothing left.
    NotAdmitted(Box<Begun>),
    /// It was sent, or could not be; the closer is durable.
    Ran(Box<Ended>),
}

/// A request that was admitted, closed.
#[derive(Debug)]
pub struct Ended {
    /// Its intent.
    pub intent: ReceiptId,
    /// Its closer.
    pub closer: Appended,
    /// How it ended.
    pub ending: Ending,
    /// Why there is no whole answer, as codes.
    pub reasons: Vec<Reason>,
    /// The same, where the call itself says so.
    pub fault: Option<ModelFault>,
    /// What of a whole answer was not handed on yet.
    pub rest: Vec<u8>,
    /// Whether something was handed on before.
    pub began: bool,
    /// How long the gates took, and the whole until the intent was durable.
    pub decided: (Option<Duration>, Duration),
}

impl Request<'_> {
    /// The action that is decided.
    fn asked(&self) -> Asked {
        let estimate = model::estimate_of(self.model, self.sent.body.len(), self.sent.tokens_out_max);
        let endpoint = self.model.endpoint();
        let asked = AskedModel {
            provider: self.model.provider().as_str().to_owned(),
            name: self.model.model().to_owned(),
            host: endpoint.host().to_owned(),
            local: endpoint.is_loopback(),
            tokens: estimate.tokens_in.saturating_add(estimate.tokens_out),
            microusd: estimate.cost_microusd,
            request: Some(Digest::of(&self.sent.body)),
        };
        let end =
            (0..=self.shown.len().min(SHOWN_BYTES_MAX)).rev().find(|at| self.shown.is_char_boundary(*at));
        let shown = self.shown.get(..end.unwrap_or(0)).unwrap_or_default();
        let task = Task {
            kind: TaskKind::Ask,
            // A request without words is one all the same.
            text: if shown.trim().is_empty() { "(no words)".to_owned() } else { shown.to_owned() },
            signature: None,
            examples: Vec::new(),
            tests: None,
            schema: None,
            max_layer: "L7".to_owned(),
            tools: Vec::new(),
            model: Some(asked),
        };
        Asked::Model { task: Box::new(task), sent: self.sent.body.clone() }
    }
}

/// Decides, and where that is admitted, asks.
///
/// Blocks until the end; wants [`cascade_policy::decide::STACK_BYTES`] of stack.
///
/// # Errors
/// [`LeaseError`] where something could not be put on record. What was not handed on by then is not to be.
pub fn relay(ledger: &Ledger, request: &Request<'_>, client: &mut dyn Client) -> Result<Outcome, LeaseError> {
    let asked = request.asked();
    let started = Instant::now();
    let begun = lease::begin(
        ledger,
        &lease::Request {
            asked: &asked,
            asker: request.asker,
            approval: None,
            dry_run: false,
            reason: None,
            subject: None,
            runtime: request.runtime,
            request: None,
            held: Held::Process,
            policy: Some(request.policy),
        },
    )?;
    match begun.open {
        None => Ok(Outcome::NotAdmitted(Box::new(begun))),
        Some(open) => {
            let decided = (begun.gates, started.elapsed());
            let ended = Relaying { ledger, request, live: Live::of(open, asked)? }.run(client)?;
            Ok(Outcome::Ran(Box::new(Ended { decided, ..ended })))
        }
    }
}

/// Why it was ended from here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stop {
    Gone,
    Revoked,
}

/// A request whose intent is durable.
struct Relaying<'a> {
    ledger: &'a Ledger,
    request: &'a Request<'a>,
    live: Live,
}

impl Relaying<'_> {
    fn run(mut self, client: &mut dyn Client) -> Result<Ended, LeaseError> {
        let key = credentials::model_key(self.ledger, self.live.principal(), self.request.model);
        let Ok(key) = key else { return self.unsent() };
        let (relayed, stop) = self.call(key.as_ref(), client)?;
        // What was decided before the last of it came may hold no more.
        let stop = match stop {
            None if relayed.fault.is_none() && !self.under(|live, under| live.goes_on(under)) => {
                Some(Stop::Revoked)
            }
            other => other,
        };
        self.close(relayed, stop)
    }

    /// The call on a thread of its own, and the answer on its way from there to the caller.
    fn call(
        &mut self,
        key: Option<&ModelKey>,
        client: &mut dyn Client,
    ) -> Result<(Relayed, Option<Stop>), LeaseError> {
        let cancellation = Cancellation::default();
        let time = self.request.model.timeout();
        let limits = CallLimits {
            bytes: model::RESPONSE_BYTES_MAX,
            deadline: time,
            first_byte: time,
            between: SILENCE_MAX,
            cancellation: cancellation.clone(),
        };
        let (model, sent) = (self.request.model, self.request.sent);
        let (pieces, arriving) = mpsc::sync_channel::<Vec<u8>>(PIECES_MAX);
        thread::scope(|scope| {
            let calling = scope.spawn(move || {
                model::relay(model, key, sent, &limits, &mut |piece| pieces.send(piece).is_ok())
            });
            let carried = self.carry(&arriving, client);
            if !matches!(carried, Ok(None)) {
                cancellation.cancel();
            }
            // Whoever waits for room hears that nothing is taken any more.
            drop(arriving);
            let relayed = calling.join().unwrap_or_else(|_| Relayed {
                fault: Some(ModelFault::Local("the call panicked".to_owned())),
                served_model: None,
                spent: model::Spent::default(),
            });
            carried.map(|stop| (relayed, stop))
        })
    }

    fn carry(
        &mut self,
        arriving: &Receiver<Vec<u8>>,
        client: &mut dyn Client,
    ) -> Result<Option<Stop>, LeaseError> {
        loop {
            let due = self.live.due().filter(|_| self.request.sent.stream);
            let wait = due.map_or(LOOK, |due| due.saturating_duration_since(Instant::now()).min(LOOK));
            match arriving.recv_timeout(wait.max(LEADING_EDGE / 2)) {
                Ok(piece) => self.live.push(&piece),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
            if !client.is_there() {
                return Ok(Some(Stop::Gone));
            }
            if !self.under(|live, under| live.goes_on(under)) {
                return Ok(Some(Stop::Revoked));
            }
            let due = self.live.due().filter(|_| self.request.sent.stream);
            if due.is_some_and(|due| due <= Instant::now())
                && let Some(stop) = self.release(client)?
            {
                return Ok(Some(stop));
            }
        }
    }

    /// Hands on what waits, once a heartbeat that commits to it is durable.
    fn release(&mut self, client: &mut dyn Client) -> Result<Option<Stop>, LeaseError> {
        let Some(handed) = self.under(|live, under| live.release(under))? else {
            return Ok(Some(Stop::Revoked));
        };
        let taken = client.take(self.live.intent(), handed.out);
        Ok((!taken).then_some(Stop::Gone))
    }

    fn under<T>(&mut self, act: impl FnOnce(&mut Live, &Under<'_>) -> T) -> T {
        let (ledger, model) = (self.ledger, self.request.model);
        let also = move |principal: &Principal| {
            let key = credentials::model_key(ledger, principal, model);
            key.is_err().then(|| Reason::code("revoked.credential"))
        };
        let Request { policy, asker, .. } = *self.request;
        act(&mut self.live, &Under { ledger, policy, asker, also: &also })
    }
}
