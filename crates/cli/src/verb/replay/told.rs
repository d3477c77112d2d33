//! What came of replaying the local chain, for people and for programs.

use std::ops::Range;

use cascade_audit::replay::{By, Example, Group, Key, Places, Tally};
use cascade_ledger::Reader;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::PrincipalId;
use cascade_receipt::json::Value;

use crate::exit::Failure;
use crate::output::{self, BAD, BOLD, CARE, DIM, GOOD, Painted};
use crate::record::{ERASED, Record};

/// Groups shown to people, the largest of each grouping; programs get all.
const SHOWN_MAX: usize = 10;
/// Longest command shown.
const COMMAND_WIDTH: usize = 60;

/// What came of it.
pub(super) struct Told<'a> {
    pub(super) tally: &'a Tally,
    pub(super) seqs: Range<u64>,
    /// The other policy: what it is called, and its hash.
    pub(super) under: Option<(String, Digest)>,
    pub(super) seconds: f64,
}

impl Told<'_> {
    /// In a word.
    fn outcome(&self) -> &'static str {
        match self.tally {
            tally if tally.divergences > 0 => "differs",
            tally if !tally.is_clean() || tally.decisions == 0 || tally.erased > 0 => "incomplete",
            _ => "same",
        }
    }
}

pub(super) fn print(reader: &Reader, told: &Told<'_>) -> Result<(), Failure> {
    let tally = told.tally;
    let outcome = told.outcome();
    let style = match outcome {
        "same" => GOOD,
        "differs" => BAD,
        _ => CARE,
    };
    let word = Painted(style, outcome);
    match &told.under {
        None => output::line(format_args!(
            "{word}: {} of {} decisions came out the same, to the byte",
            tally.matches, tally.decisions
        ))?,
        Some((name, hash)) => {
            output::line(format_args!(
                "{word}: {} of {} decisions come out the same under {}  {}",
                tally.matches,
                tally.decisions,
                Painted(BOLD, output::safe(name)),
                Painted(DIM, hash)
            ))?;
            if tally.other_reasons > 0 {
                output::line(format_args!("  {} of them for other reasons", tally.other_reasons))?;
            }
        }
    }
    notes(told)?;
    for by in By::ALL {
        groups(reader, tally, by)?;
    }
    if tally.unknown > 0 {
        output::line(format_args!("{} decisions need what nobody noted:", tally.unknown))?;
        for what in &tally.lacks {
            output::line(format_args!("  {}", output::safe(what)))?;
        }
        for example in &tally.lacking {
            one(reader, example)?;
        }
    }
    output::say(format_args!(
        "{} receipts ({}..{}) in {:.1} s",
        tally.receipts, told.seqs.start, told.seqs.end, told.seconds
    ));
    Ok(())
}

fn notes(told: &Told<'_>) -> Result<(), Failure> {
    let tally = told.tally;
    if tally.divergences > 0 {
        let of = |change: &str| tally.changed_to(change);
        let counts = [
            ("newly allowed", of("newly_allowed")),
            ("newly escalated", of("newly_escalated")),
            ("newly denied", of("newly_denied")),
        ];
        let counts: Vec<String> = counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        let what = if counts.is_empty() { "do not follow".to_owned() } else { counts.join(", ") };
        output::line(format_args!("  {} differ: {what}", tally.divergences))?;
    }
    if tally.erased > 0 {
        output::line(format_args!("  {} are erased and cannot be made again", tally.erased))?;
    }
    let places = [
        ("lines are no receipts", &tally.unreadable),
        ("places are empty", &tally.gaps),
        ("receipts are of kinds that this version does not know", &tally.unknown_kinds),
    ];
    for (what, places) in places.into_iter().filter(|(_, places)| places.count > 0) {
        let first: Vec<String> = places.first.iter().take(SHOWN_MAX).map(u64::to_string).collect();
        output::line(format_args!("  {} {what}: {}", places.count, first.join(", ")))?;
    }
    Ok(())
}

fn groups(reader: &Reader, tally: &Tally, by: By) -> Result<(), Failure> {
    let mut found: Vec<(&Key, &Group)> = tally.groups.iter().filter(|(key, _)| key.by == by).collect();
    if found.is_empty() {
        return Ok(());
    }
    found.sort_by_key(|(key, group)| (std::cmp::Reverse(group.count), *key));
    output::line(format_args!("by {}:", by.as_str()))?;
    for (key, group) in found.iter().take(SHOWN_MAX) {
        let value = match named(reader, key)? {
            Some(name) => format!("{name} ({})", key.value),
            None => key.value.clone(),
        };
        let change = key.change.replace('_', " ");
        output::line(format_args!(
            "  {:>7}  {change}  {}",
            group.count,
            Painted(BOLD, output::safe(&value))
        ))?;
        // Each divergence stands once under whoever asked; there its receipt is shown.
        if by == By::Principal {
            group.examples.iter().try_for_each(|example| one(reader, example))?;
        }
    }
    if found.len() > SHOWN_MAX {
        output::line(format_args!("  … and {} more (--json has all)", found.len() - SHOWN_MAX))?;
    }
    Ok(())
}

fn one(reader: &Reader, example: &Example) -> Result<(), Failure> {
    let verdicts = match (example.before, example.after) {
        (Some(before), Some(after)) => format!("{before} becomes {after}"),
        (Some(before), None) => before.to_string(),
        _ => String::new(),
    };
    let command = command(reader, example)?.unwrap_or_else(|| ERASED.to_owned());
    output::line(format_args!(
        "           {}  {}: {verdicts}  {}",
        Painted(DIM, example.receipt_id),
        output::shortened(&command, COMMAND_WIDTH),
        output::safe(&example.codes.join(", "))
    ))?;
    Ok(())
}

fn command(reader: &Reader, example: &Example) -> Result<Option<String>, Failure> {
    let line = reader.lines(example.seq..example.seq + 1).next().transpose()?;
    let record = line.and_then(|line| Record::parse(line.seq, &line.text));
    Ok(record.map(|record| record.command(reader)).transpose()?.flatten())
}

fn named(reader: &Reader, key: &Key) -> Result<Option<String>, Failure> {
    let id = PrincipalId::parse(&key.value).filter(|_| key.by == By::Principal);
    Ok(id.map(|id| reader.name(id)).transpose()?.flatten().map(|name| name.name))
}

pub(super) fn document(reader: &Reader, told: &Told<'_>) -> Result<Value, Failure> {
    let tally = told.tally;
    let examples = |examples: &[Example]| -> Result<Value, Failure> {
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

fn example(reader: &Reader, example: &Example) -> Result<Value, Failure> {
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
