//! The HTTP API under `/v1`.
//!
//! Every handler that works does so as somebody, for one tenant, within one scope, on a thread that may block: see
//! [`Api::work`]. Reading is decided by the same policies as the command of the same name, and writing is.

mod actions;
mod answer;
mod approvals;
mod audit;
mod body;
mod caller;
mod checkpoints;
mod decisions;
mod events;
mod lineage;
mod local;
mod mcp;
mod metrics;
mod pace;
mod page;
mod performing;
mod policies;
mod problem;
mod proxy;
mod public;
mod receipts;
mod reference;
mod replay;
mod schedules;
mod specs;
mod tasks;
mod tenant;
mod turns;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};
use cascade_runtime::model::{self, Models};
use cascade_runtime::task::Router;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::mcp::http::Links;
use crate::tenants::Tenants;
use crate::traces::{self, Traces};

pub(crate) use body::Whole;
pub(crate) use caller::{Caller, Credentials, IdempotencyHeader, TenantHeader};
pub(crate) use events::{Feed, feed};
pub(crate) use mcp::Seat;
pub(crate) use metrics::Gauges;
pub(crate) use pace::Pace;
pub use pace::{Allowance, TENANT_LEASES_MAX, TENANT_REQUESTS_PER_S_MAX};
pub(crate) use problem::Problem;
pub(crate) use proxy::CALLS_ALL_MAX;
use reference::Security;
use turns::{LONG_WORK_MAX, RUNS_MAX};
pub(crate) use turns::{Share, TENANT_WORK_MAX};

/// Requests that are worked on at once; more wait for [`QUEUE_TIME_MAX`].
pub(crate) const WORK_MAX: usize = 128;
/// Longest wait for a turn.
pub(crate) const QUEUE_TIME_MAX: Duration = Duration::from_secs(10);

/// What goes on at once though nobody may wait for it: more than connections and servers together can begin.
const DETACHED_MAX: usize = 1 << 20;

/// A service.
pub(crate) struct Api {
    tenants: Tenants,
    /// Whether commands are run here.
    performs: bool,
    /// The layers that answer tasks, once the first one is asked.
    router: Mutex<Option<Arc<Router>>>,
    room: Arc<Semaphore>,
    long: Arc<Semaphore>,
    runs: Arc<Semaphore>,
    /// KiB of bodies that may be held at once.
    bodies: Arc<Semaphore>,
    /// Requests that may be with models at once.
    calls: Arc<Semaphore>,
    /// What goes on though nobody may wait for it.
    detached: Arc<Semaphore>,
    guesses: caller::Guesses,
    links: Links,
    traces: Option<Arc<Traces>>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    pub(crate) fn new(tenants: Tenants, performs: bool, traces: Option<Traces>) -> Self {
        Self {
            tenants,
            performs,
            router: Mutex::default(),
            room: Arc::new(Semaphore::new(WORK_MAX)),
            long: Arc::new(Semaphore::new(LONG_WORK_MAX)),
            runs: Arc::new(Semaphore::new(RUNS_MAX)),
            bodies: Arc::new(Semaphore::new(body::HELD_KIB_MAX)),
            calls: Arc::new(Semaphore::new(CALLS_ALL_MAX)),
            detached: Arc::new(Semaphore::new(DETACHED_MAX)),
            guesses: caller::Guesses::default(),
            links: Links::default(),
            traces: traces.map(Arc::new),
        }
    }

