//! What signs and tags the receipts that one process writes.

use std::path::Path;

use cascade_receipt::id::{KeyId, LogOrigin};
use cascade_receipt::reader::Purpose;
use rusqlite::Connection;
use zeroize::Zeroizing;

use crate::fault::OpenError;
use crate::key_views;
use crate::keys::{Key, Passphrase};
use crate::reader::Reader;

/// A receipt key of the chain, and what seals the epoch key beside it.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) log_origin: LogOrigin,
    pub(crate) key: Key,
    /// The key that the home signs with unless told otherwise. Its secret seals the epoch key.
    home: KeyId,
    /// Seals the epoch key on disk, when the home's key is protected.
    pub(crate) wrap: Option<Zeroizing<[u8; 32]>>,
    /// Kept to load the next key when another process rotates.
    passphrase: Option<Passphrase>,
}

impl Signer {
    /// The signer of a home that takes up `key`.
    pub(crate) fn of_home(log_origin: LogOrigin, key: Key, passphrase: Option<&Passphrase>) -> Self {
        let protected = passphrase.is_some() || key.is_on_token();
        let wrap = if protected { key.wrapping_key(log_origin.as_str()) } else { None };
        Self { log_origin, home: key.id.clone(), key, wrap, passphrase: passphrase.cloned() }
    }

    /// Loads the key that the home signs with, or the one that was asked for.
    pub(crate) fn load(
        reader: &Reader,
        wanted: Option<&KeyId>,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, OpenError> {
        let dir = reader.dir();
        let log_origin = reader.log_origin().clone();
        let home = reader.signing_key_id()?;
        let wanted = wanted.unwrap_or(&home);
        if !reader.ask(|conn| key_views::is_active(conn, wanted.as_str(), Purpose::Receipt))? {
            return Err(OpenError::KeyInactive(wanted.to_string()));
        }
        let (home_key, protected) = Key::open(dir, &home, passphrase)?;
        let wrap = if protected {
            let sealing = home_key.wrapping_key(log_origin.as_str());
            Some(sealing.ok_or_else(|| OpenError::KeyMismatch(dir.join("keys")))?)
        } else {
            None
        };
        let key = if *wanted == home { home_key } else { Key::open(dir, wanted, passphrase)?.0 };
        Ok(Self { log_origin, key, home, wrap, passphrase: passphrase.cloned() })
    }

    /// Whether it may still sign, and the epoch key is still sealed as it believes.
    pub(crate) fn is_current(&self, conn: &Connection) -> rusqlite::Result<bool> {
        Ok(key_views::home_key(conn)? == self.home.as_str()
            && key_views::is_active(conn, self.key.id.as_str(), Purpose::Receipt)?)
    }

    /// Loads again after another process changed the home's key. A key that was asked for stays if it may.
    pub(crate) fn reload(&self, dir: &Path) -> Result<Self, OpenError> {
        let reader = Reader::open(dir, crate::store::Access::ReadWrite)?;
        let own = (self.key.id != self.home).then_some(&self.key.id);
        Self::load(&reader, own, self.passphrase.as_ref())
    }
}
