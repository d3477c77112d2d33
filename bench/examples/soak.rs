//! A service under load for as long as somebody likes, and its memory; and how it bears listeners that hear nothing.
//!
//! `cargo run --release -p cascade-bench --example soak [SECONDS] [LISTENERS]`; the binary `cascade` is the one beside the
//! examples. Each listener is a descriptor here and there: `ulimit -n` must allow them.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cascade_bench::service::{BODY, Client, Served, micros};
use cascade_receipt::json::{self, Value};

/// Connections under load.
const CALLERS: usize = 8;
/// How often memory is looked at, of the whole time.
const LOOKS: u64 = 20;

fn main() -> anyhow::Result<()> {
    let number = |at: usize, otherwise: u64| {
        std::env::args().nth(at).map_or(Ok(otherwise), |text| text.parse::<u64>())
    };
    let (seconds, listeners) = (number(1, 600)?, usize::try_from(number(2, 10_000)?)?);
    let stage = tempfile::tempdir()?;
    let service = Served::start(stage.path(), &stage.path().join("home"))?;
    listened(&service, listeners)?;
    soaked(&service, Duration::from_secs(seconds))
}

/// Listeners that hear nothing, and what a decision takes beside them.
fn listened(service: &Served, listeners: usize) -> anyhow::Result<()> {
    let decision = service.request("POST", "/v1/decisions", BODY);
    let timed = || -> anyhow::Result<u64> {
        let mut client = Client::connect(&service.address)?;
        client.ask(&decision)?;
        let mut took = Vec::new();
        for _ in 0..200 {
            let asked = Instant::now();
            client.ask(&decision)?;
            took.push(micros(asked.elapsed()));
        }
        took.sort_unstable();
        Ok(took.get(took.len() / 2).copied().unwrap_or_default())
    };
    let (alone, before) = (timed()?, service.memory_kib()?);
    let request = service.request("GET", "/v1/events", "");
    let began = Instant::now();
    let mut all = Vec::new();
    for _ in 0..listeners {
        let mut client = Client::connect(&service.address)?;
        client.listen(&request)?;
        all.push(client);
    }
    let took = began.elapsed().as_secs_f64();
    let after = service.memory_kib()?;
    // Each decision is told to each listener, who reads nothing.
    let mut client = Client::connect(&service.address)?;
    let asked = Instant::now();
    client.ask(&decision)?;
    let beside = micros(asked.elapsed());
    let each = after.saturating_sub(before) as f64 / all.len().max(1) as f64;
    say(&format!(
        "{} listeners in {took:.1} s: {before} KiB, then {after} KiB ({each:.1} KiB each)\n\
         a decision alone p50 {alone} us, beside them {beside} us\n",
        all.len()
    ))
}

/// Decisions with their outcomes, and the memory of the service meanwhile.
fn soaked(service: &Served, time: Duration) -> anyhow::Result<()> {
    let (count, began) = (AtomicU64::new(0), Instant::now());
    let mut seen = Vec::new();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let callers: Vec<_> =
            (0..CALLERS).map(|_| scope.spawn(|| actions(service, began + time, &count))).collect();
        for look in 1..=LOOKS {
            let due = began + time.mul_f64(look as f64 / LOOKS as f64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            seen.push(service.memory_kib()?);
        }
        callers.into_iter().try_for_each(|caller| caller.join().ok().context("a caller ended early")?)
    })?;
    let actions = count.load(Ordering::Relaxed);
    let all: Vec<String> = seen.iter().map(u64::to_string).collect();
    say(&format!(
        "{actions} actions with outcomes in {:.0} s at {CALLERS} connections; memory in KiB: {}\n",
        began.elapsed().as_secs_f64(),
        all.join(" ")
    ))
}

fn actions(service: &Served, until: Instant, count: &AtomicU64) -> anyhow::Result<()> {
    let decision = service.request("POST", "/v1/decisions", BODY);
    let mut client = Client::connect(&service.address)?;
    while Instant::now() < until {
        let decided = json::parse(&client.ask(&decision)?).context("a decision is no JSON")?;
        let id = decided.member("receipt_id").and_then(Value::as_str).context("no `receipt_id`")?;
        let outcome = r#"{"ending":"completed","exit_code":0,"output":"done"}"#;
        client.ask(&service.request("POST", &format!("/v1/actions/{id}/outcome"), outcome))?;
        count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
