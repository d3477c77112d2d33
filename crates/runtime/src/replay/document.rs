//! What came of a replay, as a document and in the words that it needs.

use std::ops::Range;

use cascade_audit::replay::{By, Example, Key, Places, Tally};
use cascade_ledger::{Fault, Reader};
use cascade_receipt::digest::Digest;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::Value;

use crate::record::Record;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// What was counted.
    pub tally: &'a Tally,
    /// Of which receipts.
    pub seqs: Range<u64>,
    /// The other policy: what it is called, and its hash.
    pub under: Option<(String, Digest)>,
}

impl Told<'_> {
    /// In a word: `same`, `differs` or `incomplete`.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self.tally {
            tally if tally.divergences > 0 => "differs",
            tally if !tally.is_clean() || tally.decisions == 0 || tally.erased > 0 => "incomplete",
            _ => "same",
        }
    }

    /// The document that programs get.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn document(&self, reader: &Reader) -> Result<Value, Fault> {
        document(reader, self)
    }
}

/// What was asked for in an example.
///
/// # Errors
/// When the ledger cannot be read.
pub fn command(reader: &Reader, example: &Example) -> Result<Option<String>, Fault> {
    let line = reader.lines(example.seq..example.seq + 1).next().transpose()?;
    let record = line.and_then(|line| Record::parse(line.seq, &line.text));
    Ok(record.map(|record| record.command(reader)).transpose()?.flatten())
}

/// The name of a principal that decisions are grouped by.
///
/// # Errors
/// When the ledger cannot be read.
pub fn named(reader: &Reader, key: &Key) -> Result<Option<String>, Fault> {
    let id = PrincipalId::parse(&key.value).filter(|_| key.by == By::Principal);
    Ok(id.map(|id| reader.name(id)).transpose()?.flatten().map(|name| name.name))
}

fn document(reader: &Reader, told: &Told<'_>) -> Result<Value, Fault> {
    let tally = told.tally;
    let examples = |examples: &[Example]| -> Result<Value, Fault> {
        Ok(Value::Array(examples.iter().map(|one| example(reader, one)).collect::<Result<_, _>>()?))
    };
    let mut groups = Vec::new();
    for (key, group) in tally.groups.iter() {
        let mut members = vec![
            ("by", key.by.as_str().into()),
            ("change", key.change.into()),
            ("count", number(group.count)),
            ("examples", examples(&group.examples)?),
            ("value", key.value.as_str().into()),
        ];
        members.extend(named(reader, key)?.map(|name| ("name", name.into())));
        groups.push(Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()));
    }
    let mut members = vec![
        ("decisions", number(tally.decisions)),
        ("differences", examples(&tally.first)?),
        ("divergences", number(tally.divergences)),
        ("erased", number(tally.erased)),
        ("from", number(told.seqs.start)),
        ("gaps", places(&tally.gaps)),
        ("groups", Value::Array(groups)),
        ("lacking", examples(&tally.lacking)?),
        ("lacks", Value::Array(tally.lacks.iter().map(|what| what.as_str().into()).collect())),
        ("matches", number(tally.matches)),
        ("newly_allowed", number(tally.changed_to("newly_allowed"))),
        ("newly_denied", number(tally.changed_to("newly_denied"))),
        ("newly_escalated", number(tally.changed_to("newly_escalated"))),
        ("other_reasons", number(tally.other_reasons)),
        ("outcome", told.outcome().into()),
        ("receipts", number(tally.receipts)),
        ("through", number(told.seqs.end)),
        ("unknown", number(tally.unknown)),
        ("unknown_kinds", places(&tally.unknown_kinds)),
        ("unreadable", places(&tally.unreadable)),
    ];
    if let Some((name, hash)) = &told.under {
        let policy = Value::object([("hash", hash.to_hex().into()), ("name", name.as_str().into())]);
        members.push(("policy", policy));
    }
    Ok(Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}

fn places(places: &Places) -> Value {
    let first = places.first.iter().map(|seq| number(*seq)).collect();
    Value::object([("count", number(places.count)), ("first", Value::Array(first))])
}

fn example(reader: &Reader, example: &Example) -> Result<Value, Fault> {
    let mut members = vec![
        ("codes", Value::Array(example.codes.iter().map(|code| code.as_str().into()).collect())),
        ("receipt_id", example.receipt_id.to_string().into()),
        ("seq", number(example.seq)),
    ];
    members.extend(example.before.map(|verdict| ("before", verdict.as_str().into())));
    members.extend(example.after.map(|verdict| ("after", verdict.as_str().into())));
    members.extend(command(reader, example)?.map(|command| ("command", command.into())));
    Ok(Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}

fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
