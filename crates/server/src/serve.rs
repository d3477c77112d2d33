//! `cascade serve`: listens, answers, stops in order.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::api::{self, Api};
use crate::listener::{self, Bound};
use crate::tenants::Tenants;
use crate::tls::{self, TlsFiles};
use crate::traces::{self, Traces};

pub use crate::api::{Allowance, TENANT_LEASES_MAX, TENANT_REQUESTS_PER_S_MAX};
pub use crate::listener::{CONNECTIONS_MAX, HEAD_BYTES_MAX, HEAD_TIME_MAX, HEADERS_MAX, Listen};

/// Longest wait for requests in flight when the service is told to stop.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);
/// How often leases are looked at that may have run out.
const LEASE_LOOK: Duration = Duration::from_secs(5);
/// Stack of the threads that decide: evaluation of policies recurses.
const STACK_BYTES: usize = 2 * cascade_policy::decide::STACK_BYTES;

/// What a service serves, and where.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens.
    pub listen: Listen,
    /// Certificates, where it speaks TLS.
    pub tls: Option<TlsFiles>,
    /// The chains.
    pub tenants: Tenants,
    /// Whether commands are run here for whoever is admitted.
    pub performs: bool,
    /// Where spans go.
    pub traces: Option<Traces>,
}

/// Serves until SIGTERM or SIGINT. `ready` is told where once it listens; `told` what people should know.
///
/// Stopping settles what is in flight: a decision that is made is answered, a command that runs is waited for up to
/// [`DRAIN_TIME_MAX`], and then ended and put on record by its own supervisor. What others perform under a lease stays
/// theirs: its outcome can be reported to the next service of the same home.
///
/// # Errors
/// When the address or the certificates cannot be used.
pub fn serve(service: Serving, ready: impl FnOnce(&str), told: impl Fn(&str)) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .max_blocking_threads(api::WORK_MAX + api::CALLS_ALL_MAX)
        .build()?;
    let done = runtime.block_on(async {
        let tls = service.tls.as_ref().map(tls::acceptor).transpose()?;
        let bound = Bound::to(&service.listen, tls).await?;
        let (stop, stopped) = watch::channel(false);
        let asked = stop_signal()?;
        let api = Arc::new(Api::new(service.tenants, service.performs, service.traces));
        let leases = tokio::spawn(close_expired(Arc::clone(&api), stopped.clone()));
        let feeds = tokio::spawn(api::feed(Arc::clone(&api), stopped.clone()));
        // What the last requests did is sent as well.
        let (settle, settled) = watch::channel(false);
        let spans = tokio::spawn(traces::follow(Arc::clone(&api), settled));
        ready(&bound.place()?);
        let settling = api.settled();
        let serving = tokio::spawn(listener::serve(bound, api::router(api), stopped));
        asked.await;
        // Receivers are the tasks below, which end with it.
        _ = stop.send(true);
        told("stopping: requests in flight are answered first");
        let ending = async {
            drop(serving.await);
            settling.await;
        };
        if tokio::time::timeout(DRAIN_TIME_MAX, ending).await.is_err() {
            told("some requests took too long and were cut off");
        }
        drop((leases.await, feeds.await));
        _ = settle.send(true);
        drop(spans.await);
        Ok(())
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    done
}

/// Ready at the first SIGTERM or SIGINT.
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    // Commands that run here catch signals as well, and would leave them as they found them.
    cascade_runtime::process::own_ending();
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
    })
}

async fn close_expired(api: Arc<Api>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = listener::said(&mut stop) => return,
            () = tokio::time::sleep(LEASE_LOOK) => {}
        }
        let closing = Arc::clone(&api);
        drop(tokio::task::spawn_blocking(move || closing.tenants().close_deleted()).await);
        for tenant in api.tenants().all() {
            // What cannot be closed now is looked at again; appends say what is wrong with the ledger.
            drop(tokio::task::spawn_blocking(move || tenant.ledger.close_expired()).await);
        }
    }
}
