//! `policy history`.

use std::collections::BTreeSet;

use cascade_receipt::content::PolicyRef;
use cascade_receipt::json::Value;
use cascade_runtime::policy_store;

use crate::args::Global;
use crate::exit::{self, Exit};
use crate::output::{BAD, BOLD, DIM, GOOD, Painted};
use crate::{output, place};
use cascade_runtime::record::Record;

pub(super) fn run(global: &Global) -> Exit {
    let reader = place::reader(global)?;
    let history = reader.policy_history()?;
    let newest = history.last().map(|(seq, _)| *seq);
    // Genesis stands on nothing; every other on what the policy before it demanded.
    let mut before: Option<&PolicyRef> = None;
    for (seq, policy) in &history {
        let required = before.and_then(|before| policy_store::load(&reader, before).ok());
        let required = required.map(|snapshot| snapshot.thresholds().activation.required);
        before = Some(policy);
        let line = reader.lines(*seq..*seq + 1).next().transpose()?;
        let record = line.and_then(|line| Record::parse(line.seq, &line.text));
        let Some(record) = record else { continue };
        let in_force = newest == Some(*seq);
        let who = record.name(&reader, "principal")?.unwrap_or_default();
        let signers = signers(&record);
        if global.json {
            output::json(&Value::object([
                ("in_force", in_force.into()),
                ("kind", record.text("kind").into()),
                ("policy_hash", policy.hash.to_hex().into()),
                ("policy_version", policy.version.as_str().into()),
                ("principal", record.text("principal").into()),
                ("principal_name", who.into()),
                ("receipt_id", record.text("receipt_id").into()),
                ("required", required.unwrap_or_default().into()),
                ("seq", Value::Int(i64::try_from(*seq).unwrap_or(i64::MAX))),
                ("signed_by", Value::Array(signers.iter().map(|signer| (*signer).into()).collect())),
                ("timestamp", record.text("timestamp").into()),
            ]))?;
            continue;
        }
        let mark = if in_force { format!("  {}", Painted(GOOD, "in force")) } else { String::new() };
        output::line(format_args!(
            "{}  {}  {}{mark}",
            Painted(DIM, record.text("timestamp")),
            Painted(BOLD, output::safe(&policy.version)),
            policy.hash
        ))?;
        let by =
            if who.is_empty() { "with the chain".to_owned() } else { format!("by {}", output::safe(&who)) };
        let signed = match required {
            Some(required) => format!(", {} of {required} signed", signers.len()),
            None => String::new(),
        };
        let short =
            required.is_some_and(|required| signers.len() < usize::try_from(required).unwrap_or(usize::MAX));
        output::line(format_args!(
            "  {}",
            Painted(if short { BAD } else { DIM }, format!("{by}{signed}  {}", record.text("receipt_id")))
        ))?;
    }
    Ok(exit::DONE)
}

/// Each person once; whether the signatures verify is for `cascade verify` to say.
fn signers(record: &Record) -> BTreeSet<&str> {
    let signatures = record.content("signatures").and_then(Value::as_array).unwrap_or_default();
    signatures.iter().filter_map(|one| one.member("principal")?.as_str()).collect()
}
