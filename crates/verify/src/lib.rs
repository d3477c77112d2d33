//! Reads a ledger from a stream and has it verified.
//!
//! The verifier itself is pure and lives in [`cascade_receipt::verify`]; this crate adds the reading
//! and the threads. Lines are prepared (parsed, hashed, signature checked) in batches on all cores
//! and then judged in order, which cannot change a verdict: see [`Prepared`].

pub mod inputs;
pub mod memory;
pub mod timestamps;

use std::io::Read;
use std::thread;

use cascade_receipt::bundle::{self, BUNDLE_BYTES_MAX, LOOK_BYTES};
use cascade_receipt::chain::LINE_BYTES_MAX;
use cascade_receipt::verify::{Options, Prepared, Verdict, Verifier, verify_bundle};

use memory::{Known, Memory};

/// Bytes read before a batch is judged. Bounds the memory of a verification.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Lines that one thread must have to be worth starting.
const LINES_PER_THREAD_MIN: usize = 64;
/// Most threads; beyond it the reading and judging in order is the limit.
const THREADS_MAX: usize = 16;

/// Verifies the ledger or bundle that `source` gives. `progress` is told after each batch how many receipts
/// were found good.
///
/// # Errors
/// When reading fails, which is not the same as bad evidence.
pub fn verify(
    source: &mut impl Read,
    options: Options,
    progress: impl FnMut(u64),
) -> std::io::Result<Verdict> {
    let first = first_bytes(source)?;
    let mut source = first.as_slice().chain(source);
    if bundle::begins(&first) {
        return Ok(verify_bundle(&whole_bundle(&mut source)?, options));
    }
    Ok(read(&mut source, options, BATCH_BYTES, progress, |_| Ok(()))?.finish())
}

fn first_bytes(source: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut first = Vec::new();
    source.take(LOOK_BYTES as u64).read_to_end(&mut first)?;
    Ok(first)
}

