//! Where spans belong: which trace, below which span, and whether it is sent.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderMap;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, TraceContextExt as _};
use opentelemetry::trace::{TraceFlags, TraceId, TraceState};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample as _};

/// Longest `tracestate` that is kept, in bytes: what W3C Trace Context wants passed on at least. Strangers write it.
const STATE_BYTES_MAX: usize = 512;
/// Receipts whose request is remembered; the oldest are forgotten, and their spans begin traces of their own.
const PLACES_MAX: usize = 65_536;

/// The requests that receipts came of, until their spans are sent.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    of: BTreeMap<ReceiptId, (u64, SpanContext)>,
    /// In the order in which they came.
    order: BTreeMap<u64, ReceiptId>,
    next: u64,
}

impl Places {
    pub(super) fn put(&self, receipt: ReceiptId, context: SpanContext) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = known.next;
        known.next = place.wrapping_add(1);
        if let Some((before, _)) = known.of.insert(receipt, (place, context)) {
            known.order.remove(&before);
        }
        known.order.insert(place, receipt);
        if known.order.len() > PLACES_MAX
            && let Some((_, oldest)) = known.order.pop_first()
        {
            known.of.remove(&oldest);
        }
    }

    /// Hands it out for good.
    pub(super) fn take(&self, receipt: ReceiptId) -> Option<SpanContext> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (place, context) = known.of.remove(&receipt)?;
        known.order.remove(&place);
        Some(context)
    }
}

/// `OTEL_TRACES_SAMPLER` or `OTEL_TRACES_SAMPLER_ARG` say nothing that is known.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is no sampler, or no share from 0 to 1 for one")]
pub struct UnknownSampler(String);

/// Which traces are sent.
#[derive(Debug)]
pub(super) struct Sampling {
    roots: Sampler,
    /// A caller's own choice counts.
    by_parent: bool,
}

impl Sampling {
    /// As the specification of OpenTelemetry names samplers; absent, all of which a caller does not say otherwise.
    pub(super) fn from_words(name: Option<&str>, share: Option<&str>) -> Result<Self, UnknownSampler> {
        let name = name.unwrap_or("parentbased_always_on").trim();
        let by_parent = name.starts_with("parentbased_");
        let roots = match name.trim_start_matches("parentbased_") {
            "always_on" => Sampler::AlwaysOn,
            "always_off" => Sampler::AlwaysOff,
            "traceidratio" => {
                let text = share.unwrap_or("1").trim();
                let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
                Sampler::TraceIdRatioBased(share.ok_or_else(|| UnknownSampler(text.to_owned()))?)
            }
            _ => return Err(UnknownSampler(name.to_owned())),
        };
        Ok(Self { roots, by_parent })
    }

    /// The context of a span with this id.
    pub(super) fn context(&self, trace: TraceId, span: SpanId, parent: Option<&SpanContext>) -> SpanContext {
        let sent = match parent.filter(|_| self.by_parent) {
            Some(parent) => parent.is_sampled(),
            None => {
                let sampled = self.roots.should_sample(None, trace, "", &SpanKind::Internal, &[], &[]);
                sampled.decision == SamplingDecision::RecordAndSample
            }
        };
        let flags = if sent { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let state = parent.map_or(TraceState::NONE, |parent| parent.trace_state().clone());
        SpanContext::new(trace, span, flags, false, state)
    }
}

/// What the headers of a request say: `traceparent` and `tracestate` (W3C Trace Context).
pub(super) fn told(headers: &HeaderMap) -> Option<SpanContext> {
    extracted(&HeaderExtractor(headers))
}

/// The same of a message that says it without headers.
pub(super) fn of_message(parent: &str, state: Option<&str>) -> Option<SpanContext> {
    let mut said = HashMap::from([("traceparent".to_owned(), parent.to_owned())]);
    said.extend(state.map(|state| ("tracestate".to_owned(), state.to_owned())));
    extracted(&said)
}

fn extracted(said: &dyn Extractor) -> Option<SpanContext> {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), said);
    let told = context.span().span_context().clone();
    let state = match told.trace_state() {
        long if long.header().len() > STATE_BYTES_MAX => TraceState::NONE,
        state => state.clone(),
    };
    let told = SpanContext::new(told.trace_id(), told.span_id(), told.trace_flags(), true, state);
    Some(told).filter(SpanContext::is_valid)
}

