//! The HTTP API under `/v1`.
//!
//! Every handler that works does so as somebody, for one tenant, within one scope, on a thread that may block: see
//! [`Api::work`]. Reading is decided by the same policies as the command of the same name, and writing is.

mod actions;
mod approvals;
mod body;
mod caller;
mod decisions;
mod events;
mod metrics;
mod page;
mod problem;
mod public;
mod receipts;
mod reference;
mod tenant;
mod turns;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use tokio::sync::Semaphore;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::tenants::Tenants;

pub(crate) use body::Whole;
pub(crate) use caller::{Caller, Credentials, IdempotencyHeader, TenantHeader};
pub(crate) use events::{Feed, feed};
pub(crate) use metrics::Gauges;
pub(crate) use problem::Problem;
use reference::Security;
pub(crate) use turns::TENANT_WORK_MAX;

/// Requests that are worked on at once; more wait for [`QUEUE_TIME_MAX`].
pub(crate) const WORK_MAX: usize = 128;
/// Longest wait for a turn.
pub(crate) const QUEUE_TIME_MAX: Duration = Duration::from_secs(10);

/// A service.
pub(crate) struct Api {
    tenants: Tenants,
    room: Arc<Semaphore>,
    /// KiB of bodies that may be held at once.
    bodies: Arc<Semaphore>,
    guesses: caller::Guesses,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    pub(crate) fn new(tenants: Tenants) -> Self {
        Self {
            tenants,
            room: Arc::new(Semaphore::new(WORK_MAX)),
            bodies: Arc::new(Semaphore::new(body::HELD_KIB_MAX)),
            guesses: caller::Guesses::default(),
        }
    }

    pub(crate) const fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    /// Does something that blocks, when there is room.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = tokio::time::timeout(QUEUE_TIME_MAX, Arc::clone(&self.room).acquire_owned());
        let Ok(Ok(permit)) = turn.await else { return Err(Problem::busy()) };
        let worked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        worked.await.unwrap_or_else(|_| Err(Problem::internal("the request could not be worked on")))
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Cascade",
        description = "Decisions before anything runs, and a signed, hash-chained receipt of every decision and outcome.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    modifiers(&Security),
    tags(
        (name = "decisions", description = "Ask before you act, and report what came of it."),
        (name = "approvals", description = "What waits for people."),
        (name = "receipts", description = "What happened."),
        (name = "public", description = "What outsiders need, without a token."),
        (name = "tenant", description = "The tenant as a whole."),
        (name = "service", description = "The service itself."),
    )
)]
struct Description;

/// Every route, and what describes them.
pub(crate) fn described() -> (Router<Arc<Api>>, utoipa::openapi::OpenApi) {
    let (routes, mut description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(decisions::decide))
        .routes(routes!(actions::report))
        .routes(routes!(actions::show))
        .routes(routes!(approvals::pending))
        .routes(routes!(approvals::answer))
        .routes(routes!(receipts::list))
        .routes(routes!(receipts::show))
        .routes(routes!(events::stream))
        .routes(routes!(tenant::show))
        .routes(routes!(tenant::suspend))
        .routes(routes!(tenant::resume))
        .routes(routes!(public::chains))
        .routes(routes!(public::checkpoint))
        .routes(routes!(public::alive))
        .routes(routes!(public::ready))
        .routes(routes!(metrics::metrics))
        .split_for_parts();
    reference::complete(&mut description);
    (routes, description)
}

pub(crate) fn router(api: Arc<Api>) -> Router {
    let (routes, description) = described();
    let document: Arc<str> = description.to_json().unwrap_or_default().into();
    let page: Arc<str> = page::of(&document).into();
    routes
        .route("/v1/openapi.json", get(move || async move { reference::json(&document) }))
        .route("/v1/docs", get(move || async move { reference::html(&page) }))
        .fallback(|| async { Problem::no_route() })
        .method_not_allowed_fallback(|| async { Problem::no_method() })
        .layer(axum::middleware::map_response(hardened))
        .with_state(api)
}

/// Nothing that is answered here is a page of somebody else's, is to be guessed at or kept.
async fn hardened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
