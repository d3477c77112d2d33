//! SQLite alone, for measuring what a commit costs before Cascade adds anything.

use std::path::Path;

use rusqlite::Connection;

use crate::fault::{At as _, Fault};

/// A database with one table, opened as a ledger is: WAL, synchronous FULL.
#[derive(Debug)]
pub struct BareCommits {
    conn: Connection,
    path: std::path::PathBuf,
}

impl BareCommits {
    /// Makes a new database at `path`.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let conn = Connection::open(path).at(path)?;
        conn.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE rows (id INTEGER PRIMARY KEY, bytes BLOB);",
        )
        .at(path)?;
        Ok(Self { conn, path: path.to_owned() })
    }

    /// One row, one durable commit.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn commit(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let insert = self.conn.prepare_cached("INSERT INTO rows (bytes) VALUES (?1)");
        insert.and_then(|mut insert| insert.execute([bytes])).at(&self.path)?;
        Ok(())
    }
}
