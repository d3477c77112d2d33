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
mod cheating;
mod hostile;
mod kit;
mod layers;
mod memory;
mod model;
mod probe;
mod workers;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(smoke::WORKER_ARG) => return smoke::worker_main(),
        Some(probe::ARG) => return probe::main(),
        Some(workers::HOST) => return workers::host(&std::env::args().nth(2).unwrap_or_default()),
        _ => {}
    }
    let mut arguments = libtest_mimic::Arguments::from_args();
    // Some of them count processes.
    arguments.test_threads = Some(1);
    let tests = [
        answers::tests(),
        cheating::tests(),
        hostile::tests(),
        layers::tests(),
        model::tests(),
        memory::tests(),
        probe::tests(),
        workers::tests(),
    ]
    .concat();
    let trials = tests.into_iter().map(|(name, test)| {
        libtest_mimic::Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
