//! A run that only decides: every command that can be known before anything has run leaves a `dry_run` receipt.

use std::sync::Arc;

use cascade_kernel::csl::{Step, Work};
use cascade_kernel::workflow::{Foresight, Place, Role, order};
use cascade_ledger::Ledger;

use super::attempt::Attempting;
use super::load::Loaded;
use super::{Attempt, Driver, Progress, WorkflowError};

/// Commands that one rehearsal decides; a plan of more is read by nobody.
const DECIDED_MAX: usize = 1_000;

pub(super) fn steps(
    ledger: &Ledger,
    run: &Arc<Loaded>,
    driver: &Driver,
    tell: &mut dyn FnMut(Progress),
) -> Result<Vec<Attempt>, WorkflowError> {
    let seen = Foresight::new(&run.inputs, []);
    let attempting = Attempting { ledger, run, driver };
    let mut all = Vec::new();
    for at in order(&run.spec) {
        let Some(step) = run.spec.steps.get(at) else { continue };
        for attempt in of_step(attempting, &seen, at, step, DECIDED_MAX - all.len())? {
            tell(Progress::Ended(attempt.clone()));
            all.push(attempt);
        }
    }
    Ok(all)
}

fn of_step(
    attempting: Attempting<'_>,
    seen: &Foresight,
    at: usize,
    step: &Step,
    most: usize,
) -> Result<Vec<Attempt>, WorkflowError> {
    let later = |item| Attempt {
        place: Place { step: at, item, attempt: 1, role: Role::Step },
        ended: "at run time",
        receipt_id: None,
        reasons: Vec::new(),
        exit_code: None,
    };
    match seen.wants(step)? {
        Some(false) => return Ok(vec![Attempt { ended: "skipped", ..later(0) }]),
        None => return Ok(vec![later(0)]),
        Some(true) => {}
    }
    let (Work::Command(words), Some(items)) = (&step.work, seen.items(step)?) else {
        return Ok(vec![later(0)]);
    };
    let mut decided = Vec::new();
    for (item, scope) in items.iter().enumerate() {
        match scope.command(step, words)? {
            Some(command) if item < most => decided.push(attempting.rehearse(later(item).place, &command)?),
            _ => decided.push(later(item)),
        }
    }
    Ok(decided)
}
