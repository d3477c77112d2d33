//! What a witness keeps: which logs it watches, what it cosigned last, and what convicts them.
//!
//! A directory of its own, never a home: `key.pem` and `witness.db`. The order must not change: the
//! new checkpoint is durable before the cosignature is made, so that no crash lets a log show two
//! histories.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use cascade_receipt::checkpoint::{SignedCheckpoint, cosignature, cosignature_message};
use cascade_receipt::digest::Digest;
use cascade_receipt::ed25519::PublicKey;
use cascade_receipt::id::KeyId;
use cascade_receipt::note::{Algorithm, VerifierKey};
use cascade_receipt::witness::{AddCheckpoint, Known, Refusal, judge};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::fault::{At as _, Fault, OpenError};
use crate::files;
use crate::keys::{Key, Passphrase};
use crate::reader::lock;
use crate::store::{Access, Database, from_sql, to_sql};

/// Pieces of evidence kept per log; a log that lies more often is convicted by the first ones.
pub const EVIDENCE_MAX: u64 = 1000;

const SCHEMA: &str = "
CREATE TABLE witness (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    name TEXT NOT NULL,
    key_id TEXT NOT NULL
) STRICT;
CREATE TABLE logs (
    vkey TEXT PRIMARY KEY,
    origin TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE latest (
    origin TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note TEXT NOT NULL,
    time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE evidence (
    request_sha256 BLOB PRIMARY KEY,
    origin TEXT NOT NULL,
    kind TEXT NOT NULL,
    time INTEGER NOT NULL,
    known TEXT NOT NULL,
    request BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// One witness.
#[derive(Debug)]
pub struct Witness {
    database: Mutex<Database>,
    key: Key,
    cosigner: VerifierKey,
    notary: VerifierKey,
}

/// Why a request was not cosigned.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WitnessError {
    /// The rules of witnessing.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The disk.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A log that contradicts itself, in its own signatures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// The log.
    pub origin: String,
    /// `fork`: two roots at one size, which convicts the log. `unproven`: a checkpoint that its sender did
    /// not show to continue the known one; whoever sent it may have left out the proof.
    pub kind: String,
    /// When it came, in seconds since 1970.
    pub time: u64,
    /// The checkpoint that was cosigned before.
    pub known: String,
    /// The checkpoint that contradicts it.
    pub other: String,
    /// The witness's word for the time and for both, as a signed note.
    pub statement: String,
}

impl Witness {
    /// Opens a witness, or makes one with a new key. `name` is used for a new one alone.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_or_create(
        dir: &Path,
        name: &str,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, OpenError> {
        let (database_path, key_path) = (dir.join("witness.db"), dir.join("key.pem"));
        files::make_dirs(dir)?;
        if !database_path.exists() {
            create(dir, &key_path, &database_path, name, passphrase)?;
        }
        let database = Database::open(&database_path, Access::ReadWrite)?;
        let row = database.conn.query_row("SELECT name, key_id FROM witness", (), |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        });
        let (name, key_id) = database.at(row)?;
        let mismatch = || OpenError::KeyMismatch(key_path.clone());
        let key = Key::load_named(&key_path, &key_id, passphrase)?;
        let vkey = |algorithm| {
            let public = PublicKey::accept(&key.public)?;
            VerifierKey::new(&name, algorithm, public)
        };
        let cosigner = vkey(Algorithm::Cosignature).ok_or_else(mismatch)?;
        let notary = vkey(Algorithm::Ed25519).ok_or_else(mismatch)?;
        Ok(Self { database: Mutex::new(database), key, cosigner, notary })
    }

    /// The key that cosigns, as trust policies name it.
    #[must_use]
    pub const fn vkey(&self) -> &VerifierKey {
        &self.cosigner
    }

    /// The key that signs statements about evidence.
    #[must_use]
    pub const fn notary(&self) -> &VerifierKey {
        &self.notary
    }

    /// Watches a log from now on.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn watch(&self, log: &VerifierKey) -> Result<(), Fault> {
        self.ask(|conn| {
            conn.execute("INSERT OR IGNORE INTO logs VALUES (?1, ?2)", [log.to_string().as_str(), log.name()])
                .map(|_| ())
        })
    }

    /// The logs that are watched.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn logs(&self) -> Result<Vec<VerifierKey>, Fault> {
        self.ask(|conn| keys(conn, "SELECT vkey FROM logs ORDER BY vkey", []))
    }

    /// Judges a request. The answer is the signature line; the checkpoint is durable before it is made.
    ///
    /// # Errors
    /// See [`WitnessError`].
    pub fn add_checkpoint(&self, body: &[u8], now_s: u64) -> Result<String, WitnessError> {
        let request = AddCheckpoint::parse(body).ok_or(Refusal::Malformed)?;
        let signed = SignedCheckpoint::parse(request.note.as_bytes()).ok_or(Refusal::Malformed)?;
        let checkpoint = signed.checkpoint();
        let origin = checkpoint.origin.as_str();
        let database = lock(&self.database);
        let tx = database.begin()?;
        let logs =
            database.at(keys(&tx, "SELECT vkey FROM logs WHERE origin = ?1 ORDER BY vkey", [origin]))?;
        let latest = database.at(latest(&tx, origin))?;
        let known = latest.as_ref().map(|(known, _, _)| *known);
        match judge(known, &request, &signed, &logs) {
            Ok(()) => {
                let kept = tx.execute(
                    "INSERT OR REPLACE INTO latest VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![origin, to_sql(checkpoint.size), checkpoint.root.0, request.note, to_sql(now_s)],
                );
                database.at(kept)?;
                database.at(tx.commit())?;
                drop(database);
                self.cosign(signed.note().text(), now_s)
            }
            Err(refusal) => {
                let kind = match refusal {
                    Refusal::Fork => Some("fork"),
                    Refusal::Proof => Some("unproven"),
                    _ => None,
                };
                if let (Some(kind), Some((_, note, _))) = (kind, latest) {
                    database.at(keep_evidence(&tx, origin, kind, now_s, &note, body))?;
                    database.at(tx.commit())?;
                }
                Err(refusal.into())
            }
        }
    }

    fn cosign(&self, text: &str, time: u64) -> Result<String, WitnessError> {
        let signature = self.key.sign(&cosignature_message(time, text)).ok_or(Fault::Random)?;
        Ok(self.cosigner.line(&cosignature(time, &signature)))
    }

    /// The newest checkpoint of a log with this witness's cosignature; the log by the SHA-256 of its origin.
    ///
    /// # Errors
    /// [`WitnessError::Fault`].
    pub fn latest(&self, origin_sha256: &Digest) -> Result<Option<String>, WitnessError> {
        let origins = self.ask(|conn| {
            let mut all = conn.prepare_cached("SELECT origin FROM latest")?;
            all.query_map((), |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
        })?;
        let origin = origins.iter().find(|origin| Digest::of(origin.as_bytes()) == *origin_sha256);
        let Some(origin) = origin else { return Ok(None) };
        let Some((_, note, time)) = self.ask(|conn| latest(conn, origin))? else { return Ok(None) };
        let Some(signed) = SignedCheckpoint::parse(note.as_bytes()) else { return Ok(None) };
        let line = self.cosign(signed.note().text(), time)?;
        Ok(Some(format!("{note}{line}")))
    }

    /// What was kept against logs, oldest first.
    ///
    /// # Errors
    /// [`WitnessError::Fault`].
    pub fn evidence(&self) -> Result<Vec<Evidence>, WitnessError> {
        let rows = self.ask(|conn| {
            let mut all = conn
                .prepare("SELECT origin, kind, time, known, request FROM evidence ORDER BY time, origin")?;
            let rows = all.query_map((), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get::<_, Vec<u8>>(4)?))
            })?;
            rows.collect::<Result<Vec<(String, String, i64, String, Vec<u8>)>, _>>()
        })?;
        let mut evidence = Vec::new();
        for (origin, kind, time, known, request) in rows {
            let Some(request) = AddCheckpoint::parse(&request) else { continue };
            let (time, other) = (from_sql(time), request.note.to_owned());
            let statement = self.statement(&kind, time, &origin, &known, &other)?;
            evidence.push(Evidence { origin, kind, time, known, other, statement });
        }
        Ok(evidence)
    }

    fn statement(
        &self,
        kind: &str,
        time: u64,
        origin: &str,
        known: &str,
        other: &str,
    ) -> Result<String, Fault> {
        let (known, other) = (Digest::of(known.as_bytes()), Digest::of(other.as_bytes()));
        let text =
            format!("cascade/evidence/v1\n{kind}\ntime {time}\n{origin}\nknown {known}\nother {other}\n");
        let signature = self.key.sign(text.as_bytes()).ok_or(Fault::Random)?;
        Ok(format!("{text}\n{}", self.notary.line(&signature)))
    }

    fn ask<T>(&self, f: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Fault> {
        let database = lock(&self.database);
        database.at(f(&database.conn))
    }
}

