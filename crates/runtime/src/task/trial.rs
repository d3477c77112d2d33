//! An answer is run before anybody sees it: the caller's examples and tests, in the smoke gate.

use std::time::Duration;

use cascade_receipt::content::Evidence;

use super::Spec;
use crate::layer::Candidate;
use crate::smoke::{Backend, Called, Job, Smoke, SmokeError, Tested, Worth};

/// How long one answer may run, tests included.
pub const TRIAL_MAX: Duration = Duration::from_secs(5);

/// What an answer did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trial {
    /// What stands behind it; `None` where it did not do what the task demands.
    pub evidence: Option<Evidence>,
    /// What ran it.
    pub backend: Option<String>,
    /// The tests hold, and are many and different enough to verify what nothing else speaks for.
    pub proves: bool,
    /// Why it is not taken: a code.
    pub fault: Option<&'static str>,
    /// For people, in the caller's own words: nothing of what a rejected answer gave leaves.
    pub detail: Option<String>,
    /// What it did instead, for whoever tries again; never handed to the caller.
    pub gave: Option<String>,
}

/// Calls with different arguments that tests must make of an answer so that they verify it by themselves.
pub(super) const PROVING_INPUTS_MIN: usize = 3;

/// Whether tests alone verify what they passed: enough is asked, and what always gives the same does not pass.
fn proves(worth: Option<Worth>) -> bool {
    worth.is_some_and(|worth| worth.inputs >= PROVING_INPUTS_MIN && !worth.constant)
}

/// Runs one answer.
#[must_use]
pub(super) fn run(smoke: &Smoke, spec: &Spec, candidate: &Candidate, tests: Option<&str>) -> Trial {
    run_within(smoke, spec, candidate, tests, TRIAL_MAX)
}

/// The same, for no longer than this.
#[must_use]
pub(super) fn run_within(
    smoke: &Smoke,
    spec: &Spec,
    candidate: &Candidate,
    tests: Option<&str>,
    limit: Duration,
) -> Trial {
    let job = Job {
        source: candidate.source.clone(),
        calls: spec.calls.iter().map(|call| call.expression.clone()).collect(),
        tests: tests.map(str::to_owned),
        entry: candidate.entry.clone().or_else(|| spec.entry.clone()),
    };
    let checked = match smoke.check(&job, limit.min(TRIAL_MAX)) {
        Ok(checked) => checked,
        Err(error) => {
            let gave = Some(error.to_string());
            return Trial { gave, ..Trial::failed(code(&error), told(&error), None) };
        }
    };
    // A restriction that this kernel does not offer is told, never passed over.
    let Backend { version, missing } = &checked.backend;
    let backend = Some(match missing.as_slice() {
        [] => version.clone(),
        missing => format!("{version}, without {}", missing.join(", ")),
    });
    let wrong = spec.calls.iter().zip(&checked.called).find_map(|(call, called)| match called {
        Called::Value(repr) if call.is_met(repr) => None,
        Called::Value(repr) => Some((call, format!("{} gives {repr}", call.expression))),
        Called::Raised(what) => Some((call, format!("{} raises {what}", call.expression))),
    });
    if checked.called.len() != spec.calls.len() {
        return Trial::failed("smoke.examples", Some("not every example was run".to_owned()), backend);
    }
    if let Some((call, gave)) = wrong {
        let told = format!("{} does not give {}", call.expression, call.expected.repr());
        return Trial { gave: Some(gave), ..Trial::failed("smoke.examples", Some(told), backend) };
    }
    let evidence = match (tests, checked.tested) {
        (Some(_), Some(Tested::Passed)) => Evidence::Verified,
        (Some(_), Some(Tested::Failed(why))) => {
            return Trial { gave: Some(why), ..Trial::failed("smoke.tests", None, backend) };
        }
        (Some(_), None) => {
            return Trial::failed("smoke.tests", Some("the tests were not run".to_owned()), backend);
        }
        (None, _) if !spec.calls.iter().any(|call| call.asks) => Evidence::Proposed,
        (None, _) => Evidence::Checked,
    };
    let proves = proves(checked.worth);
    Trial { evidence: Some(evidence), backend, proves, fault: None, detail: None, gave: None }
}

impl Trial {
    const fn failed(fault: &'static str, detail: Option<String>, backend: Option<String>) -> Self {
        Self { evidence: None, backend, proves: false, fault: Some(fault), detail, gave: None }
    }
}

/// What may be told of an error: its text where it is about limits, the source or the caller's tests, never about values.
fn told(error: &SmokeError) -> Option<String> {
    if let SmokeError::Refused(why) | SmokeError::Unsyntactic(why) = error {
        return why.starts_with("the tests").then(|| why.clone());
    }
    matches!(
        error,
        SmokeError::TimedOut { .. }
            | SmokeError::MemoryExceeded
            | SmokeError::OutputExceeded
            | SmokeError::Crashed
            | SmokeError::Unavailable(_)
            | SmokeError::Io(_)
    )
    .then(|| error.to_string())
}

const fn code(error: &SmokeError) -> &'static str {
    match error {
        SmokeError::TimedOut { .. } => "smoke.timed_out",
        SmokeError::MemoryExceeded => "smoke.memory",
        SmokeError::OutputExceeded => "smoke.output",
        SmokeError::Refused(_) => "smoke.refused",
        SmokeError::Unsyntactic(_) => "smoke.syntax",
        SmokeError::Crashed => "smoke.crashed",
        SmokeError::Unavailable(_) => "smoke.unavailable",
        SmokeError::Io(_) => "smoke.failed",
    }
}
