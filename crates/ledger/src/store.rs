//! SQLite as this ledger uses it: WAL, every commit synced, deleted bytes overwritten, waits bounded.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use rustix::fs::Access as Permission;

use crate::fault::{At as _, Fault};

/// Longest wait for another process that holds a lock.
pub const BUSY_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest sleep between two tries. Random sleeps below it: a fixed one starves some processes.
const BUSY_SLEEP_MAX: Duration = Duration::from_millis(3);
/// Pages of write-ahead log after which a commit folds it into the database: 32 MiB.
const WAL_PAGES_MAX: u32 = 8_000;
/// Longest write-ahead log that a closing process leaves behind.
const WAL_LEFT_BYTES_MAX: u64 = 1024 * 1024;
/// Page cache of one connection in KiB.
const CACHE_KIB: u32 = 32 * 1024;

/// How a database is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    ReadWrite,
    ReadOnly,
}

fn file_at(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|data| (data.dev(), data.ino()))
}

/// One open SQLite file.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) conn: Connection,
    pub(crate) path: PathBuf,
    /// Which file it is, as the system numbers them; none where it is not the one at `path`.
    file: Option<(u64, u64)>,
}

impl Database {
    /// Makes a new file with this schema. The caller works in a directory that nobody else sees yet.
    pub(crate) fn create(path: &Path, schema: &str) -> Result<Self, Fault> {
        crate::files::write_new(path, b"")?;
        let database = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // A new database is closed without a log beside it.
        database.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).at(path)?;
        database.conn.execute_batch("PRAGMA journal_mode=WAL;").at(path)?;
        database.settle()?;
        database.conn.execute_batch(schema).at(path)?;
        Ok(database)
    }

    /// Opens an existing file. Read-only access never writes where it cannot: on a read-only place
    /// without a write-ahead log the file is opened as immutable.
    pub(crate) fn open(path: &Path, access: Access) -> Result<Self, Fault> {
        if access == Access::ReadWrite {
            rustix::fs::access(path, Permission::READ_OK | Permission::WRITE_OK).at(path)?;
            let database = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            database.settle()?;
            return Ok(database);
        }
        rustix::fs::access(path, Permission::READ_OK).at(path)?;
        let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let dir = path.parent().unwrap_or(path);
        if rustix::fs::access(dir, Permission::WRITE_OK).is_ok() {
            return Self::connect(path, read_only);
        }
        // Nobody can write here, so without a log of pending frames the file cannot change.
        if std::fs::metadata(beside(path, "-wal")).is_ok_and(|wal| wal.len() > 0) {
            let database = Self::connect(path, read_only)?;
            let readable = database.conn.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()));
            return readable
                .map(|()| database)
                .map_err(|_| Fault::WalUnreadable { place: path.display().to_string() });
        }
        let flags = read_only | OpenFlags::SQLITE_OPEN_URI;
        let file = file_at(path);
        let mut database = Self::connect(Path::new(&uri_of(path, "immutable=1")), flags)?;
        (database.path, database.file) = (path.to_owned(), file);
        Ok(database)
    }

    /// A database in memory that has the file at `path` beside it as `log`, to be read only.
    pub(crate) fn in_memory_beside(path: &Path) -> Result<Self, Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut database = Self::connect(Path::new(":memory:"), flags | OpenFlags::SQLITE_OPEN_URI)?;
        path.clone_into(&mut database.path);
        let dir = path.parent().unwrap_or(path);
        let changes = rustix::fs::access(dir, Permission::WRITE_OK).is_ok()
            || std::fs::metadata(beside(path, "-wal")).is_ok_and(|wal| wal.len() > 0);
        let uri = uri_of(path, if changes { "mode=ro" } else { "immutable=1" });
        let attached = patient(|| database.conn.execute("ATTACH ?1 AS log", [&uri]));
        database.at(attached)?;
        Ok(database)
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, Fault> {
        // Before it is opened: where another one is put there meanwhile the two differ, whichever was opened.
        let file = file_at(path);
        let mut conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).at(path)?;
        conn.busy_handler(Some(jittered_wait())).at(path)?;
        // Otherwise each short-lived process would fold the log at its end and start a new one at
        // its beginning: ten syncs instead of one per commit. [`Self::fold_if_long`] bounds it.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).at(path)?;
        // Without it this build of SQLite compiles a kept statement again whenever another value is bound to it, because
        // that might be planned otherwise.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).at(path)?;
        conn.set_prepared_statement_cache_capacity(64);
        Ok(Self { conn, path: path.to_owned(), file })
    }

    /// One that whoever opened it looks after, whichever file lies at the path.
    pub(crate) const fn of(conn: Connection, path: PathBuf) -> Self {
        Self { conn, path, file: None }
    }

    /// Whether the file that is open is still the one that others find under its name. One that was removed, moved or
    /// replaced can be written and read as before, by this process alone.
    pub(crate) fn is_in_place(&self) -> bool {
        self.file.is_none() || file_at(&self.path) == self.file
    }

    fn settle(&self) -> Result<(), Fault> {
        let pragmas = format!(
            "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA wal_autocheckpoint={WAL_PAGES_MAX}; \
             PRAGMA cache_size=-{CACHE_KIB}; PRAGMA foreign_keys=OFF;"
        );
        patient(|| self.conn.execute_batch(&pragmas)).at(&self.path)
    }

    /// Takes the write lock. The transaction rolls back when dropped without a commit.
    pub(crate) fn begin(&self) -> Result<Transaction<'_>, Fault> {
        patient(|| Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate)).at(&self.path)
    }

    /// Folds the write-ahead log into the database and empties it, waiting no longer than `patience`.
    /// False when a reader or writer was in the way and old pages stay in the log for now.
    ///
    /// # Errors
    /// Not known whether the old pages are gone for good; nobody may go on as if they were.
    pub(crate) fn truncate_log(&mut self, patience: Duration) -> Result<bool, Fault> {
        self.conn.busy_timeout(patience).at(&self.path)?;
        let busy = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, bool>(0));
        self.conn.busy_handler(Some(jittered_wait())).at(&self.path)?;
        if busy.as_ref().is_err_and(is_busy) || busy.at(&self.path)? {
            return Ok(false);
        }
        // SQLite needs no sync here, since old pages do it no harm; after a power cut they would be back.
        let log = beside(&self.path, "-wal");
        std::fs::File::open(&log).and_then(|file| file.sync_all()).at(&log)?;
        Ok(true)
    }

    /// Before closing: folds a log that would slow down the next opening, which reads all of it.
    pub(crate) fn fold_if_long(&mut self) {
        let log = std::fs::metadata(beside(&self.path, "-wal"));
        if log.is_ok_and(|log| log.len() > WAL_LEFT_BYTES_MAX) {
            // Another process in the way keeps it open anyway and folds it when it ends. Nothing depends on it.
            drop(self.truncate_log(Duration::ZERO));
        }
    }

    /// Names this file in an error.
    pub(crate) fn at<T>(&self, result: rusqlite::Result<T>) -> Result<T, Fault> {
        result.at(&self.path)
    }
}

