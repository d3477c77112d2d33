//! `index.db`: what receipts are searched by, and who refers to whom.
//!
//! It follows from the log and may lag behind it, be damaged, be missing or be deleted at any time; whoever asks brings it
//! up to the head first, and nothing is written into it when a receipt is appended. Nothing in it decides anything: what it
//! names is read from the log before it is believed. It holds public members alone. Commands, reasons and names stay in
//! the vault, so that an erasure leaves no copy here.
//!
//! One of another chain, of another version, or whose newest entry is not what the log says there is made again. Whoever
//! uses the file holds `index.lock` shared, whoever replaces it holds it alone.

mod fill;
mod gaps;
mod outline;
mod query;

use std::fs::File;
use std::path::{Path, PathBuf};

use cascade_receipt::digest::Digest;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::FlockOperation;

use crate::fault::{At as _, Fault};
use crate::files;
use crate::reader::Reader;
use crate::store::{Database, from_sql};

pub use outline::{ERASED, Link, Outline};
pub use query::{Order, PAGE_MAX, Sought};

/// Version of the tables; an index of another one is made again.
const VERSION: i64 = 2;
const FILE: &str = "index.db";
const LOCK: &str = "index.lock";
/// Page cache while it is filled, in KiB.
const CACHE_KIB: u32 = 64 * 1024;

