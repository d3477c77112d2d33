use cascade_ledger::Reader;
use cascade_policy::decide::limits_told;
use cascade_policy::facts::Facts;
use cascade_receipt::content::PolicyRef;
use cascade_receipt::decision::{GateOutcome, RiskTier, Verdict};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::Value;
use cascade_runtime::policy_store;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, BOLD, CARE, DIM, GOOD, Painted, tier_style, verdict_style};
use crate::{failures, output, place, reasons};
use cascade_runtime::record::Record;

/// One receipt, with what only the owner knows of it
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade show r_0123456789abcdef
  cascade show r_01234 --json")]
pub(crate) struct Show {
    /// Its id; the beginning is enough
    id: String,
}

pub(crate) fn run(global: &Global, args: &Show) -> Exit {
    let reader = place::reader(global)?;
    let (id, _) = cascade_runtime::consent::find(&reader, &args.id).map_err(failures::finding)?;
    let cascade_ledger::Found::One(_, seq, line) = reader.find(&id.to_string())? else {
        return Err(Failure::could_not(anyhow::anyhow!("no receipt `{}`", args.id)));
    };
    let Some(record) = Record::parse(seq, &line) else {
        return Err(Failure::could_not(anyhow::anyhow!("{id} is damaged")).hint("run `cascade fsck`"));
    };
    let mut private = private(&reader, &record)?;
    let limits = limits(&reader, &record, &private)?;
    if let (Value::Object(members), false) = (&mut private, limits.is_empty()) {
        let limits = limits.iter().map(|text| text.as_str().into()).collect();
        members.insert("limits".to_owned(), Value::Array(limits));
    }
    if global.json {
        let mut members = vec![("private", private)];
        members.extend(record.erased_by(&reader)?.map(|by| ("erased_by", by.receipt_id.to_string().into())));
        members.push(("receipt", record.receipt));
        output::json(&Value::Object(
            members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        ))?;
    } else {
        print(&reader, &record, &private)?;
    }
    Ok(exit::DONE)
}

/// What the vault keeps behind this receipt's hashes.
pub(super) fn private(reader: &Reader, record: &Record) -> Result<Value, Failure> {
    let mut members = std::collections::BTreeMap::new();
    for (key, hash) in [("action", "action_hash"), ("facts", "facts_hash")] {
        if let Some(value) = record.private(reader, hash)? {
            members.insert(key.to_owned(), value);
        }
    }
    if let Some(reason) = record.reason(reader)? {
        members.insert("reason".to_owned(), reason.into());
    }
    for key in ["principal", "on_behalf_of", "to", "subject"] {
        if let Some(name) = record.name(reader, key)? {
            members.insert(format!("{key}_name"), name.into());
        }
    }
    if let Some(name) = concerned(reader, members.get("facts"))? {
        members.insert("subject_name".to_owned(), name.into());
    }
    Ok(Value::Object(members))
}

/// The name of the matter, or of the subject, that an action concerned.
fn concerned(reader: &Reader, facts: Option<&Value>) -> Result<Option<String>, Failure> {
    let Some(subject) = facts.and_then(|facts| facts.member("subject")) else { return Ok(None) };
    let id = subject.member("matter").or_else(|| subject.member("id")).and_then(Value::as_str);
    let Some(id) = id.and_then(PrincipalId::parse) else { return Ok(None) };
    Ok(reader.name(id)?.map(|name| name.name))
}

/// What the limits of the policy then in force said, by the facts as they were then.
fn limits(reader: &Reader, record: &Record, private: &Value) -> Result<Vec<String>, Failure> {
    let facts = private.member("facts").and_then(|facts| Facts::from_json(facts).ok());
    let hash = Digest::from_hex(record.text("policy_hash"));
    let (Some(facts), Some(hash)) = (facts, hash) else { return Ok(Vec::new()) };
    let policy = PolicyRef { version: record.text("policy_version").to_owned(), hash };
    // A receipt can be shown without its policy; whether that is missing is for fsck to say.
    let Ok(snapshot) = policy_store::load(reader, &policy) else { return Ok(Vec::new()) };
    Ok(limits_told(&snapshot, &facts))
}

