use cascade_ledger::Reader;
use cascade_receipt::decision::{RiskTier, Verdict};
use cascade_receipt::json::Value;
use cascade_receipt::kind::Kind;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{DIM, Painted, tier_style, verdict_style};
use crate::record::{ERASED, Record};
use crate::{output, place};

/// What happened, newest last
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade log
  cascade log --kind blocked --limit 100
  cascade log --tier CRITICAL --json")]
pub(crate) struct Log {
    /// At most this many, the newest
    #[arg(long, short = 'n', default_value_t = 30, value_name = "N")]
    limit: usize,
    /// Only receipts of this kind; may be repeated
    #[arg(long, value_parser = kind, value_name = "KIND")]
    kind: Vec<Kind>,
    /// Only decisions with this verdict
    #[arg(long, value_parser = verdict, value_name = "VERDICT")]
    verdict: Option<Verdict>,
    /// Only actions of this tier or above
    #[arg(long, value_parser = tier, value_name = "TIER")]
    tier: Option<RiskTier>,
    /// Include heartbeats
    #[arg(long)]
    all: bool,
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::parse(text)
        .ok_or_else(|| "not a kind of receipt; for instance blocked or task_completed".to_owned())
}

fn verdict(text: &str) -> Result<Verdict, String> {
    Verdict::parse(text).ok_or_else(|| "one of admit, escalate, deny".to_owned())
}

fn tier(text: &str) -> Result<RiskTier, String> {
    RiskTier::parse(&text.to_uppercase()).ok_or_else(|| "one of LOW, MEDIUM, HIGH, CRITICAL".to_owned())
}

/// Receipts looked at in one step backwards.
const STEP: u64 = 512;

pub(crate) fn run(global: &Global, args: &Log) -> Exit {
    let reader = place::reader(global)?;
    let records = newest(&reader, args)?;
    if records.is_empty() && !global.json {
        output::say("nothing here");
    }
    for record in &records {
        if global.json {
            output::json(&document(&reader, record)?)?;
        } else {
            print(&reader, record)?;
        }
    }
    Ok(exit::DONE)
}

/// Walks back from the head until enough fit, so that a long chain costs no more than a short one.
fn newest(reader: &Reader, args: &Log) -> Result<Vec<Record>, Failure> {
    let mut end = reader.head()?.next_seq;
    let mut found = Vec::new();
    while end > 0 && found.len() < args.limit {
        let start = end.saturating_sub(STEP);
        let mut step = Vec::new();
        for line in reader.lines(start..end) {
            let line = line?;
            step.extend(Record::parse(line.seq, &line.text).filter(|record| fits(args, record)));
        }
        found.extend(step.into_iter().rev());
        end = start;
    }
    found.truncate(args.limit);
    found.reverse();
    Ok(found)
}

fn fits(args: &Log, record: &Record) -> bool {
    let kind = Kind::parse(record.text("kind"));
    let wanted = if args.kind.is_empty() {
        args.all || kind != Some(Kind::Heartbeat)
    } else {
        kind.is_some_and(|kind| args.kind.contains(&kind))
    };
    let tier = RiskTier::parse(record.text("risk_tier"));
    wanted
        && args.verdict.is_none_or(|verdict| record.verdict() == verdict.as_str())
        && args.tier.is_none_or(|least| tier.is_some_and(|tier| tier >= least))
}

fn print(reader: &Reader, record: &Record) -> Result<(), Failure> {
    let tier = RiskTier::parse(record.text("risk_tier"));
    let verdict = Verdict::parse(record.verdict());
    let what = match record.command(reader)? {
        Some(command) => output::shortened(&command, 60),
        None if record.erased_by(reader)?.is_some() => ERASED.to_owned(),
        None => match about(reader, record)? {
            Some(words) => output::shortened(&words, 60),
            None => record.refs().first().map(|(rel, id)| format!("{rel} {id}")).unwrap_or_default(),
        },
    };
    let ending = match (
        record.content("exit_code").and_then(Value::as_int),
        record.content("signal").and_then(Value::as_int),
    ) {
        (Some(code), _) => format!("  exit {code}"),
        (None, Some(signal)) => format!("  signal {signal}"),
        (None, None) => record.codes().first().map(|code| format!("  {code}")).unwrap_or_default(),
    };
    output::line(format_args!(
        "{}  {:<16} {:<8} {:<8}  {what}{ending}  {}",
        Painted(DIM, record.text("timestamp")),
        record.text("kind"),
        Painted(tier.map_or(DIM, tier_style), tier.map_or("", RiskTier::as_str)),
        Painted(verdict.map_or(DIM, verdict_style), verdict.map_or("", Verdict::as_str)),
        Painted(DIM, record.text("receipt_id")),
    ))?;
    Ok(())
}

/// What a receipt that is about no command is about: people, grants, the stop button.
fn about(reader: &Reader, record: &Record) -> Result<Option<String>, Failure> {
    Ok(match Kind::parse(record.text("kind")) {
        Some(Kind::PrincipalAdded | Kind::PrincipalRemoved) => record.name(reader, "principal")?,
        Some(Kind::Grant) => record.name(reader, "to")?.map(|name| format!("to {name}")),
        Some(Kind::Halted | Kind::Resumed) => Some(by_whom(reader, record)?),
        _ => None,
    })
}

/// Who pressed the stop button or let it go, and why.
fn by_whom(reader: &Reader, record: &Record) -> Result<String, Failure> {
    let name = record.name(reader, "principal")?.unwrap_or_default();
    let reason = record.reason(reader)?.map(|reason| format!(": {reason}")).unwrap_or_default();
    Ok(format!("by {name}{reason}"))
}

fn document(reader: &Reader, record: &Record) -> Result<Value, Failure> {
    let mut members = std::collections::BTreeMap::new();
    for key in [
        "receipt_id",
        "timestamp",
        "kind",
        "risk_tier",
        "principal",
        "exit_code",
        "signal",
        "reasons",
        "refs",
    ] {
        if let Some(value) = record.content(key) {
            members.insert(key.to_owned(), value.clone());
        }
    }
    members.insert("seq".to_owned(), Value::Int(i64::try_from(record.seq).unwrap_or(i64::MAX)));
    if !record.verdict().is_empty() {
        members.insert("verdict".to_owned(), record.verdict().into());
    }
    if let Some(command) = record.command(reader)? {
        members.insert("command".to_owned(), command.into());
    }
    if let Some(by) = record.erased_by(reader)? {
        members.insert("erased_by".to_owned(), by.receipt_id.to_string().into());
    }
    Ok(Value::Object(members))
}
