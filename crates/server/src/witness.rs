//! A witness on the wire (c2sp.org/tlog-witness).

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use cascade_ledger::{Witness, WitnessError};
use cascade_receipt::digest::Digest;
use cascade_receipt::witness::{REQUEST_BYTES_MAX, Refusal};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::listener::{self, Bound};

/// Requests that are worked on at once; more are turned away.
pub const REQUESTS_MAX: usize = 64;
/// Longest that the body of a request may take to come, and then what is done with it.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest wait for requests in flight when the witness is told to stop.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

struct Shared {
    witness: Arc<Witness>,
    room: Semaphore,
}

/// Serves until `stop` is ready. `ready` is told the address once it listens.
///
/// # Errors
/// When the address cannot be used.
pub fn serve(
    witness: Arc<Witness>,
    listen: SocketAddr,
    ready: impl FnOnce(SocketAddr),
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        let stop = stop_signal()?;
        ready(listener.local_addr()?);
        let shared = Arc::new(Shared { witness, room: Semaphore::new(REQUESTS_MAX) });
        let (asked, was_asked) = watch::channel(false);
        let serving = listener::serve(Bound::Tcp(listener, None), routes(shared), was_asked);
        tokio::select! {
            () = serving => {}
            () = async {
                stop.await;
                // Nobody left to hear it means that serving has ended.
                _ = asked.send(true);
                tokio::time::sleep(DRAIN_TIME_MAX).await;
            } => {}
        }
        Ok(())
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin}/checkpoint", get(latest))
        .route("/vkey", get(vkey))
        .with_state(shared)
}

/// Ready at the first SIGTERM or SIGINT.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
    })
}

async fn add_checkpoint(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    let body = match tokio::time::timeout(REQUEST_TIME_MAX, axum::body::to_bytes(body, REQUEST_BYTES_MAX))
        .await
    {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return text(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long\n".to_owned()),
        Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "the request did not come in time\n".to_owned()),
    };
    let Ok(_room) = shared.room.try_acquire() else { return busy() };
    let witness = Arc::clone(&shared.witness);
    let work = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body, now_s()));
    match tokio::time::timeout(REQUEST_TIME_MAX, work).await {
        Ok(Ok(Ok(line))) => text(StatusCode::OK, line),
        Ok(Ok(Err(WitnessError::Refused(refusal)))) => refused(refusal),
        // What the disk said is the operator's business, not the log's.
        Ok(Ok(Err(WitnessError::Fault(_))) | Err(_)) => {
            text(StatusCode::INTERNAL_SERVER_ERROR, "the witness cannot keep it now\n".to_owned())
        }
        Err(_) => busy(),
    }
}

fn refused(refusal: Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    match refusal {
        Refusal::Conflict { size } => {
            (status, [(header::CONTENT_TYPE, "text/x.tlog.size")], format!("{size}\n")).into_response()
        }
        other => text(status, format!("{other}\n")),
    }
}

async fn latest(State(shared): State<Arc<Shared>>, Path(origin): Path<String>) -> Response {
    let Some(origin) = Digest::from_hex(&origin) else {
        return text(StatusCode::NOT_FOUND, "the path is the SHA-256 of an origin, in hex\n".to_owned());
    };
    let Ok(_room) = shared.room.try_acquire() else { return busy() };
    let witness = Arc::clone(&shared.witness);
    match tokio::task::spawn_blocking(move || witness.latest(&origin)).await {
        Ok(Ok(Some(note))) => text(StatusCode::OK, note),
        Ok(Ok(None)) => text(StatusCode::NOT_FOUND, "nothing was cosigned for that log\n".to_owned()),
        _ => text(StatusCode::INTERNAL_SERVER_ERROR, "the witness cannot look now\n".to_owned()),
    }
}

async fn vkey(State(shared): State<Arc<Shared>>) -> Response {
    text(StatusCode::OK, format!("{}\n", shared.witness.vkey()))
}

fn busy() -> Response {
    text(StatusCode::SERVICE_UNAVAILABLE, "busy; try again\n".to_owned())
}

fn text(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
