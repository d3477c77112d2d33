//! The body of a request: whole, in time, and within what the service holds of all together.
//!
//! Room is for those who are known. A body that has come with its head costs nothing to look at; for any other its sender
//! is looked up before a byte of room is taken, so that nobody without a credential can keep others waiting.

use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Api, Credentials, Problem, QUEUE_TIME_MAX};

/// Most bytes of one body.
pub(crate) const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Longest that one may take to come.
pub(crate) const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// KiB of all bodies that are held at once; who comes later waits for [`QUEUE_TIME_MAX`].
pub(crate) const HELD_KIB_MAX: usize = 64 * 1024;
/// The same of one tenant.
pub(crate) const TENANT_HELD_KIB_MAX: usize = HELD_KIB_MAX / 2;
/// Most bytes that are read of a body before it is known whose it is.
pub(crate) const UNKNOWN_BYTES_MAX: usize = 64 * 1024;

/// A body, and its share of the room for bodies.
pub(crate) struct Whole {
    bytes: Bytes,
    _room: Vec<OwnedSemaphorePermit>,
}

impl Deref for Whole {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl FromRequest<Arc<Api>> for Whole {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let shown = Credentials::from_request_parts(&mut parts, api).await?;
        Self::read(body, api, shown, BODY_BYTES_MAX).await
    }
}

impl Whole {
    /// A body of at most so many bytes, from whoever shows this.
    pub(super) async fn read(
        mut body: Body,
        api: &Arc<Api>,
        shown: Credentials,
        bytes_max: usize,
    ) -> Result<Self, Problem> {
        shown.are_there()?;
        let limit = bytes_max as u64;
        // What says nothing of its length may be as long as any.
        let length = body.size_hint().upper().unwrap_or(limit);
        if length > limit {
            return Err(too_long(bytes_max));
        }
        let Came { bytes: first, whole } = at_once(&mut body).await?;
        if whole {
            let room = room(&api.bodies, first.len() as u64).await?;
            return Ok(Self { bytes: first.into(), _room: vec![room] });
        }
        let tenant = api.known(shown).await?;
        let own = room(&tenant.share.bodies, length).await?;
        let all = room(&api.bodies, length).await?;
        let left = bytes_max.saturating_sub(first.len());
        match tokio::time::timeout(BODY_TIME_MAX, to_bytes(body, left)).await {
            Ok(Ok(rest)) if first.is_empty() => Ok(Self { bytes: rest, _room: vec![own, all] }),
            Ok(Ok(rest)) => {
                Ok(Self { bytes: [first.as_slice(), &rest].concat().into(), _room: vec![own, all] })
            }
            Ok(Err(_)) => Err(broken()),
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "request.slow",
                format!("the body did not come within {} s", BODY_TIME_MAX.as_secs()),
            )),
        }
    }
}

/// What has come of a body.
struct Came {
    bytes: Vec<u8>,
    whole: bool,
}

/// What is there already, without waiting for more.
async fn at_once(body: &mut Body) -> Result<Came, Problem> {
    let mut bytes = Vec::new();
    let whole = poll_fn(|context| {
        while bytes.len() < UNKNOWN_BYTES_MAX {
            match Pin::new(&mut *body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(broken())),
                Poll::Ready(None) => return Poll::Ready(Ok(true)),
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(body.is_end_stream()))
    })
    .await?;
    Ok(Came { bytes, whole })
}

async fn room(among: &Arc<Semaphore>, bytes: u64) -> Result<OwnedSemaphorePermit, Problem> {
    let kib = u32::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(u32::MAX);
    let room = tokio::time::timeout(QUEUE_TIME_MAX, Arc::clone(among).acquire_many_owned(kib));
    room.await.ok().and_then(Result::ok).ok_or_else(Problem::busy)
}

fn broken() -> Problem {
    Problem::bad("request.body", "the body is too long, or its connection broke")
}

fn too_long(bytes_max: usize) -> Problem {
    let most = format!("a body has at most {bytes_max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request.too_long", most)
}
