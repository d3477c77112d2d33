//! An action on its way into the chain, for a thread that waits for the receipt and for a task that awaits it.

use std::time::Duration;

use cascade_ledger::{Appended, Ledger, Present, Ticket};
use cascade_receipt::content::Rel;
use cascade_receipt::digest::Nonce;
use cascade_receipt::id::ReceiptId;

use super::{Begun, Handing, Held, LeaseError, Open, Request, Stands, consent, standing};
use super::{LEASE_MAX, REASON_BYTES_MAX};
use crate::consent::Approved;
use crate::govern::reference;
use crate::own_act::{self, By, Drafted, Unrecorded};
use crate::run_lock::RunLock;
/// What has begun of a decision.
#[derive(Debug)]
pub enum Started {
    /// It is over: an approval that was named does not carry the action.
    Begun(Box<Begun>),
    /// Its receipt is on the way to the disk.
    Waiting(Box<Waiting>),
}

/// A decision that is made and not on record yet. Nothing may be performed, and nobody may be told.
#[derive(Debug)]
pub struct Waiting {
    receipt: Ticket,
    going: Going,
    drafted: Drafted,
}

impl Waiting {
    /// What was decided, once it is durable; nothing where governance changed meanwhile, so that it has to be decided
    /// again.
    ///
    /// # Errors
    /// [`LeaseError`].
    pub async fn recorded(self) -> Result<Option<Begun>, LeaseError> {
        let Self { receipt, going, drafted } = self;
        match receipt.await {
            Ok(receipt) => Ok(Some(going.begun(drafted, receipt))),
            Err(error) if own_act::is_outdated(&error) => Ok(None),
            Err(error) => Err(Unrecorded::Append(error).into()),
        }
    }
}

/// Decides, and puts that on record: the intent where it is admitted. Only then may it be performed.
///
/// # Errors
/// [`LeaseError`]; a denial is none.
pub fn begin(ledger: &Ledger, request: &Request<'_>) -> Result<Begun, LeaseError> {
    let approved = match Standing::of(ledger, &ledger.present()?, request)? {
        Standing::TurnedAway(begun) => return Ok(*begun),
        Standing::On(approved) => approved,
    };
    let going = Going::new(ledger, request, approved)?;
    let (drafted, receipt) = own_act::recorded(&going.act(request), ledger, &by(request))?;
    Ok(going.begun(drafted, receipt))
}

/// The same for a task that awaits the receipt. What is done before it returns may block.
///
/// # Errors
/// As [`begin`].
pub fn start(ledger: &Ledger, request: &Request<'_>) -> Result<Started, LeaseError> {
    let present = ledger.present()?;
    let approved = match Standing::of(ledger, &present, request)? {
        Standing::TurnedAway(begun) => return Ok(Started::Begun(begun)),
        Standing::On(approved) => approved,
    };
    let going = Going::new(ledger, request, approved)?;
    let (draft, drafted) = {
        let act = going.act(request);
        own_act::drafted(&act, &present, (&by(request), own_act::nonce(&act)?))?
    };
    let receipt = ledger.start_append(draft);
    Ok(Started::Waiting(Box::new(Waiting { receipt, going, drafted })))
}

const fn by<'a>(request: &Request<'a>) -> By<'a> {
    By { asker: request.asker, reason: request.reason, runtime: request.runtime, policy: request.policy }
}

/// What an action can stand on beside the gates.
enum Standing {
    /// The answers of people, where it needs them and has them.
    On(Option<Box<Approved>>),
    /// They do not carry it.
    TurnedAway(Box<Begun>),
}

impl Standing {
    fn of(ledger: &Ledger, present: &Present<'_>, request: &Request<'_>) -> Result<Self, LeaseError> {
        if request.reason.is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
            return Err(LeaseError::ReasonTooLong);
        }
        if let Held::Lease(time) = request.held
            && (time < Duration::from_secs(1) || time > LEASE_MAX)
        {
            return Err(LeaseError::LeaseLength);
        }
        let approved = request.approval.map(|id| consent::answered(ledger, id)).transpose()?;
        let approved = match approved {
            Some((approved, _)) => Some(approved),
            None if !request.dry_run => standing::of(ledger, present, request)?,
            None => None,
        };
        if let Some(approved) = &approved
            && let Some(begun) = standing::turned_away(ledger, request, approved)?
        {
            return Ok(Self::TurnedAway(Box::new(begun)));
        }
        Ok(Self::On(approved.map(Box::new)))
    }
}

#[derive(Debug)]
struct Going {
    approved: Option<Box<Approved>>,
    intent: ReceiptId,
    output_nonce: Nonce,
    lock: Option<RunLock>,
}

impl Going {
    fn new(
        ledger: &Ledger,
        request: &Request<'_>,
        approved: Option<Box<Approved>>,
    ) -> Result<Self, LeaseError> {
        let intent = cascade_ledger::receipt_id()?;
        let output_nonce = cascade_ledger::nonce()?;
        // Before the intent is durable, so that nobody who opens the chain finds it without an owner.
        let lock = match request.held {
            Held::Process => Some(RunLock::take(ledger, intent).map_err(LeaseError::Lock)?),
            Held::Lease(_) => None,
        };
        Ok(Self { approved, intent, output_nonce, lock })
    }

    fn act<'a>(&'a self, request: &'a Request<'a>) -> Handing<'a> {
        let (intent, output_nonce) = (self.intent, self.output_nonce);
        Handing { request, approved: self.approved.as_deref(), intent, output_nonce }
    }

    fn begun(self, drafted: Drafted, receipt: Appended) -> Begun {
        let Self { approved, intent, output_nonce, lock } = self;
        let Drafted { ruling, gates, mark, holds_until, principal } = drafted;
        let approved = approved.map(|approved| *approved);
        let stands = || Stands { principal, approved, mark, holds_until };
        let open = (receipt.receipt_id == intent)
            .then(|| Open::new(reference(Rel::Intent, &receipt), output_nonce, lock, stands()));
        Begun { ruling, receipt, open, objections: Vec::new(), gates: Some(gates) }
    }
}
