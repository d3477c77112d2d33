//! Runs real processes through `cascade_runtime::process`.
//!
//! The test binary plays every part: the tests, the supervisor, the exec shim, and a host that does what the
//! `cascade` binary does around a run, so that it can be killed at any step.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    reason = "a test fails by panicking; without the usual harness clippy does not see that this is one"
)]

use std::process::ExitCode;

use cascade_runtime::process;

mod basics;
mod ending;
mod host;
mod kit;
mod passing;
mod ssh;
mod terminal;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(process::SUPERVISE_ARG) => process::supervise_main(),
        Some(process::EXEC_ARG) => process::exec_main(),
        Some(host::ARG) => host::main(),
        _ => {
            let arguments = libtest_mimic::Arguments::from_args();
            let tests = [basics::tests(), ending::tests(), passing::tests(), ssh::tests(), terminal::tests()]
                .concat();
            let trials = tests.into_iter().map(|(name, test)| {
                libtest_mimic::Trial::test(name, move || {
                    test();
                    Ok(())
                })
            });
            libtest_mimic::run(&arguments, trials.collect()).exit_code()
        }
    }
}
