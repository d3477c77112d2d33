mod graph;
mod hash;
pub(crate) mod inputs;
mod list;
mod new;
mod outlook;
mod plan;
mod run;
mod settle;
mod sign;
pub(crate) mod subs;
mod tell;
mod verify;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_kernel::csl::{self, Document, Faults, SPEC_BYTES_MAX};
use cascade_receipt::json::Value;
use clap::{Args, Subcommand};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output;

pub(super) use self::run::driver;

/// Workflows as data: specs are written, hashed, signed, checked and planned
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade spec new release > release.yaml
  cascade spec plan release.yaml --input tag=v1.2.0
  cascade spec sign release.yaml
  cascade spec verify release.yaml")]
pub(crate) struct SpecArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Print a commented spec to start from
    #[command(after_help = "Example:
  cascade spec new nightly > nightly.yaml")]
    New(new::New),
    /// Print the JSON Schema of specs, with which editors complete and check them
    #[command(after_help = "Example:
  cascade spec schema > csl.schema.json")]
    Schema,
    /// Print the hash of a spec: the same in YAML and in JSON, and what every receipt of its runs carries
    #[command(after_help = "Examples:
  cascade spec hash release.yaml
  cascade spec hash release.yaml --canonical | sha256sum")]
    Hash(hash::Hash),
    /// Sign a spec with an SSH key; the signature stands beside it, as FILE.sig
    ///
    /// What is signed is a statement of the hash, so that the signature holds for the same data in YAML and in JSON.
    #[command(after_help = "Examples:
  cascade spec sign release.yaml
  cascade spec sign release.yaml --key ~/.ssh/id_ed25519
  cascade spec sign release.yaml --out signatures/release.sig")]
    Sign(sign::Sign),
    /// Check the signature beside a spec, and that its author is one whom this chain trusts, or the one given
    #[command(after_help = "Examples:
  cascade spec verify release.yaml
  cascade spec verify release.yaml --author-key ada.pub

Exit codes: 0 valid, 1 unreadable, 2 not a spec, 4 not signed, not by a trusted author, or changed since.")]
    Verify(verify::Verify),
    /// Show the steps in an order that can run, with what today's policy says; nothing is run, nothing is recorded
    ///
    /// Decides as for an agent unless `--as` says otherwise (`--as person`). What hangs on results of steps is decided
    /// when it runs.
    #[command(after_help = "Examples:
  cascade spec plan release.yaml --input tag=v1.2.0 --input hosts=a --input hosts=b
  cascade spec plan release.yaml --inputs inputs.json
  cascade spec plan release.yaml --graph mermaid")]
    Plan(plan::Plan),
    /// Run a spec: every step is decided by policy and receipted like any command, and its receipts name the run
    ///
    /// The signature is taken from FILE.sig. A run that waits for people ends with exit code 5 and goes on with
    /// `spec resume`, also after a crash: what is done is not done again.
    #[command(after_help = "Examples:
  cascade spec run release.yaml --input tag=v1.2.0
  cascade spec run --dry-run release.yaml --input tag=v1.2.0
  cascade spec run --wait release.yaml --inputs inputs.json

Exit codes: 0 completed, 1 a step failed, 3 refused or cancelled, 5 waiting for people.")]
    Run(run::Run),
    /// Go on with a run: after an approval, after a crash
    #[command(after_help = "Examples:
  cascade spec resume r_0123456789abcdef
  cascade spec resume --wait r_0123456789abcdef")]
    Resume(run::Resume),
    /// End a run: nothing of it starts any more, what runs is ended
    #[command(after_help = "Example:
  cascade spec cancel r_0123456789abcdef --reason 'wrong branch'")]
    Cancel(settle::Cancel),
    /// Say what became of a step whose outcome nobody knows, so that its run can go on
    #[command(after_help = "Examples:
  cascade spec settle r_0123456789abcdef push --happened
  cascade spec settle r_0123456789abcdef copy --item 3 --did-not-happen")]
    Settle(settle::Settle),
    /// Show where a run stands, and what it gave; nothing is run
    #[command(after_help = "Example:
  cascade spec show r_0123456789abcdef")]
    Show(list::Show),
    /// Runs that have not ended
    #[command(after_help = "Example:
  cascade spec list")]
    List,
}

pub(crate) fn run(global: &Global, args: &SpecArgs) -> Exit {
    match &args.what {
        What::New(args) => new::run(args),
        What::Schema => {
            output::result(csl::schema())?;
            Ok(exit::DONE)
        }
        What::Hash(args) => hash::run(global, args),
        What::Sign(args) => sign::run(global, args),
        What::Verify(args) => verify::run(global, args),
        What::Plan(args) => plan::run(global, args),
        What::Run(args) => run::run(global, args),
        What::Resume(args) => run::resume(global, args),
        What::Cancel(args) => settle::cancel(global, args),
        What::Settle(args) => settle::settle(global, args),
        What::Show(args) => list::show(global, args),
        What::List => list::run(global),
    }
}

/// Reads a spec. What is wrong with it is usage, told with its places.
pub(crate) fn read(file: &Path) -> Result<Document, Failure> {
    Document::read(&bytes_of(file, SPEC_BYTES_MAX)?).map_err(|faults| no_spec(file, &faults))
}

/// The bytes of a file, and at most one more than `most`: enough to see that it is too long.
fn bytes_of(file: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    File::open(file)
        .and_then(|opened| opened.take(limit).read_to_end(&mut bytes))
        .with_context(|| format!("couldn't read `{}`", file.display()))?;
    Ok(bytes)
}

fn no_spec(file: &Path, faults: &Faults) -> Failure {
    let name = output::safe(&file.display().to_string());
    let mut told = format!("`{name}` is no spec");
    for fault in faults.iter() {
        told.push_str(&format!("\n{name}:{}:{}: {}", fault.line, fault.column, output::safe(&fault.message)));
    }
    let count = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let faults = faults.iter().map(|fault| {
        Value::object([
            ("column", count(fault.column)),
            ("file", name.as_str().into()),
            ("line", count(fault.line)),
            ("message", fault.message.as_str().into()),
        ])
    });
    let faults = faults.collect();
    Failure {
        faults,
        ..Failure::usage(told)
            .hint("`cascade spec new` prints one to start from; docs/csl.md says what there is")
    }
}

/// The signature beside a spec, where there is one.
pub(crate) fn signature(file: &Path) -> Result<Option<String>, Failure> {
    run::signature(file)
}

/// Where the signature of a spec stands.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}
