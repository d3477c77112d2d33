//! A chain of a million receipts: how much memory and time its verification takes, and a proof out of it.
//!
//! `cargo run --release -p cascade-bench --example million [RECEIPTS]`

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use cascade_bench::Chain;
use cascade_receipt::verify::Options;

/// Proofs that are timed.
const PROOFS: u64 = 2_000;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [word, file] = words.as_slice()
        && word == "verify"
    {
        return verify(Path::new(file));
    }
    let receipts = words.first().map_or(Ok(1_000_000), |word| word.parse())?;
    let stage = tempfile::tempdir()?;
    let chain = Chain::of(stage.path(), receipts)?;
    let file = stage.path().join("chain.receipts.jsonl");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&file)?);
    chain.export(&mut out)?;
    out.flush()?;
    tell(&format!("{receipts} receipts, {} bytes", file.metadata()?.len()));
    proofs(&chain, receipts)?;
    drop(chain);
    // In a process of its own, so that its memory is the verifier's alone.
    let done = Command::new(std::env::current_exe()?).arg("verify").arg(&file).status()?;
    anyhow::ensure!(done.success(), "the verification failed");
    Ok(())
}

fn proofs(chain: &Chain, receipts: u64) -> anyhow::Result<()> {
    let mut tree = chain.tree()?;
    let mut times = Vec::new();
    let mut longest = 0;
    for number in 0..PROOFS {
        // Spread over the whole chain, neighbours far apart.
        let seq = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % receipts;
        let hash = chain.entry_hash(seq)?;
        let started = Instant::now();
        let path = black_box(tree.inclusion(seq, &hash, receipts)?);
        times.push(started.elapsed().as_secs_f64() * 1e6);
        longest = longest.max(path.len() * 45);
    }
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    tell(&format!("inclusion proof: p50 {:.1} us, p99 {:.1} us, at most {longest} bytes", at(50), at(99)));
    Ok(())
}

fn verify(file: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut source = std::fs::File::open(file)?;
    let verdict = cascade_verify::verify(&mut source, Options::default(), |_| {})?;
    let seconds = started.elapsed().as_secs_f64();
    anyhow::ensure!(verdict.valid(), "not valid");
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    tell(&format!("verified {} receipts in {seconds:.1} s, peak memory {}", verdict.receipts(), peak.trim()));
    Ok(())
}

fn tell(line: &str) {
    // With standard output gone there is nobody left to tell.
    drop(writeln!(std::io::stdout(), "{line}"));
}
