//! The chain: sound at its end, not stopped, nothing left open, vouched for by others, its clock not ahead.

use cascade_ledger::{Fault, Reader};
use cascade_runtime::facts;
use cascade_runtime::halt;

use super::{Finding, counted};
use crate::exit::Failure;
use crate::failures;
use crate::verb::halt::RESUME_HINT;
use crate::verb::tenant::ACTIVE_HINT;

/// A witness asked this seldom leaves a day of work unproven to strangers.
const UNANCHORED_MAX: u64 = 10_000;
/// Clocks of one machine differ by less from one look to the next.
const CLOCK_BEHIND_MS_MAX: u64 = 1000;

pub(super) fn look(reader: &Reader) -> Result<Vec<Finding>, Failure> {
    Ok(vec![
        end(reader),
        halted(reader)?,
        suspended(reader)?,
        stopped(reader)?,
        open(reader)?,
        anchored(reader)?,
        clock(reader)?,
    ])
}

fn end(reader: &Reader) -> Finding {
    const CHECK: &str = "chain.end";
    match (reader.sound_head(), facts::is_healthy(reader)) {
        (Ok(head), Ok(true)) => {
            Finding::fine(CHECK, format!("{}; the newest is whole", counted(head.next_seq, "receipt")))
        }
        (Ok(_), Ok(false)) => Finding::wrong(CHECK, "the newest receipt is not what it should be", damaged()),
        (Err(fault), _) | (_, Err(fault)) => {
            let next = failures::fault(&fault).unwrap_or_else(damaged);
            Finding::wrong(CHECK, fault.to_string(), next)
        }
    }
}

fn damaged() -> String {
    "`cascade fsck` says what is damaged; keep a copy of the home first".to_owned()
}

fn halted(reader: &Reader) -> Result<Finding, Fault> {
    const CHECK: &str = "chain.halted";
    Ok(if reader.is_halted()? {
        Finding::wrong(CHECK, "the tenant is halted: nothing starts", RESUME_HINT)
    } else {
        Finding::fine(CHECK, "not halted")
    })
}

fn suspended(reader: &Reader) -> Result<Finding, Fault> {
    const CHECK: &str = "chain.suspended";
    Ok(if reader.is_deleted()? {
        let next = "`cascade tenant delete` goes on with what was begun";
        Finding::wrong(CHECK, "the tenant was deleted, and its files are still here", next)
    } else if reader.is_suspended()? {
        Finding::wrong(CHECK, "the tenant is suspended: nothing starts", ACTIVE_HINT)
    } else {
        Finding::fine(CHECK, "not suspended")
    })
}

fn stopped(reader: &Reader) -> Result<Finding, Fault> {
    const CHECK: &str = "chain.stopped";
    let Some(witness) = reader.stopped_by()? else { return Ok(Finding::fine(CHECK, "no witness objects")) };
    let seen = format!("stopped: the witness {witness} knows another history of this chain");
    let next = "put back the newest copy of the home, then `cascade anchor` asks the witnesses again";
    Ok(Finding::wrong(CHECK, seen, next))
}

/// Intents without an outcome: those that run, and those that a dead process left.
fn open(reader: &Reader) -> Result<Finding, Fault> {
    const CHECK: &str = "chain.open";
    let (leased, own): (Vec<_>, Vec<_>) =
        reader.open_actions()?.into_iter().partition(|action| action.until.is_some());
    let (running, left): (Vec<_>, Vec<_>) =
        own.into_iter().partition(|action| halt::is_running(reader, action));
    let leased = counted(u64::try_from(leased.len()).unwrap_or(u64::MAX), "action");
    let running = counted(u64::try_from(running.len()).unwrap_or(u64::MAX), "action");
    let Some(first) = left.first() else {
        return Ok(Finding::fine(
            CHECK,
            format!("{running} running, {leased} leased to others, none left open"),
        ));
    };
    let left = counted(u64::try_from(left.len()).unwrap_or(u64::MAX), "action");
    let seen = format!("{left} left open by a process that died, {} first", first.receipt_id);
    Ok(Finding::wrong(
        CHECK,
        seen,
        "the next command that writes closes it as unknown: `cascade run -- true`",
    ))
}

fn anchored(reader: &Reader) -> Result<Finding, Fault> {
    const CHECK: &str = "chain.anchored";
    const NEXT: &str = "`cascade anchor` has witnesses vouch for it";
    let all = reader.head()?.next_seq;
    let Some((size, _)) = reader.newest_checkpoint(true)? else {
        let seen = format!("no witness vouches for any of {}", counted(all, "receipt"));
        return Ok(Finding::advice(CHECK, seen, NEXT));
    };
    let seen = format!("{} not anchored, {size} are", counted(all.saturating_sub(size), "receipt"));
    Ok(if all.saturating_sub(size) > UNANCHORED_MAX {
        Finding::advice(CHECK, seen, NEXT)
    } else {
        Finding::fine(CHECK, seen)
    })
}

fn clock(reader: &Reader) -> Result<Finding, Fault> {
    const CHECK: &str = "chain.clock";
    let (newest, now) = (reader.head()?.timestamp, facts::now());
    if newest.ms() <= now.ms().saturating_add(CLOCK_BEHIND_MS_MAX) {
        return Ok(Finding::fine(CHECK, format!("the clock says {now}")));
    }
    let seen = format!("the clock says {now}, and the newest receipt is of {newest}");
    Ok(Finding::wrong(
        CHECK,
        seen,
        "set the clock; until then new receipts repeat that time, marked `stepped`",
    ))
}
