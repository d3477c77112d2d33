//! Proving what is on disk: every byte of a tenant against every rule that this crate keeps.
//!
//! Signatures and the life of actions are the verifier's subject; this looks below it, at files,
//! databases, links, views, vault, index, kept checkpoints and tags, and needs no passphrase.

mod signed;

use std::path::{Path, PathBuf};

use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::ReceiptId;
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, OptionalExtension as _};

use crate::fault::{At as _, Fault, OpenError};
use crate::head::HeadRow;
use crate::home::{Home, TenantId, VERSION};
use crate::reader::Reader;
use crate::schema::{VIEW_TABLES, VIEWS};
use crate::store::from_sql;
use crate::walk::Walk;
use crate::{files, vault};

/// Findings that are listed one by one; more are counted, or damage could fill memory.
pub const FINDINGS_MAX: usize = 100;

/// One piece of damage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Stable word, such as `log.link`.
    pub code: &'static str,
    /// The receipt it is about.
    pub seq: Option<u64>,
    /// What was seen, for people.
    pub detail: String,
}

/// What [`Reader::fsck`] saw.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FsckReport {
    /// Receipts read.
    pub receipts: u64,
    /// Vault items and blobs read.
    pub items: u64,
    /// Damage, at most [`FINDINGS_MAX`] pieces.
    pub findings: Vec<Finding>,
    /// Pieces beyond that.
    pub unlisted: u64,
}

impl FsckReport {
    /// Whether nothing is damaged.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.unlisted == 0
    }

    pub(crate) fn add(&mut self, code: &'static str, seq: Option<u64>, detail: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { code, seq, detail: detail.into() });
        } else {
            self.unlisted += 1;
        }
    }

    /// Turns damage that SQLite met into a finding; other trouble means that nobody could look.
    fn note<T>(&mut self, code: &'static str, result: Result<T, Fault>) -> Result<Option<T>, Fault> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Fault::Damaged { detail, .. }) => {
                self.add(code, None, detail);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }
}

