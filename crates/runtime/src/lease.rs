//! Actions that a program outside of Cascade performs: decided and put on record here, performed there, reported back.
//!
//! A coding agent runs a line in its own shell, an MCP server runs a tool, a service asks over HTTP. Cascade does not
//! hold such an action's process and cannot end it: what it holds is the intent, durable before anybody is told to go
//! on, and either a moment until which the outcome is waited for, or this process's lock. An intent whose outcome never
//! comes is closed as `task_unknown`, never as done.

mod asked;
mod going;
mod live;
mod outcome;
mod standing;

use std::time::Duration;

use cascade_ledger::{AppendError, Appended, Fault, Ledger, Present, PrivateItem};
use cascade_policy::decide::Ruling;
use cascade_policy::facts::Facts;
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::content::{self, Body, Leased, Ref, RequestTag, Runtime};
use cascade_receipt::decision::{Reason, Verdict};
use cascade_receipt::digest::Nonce;
use cascade_receipt::id::ReceiptId;
use cascade_receipt::time::Timestamp;

use crate::consent::{self, Approved, ConsentError};
use crate::facts::{self, Asker, LookError};
use crate::limits;
use crate::own_act::{OwnAct, Unrecorded};
use crate::policy_store::{PolicyInForce, StoreError};
use crate::subject::Concerned;

pub use asked::Asked;
pub use going::{Started, Waiting, begin, start};
pub use live::{Handed, Live, Under};
pub(crate) use outcome::Stands;
pub use outcome::{Open, Outcome, Output, closer, is_told, settle};

/// How long an outcome is waited for, unless told otherwise.
pub const LEASE: Duration = Duration::from_secs(60 * 60);
/// Longest time that an outcome can be waited for.
pub const LEASE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Most bytes of an outcome's output that are kept; what lies beyond is cut, and said to be.
pub const OUTPUT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 16 * 1024;

/// What is to be decided.
#[derive(Debug)]
pub struct Request<'a> {
    /// The action.
    pub asked: &'a Asked,
    /// Who asks.
    pub asker: &'a Asker,
    /// The escalation, dry run or approval that it stands on. Without one, an approval of exactly this action by this
    /// asker is looked for where the gates escalate.
    pub approval: Option<&'a str>,
    /// Only the decision is wanted.
    pub dry_run: bool,
    /// Why, in the asker's words; kept in the vault.
    pub reason: Option<&'a str>,
    /// Whom it concerns outside.
    pub subject: Option<Concerned>,
    /// Which program writes the receipts.
    pub runtime: &'a Runtime,
    /// The request that asks, where its sender may send it again.
    pub request: Option<RequestTag>,
    /// Who answers for it until its outcome is on record.
    pub held: Held,
    /// The policy in force, where the caller keeps it loaded.
    pub policy: Option<&'a PolicyInForce>,
}

/// Who answers for an action until its outcome is on record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// Whoever asked, for so long.
    Lease(Duration),
    /// This process, until it drops [`Open`] or dies.
    Process,
}

/// What was decided, durably.
#[derive(Debug)]
pub struct Begun {
    /// What the gates said.
    pub ruling: Ruling,
    /// The receipt that says so.
    pub receipt: Appended,
    /// What may be performed now; nothing where it was denied, waits, or was a dry run.
    pub open: Option<Open>,
    /// Why the approval that was named does not carry it.
    pub objections: Vec<Reason>,
    /// How long the gates took, where they were asked.
    pub gates: Option<Duration>,
}

