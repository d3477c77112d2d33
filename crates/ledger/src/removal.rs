//! The end of a tenant on the disk: keys, vault and log are destroyed once its chain has ended.
//!
//! Order, under the lock that creators of this tenant take:
//! 1. Note beside the tenants that this one was deleted, so that nobody founds it anew by accident. If the process dies
//!    here, the tenant is there as before, and its chain has ended.
//! 2. Rename the directory to a name that is no tenant's, and sync its parent. This is the commit point: the tenant is gone.
//! 3. Remove the recovery files that its creation wrote, then the directory. If the process dies here, whoever opens or
//!    creates a tenant of the home next goes on with this step.
//!
//! A file system may keep blocks of removed files, and a backup keeps all of them: that is said where people read it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::birth::{claims, creation_lock};
use crate::fault::{At as _, Fault, OpenError};
use crate::files;
use crate::home::{Home, TenantId};

/// End of the name of a directory that is on its way out.
const LEAVING: &str = ".deleting";

impl Home {
    /// Destroys a tenant whose chain says that it was deleted. Gives the recovery files that were not found where
    /// creation wrote them, unchanged: they were moved, and whoever moved them destroys them.
    ///
    /// # Errors
    /// [`OpenError::NotDeleted`], [`OpenError::NoTenant`], or a fault of the file system.
    pub fn destroy_tenant(&self, tenant: &TenantId) -> Result<Vec<PathBuf>, OpenError> {
        let tenants = self.path().join("tenants");
        let _lock = creation_lock(&tenants.join(format!(".{tenant}.lock")))?;
        if !self.open_tenant_read_only(tenant)?.is_deleted()? {
            return Err(OpenError::NotDeleted(tenant.to_string()));
        }
        let dir = self.existing(tenant)?;
        let elsewhere =
            claims(&dir).into_iter().filter(|claim| !claim.whole).map(|claim| claim.path).collect();
        let note = self.note(tenant);
        if !note.exists() {
            files::write_new(&note, b"")?;
            files::sync_dir(&tenants)?;
        }
        let suffix = cascade_receipt::digest::to_hex(&crate::random::bytes::<8>()?);
        let leaving = tenants.join(format!(".{tenant}.{suffix}{LEAVING}"));
        std::fs::rename(&dir, &leaving).at(&dir)?;
        files::sync_dir(&tenants)?;
        remove(&leaving)?;
        files::sync_dir(&tenants)?;
        Ok(elsewhere)
    }

    /// Goes on with what [`Home::destroy_tenant`] had begun when its process died.
    ///
    /// # Errors
    /// A fault of the file system; what is left is tried again by whoever comes next.
    pub(crate) fn finish_removals(&self) -> Result<(), Fault> {
        let tenants = self.path().join("tenants");
        for entry in std::fs::read_dir(&tenants).at(&tenants)? {
            let entry = entry.at(&tenants)?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            if name.starts_with('.') && name.ends_with(LEAVING) {
                remove(&entry.path())?;
                files::sync_dir(&tenants)?;
            }
        }
        Ok(())
    }

    /// Whether a tenant of this name was deleted and none was created since.
    #[must_use]
    pub fn was_deleted(&self, tenant: &TenantId) -> bool {
        self.note(tenant).exists() && !self.tenant_dir(tenant).exists()
    }

    pub(crate) fn note(&self, tenant: &TenantId) -> PathBuf {
        self.path().join("tenants").join(format!(".{tenant}.deleted"))
    }
}

/// Removes a directory that is on its way out, and the recovery files that it names. Several processes may do so at once.
fn remove(leaving: &Path) -> Result<(), Fault> {
    let gone = |done: std::io::Result<()>| match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    };
    for claim in claims(leaving).into_iter().filter(|claim| claim.whole) {
        gone(std::fs::remove_file(&claim.path)).at(&claim.path)?;
        if let Some(parent) = claim.path.parent() {
            files::sync_dir(parent)?;
        }
    }
    gone(std::fs::remove_dir_all(leaving)).at(leaving)
}
