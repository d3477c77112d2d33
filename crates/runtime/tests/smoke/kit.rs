//! Jobs in few words, for each interpreter.

use std::sync::LazyLock;
use std::time::Duration;

use cascade_runtime::smoke::{Called, Checked, Gates, Job, Options, Smoke, SmokeError, Tested};

pub(crate) type Tests = Vec<(&'static str, fn())>;

/// No honest job in these tests takes this long on a machine that is merely busy.
pub(crate) const AMPLE: Duration = Duration::from_secs(25);

/// One pool for all tests: what one job does must not reach the next.
pub(crate) fn smoke(gates: Gates) -> &'static Smoke {
    static SMOKE: LazyLock<[Smoke; 3]> = LazyLock::new(|| {
        let start = |gates| Smoke::start(&Options { gates, ..Options::default() }).unwrap();
        [start(Gates::Both), start(Gates::Monty), start(Gates::CPython)]
    });
    match gates {
        Gates::Both => &SMOKE[0],
        Gates::Monty => &SMOKE[1],
        Gates::CPython => &SMOKE[2],
    }
}

/// The interpreters apart.
pub(crate) const EACH: [Gates; 2] = [Gates::Monty, Gates::CPython];

pub(crate) fn job(source: &str) -> Job {
    Job { source: source.to_owned(), ..Job::default() }
}

pub(crate) fn asks(source: &str, call: &str) -> Job {
    Job { calls: vec![call.to_owned()], ..job(source) }
}

pub(crate) fn checks(source: &str, tests: &str, entry: Option<&str>) -> Job {
    Job { tests: Some(tests.to_owned()), entry: entry.map(str::to_owned), ..job(source) }
}

pub(crate) fn check(gates: Gates, job: &Job) -> Result<Checked, SmokeError> {
    smoke(gates).check(job, AMPLE)
}

/// The outcome of calls after a source, each in short: `=3`, `!ValueError: no`.
pub(crate) fn calls(gates: Gates, source: &str, calls: &[&str]) -> Vec<String> {
    let calls = calls.iter().map(|call| (*call).to_owned()).collect();
    let checked = check(gates, &Job { calls, ..job(source) }).unwrap();
    let short = |called: &Called| match called {
        Called::Value(text) => format!("={text}"),
        Called::Raised(text) => format!("!{text}"),
    };
    checked.called.iter().map(short).collect()
}

pub(crate) fn call(gates: Gates, source: &str, call: &str) -> String {
    calls(gates, source, &[call]).remove(0)
}

/// The outcome of a `check(candidate)` or of asserts.
pub(crate) fn tested(gates: Gates, source: &str, tests: &str, entry: Option<&str>) -> Tested {
    check(gates, &checks(source, tests, entry)).unwrap().tested.unwrap()
}

/// What tests that passed are worth.
pub(crate) fn worth(gates: Gates, source: &str, tests: &str, entry: Option<&str>) -> (usize, bool) {
    let checked = check(gates, &checks(source, tests, entry)).unwrap();
    assert_eq!(checked.tested, Some(Tested::Passed), "{tests}");
    checked.worth.map(|worth| (worth.inputs, worth.constant)).unwrap()
}

/// The name of an error, as a test expects it.
pub(crate) fn named(outcome: &Result<Checked, SmokeError>) -> &'static str {
    match outcome {
        Ok(_) => "answered",
        Err(SmokeError::TimedOut { .. }) => "timed out",
        Err(SmokeError::MemoryExceeded) => "memory",
        Err(SmokeError::OutputExceeded) => "output",
        Err(SmokeError::Refused(_)) => "refused",
        Err(SmokeError::Unsyntactic(_)) => "unsyntactic",
        Err(SmokeError::Crashed) => "crashed",
        Err(SmokeError::Unavailable(_)) => "unavailable",
        Err(SmokeError::Io(_)) => "io",
    }
}
