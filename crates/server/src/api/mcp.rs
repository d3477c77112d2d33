//! `POST /v1/mcp`: the gateway for tools. The protocol is one of its own, so that the description of this API leaves it
//! out: what is sent and answered there is what the specification of MCP says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use cascade_receipt::content::TokenScope;
use tokio::task::JoinHandle;

use super::{Api, Caller, Credentials, Problem, Whole};
use crate::mcp::http::{Face, Head, HeadFault, Links, Said, serve};

/// Somebody at the gateway. Each step looks anew whether the token still holds.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    api: Arc<Api>,
    shown: Arc<Credentials>,
    /// It is counted among the requests of its tenant.
    counted: Arc<AtomicBool>,
}

impl Seat {
    /// Does something that blocks, as whoever shows the token.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Caller>) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (api, shown) = (Arc::clone(&self.api), Arc::clone(&self.shown));
        let counted = self.counted.swap(true, Ordering::Relaxed);
        self.api
            .blocking(move || {
                let caller = Arc::new(api.admit_to_begin(&shown, TokenScope::Mcp)?);
                if !counted {
                    caller.tenant.share.pace.admit()?;
                }
                let worked = work(&caller);
                if caller.tenant.ledger.has_failed() {
                    api.tenants.reopen(&caller.tenant);
                }
                Ok(worked)
            })
            .await
    }

    /// Ends what was begun, whoever still holds a token, and however much else is asked for.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let worked = tokio::task::spawn_blocking(work).await;
        worked.map_err(|_| Problem::internal("the request could not be worked on"))
    }

    /// Goes on with what was begun, also where nobody waits for it any more. A service that stops waits for it.
    pub(crate) fn detached<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.api.detached(task)
    }

    /// What is known of servers.
    pub(crate) fn links(&self) -> &Links {
        &self.api.links
    }
}

pub(super) async fn one(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    Path(upstream): Path<String>,
    headers: HeaderMap,
    body: Whole,
) -> Result<Response, Problem> {
    taken(api, shown, Face::One(upstream), (&headers, &body)).await
}

pub(super) async fn all(
    State(api): State<Arc<Api>>,
    shown: Credentials,
    headers: HeaderMap,
    body: Whole,
) -> Result<Response, Problem> {
    taken(api, shown, Face::All, (&headers, &body)).await
}

async fn taken(
    api: Arc<Api>,
    shown: Credentials,
    face: Face,
    (headers, body): (&HeaderMap, &[u8]),
) -> Result<Response, Problem> {
    let head = Head::of(headers).map_err(|fault| match fault {
        HeadFault::Origin => Problem::new(StatusCode::FORBIDDEN, "mcp.origin", fault.to_string()),
        HeadFault::Header(_) => Problem::bad("request.header_repeated", fault.to_string()),
        HeadFault::Params => Problem::bad("request.limit", fault.to_string()),
    })?;
    let seat = Seat { api, shown: Arc::new(shown), counted: Arc::default() };
    Ok(match serve(seat, face, head, body.to_vec()).await? {
        Said::Taken => StatusCode::ACCEPTED.into_response(),
        Said::Line(status, line) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = (status, line).into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
    })
}
