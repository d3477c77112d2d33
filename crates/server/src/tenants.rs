//! The chains that a service has open, one beside the other.
//!
//! A request names its tenant, and from then on holds that tenant alone (invariant I10): nothing here hands out two.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cascade_ledger::{Ledger, OpenError, TenantId};
use cascade_receipt::content::Runtime;
use cascade_runtime::identity;
use cascade_runtime::policy_store::PolicyInForce;

use crate::api::{Feed, Gauges};

/// Opens the chain of a tenant: whoever serves knows where passphrases come from.
pub type Opener = dyn Fn(&TenantId) -> Result<Ledger, OpenError> + Send + Sync;

/// Why a tenant cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// Its chain could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Receipts name the program that writes them, and it could not be read.
    #[error("couldn't read the running program: {0}")]
    Program(std::io::Error),
}

/// One tenant, open.
#[derive(Debug)]
pub struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) ledger: Ledger,
    pub(crate) policy: PolicyInForce,
    pub(crate) runtime: Runtime,
    pub(crate) gauges: Gauges,
    pub(crate) feed: Feed,
}

/// Every tenant that somebody has asked for since the service began.
pub struct Tenants {
    open: Mutex<BTreeMap<TenantId, Arc<Tenant>>>,
    opener: Box<Opener>,
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants").finish_non_exhaustive()
    }
}

impl Tenants {
    /// None yet.
    #[must_use]
    pub fn new(opener: Box<Opener>) -> Self {
        Self { open: Mutex::default(), opener }
    }

    /// The tenant of this name, opened when it is asked for the first time.
    ///
    /// # Errors
    /// [`TenantError`].
    pub fn find(&self, id: &TenantId) -> Result<Arc<Tenant>, TenantError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tenant) = open.get(id) {
            return Ok(Arc::clone(tenant));
        }
        let ledger = (self.opener)(id)?;
        let runtime = identity::runtime(&ledger).map_err(TenantError::Program)?;
        let tenant = Arc::new(Tenant {
            id: id.clone(),
            ledger,
            policy: PolicyInForce::default(),
            runtime,
            gauges: Gauges::default(),
            feed: Feed::default(),
        });
        open.insert(id.clone(), Arc::clone(&tenant));
        Ok(tenant)
    }

    /// Those that are open.
    pub(crate) fn all(&self) -> Vec<Arc<Tenant>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect()
    }
}