const TABLES: &str = "
CREATE TABLE about (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    version INTEGER NOT NULL,
    log_origin TEXT NOT NULL,
    genesis_public_key BLOB NOT NULL,
    indexed_through INTEGER NOT NULL,
    entry_hash BLOB NOT NULL
) STRICT;
CREATE TABLE words (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE receipts (
    seq INTEGER PRIMARY KEY,
    id INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    key INTEGER NOT NULL,
    policy INTEGER NOT NULL,
    principal INTEGER,
    on_behalf_of INTEGER,
    tier INTEGER,
    verdict INTEGER,
    stopped INTEGER NOT NULL,
    codes INTEGER,
    spec INTEGER,
    exit_code INTEGER
) STRICT;
CREATE TABLE refs (
    target INTEGER NOT NULL,
    rel INTEGER NOT NULL,
    seq INTEGER NOT NULL
) STRICT;
CREATE TABLE gaps (
    first_seq INTEGER PRIMARY KEY,
    next_seq INTEGER NOT NULL
) STRICT;
";

/// Made once the tables are filled: sorting once is faster than a place for each.
const INDEXES: &str = "
CREATE INDEX IF NOT EXISTS receipts_id ON receipts (id);
CREATE INDEX IF NOT EXISTS receipts_at ON receipts (at_ms);
CREATE INDEX IF NOT EXISTS receipts_kind ON receipts (kind);
CREATE INDEX IF NOT EXISTS receipts_key ON receipts (key);
CREATE INDEX IF NOT EXISTS receipts_policy ON receipts (policy);
CREATE INDEX IF NOT EXISTS receipts_principal ON receipts (principal);
CREATE INDEX IF NOT EXISTS receipts_behalf ON receipts (on_behalf_of) WHERE on_behalf_of IS NOT NULL;
CREATE INDEX IF NOT EXISTS receipts_spec ON receipts (spec) WHERE spec IS NOT NULL;
CREATE INDEX IF NOT EXISTS refs_target ON refs (target, rel, seq);
";

/// The search index, at the head of its log as of when it was opened.
#[derive(Debug)]
pub struct Index {
    database: Database,
    /// Held while the file is in use; nothing where there is none.
    _lock: Option<File>,
}

/// What an index says of itself.
struct About {
    version: i64,
    log_origin: String,
    genesis_public_key: Vec<u8>,
    through: u64,
    entry_hash: Digest,
}

impl Reader {
    /// Asks the index, brought up to the head before. One that turns out to be damaged is made again, and asked again.
    /// Where no file can be written it is made in memory. `progress` is told how many receipts of how many are indexed.
    ///
    /// # Errors
    /// [`Fault`] of the log, or of `f`.
    pub fn with_index<T>(
        &self,
        progress: &mut dyn FnMut(u64, u64),
        mut f: impl FnMut(&Index) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let path = self.dir().join(FILE);
        for _ in 0..2 {
            match Index::of_home(self, progress).and_then(|index| f(&index)) {
                Err(fault) if is_of(&fault, &path) => discard(&path),
                other => return other,
            }
        }
        f(&Index::in_memory(self, progress)?)
    }

    /// Asks an index made of the log alone, in memory: one that nobody can have edited.
    ///
    /// # Errors
    /// [`Fault`] of the log.
    pub fn fresh_index(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Index, Fault> {
        Index::in_memory(self, progress)
    }
}

/// Whether a fault is one of the index itself, which then can be made again or done without.
fn is_of(fault: &Fault, path: &Path) -> bool {
    let own = path.display().to_string();
    match fault {
        Fault::Full { place }
        | Fault::ReadOnly { place }
        | Fault::Denied { place }
        | Fault::Busy { place }
        | Fault::Damaged { place, .. }
        | Fault::WalUnreadable { place }
        | Fault::Gone { place }
        | Fault::Io { place, .. } => place.starts_with(&own) || place.ends_with(LOCK),
        Fault::Stopped { .. } | Fault::Random => false,
    }
}

/// Takes the file away, unless somebody uses it: then it is theirs to find out what is wrong with it.
fn discard(path: &Path) {
    let Ok(lock) = files::lock_file(&path.with_file_name(LOCK)) else { return };
    if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
        // What cannot be removed is found damaged again, and done without.
        drop(std::fs::remove_file(path));
        drop(std::fs::remove_file(crate::store::beside(path, "-journal")));
    }
}

impl Index {
    /// The one of the home: brought up to the head, or as it is where it is there already.
    fn of_home(reader: &Reader, progress: &mut dyn FnMut(u64, u64)) -> Result<Self, Fault> {
        let path = reader.dir().join(FILE);
        if let Ok(index) = Self::as_it_is(reader, &path) {
            return Ok(index);
        }
        let lock = files::lock_file(&path.with_file_name(LOCK))?;
        rustix::fs::flock(&lock, FlockOperation::LockShared).at(&path.with_file_name(LOCK))?;
        if !path.exists() {
            // Mode 0600 from the first moment; another process may be faster.
            drop(files::write_new(&path, b""));
        }
        let database = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let mut index = Self { database, _lock: Some(lock) };
        index.follow(reader, progress)?;
        Ok(index)
    }

    /// Opens the file for reading alone, if it is at the head.
    fn as_it_is(reader: &Reader, path: &Path) -> Result<Self, Fault> {
        // On a place that nobody can write there may be no lock, and nobody who takes the file away.
        let lock = File::open(path.with_file_name(LOCK)).ok();
        if let Some(lock) = &lock {
            rustix::fs::flock(lock, FlockOperation::LockShared).at(path)?;
        }
        let database = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let index = Self { database, _lock: lock };
        match index.about()? {
            Some(about)
                if about.is_of(reader)?
                    && about.through == reader.head()?.next_seq
                    && !index.is_mended(reader)? =>
            {
                Ok(index)
            }
            _ => Err(Fault::damaged(path, "not at the head")),
        }
    }

    fn in_memory(reader: &Reader, progress: &mut dyn FnMut(u64, u64)) -> Result<Self, Fault> {
        let mut index = Self::empty()?;
        index.follow(reader, progress)?;
        Ok(index)
    }

    fn empty() -> Result<Self, Fault> {
        let path = PathBuf::from(":memory:");
        let conn = Connection::open_in_memory().at(&path)?;
        conn.set_prepared_statement_cache_capacity(64);
        Ok(Self { database: Database::of(conn, path), _lock: None })
    }

    /// What the file says it is; `None` when it is empty.
    fn about(&self) -> Result<Option<About>, Fault> {
        let conn = &self.database.conn;
        let tables = self.database.at(conn.query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'about'",
            (),
            |row| row.get::<_, i64>(0),
        ))?;
        if tables == 0 {
            return Ok(None);
        }
        let read = conn.query_row(
            "SELECT version, log_origin, genesis_public_key, indexed_through, entry_hash FROM about",
            (),
            |row| {
                Ok(About {
                    version: row.get(0)?,
                    log_origin: row.get(1)?,
                    genesis_public_key: row.get(2)?,
                    through: from_sql(row.get(3)?),
                    entry_hash: Digest(row.get(4)?),
                })
            },
        );
        // Whatever a table of this name holds instead, it is none of ours.
        read.map(Some).map_err(|_| Fault::damaged(&self.database.path, "does not say what it is"))
    }
}

impl About {
    /// Whether it is one of this log, as far as it goes.
    fn is_of(&self, reader: &Reader) -> Result<bool, Fault> {
        Ok(self.version == VERSION
            && self.log_origin == reader.log_origin().as_str()
            && self.genesis_public_key == reader.genesis_public_key()
            && self.through <= reader.head()?.next_seq
            && fill::hash_before(reader, self.through)? == self.entry_hash)
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Database, Fault> {
    // SQLite would say of a directory or a FIFO that it cannot be opened, and nothing more.
    if !std::fs::metadata(path).at(path)?.is_file() {
        return Err(Fault::damaged(path, "not a file"));
    }
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).at(path)?;
    conn.busy_timeout(crate::store::BUSY_WAIT_MAX).at(path)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).at(path)?;
    conn.set_prepared_statement_cache_capacity(64);
    // With SQLite's journal of old a second file lies beside it only while something is written.
    conn.execute_batch(&format!("PRAGMA synchronous=NORMAL; PRAGMA cache_size=-{CACHE_KIB};")).at(path)?;
    Ok(Database::of(conn, path.to_owned()))
}
