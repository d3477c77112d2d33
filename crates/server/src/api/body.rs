//! The body of a request: whole, in time, and within what the service holds of all together.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;

use super::{Api, Problem, QUEUE_TIME_MAX};

/// Most bytes of one body.
pub(crate) const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Longest that one may take to come.
pub(crate) const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// KiB of all bodies that are held at once; who comes later waits for [`QUEUE_TIME_MAX`].
pub(crate) const HELD_KIB_MAX: usize = 64 * 1024;

/// A body, and its share of the room for bodies.
pub(crate) struct Whole {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
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
        Self::read(request.into_body(), api, BODY_BYTES_MAX).await
    }
}

impl Whole {
    /// A body of at most so many bytes.
    pub(super) async fn read(body: Body, api: &Api, bytes_max: usize) -> Result<Self, Problem> {
        let limit = bytes_max as u64;
        // What says nothing of its length may be as long as any.
        let length = body.size_hint().upper().unwrap_or(limit);
        if length > limit {
            return Err(too_long(bytes_max));
        }
        let kib = u32::try_from(length.div_ceil(1024).max(1)).unwrap_or(u32::MAX);
        let room = tokio::time::timeout(QUEUE_TIME_MAX, Arc::clone(&api.bodies).acquire_many_owned(kib));
        let Ok(Ok(room)) = room.await else { return Err(Problem::busy()) };
        match tokio::time::timeout(BODY_TIME_MAX, to_bytes(body, bytes_max)).await {
            Ok(Ok(bytes)) => Ok(Self { bytes, _room: room }),
            Ok(Err(_)) => Err(Problem::bad("request.body", "the body is too long, or its connection broke")),
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "request.slow",
                format!("the body did not come within {} s", BODY_TIME_MAX.as_secs()),
            )),
        }
    }
}

fn too_long(bytes_max: usize) -> Problem {
    let most = format!("a body has at most {bytes_max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request.too_long", most)
}
