//! Runs emitted code through `cascade_runtime::smoke`, in real processes.
//!
//! The test binary is also the worker.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking; without the usual harness clippy does not see that this is one"
)]

use std::process::ExitCode;

use cascade_runtime::smoke;

mod answers;
mod kit;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(smoke::WORKER_ARG) {
        return smoke::worker_main();
    }
    let arguments = libtest_mimic::Arguments::from_args();
    let tests = [answers::tests()].concat();
    let trials = tests.into_iter().map(|(name, test)| {
        libtest_mimic::Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
