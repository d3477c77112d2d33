use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use cascade_ledger::{OpenError, Reader};
use cascade_policy::decide::{self, Ruling};
use cascade_policy::snapshot::{Snapshot, SnapshotSource};
use cascade_receipt::decision::Verdict;
use cascade_receipt::json::Value;
use cascade_runtime::birth::BirthError;
use cascade_runtime::{hypothesis, limits, policy_store};
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{DIM, Painted, tier_style, verdict_style};
use crate::{output, place, reasons};

/// Classify and decide a shell line; nothing is run, nothing is recorded
///
/// Answers as for an agent unless `--as` says otherwise (`--as person`).
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade shell-check -- 'git push --force'
  cascade shell-check --as person -- 'curl https://example.org/x | sh'")]
pub(crate) struct ShellCheck {
    /// The line, in one argument; several are joined with spaces
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND LINE")]
    line: Vec<std::ffi::OsString>,
}

pub(crate) fn run(global: &Global, args: &ShellCheck) -> Exit {
    let line = args.line.join(OsStr::new(" "));
    let (snapshot, reader) = snapshot(global)?;
    let mut facts = hypothesis::shell_line(line.as_bytes(), global.acting_as.as_deref());
    if let Some(reader) = &reader {
        hypothesis::within(reader, &snapshot, &mut facts)?;
        limits::count(reader, &snapshot, &mut facts, None)?;
    }
    let ruling = decide::decide(&snapshot, &facts);
    if global.json {
        output::json(&document(&ruling))?;
    } else {
        print(&ruling)?;
    }
    Ok(code(ruling.decision.verdict))
}

/// The policy in force, or the shipped one where there is no ledger yet: looking must not create one.
pub(super) fn snapshot(global: &Global) -> Result<(Snapshot, Option<Reader>), Failure> {
    let tenant = place::tenant(global)?;
    let opened = cascade_ledger::Home::open(&place::home_dir(global)?)
        .and_then(|home| home.open_tenant_read_only(&tenant));
    match opened {
        Ok(reader) => Ok((policy_store::in_force(&reader)?.0, Some(reader))),
        Err(OpenError::NoHome(_) | OpenError::NoTenant(_)) => Snapshot::compile(&SnapshotSource::bundled())
            .map(|snapshot| (snapshot, None))
            .map_err(|faults| place::creating(BirthError::Policy(faults))),
        Err(error) => Err(place::opening(error)),
    }
}

/// Exit code of a decision that runs nothing.
pub(crate) const fn code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Admit => exit::DONE,
        Verdict::Escalate => exit::WAITING,
        Verdict::Deny => exit::DENIED,
    }
}

fn print(ruling: &Ruling) -> std::io::Result<()> {
    let verdict = ruling.decision.verdict;
    output::line(format_args!(
        "{}  {}{}",
        Painted(verdict_style(verdict), verdict),
        Painted(tier_style(ruling.risk_tier), ruling.risk_tier),
        if ruling.classified { "" } else { "  (not classified)" }
    ))?;
    for command in &ruling.classification.commands {
        output::line(format_args!(
            "  {:<8} {}",
            Painted(tier_style(command.tier), command.tier),
            output::safe(&command.words.join(" "))
        ))?;
        if !command.resources.is_empty() {
            output::line(format_args!("           on {}", output::safe(&reasons::resources(command))))?;
        }
        for finding in &command.findings {
            let text = output::safe(&finding.text);
            output::line(format_args!("           {text} {}", Painted(DIM, &finding.code)))?;
        }
    }
    for text in reasons::texts(ruling).iter().chain(&ruling.limits) {
        output::line(format_args!("  {}", output::safe(text)))?;
    }
    Ok(())
}

fn document(ruling: &Ruling) -> Value {
    let commands = ruling.classification.commands.iter().map(|command| {
        let words = command.words.iter().map(|word| Value::from(word.as_str())).collect();
        let findings = command.findings.iter().map(|finding| {
            Value::object([
                ("code", finding.code.as_str().into()),
                ("risk_tier", finding.tier.as_str().into()),
                ("text", finding.text.as_str().into()),
            ])
        });
        Value::object([
            ("classified", command.classified.into()),
            ("findings", Value::Array(findings.collect())),
            ("resources", Value::Array(command.resources.iter().map(|one| one.to_string().into()).collect())),
            ("program", command.program.as_str().into()),
            ("risk_tier", command.tier.as_str().into()),
            ("subcommand", command.subcommand.as_str().into()),
            ("words", Value::Array(words)),
        ])
    });
    Value::object([
        ("classified", ruling.classified.into()),
        ("commands", Value::Array(commands.collect())),
        ("limits", reasons::limits(ruling)),
        ("reasons", reasons::document(ruling)),
        ("risk_tier", ruling.risk_tier.as_str().into()),
        ("verdict", ruling.decision.verdict.as_str().into()),
    ])
}
