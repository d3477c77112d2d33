//! The state of a chain as of any of its receipts.
//!
//! Views follow from the log, so the views of a moment are those that the log up to there gives: they are made again in
//! memory, line by line, by the function that makes the real ones. A [`Reader`] over them answers every question as it
//! would have been answered then; lines come from the log as it lies on the disk, private bytes from today's vault,
//! since what was erased is gone for every moment. Nothing is written.
//!
//! A step back undoes what its receipt changed ([`undo`]); where that is not in mind any more, the nearest snapshot
//! ([`snapshots`]) is built upon. Both are bounded in memory, whatever the chain's length.
//!
//! Links and hashes are checked on the way. Behind a line that does not follow nothing is known: the state stays that
//! of the line before, and [`Timeline::broken`] says where and why.

mod cells;
mod snapshots;
#[cfg(test)]
mod tests;
mod undo;

use cascade_receipt::chain::GENESIS_PREV;
use cascade_receipt::digest::Digest;
use cascade_receipt::json;
use cascade_receipt::time::Timestamp;
use rusqlite::Connection;

use crate::fault::Fault;
use crate::fsck::{Finding, FsckReport};
use crate::head::{Head, HeadRow};
use crate::reader::Reader;
use crate::schema::VIEWS;
use crate::segment::{self, Segment};
use crate::store::Database;
use crate::views;
use crate::walk::{self, Read};

pub use cells::{Cell, RowChange};
use snapshots::Snapshots;
use undo::Undo;

/// Statements that stay prepared: those of the views, and those that undo them.
const STATEMENTS: usize = 512;

/// Receipts that are undone in one go: their rows are held in memory.
const UNDONE_AT_ONCE: u64 = 2_048;

/// `head` of the moment, and the index up to it. What is not named here is the log's own, as it lies beside.
const MOMENT: &str = "
PRAGMA temp_store=MEMORY;
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    next_seq INTEGER NOT NULL,
    entry_hash BLOB NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    epoch_since_ms INTEGER NOT NULL,
    epoch_receipts INTEGER NOT NULL,
    indexed_through INTEGER NOT NULL,
    segments_unindexed INTEGER NOT NULL
) STRICT;
CREATE TEMP VIEW ids AS
    SELECT receipt_id, seq FROM log.ids WHERE seq < (SELECT next_seq FROM main.head);
CREATE TEMP VIEW segments AS
    SELECT first_seq, count, ends_sha256, bytes FROM log.segments
    WHERE first_seq < (SELECT next_seq FROM main.head);
";

/// A way through the states of a chain.
#[derive(Debug)]
pub struct Timeline<'a> {
    now: &'a Reader,
    moment: Reader,
    undo: Undo,
    snapshots: Snapshots,
    /// Place of the receipt that comes next; those before it have made the state.
    next: u64,
    broken: Option<Finding>,
}

impl Reader {
    /// A way through the states of this chain, before its first receipt.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn timeline(&self) -> Result<Timeline<'_>, Fault> {
        let mut database = Database::in_memory_beside(&self.dir().join("ledger.db"))?;
        database.conn.set_prepared_statement_cache_capacity(STATEMENTS);
        let begun = database.conn.execute_batch(VIEWS).and_then(|()| database.conn.execute_batch(MOMENT));
        database.at(begun)?;
        let undo = database.at(Undo::begin(&database.conn))?;
        database.at(set_head(&database.conn, 0, GENESIS_PREV, Timestamp::from_ms(0), 0))?;
        let mut snapshots = Snapshots::default();
        snapshots.take_if_due(&mut database, 0)?;
        Ok(Timeline { now: self, moment: self.of_past(database), undo, snapshots, next: 0, broken: None })
    }
}

