//! Replay of the local chain: its decisions made again, on all cores, in bounded memory, with nothing written.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use cascade_audit::replay::{Past, Scan, Tally, Under};
use cascade_ledger::{Fault, Reader};
use cascade_policy::decide::STACK_BYTES;
use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::time::Timestamp;

/// Receipts that one thread takes at a time.
const SHARE: u64 = 2_048;
/// Shares that may wait to be joined.
const WAITING_MAX: usize = 64;
/// Most threads.
const THREADS_MAX: usize = 64;

/// Why the chain could not be replayed to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
    /// No thread could be started.
    #[error("couldn't start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// A thread ended without an answer.
    #[error("a thread ended before it had counted its share")]
    Lost,
}

/// What a scan reads of a ledger.
struct Stored<'a>(&'a Reader);

impl Past for Stored<'_> {
    type Fault = Fault;

    fn private(&self, hash: &Digest) -> Result<Option<(Nonce, Vec<u8>)>, Fault> {
        self.0.private(hash)
    }

    fn text(&self, hash: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        self.0.blob(hash)
    }

    fn is_erased(&self, id: ReceiptId) -> Result<bool, Fault> {
        Ok(self.0.erased_by(id)?.is_some())
    }
}

/// Makes the decisions of these receipts again. `progress` is told how many receipts are done.
///
/// The receipts are counted in shares, on as many threads as there are cores, and the shares joined in the order of the
/// chain: the result is the same whoever counts.
///
/// # Errors
/// [`ReplayError`]. What is wrong with a receipt is counted in the [`Tally`].
pub fn scan(
    reader: &Reader,
    seqs: Range<u64>,
    under: &Under,
    mut progress: impl FnMut(u64),
) -> Result<Tally, ReplayError> {
    let shares = seqs.end.saturating_sub(seqs.start).div_ceil(SHARE);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let threads = threads.min(usize::try_from(shares).unwrap_or(usize::MAX)).max(1);
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel(WAITING_MAX);
        for _ in 0..threads {
            let (own, under, send, seqs) = (reader.another()?, under.clone(), send.clone(), seqs.clone());
            let take = Take { next: &next, stop: &stop, shares, seqs };
            let work = move || take.all(&own, under, &send);
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work)?;
        }
        drop(send);
        let joined = join(&receive, shares, &mut progress);
        // Whoever still counts after a fault counts for nobody.
        stop.store(true, Ordering::Relaxed);
        drop(receive);
        joined
    })
}

/// How threads share the work.
struct Take<'a> {
    next: &'a AtomicU64,
    stop: &'a AtomicBool,
    shares: u64,
    seqs: Range<u64>,
}

type Counted = (u64, Result<Tally, Fault>);

impl Take<'_> {
    fn all(&self, reader: &Reader, under: Under, send: &SyncSender<Counted>) {
        let mut scan = Scan::new(Stored(reader), under);
        while !self.stop.load(Ordering::Relaxed) {
            let share = self.next.fetch_add(1, Ordering::Relaxed);
            if share >= self.shares {
                return;
            }
            let start = self.seqs.start + share * SHARE;
            let counted = count(reader, start..(start + SHARE).min(self.seqs.end), &mut scan);
            if send.send((share, counted)).is_err() {
                return;
            }
        }
    }
}

/// The lines of these places, as they are stored, whatever they hold.
fn count<P: Past<Fault = Fault>>(
    reader: &Reader,
    seqs: Range<u64>,
    scan: &mut Scan<P>,
) -> Result<Tally, Fault> {
    let mut tally = Tally::default();
    let mut next = seqs.start;
    while next < seqs.end {
        let stored = reader.stored_from(next)?.filter(|stored| stored.first_seq < seqs.end);
        let Some(stored) = stored else { break };
        (next..stored.first_seq).for_each(|seq| tally.gap(seq));
        let body = stored.bytes.strip_suffix(b"\n").unwrap_or(&stored.bytes);
        let lines = (stored.first_seq..stored.next_seq).zip(body.split(|byte| *byte == b'\n'));
        let mut through = stored.first_seq;
        for (seq, line) in lines {
            through = seq + 1;
            if seqs.contains(&seq) {
                scan.line(seq, line, &mut tally)?;
            }
        }
        // A commit that holds fewer lines than it says.
        (through.max(next)..stored.next_seq.min(seqs.end)).for_each(|seq| tally.gap(seq));
        next = stored.next_seq;
    }
    (next..seqs.end).for_each(|seq| tally.gap(seq));
    Ok(tally)
}

fn join(
    receive: &Receiver<Counted>,
    shares: u64,
    progress: &mut impl FnMut(u64),
) -> Result<Tally, ReplayError> {
    let mut all = Tally::default();
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (share, counted) in receive {
        early.insert(share, counted?);
        while let Some(counted) = early.remove(&next) {
            all.extend(counted);
            next += 1;
        }
        progress(all.receipts);
    }
    if next == shares { Ok(all) } else { Err(ReplayError::Lost) }
}

/// The place of the first receipt of this moment or later. Times never fall, but for a corrected clock; the first place
/// found is then one of several.
///
/// # Errors
/// [`Fault`] when the ledger cannot be read.
pub fn first_since(reader: &Reader, since: Timestamp) -> Result<u64, Fault> {
    let (mut low, mut high) = (0, reader.head()?.next_seq);
    while low < high {
        let middle = low + (high - low) / 2;
        match time_at(reader, middle)? {
            Some(time) if time >= since => high = middle,
            _ => low = middle + 1,
        }
    }
    Ok(low)
}

fn time_at(reader: &Reader, seq: u64) -> Result<Option<Timestamp>, Fault> {
    let line = reader.lines(seq..seq + 1).next().transpose()?;
    let receipt = line.and_then(|line| json::parse(line.text.as_bytes()).ok());
    Ok(receipt.and_then(|one| Timestamp::parse(one.member("timestamp").and_then(Value::as_str)?)))
}
