//! Rolling back: what the log says was done is undone, the last first, each undoing a governed action of its own. What
//! is undone in which order, and what is left, is decided in `cascade_kernel::rollback`, not here.
//!
//! The receipts of an undoing name the closer of what it undoes (`refs`, rel `supersedes`). That is all that is kept: a
//! rollback that was broken off is begun anew, reads what was undone by then and goes on with the rest.

mod inverse;
mod perform;
mod record;

use std::fs::File;

use cascade_kernel::rollback::{Fate, Wanted};
use cascade_ledger::{Fault, Ledger};
use cascade_receipt::content::Ref;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::time::Timestamp;
use rustix::fs::FlockOperation;

use self::inverse::Inverses;
use self::record::Log;
use crate::consent::ConsentError;
use crate::facts::Command;
use crate::policy_store::StoreError;
use crate::workflow::WorkflowError;

pub use self::perform::{Became, How, OUTPUT_BYTES_MAX, Rolled, Undone};

/// What is to be undone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// The action or run that this receipt is of.
    Receipt(String),
    /// What was completed since.
    Since(Timestamp),
}

/// How far to go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extent {
    /// Also where an inverse assumes what no receipt says.
    pub assume: bool,
    /// Also what nobody knows the undoing of.
    pub retry: bool,
}

/// One action of a plan.
#[derive(Debug)]
pub struct Item {
    /// Its `task_started`.
    pub intent: ReceiptId,
    /// Its closer, by which what undoes it names it.
    pub closer: Option<Ref>,
    /// Program and arguments, as far as they are kept.
    pub argv: Option<Vec<String>>,
    /// The run that it was a step of.
    pub chain: Option<ReceiptId>,
    /// What is to become of it.
    pub fate: Fate<Command>,
}

/// Why nothing could be planned or gone on with. Whatever ran has its receipts.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// Another process is at it.
    #[error("another rollback of this chain is under way")]
    Busy,
    /// The lock could not be taken.
    #[error("couldn't take the lock of rollbacks: {0}")]
    Lock(std::io::Error),
    /// The receipt is of no action that ran.
    #[error("nothing ran under {0}, a `{1}`")]
    NothingRan(ReceiptId, String),
    /// The run has not ended.
    #[error("run {0} has not ended")]
    OpenRun(ReceiptId),
    /// The receipt could not be found or read.
    #[error(transparent)]
    Consent(#[from] ConsentError),
    /// The policy in force could not be loaded.
    #[error(transparent)]
    Policy(#[from] StoreError),
    /// A run could not be looked at.
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    /// A line of the log that cannot be read.
    #[error("the receipt at {0} cannot be read")]
    Damaged(u64),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
    /// An undoing has no end. Whatever had started of it is ended.
    #[error(transparent)]
    Govern(Box<crate::govern::GovernError>),
}

/// A rollback, planned and not begun. One at a time in a chain, in whatever process.
pub struct Rollback<'a> {
    ledger: &'a Ledger,
    log: Log,
    inverses: Inverses<'a>,
    wanted: Wanted,
    plan: Vec<Item>,
    _lock: File,
}

impl std::fmt::Debug for Rollback<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rollback").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl<'a> Rollback<'a> {
    /// Reads what was done, and plans.
    ///
    /// # Errors
    /// [`RollbackError`].
    pub fn plan(ledger: &'a Ledger, target: &Target, extent: Extent) -> Result<Self, RollbackError> {
        let lock = lock(ledger)?;
        let (log, intents) = Log::of(ledger, target)?;
        let by_name = matches!(target, Target::Receipt(_));
        let wanted = Wanted { intents, by_name, assume: extent.assume, retry: extent.retry };
        let inverses = Inverses::new(ledger)?;
        let mut rollback = Self { ledger, log, inverses, wanted, plan: Vec::new(), _lock: lock };
        rollback.look()?;
        Ok(rollback)
    }

    /// What is to become of each action, in the order in which that is done.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.plan
    }
}

/// The directory itself is what is locked: nothing is left behind in it.
fn lock(ledger: &Ledger) -> Result<File, RollbackError> {
    let dir = File::open(ledger.dir()).map_err(RollbackError::Lock)?;
    match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(dir),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(RollbackError::Busy),
        Err(error) => Err(RollbackError::Lock(error.into())),
    }
}
