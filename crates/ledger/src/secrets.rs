//! Brokered credentials: values sealed in the vault, known to be in force by the chain.
//!
//! A credential is a row of the vault's table `sealed_secrets`: what was declared of it in clear, its value sealed with
//! AES-256-GCM under the tenant's sealing key ([`crate::sealing`]): 12 bytes nonce ‖ ciphertext ‖ 16 bytes tag, with
//! chain, credential, receipt and declaration as associated data. So a value cannot be moved to another declaration
//! by whoever can edit the database. The row is durable before its `secret_changed` receipt; a view of the log says
//! which receipt of a credential is in force. A row that no receipt in force names is dead, and overwritten in
//! place as erasure does it.

use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use cascade_receipt::id::ReceiptId;
use rusqlite::{Connection, OptionalExtension as _, params};
use zeroize::Zeroizing;

use crate::change::Change;
use crate::erasure::Wiped;
use crate::fault::{Fault, OpenError};
use crate::ledger::Ledger;
use crate::random;
use crate::reader::Reader;
use crate::store::to_sql;
use crate::views::Entry;

/// Most credentials of a tenant.
pub const SECRETS_MAX: usize = 64;
/// Shortest value: replacing a shorter one wherever it occurs would garble output.
pub const SECRET_BYTES_MIN: usize = 8;
/// Longest value.
pub const SECRET_BYTES_MAX: usize = 16 * 1024;

/// The table in the vault. Made when the first credential is set.
const TABLE: &str = "
CREATE TABLE IF NOT EXISTS sealed_secrets (
    id INTEGER PRIMARY KEY,
    receipt_id BLOB NOT NULL UNIQUE,
    declaration BLOB NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
";

/// A value; wiped from memory when dropped, never shown.
#[derive(Clone)]
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// Takes a value of a length that is allowed and without a zero byte, which no environment can hold.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        let bytes = Zeroizing::new(bytes);
        let fits = (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len()) && !bytes.contains(&0);
        fits.then_some(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

/// A credential in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Secret {
    /// Its random id.
    pub id: [u8; 8],
    /// The `secret_changed` receipt that set it.
    pub receipt_id: ReceiptId,
    /// What was declared of it.
    pub declaration: Vec<u8>,
}

/// A sealed value on its way to the vault.
#[derive(Clone)]
pub struct SealedSecret {
    declaration: Vec<u8>,
    sealed: Vec<u8>,
}

impl std::fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedSecret(..)")
    }
}

impl Reader {
    /// The credentials in force, in the order in which they were set.
    ///
    /// # Errors
    /// [`Fault`]; [`Fault::Damaged`] when one that the chain knows is not in the vault.
    pub fn secrets(&self) -> Result<Vec<Secret>, Fault> {
        let live = self.ask(live)?;
        let one = |(id, receipt_id): ([u8; 8], ReceiptId)| {
            let row = self.ask_vault(|conn| row(conn, receipt_id))?;
            let (declaration, _) = row.ok_or_else(|| self.damaged_secret())?;
            Ok(Secret { id, receipt_id, declaration })
        };
        live.into_iter().map(one).collect()
    }

    /// The receipts that set the credentials in force, in their order.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn secrets_set(&self) -> Result<Vec<ReceiptId>, Fault> {
        Ok(self.ask(live)?.into_iter().map(|(_, receipt_id)| receipt_id).collect())
    }

    /// What a receipt declared of the credential that it set, where the vault still has it.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn declared_by(&self, receipt_id: ReceiptId) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.ask_vault(|conn| row(conn, receipt_id))?.map(|(declaration, _)| declaration))
    }

    fn damaged_secret(&self) -> Fault {
        Fault::damaged(&self.dir().join("vault.db"), "a credential is missing or damaged")
    }

    fn associated(&self, id: [u8; 8], receipt_id: ReceiptId, declaration: &[u8]) -> Vec<u8> {
        const LABEL: &[u8] = b"cascade/secret/v1\n";
        [LABEL, self.log_origin().as_str().as_bytes(), b"\n", &id, &receipt_id.0, declaration].concat()
    }
}

