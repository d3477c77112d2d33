//! The chains that a service has open, one beside the other.
//!
//! A request names its tenant, and from then on holds that tenant alone (invariant I10): nothing here hands out two.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use cascade_ledger::{Fault, Home, Ledger, OpenError, Present, Reader, TenantId};
use cascade_receipt::content::{Runtime, TokenScope};
use cascade_runtime::bindings::{self, Issuers, Presented, Told};
use cascade_runtime::facts::Asker;
use cascade_runtime::identity;
use cascade_runtime::model::Models;
use cascade_runtime::policy_store::PolicyInForce;
use cascade_runtime::task::Router;
use cascade_runtime::tokens::Unaccepted;

use crate::api::{Allowance, Feed, Gauges, Share};

/// Answers of layers that a tenant has tried out at once.
const ROUTER_WORKERS: usize = 2;

/// Opens the chain of a tenant: whoever serves knows where passphrases come from.
pub type Opener = dyn Fn(&TenantId) -> Result<Ledger, OpenError> + Send + Sync;

/// Signs a checkpoint of a tenant's chain: whoever serves knows where keys and guards are.
pub type Checkpoints = dyn Fn(&TenantId, &Ledger) -> Result<String, Unsigned> + Send + Sync;

/// No checkpoint was signed. Why is the operator's business.
#[derive(Debug, thiserror::Error)]
#[error("no checkpoint was signed")]
pub struct Unsigned;

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
    /// Where its chain ended when it was opened.
    pub(crate) began_at: u64,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) share: Arc<Share>,
    /// It was opened again after a write had failed, and nothing has shown yet that there is room now.
    doubtful: AtomicBool,
    /// The layers below language models, once somebody asks them.
    router: OnceLock<Option<Router>>,
}

/// The tenants of a home: those that somebody was let in to are open.
pub struct Tenants {
    home: PathBuf,
    open: Mutex<BTreeMap<TenantId, Arc<Tenant>>>,
    opener: Box<Opener>,
    checkpoints: Box<Checkpoints>,
    issuers: Issuers,
    allowance: Allowance,
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants").finish_non_exhaustive()
    }
}

impl Tenants {
    /// None open yet. Neither the opener nor what signs must ever ask anybody: strangers make them work. `told` hears of
    /// issuers whose keys could not be had.
    #[must_use]
    pub fn new(home: PathBuf, opener: Box<Opener>, checkpoints: Box<Checkpoints>, told: Box<Told>) -> Self {
        Self {
            home,
            open: Mutex::default(),
            opener,
            checkpoints,
            issuers: Issuers::new(told),
            allowance: Allowance::default(),
        }
    }

    /// What each tenant may have, before any is open.
    #[must_use]
    pub const fn with(mut self, allowance: Allowance) -> Self {
        self.allowance = allowance;
        self
    }

    /// Signs a checkpoint of this tenant's chain.
    pub(crate) fn checkpoint(&self, tenant: &Tenant) -> Result<String, Unsigned> {
        (self.checkpoints)(&tenant.id, &tenant.ledger)
    }

    /// Serves a tenant that is open already.
    ///
    /// # Errors
    /// [`TenantError::Program`].
    pub fn add(&self, id: TenantId, ledger: Ledger) -> Result<(), TenantError> {
        let tenant = Tenant::of(id, ledger, None, self.allowance)?;
        self.opened().insert(tenant.id.clone(), Arc::new(tenant));
        Ok(())
    }

    /// The tenant of this name and what somebody shows to it. Until that counts, nothing is opened for writing, and
    /// nothing tells whether there is such a tenant.
    pub(crate) fn admit(&self, id: &TenantId, shown: &Presented) -> Result<(Arc<Tenant>, Admitted), Refused> {
        if let Some(tenant) = self.find(id).filter(|tenant| self.is_in_place(tenant)) {
            let present = tenant.ledger.present()?;
            if !present.is_deleted() {
                let admitted = self.accept(id, &present, shown)?;
                return Ok((tenant, admitted));
            }
            self.close(&tenant);
        }
        let reader = Home::open(&self.home).and_then(|home| home.open_tenant_read_only(id));
        self.accept(id, &reader.map_err(|_| Refused::Unknown)?.present()?, shown)?;
        let fresh = (self.opener)(id)
            .map_err(TenantError::Open)
            .and_then(|ledger| Tenant::of(id.clone(), ledger, None, self.allowance));
        let fresh = Arc::new(fresh.map_err(Refused::Unavailable)?);
        let admitted = self.accept(id, &fresh.ledger.present()?, shown)?;
        // Of two who come first at once, one waits for nothing and the other's is used by both.
        let tenant = Arc::clone(self.opened().entry(id.clone()).or_insert(fresh));
        Ok((tenant, admitted))
    }

