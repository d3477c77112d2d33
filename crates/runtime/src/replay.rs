//! Replay of the local chain: its decisions made again, on all cores, in bounded memory, with nothing written.

mod document;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use cascade_audit::replay::{Past, Scan, Tally, Under, says_erased};
use cascade_ledger::{Fault, Found, Reader};
use cascade_policy::decide::STACK_BYTES;
use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::time::Timestamp;

pub use document::{Told, command, named};

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
        // The view that leads there is derived; what it leads to must say so itself.
        let Some(by) = self.reader.erased_by(id)? else { return Ok(false) };
        Ok(match self.reader.find(&by.receipt_id.to_string())? {
            Found::One(_, _, line) => says_erased(&line, id),
            _ => false,
        })
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

/// What was counted of the shares from `share` on, up to `upto`.
struct Counted {
    share: u64,
    upto: u64,
    tally: Result<Tally, Fault>,
}

impl Take<'_> {
    fn all(&self, reader: &Reader, under: Under, send: &SyncSender<Counted>) {
        let mut scan = Scan::new(Stored::new(reader), under);
        while !self.stop.load(Ordering::Relaxed) {
            let share = self.next.fetch_add(1, Ordering::Relaxed);
            if share >= self.shares {
                return;
            }
            let start = self.seqs.start + share * SHARE;
            let counted = match self.gap(reader, share, start) {
                Ok(Some((upto, tally))) => Counted { share, upto, tally: Ok(tally) },
                Ok(None) => {
                    let seqs = start..(start + SHARE).min(self.seqs.end);
                    Counted { share, upto: share + 1, tally: count(reader, seqs, &mut scan) }
                }
                Err(fault) => Counted { share, upto: share + 1, tally: Err(fault) },
            };
            if send.send(counted).is_err() {
                return;
            }
        }
    }
}

impl Take<'_> {
    /// The shares from this one on in which nothing is, at once: a gap may be longer than any chain.
    fn gap(&self, reader: &Reader, share: u64, start: u64) -> Result<Option<(u64, Tally)>, Fault> {
        let found = reader.stored_from(start)?.map_or(self.seqs.end, |stored| stored.first_seq);
        let upto = match found.min(self.seqs.end) {
            end if end == self.seqs.end => self.shares,
            end => (end.saturating_sub(self.seqs.start)) / SHARE,
        };
        if upto <= share + 1 {
            return Ok(None);
        }
        self.next.fetch_max(upto, Ordering::Relaxed);
        let mut tally = Tally::default();
        tally.gap(start..(self.seqs.start + upto * SHARE).min(self.seqs.end));
        Ok(Some((upto, tally)))
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
            tally.gap(next..commit.first_seq);
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
            tally.gap(through.max(next)..commit.next_seq.min(seqs.end));
            next = commit.next_seq.max(next);
        }
    }
    tally.gap(next..seqs.end);
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
    for Counted { share, upto, tally } in receive {
        early.insert(share, (upto, tally?));
        while let Some(first) = early.first_entry().filter(|first| *first.key() <= next) {
            // What a gap has covered already was empty.
            if let (share, (upto, counted)) = first.remove_entry()
                && share == next
            {
                all.extend(counted);
                next = upto;
            }
        }
        progress(all.receipts);
    }
    if next == shares { Ok(all) } else { Err(ReplayError::Lost) }
}

/// The place of the first receipt of this moment or later. Times never fall, but for a corrected clock; the first place
/// found is then one of several. What cannot be read stands with what comes before the next that can.
///
/// # Errors
/// [`Fault`] when the ledger cannot be read.
pub fn first_since(reader: &Reader, since: Timestamp) -> Result<u64, Fault> {
    let (mut low, mut high) = (0, reader.head()?.next_seq);
    while low < high {
        let middle = low + (high - low) / 2;
        match time_from(reader, middle..high)? {
            Some((at, time)) if time < since => low = at + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The first of these places whose receipt can be read, and its time.
fn time_from(reader: &Reader, mut seqs: Range<u64>) -> Result<Option<(u64, Timestamp)>, Fault> {
    while !seqs.is_empty() {
        let commits = reader.stored(seqs.clone(), 1)?;
        let Some(commit) = commits.first() else { return Ok(None) };
        let lines = (commit.first_seq..).zip(lines_of(&commit.bytes));
        let read = |line: &[u8]| {
            let receipt = json::parse(line).ok()?;
            Timestamp::parse(receipt.member("timestamp").and_then(Value::as_str)?)
        };
        let found =
            lines.filter(|(seq, _)| seqs.contains(seq)).find_map(|(seq, line)| Some((seq, read(line)?)));
        if found.is_some() {
            return Ok(found);
        }
        seqs.start = commit.next_seq.max(seqs.start + 1);
    }
    Ok(None)
}
