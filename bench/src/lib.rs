//! Measures Cascade against this machine's limits, both in one run, so that ratios mean something on a
//! noisy machine. `cascade bench` prints what this gives; docs/performance.md says how to read it.
//!
//! Receipts here are real: ten gates, decided by the shipped policy, about the size stated in the figures.

mod append;
mod chain;
mod decide;
mod history;
mod route;
mod run;
mod sample;
pub mod service;
mod sign;
mod verify;
mod workflow;
mod year;

use std::path::Path;
use std::time::Duration;

pub use chain::Chain;
pub use decide::Decide;
pub use history::history;
pub use route::Route;
pub use run::Run;
pub use year::{Made, Year};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How long one rate is measured.
    pub each: Duration,
    /// How many decisions are timed for each number of policies.
    pub decisions: usize,
    /// How many receipts the verified chain has at least.
    pub receipts: u64,
    /// How many runs of `true` are timed.
    pub runs: usize,
    /// How many tasks of each kind are timed.
    pub tasks: usize,
}

impl Effort {
    /// Figures to publish.
    pub const FULL: Self =
        Self { each: Duration::from_secs(3), decisions: 20_000, receipts: 20_000, runs: 60, tasks: 500 };
    /// A look in a few seconds.
    pub const QUICK: Self =
        Self { each: Duration::from_millis(300), decisions: 5_000, receipts: 2_000, runs: 10, tasks: 100 };
}

/// Items of the fan-out whose steps are timed.
const FAN_OUT: u32 = 1_000;

/// What was measured, in the units of the names.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Processors this process may use.
    pub cores: usize,
    /// Bytes of a receipt's line in this run.
    pub receipt_bytes: usize,
    /// Bare Ed25519 signatures over 32 bytes, one core.
    pub sign_raw_per_s: f64,
    /// Whole receipts without the disk (content, hash, tag, signature, line), one core.
    pub seal_per_s: f64,
    /// One SQLite commit of a receipt's bytes, synchronous FULL, nothing of Cascade around it.
    pub commit_bare_us_p50: f64,
    /// One lone append.
    pub append_1_us_p50: f64,
    /// One lone append.
    pub append_1_us_p99: f64,
    /// Durable receipts per second by number of callers that wait for each.
    pub append_durable_per_s: [(usize, f64); 3],
    /// Verified receipts per second, all cores.
    pub verify_per_s: f64,
    /// Bare signature checks per second, all cores.
    pub verify_limit_per_s: f64,
    /// Decisions by number of policies, four of them relevant.
    pub decide: [(usize, Decide); 3],
    /// Stored facts read and decided again, per second, one core.
    pub replay_per_s: f64,
    /// `cascade run -- true` against `true`.
    pub run: Run,
    /// Tasks through the router.
    pub route: Route,
    /// What the machine of a workflow takes for each step of a fan-out over a thousand, beside the step's own receipts.
    pub step_us: f64,
}

/// Measures everything in a throw-away home under `dir`, whose disk is the one measured.
///
/// # Errors
/// When the home cannot be made or written.
pub fn measure(dir: &Path, effort: Effort, progress: &mut dyn FnMut(&str)) -> anyhow::Result<Figures> {
    let stage = tempfile::Builder::new().prefix("cascade-bench-").tempdir_in(dir)?;
    progress("making a throw-away home");
    let sample = sample::Sample::new(stage.path())?;
    progress("signing");
    let (sign_raw_per_s, seal_per_s) = sign::rates(&sample, effort.each)?;
    progress("appending");
    let commit_bare_us_p50 =
        append::bare_us_p50(&stage.path().join("bare.db"), sample.line_bytes()?, effort.each)?;
    let (append_1_us_p50, append_1_us_p99) = append::lone_us(&sample, effort.each)?;
    let rate = |callers| append::durable_per_s(&sample, callers, effort.each).map(|rate| (callers, rate));
    let append_durable_per_s = [rate(1)?, rate(16)?, rate(256)?];
    progress("verifying");
    append::fill(&sample, effort.receipts)?;
    let (verify_per_s, verify_limit_per_s) = verify::rates(&sample, effort.each)?;
    progress("deciding");
    let time = |policies| decide::time(policies, effort.decisions).map(|times| (policies, times));
    let decide = [time(10)?, time(100)?, time(1000)?];
    let replay_per_s = decide::replay_per_s(effort.each)?;
    progress("running");
    let run = run::times(stage.path(), effort.runs)?;
    progress("routing");
    let route = route::times(stage.path(), effort.tasks)?;
    let step_us = workflow::us_per_step(FAN_OUT)?;
    Ok(Figures {
        cores: cores(),
        receipt_bytes: sample.line_bytes()?,
        sign_raw_per_s,
        seal_per_s,
        commit_bare_us_p50,
        append_1_us_p50,
        append_1_us_p99,
        append_durable_per_s,
        verify_per_s,
        verify_limit_per_s,
        decide,
        replay_per_s,
        run,
        route,
        step_us,
    })
}

/// Durable receipts per second with so many asynchronous callers, in a home under `dir`.
///
/// # Errors
/// When the home cannot be made or written.
pub fn durable(dir: &Path, callers: usize, each: Duration) -> anyhow::Result<f64> {
    append::durable_per_s(&sample::Sample::new(dir)?, callers, each)
}

/// p50 and p99 of a lone append in microseconds, in a home under `dir`.
///
/// # Errors
/// When the home cannot be made or written.
pub fn lone_us(dir: &Path, each: Duration) -> anyhow::Result<(f64, f64)> {
    append::lone_us(&sample::Sample::new(dir)?, each)
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// How often `work` can be done in a second, measured for about `each`.
pub(crate) fn per_second(
    each: Duration,
    mut work: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<f64> {
    let started = std::time::Instant::now();
    let mut count = 0_u32;
    while started.elapsed() < each {
        for _ in 0..16 {
            work()?;
        }
        count += 16;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}

/// The value below which `part` per cent of `sorted` lie.
pub(crate) fn percentile(sorted: &[f64], part: usize) -> f64 {
    let index = (sorted.len() * part / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

/// Microseconds of `count` calls at most, for about `each`, sorted.
pub(crate) fn sorted_us(
    count: usize,
    each: Duration,
    mut work: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<f64>> {
    let begun = std::time::Instant::now();
    let mut times = Vec::new();
    while times.len() < count && (begun.elapsed() < each || times.len() < 10) {
        let started = std::time::Instant::now();
        work()?;
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}
