//! The span of a request, as its client sees it: from the first byte that is worked on to the head of the answer.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, SpanKind, Status};
use opentelemetry_sdk::trace::IdGenerator as _;

use super::place;
use super::span::{Named, Span};
use super::{Trace, Traces, WAYS_UNTRACED};
use crate::api::Api;

/// Puts a request into a trace, that of its caller where it names one.
pub(crate) async fn traced(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let Some(traces) = api.traces() else { return next.run(request).await };
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    if route.as_ref().is_some_and(|route| WAYS_UNTRACED.contains(&route.as_str())) {
        return next.run(request).await;
    }
    let mut span = Asked::begin(Arc::clone(traces), &request, route);
    let trace = Trace { traces: Arc::clone(traces), context: span.context.clone() };
    request.extensions_mut().insert(trace);
    let response = next.run(request).await;
    span.status = Some(response.status());
    response
}

/// A request in work. Its span is sent whatever becomes of it, also where its client goes away.
struct Asked {
    traces: Arc<Traces>,
    parent: Option<SpanContext>,
    context: SpanContext,
    began: SystemTime,
    method: Method,
    route: Option<String>,
    status: Option<StatusCode>,
}

impl Asked {
    fn begin(traces: Arc<Traces>, request: &Request, route: Option<String>) -> Self {
        let parent = place::told(request.headers());
        let trace = parent.as_ref().map_or_else(|| traces.ids.new_trace_id(), SpanContext::trace_id);
        let context = traces.sampling.context(trace, traces.ids.new_span_id(), parent.as_ref());
        let method = request.method().clone();
        Self { traces, parent, context, began: SystemTime::now(), method, route, status: None }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let known = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS];
        let method = if known.contains(&self.method) { self.method.as_str() } else { "_OTHER" };
        let route = self.route.take();
        // The route, and not the path: what a client writes there is its own affair.
        let mut attributes = vec![KeyValue::new("http.request.method", method.to_owned())];
        let name = match &route {
            Some(route) => format!("{method} {route}"),
            None => method.to_owned(),
        };
        attributes.extend(route.map(|route| KeyValue::new("http.route", route)));
        let mut status = Status::Unset;
        match self.status {
            Some(code) => {
                attributes.push(KeyValue::new("http.response.status_code", i64::from(code.as_u16())));
                if code.is_server_error() {
                    attributes.push(KeyValue::new("error.type", code.as_u16().to_string()));
                    status = Status::error("");
                }
            }
            None => {
                attributes.push(KeyValue::new("error.type", "client.gone"));
                status = Status::error("the client went away");
            }
        }
        let named = Named { name, kind: SpanKind::Server };
        let span = Span { named, began: self.began, ended: SystemTime::now(), attributes, status };
        self.traces.send(self.context.clone(), self.parent.as_ref(), span);
    }
}
