//! A chain of a million receipts: how long its search index takes, and how long the lineage of any receipt.
//!
//! `cargo run --release -p cascade-bench --example search PATH_OF_CASCADE [RECEIPTS [DIR]]`; a home in DIR is kept.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context as _;
use cascade_receipt::json::{self, Value};

/// Receipts whose lineage is asked for.
const ASKED: u64 = 200;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let cascade = words.first().context("say where cascade is")?;
    let receipts = words.get(1).map_or(Ok(1_000_000), |word| word.parse())?;
    let stage = tempfile::tempdir()?;
    let home = words.get(2).map_or(stage.path(), std::path::Path::new).join("home");
    let started = Instant::now();
    let ledger = cascade_bench::history(stage.path(), &home, receipts)?;
    tell(&format!("{} receipts in {:.1} s", ledger.head()?.next_seq, started.elapsed().as_secs_f64()));
    let (started, before) = (Instant::now(), processor_s()?);
    ledger.with_index(&mut |_, _| (), |_| Ok(()))?;
    let size = std::fs::metadata(ledger.dir().join("index.db"))?.len();
    let (seconds, processor) = (started.elapsed().as_secs_f64(), processor_s()? - before);
    tell(&format!("indexed in {seconds:.1} s ({processor:.1} s of a processor), {size} bytes"));
    let ids: Vec<String> = (0..ASKED)
        .map(|number| {
            // Spread over the whole chain, neighbours far apart.
            let seq = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % receipts;
            let line = ledger.lines(seq..seq + 1).next().context("no such receipt")??;
            let receipt = json::parse(line.text.as_bytes()).map_err(|fault| anyhow::anyhow!("{fault}"))?;
            Ok(receipt.member("receipt_id").and_then(Value::as_str).context("no id")?.to_owned())
        })
        .collect::<anyhow::Result<_>>()?;
    drop(ledger);
    for args in [&["lineage"][..], &["lineage", "--forward"], &["log", "--code", "failfast"]] {
        let mut times = Vec::new();
        for id in &ids {
            let id = if args.contains(&"lineage") { Some(id) } else { None };
            let started = Instant::now();
            let mut command = Command::new(cascade);
            command.arg("--home").arg(&home).args(args).args(id).stdout(Stdio::null());
            anyhow::ensure!(command.status()?.success(), "{args:?} failed");
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        let longest = times.last().copied().unwrap_or_default();
        tell(&format!(
            "{}: p50 {:.0} ms, p99 {:.0} ms, longest {longest:.0} ms",
            args.join(" "),
            at(50),
            at(99)
        ));
    }
    Ok(())
}

/// What the processor has spent on this thread.
fn processor_s() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let spent: f64 = text.split(' ').next().context("no schedstat")?.parse()?;
    Ok(spent / 1e9)
}

fn tell(line: &str) {
    // With standard output gone there is nobody left to tell.
    drop(writeln!(std::io::stdout(), "{line}"));
}