fn create(
    dir: &Path,
    key_path: &PathBuf,
    database_path: &Path,
    name: &str,
    passphrase: Option<&Passphrase>,
) -> Result<(), OpenError> {
    let key = Key::generate("witness")?;
    let valid = PublicKey::accept(&key.public)
        .and_then(|public| VerifierKey::new(name, Algorithm::Cosignature, public));
    if valid.is_none() {
        let detail = "a witness's name has no blank and no `+`".to_owned();
        return Err(Fault::Io { place: name.to_owned(), detail }.into());
    }
    // A creation that died before its database was there left a key that nobody has seen.
    match std::fs::remove_file(key_path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Fault::io(key_path, &error).into());
        }
        _ => {}
    }
    key.write_new(key_path, passphrase)?;
    let fresh = dir.join("witness.new");
    drop(std::fs::remove_file(&fresh));
    let database = Database::create(&fresh, SCHEMA)?;
    let row = params![name, key.id.as_str()];
    database.at(database.conn.execute("INSERT INTO witness VALUES (0, ?1, ?2)", row))?;
    database.at(database.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())))?;
    drop(database);
    for suffix in ["-wal", "-shm"] {
        drop(std::fs::remove_file(crate::store::beside(&fresh, suffix)));
    }
    std::fs::rename(&fresh, database_path).at(database_path)?;
    Ok(files::sync_dir(dir)?)
}

