//! The vault: private bytes by salted hash, snapshots by plain hash, names of principals.

use cascade_receipt::digest::{Digest, Nonce};
use cascade_receipt::id::{PrincipalId, ReceiptId};
use rusqlite::{Connection, OptionalExtension as _, params};

/// What a principal is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PrincipalKind {
    /// A human being.
    Person,
    /// A program that acts, usually on behalf of a person.
    Agent,
    /// A person outside whom actions concern.
    Subject,
    /// A debt or case of a subject.
    Matter,
    /// Something remembered, by the hash of what it answers.
    Memory,
    /// A schedule.
    Schedule,
}

impl PrincipalKind {
    /// The word in the vault.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Agent => "agent",
            Self::Subject => "subject",
            Self::Matter => "matter",
            Self::Memory => "memory",
            Self::Schedule => "schedule",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Person, Self::Agent, Self::Subject, Self::Matter, Self::Memory, Self::Schedule]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// Who stands behind a principal id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// Person or agent.
    pub kind: PrincipalKind,
    /// The name, as given.
    pub name: String,
}

/// Private bytes as the vault keeps them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// The member of content they belong to, or what they are.
    pub field: String,
    /// Their salt.
    pub nonce: Nonce,
    /// The bytes.
    pub bytes: Vec<u8>,
}

pub(crate) fn has_blob(conn: &Connection, hash: &Digest) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM blobs WHERE hash = ?1)")?
        .query_row([hash.0], |row| row.get(0))
}

pub(crate) fn has_item(conn: &Connection, hash: &Digest) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM items WHERE hash = ?1 AND nonce <> zeroblob(32))")?
        .query_row([hash.0], |row| row.get(0))
}

pub(crate) fn blob(conn: &Connection, hash: &Digest) -> rusqlite::Result<Option<Vec<u8>>> {
    conn.prepare_cached("SELECT bytes FROM blobs WHERE hash = ?1")?
        .query_row([hash.0], |row| row.get(0))
        .optional()
}

pub(crate) fn add_blob(conn: &Connection, hash: &Digest, bytes: &[u8]) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR IGNORE INTO blobs (hash, bytes) VALUES (?1, ?2)")?
        .execute(params![hash.0, bytes])?;
    Ok(())
}

pub(crate) fn item(conn: &Connection, hash: &Digest) -> rusqlite::Result<Option<(Nonce, Vec<u8>)>> {
    conn.prepare_cached("SELECT nonce, bytes FROM items WHERE hash = ?1 AND nonce <> zeroblob(32)")?
        .query_row([hash.0], |row| Ok((Nonce(row.get(0)?), row.get(1)?)))
        .optional()
}

/// A private item with its hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// The salted hash.
    pub hash: Digest,
    /// The salt.
    pub nonce: Nonce,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Actions and facts in the order in which they were stored, from the one with this hash on.
pub(crate) fn items_from(
    conn: &Connection,
    hash: &Digest,
    count: usize,
    bytes: usize,
) -> rusqlite::Result<Vec<Kept>> {
    let mut query = conn.prepare_cached(
        "SELECT hash, nonce, bytes FROM items
         WHERE id >= (SELECT id FROM items WHERE hash = ?1)
           AND field IN ('action_hash', 'facts_hash') AND nonce <> zeroblob(32) ORDER BY id",
    )?;
    let mut rows = query.query([hash.0])?;
    let (mut found, mut long) = (Vec::new(), 0);
    while found.len() < count && long < bytes {
        let Some(row) = rows.next()? else { break };
        let kept = Kept { hash: Digest(row.get(0)?), nonce: Nonce(row.get(1)?), bytes: row.get(2)? };
        long += kept.bytes.len();
        found.push(kept);
    }
    Ok(found)
}

