//! Durable receipts: alone, and with many callers that each wait for their own.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::sample::Sample;
use crate::{percentile, sorted_us};

/// Most lone commits that are timed.
const LONE_MAX: usize = 5_000;

/// One commit of `bytes` bytes by SQLite alone.
pub(crate) fn bare_us_p50(path: &Path, bytes: usize, each: Duration) -> anyhow::Result<f64> {
    let mut bare = cascade_ledger::BareCommits::open(path)?;
    let row = vec![b'x'; bytes];
    Ok(percentile(&sorted_us(LONE_MAX, each, || Ok(bare.commit(&row)?))?, 50))
}

/// p50 and p99 of one caller.
pub(crate) fn lone_us(sample: &Sample, each: Duration) -> anyhow::Result<(f64, f64)> {
    let times = sorted_us(LONE_MAX, each, || {
        sample.ledger.append(sample.draft()?)?;
        Ok(())
    })?;
    Ok((percentile(&times, 50), percentile(&times, 99)))
}

/// Receipts per second with so many asynchronous callers: each has one receipt on its way and hands in its next
/// when that one is durable; a few threads serve them all.
pub(crate) fn durable_per_s(sample: &Sample, callers: usize, each: Duration) -> anyhow::Result<f64> {
    let done = AtomicU64::new(0);
    let started = Instant::now();
    let threads = crate::cores().min(callers);
    let serve = |callers: usize| -> anyhow::Result<()> {
        let submit = || Ok::<_, anyhow::Error>(sample.ledger.submit(sample.draft()?));
        let mut waiting = (0..callers).map(|_| submit()).collect::<Result<VecDeque<_>, _>>()?;
        while let Some(ticket) = waiting.pop_front() {
            ticket.wait()?;
            done.fetch_add(1, Ordering::Relaxed);
            if started.elapsed() < each {
                waiting.push_back(submit()?);
            }
        }
        Ok(())
    };
    let share = |thread: usize| callers / threads + usize::from(thread < callers % threads);
    std::thread::scope(|scope| {
        let serve = &serve;
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || serve(share(thread)))).collect();
        running.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(_) => Err(anyhow::anyhow!("a caller panicked")),
        })
    })?;
    let count = u32::try_from(done.into_inner()).unwrap_or(u32::MAX);
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}

/// Appends until the chain has `receipts`.
pub(crate) fn fill(sample: &Sample, receipts: u64) -> anyhow::Result<()> {
    while sample.ledger.head()?.next_seq < receipts {
        let mut tickets = Vec::new();
        for _ in 0..200 {
            tickets.push(sample.ledger.submit(sample.draft()?));
        }
        for ticket in tickets {
            ticket.wait()?;
        }
    }
    Ok(())
}
