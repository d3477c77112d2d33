//! Cases of a trial, tried.

use std::collections::BTreeMap;

use cascade_receipt::time::Timestamp;
use cascade_receipt::verify::{Options, Verdict, Verifier};

use super::build::{Built, build};
use super::file::{Case, Trial};
use crate::control::{Bounds, Control, Controls, Outcome, Period, View, audit};

/// How a case came out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judged {
    /// Its title.
    pub title: String,
    /// What is not as it says; `None` where all is.
    pub wrong: Option<String>,
}

/// Tries every case of a trial on its control.
#[must_use]
pub fn judge(controls: &Controls, trial: &Trial) -> Vec<Judged> {
    let control = controls.controls.iter().find(|control| control.id == trial.control);
    let judged = |case: &Case| {
        let wrong = match control {
            None => Some(format!("the pack has no control `{}`", trial.control)),
            Some(control) => tried(controls, control, trial, case).err(),
        };
        Judged { title: case.title.clone(), wrong }
    };
    trial.case.iter().map(judged).collect()
}

/// Controls that no case shows to come out in each way that they can: id and outcome. One that a chain alone can satisfy is
/// shown satisfied and violated, one that says what it cannot prove is shown so.
#[must_use]
pub fn unproven<'c>(controls: &'c Controls, trials: &[Trial]) -> Vec<(&'c str, Outcome)> {
    let mut missing = Vec::new();
    for control in &controls.controls {
        let own: Vec<&Trial> = trials.iter().filter(|trial| trial.control == control.id).collect();
        let answers = control.violations.iter().flat_map(|_| [Outcome::Satisfied, Outcome::Violated]);
        let wanted = answers.chain(control.unprovable.iter().map(|_| Outcome::NotProvable));
        let unshown = wanted.filter(|outcome| !own.iter().any(|trial| trial.shows(*outcome)));
        missing.extend(unshown.map(|outcome| (control.id.as_str(), outcome)));
    }
    missing
}

fn tried(controls: &Controls, control: &Control, trial: &Trial, case: &Case) -> Result<(), String> {
    let built = build(&trial.receipts_of(case)?).map_err(|fault| fault.to_string())?;
    let verdict = verified(&built)?;
    let period = period(case, &built)?;
    let mut view = View::new().map_err(|fault| fault.to_string())?;
    for (seq, line) in (0..).zip(&built.lines) {
        let private = built.private.get(&seq).filter(|_| !case.undisclosed);
        view.take(line.as_bytes(), private).map_err(|fault| fault.to_string())?;
    }
    view.close(&verdict, period, Bounds::default()).map_err(|fault| fault.to_string())?;
    let one = Controls { controls: vec![control.clone()], ..controls.clone() };
    let results = audit(&view, &one, period).results;
    let result = results.last().ok_or("nothing was asked")?;
    if result.outcome.as_str() != case.outcome {
        let why = result.fault.as_ref().map(|fault| format!(": {fault}")).unwrap_or_default();
        return Err(format!("came out {} and not {}{why}", result.outcome.as_str(), case.outcome));
    }
    let told = if result.outcome == Outcome::Violated { &result.findings } else { &result.unprovable };
    let names: BTreeMap<u64, &String> = built.names.iter().map(|(name, seq)| (*seq, name)).collect();
    let first = |receipts: &[(i64, String)]| {
        let seq = receipts.first().and_then(|(seq, _)| u64::try_from(*seq).ok());
        seq.and_then(|seq| names.get(&seq)).map_or_else(|| "-".to_owned(), |name| (*name).clone())
    };
    let mut told: Vec<String> = told.iter().map(|one| first(&one.receipts)).collect();
    let mut wanted = case.receipts.clone();
    told.sort();
    wanted.sort();
    if told == wanted { Ok(()) } else { Err(format!("names {told:?} and not {wanted:?}")) }
}

/// A trial on a chain that is none would say nothing of a control.
fn verified(built: &Built) -> Result<Verdict, String> {
    let mut verifier = Verifier::new(Options::default());
    built.lines.iter().for_each(|line| verifier.line(line.as_bytes()));
    let verdict = verifier.finish();
    match verdict.fault() {
        None => Ok(verdict),
        Some(fault) => {
            let name = built.names.iter().find(|(_, seq)| **seq == fault.seq).map(|(name, _)| name.as_str());
            let name = name.unwrap_or_default();
            Err(format!(
                "the chain is not valid at `{name}`: {} ({})",
                fault.code.meaning(),
                fault.code.as_str()
            ))
        }
    }
}

fn period(case: &Case, built: &Built) -> Result<Period, String> {
    let time = |text: &Option<String>| {
        let Some(text) = text else { return Ok(None) };
        let time = Timestamp::parse(text).and_then(|time| i64::try_from(time.ms()).ok());
        time.map(Some).ok_or_else(|| format!("`{text}` is no time such as 2026-01-05T09:00:00.000Z"))
    };
    let last = i64::try_from(built.last_ms).map_err(|_| "the chain ends too late")?;
    let now = time(&case.now)?.unwrap_or(last);
    Ok(Period {
        since: time(&case.since)?.unwrap_or(0),
        // What happens at this very moment has happened.
        until: time(&case.until)?.unwrap_or_else(|| now.max(last) + 1),
        now,
    })
}
