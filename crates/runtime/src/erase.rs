//! Erasing what the vault keeps of one action: an administrator answers for it, in the chain.

use std::time::Duration;

use cascade_ledger::{AppendError, EraseError, ErasedBy, Fault, Found, Holder, Ledger, Wiped};
use cascade_receipt::content::{Body, Erased, Erasure};
use cascade_receipt::id::ReceiptId;

use crate::admin::{self, AdminError};
use crate::consent::Sign;
use crate::facts::Asker;

/// Longest wait for processes that still read the erased bytes.
pub const WAIT_MAX: Duration = Duration::from_secs(5);
/// How often an action is looked up again because it got another receipt in between.
pub const ATTEMPTS_MAX: u32 = 16;

/// Why nothing was erased, or not known to be.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// No receipt has this id.
    #[error("no receipt `{0}`")]
    NotFound(String),
    /// The beginning of an id fits several.
    #[error("more than one receipt begins with `{0}`")]
    Ambiguous(String),
    /// There is nothing that could be erased.
    #[error(transparent)]
    Extent(#[from] EraseError),
    /// It was not signed or not recorded; nothing is erased.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The erasure is recorded and not carried out yet.
    #[error("the erasure is recorded, but the bytes are still there: {0}")]
    Unfinished(Fault),
}

impl From<Fault> for ErasureError {
    fn from(fault: Fault) -> Self {
        Self::Admin(AdminError::Ledger(fault))
    }
}

/// What became of it.
#[derive(Debug)]
pub struct Gone {
    /// The newest `erasure` receipt of the action; `None` when there was nothing private about it.
    pub receipt_id: Option<ReceiptId>,
    /// What this call erased; empty when everything was erased before.
    pub erased: Vec<Erased>,
    /// How far the bytes are gone.
    pub wiped: Wiped,
}

/// What a caller is told while it goes on.
#[derive(Debug)]
pub enum Step<'a> {
    /// Receipts looked at, and all there are to look at.
    Looking(u64, u64),
    /// These processes still read the bytes.
    Waiting(&'a [Holder]),
}

/// Erases the private bytes of the action that `id` belongs to. An erasure that is pending is carried on.
///
/// # Errors
/// [`ErasureError`].
pub fn erase(
    ledger: &Ledger,
    asker: &Asker,
    id: &str,
    sign: Sign<'_>,
    told: &mut dyn FnMut(Step<'_>),
) -> Result<Gone, ErasureError> {
    let seq = match ledger.find(id)? {
        Found::One(_, seq, _) => seq,
        Found::Nothing => return Err(ErasureError::NotFound(id.to_owned())),
        Found::Several => return Err(ErasureError::Ambiguous(id.to_owned())),
    };
    let (receipt_id, erased) = receipted(ledger, asker, seq, sign, told)?;
    let wiped = ledger.wipe_erased(WAIT_MAX, &mut |holders| told(Step::Waiting(holders)));
    Ok(Gone { receipt_id, erased, wiped: wiped.map_err(ErasureError::Unfinished)? })
}

/// Appends the receipt, unless everything is erased already.
fn receipted(
    ledger: &Ledger,
    asker: &Asker,
    seq: u64,
    sign: Sign<'_>,
    told: &mut dyn FnMut(Step<'_>),
) -> Result<(Option<ReceiptId>, Vec<Erased>), ErasureError> {
    let mut attempt = 1;
    loop {
        let erasable = ledger.erasable(seq, &mut |done, all| told(Step::Looking(done, all)))?;
        if erasable.erased.is_empty() {
            return Ok((erasable.before.last().map(|by: &ErasedBy| by.receipt_id), Vec::new()));
        }
        let mut erasure = Erasure {
            erased: erasable.erased.clone(),
            principal: asker.speaker(),
            statement_id: cascade_ledger::receipt_id()?.0,
            signatures: Vec::new(),
        };
        let own = Body::Erasure(erasure.clone()).statement();
        erasure.signatures.push(admin::signature(ledger, asker, &own, sign)?);
        let erased = erasure.erased.clone();
        match ledger.append(erasable.draft(cascade_ledger::receipt_id()?, erasure)) {
            Ok(appended) => return Ok((Some(appended.receipt_id), erased)),
            // The action got another receipt, or somebody answered something, in between.
            Err(AppendError::Stale) if attempt < ATTEMPTS_MAX => attempt += 1,
            Err(error) => return Err(AdminError::Append(error).into()),
        }
    }
}
