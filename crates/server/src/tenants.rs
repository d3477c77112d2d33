//! The chains that a service has open, one beside the other.
//!
//! A request names its tenant, and from then on holds that tenant alone (invariant I10): nothing here hands out two.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cascade_ledger::{Fault, Home, Ledger, OpenError, Reader, TenantId};
use cascade_receipt::content::Runtime;
use cascade_runtime::bindings::{self, Issuers, Presented, Shown, Told};
use cascade_runtime::identity;
use cascade_runtime::policy_store::PolicyInForce;
use cascade_runtime::tokens::Unaccepted;

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
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) feed: Arc<Feed>,
}

/// The tenants of a home: those that somebody was let in to are open.
pub struct Tenants {
    home: PathBuf,
    open: Mutex<BTreeMap<TenantId, Arc<Tenant>>>,
    opener: Box<Opener>,
    issuers: Issuers,
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants").finish_non_exhaustive()
    }
}

impl Tenants {
    /// None open yet. The opener must never ask anybody: strangers make it work. `told` hears of issuers whose keys
    /// could not be had.
    #[must_use]
    pub fn new(home: PathBuf, opener: Box<Opener>, told: Box<Told>) -> Self {
        Self { home, open: Mutex::default(), opener, issuers: Issuers::new(told) }
    }

    /// Serves a tenant that is open already.
    ///
    /// # Errors
    /// [`TenantError::Program`].
    pub fn add(&self, id: TenantId, ledger: Ledger) -> Result<(), TenantError> {
        let tenant = Tenant::of(id, ledger, None)?;
        self.opened().insert(tenant.id.clone(), Arc::new(tenant));
        Ok(())
    }

    /// The tenant of this name and what somebody shows to it. Until that counts, nothing is opened for writing, and
    /// nothing tells whether there is such a tenant.
    pub(crate) fn admit(&self, id: &TenantId, shown: &Presented) -> Result<(Arc<Tenant>, Shown), Refused> {
        let accept = |reader: &Reader| bindings::accept(reader, id, shown, &self.issuers);
        let known = self.opened().get(id).map(Arc::clone);
        if let Some(tenant) = known {
            let shown = accept(&tenant.ledger)?;
            return Ok((tenant, shown));
        }
        let reader = Home::open(&self.home).and_then(|home| home.open_tenant_read_only(id));
        accept(&reader.map_err(|_| Refused::Unknown)?)?;
        let fresh = (self.opener)(id)
            .map_err(TenantError::Open)
            .and_then(|ledger| Tenant::of(id.clone(), ledger, None));
        let fresh = Arc::new(fresh.map_err(Refused::Unavailable)?);
        let shown = accept(&fresh.ledger)?;
        // Of two who come first at once, one waits for nothing and the other's is used by both.
        let tenant = Arc::clone(self.opened().entry(id.clone()).or_insert(fresh));
        Ok((tenant, shown))
    }

    /// Opens a tenant again whose writer has stopped (invariant I5): what is true is found out from the disk.
    pub(crate) fn reopen(&self, stopped: &Arc<Tenant>) {
        let Ok(ledger) = (self.opener)(&stopped.id) else { return };
        let Ok(fresh) = Tenant::of(stopped.id.clone(), ledger, Some(stopped)) else { return };
        let mut open = self.opened();
        if open.get(&stopped.id).is_some_and(|known| Arc::ptr_eq(known, stopped)) {
            open.insert(stopped.id.clone(), Arc::new(fresh));
        }
    }

    /// Those that are open.
    pub(crate) fn all(&self) -> Vec<Arc<Tenant>> {
        self.opened().values().map(Arc::clone).collect()
    }

    /// Looks at every chain of the home, open or not.
    pub(crate) fn each<T>(&self, mut look: impl FnMut(&Reader) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
        let home = Home::open(&self.home);
        let ids = home.as_ref().map_or_else(|_| Vec::new(), |home| home.tenants().unwrap_or_default());
        let mut found = Vec::new();
        for id in ids {
            let known = self.opened().get(&id).map(Arc::clone);
            match (known, &home) {
                (Some(tenant), _) => found.push(look(&tenant.ledger)?),
                // One that cannot be read is its operator's business.
                (None, Ok(home)) => {
                    if let Ok(reader) = home.open_tenant_read_only(&id) {
                        found.push(look(&reader)?);
                    }
                }
                (None, Err(_)) => {}
            }
        }
        Ok(found)
    }

    fn opened(&self) -> MutexGuard<'_, BTreeMap<TenantId, Arc<Tenant>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why somebody is not let in.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is no such tenant, or it knows no such credential: which, is nothing that is told.
    Unknown,
    /// The credential counts, and its tenant cannot be served.
    Unavailable(TenantError),
}

impl From<Unaccepted> for Refused {
    fn from(why: Unaccepted) -> Self {
        match why {
            Unaccepted::Ledger(fault) => Self::Unavailable(TenantError::Open(fault.into())),
            _ => Self::Unknown,
        }
    }
}

impl Tenant {
    /// Who listened and what was measured goes on from the one before.
    fn of(id: TenantId, ledger: Ledger, before: Option<&Self>) -> Result<Self, TenantError> {
        let runtime = identity::runtime(&ledger).map_err(TenantError::Program)?;
        let (gauges, feed) = match before {
            Some(before) => (Arc::clone(&before.gauges), Arc::clone(&before.feed)),
            None => Default::default(),
        };
        Ok(Self { id, ledger, policy: PolicyInForce::default(), runtime, gauges, feed })
    }
}
