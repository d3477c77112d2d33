//! Segments: the exact lines of one commit in one row, and the search index over them.

use std::ops::Range;

use cascade_receipt::chain::LINE_END_BYTES;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::head::HeadRow;
use crate::store::{from_sql, to_sql};
use crate::tail::Tail;

/// Segments that may wait for the index when they hold little; a search scans them.
const UNINDEXED_SEGMENTS: u64 = 64;
/// Fewer receipts than this are little to hold.
const UNINDEXED_RECEIPTS: u64 = 1_024;
/// Segments that may wait for the index. Random ids touch most of its pages each time, so the more wait, the less is
/// written; but every process that opens the chain reads them.
const UNINDEXED_SEGMENTS_MAX: u64 = 1_024;
/// Receipts that may wait for the index.
const UNINDEXED_RECEIPTS_MAX: u64 = 16_384;

/// One row: consecutive lines, each with its LF.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) first_seq: u64,
    pub(crate) count: u64,
    pub(crate) ends_sha256: Digest,
    pub(crate) bytes: Vec<u8>,
}

impl Segment {
    /// Stores the lines of one commit.
    pub(crate) fn insert(conn: &Connection, first_seq: u64, lines: &[String]) -> rusqlite::Result<()> {
        conn.prepare_cached("INSERT INTO segments VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            to_sql(first_seq),
            to_sql(lines.len() as u64),
            ends_sum(lines.iter().map(|line| line.trim_end_matches('\n').as_bytes())).0,
            lines.concat().as_bytes()
        ])?;
        Ok(())
    }

    /// Whether tags and signatures are those that were stored.
    pub(crate) fn ends_hold(&self) -> bool {
        ends_sum(self.lines()) == self.ends_sha256
    }

    /// The segment that holds `seq`, or the first one after it.
    pub(crate) fn at_or_after(conn: &Connection, seq: u64) -> rusqlite::Result<Option<Self>> {
        conn.prepare_cached(
            "SELECT first_seq, count, ends_sha256, bytes FROM segments WHERE first_seq >=
             coalesce((SELECT first_seq FROM segments WHERE first_seq <= ?1 AND first_seq + count > ?1
                       ORDER BY first_seq DESC LIMIT 1), ?1)
             ORDER BY first_seq LIMIT 1",
        )?
        .query_row([to_sql(seq)], Self::read)
        .optional()
    }

    /// Those that hold these places, in order, until they are as long as this together.
    pub(crate) fn of(conn: &Connection, seqs: Range<u64>, bytes: usize) -> rusqlite::Result<Vec<Self>> {
        let mut query = conn.prepare_cached(
            "SELECT first_seq, count, ends_sha256, bytes FROM segments WHERE first_seq < ?2 AND first_seq >=
             coalesce((SELECT first_seq FROM segments WHERE first_seq <= ?1 AND first_seq + count > ?1
                       ORDER BY first_seq DESC LIMIT 1), ?1)
             ORDER BY first_seq",
        )?;
        let mut rows = query.query(params![to_sql(seqs.start), to_sql(seqs.end)])?;
        let (mut found, mut long) = (Vec::new(), 0);
        while long < bytes {
            let Some(row) = rows.next()? else { break };
            let segment = Self::read(row)?;
            long += segment.bytes.len();
            found.push(segment);
        }
        Ok(found)
    }

    /// The last one before `before` that holds a receipt from `from` on and in which this text stands.
    pub(crate) fn newest_naming(
        conn: &Connection,
        text: &str,
        from: u64,
        before: u64,
    ) -> rusqlite::Result<Option<Self>> {
        conn.prepare_cached(
            "SELECT first_seq, count, ends_sha256, bytes FROM segments
             WHERE first_seq < ?1
               AND first_seq >= coalesce((SELECT max(first_seq) FROM segments WHERE first_seq <= ?2), ?2)
               AND instr(bytes, ?3) > 0
             ORDER BY first_seq DESC LIMIT 1",
        )?
        .query_row(params![to_sql(before), to_sql(from), text.as_bytes()], Self::read)
        .optional()
    }

    /// The last one that begins before `seq`.
    pub(crate) fn before(conn: &Connection, seq: u64) -> rusqlite::Result<Option<Self>> {
        conn.prepare_cached(
            "SELECT first_seq, count, ends_sha256, bytes FROM segments WHERE first_seq < ?1
             ORDER BY first_seq DESC LIMIT 1",
        )?
        .query_row([to_sql(seq)], Self::read)
        .optional()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            first_seq: from_sql(row.get(0)?),
            count: from_sql(row.get(1)?),
            ends_sha256: Digest(row.get(2)?),
            bytes: row.get(3)?,
        })
    }

    /// The last one.
    pub(crate) fn newest(conn: &Connection) -> rusqlite::Result<Option<Self>> {
        let first: Option<i64> =
            conn.query_row("SELECT max(first_seq) FROM segments", (), |row| row.get(0))?;
        first.map_or(Ok(None), |first| Self::at_or_after(conn, from_sql(first)))
    }

    /// The lines without their LFs, as stored.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let body = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        body.split(|byte| *byte == b'\n')
    }
}

