//! Runs of workflows: performs the effects of `cascade_kernel::workflow`. What starts when, what is tried again and what is
//! undone is decided there, not here.
//!
//! Every step is an action of its own, decided by all gates and receipted like any other; its receipts name the run and
//! the specification. What a run needs to go on after a crash is in the chain: the specification and the inputs are
//! private bytes of its `chain_started`, the output of a step of the step's closer. Going on is beginning again: the same
//! machine is fed what is recorded (`record`) and asks for the rest.

mod attempt;
mod document;
mod drive;
mod http;
mod load;
mod look;
mod point;
mod record;
mod rehearse;
mod settle;
mod step;
mod sub;
mod task;
mod undo;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cascade_kernel::csl::{Document, EvaluationFault, Spec};
use cascade_kernel::workflow::{Count, Place, Role};
use cascade_ledger::{AppendError, Appended, Chain, Fault, Ledger, Reader};
use cascade_policy::decide::Ruling;
use cascade_receipt::content::{Ref, Runtime};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::json::Value;

use crate::consent::ConsentError;
use crate::facts::{Asker, LookError};
use crate::model::Models;
use crate::own_act::{By, Unrecorded};
use crate::policy_store::StoreError;
use crate::smoke::SmokeError;
use crate::task::TaskError;

pub(crate) use self::attempt::{State, state};
pub use self::document::document;
pub(crate) use self::load::SUB;
pub use self::load::Sub;
pub use self::point::Pointed;
pub(crate) use self::record::place_of;
pub use self::step::OfStep;
pub(crate) use self::undo::{Outer, Undoes, undoes};

/// Bytes of output of one step that are kept.
pub const OUTPUT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A run that is to begin.
#[derive(Clone, Debug)]
pub struct Start {
    /// The specification.
    pub document: Arc<Document>,
    /// The armoured SSHSIG over its hash, where there is one.
    pub signature: Option<String>,
    /// Its inputs, checked ([`Document::inputs`]).
    pub inputs: Value,
    /// Where its commands run.
    pub cwd: PathBuf,
    /// What was approved, where the start itself was escalated.
    pub approval: Option<String>,
    /// Only the decisions are wanted.
    pub dry_run: bool,
    /// The specifications that its steps run, and those that steps of these run.
    pub subs: Vec<Sub>,
    /// The invocation of a schedule that it is begun for.
    pub cron: Option<Ref>,
}

/// Who drives a run, and how.
#[derive(Clone, Debug)]
pub struct Driver {
    /// Who asks.
    pub asker: Asker,
    /// Why, in the asker's words; kept in the vault.
    pub reason: Option<String>,
    /// Which program writes the receipts.
    pub runtime: Runtime,
    /// Models that tasks may be put to.
    pub models: Models,
}

impl Driver {
    pub(crate) const fn by(&self) -> By<'_> {
        let reason = match &self.reason {
            Some(reason) => Some(reason.as_str()),
            None => None,
        };
        By { asker: &self.asker, reason, runtime: &self.runtime, policy: None }
    }
}

/// What is told while a run goes on.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The run has begun; its receipt is durable.
    Begun(ReceiptId),
    /// An attempt starts.
    Starts(Place),
    /// An attempt has ended, and this is its last receipt.
    Ended(Attempt),
}

/// One attempt and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// Which.
    pub place: Place,
    /// How: `completed`, `failed`, `refused`, `waiting`, `unknown`.
    pub ended: &'static str,
    /// Its last receipt; none where it could not be asked.
    pub receipt_id: Option<ReceiptId>,
    /// Why, as codes or a text for people.
    pub reasons: Vec<String>,
    /// The exit code of its command.
    pub exit_code: Option<i64>,
}

/// How a run stands when nobody drives it any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It did not begin: the gates said no.
    Blocked,
    /// It did not begin: people must approve first.
    Escalated,
    /// Only the decisions were wanted.
    Rehearsed,
    /// Every step is over.
    Completed,
    /// It was ended before.
    Aborted,
    /// People must approve, or say what became of a step.
    Waits,
}

/// What came of driving a run.
#[derive(Debug)]
pub struct Driven {
    /// Where it stands.
    pub standing: Standing,
    /// The `chain_started`, once there is one.
    pub chain: Option<ReceiptId>,
    /// What the gates said of the start; of a run that goes on, nothing.
    pub ruling: Option<Ruling>,
    /// The receipts written now, in order.
    pub receipts: Vec<ReceiptId>,
    /// Attempts that ended now.
    pub attempts: Vec<Attempt>,
    /// What the run gives.
    pub outputs: BTreeMap<String, String>,
    /// Why it was ended, as codes.
    pub reasons: Vec<String>,
    /// How many steps ended how.
    pub count: Count,
    /// Attempts whose outcome only a person can tell.
    pub unknown: Vec<Place>,
    /// Tokens that its tasks have cost by now, and millionths of a dollar.
    pub spent: (u64, u64),
}

