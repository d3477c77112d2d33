//! The view of a tenant's declared regimes.

use cascade_receipt::content::PackChange;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use rusqlite::{Connection, params};

use crate::fault::Fault;
use crate::reader::Reader;

/// A regime that the tenant has declared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Regime {
    /// The name of its pack.
    pub name: String,
    /// SHA-256 of the pack's text as it was when the regime was declared.
    pub hash: Digest,
}

/// The member `pack` of a stored receipt.
pub(crate) fn change_of(value: &Value) -> Option<PackChange> {
    Some(PackChange {
        active: value.member("active")?.as_bool()?,
        hash: Digest::from_hex(value.member("hash")?.as_str()?)?,
        name: value.member("name")?.as_str()?.to_owned(),
    })
}

/// Makes the view follow one receipt.
pub(crate) fn apply(conn: &Connection, change: Option<&PackChange>) -> rusqlite::Result<()> {
    let Some(pack) = change else { return Ok(()) };
    if pack.active {
        conn.execute("INSERT OR REPLACE INTO regimes VALUES (?1, ?2)", params![pack.name, pack.hash.0])?;
    } else {
        conn.execute("DELETE FROM regimes WHERE name = ?1", [&pack.name])?;
    }
    Ok(())
}

impl Reader {
    /// The regimes that the tenant has declared, by name.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn regimes(&self) -> Result<Vec<Regime>, Fault> {
        self.all("SELECT name, hash FROM regimes ORDER BY name", (), |row| {
            Ok(Regime { name: row.get(0)?, hash: Digest(row.get(1)?) })
        })
    }
}