/// The checksum that finds decay in what no hash of the chain covers: tag and signature, at the ends of the lines.
/// Content is covered, and hashing it once more would slow every commit.
fn ends_sum<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Digest {
    let end = |line: &'a [u8]| line.split_at(line.len().saturating_sub(LINE_END_BYTES)).1;
    Digest::of(&lines.map(end).collect::<Vec<_>>().concat())
}

/// The receipt id of a stored line. It stands at a fixed distance from the end.
pub(crate) fn line_id(line: &[u8]) -> Option<ReceiptId> {
    let line = line.strip_suffix(b"\"}")?;
    let (line, _timestamp) = line.split_at_checked(line.len().checked_sub(24)?)?;
    let line = line.strip_suffix(b"\",\"timestamp\":\"")?;
    let (_, id) = line.split_at_checked(line.len().checked_sub(18)?)?;
    ReceiptId::parse(std::str::from_utf8(id).ok()?)
}

/// The time of a stored line, which stands at its end.
pub(crate) fn line_time(line: &[u8]) -> Option<Timestamp> {
    let line = line.strip_suffix(b"\"}")?;
    let time = line.get(line.len().checked_sub(24)?..)?;
    Timestamp::parse(std::str::from_utf8(time).ok()?)
}

/// The entry hash of a stored line, by the last place where one can stand.
pub(crate) fn line_hash(line: &[u8]) -> Option<Digest> {
    const KEY: &[u8] = b"\"entry_hash\":\"";
    let at = line.windows(KEY.len()).rposition(|part| part == KEY)?;
    let hash = line.get(at + KEY.len()..)?.get(..64)?;
    Digest::from_hex(std::str::from_utf8(hash).ok()?)
}

/// Brings the index up to the head when too much waits. `tail` holds every id that it does not.
pub(crate) fn index_if_due(conn: &Connection, row: &mut HeadRow, tail: &Tail) -> rusqlite::Result<()> {
    let receipts = row.head.next_seq.saturating_sub(row.indexed_through);
    let little = receipts < UNINDEXED_RECEIPTS;
    let segments_max = if little { UNINDEXED_SEGMENTS } else { UNINDEXED_SEGMENTS_MAX };
    if row.segments_unindexed < segments_max && receipts < UNINDEXED_RECEIPTS_MAX {
        return Ok(());
    }
    // In the order of the index, so that each page of it is visited once.
    let mut insert = conn.prepare_cached("INSERT OR IGNORE INTO ids VALUES (?1, ?2)")?;
    for (id, seq) in tail.sorted() {
        insert.execute(params![id.0, to_sql(seq)])?;
    }
    row.indexed_through = row.head.next_seq;
    row.segments_unindexed = 0;
    Ok(())
}

/// Whether the index holds this id.
pub(crate) fn is_indexed(conn: &Connection, id: ReceiptId) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM ids WHERE receipt_id = ?1)")?
        .query_row([id.0], |row| row.get(0))
}

/// Where the index says that a receipt stands.
pub(crate) fn indexed(conn: &Connection, id: ReceiptId) -> rusqlite::Result<Option<u64>> {
    let seq = conn
        .prepare_cached("SELECT seq FROM ids WHERE receipt_id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    Ok(seq.map(from_sql))
}

/// Which receipts an id or a unique beginning of one means.
pub(crate) fn find(conn: &Connection, prefix: &str) -> rusqlite::Result<Vec<(ReceiptId, u64)>> {
    let Some(hex) = prefix.strip_prefix("r_") else { return Ok(Vec::new()) };
    let plain = hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if hex.is_empty() || hex.len() > 16 || !plain {
        return Ok(Vec::new());
    }
    let (Some(low), Some(high)) = (bound_of(hex, '0'), bound_of(hex, 'f')) else { return Ok(Vec::new()) };
    let mut found: Vec<(ReceiptId, u64)> = conn
        .prepare_cached("SELECT receipt_id, seq FROM ids WHERE receipt_id BETWEEN ?1 AND ?2 LIMIT 2")?
        .query_map(params![low.0, high.0], |row| Ok((ReceiptId(row.get(0)?), from_sql(row.get(1)?))))?
        .collect::<Result<_, _>>()?;
    let mut next = HeadRow::read(conn)?.indexed_through;
    while let Some(segment) = Segment::at_or_after(conn, next)? {
        for (seq, line) in (segment.first_seq..).zip(segment.lines()) {
            if let Some(id) = line_id(line)
                && (low..=high).contains(&id)
                && !found.contains(&(id, seq))
            {
                found.push((id, seq));
            }
        }
        next = segment.first_seq + segment.count;
    }
    Ok(found)
}

fn bound_of(hex: &str, fill: char) -> Option<ReceiptId> {
    let mut text = format!("r_{hex}");
    while text.len() < 18 {
        text.push(fill);
    }
    ReceiptId::parse(&text)
}
