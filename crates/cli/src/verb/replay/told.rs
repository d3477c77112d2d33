//! What came of replaying the local chain, for people and for programs.

use cascade_audit::replay::{By, Example, Group, Key, Tally};
use cascade_ledger::Reader;

use crate::exit::Failure;
use crate::output::{self, BAD, BOLD, CARE, DIM, GOOD, Painted};
use cascade_runtime::record::ERASED;
use cascade_runtime::replay::{Told, command, named};

/// Groups shown to people, the largest of each grouping; programs get all.
const SHOWN_MAX: usize = 10;
/// Longest command shown.
const COMMAND_WIDTH: usize = 60;

pub(super) fn print(reader: &Reader, told: &Told<'_>, seconds: f64) -> Result<(), Failure> {
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
        tally.receipts, told.seqs.start, told.seqs.end, seconds
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
