//! The view of a chain's keys: which there are, what for, and where each stands.

use cascade_receipt::content::Body;
use cascade_receipt::id::KeyId;
use cascade_receipt::reader::Purpose;
use cascade_receipt::time::Timestamp;
use cascade_receipt::verify::REVOCATIONS_MAX;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::change::{Change, KeyRow};
use crate::draft::AppendError;
use crate::fault::Fault;
use crate::keys;
use crate::reader::Reader;
use crate::store::{from_sql, to_sql};

/// Where a key stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyState {
    /// It may sign.
    Active,
    /// Another took its place.
    Retired,
    /// It was taken back, or fell with one that was.
    Revoked,
}

impl KeyState {
    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Retired, Self::Revoked].into_iter().find(|state| state.as_str() == text)
    }
}

/// A key of the chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainKey {
    /// Its id.
    pub key_id: KeyId,
    /// What for.
    pub purpose: Purpose,
    /// 32 raw bytes.
    pub public_key: [u8; 32],
    /// The receipt that brought it.
    pub seq: u64,
    /// Where it stands.
    pub state: KeyState,
}

/// Makes the view follow one receipt.
pub(crate) fn apply(conn: &Connection, seq: u64, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::KeyAdded { key, retires, parent, added } => {
            if let Some(retired) = retires {
                end(conn, seq, retired, "retired")?;
            }
            add(conn, seq, key, Some((parent, *added)))
        }
        Change::KeyRevoked { key_id, since, replacement } => {
            if let Some(key) = replacement {
                add(conn, seq, key, None)?;
            }
            falling(conn, key_id, *since)?.iter().try_for_each(|key| end(conn, seq, key, "revoked"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn add(
    conn: &Connection,
    seq: u64,
    key: &KeyRow,
    parent: Option<(&String, Timestamp)>,
) -> rusqlite::Result<()> {
    let (parent, added) = parent.unzip();
    conn.prepare_cached("INSERT INTO keys VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'active', NULL)")?.execute(
        params![
            key.key_id,
            to_sql(seq),
            key.purpose.as_str(),
            key.public_key,
            parent,
            added.map(|at| to_sql(at.ms()))
        ],
    )?;
    Ok(())
}

fn end(conn: &Connection, seq: u64, key_id: &str, state: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(
        // What was taken back and falls again keeps the receipt that took it back: a bundle has to show that one too.
        "UPDATE keys SET state = ?1, ended_seq = ?2 WHERE key_id = ?3 AND state <> 'revoked'",
    )?
    .execute(params![state, to_sql(seq), key_id])?;
    Ok(())
}

/// The keys that fall with a key that is taken back, itself included.
pub(crate) fn falling(conn: &Connection, key_id: &str, since: Timestamp) -> rusqlite::Result<Vec<String>> {
    let mut fallen = vec![key_id.to_owned()];
    let mut at = 0;
    while let Some(parent) = fallen.get(at).cloned() {
        let mut query = conn.prepare_cached(
            "SELECT key_id FROM keys WHERE parent = ?1 AND added_ms >= ?2 AND purpose = 'receipt'",
        )?;
        let under = query.query_map(params![parent, to_sql(since.ms())], |row| row.get(0))?;
        for key in under.collect::<rusqlite::Result<Vec<String>>>()? {
            if !fallen.contains(&key) {
                fallen.push(key);
            }
        }
        at += 1;
    }
    Ok(fallen)
}

/// Whether a receipt about keys no longer fits those that there are, with `signing` as the key that would sign it.
pub(crate) fn is_stale(conn: &Connection, body: &Body, signing: &KeyId) -> rusqlite::Result<bool> {
    match body {
        Body::KeyAdded(added) => {
            let retires_another = added.retires.as_ref().is_some_and(|id| id != signing);
            Ok(retires_another || state(conn, added.key.key_id.as_str())?.is_some())
        }
        Body::KeyRevoked(revoked) => {
            let statement = &revoked.statement;
            let standing = state(conn, statement.key_id.as_str())?;
            if standing.is_none_or(|state| state == KeyState::Revoked) {
                return Ok(true);
            }
            // What falls must not sign any more; a replacement has to be there for it.
            let fallen = falling(conn, statement.key_id.as_str(), statement.compromised_since)?;
            Ok(statement.replacement.is_none() && fallen.iter().any(|id| id == signing.as_str()))
        }
        _ => Ok(false),
    }
}

/// Why the chain has no room for what a receipt about keys says; every verifier would refuse it.
pub(crate) fn refusal(conn: &Connection, body: &Body) -> rusqlite::Result<Option<AppendError>> {
    match body {
        Body::KeyAdded(added) => {
            let leaving = added.retires.as_ref().map(KeyId::as_str);
            no_room(conn, added.key.purpose, leaving)
        }
        Body::KeyRevoked(revoked) => {
            let statement = &revoked.statement;
            if revocations(conn)? >= REVOCATIONS_MAX {
                return Ok(Some(AppendError::TooManyRevocations));
            }
            match &statement.replacement {
                Some(new) => no_room(conn, new.purpose, Some(statement.key_id.as_str())),
                None => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

fn no_room(
    conn: &Connection,
    purpose: Purpose,
    leaving: Option<&str>,
) -> rusqlite::Result<Option<AppendError>> {
    let staying: i64 = conn
        .prepare_cached(
            "SELECT count(*) FROM keys WHERE purpose = ?1 AND state = 'active' AND key_id IS NOT ?2",
        )?
        .query_row(params![purpose.as_str(), leaving], |row| row.get(0))?;
    let most = purpose.active_max();
    let full = usize::try_from(staying).is_ok_and(|staying| staying >= most);
    Ok(full.then(|| AppendError::TooManyKeys { purpose: purpose.as_str(), most }))
}

/// How many receipts took a key back.
fn revocations(conn: &Connection) -> rusqlite::Result<u64> {
    conn.prepare_cached("SELECT count(DISTINCT ended_seq) FROM keys WHERE state = 'revoked'")?
        .query_row((), |row| row.get(0).map(from_sql))
}

fn state(conn: &Connection, key_id: &str) -> rusqlite::Result<Option<KeyState>> {
    let text: Option<String> = conn
        .prepare_cached("SELECT state FROM keys WHERE key_id = ?1")?
        .query_row([key_id], |row| row.get(0))
        .optional()?;
    Ok(text.as_deref().and_then(KeyState::parse))
}

pub(crate) fn is_active(conn: &Connection, key_id: &str, purpose: Purpose) -> rusqlite::Result<bool> {
    conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM keys WHERE key_id = ?1 AND purpose = ?2 AND state = 'active')",
    )?
    .query_row([key_id, purpose.as_str()], |row| row.get(0))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<ChainKey>> {
    let (key_id, purpose, state): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(4)?);
    let (public_key, seq) = (row.get(2)?, from_sql(row.get(3)?));
    let key = || {
        Some(ChainKey {
            key_id: KeyId::parse_for(&key_id, &public_key)?,
            purpose: Purpose::parse(&purpose)?,
            public_key,
            seq,
            state: KeyState::parse(&state)?,
        })
    };
    Ok(key())
}

impl Reader {
    /// Every key that the chain ever had, in the order of the receipts that brought them.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn keys(&self) -> Result<Vec<ChainKey>, Fault> {
        let keys = self.ask(|conn| {
            conn.prepare_cached(
                "SELECT key_id, purpose, public_key, seq, state FROM keys ORDER BY seq, purpose",
            )?
            .query_map((), read)?
            .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        keys.into_iter()
            .map(|key| {
                key.ok_or_else(|| Fault::damaged(&self.dir().join("ledger.db"), "a key cannot be read"))
            })
            .collect()
    }

    /// Places of the receipts that changed keys, genesis included, in order.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn key_receipts(&self) -> Result<Vec<u64>, Fault> {
        self.ask(|conn| {
            conn.prepare_cached(
                "SELECT seq FROM keys UNION SELECT ended_seq FROM keys WHERE ended_seq NOTNULL ORDER BY 1",
            )?
            .query_map((), |row| row.get(0).map(from_sql))?
            .collect()
        })
    }

    /// The newest active key of a purpose.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn active_key(&self, purpose: Purpose) -> Result<Option<ChainKey>, Fault> {
        let mut keys = self.keys()?.into_iter();
        Ok(keys.rfind(|key| key.purpose == purpose && key.state == KeyState::Active))
    }

    /// Id of the key that this home signs receipts with unless told otherwise.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn signing_key_id(&self) -> Result<KeyId, Fault> {
        let id = self.ask(home_key)?;
        let known = self.keys()?.into_iter().find(|key| key.key_id.as_str() == id);
        known.map(|key| key.key_id).ok_or_else(|| {
            Fault::damaged(&self.dir().join("ledger.db"), "the signing key is not in the chain")
        })
    }

    /// Whether that key asks for a passphrase or PIN. The key itself is not loaded.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn is_signing_key_protected(&self) -> Result<bool, Fault> {
        keys::is_protected(self.dir(), &self.signing_key_id()?)
    }
}

/// `chain.key_id`.
pub(crate) fn home_key(conn: &Connection) -> rusqlite::Result<String> {
    conn.prepare_cached("SELECT key_id FROM chain")?.query_row((), |row| row.get(0))
}
