//! A tenant as a whole, in the hands of an administrator: suspended, active again, handed over, deleted.
//!
//! A halt is the stop button of whoever watches; a suspension is a switch that only an administrator turns, both ways.

mod deletion;
mod export;

use cascade_ledger::{Appended, Draft, Fault, Ledger, PrivateItem, Surface};
use cascade_receipt::content::{Body, EndedChain, TenantChange, TenantChanged};
use cascade_receipt::digest::Nonce;

use crate::admin::{self, AdminError};
use crate::consent::Sign;
use crate::facts::Asker;

pub use deletion::{DeleteError, Deleted, Deletion, Recorder};
pub use export::{Contents, ExportError, Handed, export};

/// What is said when a switch is turned.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// Why, in the administrator's words.
    pub reason: &'a str,
    /// What was drawn for it beforehand; otherwise it is drawn now.
    pub drawn: Option<Drawn>,
}

/// What is random in a statement.
#[derive(Clone, Copy, Debug)]
pub struct Drawn {
    /// Names the statement.
    pub statement_id: [u8; 8],
    /// Salts the reason.
    pub nonce: Nonce,
}

impl Drawn {
    /// The same for the same request, until the tenant stands otherwise: whoever signs elsewhere is asked twice.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn of_request(ledger: &Ledger, asker: &Asker, suspend: bool, reason: &str) -> Result<Self, Fault> {
        let word = if suspend { "suspend" } else { "resume" };
        let matter = format!("tenant {word} {}\n{reason}", ledger.turned_seq()?);
        let tag = ledger.request_tag(asker.speaker(), (Surface::Statement, &matter), matter.as_bytes())?;
        let [a, b, c, d, e, f, g, h, ..] = tag.key.0;
        Ok(Self { statement_id: [a, b, c, d, e, f, g, h], nonce: Nonce(tag.body.0) })
    }
}

/// Suspends the tenant; `None` when it is suspended already. What runs is decided again and thereby ended; nothing
/// starts until [`resume`].
///
/// # Errors
/// [`AdminError`].
pub fn suspend(
    ledger: &Ledger,
    asker: &Asker,
    says: Turn<'_>,
    sign: Sign<'_>,
) -> Result<Option<Appended>, AdminError> {
    turn(ledger, asker, (TenantChange::Suspended, says), sign)
}

/// Lets a suspended tenant go on; `None` when it is not suspended. A halt stays what it is.
///
/// # Errors
/// [`AdminError`].
pub fn resume(
    ledger: &Ledger,
    asker: &Asker,
    says: Turn<'_>,
    sign: Sign<'_>,
) -> Result<Option<Appended>, AdminError> {
    turn(ledger, asker, (TenantChange::Active, says), sign)
}

fn turn(
    ledger: &Ledger,
    asker: &Asker,
    (change, says): (TenantChange, Turn<'_>),
    sign: Sign<'_>,
) -> Result<Option<Appended>, AdminError> {
    admin::may(ledger, asker)?;
    let seen = ledger.mark()?;
    if ledger.is_suspended()? == (change == TenantChange::Suspended) {
        return Ok(None);
    }
    let what = What { change, says: Some(says), private_items: None, of: None };
    let mut draft = draft(ledger, asker, what, sign)?;
    // A switch that somebody else's change could hold up is none; to let go on is bound to what was seen.
    draft.seen = (change == TenantChange::Active).then_some(seen);
    Ok(Some(ledger.append(draft)?))
}

/// What is to be said.
struct What<'a> {
    change: TenantChange,
    says: Option<Turn<'a>>,
    private_items: Option<u64>,
    of: Option<(EndedChain, PrivateItem)>,
}

fn draft(ledger: &Ledger, asker: &Asker, what: What<'_>, sign: Sign<'_>) -> Result<Draft, AdminError> {
    let drawn = match what.says.and_then(|says| says.drawn) {
        Some(drawn) => drawn,
        None => Drawn { statement_id: cascade_ledger::receipt_id()?.0, nonce: cascade_ledger::nonce()? },
    };
    let words = what.says.map(|says| says.reason.as_bytes().to_vec());
    let reason = words.map(|words| PrivateItem::new("reason_hash", drawn.nonce, words));
    let (of, name) = what.of.unzip();
    let mut changed = TenantChanged {
        change: what.change,
        principal: asker.speaker(),
        reason_hash: reason.as_ref().map(|item| item.hash),
        private_items: what.private_items,
        of,
        statement_id: drawn.statement_id,
        signatures: Vec::new(),
    };
    let own = Body::TenantChanged(changed.clone()).statement();
    changed.signatures.push(admin::signature(ledger, asker, &own, sign)?);
    let mut draft = Draft::new(cascade_ledger::receipt_id()?, Body::TenantChanged(changed));
    draft.private.extend(reason.into_iter().chain(name));
    Ok(draft)
}
