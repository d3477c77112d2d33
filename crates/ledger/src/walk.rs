//! One pass over stored segments: recomputes links and rebuilds the views beside them.

use std::collections::HashSet;

use cascade_receipt::chain::{GENESIS_PREV, entry_hash};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::{self, Value};
use cascade_receipt::merkle::Frontier;
use cascade_receipt::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};

use crate::change::Change;
use crate::frontier::TreeRow;
use crate::fsck::FsckReport;
use crate::head::HeadRow;
use crate::segment::Segment;
use crate::store::from_sql;
use crate::views::{self, Entry};
use crate::{chain_views, requests, schedule_views};

/// The state of the pass.
pub(crate) struct Walk<'a> {
    /// Views as the log gives them.
    shadow: &'a Connection,
    log_origin: &'a str,
    next_seq: u64,
    /// Hash of the line before; `None` after one that cannot be read.
    prev: Option<Digest>,
    timestamp: Timestamp,
    tree: Frontier,
    epoch: Option<u64>,
    epoch_receipts: u64,
    /// Lines that could not be read; counts over them prove nothing.
    unread: u64,
    /// Ids that the index does not hold. Bounded like the index's delay.
    tail: HashSet<ReceiptId>,
}

impl std::fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk").field("next_seq", &self.next_seq).finish_non_exhaustive()
    }
}

/// What one line says about itself.
pub(crate) struct Read {
    pub(crate) entry: Entry,
    pub(crate) timestamp: Timestamp,
    epoch: u64,
    pub(crate) change: Change,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(shadow: &'a Connection, log_origin: &'a str) -> Self {
        Self {
            shadow,
            log_origin,
            next_seq: 0,
            prev: Some(GENESIS_PREV),
            timestamp: Timestamp::from_ms(0),
            tree: Frontier::default(),
            epoch: None,
            epoch_receipts: 0,
            unread: 0,
            tail: HashSet::new(),
        }
    }

    pub(crate) const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Every segment from here on.
    pub(crate) fn rest(&mut self, conn: &Connection, report: &mut FsckReport) -> rusqlite::Result<()> {
        while let Some(segment) = Segment::at_or_after(conn, self.next_seq)? {
            self.segment(&segment, conn, report)?;
        }
        Ok(())
    }

    /// One segment. `conn` holds the index that is checked along.
    pub(crate) fn segment(
        &mut self,
        segment: &Segment,
        conn: &Connection,
        report: &mut FsckReport,
    ) -> rusqlite::Result<()> {
        let first = segment.first_seq;
        if first != self.next_seq {
            report.add("log.gap", Some(self.next_seq), format!("the next segment begins at {first}"));
            self.prev = None;
        }
        if !segment.ends_hold() {
            report.add(
                "log.segment_sum",
                Some(first),
                "the ends of the segment's lines do not give its checksum",
            );
        }
        let lines = segment.lines().count() as u64;
        if lines != segment.count || !segment.bytes.ends_with(b"\n") {
            report.add(
                "log.segment_count",
                Some(first),
                format!("{lines} lines where {} should be", segment.count),
            );
        }
        for (seq, line) in (first..).zip(segment.lines()) {
            self.line(seq, line, conn, report)?;
        }
        // The claim of the segment, so that a bad count cannot stop or repeat the pass.
        self.next_seq = first + segment.count.max(1);
        Ok(())
    }

    fn line(
        &mut self,
        seq: u64,
        line: &[u8],
        conn: &Connection,
        report: &mut FsckReport,
    ) -> rusqlite::Result<()> {
        let receipt = match json::parse_canonical(line) {
            Ok(receipt) => receipt,
            Err(fault) => {
                report.add("log.syntax", Some(seq), fault.to_string());
                self.prev = None;
                self.unread += 1;
                return Ok(());
            }
        };
        let Some(read) = read(seq, &receipt, self.prev, self.log_origin, report) else {
            report.add("log.content", Some(seq), "not a receipt of this version");
            self.prev = None;
            self.unread += 1;
            return Ok(());
        };
        self.prev = Some(read.entry.entry_hash);
        self.tree.push(&read.entry.entry_hash);
        if read.timestamp < self.timestamp {
            report.add("log.time", Some(seq), format!("{} after {}", read.timestamp, self.timestamp));
        }
        self.timestamp = read.timestamp;
        self.epoch_receipts = if self.epoch == Some(read.epoch) { self.epoch_receipts + 1 } else { 1 };
        self.epoch = Some(read.epoch);
        self.check_id(read.entry.receipt_id, seq, conn, report)?;
        if let Err(error) = views::apply(self.shadow, &read.entry, &read.change) {
            report.add("views.apply", Some(seq), error.to_string());
        }
        Ok(())
    }

