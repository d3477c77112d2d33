//! The stop button: anybody may press it, an administrator lets it go.

use std::time::{Duration, Instant};

use cascade_ledger::{Appended, Draft, Fault, Ledger, OpenAction, PrivateItem, Reader};
use cascade_receipt::content::{Body, Halted, Resumed};

use crate::admin::{self, AdminError};
use crate::consent::Sign;
use crate::facts::Asker;
use crate::run_lock::RunLock;

/// How long [`settled`] waits at most. What is halted has ended within a second; a machine may be busy.
pub const SETTLE_TIME_MAX: Duration = Duration::from_secs(5);
/// How often it looks.
const SETTLE_POLL: Duration = Duration::from_millis(20);

/// Stops the tenant; `None` when it is halted already. Whoever asks may, an agent too: the receipt names who it
/// really is, whomever else it says it acts for.
///
/// # Errors
/// [`AdminError`]; never that somebody may not.
pub fn halt(ledger: &Ledger, asker: &Asker, reason: Option<&str>) -> Result<Option<Appended>, AdminError> {
    if ledger.is_halted()? {
        return Ok(None);
    }
    let reason = private(reason)?;
    let body = Halted {
        principal: asker.principal_id(),
        on_behalf_of: asker.agent.as_ref().map(|_| asker.person_id),
        reason_hash: reason.as_ref().map(|item| item.hash),
    };
    // Not bound to what was seen: a stop that somebody else's change could refuse is none.
    let mut draft = Draft::new(cascade_ledger::receipt_id()?, Body::Halted(body));
    draft.private.extend(reason);
    Ok(Some(ledger.append(draft)?))
}

/// Lets the tenant go on; `None` when it is not halted.
///
/// # Errors
/// [`AdminError`].
pub fn resume(
    ledger: &Ledger,
    asker: &Asker,
    reason: Option<&str>,
    sign: Sign<'_>,
) -> Result<Option<Appended>, AdminError> {
    admin::may(ledger, asker)?;
    let mark = ledger.mark()?;
    if !ledger.is_halted()? {
        return Ok(None);
    }
    let reason = private(reason)?;
    let mut resumed = Resumed {
        principal: asker.speaker(),
        reason_hash: reason.as_ref().map(|item| item.hash),
        statement_id: cascade_ledger::receipt_id()?.0,
        signatures: Vec::new(),
    };
    let own = Body::Resumed(resumed.clone()).statement();
    resumed.signatures.push(admin::signature(ledger, asker, &own, sign)?);
    let mut draft = Draft::new(cascade_ledger::receipt_id()?, Body::Resumed(resumed));
    draft.private.extend(reason);
    draft.seen = Some(mark);
    Ok(Some(ledger.append(draft)?))
}

/// Waits until every action in `running` is closed, at most [`SETTLE_TIME_MAX`]; gives those that are not.
///
/// # Errors
/// When the ledger cannot be read.
pub fn settled(ledger: &Ledger, running: &[OpenAction]) -> Result<Vec<OpenAction>, Fault> {
    let until = Instant::now() + SETTLE_TIME_MAX;
    loop {
        let open = ledger.open_actions()?;
        let left: Vec<_> = running.iter().filter(|action| open.contains(action)).cloned().collect();
        if left.is_empty() || Instant::now() >= until {
            return Ok(left);
        }
        // Nobody tells one process what another one has committed.
        std::thread::sleep(SETTLE_POLL);
    }
}

/// Whether somebody still holds the lock of an action: it runs, or its closer is on its way.
#[must_use]
pub fn is_running(reader: &Reader, action: &OpenAction) -> bool {
    RunLock::is_held(reader, action.receipt_id)
}

fn private(reason: Option<&str>) -> Result<Option<PrivateItem>, Fault> {
    let item = |text: &str| {
        let nonce = cascade_ledger::nonce()?;
        Ok(PrivateItem::new("reason_hash", nonce, text.as_bytes().to_vec()))
    };
    reason.map(item).transpose()
}
