//! A home: `VERSION` and one directory per tenant.
//!
//! ```text
//! HOME/VERSION                      "9\n"
//! HOME/tenants/<tenant>/ledger.db   the log and its views
//!                       vault.db    private bytes, snapshots, names
//!                       cache.db    hints, may be deleted
//!                       index.db    what is searched by, may be deleted; its lock beside it
//!                       keys/       receipt.pem, log.pem; what seals credentials
//!                       runs/       one lock file per open action
//!                       recovery-files   where the recovery files were written
//! ```
//! Names that begin with a dot are tenants being created or removed, their locks, and `.<tenant>.deleted`, which says that
//! one was.
//!
//! A `-wal` and `-shm` beside a database belong to it: a copy of a home takes them along.
//!
//! Directories are 0700, files 0600. The recovery key and the HMAC master are never in here.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cascade_receipt::id::KeyId;

use crate::fault::{At as _, Fault, OpenError};
use crate::files;
use crate::keys::Passphrase;
use crate::ledger::Ledger;
use crate::reader::{OpenAction, Reader};
use crate::store::Access;

/// The version of the layout that this program writes and reads.
pub const VERSION: u64 = 9;

/// Name of a tenant: `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TenantId(String);

impl TenantId {
    /// Checks the text.
    ///
    /// # Errors
    /// [`OpenError::TenantId`].
    pub fn parse(text: &str) -> Result<Self, OpenError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let valid = text.len() <= 63
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|byte| plain(byte) || byte == b'-');
        if valid { Ok(Self(text.to_owned())) } else { Err(OpenError::TenantId(text.to_owned())) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for TenantId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A home that this program can read.
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// Opens a home, or makes one of a missing or empty directory. Several processes may do so at
    /// once.
    ///
    /// # Errors
    /// [`OpenError::Newer`], [`OpenError::Older`], [`OpenError::NotAHome`] or a fault of the file system.
    pub fn open_or_create(path: &Path) -> Result<Self, OpenError> {
        if let Some(home) = Self::look(path)? {
            return Ok(home);
        }
        files::make_dirs(path)?;
        for entry in std::fs::read_dir(path).at(path)? {
            // Another process may be creating the same home right now; its first name is VERSION.
            if !entry.at(path)?.file_name().as_encoded_bytes().starts_with(b"VERSION") {
                return Self::look(path)?.ok_or_else(|| OpenError::NotAHome(path.to_owned()));
            }
        }
        std::fs::set_permissions(path, Permissions::from_mode(files::DIR_MODE)).at(path)?;
        let suffix = cascade_receipt::digest::to_hex(&crate::random::bytes::<8>()?);
        let fresh = path.join(format!("VERSION.{suffix}"));
        files::write_new(&fresh, format!("{VERSION}\n").as_bytes())?;
        std::fs::rename(&fresh, path.join("VERSION")).at(path)?;
        files::make_dirs(&path.join("tenants"))?;
        files::sync_dir(path)?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            files::sync_dir(parent)?;
        }
        Self::open(path)
    }

    /// Opens a home that exists. Writes nothing.
    ///
    /// # Errors
    /// [`OpenError::NoHome`], [`OpenError::Newer`], [`OpenError::Older`], [`OpenError::NotAHome`] or a fault.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::look(path)?.ok_or_else(|| OpenError::NoHome(path.to_owned()))
    }

    fn look(path: &Path) -> Result<Option<Self>, OpenError> {
        let version = path.join("VERSION");
        let text = match std::fs::read_to_string(&version) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::io(&version, &error).into()),
        };
        let found: u64 = text.trim_end().parse().map_err(|_| OpenError::NotAHome(path.to_owned()))?;
        if found > VERSION {
            return Err(OpenError::Newer { found, known: VERSION });
        }
        if found < VERSION {
            return Err(OpenError::Older { found, known: VERSION });
        }
        let path = std::fs::canonicalize(path).at(path)?;
        Ok(Some(Self { path }))
    }

    /// The canonical path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tenants of this home, in order of their names.
    ///
    /// # Errors
    /// A fault of the file system.
    pub fn tenants(&self) -> Result<Vec<TenantId>, OpenError> {
        let dir = self.path.join("tenants");
        let mut tenants = Vec::new();
        for entry in std::fs::read_dir(&dir).at(&dir)? {
            // Names of unfinished creations begin with a dot and are no tenant ids.
            if let Some(Ok(tenant)) = entry.at(&dir)?.file_name().to_str().map(TenantId::parse) {
                tenants.push(tenant);
            }
        }
        tenants.sort();
        Ok(tenants)
    }

    /// A tenant's directory, whether it exists or not.
    #[must_use]
    pub fn tenant_dir(&self, tenant: &TenantId) -> PathBuf {
        self.path.join("tenants").join(tenant.as_str())
    }

    /// Where the recovery files of a tenant go unless told otherwise: `<home>-recovery/<tenant>`.
    #[must_use]
    pub fn recovery_dir(&self, tenant: &TenantId) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push("-recovery");
        PathBuf::from(name).join(tenant.as_str())
    }

    /// Opens a tenant for writing, and first closes what a dead process left open: for every intent
    /// whose lock is free, `sweep` is called (to end what may still run; false when something is left),
    /// then `task_unknown` is appended. Intents of live processes are left alone. Then erasures that were cut
    /// short are carried out. The removal of another tenant that was cut short is carried out as well.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_tenant(
        &self,
        tenant: &TenantId,
        passphrase: Option<&Passphrase>,
        sweep: &dyn Fn(&OpenAction) -> bool,
    ) -> Result<Ledger, OpenError> {
        self.open_tenant_as(tenant, None, passphrase, sweep)
    }

    /// Like [`Home::open_tenant`], and signs with `key` instead of the home's own: a chain may have several
    /// active receipt keys.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_tenant_as(
        &self,
        tenant: &TenantId,
        key: Option<&KeyId>,
        passphrase: Option<&Passphrase>,
        sweep: &dyn Fn(&OpenAction) -> bool,
    ) -> Result<Ledger, OpenError> {
        // What cannot be removed now is tried by whoever comes next.
        drop(self.finish_removals());
        let ledger = Ledger::open(&self.existing(tenant)?, key, passphrase)?;
        ledger.renew_views()?;
        ledger.close_orphans(sweep)?;
        // An erasure that was cut short, or that a reader kept waiting. What cannot be done now stays noted.
        drop(ledger.wipe_erased(Duration::ZERO, &mut |_| ()));
        Ok(ledger)
    }

    /// Opens a tenant for looking only: no key is loaded, and nothing is written, also where
    /// nothing can be written.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_tenant_read_only(&self, tenant: &TenantId) -> Result<Reader, OpenError> {
        Ok(Reader::open(&self.existing(tenant)?, Access::ReadOnly)?)
    }

    pub(crate) fn existing(&self, tenant: &TenantId) -> Result<PathBuf, OpenError> {
        let dir = self.tenant_dir(tenant);
        match std::fs::metadata(&dir) {
            Ok(_) => Ok(dir),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(OpenError::NoTenant(tenant.to_string()))
            }
            Err(error) => Err(Fault::io(&dir, &error).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_ids() {
        for good in ["a", "0", "default", "acme-eu-1", &"a".repeat(63)] {
            assert!(TenantId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a_b", "a/b", "..", "a.b", "ä", &"a".repeat(64)] {
            assert!(TenantId::parse(bad).is_err(), "{bad}");
        }
    }
}