/// Everything private that came with one receipt.
pub(crate) fn items_of(conn: &Connection, receipt_id: ReceiptId) -> rusqlite::Result<Vec<Item>> {
    let mut query = conn.prepare_cached(
        "SELECT field, nonce, bytes FROM items
         WHERE receipt_id = ?1 AND nonce <> zeroblob(32) ORDER BY id",
    )?;
    let rows = query.query_map([receipt_id.0], |row| {
        Ok(Item { field: row.get(0)?, nonce: Nonce(row.get(1)?), bytes: row.get(2)? })
    })?;
    rows.collect()
}

/// Overwrites what these receipts brought, and what stands behind these hashes, in place. A row of zeros
/// stays: a deleted row makes SQLite rearrange its neighbours, which can leave copies of them behind, to be
/// found when they are erased themselves; and the row keeps bytes of this hash from being stored again.
pub(crate) fn wipe(conn: &Connection, receipts: &[ReceiptId], hashes: &[Digest]) -> rusqlite::Result<usize> {
    const ZERO: &str = "UPDATE items SET nonce = zeroblob(32), bytes = zeroblob(length(bytes))
                        WHERE nonce <> zeroblob(32) AND";
    let mut wiped = 0;
    for receipt_id in receipts {
        wiped += conn.prepare_cached(&format!("{ZERO} receipt_id = ?1"))?.execute([receipt_id.0])?;
    }
    for hash in hashes {
        wiped += conn.prepare_cached(&format!("{ZERO} hash = ?1"))?.execute([hash.0])?;
    }
    Ok(wiped)
}

/// Every receipt id that private bytes came with.
pub(crate) fn bringers(conn: &Connection) -> rusqlite::Result<Vec<ReceiptId>> {
    let mut query =
        conn.prepare_cached("SELECT DISTINCT receipt_id FROM items WHERE nonce <> zeroblob(32)")?;
    query.query_map((), |row| Ok(ReceiptId(row.get(0)?)))?.collect()
}

/// The hashes of what came with one receipt.
pub(crate) fn hashes_of(conn: &Connection, receipt_id: ReceiptId) -> rusqlite::Result<Vec<Digest>> {
    let mut query = conn.prepare_cached("SELECT hash FROM items WHERE receipt_id = ?1")?;
    query.query_map([receipt_id.0], |row| Ok(Digest(row.get(0)?)))?.collect()
}

pub(crate) fn name(conn: &Connection, principal: PrincipalId) -> rusqlite::Result<Option<Name>> {
    let row: Option<(String, String)> = conn
        .prepare_cached("SELECT kind, name FROM names WHERE principal = ?1")?
        .query_row([principal.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(row.and_then(|(kind, name)| Some(Name { kind: PrincipalKind::parse(&kind)?, name })))
}

pub(crate) fn principal(
    conn: &Connection,
    kind: PrincipalKind,
    name: &str,
) -> rusqlite::Result<Option<PrincipalId>> {
    conn.prepare_cached("SELECT principal FROM names WHERE kind = ?1 AND name = ?2")?
        .query_row(params![kind.as_str(), name], |row| Ok(PrincipalId(row.get(0)?)))
        .optional()
}

/// Every principal that has a name.
pub(crate) fn names(conn: &Connection) -> rusqlite::Result<Vec<(PrincipalId, Name)>> {
    let mut all = Vec::new();
    let mut query = conn.prepare_cached("SELECT principal, kind, name FROM names ORDER BY kind, name")?;
    let mut rows = query.query(())?;
    while let Some(row) = rows.next()? {
        if let Some(kind) = PrincipalKind::parse(&row.get::<_, String>(1)?) {
            all.push((PrincipalId(row.get(0)?), Name { kind, name: row.get(2)? }));
        }
    }
    Ok(all)
}

pub(crate) fn add_name(
    conn: &Connection,
    principal: PrincipalId,
    kind: PrincipalKind,
    name: &str,
) -> rusqlite::Result<()> {
    conn.execute("INSERT INTO names VALUES (?1, ?2, ?3)", params![principal.0, kind.as_str(), name])?;
    Ok(())
}