impl Ledger {
    /// Seals a value for the draft of the receipt that sets it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn seal_secret(
        &self,
        id: [u8; 8],
        receipt_id: ReceiptId,
        declaration: Vec<u8>,
        value: &SecretValue,
    ) -> Result<SealedSecret, OpenError> {
        let key = self.sealing_key()?;
        let nonce = random::bytes::<NONCE_LEN>()?;
        let mut bytes = Zeroizing::new(value.bytes().to_vec());
        let aad = Aad::from(self.associated(id, receipt_id, &declaration));
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).map(LessSafeKey::new);
        let tag = key
            .and_then(|key| {
                key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut bytes)
            })
            .map_err(|_| Fault::Random)?;
        Ok(SealedSecret { declaration, sealed: [nonce.as_slice(), &bytes, tag.as_ref()].concat() })
    }

    /// The value of a credential in force.
    ///
    /// # Errors
    /// See [`OpenError`]; [`Fault::Damaged`] when it was changed or moved.
    pub fn open_secret(&self, secret: &Secret) -> Result<SecretValue, OpenError> {
        let row = self.ask_vault(|conn| row(conn, secret.receipt_id))?;
        let (declaration, sealed) = row.ok_or_else(|| self.damaged_secret())?;
        let key = self.sealing_key()?;
        let aad = self.associated(secret.id, secret.receipt_id, &declaration);
        let value = unseal(&sealed, &key, &aad).filter(|_| declaration == secret.declaration);
        Ok(value.ok_or_else(|| self.damaged_secret())?)
    }

    /// Overwrites every credential that is no longer in force, and folds the vault's write-ahead log. Waits at most
    /// `patience` for readers of older pages.
    ///
    /// # Errors
    /// [`Fault`]; the next call goes on.
    pub fn wipe_secrets(&self, patience: Duration) -> Result<Wiped, Fault> {
        self.with_ledger(|log| {
            // Every append holds this lock while its row waits for its receipt.
            let locked = log.begin()?;
            let live = log.at(live(&locked))?;
            self.with_vault(|vault| {
                let tx = vault.begin()?;
                vault.at(tx.execute_batch(TABLE))?;
                for id in vault.at(bringers(&tx))? {
                    if !live.iter().any(|(_, receipt_id)| *receipt_id == id) {
                        vault.at(wipe(&tx, id))?;
                    }
                }
                vault.at(tx.commit())
            })
        })?;
        self.fold_vault(patience, &mut |_| ())
    }
}

fn unseal(stored: &[u8], key: &[u8; 32], aad: &[u8]) -> Option<SecretValue> {
    let (nonce, sealed) = stored.split_first_chunk::<NONCE_LEN>()?;
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let plain = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut sealed).ok()?;
    SecretValue::new(plain.to_vec())
}

/// Keeps a sealed value; in the transaction that keeps a draft's other private bytes.
pub(crate) fn keep(conn: &Connection, receipt_id: ReceiptId, secret: &SealedSecret) -> rusqlite::Result<()> {
    conn.execute_batch(TABLE)?;
    conn.execute(
        "INSERT OR IGNORE INTO sealed_secrets (receipt_id, declaration, sealed) VALUES (?1, ?2, ?3)",
        params![receipt_id.0, secret.declaration, secret.sealed],
    )?;
    Ok(())
}

/// The view: which receipt of each credential is in force.
pub(crate) fn apply(conn: &Connection, entry: &Entry, change: &Change) -> rusqlite::Result<()> {
    let Change::Secret { id, set } = change else { return Ok(()) };
    conn.execute("DELETE FROM secrets WHERE id = ?1", [id])?;
    if *set {
        conn.execute(
            "INSERT INTO secrets VALUES (?1, ?2, ?3)",
            params![id, entry.receipt_id.0, to_sql(entry.seq)],
        )?;
    }
    Ok(())
}

fn live(conn: &Connection) -> rusqlite::Result<Vec<([u8; 8], ReceiptId)>> {
    let mut query = conn.prepare_cached("SELECT id, receipt_id FROM secrets ORDER BY seq")?;
    query.query_map((), |row| Ok((row.get(0)?, ReceiptId(row.get(1)?))))?.collect()
}

fn row(conn: &Connection, receipt_id: ReceiptId) -> rusqlite::Result<Option<(Vec<u8>, Vec<u8>)>> {
    conn.prepare_cached("SELECT declaration, sealed FROM sealed_secrets WHERE receipt_id = ?1")?
        .query_row([receipt_id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

fn bringers(conn: &Connection) -> rusqlite::Result<Vec<ReceiptId>> {
    let mut query = conn
        .prepare_cached("SELECT receipt_id FROM sealed_secrets WHERE sealed <> zeroblob(length(sealed))")?;
    query.query_map((), |row| Ok(ReceiptId(row.get(0)?)))?.collect()
}

/// In place and of the same length: a row that is deleted makes SQLite move its neighbours.
fn wipe(conn: &Connection, receipt_id: ReceiptId) -> rusqlite::Result<usize> {
    conn.execute(
        "UPDATE sealed_secrets SET sealed = zeroblob(length(sealed)), declaration = zeroblob(length(declaration))
         WHERE receipt_id = ?1",
        [receipt_id.0],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_as_long_as_its_limits() {
        for (length, fits) in [
            (SECRET_BYTES_MIN - 1, false),
            (SECRET_BYTES_MIN, true),
            (SECRET_BYTES_MAX, true),
            (SECRET_BYTES_MAX + 1, false),
        ] {
            assert_eq!(SecretValue::new(vec![b'x'; length]).is_some(), fits, "{length}");
        }
        assert!(SecretValue::new(b"12345678\0".to_vec()).is_none());
    }
}
