//! A run that only decides: every command that can be known before anything has run leaves a `dry_run` receipt.

use std::sync::Arc;

use cascade_kernel::csl::{Step, Work};
use cascade_kernel::workflow::{Foresight, Place, Role, order};
use cascade_ledger::Ledger;

use super::attempt::Attempting;
use super::drive::router_of;
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
    let router = router_of(&run.spec, driver)?;
    let attempting = Attempting { ledger, run, driver, router: router.as_ref() };
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
    let Some(items) = seen.items(step)? else { return Ok(vec![later(0)]) };
    let mut decided = Vec::new();
    for (item, scope) in items.iter().enumerate() {
        let place = later(item).place;
        let one = match &step.work {
            _ if item >= most => None,
            Work::Command(words) => {
                let command = scope.command(step, words)?;
                command.map(|command| attempting.rehearse(place, &command)).transpose()?
            }
            Work::Task(task) => {
                let text = scope.text(&task.text)?;
                text.map(|text| attempting.rehearse_task(place, &text)).transpose()?
            }
            _ => None,
        };
        decided.push(one.unwrap_or_else(|| later(item)));
    }
    Ok(decided)
}
