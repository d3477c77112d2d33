//! Schedules: what runs again and again while nobody looks.
//!
//! When a schedule is due and what becomes of that is decided in `cascade_kernel::schedule`. Here it is done: a schedule is
//! changed as a decided action ([`change`]), and a scheduler (`scheduler`) puts each time at which it is due on record
//! before anything starts for it ([`fire`]). That record is what keeps two schedulers, or one that died and came back,
//! from starting anything twice: the ledger refuses the second invocation of one time.

mod change;
mod definition;
mod fire;
mod look;
mod scheduler;

use cascade_ledger::{AppendError, Fault};
use cascade_receipt::id::ReceiptId;

use crate::consent::ConsentError;
use crate::facts::LookError;
use crate::own_act::Unrecorded;
use crate::policy_store::StoreError;

pub use change::{Change, Changed, change};
pub use definition::{Definition, NAME_BYTES_MAX, Stored, Work, is_name, stored};
pub use fire::{Ending, Ran, Standing, fire, how_it_went};
pub use look::{Look, find, invocation, name_of, word};
pub use scheduler::{RUNNING_MAX, Scheduler, Told, WAITING_MAX};

/// What was missed, because no scheduler looked in time.
pub const ABSENT: &str = "cron.absent";
/// What was skipped, because the run before was not over.
pub const OVERLAP: &str = "cron.overlap";
/// What was skipped, because nothing starts.
pub const HALTED: &str = "standing.halted";
/// What was skipped, because the tenant is suspended.
pub const SUSPENDED: &str = "standing.inactive";

/// Why a schedule could not be changed, or nothing could be put on record. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum CronError {
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
    /// The world could not be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The policy in force could not be loaded.
    #[error(transparent)]
    Policy(#[from] StoreError),
    /// An approval could not be looked at.
    #[error(transparent)]
    Consent(#[from] ConsentError),
    /// A receipt could not be made durable.
    #[error("couldn't record it: {0}")]
    Append(#[from] AppendError),
    /// Governance kept changing while something was decided.
    #[error("policy or approvals kept changing while the change was decided")]
    Unsettled,
    /// What was approved is not this change.
    #[error("{0} is not about this change of a schedule")]
    OtherAction(ReceiptId),
    /// Somebody else added it, whom the asker may not be taken for.
    #[error("{0} was added by somebody else, whom you may not be taken for")]
    Others(ReceiptId),
    /// The definition is gone.
    #[error("the definition of schedule {0} is erased")]
    Erased(ReceiptId),
    /// The definition is not the one that was recorded.
    #[error("the definition of schedule {0} is damaged")]
    Damaged(ReceiptId),
    /// Signals could not be caught, or a lock not be taken.
    #[error("couldn't prepare for running it: {0}")]
    Prepare(std::io::Error),
}

impl From<Unrecorded> for CronError {
    fn from(why: Unrecorded) -> Self {
        match why {
            Unrecorded::Unsettled => Self::Unsettled,
            Unrecorded::Append(error) => Self::Append(error),
        }
    }
}
