//! A year of a small company, a million receipts of real decisions from a seed, made again: how fast beside the gate's own
//! rate, and in how much memory; and under a policy that has drifted by a known number of them.
//!
//! `cargo run --release -p cascade-bench --example year [RECEIPTS [SEED]]`, or in parts: `year make DIR RECEIPTS SEED`
//! leaves a home in `DIR/home`, `year replay DIR` measures on it.

use std::hint::black_box;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use cascade_audit::replay::Under;
use cascade_bench::Year;
use cascade_ledger::{Home, Reader, TenantId};
use cascade_policy::decide::decide;
use cascade_policy::facts::Facts;
use cascade_policy::snapshot::{Snapshot, SnapshotSource};
use cascade_receipt::digest::Digest;
use cascade_receipt::json::{self, Value};
use cascade_receipt::time::Timestamp;
use cascade_runtime::{policy_store, replay};

/// Where the year begins: 2025-11-26T00:00:00Z.
const BEGINS_MS: u64 = 1_764_115_200_000;
/// How long it is.
const YEAR_MS: u64 = 365 * 24 * 3_600_000;
/// Decisions by which the gate's own rate is measured.
const SAMPLE: usize = 20_000;
/// Names the file with the time.
const CLOCK: &str = "CASCADE_YEAR_CLOCK";

/// What the drifted policy denies, and how.
const DRIFTS: (&str, &str) = (
    "kubectl delete",
    "@id(\"no-deletes\") forbid (principal, action, resource == Program::\"kubectl\") when { context.subcommand == \"delete\" };",
);

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["make", dir, receipts, seed] if std::env::var_os(CLOCK).is_some() => {
            make(Path::new(dir), receipts.parse()?, seed.parse()?)
        }
        ["make", dir, receipts, seed] => under_clock(Path::new(dir), &["make", dir, receipts, seed]),
        ["replay", dir] => measure(Path::new(dir)),
        rest => {
            let stage = tempfile::tempdir()?;
            let dir = stage.path().to_str().context("the temporary directory has no name in UTF-8")?;
            let (receipts, seed) = (rest.first().unwrap_or(&"1000000"), rest.get(1).unwrap_or(&"7"));
            under_clock(stage.path(), &["make", dir, receipts, seed])?;
            // In a process of its own, so that its memory is the replay's alone.
            run(Command::new(std::env::current_exe()?).args(["replay", dir]))
        }
    }
}

/// This program again, with a wall clock that it sets itself.
fn under_clock(dir: &Path, words: &[&str]) -> anyhow::Result<()> {
    let (source, library, clock) = (dir.join("year.c"), dir.join("year.so"), dir.join("clock"));
    std::fs::write(&source, include_str!("year.c"))?;
    std::fs::write(&clock, BEGINS_MS.to_ne_bytes())?;
    run(Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source))?;
    run(Command::new(std::env::current_exe()?).args(words).env("LD_PRELOAD", library).env(CLOCK, clock))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    anyhow::ensure!(command.status()?.success(), "{command:?} failed");
    Ok(())
}

fn make(dir: &Path, receipts: u64, seed: u64) -> anyhow::Result<()> {
    let clock = std::fs::OpenOptions::new().write(true).open(dir.join("clock"))?;
    let began = Instant::now();
    let mut year = Year::new(dir, seed)?;
    let mut unset = None;
    year.grow(receipts, |length| {
        let ms = BEGINS_MS + YEAR_MS / receipts.max(1) * length;
        unset = clock.write_all_at(&ms.to_ne_bytes(), 0).err().or(unset.take());
        Timestamp::from_ms(ms)
    })?;
    anyhow::ensure!(unset.is_none(), "couldn't set the clock: {unset:?}");
    let made = &year.made;
    let planted = |verdict| made.commands.get(&(DRIFTS.0.to_owned(), verdict)).copied().unwrap_or_default();
    std::fs::write(dir.join("planted"), (planted("admit") + planted("escalate")).to_string())?;
    tell(&format!(
        "{} receipts in {:.0} s, {} decisions: {:?}",
        year.ledger().head()?.next_seq,
        began.elapsed().as_secs_f64(),
        made.decisions,
        made.verdicts
    ));
    Ok(())
}

