//! Named steps, run one after the other, each with its duration; the first failure ends the run.

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A run of steps and how long each took.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Runs a program as one step; anything but exit code 0 is a failure.
    pub(crate) fn run(&mut self, name: &str, command: &mut Command) -> Result<()> {
        self.step(name, || succeed(command))
    }

    /// Runs a function as one step.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        say(&format!("== {name}"));
        let start = Instant::now();
        let result = work();
        let took = start.elapsed();
        let word = if result.is_ok() { "passed" } else { "FAILED" };
        say(&format!("== {name}: {word}, {:.1} s", took.as_secs_f64()));
        self.done.push((name.to_owned(), took));
        result.with_context(|| format!("step `{name}`"))
    }

    /// The closing lines: every step with its duration, then what that means.
    pub(crate) fn close(self, what: &str) {
        let mut total = Duration::ZERO;
        for (name, took) in &self.done {
            total += *took;
            say(&format!("{:>8.1} s  {name}", took.as_secs_f64()));
        }
        say(&format!("{:>8.1} s  {what}: all {} steps passed", total.as_secs_f64(), self.done.len()));
    }
}

/// Runs a program to its end; anything but exit code 0 is a failure.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("couldn't start `{name}`"))?;
    if !status.success() {
        bail!("`{name}` ended with {status}");
    }
    Ok(())
}

/// Whether a program starts and ends with exit code 0; its output is dropped.
pub(crate) fn answers(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// A line for the person who reads the run.
///
/// A closed standard error is no reason to stop checking, so a failed write is dropped.
pub(crate) fn say(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}