    fn accept(&self, id: &TenantId, present: &Present<'_>, shown: &Presented) -> Result<Admitted, Refused> {
        let shown = bindings::accept_at(present, id, shown, &self.issuers)?;
        Ok(Admitted {
            asker: Asker::by_shown_at(present, &shown)?,
            scopes: shown.token.scopes,
            suspended: present.is_suspended(),
        })
    }

    /// Opens a tenant again whose writer has stopped (invariant I5): what is true is found out from the disk.
    pub(crate) fn reopen(&self, stopped: &Arc<Tenant>) {
        let Ok(ledger) = (self.opener)(&stopped.id) else { return };
        let Ok(fresh) = Tenant::of(stopped.id.clone(), ledger, Some(stopped), self.allowance) else { return };
        let mut open = self.opened();
        if open.get(&stopped.id).is_some_and(|known| Arc::ptr_eq(known, stopped)) {
            open.insert(stopped.id.clone(), Arc::new(fresh));
        }
    }

    /// Whether the home that they are in is there.
    pub(crate) fn has_home(&self) -> bool {
        Home::open(&self.home).is_ok()
    }

    /// The home that they are in.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// One that is open, unless another process deleted it: then it is closed, and whatever has the name now is another one.
    fn known(&self, id: &TenantId) -> Result<Option<Arc<Tenant>>, Fault> {
        let Some(tenant) = self.find(id) else { return Ok(None) };
        if !tenant.ledger.is_deleted()? {
            return Ok(Some(tenant));
        }
        self.close(&tenant);
        Ok(None)
    }

    /// One whose files were removed or replaced beneath this service is none that it has open.
    fn is_in_place(&self, tenant: &Arc<Tenant>) -> bool {
        let there = tenant.ledger.is_in_place();
        if !there {
            self.close(tenant);
        }
        there
    }

    fn find(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.opened().get(id).map(Arc::clone)
    }

    /// Closes one, and ends whoever listens to it.
    fn close(&self, ended: &Arc<Tenant>) {
        let mut open = self.opened();
        if open.get(&ended.id).is_some_and(|known| Arc::ptr_eq(known, ended)) {
            open.remove(&ended.id);
        }
        ended.feed.end();
    }

    /// Closes those that other processes deleted.
    pub(crate) fn close_deleted(&self) {
        for tenant in self.all() {
            if tenant.ledger.is_deleted().unwrap_or(false) {
                self.close(&tenant);
            }
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
            match (self.known(&id)?, &home) {
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

/// Somebody whose credential counts, by one look at the chain.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Who it is.
    pub(crate) asker: Asker,
    /// What the credential may be used for.
    pub(crate) scopes: Vec<TokenScope>,
    /// The tenant is suspended.
    pub(crate) suspended: bool,
}

/// Why somebody is not let in.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is no such tenant, or it knows no such credential: which, is nothing that is told.
    Unknown,
    /// The credential counts, and its tenant cannot be served.
    Unavailable(TenantError),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(TenantError::Open(fault.into()))
    }
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
    /// Whether what is decided can be recorded, as far as a write that failed has made that doubtful.
    pub(crate) fn has_room(&self) -> bool {
        if self.doubtful.load(Ordering::Relaxed) && self.ledger.takes_bytes().is_ok() {
            self.doubtful.store(false, Ordering::Relaxed);
        }
        !self.doubtful.load(Ordering::Relaxed)
    }

    /// The layers that answer without a language model; none where this machine cannot try out what they answer.
    pub(crate) fn router(&self) -> Option<&Router> {
        self.router.get_or_init(|| Router::new(ROUTER_WORKERS, Models::default()).ok()).as_ref()
    }

    /// Who listened and what was measured goes on from the one before.
    fn of(
        id: TenantId,
        ledger: Ledger,
        before: Option<&Self>,
        allowance: Allowance,
    ) -> Result<Self, TenantError> {
        let runtime = identity::runtime(&ledger).map_err(TenantError::Program)?;
        let began_at = match before {
            Some(before) => before.began_at,
            None => ledger.head().map_err(OpenError::from)?.next_seq,
        };
        let (gauges, feed, share) = match before {
            Some(before) => (Arc::clone(&before.gauges), Arc::clone(&before.feed), Arc::clone(&before.share)),
            None => (Arc::default(), Arc::default(), Arc::new(Share::new(allowance))),
        };
        Ok(Self {
            id,
            ledger,
            policy: PolicyInForce::default(),
            runtime,
            began_at,
            gauges,
            feed,
            share,
            doubtful: AtomicBool::new(before.is_some()),
            router: OnceLock::new(),
        })
    }
}