/// Why nothing was decided. Nothing may be performed.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// A longer reason than [`REASON_BYTES_MAX`].
    #[error("the reason is longer than {REASON_BYTES_MAX} bytes")]
    ReasonTooLong,
    /// A longer wait than [`LEASE_MAX`], or none.
    #[error("an outcome is waited for at least 1 second and at most {} hours", LEASE_MAX.as_secs() / 3600)]
    LeaseLength,
    /// The approval that was named is about another action.
    #[error("{0} is about another action")]
    OtherAction(ReceiptId),
    /// Something about an approval could not be looked at.
    #[error(transparent)]
    Consent(#[from] ConsentError),
    /// The world could not be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The policy in force could not be loaded.
    #[error(transparent)]
    Policy(#[from] StoreError),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
    /// The receipt could not be made durable.
    #[error("couldn't record the action: {0}")]
    Append(AppendError),
    /// Governance kept changing while it was decided.
    #[error("policy or approvals kept changing while the action was decided")]
    Unsettled,
    /// The lock of the intent could not be taken.
    #[error("couldn't take the lock of the action: {0}")]
    Lock(std::io::Error),
    /// The intent is closed, or is no intent of this chain.
    #[error("{0} is not open: it has an outcome, or was closed when none came in time")]
    NotOpen(ReceiptId),
    /// Stored bytes that are not what they should be.
    #[error("the stored action of {0} is damaged")]
    Damaged(ReceiptId),
}

impl From<Unrecorded> for LeaseError {
    fn from(why: Unrecorded) -> Self {
        match why {
            Unrecorded::Unsettled => Self::Unsettled,
            Unrecorded::Append(error) => Self::Append(error),
        }
    }
}

/// The facts of the action as they are now, for whoever wants to know what would be decided.
///
/// # Errors
/// [`LeaseError`].
pub fn facts(
    ledger: &Ledger,
    snapshot: &Snapshot,
    asker: &Asker,
    (asked, subject): (&Asked, Option<Concerned>),
) -> Result<Facts, LeaseError> {
    let mut facts = asked.look(&ledger.present()?, snapshot, asker)?;
    facts.subject = subject.map(|concerned| crate::subject::look(ledger, concerned)).transpose()?;
    limits::count(ledger, snapshot, &mut facts, None)?;
    Ok(facts)
}

/// An action on its way to whoever performs it.
struct Handing<'a> {
    request: &'a Request<'a>,
    approved: Option<&'a Approved>,
    intent: ReceiptId,
    output_nonce: Nonce,
}

impl OwnAct for Handing<'_> {
    type Error = LeaseError;

    const TASK_TYPE: &'static str = "tool";

    fn task_type(&self) -> &'static str {
        self.request.asked.word()
    }

    fn approved(&self) -> Option<&Approved> {
        self.approved
    }

    fn dry_run(&self) -> bool {
        self.request.dry_run
    }

    fn receipt_id(&self, verdict: Verdict) -> Result<ReceiptId, Fault> {
        let starts = verdict == Verdict::Admit && !self.request.dry_run;
        if starts { Ok(self.intent) } else { cascade_ledger::receipt_id() }
    }

    fn request(&self) -> Option<RequestTag> {
        self.request.request
    }

    fn kept(&self) -> Option<(&'static str, Vec<u8>)> {
        self.request.asked.kept().map(|bytes| ("prompt", bytes))
    }

    fn facts(&self, present: &Present<'_>, snapshot: &Snapshot, asker: &Asker) -> Result<Facts, LeaseError> {
        let mut facts = self.request.asked.look(present, snapshot, asker)?;
        facts.subject =
            self.request.subject.map(|concerned| crate::subject::look(present, concerned)).transpose()?;
        facts.dry_run = self.request.dry_run;
        Ok(facts)
    }

    fn name(&self, _action: &mut content::Action, _verdict: Verdict) {}

    fn admitted(&self, action: content::Action, private: &mut Vec<PrivateItem>) -> Result<Body, LeaseError> {
        let nonce = cascade_ledger::nonce()?;
        private.push(PrivateItem::new("output_nonce", nonce, self.output_nonce.0.to_vec()));
        Ok(match self.request.held {
            Held::Process => Body::TaskStarted(action),
            Held::Lease(time) => {
                let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                let expires = Timestamp::from_ms(facts::now().ms().saturating_add(ms));
                Body::Leased(Leased { action, expires })
            }
        })
    }
}

/// What a refused approval leaves: its receipt, and the reasons.
fn refused(
    ledger: &Ledger,
    request: &Request<'_>,
    (refs, ruling): (Vec<Ref>, Ruling),
    reasons: Vec<Reason>,
) -> Result<Begun, LeaseError> {
    let (receipt, objections) = consent::refuse(ledger, request.asker, refs, reasons)?;
    Ok(Begun { ruling, receipt, open: None, objections, gates: None })
}
