//! From a chain to spans: each look reads what is new.
//!
//! What a service did not see, because it did not run or was not asked for a tenant yet, is in the chain and in no trace.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cascade_ledger::{Fault, Found, Reader, TenantId};
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;
use cascade_runtime::record::Record;
use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
use tokio::sync::watch;

use super::Traces;
use super::place;
use super::span::{self, Part, Span};
use crate::api::Api;
use crate::listener::said;
use crate::tenants::Tenant;

/// How often chains are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Receipts of one chain that are read in one look.
const STEP: u64 = 20_000;
/// Actions whose beginning is remembered; of others it is read again.
const OPEN_MAX: usize = 16_384;
/// How long a span waits for the request that it came of to say so.
const REQUEST_TIME: Duration = Duration::from_secs(2);
/// Spans that wait for that; of more, the oldest are sent as they are.
const WAITING_MAX: usize = 32_768;

/// Follows the chains of a service until it stops, and sends what there is then.
pub(crate) async fn follow(api: Arc<Api>, mut stop: watch::Receiver<bool>) {
    let Some(traces) = api.traces().map(Arc::clone) else { return };
    let mut chains = Chains::default();
    loop {
        let ends = tokio::select! {
            () = said(&mut stop) => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        let (own, to) = (Arc::clone(&api), Arc::clone(&traces));
        let looked = tokio::task::spawn_blocking(move || {
            chains.look(&own.tenants().all(), &to, ends);
            chains
        });
        // Whatever made it panic is behind it: what is not remembered is read again.
        chains = looked.await.unwrap_or_default();
        if ends {
            drop(tokio::task::spawn_blocking(move || traces.end()).await);
            return;
        }
    }
}

#[derive(Default)]
struct Chains(BTreeMap<TenantId, Chain>);

impl Chains {
    fn look(&mut self, tenants: &[Arc<Tenant>], traces: &Traces, ends: bool) {
        self.0.retain(|id, _| tenants.iter().any(|tenant| tenant.id == *id));
        for tenant in tenants {
            let origin = tenant.ledger.log_origin().as_str();
            let fresh = || Chain::new(origin.to_owned(), tenant.began_at);
            let chain = self.0.entry(tenant.id.clone()).or_insert_with(fresh);
            if chain.origin != origin {
                // Another one has the name now.
                *chain = fresh();
            }
            // What cannot be read now is read with the next look.
            drop(chain.look(&tenant.ledger, tenant.id.as_str()));
            chain.send(traces, ends);
        }
    }
}

/// A span that has not ended.
#[derive(Clone)]
struct Open {
    span: Span,
    above: Option<ReceiptId>,
    /// The receipt that names the trace where no request does.
    root: ReceiptId,
}

/// A span that has ended.
struct Ended {
    id: ReceiptId,
    open: Open,
    since: Instant,
}

struct Chain {
    origin: String,
    next: u64,
    open: BTreeMap<ReceiptId, Open>,
    ended: VecDeque<Ended>,
}

impl Chain {
    const fn new(origin: String, next: u64) -> Self {
        Self { origin, next, open: BTreeMap::new(), ended: VecDeque::new() }
    }

    fn look(&mut self, reader: &Reader, tenant: &str) -> Result<(), Fault> {
        let end = reader.head()?.next_seq.min(self.next.saturating_add(STEP));
        for line in reader.lines(self.next..end) {
            let line = line?;
            if let Some(record) = Record::parse(line.seq, &line.text) {
                self.take(reader, tenant, &record)?;
            }
            self.next = line.seq.saturating_add(1);
        }
        Ok(())
    }

    fn take(&mut self, reader: &Reader, tenant: &str, record: &Record) -> Result<(), Fault> {
        let Some(id) = ReceiptId::parse(record.text("receipt_id")) else { return Ok(()) };
        match Part::of(record) {
            Part::Nothing => {}
            Part::Opens => {
                if self.open.len() >= OPEN_MAX {
                    self.open.pop_first();
                }
                let open = self.opened(reader, tenant, record, id)?;
                self.open.insert(id, open);
            }
            Part::Whole => {
                let action = record.private(reader, "action_hash")?;
                let span = span::whole(tenant, record, action.as_ref());
                self.end(id, self.placed(id, span::above(record), span));
            }
            Part::Closes(intent) => {
                let known = match self.open.remove(&intent) {
                    Some(open) => Some(open),
                    None => self.read(reader, tenant, intent)?,
                };
                if let Some(open) = known {
                    self.end(intent, Open { span: span::closed(open.span, record), ..open });
                }
            }
        }
        Ok(())
    }

    fn opened(&self, reader: &Reader, tenant: &str, record: &Record, id: ReceiptId) -> Result<Open, Fault> {
        let action: Option<Value> = record.private(reader, "action_hash")?;
        Ok(self.placed(id, span::above(record), span::opened(tenant, record, action.as_ref())))
    }

    /// What began before this service did.
    fn read(&self, reader: &Reader, tenant: &str, id: ReceiptId) -> Result<Option<Open>, Fault> {
        let Found::One(_, seq, line) = reader.find(&id.to_string())? else { return Ok(None) };
        let Some(record) = Record::parse(seq, &line) else { return Ok(None) };
        self.opened(reader, tenant, &record, id).map(Some)
    }

    fn placed(&self, id: ReceiptId, above: Option<ReceiptId>, span: Span) -> Open {
        let root = above.map_or(id, |above| self.open.get(&above).map_or(above, |open| open.root));
        Open { span, above, root }
    }

    fn end(&mut self, id: ReceiptId, open: Open) {
        self.ended.push_back(Ended { id, open, since: Instant::now() });
    }

    /// Sends what has ended, once it is known which request it came of, or that none says so.
    fn send(&mut self, traces: &Traces, ends: bool) {
        let mut waiting = VecDeque::new();
        let many = self.ended.len().saturating_sub(WAITING_MAX);
        for (at, ended) in self.ended.drain(..).enumerate() {
            let late = ends || at < many || ended.since.elapsed() >= REQUEST_TIME;
            match traces.places.take(ended.id) {
                Some(request) => traces.send_action(&self.origin, ended, Some(request)),
                None if late || ended.open.above.is_some() => traces.send_action(&self.origin, ended, None),
                None => waiting.push_back(ended),
            }
        }
        self.ended = waiting;
    }
}

impl Traces {
    /// Below its request, else below the run that it belongs to, else alone.
    fn send_action(&self, origin: &str, ended: Ended, request: Option<SpanContext>) {
        let Ended { id, open, .. } = ended;
        let span = place::span_id(id);
        if let Some(request) = request {
            let context = self.sampling.context(request.trace_id(), span, Some(&request));
            return self.send(context, Some(&request), open.span);
        }
        let trace = place::trace_id(origin, open.root);
        let context = self.sampling.context(trace, span, None);
        let above = open.above.map(|above| {
            SpanContext::new(trace, place::span_id(above), TraceFlags::default(), false, TraceState::NONE)
        });
        self.send(context, above.as_ref(), open.span);
    }
}
