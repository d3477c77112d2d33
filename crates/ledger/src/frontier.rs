//! What the Merkle tree over the chain needs to grow, kept in the row of `head` in the transaction of
//! every append, and the word that stops a chain which its witnesses have seen longer than it is.
//!
//! In one row with the head, since each page that a commit touches makes it slower.

use cascade_receipt::digest::Digest;
use cascade_receipt::merkle::Frontier;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::store::{from_sql, to_sql};

/// Its part of the row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TreeRow {
    pub(crate) frontier: Frontier,
    /// Why nothing may be appended, if so.
    pub(crate) stopped: Option<String>,
}

impl TreeRow {
    /// `None` when the row is not a tree.
    pub(crate) fn read(conn: &Connection) -> rusqlite::Result<Option<Self>> {
        let (size, peaks, stopped): (i64, Vec<u8>, Option<String>) = conn
            .prepare_cached("SELECT tree_size, tree_peaks, stopped FROM head")?
            .query_row((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let (peaks, rest) = peaks.as_chunks::<32>();
        let frontier = Frontier::resume(from_sql(size), peaks.iter().copied().map(Digest).collect());
        Ok(frontier.filter(|_| rest.is_empty()).map(|frontier| Self { frontier, stopped }))
    }
}

/// Writes the frontier beside a head that is there; leaves the stop as it is.
pub(crate) fn write(conn: &Connection, frontier: &Frontier) -> rusqlite::Result<()> {
    let peaks: Vec<u8> = frontier.peaks().iter().flat_map(|peak| peak.0).collect();
    conn.prepare_cached("UPDATE head SET tree_size = ?1, tree_peaks = ?2")?
        .execute(params![to_sql(frontier.size()), peaks])?;
    Ok(())
}

/// Stops the chain, or lets it go on; why and on whose word.
pub(crate) fn set_stopped(conn: &Connection, stop: Option<(&str, &str)>) -> rusqlite::Result<()> {
    conn.execute(
        "UPDATE head SET stopped = ?1, stopped_by = ?2",
        [stop.map(|(why, _)| why), stop.map(|(_, by)| by)],
    )?;
    Ok(())
}

/// On whose word the chain is stopped, if it is.
pub(crate) fn stopped_by(conn: &Connection) -> rusqlite::Result<Option<String>> {
    conn.query_row("SELECT stopped_by FROM head WHERE stopped IS NOT NULL", (), |row| row.get(0)).optional()
}
