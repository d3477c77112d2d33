//! The fuzz targets: replayed and shaken in every test run, searched for long by hand.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::steps::{Steps, answers, say, succeed};
use crate::tools;

/// Their workspace. It is apart, so that instrumentation gets into nothing else.
const FOLDER: &str = "fuzz";
/// Seconds that a test run spends on new inputs, all targets together.
const SHORT_SECONDS: &str = "20";
/// Seconds that a search takes when nobody says how many.
pub(crate) const LONG_SECONDS: &str = "600";
/// An input that takes longer than so many seconds is a finding.
const INPUT_SECONDS_MAX: u32 = 10;

/// What tells libFuzzer which branches an input takes. Only flags that a stable compiler has.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "--cfg=fuzzing_libfuzzer",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-stack-depth",
    "-Ccodegen-units=1",
];

/// Style, and whether the targets still fit what they shake: a type that grew fails here, before the
/// long tests.
///
/// # Errors
/// The first step that fails.
pub(crate) fn style(root: &Path, steps: &mut Steps) -> Result<()> {
    let clippy = ["clippy", "--all-targets", "--locked", "--quiet", "--", "--deny", "warnings"];
    steps.run("fuzz: format", &mut cargo(root, &["fmt", "--check"]))?;
    steps.run("fuzz: clippy", &mut cargo(root, &clippy))
}

/// The replay of every seed, and a short time of blindly changed ones.
///
/// # Errors
/// The step fails.
pub(crate) fn short(root: &Path, steps: &mut Steps) -> Result<()> {
    let mut test = cargo(root, &["test", "--locked"]);
    steps.run("fuzz: seeds and a short run", test.env("CASCADE_FUZZ_SECONDS", SHORT_SECONDS))
}

/// Searches one target with libFuzzer, guided by coverage. What is new is kept below the target
/// directory, and so is an input that breaks a promise.
///
/// # Errors
/// There is no such target, no C++ compiler, or a promise was broken.
pub(crate) fn long(root: &Path, target: &str, seconds: &str) -> Result<()> {
    let seeds = root.join(FOLDER).join("corpus").join(target);
    if target.is_empty() || !seeds.is_dir() {
        bail!("no target `{target}`: they are the folders of `{FOLDER}/corpus`");
    }
    if seconds.parse::<u32>().is_err() {
        bail!("`{seconds}` is no number of seconds");
    }
    if !answers("c++", &["--version"]) {
        bail!("a C++ compiler is missing: on Debian run `apt-get install g++` as root");
    }
    let build = tools::target(root).join("fuzz");
    let (kept, found) = (build.join("corpus").join(target), build.join("found"));
    for folder in [&kept, &found] {
        std::fs::create_dir_all(folder).with_context(|| format!("couldn't create `{}`", folder.display()))?;
    }
    let arguments = [
        kept.display().to_string(),
        seeds.display().to_string(),
        format!("-artifact_prefix={}/{target}-", found.display()),
        format!("-max_total_time={seconds}"),
        format!("-timeout={INPUT_SECONDS_MAX}"),
        "-use_value_profile=1".to_owned(),
        "-len_control=0".to_owned(),
        "-rss_limit_mb=3000".to_owned(),
    ];
    say(&format!("searching {target} for {seconds} s; what is found goes to {}", found.display()));
    let host = tools::host()?;
    // With a target named, build scripts and macros are built without the flags, as they must be.
    let mut engine = cargo(root, &["test", "--locked", "--profile", "fuzz", "--test", "engine", "--target"]);
    engine
        .arg(host)
        .env("CARGO_TARGET_DIR", &build)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .env("CASCADE_FUZZ_TARGET", target)
        .env("BOLERO_LIBFUZZER_ARGS", arguments.join(" "));
    succeed(&mut engine)
}

/// Cargo in the workspace of the targets, building where the main one builds: they share most of it.
fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root.join(FOLDER)).env("CARGO_TARGET_DIR", tools::target(root));
    command
}
