use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_policy::snapshot::{Directory, PolicyFault, Snapshot, read_directory, run_tests};
use cascade_receipt::json::Value;
use cascade_runtime::activate;
use cascade_runtime::facts::Asker;
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, GOOD, Painted};
use crate::signer::Signer;
use crate::{admin, output, place};

/// Policies: check, test, put into force
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade policy check ./policy
  cascade policy test ./policy
  cascade policy activate ./policy --label 2026-11")]
pub(crate) struct Policy {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Look for every fault in a policy directory
    #[command(after_help = "Example:
  cascade policy check ./policy")]
    Check(Place),
    /// Check, then run the tables beside it: `tests/*.table`
    #[command(after_help = "Example:
  cascade policy test ./policy")]
    Test(Place),
    /// Check, test, and put it into force with an administrator's signature
    #[command(after_help = "Example:
  cascade policy activate ./policy --label 2026-11 --key ~/.ssh/id_ed25519")]
    Activate {
        #[command(flatten)]
        place: Place,
        /// Name of this version, for people [default: the directory's name]
        #[arg(long, value_name = "LABEL")]
        label: Option<String>,
        /// Private key to sign with [default: the SSH agent, then ~/.ssh]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
struct Place {
    /// Directory with *.cedar, and if wanted schema.cedarschema, thresholds.toml, limits.toml, workers/, tests/
    dir: PathBuf,
}

/// Largest file of a policy directory.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

pub(crate) fn run(global: &Global, args: &Policy) -> Exit {
    match &args.what {
        What::Check(place) => match compiled(&place.dir)? {
            Ok((_, snapshot)) => {
                good(global, "no faults", &snapshot, 0)?;
                Ok(exit::DONE)
            }
            Err(faults) => tell(global, &faults),
        },
        What::Test(place) => test(global, &place.dir),
        What::Activate { place, label, key } => activate(global, &place.dir, label.as_deref(), key.clone()),
    }
}

type Compiled = Result<(Directory, Snapshot), Vec<PolicyFault>>;

fn compiled(dir: &Path) -> Result<Compiled, Failure> {
    let mut files = Vec::new();
    collect(dir, dir, &mut files)?;
    Ok(read_directory(files).and_then(|directory| {
        let snapshot = Snapshot::compile(&directory.source)?;
        Ok((directory, snapshot))
    }))
}

/// The files two levels deep, by relative name.
fn collect(root: &Path, dir: &Path, files: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("couldn't read `{}`", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden {
            continue;
        }
        if path.is_dir() {
            if dir == root {
                collect(root, &path, files)?;
            }
            continue;
        }
        let meta = path.metadata().with_context(|| format!("couldn't read `{}`", path.display()))?;
        if !meta.is_file() {
            return Err(Failure::could_not(anyhow::anyhow!("`{}` is no regular file", path.display())));
        }
        let length = meta.len();
        if length > FILE_BYTES_MAX {
            return Err(Failure::could_not(anyhow::anyhow!(
                "`{}` is longer than {FILE_BYTES_MAX} bytes",
                path.display()
            )));
        }
        let bytes = std::fs::read(&path).with_context(|| format!("couldn't read `{}`", path.display()))?;
        files.push((name, bytes));
    }
    Ok(())
}

fn test(global: &Global, dir: &Path) -> Exit {
    let (directory, snapshot) = match compiled(dir)? {
        Ok(compiled) => compiled,
        Err(faults) => return tell(global, &faults),
    };
    let report = run_tests(&snapshot, &directory.tests);
    if report.all_passed() {
        good(global, "passed", &snapshot, report.passed)?;
        return Ok(exit::DONE);
    }
    if !report.faults.is_empty() {
        return tell(global, &report.faults);
    }
    let failures = &report.failures;
    if global.json {
        let items = failures.iter().map(|failure| {
            Value::object([
                ("file", failure.file.as_str().into()),
                ("got", failure.got.as_str().into()),
                ("line", failure.line.into()),
                ("row", failure.row.as_str().into()),
            ])
        });
        let passed = Value::Int(i64::try_from(report.passed).unwrap_or(i64::MAX));
        output::json(&Value::object([("failures", Value::Array(items.collect())), ("passed", passed)]))?;
    } else {
        for failure in failures {
            output::line(format_args!("{}:{}: {}", failure.file, failure.line, failure.row))?;
            output::line(format_args!("    got {}", Painted(BAD, &failure.got)))?;
        }
        output::say(format_args!("{} passed, {} failed", report.passed, failures.len()));
    }
    Ok(exit::COULD_NOT)
}

fn activate(global: &Global, dir: &Path, label: Option<&str>, key: Option<PathBuf>) -> Exit {
    let (directory, snapshot) = match compiled(dir)? {
        Ok(compiled) => compiled,
        Err(faults) => return tell(global, &faults),
    };
    let report = run_tests(&snapshot, &directory.tests);
    if !report.all_passed() {
        return Err(Failure::could_not(anyhow::anyhow!("the policy's own tests fail"))
            .hint(format!("run: cascade policy test {}", dir.display())));
    }
    let named = || std::path::absolute(dir).ok()?.file_name()?.to_str().map(str::to_owned);
    let label = label.map(str::to_owned).or_else(named).unwrap_or_else(|| "policy".to_owned());
    let ledger = place::ledger(global)?;
    let env: Vec<_> = std::env::vars_os().collect();
    let asker = Asker::find(&ledger, &env, global.acting_as.as_deref())?;
    let signer = Signer::new(global, key)?;
    let receipt = activate::activate(
        &ledger,
        &asker,
        &directory.source,
        &snapshot,
        &label,
        &mut |public, namespace, payload| signer.sign(public, namespace, payload),
    )
    .map_err(admin::refused)?;
    if global.json {
        output::json(&Value::object([
            ("policy_hash", snapshot.policy_hash().to_hex().into()),
            ("policy_version", label.into()),
            ("receipt_id", receipt.receipt_id.to_string().into()),
        ]))?;
    } else {
        output::say(format_args!("{}: {label} {}", Painted(GOOD, "in force"), snapshot.policy_hash()));
        output::say(format_args!("receipt {}", receipt.receipt_id));
    }
    Ok(exit::DONE)
}

fn good(global: &Global, word: &str, snapshot: &Snapshot, passed: usize) -> Result<(), Failure> {
    let policies = snapshot.policies().count();
    if global.json {
        output::json(&Value::object([
            ("faults", Value::Array(Vec::new())),
            ("passed", Value::Int(i64::try_from(passed).unwrap_or(i64::MAX))),
            ("policies", Value::Int(i64::try_from(policies).unwrap_or(i64::MAX))),
            ("policy_hash", snapshot.policy_hash().to_hex().into()),
        ]))?;
    } else {
        let rows = if passed > 0 { format!("{passed} rows, ") } else { String::new() };
        output::line(format_args!(
            "{}: {rows}{policies} policies, {}",
            Painted(GOOD, word),
            snapshot.policy_hash()
        ))?;
    }
    Ok(())
}

fn tell(global: &Global, faults: &[PolicyFault]) -> Exit {
    if global.json {
        let items = faults.iter().map(|fault| {
            Value::object([
                ("code", fault.code.into()),
                ("column", fault.column.into()),
                ("file", fault.file.as_str().into()),
                ("line", fault.line.into()),
                ("message", fault.message.as_str().into()),
                ("suggestion", fault.suggestion.as_deref().unwrap_or_default().into()),
            ])
        });
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
