//! `/v1/metrics`, in the text format of OpenMetrics.
//!
//! What can be counted from the chain is counted from the chain, each look going on where the one before ended, so that
//! a restart changes no counter.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use cascade_receipt::content::TokenScope;
use cascade_runtime::stats::Running;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Api, Credentials, Problem, TenantHeader};
use crate::listener::Peer;
use crate::tenants::Tenant;

/// Seconds; a decision takes microseconds, and a commit what the disk takes.
const BUCKETS: [f64; 14] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5,
    2.5,
];

/// What is measured while a tenant is served.
pub(crate) struct Gauges {
    gates: Histogram,
    decisions: Histogram,
    running: Mutex<Running>,
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauges").finish_non_exhaustive()
    }
}

impl Default for Gauges {
    fn default() -> Self {
        Self { gates: Histogram::new(BUCKETS), decisions: Histogram::new(BUCKETS), running: Mutex::default() }
    }
}

impl Gauges {
    /// A decision was made and is durable: how long the gates took, and the whole.
    pub(crate) fn decided(&self, gates: Option<Duration>, whole: Duration) {
        if let Some(gates) = gates {
            self.gates.observe(gates.as_secs_f64());
        }
        self.decisions.observe(whole.as_secs_f64());
    }
}

/// Metrics: of every tenant on this machine itself, of the token's own elsewhere.
#[utoipa::path(
    get,
    path = "/v1/metrics",
    tag = "service",
    params(TenantHeader),
    responses(
        (status = 200, description = "OpenMetrics", body = String, content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (status = "4XX", description = "Not shown", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "They cannot be taken now", body = Problem, content_type = "application/problem+json"),
    ),
    security((), ("token" = []))
)]
pub(super) async fn metrics(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    shown: Credentials,
) -> Result<Response, Problem> {
    let text = if !shown.is_local(&peer) {
        api.work(shown, TokenScope::Read, |caller| {
            caller.may("stats")?;
            exposed(&[Arc::clone(&caller.tenant)])
        })
        .await?
    } else {
        let tenants = api.tenants().all();
        api.blocking(move || exposed(&tenants)).await?
    };
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Label {
    tenant: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct KindLabel {
    tenant: String,
    kind: String,
}

type Shares = Family<Label, Gauge<f64, AtomicU64>>;
type Numbers = Family<Label, Gauge>;

#[derive(Default)]
struct Families {
    decay: Shares,
    verified_decay: Shares,
    kinds: Family<KindLabel, Gauge>,
    open: Numbers,
    unanchored: Numbers,
    length: Numbers,
    halted: Numbers,
    suspended: Numbers,
    waiting: Numbers,
    listeners: Numbers,
    tokens: Numbers,
    cost: Numbers,
}

fn exposed(tenants: &[Arc<Tenant>]) -> Result<String, Problem> {
    let families = Families::default();
    let mut registry = Registry::default();
    families.register(&mut registry);
    for tenant in tenants {
        families.take(tenant)?;
        let label = [("tenant".into(), tenant.id.as_str().to_owned().into())];
        let own = registry.sub_registry_with_labels(label.into_iter());
        let gauges = &tenant.gauges;
        own.register("cascade_gate_latency_seconds", "Time that the ten gates took", gauges.gates.clone());
        own.register(
            "cascade_decision_seconds",
            "Time from a request for a decision to its durable receipt",
            gauges.decisions.clone(),
        );
    }
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|_| Problem::internal("the metrics cannot be written"))?;
    Ok(text)
}

impl Families {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "cascade_decay_index",
            "Share of tasks that needed no language model",
            self.decay.clone(),
        );
        registry.register(
            "cascade_verified_decay_index",
            "Share of tasks that needed none and whose answer is verified",
            self.verified_decay.clone(),
        );
        registry.register("cascade_receipts", "Receipts by kind", self.kinds.clone());
        let numbers = [
            ("cascade_open_intents", "Actions whose outcome is not on record", &self.open),
            ("cascade_unanchored_receipts", "Receipts beyond the last cosigned checkpoint", &self.unanchored),
            ("cascade_chain_length", "Receipts in the chain", &self.length),
            ("cascade_suspended", "1 while the tenant is suspended", &self.suspended),
            ("cascade_halted", "1 while the tenant is halted", &self.halted),
            ("cascade_waiting_approvals", "Actions that wait for people", &self.waiting),
            ("cascade_event_listeners", "Clients that listen to events", &self.listeners),
            ("cascade_model_tokens", "Tokens given to models and taken from them", &self.tokens),
            ("cascade_model_cost_microusd", "What models cost, in millionths of a dollar", &self.cost),
        ];
        for (name, help, family) in numbers {
            registry.register(name, help, family.clone());
        }
    }

    fn take(&self, tenant: &Tenant) -> Result<(), Problem> {
        let ledger = &tenant.ledger;
        let name = || tenant.id.as_str().to_owned();
        let label = Label { tenant: name() };
        let mut running = tenant.gauges.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.follow(ledger)?;
        self.decay.get_or_create(&label).set(running.stats().decay_index().value);
        self.verified_decay.get_or_create(&label).set(running.stats().verified_decay_index().value);
        for (kind, count) in running.kinds() {
            self.kinds.get_or_create(&KindLabel { tenant: name(), kind: kind.clone() }).set(number(*count));
        }
        let length = ledger.head()?.next_seq;
        let anchored = ledger.newest_checkpoint(true)?.map_or(0, |(size, _)| size);
        let waiting = ledger.pending_escalations()?.len();
        let set = |family: &Numbers, value: u64| {
            family.get_or_create(&label).set(number(value));
        };
        set(&self.open, ledger.open_actions()?.len() as u64);
        set(&self.unanchored, length.saturating_sub(anchored));
        set(&self.length, length);
        set(&self.halted, u64::from(ledger.is_halted()?));
        set(&self.suspended, u64::from(ledger.is_suspended()?));
        set(&self.waiting, waiting as u64);
        set(&self.listeners, tenant.feed.listeners() as u64);
        set(&self.tokens, running.stats().tokens);
        set(&self.cost, running.stats().cost_microusd);
        Ok(())
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
