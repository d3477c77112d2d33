//! Traces of OpenTelemetry, for a collector that the operator names.
//!
//! A span of an action is made from its receipts and from nothing else, so that no trace says what the chain does not:
//! its id is that of the receipt that opens it, whoever performed it and wherever. What a request adds is where the span
//! belongs. Words that are private do not leave: of a command its program is named, of a tool its name.

mod follow;
mod place;
mod request;
mod send;
mod span;

use std::sync::Arc;
use std::time::Duration;

use cascade_receipt::id::ReceiptId;
use opentelemetry::trace::SpanContext;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, RandomIdGenerator, SpanData, SpanEvents, SpanLinks, SpanProcessor as _,
};

pub(crate) use follow::follow;
pub(crate) use request::traced;

use place::Places;
use place::Sampling;
pub use place::UnknownSampler;
use send::Sender;
use span::Span;

/// Routes that probes ask so often that nobody wants to see it.
const WAYS_UNTRACED: [&str; 3] = ["/healthz", "/readyz", "/v1/metrics"];
/// Longest wait for a collector when the service stops.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(5);
/// What every span is told to be of, where `OTEL_SERVICE_NAME` says nothing else.
const SERVICE: &str = "cascade";

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// A variable has a value that means nothing.
    #[error("{name}: {what}")]
    Variable {
        /// Which.
        name: &'static str,
        /// Why.
        what: String,
    },
    /// `OTEL_TRACES_SAMPLER` or its argument.
    #[error(transparent)]
    Sampler(#[from] UnknownSampler),
    /// The endpoint, headers or limits.
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
}

/// Where spans go.
#[derive(Debug)]
pub struct Traces {
    out: BatchSpanProcessor,
    scope: InstrumentationScope,
    sampling: Sampling,
    places: Places,
    ids: RandomIdGenerator,
}

/// A request in its trace.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    traces: Arc<Traces>,
    context: SpanContext,
}

impl Trace {
    /// A receipt came of it: its span belongs below that of the request.
    pub(crate) fn began(&self, receipt: ReceiptId) {
        self.traces.places.put(receipt, self.context.clone());
    }

    /// The same trace, or the one that a message names for itself.
    pub(crate) fn or_of(&self, parent: &str, state: Option<&str>) -> Self {
        let context = place::of_message(parent, state).unwrap_or_else(|| self.context.clone());
        Self { traces: Arc::clone(&self.traces), context }
    }

    /// `traceparent` for whoever does what this receipt admits.
    pub(crate) fn onwards(&self, receipt: ReceiptId) -> String {
        let flags = if self.context.is_sampled() { "01" } else { "00" };
        format!("00-{}-{}-{flags}", self.context.trace_id(), place::span_id(receipt))
    }
}

impl Traces {
    /// What the variables of OpenTelemetry ask for: none, unless an endpoint is named. `told` hears when the collector
    /// stops taking spans, and when it takes them again.
    ///
    /// # Errors
    /// See [`TraceError`].
    pub fn from_environment(told: impl Fn(&str) + Send + Sync + 'static) -> Result<Option<Self>, TraceError> {
        let value = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let endpoint =
            value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| value("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let off = value("OTEL_SDK_DISABLED").is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
            || value("OTEL_TRACES_EXPORTER").is_some_and(|value| value.trim() == "none");
        if endpoint.is_none() || off {
            return Ok(None);
        }
        for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            if let Some(other) = value(name).filter(|value| value != "http/protobuf") {
                let what = format!("`{other}` is not spoken here; give `http/protobuf`");
                return Err(TraceError::Variable { name, what });
            }
        }
        let sampling = Sampling::from_words(
            value("OTEL_TRACES_SAMPLER").as_deref(),
            value("OTEL_TRACES_SAMPLER_ARG").as_deref(),
        )?;
        let exporter = SpanExporter::builder().with_http().with_http_client(Sender::new(told)).build()?;
        let named = value("OTEL_SERVICE_NAME").is_some()
            || value("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|value| value.contains("service.name="));
        let mut resource = Resource::builder();
        if !named {
            resource = resource.with_service_name(SERVICE);
        }
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let mut out = BatchSpanProcessor::builder(exporter).build();
        out.set_resource(&resource.with_attribute(version).build());
        Ok(Some(Self {
            out,
            scope: InstrumentationScope::builder("cascade").with_version(env!("CARGO_PKG_VERSION")).build(),
            sampling,
            places: Places::default(),
            ids: RandomIdGenerator::default(),
        }))
    }

    /// Hands a span on, where its trace is one that is sent.
    fn send(&self, context: SpanContext, parent: Option<&SpanContext>, span: Span) {
        if !context.is_sampled() {
            return;
        }
        self.out.on_end(SpanData {
            span_context: context,
            parent_span_id: parent.map_or(opentelemetry::trace::SpanId::INVALID, SpanContext::span_id),
            parent_span_is_remote: parent.is_some_and(SpanContext::is_remote),
            span_kind: span.named.kind,
            name: span.named.name.into(),
            start_time: span.began,
            end_time: span.ended.max(span.began),
            attributes: span.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: span.status,
            instrumentation_scope: self.scope.clone(),
        });
    }

    /// Sends what waits, and ends.
    pub(crate) fn end(&self) {
        // What a collector does not take in time is lost; the chain has it.
        drop(self.out.shutdown_with_timeout(FLUSH_TIME_MAX));
    }
}