fn print(reader: &Reader, record: &Record, private: &Value) -> Result<(), Failure> {
    output::line(format_args!(
        "{} {}  seq {}  {}",
        Painted(BOLD, record.text("kind")),
        record.text("receipt_id"),
        record.seq,
        record.text("timestamp")
    ))?;
    if let Some(command) = record.command(reader)? {
        output::line(format_args!("  command      {}", output::safe(&command)))?;
    }
    if let Some(by) = record.erased_by(reader)? {
        let pending = if by.pending { "  (pending)" } else { "" };
        output::line(format_args!("  erased       {}{pending}", by.receipt_id))?;
    }
    for (label, key) in [("cwd", "cwd"), ("stdin", "stdin")] {
        if let Some(text) = private.member("action").and_then(|action| action.member(key)?.as_str()) {
            output::line(format_args!("  {label:<12} {}", output::safe(text)))?;
        }
    }
    for variable in record.variables(reader)? {
        output::line(format_args!("  variable     {}", output::safe(&variable)))?;
    }
    for (label, key) in [("principal", "principal"), ("on behalf of", "on_behalf_of"), ("to", "to")] {
        if !record.text(key).is_empty() {
            let name = private.member(&format!("{key}_name")).and_then(Value::as_str).unwrap_or_default();
            output::line(format_args!(
                "  {label:<12} {} {}",
                record.text(key),
                Painted(DIM, output::safe(name))
            ))?;
        }
    }
    if let Some(name) = private.member("subject_name").and_then(Value::as_str) {
        output::line(format_args!("  subject      {}", output::safe(name)))?;
    }
    if let Some(reason) = private.member("reason").and_then(Value::as_str) {
        output::line(format_args!("  reason       {}", output::safe(reason)))?;
    }
    outcome(record)?;
    for (rel, id) in record.refs() {
        output::line(format_args!("  {rel:<12} {id}"))?;
    }
    gates(record)?;
    for text in private.member("limits").and_then(Value::as_array).unwrap_or_default() {
        output::line(format_args!("  {}", output::safe(text.as_str().unwrap_or_default())))?;
    }
    for key in ["prev_hash", "entry_hash"] {
        let hash = record.receipt.member(key).and_then(Value::as_str).unwrap_or_default();
        output::line(format_args!("  {key:<12} {}", Painted(DIM, hash)))?;
    }
    Ok(())
}

fn outcome(record: &Record) -> Result<(), Failure> {
    if let Some(tier) = RiskTier::parse(record.text("risk_tier")) {
        let classified = record.content("classified").and_then(Value::as_bool).unwrap_or(true);
        let note = if classified { "" } else { "  (not classified)" };
        output::line(format_args!("  tier         {}{note}", Painted(tier_style(tier), tier)))?;
    }
    let members = ["effect_status", "exit_code", "signal", "duration_us", "expires", "output_hash"];
    // Of people and grants.
    for key in members.into_iter().chain(["groups", "ssh_key", "scope", "delegate"]) {
        if let Some(value) = record.content(key) {
            let text = value.as_str().map_or_else(|| value.to_canonical(), str::to_owned);
            output::line(format_args!("  {key:<12} {}", output::safe(&text)))?;
        }
    }
    for code in record.codes() {
        let text = Painted(DIM, reasons::code_text(code));
        output::line(format_args!("  {:<12} {code}  {text}", "because"))?;
    }
    Ok(())
}

/// The verdict and the ten gates with their reasons.
pub(crate) fn gates(record: &Record) -> Result<(), Failure> {
    let Some(decision) = record.content("decision") else { return Ok(()) };
    if let Some(verdict) = Verdict::parse(record.verdict()) {
        output::line(format_args!("  verdict      {}", Painted(verdict_style(verdict), verdict)))?;
    }
    for gate in decision.member("gates").and_then(Value::as_array).unwrap_or_default() {
        let text = |key: &str| gate.member(key).and_then(Value::as_str).unwrap_or_default();
        let style = match GateOutcome::parse(text("outcome")) {
            Some(GateOutcome::Pass) => GOOD,
            Some(GateOutcome::Escalate) => CARE,
            Some(GateOutcome::Deny) => BAD,
            _ => DIM,
        };
        let why: Vec<String> = gate
            .member("reasons")
            .and_then(Value::as_array)
            .unwrap_or_default()
            .iter()
            .filter_map(|reason| {
                let by = reason.member("policy_id").and_then(Value::as_str).map(|id| format!(" ({id})"));
                Some(format!(
                    "{}{}",
                    reasons::code_text(reason.member("code")?.as_str()?),
                    by.unwrap_or_default()
                ))
            })
            .collect();
        output::line(format_args!(
            "    {:<14} {:<14} {}",
            text("gate"),
            Painted(style, text("outcome")),
            Painted(DIM, why.join("; "))
        ))?;
    }
    Ok(())
}
