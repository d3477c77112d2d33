//! The trace that a message names for itself: `_meta` has `traceparent` and `tracestate` (revision 2026-07-28), which count
//! before those of the request that carries it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::Caller;
use crate::traces::Trace;

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "_meta")]
    meta: Option<Meta>,
}

/// What a message says of its trace.
#[derive(Clone, Deserialize, Default, Debug)]
pub(super) struct Meta {
    traceparent: Option<String>,
    tracestate: Option<String>,
}

impl Meta {
    /// Of the parameters of a message; what cannot be read says nothing.
    pub(super) fn of(params: Option<&RawValue>) -> Self {
        let read = params.and_then(|params| serde_json::from_str::<Params>(params.get()).ok());
        read.and_then(|params| params.meta).unwrap_or_default()
    }

    /// The trace that this caller's call belongs to.
    pub(super) fn trace(&self, caller: &Caller) -> Option<Trace> {
        let trace = caller.trace.as_ref()?;
        Some(match &self.traceparent {
            Some(parent) => trace.or_of(parent, self.tracestate.as_deref()),
            None => trace.clone(),
        })
    }
}
