//! Hashes of files by identity: a hint that saves reading a large executable again.
//!
//! Lives in its own file, which may be deleted at any time. Do not believe more than it says: the
//! file looked like this when it was hashed. Whoever may write the home can also write here.

use std::os::unix::fs::MetadataExt as _;

use cascade_receipt::digest::Digest;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::reader::Reader;
use crate::schema;
use crate::store::to_sql;

/// Files that are remembered; beyond it the cache starts again.
const FILES_MAX: i64 = 4096;

/// What tells one state of a file from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileStamp {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Length in bytes.
    pub size: u64,
    /// Last change of the bytes, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Last change of bytes or attributes, in nanoseconds since 1970; a program cannot set it.
    pub ctime_ns: i64,
}

impl FileStamp {
    /// The stamp of a file that is open or was looked at.
    #[must_use]
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Reader {
    /// The remembered hash of a file in exactly this state.
    #[must_use]
    pub fn cached_hash(&self, stamp: &FileStamp) -> Option<Digest> {
        let conn = self.cache()?;
        let FileStamp { dev, ino, size, mtime_ns, ctime_ns } = *stamp;
        conn.query_row(
            "SELECT sha256 FROM file_hashes
             WHERE dev = ?1 AND ino = ?2 AND size = ?3 AND mtime_ns = ?4 AND ctime_ns = ?5",
            params![to_sql(dev), to_sql(ino), to_sql(size), mtime_ns, ctime_ns],
            |row| row.get(0).map(Digest),
        )
        .optional()
        .ok()?
    }

    /// Remembers a hash. A failure is none: it is only a hint.
    pub fn cache_hash(&self, stamp: &FileStamp, sha256: &Digest) {
        let Some(conn) = self.cache() else { return };
        let FileStamp { dev, ino, size, mtime_ns, ctime_ns } = *stamp;
        let full = conn.query_row("SELECT count(*) FROM file_hashes", (), |row| row.get::<_, i64>(0));
        if full.is_ok_and(|count| count >= FILES_MAX) {
            drop(conn.execute("DELETE FROM file_hashes", ()));
        }
        drop(conn.execute(
            "INSERT OR REPLACE INTO file_hashes VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![to_sql(dev), to_sql(ino), to_sql(size), mtime_ns, ctime_ns, sha256.0],
        ));
    }

    /// Forgets every hash: an executable's is part of the actions that ran it.
    pub(crate) fn forget_hashes(&self) {
        let Some(conn) = self.cache() else { return };
        // A cache that is in use right now forgets at the next erasure; it holds hashes of files alone.
        drop(conn.execute("DELETE FROM file_hashes", ()));
    }

    /// Opens the cache; one that cannot be read is made again.
    fn cache(&self) -> Option<Connection> {
        let path = self.dir().join("cache.db");
        if !path.exists() {
            // Mode 0600 from the first moment; another process may be faster.
            drop(crate::files::write_new(&path, b""));
        }
        let open = || -> rusqlite::Result<Connection> {
            let conn = Connection::open(&path)?;
            conn.execute_batch(
                "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY; PRAGMA secure_delete=ON;",
            )?;
            conn.execute_batch(schema::CACHE)?;
            Ok(conn)
        };
        match open() {
            Ok(conn) => Some(conn),
            Err(error) if crate::store::is_busy(&error) => None,
            Err(_) => {
                std::fs::remove_file(&path).ok()?;
                crate::files::write_new(&path, b"").ok()?;
                open().ok()
            }
        }
    }
}
