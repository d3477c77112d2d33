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
const SHARE: u64 = 8_192;
/// Shares that may wait to be joined.
const WAITING_MAX: usize = 64;
/// Private items that are read ahead, at least and at most, and their bytes.
const STRETCH_MIN: usize = 4;
const STRETCH_MAX: usize = 1_024;
const STRETCH_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of lines that one thread reads at once.
const LINES_BYTES: usize = 4 * 1024 * 1024;
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

/// What a scan reads of a ledger. Actions and facts were stored in about the order of the log, so that a stretch of them
/// is read at once.
struct Stored<'a> {
    reader: &'a Reader,
    ahead: BTreeMap<Digest, (Nonce, Vec<u8>)>,
    /// Items of the next stretch.
    stretch: usize,
    /// Items of the last one that were wanted.
    wanted: usize,
}

impl<'a> Stored<'a> {
    const fn new(reader: &'a Reader) -> Self {
        Self { reader, ahead: BTreeMap::new(), stretch: STRETCH_MIN, wanted: STRETCH_MIN }
    }

    fn take(&mut self, hash: &Digest) -> Option<(Nonce, Vec<u8>)> {
        let taken = self.ahead.remove(hash);
        self.wanted += usize::from(taken.is_some());
        taken
    }
}

impl Past for Stored<'_> {
    type Fault = Fault;

    fn facts(&mut self, hash: &Digest) -> Result<Option<(Nonce, Vec<u8>)>, Fault> {
        if let Some(taken) = self.take(hash) {
            return Ok(Some(taken));
        }
        // Where they lie in another order, reading ahead costs more than it brings.
        let helped = self.wanted * 2 >= self.stretch;
        self.stretch = if helped { self.stretch * 2 } else { self.stretch / 4 };
        self.stretch = self.stretch.clamp(STRETCH_MIN, STRETCH_MAX);
        self.wanted = 0;
        let items = self.reader.private_from(hash, self.stretch, STRETCH_BYTES)?;
        self.ahead = items.into_iter().map(|kept| (kept.hash, (kept.nonce, kept.bytes))).collect();
        Ok(self.take(hash))
    }

    fn private(&mut self, hash: &Digest) -> Result<Option<(Nonce, Vec<u8>)>, Fault> {
        match self.take(hash) {
            Some(taken) => Ok(Some(taken)),
            None => self.reader.private(hash),
        }
    }

    fn text(&self, hash: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        self.reader.blob(hash)
    }

    fn is_erased(&self, id: ReceiptId) -> Result<bool, Fault> {
        Ok(self.reader.erased_by(id)?.is_some())
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
        let mut scan = Scan::new(Stored::new(reader), under);
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
        let commits = reader.stored(next..seqs.end, LINES_BYTES)?;
        if commits.is_empty() {
            break;
        }
        for commit in commits {
            (next..commit.first_seq).for_each(|seq| tally.gap(seq));
            let body = commit.bytes.strip_suffix(b"\n").unwrap_or(&commit.bytes);
            let lines = (commit.first_seq..commit.next_seq).zip(lines_of(body));
            let mut through = commit.first_seq;
            for (seq, line) in lines {
                through = seq + 1;
                if seqs.contains(&seq) {
                    scan.line(seq, line, &mut tally)?;
                }
            }
            // A commit that holds fewer lines than it says.
            (through.max(next)..commit.next_seq.min(seqs.end)).for_each(|seq| tally.gap(seq));
            next = commit.next_seq.max(next);
        }
    }
    (next..seqs.end).for_each(|seq| tally.gap(seq));
    Ok(tally)
}

/// Like `split`, eight bytes and more at a time.
fn lines_of(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(b'\n', body).chain([body.len()]);
    ends.scan(0, |start, end| {
        let line = body.get(*start..end);
        *start = end + 1;
        line
    })
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
