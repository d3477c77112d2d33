//! An answer on its way to the client: on a thread that may block until its end, and in pieces from there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use cascade_receipt::content::{Ending, Evidence};
use cascade_receipt::id::ReceiptId;
use cascade_runtime::lease::LeaseError;
use cascade_runtime::model::{Dialect, Model, Sent};
use cascade_runtime::relay::{self, Client, Ended, Outcome};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::super::{Api, Caller, Problem};
use super::below;
use super::refusal::{RECEIPT, Refusal};

/// Pieces that wait for a client.
const PIECES_MAX: usize = 4;
/// Longest that a client may take nothing of what waits for it.
pub(crate) const CLIENT_TIME_MAX: Duration = Duration::from_secs(30);

/// A request that is about to be asked.
pub(super) struct Answering {
    pub(super) caller: Caller,
    pub(super) model: Model,
    pub(super) sent: Sent,
    pub(super) shown: String,
    /// What layers below the model may answer, and with which evidence at least.
    pub(super) alone: Option<(Evidence, String)>,
}

/// The beginning of an answer.
enum Head {
    /// What comes as a stream, and the receipt that it belongs to.
    Stream(ReceiptId, mpsc::Receiver<Bytes>),
    /// A whole answer, and its receipt.
    Whole(ReceiptId, Vec<u8>),
    /// None.
    Refused(Refusal),
}

impl Answering {
    /// Asks, and answers as soon as something may leave.
    pub(super) async fn respond(self, api: &Arc<Api>) -> Result<Response, Refusal> {
        let places = (place(&self.caller.tenant.share.calls)?, place(&api.calls)?);
        let (head, begun) = oneshot::channel();
        let (api, handle) = (Arc::clone(api), Handle::current());
        // It goes on to its closer whoever leaves meanwhile.
        drop(tokio::task::spawn_blocking(move || {
            let _places = places;
            let waiting = Waiting { head: Some(head), pieces: None, handle };
            self.ask(&api, waiting);
        }));
        match begun.await {
            Ok(Head::Refused(refusal)) => Err(refusal),
            Ok(Head::Whole(receipt, body)) => Ok(with(receipt, "application/json", body.into_response())),
            Ok(Head::Stream(receipt, pieces)) => {
                let next = |mut pieces: mpsc::Receiver<Bytes>| async {
                    pieces.recv().await.map(|piece| (Ok::<_, std::convert::Infallible>(piece), pieces))
                };
                let body = Body::from_stream(futures_util::stream::unfold(pieces, next));
                Ok(with(receipt, "text/event-stream", Response::new(body)))
            }
            Err(_) => Err(Refusal::of(&Problem::internal("the request could not be worked on"))),
        }
    }

    fn ask(&self, api: &Api, mut waiting: Waiting) {
        let (tenant, began) = (&self.caller.tenant, Instant::now());
        let request = relay::Request {
            model: &self.model,
            sent: &self.sent,
            shown: &self.shown,
            asker: &self.caller.asker,
            runtime: &tenant.runtime,
            policy: &tenant.policy,
        };
        if let Some((least, words)) = &self.alone
            && let Some(made) = below::answered(&self.caller, *least, words, &self.sent)
        {
            return waiting.begin(self.sent.stream, made.receipt, made.body);
        }
        let outcome = relay::relay(&tenant.ledger, &request, &mut waiting);
        match &outcome {
            Ok(Outcome::NotAdmitted(begun)) => {
                tenant.gauges.decided(begun.gates, began.elapsed());
                self.caller.began([begun.receipt.receipt_id]);
            }
            Ok(Outcome::Ran(ended)) => {
                tenant.gauges.decided(ended.decided.0, ended.decided.1);
                self.caller.began([ended.intent]);
            }
            Err(_) => {}
        }
        if outcome.is_err() && tenant.ledger.has_failed() {
            api.tenants().reopen(tenant);
        }
        waiting.finish(self.sent.dialect, self.sent.stream, outcome);
    }
}

fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Refusal> {
    Arc::clone(places).try_acquire_owned().map_err(|_| Refusal::busy())
}

fn with(receipt: ReceiptId, kind: &'static str, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(receipt) = HeaderValue::from_str(&receipt.to_string()) {
        headers.insert(RECEIPT.clone(), receipt);
    }
    response
}

/// A client that waits for its answer.
struct Waiting {
    /// Until the answer has begun.
    head: Option<oneshot::Sender<Head>>,
    /// From then on.
    pieces: Option<mpsc::Sender<Bytes>>,
    handle: Handle,
}

impl Client for Waiting {
    fn take(&mut self, intent: ReceiptId, bytes: Vec<u8>) -> bool {
        if let Some(head) = self.head.take() {
            let (pieces, given) = mpsc::channel(PIECES_MAX);
            if head.send(Head::Stream(intent, given)).is_err() {
                return false;
            }
            self.pieces = Some(pieces);
        }
        let Some(pieces) = &self.pieces else { return false };
        let taken = async { tokio::time::timeout(CLIENT_TIME_MAX, pieces.send(bytes.into())).await };
        matches!(self.handle.block_on(taken), Ok(Ok(())))
    }

    fn is_there(&self) -> bool {
        match (&self.head, &self.pieces) {
            (Some(head), _) => !head.is_closed(),
            (None, Some(pieces)) => !pieces.is_closed(),
            (None, None) => false,
        }
    }
}

impl Waiting {
    /// The end of it. Whoever has left is told nothing.
    fn finish(mut self, dialect: Dialect, stream: bool, outcome: Result<Outcome, LeaseError>) {
        let refusal = match outcome {
            Err(error) => Refusal::of(&Problem::from(error)),
            Ok(Outcome::NotAdmitted(begun)) => Refusal::undecided(&begun),
            Ok(Outcome::Ran(ended)) if ended.ending == Ending::Completed => {
                return self.complete(stream, *ended);
            }
            Ok(Outcome::Ran(ended)) => Refusal::ended(&ended),
        };
        match (self.head.take(), &self.pieces) {
            (Some(head), _) => drop(head.send(Head::Refused(refusal))),
            (None, Some(pieces)) => {
                let last = refusal.event(dialect).into();
                drop(
                    self.handle
                        .block_on(async { tokio::time::timeout(CLIENT_TIME_MAX, pieces.send(last)).await }),
                );
            }
            (None, None) => {}
        }
    }

    fn complete(mut self, stream: bool, ended: Ended) {
        if self.head.is_some() {
            // Of a stream that was over before its first segment was due, the closer alone commits to it.
            self.begin(stream, ended.closer.receipt_id, ended.rest);
        } else {
            _ = self.take(ended.intent, ended.rest);
        }
    }

    /// Hands on an answer of which nothing has left yet.
    fn begin(mut self, stream: bool, receipt: ReceiptId, body: Vec<u8>) {
        if stream {
            _ = self.take(receipt, body);
        } else if let Some(head) = self.head.take() {
            drop(head.send(Head::Whole(receipt, body)));
        }
    }
}