impl Timeline<'_> {
    /// Goes to the state after the receipt at `seq`, that receipt included; to the last one where there are fewer, and no
    /// further than the chain is whole. `progress` is called with receipts gone through and those to go through.
    ///
    /// # Errors
    /// [`Fault`] when the disk cannot be read. Damage is no error: [`Self::broken`] says it.
    pub fn go_to(&mut self, seq: u64, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Fault> {
        let Some(last) = self.now.head()?.next_seq.checked_sub(1) else { return Ok(()) };
        let target = seq.min(last);
        if target + 1 < self.next {
            self.go_back(target)?;
        } else if let Some(snapshot) = self.snapshots.before(target).filter(|at| *at > self.next) {
            self.restore(snapshot)?;
        }
        let from = self.next;
        while self.next <= target && self.forward(target)? {
            progress(self.next - from, target + 1 - from);
        }
        self.set_head()
    }

    /// The place of the receipt whose state this is; `None` before the first.
    #[must_use]
    pub const fn seq(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    /// Answers as of this moment.
    #[must_use]
    pub const fn moment(&self) -> &Reader {
        &self.moment
    }

    /// Where the chain was found broken, and how: behind it, no state is known.
    #[must_use]
    pub const fn broken(&self) -> Option<&Finding> {
        self.broken.as_ref()
    }

    /// What the receipt of this moment changed in the state, row by row.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn changes(&self) -> Result<Vec<RowChange>, Fault> {
        let Some(seq) = self.seq() else { return Ok(Vec::new()) };
        self.moment.ask(|conn| self.undo.changes(conn, seq))
    }

    /// Back to `target`: undone step by step where that is in mind, and not further than from the snapshot before it.
    fn go_back(&mut self, target: u64) -> Result<(), Fault> {
        let snapshot = self.snapshots.before(target).unwrap_or(0);
        let is_near = self.next - target <= target.saturating_sub(snapshot) + 1;
        // The changes of the receipt at `target` are asked for next, so its own step must be in mind, too.
        if self.undo.first > target || !is_near {
            return self.restore(snapshot);
        }
        let undo = &self.undo;
        self.moment.move_to(|database| {
            let tx = database.at(database.conn.unchecked_transaction())?;
            let mut last = self.next - 1;
            while last > target {
                last = target.max(last.saturating_sub(UNDONE_AT_ONCE));
                database.at(undo.back_to(&tx, Some(last)))?;
            }
            database.at(tx.commit())
        })?;
        self.next = target + 1;
        Ok(())
    }

    fn restore(&mut self, snapshot: u64) -> Result<(), Fault> {
        let (snapshots, undo) = (&self.snapshots, &mut self.undo);
        self.moment.move_to(|database| {
            database.at(undo.look_away(&database.conn))?;
            snapshots.restore(database, snapshot)?;
            database.at(undo.begin_at(&database.conn, snapshot))
        })?;
        self.next = snapshot;
        Ok(())
    }

    /// Follows the commit that holds the next receipt, as far as `target`. False where the chain breaks.
    fn forward(&mut self, target: u64) -> Result<bool, Fault> {
        let Some(segment) = self.now.segment_from(self.next)?.filter(|found| found.first_seq <= self.next)
        else {
            let detail = "receipts are missing from here on".to_owned();
            self.broken = Some(Finding { code: "log.gap", seq: Some(self.next), detail });
            return Ok(false);
        };
        let mut before = self.entry_hash()?;
        let (now, undo, snapshots) = (self.now, &mut self.undo, &mut self.snapshots);
        let (mut next, mut broken) = (self.next, None);
        self.moment.move_to(|database| {
            let tx = database.at(database.conn.unchecked_transaction())?;
            for (seq, line) in (segment.first_seq..).zip(segment.lines()) {
                if seq < next || seq > target {
                    continue;
                }
                match follow(&tx, undo, now, seq, before, line) {
                    Ok(hash) => (before, next) = (Some(hash), seq + 1),
                    Err(finding) => {
                        broken = Some(finding);
                        break;
                    }
                }
            }
            database.at(tx.commit())?;
            database.at(undo.trim_if_long(&database.conn, next))?;
            snapshots.take_if_due(database, next)
        })?;
        // A commit that holds fewer lines than it says would be asked for again and again.
        if next == self.next && broken.is_none() {
            let detail = "the commit does not hold the lines that it should".to_owned();
            broken = Some(Finding { code: "log.segment_count", seq: Some(next), detail });
        }
        self.next = next;
        let whole = broken.is_none();
        self.broken = broken.or(self.broken.take());
        Ok(whole)
    }

    /// The hash of the receipt of this moment, as its line says, which was checked when it was followed.
    fn entry_hash(&self) -> Result<Option<Digest>, Fault> {
        let Some(seq) = self.seq() else { return Ok(Some(GENESIS_PREV)) };
        self.line(seq).map(|line| line.and_then(|line| segment::line_hash(&line)))
    }

    fn line(&self, seq: u64) -> Result<Option<Vec<u8>>, Fault> {
        let segment = self.now.segment_from(seq)?;
        let line = |segment: &Segment| {
            let index = usize::try_from(seq.checked_sub(segment.first_seq)?).ok()?;
            segment.lines().nth(index).map(<[u8]>::to_vec)
        };
        Ok(segment.as_ref().and_then(line))
    }

    fn set_head(&self) -> Result<(), Fault> {
        let line = self.seq().map_or(Ok(None), |seq| self.line(seq))?;
        let hash = line.as_deref().and_then(segment::line_hash).unwrap_or(GENESIS_PREV);
        let time = line.as_deref().and_then(segment::line_time).unwrap_or_else(|| Timestamp::from_ms(0));
        let indexed = self.now.ask(HeadRow::read)?.indexed_through.min(self.next);
        self.moment.move_to(|database| database.at(set_head(&database.conn, self.next, hash, time, indexed)))
    }
}

/// Makes the state follow one line. On a fault the state is that of the line before.
fn follow(
    conn: &Connection,
    undo: &Undo,
    now: &Reader,
    seq: u64,
    before: Option<Digest>,
    line: &[u8],
) -> Result<Digest, Finding> {
    let finding = |code, detail| Finding { code, seq: Some(seq), detail };
    let receipt = json::parse_canonical(line).map_err(|fault| finding("log.syntax", fault.to_string()))?;
    let mut report = FsckReport::default();
    let read = walk::read(seq, &receipt, before, now.log_origin().as_str(), &mut report);
    if let Some(first) = report.findings.into_iter().next() {
        return Err(first);
    }
    let Some(Read { entry, change, .. }) = read else {
        return Err(finding("log.content", "not a receipt of this version".to_owned()));
    };
    let applied = undo::note_as(conn, seq).and_then(|()| views::apply(conn, &entry, &change));
    if let Err(error) = applied {
        let undone = undo.back_to(conn, seq.checked_sub(1));
        let detail = undone.err().map_or_else(|| error.to_string(), |second| second.to_string());
        return Err(finding("views.apply", detail));
    }
    Ok(entry.entry_hash)
}

fn set_head(
    conn: &Connection,
    next_seq: u64,
    entry_hash: Digest,
    timestamp: Timestamp,
    indexed_through: u64,
) -> rusqlite::Result<()> {
    let head = Head { next_seq, entry_hash, timestamp };
    let row = HeadRow {
        head,
        epoch: 0,
        epoch_since_ms: 0,
        epoch_receipts: 0,
        indexed_through,
        segments_unindexed: 0,
    };
    row.write(conn)
}