/// The id of the span that a receipt opens: its own sixteen hex digits.
pub(super) fn span_id(receipt: ReceiptId) -> SpanId {
    let id = receipt.to_string();
    let digits = id.get(2..).unwrap_or_default();
    SpanId::from_hex(digits).unwrap_or(SpanId::INVALID)
}

/// The trace of what nobody's request began: 16 bytes of SHA-256 over the chain's name, `/` and the receipt that opens it,
/// so that every process says the same.
pub(super) fn trace_id(log_origin: &str, root: ReceiptId) -> TraceId {
    let digest = Digest::of(format!("{log_origin}/{root}").as_bytes());
    let mut id = [0; 16];
    id.iter_mut().zip(digest.0).for_each(|(to, from)| *to = from);
    TraceId::from_bytes(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samplers_are_those_of_the_specification() {
        let words = |name, share| Sampling::from_words(name, share);
        for name in ["always_on", "always_off", "parentbased_always_on", "parentbased_always_off"] {
            assert!(words(Some(name), None).is_ok(), "{name}");
        }
        assert!(words(Some("traceidratio"), Some("0.25")).is_ok());
        for (name, share) in
            [("jaeger_remote", None), ("traceidratio", Some("2")), ("traceidratio", Some("x"))]
        {
            assert!(words(Some(name), share).is_err(), "{name} {share:?}");
        }
    }

    #[test]
    fn a_callers_choice_counts_where_the_sampler_says_so() {
        let (trace, span) = (TraceId::from_bytes([7; 16]), SpanId::from_bytes([9; 8]));
        let parent = |sent| {
            let flags = if sent { TraceFlags::SAMPLED } else { TraceFlags::default() };
            SpanContext::new(trace, span, flags, true, TraceState::NONE)
        };
        let sent = |name, parent: Option<&SpanContext>| {
            Sampling::from_words(name, None).unwrap().context(trace, span, parent).is_sampled()
        };
        assert!(sent(None, None));
        assert!(!sent(None, Some(&parent(false))));
        assert!(sent(Some("parentbased_always_off"), Some(&parent(true))));
        assert!(!sent(Some("parentbased_always_off"), None));
        assert!(sent(Some("always_on"), Some(&parent(false))));
    }

    #[test]
    fn so_many_places_are_remembered() {
        let places = Places::default();
        let receipt = |number: usize| ReceiptId::parse(&format!("r_{number:016x}")).unwrap();
        for number in 1..=PLACES_MAX + 1 {
            places.put(receipt(number), SpanContext::NONE);
        }
        assert!(places.take(receipt(1)).is_none());
        assert!(places.take(receipt(2)).is_some());
        assert!(places.take(receipt(2)).is_none());
        // What was handed out takes no room.
        places.put(receipt(PLACES_MAX + 2), SpanContext::NONE);
        assert!(places.take(receipt(3)).is_some());
    }

    #[test]
    fn what_a_caller_says_is_taken_within_limits() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let state = |length: usize| of_message(parent, Some(&format!("a={}", "x".repeat(length - 2))));
        // A value has at most 256 characters, so that more of them make it long.
        let long = |members: usize| {
            let members: Vec<String> = (0..members).map(|at| format!("k{at}={}", "x".repeat(100))).collect();
            of_message(parent, Some(&members.join(","))).unwrap().trace_state().header().len()
        };
        assert_eq!(state(100).unwrap().trace_state().header().len(), 100);
        assert!(long(4) > 400);
        assert_eq!(long(5), 0, "its trace counts all the same");
        for bad in ["", "00-0-0-01", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
            assert!(of_message(bad, None).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_span_has_the_digits_of_its_receipt() {
        let receipt = ReceiptId::parse("r_639e0efb569598ab").unwrap();
        assert_eq!(span_id(receipt).to_string(), "639e0efb569598ab");
    }
}
