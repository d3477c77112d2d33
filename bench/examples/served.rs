//! Decisions over HTTP at 64 connections, beside the same decisions in one process and appends alone, in one run.
//!
//! `cargo run --release -p cascade-bench --example served [SECONDS]`; the binary `cascade` is the one beside the examples.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cascade_bench::service::{self, BODY, Served};
use cascade_ledger::{Home, TenantId};
use cascade_runtime::facts::Asker;
use cascade_runtime::identity;
use cascade_runtime::lease::{self, Asked, Held, LEASE, Request};
use cascade_runtime::policy_store::PolicyInForce;

/// Connections, and threads of the run in one process.
const CALLERS: usize = 64;

fn main() -> anyhow::Result<()> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(10), |text| text.parse())?;
    let each = Duration::from_secs(seconds);
    let stage = tempfile::tempdir()?;
    let home = stage.path().join("home");
    let service = Served::start(stage.path(), &home)?;
    let (served, mut latencies) = served(&service, each);
    drop(service);
    latencies.sort_unstable();
    let at = |share: usize| {
        latencies.get(latencies.len().saturating_sub(1) * share / 1000).copied().unwrap_or_default()
    };
    let own = in_process(&home, each)?;
    let appends = stage.path().join("appends");
    std::fs::create_dir(&appends)?;
    let appended = cascade_bench::durable(&appends, CALLERS, each)?;
    let told = format!(
        "callers {CALLERS}, {seconds} s each\n\
         decisions over HTTP     {served:>9.0} /s   p50 {} us, p99 {} us, p99.9 {} us\n\
         decisions in a process  {own:>9.0} /s   over HTTP {:.0} % of it\n\
         appends alone           {appended:>9.0} /s   over HTTP {:.0} % of it\n",
        at(500),
        at(990),
        at(999),
        100.0 * served / own,
        100.0 * served / appended,
    );
    std::io::stdout().write_all(told.as_bytes())?;
    Ok(())
}

fn served(service: &Served, each: Duration) -> (f64, Vec<u64>) {
    let request = service.request("POST", "/v1/decisions", BODY);
    let all = Mutex::new(Vec::new());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                let own = service::converse(&service.address, &request, began + each).unwrap_or_default();
                if let Ok(mut all) = all.lock() {
                    all.extend(own);
                }
            });
        }
    });
    let took = began.elapsed().as_secs_f64();
    let all = all.into_inner().unwrap_or_default();
    (all.len() as f64 / took, all)
}

/// The same decisions by threads of this process.
fn in_process(home: &Path, each: Duration) -> anyhow::Result<f64> {
    let home = Home::open(home)?;
    let ledger = home.open_tenant(&TenantId::parse("default")?, None, &|_| true)?;
    let asker = Asker::find(&ledger, &[], Some("agent:load"))?;
    let (runtime, policy) = (identity::runtime(&ledger)?, PolicyInForce::default());
    let argv = ["git", "status", "--short"].map(|word| word.as_bytes().to_vec()).to_vec();
    let asked = Asked::Words { argv, cwd: PathBuf::new(), env: Vec::new() };
    let count = Mutex::new(0_u64);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                let mut own = 0;
                while began.elapsed() < each {
                    let request = Request {
                        asked: &asked,
                        asker: &asker,
                        approval: None,
                        dry_run: false,
                        reason: None,
                        subject: None,
                        runtime: &runtime,
                        request: None,
                        held: Held::Lease(LEASE),
                        policy: Some(&policy),
                    };
                    if lease::begin(&ledger, &request).is_err() {
                        break;
                    }
                    own += 1;
                }
                if let Ok(mut count) = count.lock() {
                    *count += own;
                }
            });
        }
    });
    let count = count.into_inner().unwrap_or_default();
    Ok(count as f64 / began.elapsed().as_secs_f64())
}
