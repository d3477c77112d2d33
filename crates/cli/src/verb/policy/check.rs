//! `policy check` and `policy test`.

use cascade_policy::snapshot::{PolicyFault, Snapshot, TestFailure, run_tests};
use cascade_receipt::json::Value;

use super::Place;
use super::directory::{self, Looked};
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output;
use crate::output::{BAD, CARE, GOOD, Painted};

pub(super) fn check(global: &Global, place: &Place, strict: bool) -> Exit {
    let chain = directory::chain(global, place.alone)?;
    let Looked { directory, snapshot, peopled } = match directory::beside(&place.dir, chain.as_ref())? {
        Ok(looked) => looked,
        Err(faults) => return tell(global, &faults),
    };
    let mut warnings = Snapshot::warnings(&directory.source);
    warnings.extend(peopled.iter().flat_map(|groups| Snapshot::empty_groups(&directory.source, groups)));
    if strict && !warnings.is_empty() {
        return tell(global, &warnings);
    }
    if !global.json {
        warn(&warnings)?;
    }
    good(global, "no faults", &snapshot, 0, &warnings)?;
    Ok(exit::DONE)
}

pub(super) fn test(global: &Global, place: &Place) -> Exit {
    let chain = directory::chain(global, place.alone)?;
    let Looked { directory, snapshot, .. } = match directory::beside(&place.dir, chain.as_ref())? {
        Ok(looked) => looked,
        Err(faults) => return tell(global, &faults),
    };
    let report = run_tests(&snapshot, &directory.tests);
    if report.all_passed() {
        good(global, "passed", &snapshot, report.passed, &[])?;
        return Ok(exit::DONE);
    }
    if !report.faults.is_empty() {
        return tell(global, &report.faults);
    }
    failed(global, report.passed, &report.failures)?;
    Ok(exit::COULD_NOT)
}

pub(in crate::verb) fn failed(
    global: &Global,
    passed: usize,
    failures: &[TestFailure],
) -> Result<(), Failure> {
    if global.json {
        let items = failures.iter().map(|failure| {
            Value::object([
                ("file", failure.file.as_str().into()),
                ("got", failure.got.as_str().into()),
                ("line", failure.line.into()),
                ("row", failure.row.as_str().into()),
            ])
        });
        let passed = Value::Int(i64::try_from(passed).unwrap_or(i64::MAX));
        output::json(&Value::object([("failures", Value::Array(items.collect())), ("passed", passed)]))?;
        return Ok(());
    }
    for failure in failures {
        output::line(format_args!("{}:{}: {}", failure.file, failure.line, failure.row))?;
        output::line(format_args!("    got {}", Painted(BAD, &failure.got)))?;
    }
    output::say(format_args!("{passed} passed, {} failed", failures.len()));
    Ok(())
}

fn good(
    global: &Global,
    word: &str,
    snapshot: &Snapshot,
    passed: usize,
    warnings: &[PolicyFault],
) -> Result<(), Failure> {
    let policies = snapshot.policies().count();
    if global.json {
        output::json(&Value::object([
            ("faults", Value::Array(Vec::new())),
            ("packs", Value::Array(snapshot.packs().iter().map(|pack| pack.as_str().into()).collect())),
            ("passed", Value::Int(i64::try_from(passed).unwrap_or(i64::MAX))),
            ("policies", Value::Int(i64::try_from(policies).unwrap_or(i64::MAX))),
            ("policy_hash", snapshot.policy_hash().to_hex().into()),
            ("warnings", Value::Array(warnings.iter().map(document).collect())),
        ]))?;
    } else {
        let packs: Vec<&str> = snapshot.packs().iter().map(String::as_str).collect();
        let packs =
            if packs.is_empty() { String::new() } else { format!(" with the packs {}", packs.join(", ")) };
        let rows = if passed > 0 { format!("{passed} rows, ") } else { String::new() };
        output::line(format_args!(
            "{}: {rows}{policies} policies{packs}, {}",
            Painted(GOOD, word),
            snapshot.policy_hash()
        ))?;
    }
    Ok(())
}

/// Warnings of a policy that has no faults.
pub(super) fn warn(warnings: &[PolicyFault]) -> Result<(), Failure> {
    for warning in warnings {
        output::line(format_args!(
            "{}:{}:{}: {}: {}",
            warning.file,
            warning.line,
            warning.column,
            Painted(CARE, "warning"),
            warning.message
        ))?;
        if let Some(suggestion) = &warning.suggestion {
            output::line(format_args!("    {suggestion}"))?;
        }
    }
    Ok(())
}

fn document(fault: &PolicyFault) -> Value {
    Value::object([
        ("code", fault.code.into()),
        ("column", fault.column.into()),
        ("file", fault.file.as_str().into()),
        ("line", fault.line.into()),
        ("message", fault.message.as_str().into()),
        ("suggestion", fault.suggestion.as_deref().unwrap_or_default().into()),
    ])
}

/// Faults, and the exit code that they mean.
pub(in crate::verb) fn tell(global: &Global, faults: &[PolicyFault]) -> Exit {
    if global.json {
        let items = faults.iter().map(document);
        output::json(&Value::object([("faults", Value::Array(items.collect()))]))?;
    } else {
        for fault in faults {
            output::line(fault)?;
            if let Some(suggestion) = &fault.suggestion {
                output::line(format_args!("    {suggestion}"))?;
            }
        }
    }
    Ok(exit::COULD_NOT)
}