/// The file that SQLite keeps beside a database.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Runs `f` again while the database is locked; some locks (recovery of a log, the switch to WAL)
/// are reported without asking the busy handler.
fn patient<T>(mut f: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let mut wait = jittered_wait();
    let mut tries = 0;
    loop {
        match f() {
            Err(error) if is_busy(&error) && wait(tries) => tries += 1,
            other => return other,
        }
    }
}

pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Sleeps a random moment, until [`BUSY_WAIT_MAX`] has passed since the first try.
fn jittered_wait() -> impl FnMut(i32) -> bool + Send + 'static {
    let mut started = Instant::now();
    let mut state = crate::random::bytes().map_or(0x9e37_79b9_7f4a_7c15, u64::from_ne_bytes) | 1;
    move |tries| {
        if tries == 0 {
            started = Instant::now();
        }
        // xorshift64: spreads processes, nothing more.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let most_us = u64::try_from(BUSY_SLEEP_MAX.as_micros()).unwrap_or(1);
        std::thread::sleep(Duration::from_micros(50 + state % most_us));
        started.elapsed() < BUSY_WAIT_MAX
    }
}

/// The file as SQLite's URIs name it, in ASCII.
fn uri_of(path: &Path, how: &str) -> String {
    let mut uri = "file:".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_') {
            uri.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            _ = write!(uri, "%{byte:02X}");
        }
    }
    uri + "?" + how
}

/// SQLite integers are signed; sequence numbers and milliseconds stay far below 2^63.
pub(crate) const fn to_sql(number: u64) -> i64 {
    number.cast_signed()
}

/// See [`to_sql`].
pub(crate) const fn from_sql(number: i64) -> u64 {
    number.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleted_bytes_are_gone_from_every_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.db");
        drop(Database::create(&path, "CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB) STRICT").unwrap());
        let mut database = Database::open(&path, Access::ReadWrite).unwrap();
        let secret = [0x5e; 10_000];
        database.conn.execute("INSERT INTO t VALUES (1, ?1)", [secret.as_slice()]).unwrap();
        let holds = || {
            ["", "-wal"].iter().any(|suffix| {
                let bytes = std::fs::read(beside(&path, suffix)).unwrap();
                bytes.windows(16).any(|part| part == &secret[..16])
            })
        };
        assert!(holds());
        database.conn.execute("DELETE FROM t", ()).unwrap();
        assert!(database.truncate_log(Duration::ZERO).unwrap());
        assert!(!holds());
    }

    #[test]
    fn a_reader_in_the_way_of_folding_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.db");
        drop(Database::create(&path, "CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT").unwrap());
        let mut database = Database::open(&path, Access::ReadWrite).unwrap();
        database.conn.execute("INSERT INTO t VALUES (1)", ()).unwrap();
        let reader = Database::open(&path, Access::ReadOnly).unwrap();
        let reading = reader.conn.unchecked_transaction().unwrap();
        let seen: i64 = reading.query_row("SELECT count(*) FROM t", (), |row| row.get(0)).unwrap();
        database.conn.execute("INSERT INTO t VALUES (2)", ()).unwrap();
        assert!(!database.truncate_log(Duration::ZERO).unwrap());
        drop(reading);
        assert!(database.truncate_log(Duration::ZERO).unwrap());
        assert_eq!(seen, 1);
    }
}
