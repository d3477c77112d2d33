//! Jobs in few words.

use std::sync::LazyLock;
use std::time::Duration;

use cascade_runtime::smoke::{Called, Checked, Job, Options, Smoke, SmokeError, Tested};

pub(crate) type Tests = Vec<(&'static str, fn())>;

/// No honest job in these tests takes this long on a machine that is merely busy.
pub(crate) const AMPLE: Duration = Duration::from_secs(20);

/// One pool for all: what one job does must not reach the next.
pub(crate) fn smoke() -> &'static Smoke {
    static SMOKE: LazyLock<Smoke> = LazyLock::new(|| Smoke::start(&Options::default()).unwrap());
    &SMOKE
}

pub(crate) fn job(source: &str) -> Job {
    Job { source: source.to_owned(), ..Job::default() }
}

pub(crate) fn check(job: &Job) -> Result<Checked, SmokeError> {
    smoke().check(job, AMPLE)
}

/// The outcome of calls after a source, each in short: `=3`, `!ValueError: no`.
pub(crate) fn calls(source: &str, calls: &[&str]) -> Vec<String> {
    let calls = calls.iter().map(|call| (*call).to_owned()).collect();
    let checked = check(&Job { calls, ..job(source) }).unwrap();
    let short = |called: &Called| match called {
        Called::Value(text) => format!("={text}"),
        Called::Raised(text) => format!("!{text}"),
    };
    checked.called.iter().map(short).collect()
}

pub(crate) fn call(source: &str, call: &str) -> String {
    calls(source, &[call]).remove(0)
}

/// The outcome of a `check(candidate)` or of asserts.
pub(crate) fn tested(source: &str, tests: &str, entry: Option<&str>) -> Result<Tested, SmokeError> {
    let job = Job { tests: Some(tests.to_owned()), entry: entry.map(str::to_owned), ..job(source) };
    check(&job).map(|checked| checked.tested.unwrap())
}