fn keys(conn: &Connection, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<Vec<VerifierKey>> {
    let mut all = conn.prepare_cached(sql)?;
    let texts = all.query_map(params, |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(texts.iter().filter_map(|text| VerifierKey::parse(text)).collect())
}

/// What was cosigned last, its note, and when.
fn latest(conn: &Connection, origin: &str) -> rusqlite::Result<Option<(Known, String, u64)>> {
    conn.prepare_cached("SELECT size, root, note, time FROM latest WHERE origin = ?1")?
        .query_row([origin], |row| {
            let known = Known { size: from_sql(row.get(0)?), root: Digest(row.get(1)?) };
            Ok((known, row.get(2)?, from_sql(row.get(3)?)))
        })
        .optional()
}

fn keep_evidence(
    conn: &Connection,
    origin: &str,
    kind: &str,
    time: u64,
    known: &str,
    request: &[u8],
) -> rusqlite::Result<()> {
    let kept: i64 =
        conn.query_row("SELECT count(*) FROM evidence WHERE origin = ?1", [origin], |row| row.get(0))?;
    if from_sql(kept) < EVIDENCE_MAX {
        conn.execute(
            "INSERT OR IGNORE INTO evidence VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![Digest::of(request).0, origin, kind, to_sql(time), known, request],
        )?;
    }
    Ok(())
}

/// A key id that belongs to no chain.
impl Key {
    fn load_named(path: &Path, id: &str, passphrase: Option<&Passphrase>) -> Result<Self, OpenError> {
        let id = KeyId::parse(id).ok_or_else(|| OpenError::KeyMismatch(path.to_owned()))?;
        Ok(Self::load(path, &id, passphrase)?.0)
    }
}
