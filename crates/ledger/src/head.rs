//! The head of a chain: where the next receipt goes.

use cascade_receipt::digest::Digest;
use cascade_receipt::time::Timestamp;
use rusqlite::{Connection, params};

use crate::store::{from_sql, to_sql};

/// The newest receipt of a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// How many receipts there are; the seq of the next one.
    pub next_seq: u64,
    /// Hash of the newest.
    pub entry_hash: Digest,
    /// Time of the newest.
    pub timestamp: Timestamp,
}

/// The one row of `head`, without the tree in it ([`crate::frontier`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HeadRow {
    pub(crate) head: Head,
    pub(crate) epoch: u64,
    /// Time of the epoch's first receipt.
    pub(crate) epoch_since_ms: u64,
    pub(crate) epoch_receipts: u64,
    /// Every receipt before this seq is in `ids`.
    pub(crate) indexed_through: u64,
    pub(crate) segments_unindexed: u64,
}

impl HeadRow {
    pub(crate) fn read(conn: &Connection) -> rusqlite::Result<Self> {
        conn.prepare_cached(
            "SELECT next_seq, entry_hash, timestamp_ms, epoch, epoch_since_ms, epoch_receipts,
                    indexed_through, segments_unindexed FROM head",
        )?
        .query_row((), |row| {
            Ok(Self {
                head: Head {
                    next_seq: from_sql(row.get(0)?),
                    entry_hash: Digest(row.get(1)?),
                    timestamp: Timestamp::from_ms(from_sql(row.get(2)?)),
                },
                epoch: from_sql(row.get(3)?),
                epoch_since_ms: from_sql(row.get(4)?),
                epoch_receipts: from_sql(row.get(5)?),
                indexed_through: from_sql(row.get(6)?),
                segments_unindexed: from_sql(row.get(7)?),
            })
        })
    }

    pub(crate) fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        conn.prepare_cached(
            "INSERT INTO head (id, next_seq, entry_hash, timestamp_ms, epoch, epoch_since_ms, epoch_receipts,
                               indexed_through, segments_unindexed)
             VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (id) DO UPDATE SET next_seq = ?1, entry_hash = ?2, timestamp_ms = ?3, epoch = ?4,
                 epoch_since_ms = ?5, epoch_receipts = ?6, indexed_through = ?7, segments_unindexed = ?8",
        )?
        .execute(params![
            to_sql(self.head.next_seq),
            self.head.entry_hash.0,
            to_sql(self.head.timestamp.ms()),
            to_sql(self.epoch),
            to_sql(self.epoch_since_ms),
            to_sql(self.epoch_receipts),
            to_sql(self.indexed_through),
            to_sql(self.segments_unindexed)
        ])?;
        Ok(())
    }
}
