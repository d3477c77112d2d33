//! One receipt, as a line or as a document.

use cascade_ledger::Reader;
use cascade_receipt::decision::{RiskTier, Verdict};
use cascade_receipt::json::Value;
use cascade_receipt::kind::Kind;

use super::number;
use crate::exit::Failure;
use crate::output::{self, DIM, Painted, tier_style, verdict_style};
use cascade_runtime::record::{ERASED, Record};

/// A line for people.
pub(super) fn print(reader: &Reader, record: &Record) -> Result<(), Failure> {
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
        Some(Kind::TenantChanged) if record.content("of").is_none() => {
            Some(format!("{} {}", record.text("change"), by_whom(reader, record)?))
        }
        Some(Kind::TenantChanged) => Some(format!("another tenant {}", by_whom(reader, record)?)),
        _ => None,
    })
}

/// Who pressed the stop button or let it go, and why.
fn by_whom(reader: &Reader, record: &Record) -> Result<String, Failure> {
    let name = record.name(reader, "principal")?.unwrap_or_default();
    let reason = record.reason(reader)?.map(|reason| format!(": {reason}")).unwrap_or_default();
    Ok(format!("by {name}{reason}"))
}

/// The same for programs.
pub(super) fn document(reader: &Reader, record: &Record) -> Result<Value, Failure> {
    let mut members = std::collections::BTreeMap::new();
    for key in [
        "receipt_id",
        "timestamp",
        "kind",
        "risk_tier",
        "principal",
        "on_behalf_of",
        "policy_hash",
        "spec_hash",
        "exit_code",
        "signal",
        "reasons",
        "refs",
    ] {
        if let Some(value) = record.content(key) {
            members.insert(key.to_owned(), value.clone());
        }
    }
    members.insert("seq".to_owned(), number(record.seq));
    if !record.verdict().is_empty() {
        members.insert("verdict".to_owned(), record.verdict().into());
    }
    if let Some(command) = record.command(reader)? {
        members.insert("command".to_owned(), command.into());
    }
    if let Some(reason) = record.reason(reader)? {
        members.insert("reason".to_owned(), reason.into());
    }
    if let Some(by) = record.erased_by(reader)? {
        members.insert("erased_by".to_owned(), by.receipt_id.to_string().into());
    }
    Ok(Value::Object(members))
}
