mod chain;
mod home;
mod kernel;
mod keys;
mod policy;
mod programs;
mod surfaces;

use cascade_receipt::json::Value;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, BOLD, CARE, DIM, GOOD, Painted, Style};
use crate::{again, output, place};

/// Look at the set-up: what is wrong with it, what could be better, and what to do about each
///
/// Nothing is written and nothing is made. `fsck` proves what is on the disk, `verify` the evidence.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade doctor
  cascade doctor --all
  cascade doctor --check --json")]
pub(crate) struct Doctor {
    /// Exit with 6 when something is wrong; advice alone does not count
    #[arg(long)]
    check: bool,
    /// Also show what is as it should be
    #[arg(long)]
    all: bool,
}

/// How something stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// As it should be.
    Fine,
    /// It works; it could be better.
    Advice,
    /// It is wrong, or will be.
    Wrong,
}

/// What one look came to.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Finding {
    /// What was looked at: a word of the table in docs/install.md.
    check: &'static str,
    standing: Standing,
    /// What was seen.
    seen: String,
    /// What to do about it; empty where there is nothing to do.
    next: String,
}

impl Finding {
    fn fine(check: &'static str, seen: impl Into<String>) -> Self {
        Self { check, standing: Standing::Fine, seen: seen.into(), next: String::new() }
    }

    fn advice(check: &'static str, seen: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, standing: Standing::Advice, seen: seen.into(), next: next.into() }
    }

    fn wrong(check: &'static str, seen: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, standing: Standing::Wrong, seen: seen.into(), next: next.into() }
    }
}

pub(crate) fn run(global: &Global, args: &Doctor) -> Exit {
    let findings = look(global)?;
    let count = |standing| findings.iter().filter(|finding| finding.standing == standing).count();
    let (wrong, advice) = (count(Standing::Wrong), count(Standing::Advice));
    if global.json {
        output::json(&document(&findings, wrong))?;
    } else {
        for finding in findings.iter().filter(|finding| args.all || finding.standing != Standing::Fine) {
            output::line(format_args!("{}", told(finding)))?;
        }
        let good = count(Standing::Fine);
        output::say(format_args!("{good} fine, {advice} advice, {wrong} wrong"));
    }
    Ok(if args.check && wrong > 0 { exit::FINDINGS } else { exit::DONE })
}

/// Looks at everything, in the order in which one would put it right.
fn look(global: &Global) -> Result<Vec<Finding>, Failure> {
    let dir = place::home_dir(global)?;
    let reader = place::reader_if_there(global)?;
    let mut findings = home::look(&dir, reader.is_some());
    if let Some(reader) = &reader {
        findings.extend(chain::look(reader)?);
        findings.extend(keys::look(&dir, reader)?);
        findings.extend(policy::look(reader)?);
    }
    findings.extend(programs::look(global, reader.as_ref())?);
    findings.extend(kernel::look());
    findings.extend(surfaces::look()?);
    Ok(findings)
}

fn told(finding: &Finding) -> String {
    let (style, word): (Style, _) = match finding.standing {
        Standing::Fine => (GOOD, "fine"),
        Standing::Advice => (CARE, "advice"),
        Standing::Wrong => (BAD, "wrong"),
    };
    let seen = output::safe(&finding.seen);
    let head = format!("{:<6}  {:<18}  {seen}", Painted(style, word), Painted(BOLD, finding.check));
    if finding.next.is_empty() {
        return head;
    }
    format!("{head} {} {}", Painted(DIM, "->"), again::runnable(&output::safe(&finding.next)))
}

fn document(findings: &[Finding], wrong: usize) -> Value {
    let all = findings.iter().map(|finding| {
        let standing = match finding.standing {
            Standing::Fine => "fine",
            Standing::Advice => "advice",
            Standing::Wrong => "wrong",
        };
        Value::object([
            ("check", finding.check.into()),
            ("next", again::runnable(&finding.next).into()),
            ("seen", finding.seen.as_str().into()),
            ("standing", standing.into()),
        ])
    });
    Value::object([("checks", Value::Array(all.collect())), ("sound", (wrong == 0).into())])
}

/// `1 receipt`, `2 receipts`.
fn counted(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}