/// One byte more than a bundle may have is read, and then refused.
fn whole_bundle(source: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(BUNDLE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A verdict, and why it could not be remembered.
#[derive(Debug)]
pub struct Checked {
    /// The verdict.
    pub verdict: Verdict,
    /// Set when a valid history could not be kept for next time.
    pub unremembered: Option<anyhow::Error>,
}

/// Like [`verify`], and compares with what `memory` holds of the chain. A valid history is
/// remembered in turn.
///
/// # Errors
/// When reading fails, or the memory cannot be read.
pub fn verify_with_memory(
    source: &mut impl Read,
    options: Options,
    memory: &Memory,
    progress: impl FnMut(u64),
) -> anyhow::Result<Checked> {
    let first = first_bytes(source)?;
    let mut source = first.as_slice().chain(source);
    if bundle::begins(&first) {
        return bundle_with_memory(&whole_bundle(&mut source)?, options, memory);
    }
    let mut before: Option<Known> = None;
    let recall = |verifier: &mut Verifier| {
        if let Some(identity) = verifier.identity().filter(|_| before.is_none()) {
            let known = memory.recall(&identity).map_err(std::io::Error::other)?;
            known.own.into_iter().for_each(|own| verifier.remember(own));
            if known.other_genesis {
                verifier.remember_other_genesis();
            }
            before = Some(known);
        }
        Ok(())
    };
    let verdict = read(&mut source, options, BATCH_BYTES, progress, recall)?.finish();
    let remembered = match (verdict.identity(), verdict.remembered()) {
        (Some(identity), Some(now)) => memory.remember(identity, before.unwrap_or_default(), now),
        _ => Ok(()),
    };
    Ok(Checked { verdict, unremembered: remembered.err() })
}

/// A bundle does not show what lies between its receipts, so it is compared and not remembered.
fn bundle_with_memory(bytes: &[u8], options: Options, memory: &Memory) -> anyhow::Result<Checked> {
    let mut verdict = verify_bundle(bytes, options.clone());
    let known = verdict.identity().map(|chain| memory.recall(chain)).transpose()?.unwrap_or_default();
    if known != Known::default() {
        let options = Options { memory: known.own, other_genesis: known.other_genesis, ..options };
        verdict = verify_bundle(bytes, options);
    }
    Ok(Checked { verdict, unremembered: None })
}

/// `batch_bytes` is more than a line has, or a batch could hold no whole line. `look` sees the verifier
/// after each batch.
fn read(
    source: &mut impl Read,
    options: Options,
    batch_bytes: usize,
    mut progress: impl FnMut(u64),
    mut look: impl FnMut(&mut Verifier) -> std::io::Result<()>,
) -> std::io::Result<Verifier> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let mut verifier = Verifier::new(options);
    let mut batch = Vec::new();
    while !verifier.stopped() {
        let more = fill(source, &mut batch, batch_bytes)?;
        let whole = batch.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let (lines, tail) = batch.split_at(whole);
        judge(&mut verifier, lines, threads);
        look(&mut verifier)?;
        progress(verifier.receipts());
        if !more || tail.len() > LINE_BYTES_MAX {
            // What is left has no line feed; the verifier says what is wrong with it.
            verifier.feed(tail);
            break;
        }
        batch = tail.to_vec();
    }
    Ok(verifier)
}

/// Reads until the batch is full or the source ends; false at the end.
fn fill(source: &mut impl Read, batch: &mut Vec<u8>, batch_bytes: usize) -> std::io::Result<bool> {
    let room = batch_bytes.saturating_sub(batch.len());
    let taken = source.take(u64::try_from(room).unwrap_or(u64::MAX)).read_to_end(batch)?;
    Ok(taken == room)
}

fn judge(verifier: &mut Verifier, lines: &[u8], threads: usize) {
    let lines: Vec<&[u8]> = lines.split_inclusive(|byte| *byte == b'\n').map(without_lf).collect();
    let (first, rest) = lines.split_at(lines.len().min(1));
    // The first line of a ledger brings the keys that the rest is checked ahead with.
    first.iter().for_each(|line| verifier.line(line));
    let share = rest.len().div_ceil(threads).max(LINES_PER_THREAD_MIN);
    let keys = verifier.keys();
    let prepared: Vec<Vec<Prepared<'_>>> = thread::scope(|scope| {
        let running: Vec<_> = rest
            .chunks(share)
            .map(|chunk| {
                let keys = &keys;
                scope.spawn(move || chunk.iter().map(|line| Prepared::new(line, keys)).collect())
            })
            .collect();
        running.into_iter().map(joined).collect()
    });
    prepared.into_iter().flatten().for_each(|line| verifier.accept(line));
}

fn without_lf(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// A line that makes a thread panic must not be skipped: the panic goes on here.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_across_batches() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/valid-long.vector");
        let bytes = std::fs::read(path).expect("the vector");
        let start = bytes.windows(2).position(|window| window == b"\n\n").expect("an empty line") + 2;
        let mut ledger = bytes[start..].to_vec();
        assert!(ledger.len() > LINE_BYTES_MAX + 2, "more than one batch");
        let mut told = Vec::new();
        let mut judge = |ledger: &[u8]| {
            let mut source = ledger;
            let batch_bytes = LINE_BYTES_MAX + 2;
            let look = |_: &mut Verifier| Ok(());
            read(&mut source, Options::default(), batch_bytes, |count| told.push(count), look)
                .map(Verifier::finish)
        };
        assert!(judge(&ledger).expect("reads").valid());
        ledger.pop();
        let verdict = judge(&ledger).expect("reads");
        assert_eq!(verdict.fault().map(|fault| (fault.code.as_str(), fault.seq)), Some(("syntax.torn", 80)));
        ledger.push(b'\n');
        ledger.resize(ledger.len() + LINE_BYTES_MAX + 1, b'x');
        let verdict = judge(&ledger).expect("reads");
        let fault = verdict.fault().map(|fault| (fault.code.as_str(), fault.seq));
        assert_eq!(fault, Some(("syntax.line_length", 81)));
        assert_eq!(told.get(1), Some(&81), "the second batch is the last");
    }
}