    /// Goes on with what was begun, also where nobody waits for it any more.
    fn detached<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        // Counted before it is anybody's turn: a service that stops at this moment waits for it as well.
        let counted = Arc::clone(&self.detached).try_acquire_owned().ok();
        tokio::spawn(async move {
            let _counted = counted;
            task.await
        })
    }

    /// Ready when nothing goes on that was detached.
    pub(crate) fn settled(&self) -> impl Future<Output = ()> + Send + 'static {
        let own = Arc::clone(&self.detached);
        async move { drop(own.acquire_many(u32::try_from(DETACHED_MAX).unwrap_or(u32::MAX)).await) }
    }

    pub(crate) const fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    /// Whether commands are run here.
    pub(crate) const fn performs(&self) -> bool {
        self.performs
    }

    /// Where spans go, where somebody wants them.
    pub(crate) const fn traces(&self) -> Option<&Arc<Traces>> {
        self.traces.as_ref()
    }

    /// The layers that answer tasks.
    pub(crate) fn router(&self) -> Result<Arc<Router>, Problem> {
        let mut known = self.router.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(router) = known.as_ref() {
            return Ok(Arc::clone(router));
        }
        let models = Models::load(&self.tenants.home().join(model::FILE));
        let models =
            models.map_err(|_| Problem::internal("the configuration of models cannot be read now"))?;
        let router = Router::new(RUNS_MAX, models);
        let router = router
            .map_err(|_| Problem::internal("answers cannot be run here; `cascade doctor` says more"))?;
        let router = Arc::new(router);
        *known = Some(Arc::clone(&router));
        Ok(router)
    }

    /// Does something that blocks, when there is room.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = turns::among(&self.room).await?;
        turns::in_turn(turn, |turn| turns::held(turn, work)).await
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
        (name = "receipts", description = "What happened, and what outsiders are handed of it."),
        (name = "questions", description = "What is asked of a chain: lineage, replay, controls. Nothing is written."),
        (name = "policies", description = "What decides."),
        (name = "tasks", description = "Tasks in words."),
        (name = "workflows", description = "Runs of workflows, and what runs by the clock."),
        (name = "models", description = "Language models, asked in their providers' words."),
        (name = "public", description = "What outsiders need, without a token."),
        (name = "tenant", description = "The tenant as a whole."),
        (name = "service", description = "The service itself."),
    )
)]
struct Description;

/// Every route, and what describes them.
pub(crate) fn described() -> (axum::Router<Arc<Api>>, utoipa::openapi::OpenApi) {
    let (routes, mut description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(decisions::decide))
        .routes(routes!(performing::perform))
        .routes(routes!(actions::report))
        .routes(routes!(actions::show))
        .routes(routes!(approvals::pending))
        .routes(routes!(approvals::answer))
        .routes(routes!(receipts::list))
        .routes(routes!(receipts::show))
        .routes(routes!(events::stream))
        .routes(routes!(checkpoints::newest, checkpoints::sign))
        .routes(routes!(checkpoints::bundle))
        .routes(routes!(lineage::lineage))
        .routes(routes!(replay::replay))
        .routes(routes!(audit::audit))
        .routes(routes!(policies::list))
        .routes(routes!(policies::show))
        .routes(routes!(tasks::ask))
        .routes(routes!(specs::list))
        .routes(routes!(specs::show))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::show, schedules::change))
        .routes(routes!(proxy::chat))
        .routes(routes!(proxy::messages))
        .routes(routes!(proxy::models))
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

pub(crate) fn router(api: Arc<Api>) -> axum::Router {
    let (routes, description) = described();
    let document: Arc<str> = description.to_json().unwrap_or_default().into();
    let page: Arc<str> = page::of(&document).into();
    routes
        .route("/v1/openapi.json", get(move || async move { reference::json(&document) }))
        .route("/v1/docs", get(move || async move { reference::html(&page) }))
        .route("/v1/mcp", post(mcp::all))
        .route("/v1/mcp/{upstream}", post(mcp::one))
        .fallback(|| async { Problem::no_route() })
        .method_not_allowed_fallback(|| async { Problem::no_method() })
        .layer(axum::middleware::map_response(hardened))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&api), traces::traced))
        .with_state(api)
}

/// Nothing that is answered here is a page of somebody else's, is to be guessed at or kept.
async fn hardened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