    /// The index must know the id at this place, or not at all if it is behind.
    fn check_id(
        &mut self,
        id: ReceiptId,
        seq: u64,
        conn: &Connection,
        report: &mut FsckReport,
    ) -> rusqlite::Result<()> {
        let indexed: Option<i64> = conn
            .prepare_cached("SELECT seq FROM ids WHERE receipt_id = ?1")?
            .query_row([id.0], |row| row.get(0))
            .optional()?;
        match indexed.map(from_sql) {
            Some(known) if known == seq => {}
            Some(known) => report.add("index.entry", Some(seq), format!("the index has {id} at {known}")),
            None if !self.tail.insert(id) => {
                report.add("log.duplicate_id", Some(seq), format!("{id} is taken"));
            }
            None => {}
        }
        Ok(())
    }

    /// The rows that say where the log ends, against what was read.
    pub(crate) fn check_head(
        &self,
        row: &HeadRow,
        conn: &Connection,
        report: &mut FsckReport,
    ) -> rusqlite::Result<()> {
        let seq = self.next_seq.checked_sub(1);
        if row.head.next_seq != self.next_seq {
            let detail = format!("the head is {}, the log has {} receipts", row.head.next_seq, self.next_seq);
            report.add("head.seq", seq, detail);
        }
        if self.prev.is_some_and(|prev| prev != row.head.entry_hash) || row.head.timestamp != self.timestamp {
            report.add("head.hash", seq, "the head is not the newest receipt");
        }
        let tree = TreeRow::read(conn)?;
        if self.unread == 0 && tree.is_none_or(|tree| tree.frontier != self.tree) {
            report.add("head.tree", seq, "the tree is not the one over these receipts");
        }
        let stored: Option<i64> =
            conn.query_row("SELECT epoch FROM epoch", (), |epoch| epoch.get(0)).optional()?;
        let agree = self.epoch == Some(row.epoch)
            && stored.map(from_sql) == Some(row.epoch)
            && (row.epoch_receipts == self.epoch_receipts || self.unread > 0);
        if !agree {
            report.add("head.epoch", seq, "the HMAC epoch is not that of the newest receipt");
        }
        let indexed: i64 = conn.query_row("SELECT count(*) FROM ids", (), |count| count.get(0))?;
        let waiting = self.tail.len() as u64 + row.indexed_through;
        if from_sql(indexed) != row.indexed_through || (waiting != self.next_seq && self.unread == 0) {
            let detail = format!("the index holds {indexed} ids where {} should be", row.indexed_through);
            report.add("index.count", None, detail);
        }
        Ok(())
    }
}

/// Checks what a line says of itself, and that it follows `before` where that is known. `None` when it is no receipt.
pub(crate) fn read(
    seq: u64,
    receipt: &Value,
    before: Option<Digest>,
    log_origin: &str,
    report: &mut FsckReport,
) -> Option<Read> {
    let outer = |key: &str| receipt.member(key).and_then(Value::as_str);
    let content = receipt.member("content")?;
    let inner = |key: &str| content.member(key).and_then(Value::as_str);
    let (prev, claimed) = (Digest::from_hex(outer("prev_hash")?)?, Digest::from_hex(outer("entry_hash")?)?);
    if before.is_some_and(|want| want != prev) {
        report.add("log.link", Some(seq), "does not follow the receipt before it");
    }
    if entry_hash(&prev, content.to_canonical().as_bytes()) != claimed {
        report.add("log.hash", Some(seq), "the content does not give its hash");
    }
    if content.member("seq")?.as_u64()? != seq {
        report.add("log.seq", Some(seq), "the receipt claims another place");
    }
    if outer("receipt_id") != inner("receipt_id") || outer("timestamp") != inner("timestamp") {
        report.add("log.copies", Some(seq), "id or time differ from those inside");
    }
    if inner("log_origin")? != log_origin {
        report.add("log.origin", Some(seq), "the receipt belongs to another chain");
    }
    Some(Read {
        entry: Entry {
            receipt_id: ReceiptId::parse(inner("receipt_id")?)?,
            seq,
            entry_hash: claimed,
            chain: chain_views::of_value(content),
            cron: schedule_views::of_value(content),
            request: requests::of_value(content),
        },
        timestamp: Timestamp::parse(inner("timestamp")?)?,
        epoch: inner("hmac_key_id")?.strip_prefix('e')?.parse().ok()?,
        change: Change::of_value(content)?,
    })
}
