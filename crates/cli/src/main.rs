//! `cascade`: every action decided by policy before it runs, every decision and outcome a receipt.
//!
//! This crate is the edge that people touch: it reads arguments, prints, and turns outcomes into exit
//! codes. One file per verb under [`verb`]; nothing here decides, writes a chain or starts a process.

mod admin;
mod again;
mod args;
mod exit;
mod failures;
mod outfile;
mod output;
mod place;
mod progress;
mod reasons;
mod screen;
mod secret;
mod signer;
mod verb;
mod when;

use std::process::ExitCode;

use cascade_policy::decide::STACK_BYTES;
use cascade_runtime::{broker, process, shell, shim, smoke};

fn main() -> ExitCode {
    // By a link that is a shim, whatever the words are: they are those of another program.
    if let Some(name) = shim::called() {
        return at_work(move || verb::dispatch_shim(name));
    }
    // The inner commands are spoken by Cascade to itself and never typed by people; they come
    // before argument parsing because they must not depend on it.
    match std::env::args_os().nth(1) {
        Some(word) if word == process::SUPERVISE_ARG => return process::supervise_main(),
        Some(word) if word == process::EXEC_ARG => return process::exec_main(),
        Some(word) if word == smoke::WORKER_ARG => return smoke::worker_main(),
        Some(word) if word == shell::SESSION_ARG => return verb::shell::begun(),
        Some(word) if word == shell::CONFINE_ARG => return verb::shell::confined(),
        Some(word) if word == broker::RUN_ARG => return at_work(verb::dispatch_brokered),
        _ => {}
    }
    at_work(verb::dispatch)
}

fn at_work(verb: impl FnOnce() -> ExitCode + Send + 'static) -> ExitCode {
    // One fixed stack size: the policy evaluator looks at the stack that remains, and a decision
    // must not depend on how large the caller's happened to be (invariant I8).
    let work = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(verb);
    match work.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        Ok(Err(_)) => ExitCode::from(exit::COULD_NOT),
        Err(error) => {
            output::complain(&exit::Failure::could_not(
                anyhow::Error::new(error).context("couldn't start a thread"),
            ));
            ExitCode::from(exit::COULD_NOT)
        }
    }
}