impl Reader {
    /// Looks at everything; see [`Home::fsck`]. `progress` is called with what is done and what there is in all
    /// (receipts and vault items together). Receipts appended meanwhile are looked at too.
    ///
    /// # Errors
    /// [`Fault`] when it could not look. Damage is no error: it is in the report.
    pub fn fsck(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<FsckReport, Fault> {
        let mut report = FsckReport::default();
        self.check_files(&mut report)?;
        if !self.dir().join("vault.db").exists() {
            // Named already; nothing else can be compared without it.
            return Ok(report);
        }
        let ledger = self.ask(integrity);
        let vault = self.ask_vault(integrity);
        let mut sound = true;
        for (code, answer) in [("sqlite.ledger", ledger), ("sqlite.vault", vault)] {
            let answer = report.note(code, answer)?;
            for line in answer.iter().flatten() {
                report.add(code, None, line.clone());
            }
            sound &= answer.is_some_and(|lines| lines.is_empty());
        }
        if !sound {
            // What SQLite cannot read in order would only give echoes of the same damage.
            return Ok(report);
        }
        let items = self.ask_vault(|conn| {
            conn.query_row("SELECT (SELECT count(*) FROM items) + (SELECT count(*) FROM blobs)", (), |row| {
                row.get(0).map(from_sql)
            })
        })?;
        let mut log_report = std::mem::take(&mut report);
        let walked = self.check_log(&mut log_report, &mut |done, all| progress(done, all + items));
        report = log_report;
        if report.note("sqlite.ledger", walked)?.is_some() && report.is_clean() {
            let mut signed_report = std::mem::take(&mut report);
            let signed = self.check_signed(&mut signed_report);
            report = signed_report;
            report.note("checkpoint.tree", signed)?;
        }
        let receipts = report.receipts;
        let vaulted = self.check_vault(&mut report, &mut |done| progress(receipts + done, receipts + items));
        vaulted?;
        Ok(report)
    }

    /// The log without a transaction first, however long it takes; then, in one short look, what
    /// came meanwhile, the head, the views and the index, which must belong to one moment.
    fn check_log(&self, report: &mut FsckReport, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Fault> {
        let shadow = Connection::open_in_memory().at(self.dir())?;
        shadow.execute_batch(VIEWS).at(self.dir())?;
        let mut walk = Walk::new(&shadow, self.log_origin().as_str());
        let until = self.head()?.next_seq;
        while walk.next_seq() < until {
            let Some(segment) = self.segment_from(walk.next_seq())? else { break };
            self.ask(|conn| walk.segment(&segment, conn, report))?;
            progress(walk.next_seq(), until);
        }
        self.ask(|conn| {
            let _one_moment = conn.unchecked_transaction()?;
            let row = HeadRow::read(conn)?;
            walk.rest(conn, report)?;
            walk.check_head(&row, conn, report)?;
            report.receipts = walk.next_seq();
            for (table, key, code) in VIEW_TABLES {
                if let Some(detail) = difference(conn, &shadow, table, key)? {
                    report.add(code, None, detail);
                }
            }
            Ok(())
        })
    }

    fn check_vault(&self, report: &mut FsckReport, progress: &mut dyn FnMut(u64)) -> Result<(), Fault> {
        for (_, policy) in self.policy_history()? {
            if !self.ask_vault(|conn| vault::has_blob(conn, &policy.hash))? {
                report.add("vault.snapshot", None, format!("the snapshot {} is missing", policy.hash));
            }
        }
        for (sql, code) in [
            (
                "SELECT id, hash, nonce, bytes, receipt_id FROM items WHERE id > ?1 ORDER BY id LIMIT 1",
                "vault.item",
            ),
            ("SELECT id, hash, NULL, bytes, NULL FROM blobs WHERE id > ?1 ORDER BY id LIMIT 1", "vault.blob"),
        ] {
            let mut after = i64::MIN;
            // One item at a time: no reader stays open, and memory holds one.
            while let Some((id, intact, wiped)) = self.ask_vault(|conn| {
                conn.prepare_cached(sql)?
                    .query_row([after], |row| {
                        let (hash, bytes) = (row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(3)?);
                        let nonce = row.get::<_, Option<[u8; 32]>>(2)?;
                        let found = match nonce {
                            Some(nonce) => Digest::salted(&Nonce(nonce), &bytes),
                            None => Digest::of(&bytes),
                        };
                        let zeros = nonce == Some([0; 32]) && bytes.iter().all(|byte| *byte == 0);
                        let wiped = if zeros { Some(ReceiptId(row.get(4)?)) } else { None };
                        Ok((row.get::<_, i64>(0)?, hash == found.0, wiped))
                    })
                    .optional()
            })? {
                if !intact && !wiped.map_or(Ok(false), |receipt| self.may_be_wiped(receipt))? {
                    report.add(code, None, format!("item {id} does not give its hash"));
                }
                after = id;
                report.items += 1;
                progress(report.items);
            }
        }
        Ok(())
    }

    /// Zeros are right where an erasure names the receipt, and where no receipt ever came to the bytes.
    fn may_be_wiped(&self, receipt: ReceiptId) -> Result<bool, Fault> {
        Ok(self.erased_by(receipt)?.is_some() || self.seq_of(receipt)?.is_none())
    }

    fn check_files(&self, report: &mut FsckReport) -> Result<(), Fault> {
        let home = self.dir().parent().and_then(Path::parent).unwrap_or(self.dir());
        let version = std::fs::read_to_string(home.join("VERSION")).unwrap_or_default();
        if version != format!("{VERSION}\n") {
            report.add("files.version", None, format!("VERSION is `{}`", version.trim_end().escape_debug()));
        }
        for name in ["vault.db", "keys/receipt.pem", "keys/log.pem", "runs"] {
            if !self.dir().join(name).exists() {
                report.add("files.missing", None, format!("`{name}` is missing"));
            }
        }
        for dir in [home.to_owned(), self.dir().to_owned(), self.dir().join("keys"), self.dir().join("runs")]
        {
            if dir.exists() {
                check_mode(&dir, files::DIR_MODE, report)?;
            }
        }
        for dir in [self.dir().to_owned(), self.dir().join("keys"), self.dir().join("runs")] {
            for file in plain_files(&dir)? {
                check_mode(&file, files::FILE_MODE, report)?;
            }
        }
        Ok(())
    }
}

impl Home {
    /// [`Reader::fsck`], also where the damage is such that the tenant cannot even be opened.
    ///
    /// # Errors
    /// [`OpenError`] when it could not look.
    pub fn fsck(
        &self,
        tenant: &TenantId,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<FsckReport, OpenError> {
        for name in ["ledger.db", "vault.db"] {
            let mut report = FsckReport::default();
            match std::fs::metadata(self.existing(tenant)?.join(name)) {
                Err(_) if name == "ledger.db" => report.add("files.missing", None, "`ledger.db` is missing"),
                // SQLite would take it for a new database.
                Ok(file) if file.len() == 0 => report.add("files.empty", None, format!("`{name}` is empty")),
                _ => continue,
            }
            return Ok(report);
        }
        match self.open_tenant_read_only(tenant).and_then(|reader| Ok(reader.fsck(progress)?)) {
            Err(OpenError::Fault(Fault::Damaged { place, detail })) => {
                let mut report = FsckReport::default();
                let code = if place.ends_with("vault.db") { "sqlite.vault" } else { "sqlite.ledger" };
                report.add(code, None, detail);
                Ok(report)
            }
            other => other,
        }
    }
}

fn plain_files(dir: &Path) -> Result<Vec<PathBuf>, Fault> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Fault::io(dir, &error)),
    };
    let paths = entries.map(|entry| entry.at(dir).map(|entry| entry.path()));
    paths.filter(|path| !path.as_ref().is_ok_and(|path| path.is_dir())).collect()
}

