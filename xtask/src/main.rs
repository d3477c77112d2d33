//! The project's own commands. `cargo xtask help` lists them.
//!
//! Continuous integration runs these and nothing else, so what passes here passes there.

mod commands;
mod fuzz;
mod packaging;
mod steps;
mod tidy;
mod tools;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use xtask::local_model::Weights;

const HELP: &str = "\
usage: cargo xtask COMMAND

  test               set this machine up, then run every check and every test
  ci                 test, then the documentation build and, where installed, cargo-deny
  tools              set this machine up, as test does first
  tidy               the rules of the source tree alone (also a test of this crate)
  vectors [--check]  write the golden vectors again; with --check only compare them
  packaging          have systemd read the units and Docker build the image, where they are
  fuzz TARGET [SEC]  search a parser of outside bytes for SEC seconds (600) with libFuzzer
  model [--coder]    serve a small language model on this machine until interrupted, and say where
  bench [ARG…]       measure this machine and Cascade on it, release build
  help               this text

examples:
  cargo xtask test               # what a change must pass before it is sent
  cargo xtask tidy               # half a second: arrows, sizes, links, words, licences
  cargo xtask vectors --check    # fails when a vector differs from what the code writes
  cargo xtask bench -- --json

exit codes: 0 done, 1 a check failed or could not run, 2 usage
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os().skip(1).map(|w| w.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let root = root();
    let done = match words.as_slice() {
        ["test"] => commands::test(&root),
        ["ci"] => commands::ci(&root),
        ["tools"] => commands::tools(&root),
        ["tidy"] => commands::tidy(&root),
        ["vectors"] => commands::vectors(&root, false),
        ["vectors", "--check"] => commands::vectors(&root, true),
        ["packaging"] => packaging::check(&root),
        ["fuzz", target] => fuzz::long(&root, target, fuzz::LONG_SECONDS),
        ["fuzz", target, seconds] => fuzz::long(&root, target, seconds),
        ["model"] => commands::model(Weights::Small),
        ["model", "--coder"] => commands::model(Weights::Coder),
        ["bench", rest @ ..] => commands::bench(&root, rest),
        ["help" | "--help" | "-h"] => {
            return if std::io::stdout().write_all(HELP.as_bytes()).is_ok() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            };
        }
        _ => {
            steps::say(HELP);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            steps::say(&format!("xtask: error: {fault:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The workspace's root: the directory above this crate.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
