//! What each command does, in the order a person would do it by hand.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use xtask::local_model::{LocalModel, Weights};

use crate::steps::{Steps, answers, say, succeed};
use crate::{fuzz, tidy, tools};

/// The second verifier, written from the format alone.
const PYTHON_VERIFIER: &str = "verifiers/python/cascade_verify.py";
/// The third one, which browsers can run.
const JS_VERIFIER: &str = "verifiers/js";
/// Where the golden vectors lie.
const VECTORS: &str = "vectors";

/// Sets the machine up and runs every check and every test.
///
/// # Errors
/// The first step that fails.
pub(crate) fn test(root: &Path) -> Result<()> {
    let mut steps = Steps::default();
    every_test(root, &mut steps)?;
    steps.close("test");
    Ok(())
}

/// What [`test()`] does, then what a merge must pass besides.
///
/// # Errors
/// The first step that fails.
pub(crate) fn ci(root: &Path) -> Result<()> {
    let mut steps = Steps::default();
    every_test(root, &mut steps)?;
    let mut doc = cargo(root, &["doc", "--workspace", "--no-deps", "--locked"]);
    steps.run("documentation", doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    if answers("cargo", &["deny", "--version"]) {
        steps.run("cargo deny", &mut cargo(root, &["deny", "check"]))?;
    } else {
        // Not installed from here: tidy holds the same lists, and advisories need a network that not
        // every machine has.
        say(
            "== cargo deny: not installed. Licences, bans and sources were checked by tidy; advisories were not",
        );
    }
    steps.close("ci");
    Ok(())
}

/// Installs what the tests need and nothing else.
///
/// # Errors
/// Something is missing and could not be installed.
pub(crate) fn tools(root: &Path) -> Result<()> {
    tools::prepare(root)
}

/// The rules of the source tree.
///
/// # Errors
/// Every finding, one a line; or the tree could not be read.
pub(crate) fn tidy(root: &Path) -> Result<()> {
    let findings = tidy::run(root)?;
    if findings.is_empty() {
        return Ok(());
    }
    for finding in &findings {
        say(&format!("{finding}"));
    }
    bail!("the tree is not tidy: {} findings", findings.len());
}

/// Writes the golden vectors, or with `only_check` compares them with what the code writes today.
///
/// # Errors
/// The generator failed, or a vector differs.
pub(crate) fn vectors(root: &Path, only_check: bool) -> Result<()> {
    if !only_check {
        return generate_vectors(root, &root.join(VECTORS));
    }
    let fresh = root.join("target/vectors");
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).context("couldn't clear `target/vectors`")?;
    }
    std::fs::create_dir_all(&fresh).context("couldn't create `target/vectors`")?;
    generate_vectors(root, &fresh)?;
    let differences = differences(&contents(&root.join(VECTORS))?, &contents(&fresh)?);
    if differences.is_empty() {
        return Ok(());
    }
    for difference in &differences {
        say(difference);
    }
    bail!(
        "{} vectors differ from what the code writes: run `cargo xtask vectors` and look at the change",
        differences.len()
    );
}

/// Measures this machine and Cascade on it.
///
/// # Errors
/// The build or the run failed.
pub(crate) fn bench(root: &Path, arguments: &[&str]) -> Result<()> {
    let arguments = arguments.strip_prefix(&["--"]).unwrap_or(arguments);
    succeed(cargo(root, &["run", "--release", "--locked", "--bin", "cascade", "--", "bench"]).args(arguments))
}

/// Serves a small language model until it is interrupted.
///
/// # Errors
/// It could not be fetched or started.
pub(crate) fn model(weights: Weights) -> Result<()> {
    let mut model = LocalModel::start(weights)?;
    let toml = model.models_toml();
    let written = std::io::stdout().write_all(toml.as_bytes()).and_then(|()| std::io::stdout().flush());
    written.context("couldn't say where it is")?;
    say(&format!("{} answers at {}/v1/ until this command ends", weights.name(), model.address()));
    model.wait()
}

fn every_test(root: &Path, steps: &mut Steps) -> Result<()> {
    steps.step("tools", || tools::prepare(root))?;
    steps.run("format", &mut cargo(root, &["fmt", "--all", "--check"]))?;
    let clippy =
        ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "--deny", "warnings"];
    steps.run("clippy", &mut cargo(root, &clippy))?;
    fuzz::style(root, steps)?;
    steps.step("tidy", || tidy(root))?;
    steps.run("tests", &mut cargo(root, &["test", "--workspace", "--locked"]))?;
    if root.join(VECTORS).is_dir() {
        steps.step("vectors are what the code writes", || vectors(root, true))?;
        steps.step("python verifier", || python_verifier(root))?;
        steps.step("typescript verifier", || js_verifier(root))?;
    }
    fuzz::short(root, steps)
}

fn python_verifier(root: &Path) -> Result<()> {
    if !root.join(PYTHON_VERIFIER).is_file() {
        bail!("there are vectors but no second verifier at `{PYTHON_VERIFIER}`");
    }
    succeed(Command::new(tools::python()?).args([PYTHON_VERIFIER, "--vectors", VECTORS]).current_dir(root))
}

fn js_verifier(root: &Path) -> Result<()> {
    for words in [["ci", "--silent"], ["run", "build"], ["test", "--silent"]] {
        succeed(Command::new("npm").args(words).current_dir(root.join(JS_VERIFIER)))?;
    }
    Ok(())
}

fn generate_vectors(root: &Path, into: &Path) -> Result<()> {
    let words = ["run", "--quiet", "--locked", "--package", "cascade-receipt", "--example", "vectors", "--"];
    succeed(cargo(root, &words).arg(into))
}

/// Every vector below a directory by its relative path; a README is written by people.
fn contents(folder: &Path) -> Result<BTreeMap<OsString, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in
            std::fs::read_dir(&next).with_context(|| format!("couldn't read `{}`", next.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|ending| ending != "md")
                && !path.ends_with(".gitattributes")
            {
                let name = path.strip_prefix(folder)?.as_os_str().to_owned();
                files.insert(name, std::fs::read(&path)?);
            }
        }
    }
    Ok(files)
}

fn differences(kept: &BTreeMap<OsString, Vec<u8>>, fresh: &BTreeMap<OsString, Vec<u8>>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, bytes) in kept {
        match fresh.get(name) {
            Some(other) if other == bytes => {}
            Some(_) => lines.push(format!("{}: differs", name.display())),
            None => lines.push(format!("{}: is no longer written", name.display())),
        }
    }
    for name in fresh.keys().filter(|name| !kept.contains_key(*name)) {
        lines.push(format!("{}: is not checked in", name.display()));
    }
    lines
}

/// Cargo itself, at the root. The outer `cargo run` names the right one in `CARGO`.
fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_a_lost_and_a_new_vector_are_each_named() {
        let files = |list: &[(&str, &str)]| -> BTreeMap<OsString, Vec<u8>> {
            list.iter().map(|(name, text)| (OsString::from(name), text.as_bytes().to_vec())).collect()
        };
        let kept = files(&[("a", "1"), ("b", "2"), ("c", "3")]);
        assert!(differences(&kept, &kept).is_empty());
        let fresh = files(&[("a", "1"), ("b", "X"), ("d", "4")]);
        assert_eq!(
            differences(&kept, &fresh),
            ["b: differs", "c: is no longer written", "d: is not checked in"]
        );
    }
}