/// Why a run could not be driven. Whatever ran has its receipts.
#[derive(Debug, thiserror::Error)]
pub enum WorkflowError {
    /// The policy in force could not be loaded.
    #[error(transparent)]
    Policy(#[from] StoreError),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
    /// The world could not be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
    /// An approval could not be looked at.
    #[error(transparent)]
    Consent(#[from] ConsentError),
    /// A receipt could not be made durable.
    #[error("couldn't record the run: {0}")]
    Append(AppendError),
    /// Governance kept changing while something was decided.
    #[error("policy or approvals kept changing while the run was decided")]
    Unsettled,
    /// No run began with this receipt.
    #[error("{0} is not the start of a run")]
    NotAChain(ReceiptId),
    /// Its private bytes were erased.
    #[error("what {0} was started with is erased; it cannot go on")]
    Erased(ReceiptId),
    /// Stored bytes that are not what they should be.
    #[error("what {0} was started with is damaged")]
    Damaged(ReceiptId),
    /// It has ended.
    #[error("run {0} has ended")]
    Ended(ReceiptId),
    /// Another process drives it.
    #[error("run {0} is being driven by another process")]
    Busy(ReceiptId),
    /// The specification that a step runs is not there, or is given inputs that it does not have. Nothing was started.
    #[error("step `{step}` runs `{file}`, which {why}")]
    Sub {
        /// Its id.
        step: String,
        /// The file that it names.
        file: String,
        /// What does not fit.
        why: String,
    },
    /// Private bytes that are not those that a receipt commits to.
    #[error("what is kept behind {0} was changed after it was recorded")]
    Altered(Digest),
    /// The last driver's command is still being ended.
    #[error("something of run {0} is still being ended")]
    StillEnding(ReceiptId),
    /// What was approved is not this start.
    #[error("{0} is not about this start of this spec with these inputs")]
    OtherAction(ReceiptId),
    /// What is to be settled is known.
    #[error("the outcome of that attempt is known")]
    Known(ReceiptId),
    /// A task has no end.
    #[error(transparent)]
    Task(Box<TaskError>),
    /// What answers of tasks are run in could not be set up.
    #[error(transparent)]
    Smoke(#[from] SmokeError),
    /// A step has no end. Whatever had started of it is ended.
    #[error(transparent)]
    Step(Box<crate::govern::GovernError>),
    /// The lock of the run could not be taken.
    #[error("couldn't take the lock of the run: {0}")]
    Lock(std::io::Error),
    /// The chain holds what the specification does not.
    #[error("the receipts of {chain} do not follow its specification: {why}")]
    Diverged {
        /// The run.
        chain: ReceiptId,
        /// What does not fit.
        why: String,
    },
    /// An expression has no value.
    #[error(transparent)]
    Evaluation(#[from] EvaluationFault),
}

impl From<Unrecorded> for WorkflowError {
    fn from(why: Unrecorded) -> Self {
        match why {
            Unrecorded::Unsettled => Self::Unsettled,
            Unrecorded::Append(error) => Self::Append(error),
        }
    }
}

/// Begins a run and drives it as far as it goes.
///
/// # Errors
/// [`WorkflowError`].
pub fn start(
    ledger: &Ledger,
    start: Start,
    driver: &Driver,
    tell: &mut dyn FnMut(Progress),
) -> Result<Driven, WorkflowError> {
    drive::begin(ledger, start, None, driver, tell)
}

/// Drives a run that has begun, as far as it goes.
///
/// # Errors
/// [`WorkflowError`].
pub fn resume(
    ledger: &Ledger,
    chain: ReceiptId,
    driver: &Driver,
    tell: &mut dyn FnMut(Progress),
) -> Result<Driven, WorkflowError> {
    drive::resume(ledger, chain, driver, tell)
}

/// Where a run stands, from its record alone; nothing is done.
///
/// # Errors
/// [`WorkflowError`].
pub fn look(ledger: &Reader, chain: ReceiptId) -> Result<Driven, WorkflowError> {
    look::look(ledger, chain)
}

/// Ends a run: nothing of it starts any more, and what runs is ended by the gates.
///
/// # Errors
/// [`WorkflowError`].
pub fn cancel(ledger: &Ledger, chain: ReceiptId, driver: &Driver) -> Result<Appended, WorkflowError> {
    settle::cancel(ledger, chain, driver)
}

/// Says what became of an attempt that nobody knew of, on record.
///
/// # Errors
/// [`WorkflowError`].
pub fn settle(
    ledger: &Ledger,
    chain: ReceiptId,
    place: Place,
    happened: bool,
    driver: &Driver,
) -> Result<Pointed, WorkflowError> {
    settle::settle(ledger, chain, place, happened, driver)
}

/// The specification of a run, and its hash.
///
/// # Errors
/// [`WorkflowError`].
pub fn spec_of(ledger: &Reader, chain: ReceiptId) -> Result<(Arc<Spec>, Digest), WorkflowError> {
    let (run, chain) = load::run(ledger, chain)?;
    Ok((Arc::clone(&run.spec), chain.spec_hash))
}

/// Name and version of the specification of a run; nothing where they are erased.
///
/// # Errors
/// [`WorkflowError`].
pub fn name_of(reader: &Reader, chain: &Chain) -> Result<String, WorkflowError> {
    let id = chain.receipt_id;
    let items = reader.private_of(id)?;
    let spec = items.iter().find(|item| item.field == "spec").ok_or(WorkflowError::Erased(id))?;
    let document = Document::read(&spec.bytes).map_err(|_| WorkflowError::Damaged(id))?;
    Ok(format!("{} {}", document.spec.name, document.spec.version))
}

/// The number of the last attempt at an item of a step, from 1; 1 where there was none.
///
/// # Errors
/// [`WorkflowError`].
pub fn last_attempt(
    ledger: &Ledger,
    chain: ReceiptId,
    (step, item): (usize, usize),
) -> Result<u32, WorkflowError> {
    let (run, chain) = load::run(ledger, chain)?;
    let recorded = record::of_run(ledger, &chain, &run.spec)?;
    let own = recorded.iter().map(|one| one.place);
    let own = own.filter(|place| place.role == Role::Step && (place.step, place.item) == (step, item));
    Ok(own.map(|place| place.attempt).max().unwrap_or(1))
}
