//! Packs that somebody writes: a directory of pack.toml, Cedar, limits.toml and tests.

use std::path::Path;

use cascade_policy::pack::Pack;
use cascade_policy::snapshot::{PolicyFault, Snapshot, run_tests};
use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;
use cascade_runtime::packs::{self, Choice};

use super::controls;
use crate::again;
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{self, GOOD, Painted};
use crate::place;
use crate::verb::policy::{check, directory};

/// An own pack: how it is chosen, and what it says.
type Own = (Choice, Pack);

/// What somebody typed: a directory has a slash in it, or is `.`; everything else is a name.
pub(super) fn choose(typed: &str) -> Result<Choice, Failure> {
    if !is_directory(typed) {
        return Ok(Choice { name: typed.to_owned(), text: None });
    }
    match read(Path::new(typed))? {
        Ok((choice, _)) => Ok(choice),
        Err(faults) => {
            let first = faults.first().map(ToString::to_string).unwrap_or_default();
            Err(Failure::could_not(anyhow::anyhow!("the pack has faults: {first}"))
                .hint(format!("`cascade pack check {}` lists all of them", again::quoted(typed.as_ref()))))
        }
    }
}

/// An own pack whose tables come out otherwise beside this policy is not declared.
pub(super) fn keeps_its_promises(typed: &str, choice: &Choice, snapshot: &Snapshot) -> Result<(), Failure> {
    let Some(text) = &choice.text else { return Ok(()) };
    let pack = Pack::read(&choice.name, text).map_err(|fault| anyhow::anyhow!(fault.to_string()))?;
    if run_tests(snapshot, &pack.tests).all_passed() {
        return Ok(());
    }
    Err(Failure::could_not(anyhow::anyhow!("the tests of the pack fail beside the policy in force"))
        .hint(format!("`cascade pack check {}` shows where", again::quoted(typed.as_ref()))))
}

fn is_directory(typed: &str) -> bool {
    typed.contains('/') || typed == "."
}

fn read(dir: &Path) -> Result<Result<Own, Vec<PolicyFault>>, Failure> {
    let read = Pack::of_files(directory::files(dir)?);
    Ok(read.map(|(text, pack)| (Choice { name: pack.manifest.name.clone(), text: Some(text) }, pack)))
}

/// `pack check`: its faults, then its tables beside the policy in force, then its controls on trial chains.
pub(super) fn check(global: &Global, dir: &Path) -> Exit {
    let (choice, pack) = match read(dir)? {
        Ok(own) => own,
        Err(faults) => return check::tell(global, &faults),
    };
    let reader = place::reader(global)?;
    let changed = packs::tried(&reader, &choice).map_err(super::refused)?;
    let report = run_tests(&changed, &pack.tests);
    if !report.faults.is_empty() {
        return check::tell(global, &report.faults);
    }
    if !report.failures.is_empty() {
        check::failed(global, report.passed, &report.failures)?;
        return Ok(exit::COULD_NOT);
    }
    let cases = match controls::tried(&choice.name, &directory::files(dir)?) {
        Ok(cases) => cases,
        Err(faults) => return check::tell(global, &faults),
    };
    let hash = Digest::of(choice.text.unwrap_or_default().as_bytes()).to_hex();
    if global.json {
        output::json(&Value::object([
            ("cases", Value::Int(i64::try_from(cases).unwrap_or(i64::MAX))),
            ("faults", Value::Array(Vec::new())),
            ("hash", hash.into()),
            ("name", choice.name.into()),
            ("passed", Value::Int(i64::try_from(report.passed).unwrap_or(i64::MAX))),
        ]))?;
    } else {
        let word = Painted(GOOD, "no faults");
        let rows = report.passed;
        output::line(format_args!("{word}: {rows} rows, {cases} cases, pack {} {hash}", choice.name))?;
    }
    Ok(exit::DONE)
}