fn check_mode(path: &Path, want: u32, report: &mut FsckReport) -> Result<(), Fault> {
    match files::mode(path) {
        Ok(mode) if mode == want => {}
        Ok(mode) => {
            report.add("files.mode", None, format!("`{}` has mode {mode:o}, not {want:o}", path.display()));
        }
        // A lock or log file that a running process took away meanwhile.
        Err(_) if !path.exists() => {}
        Err(fault) => return Err(fault),
    }
    Ok(())
}

/// SQLite's own check; empty when it is satisfied.
fn integrity(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut lines: Vec<String> = conn
        .prepare("PRAGMA integrity_check(20)")?
        .query_map((), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    lines.retain(|line| line != "ok");
    Ok(lines)
}

/// Where a view differs from its rebuild.
fn difference(
    conn: &Connection,
    shadow: &Connection,
    table: &str,
    key: &str,
) -> rusqlite::Result<Option<String>> {
    let sql = format!("SELECT * FROM {table} ORDER BY {key}");
    let (mut stored, mut rebuilt) = (conn.prepare(&sql)?, shadow.prepare(&sql)?);
    let columns = rebuilt.column_count();
    let (mut stored, mut rebuilt) = (stored.query(())?, rebuilt.query(())?);
    let cells = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Vec<Cell>> {
        (0..columns).map(|column| row.get(column)).collect()
    };
    let mut index = 0_u64;
    loop {
        let left = stored.next()?.map(cells).transpose()?;
        let right = rebuilt.next()?.map(cells).transpose()?;
        if left != right {
            return Ok(Some(format!("row {index} of `{table}` is not what the log gives")));
        }
        if left.is_none() {
            return Ok(None);
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_past_the_limit_are_counted() {
        let mut report = FsckReport::default();
        for seq in 0..FINDINGS_MAX as u64 {
            report.add("log.link", Some(seq), "");
        }
        assert_eq!((report.findings.len(), report.unlisted), (FINDINGS_MAX, 0));
        report.add("log.link", None, "");
        assert_eq!((report.findings.len(), report.unlisted), (FINDINGS_MAX, 1));
        assert!(!report.is_clean());
    }
}