fn measure(dir: &Path) -> anyhow::Result<()> {
    let reader = Home::open(&dir.join("home"))?.open_tenant_read_only(&TenantId::parse("default")?)?;
    let gate = gate_per_s(&reader)?;
    let cores = std::thread::available_parallelism()?.get();
    let whole = 0..reader.head()?.next_seq;
    let began = Instant::now();
    let tally = replay::scan(&reader, whole, &Under::Then, |_| {})?;
    let seconds = began.elapsed().as_secs_f64();
    anyhow::ensure!(tally.is_clean() && tally.matches == tally.decisions, "not the same: {tally:?}");
    let decisions = u32::try_from(tally.decisions).unwrap_or(u32::MAX);
    let rate = f64::from(decisions) / seconds;
    let cores = f64::from(u32::try_from(cores).unwrap_or(1));
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    tell(&format!(
        "replayed {} receipts, {decisions} decisions, all the same, in {seconds:.1} s: {rate:.0} /s; the gate alone {gate:.0} /s on one core; {:.0} % of {cores} cores; peak memory {}",
        tally.receipts,
        rate / (cores * gate) * 100.0,
        peak.trim()
    ));
    drift(dir, &reader)
}

/// The policy of then with one rule more finds the decisions that the rule turns, and no other.
fn drift(dir: &Path, reader: &Reader) -> anyhow::Result<()> {
    let planted: u64 = std::fs::read_to_string(dir.join("planted"))?.parse()?;
    let mut source = SnapshotSource::bundled();
    source.policies.push(("drift.cedar".to_owned(), DRIFTS.1.to_owned()));
    let candidate = Snapshot::compile(&source).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
    let began = Instant::now();
    let whole = 0..reader.head()?.next_seq;
    let tally = replay::scan(reader, whole, &Under::Candidate(Arc::new(candidate)), |_| {})?;
    let denied = tally.changed_to("newly_denied");
    anyhow::ensure!(
        denied == planted && tally.divergences == planted && tally.unknown == 0,
        "planted {planted}: {tally:?}"
    );
    tell(&format!(
        "{denied} of {planted} planted divergences found, no other, in {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Decisions per second over facts of this chain that lie ready, on one core.
fn gate_per_s(reader: &Reader) -> anyhow::Result<f64> {
    let (snapshot, _) = policy_store::in_force(reader)?;
    let mut ready = Vec::new();
    for line in reader.lines(0..reader.head()?.next_seq) {
        let receipt = json::parse(line?.text.as_bytes()).map_err(|fault| anyhow::anyhow!("{fault}"))?;
        let hash = receipt
            .member("content")
            .and_then(|content| content.member("facts_hash"))
            .and_then(Value::as_str);
        let Some(hash) = hash.and_then(Digest::from_hex) else { continue };
        let (_, bytes) = reader.private(&hash)?.context("facts are missing")?;
        let value = json::parse(&bytes).map_err(|fault| anyhow::anyhow!("{fault}"))?;
        ready.push(Facts::from_json(&value)?);
        if ready.len() == SAMPLE {
            break;
        }
    }
    for facts in &ready {
        drop(black_box(decide(&snapshot, facts)));
    }
    let began = Instant::now();
    for facts in &ready {
        drop(black_box(decide(&snapshot, black_box(facts))));
    }
    Ok(f64::from(u32::try_from(ready.len())?) / began.elapsed().as_secs_f64())
}

fn tell(line: &str) {
    // With standard output gone there is nobody left to tell.
    drop(writeln!(std::io::stdout(), "{line}"));
}
