//! `policy diff A B`: what changes, in words, and which decisions come out differently.

use cascade_ledger::Reader;
use cascade_policy::decide::{Ruling, decide};
use cascade_policy::facts::Facts;
use cascade_policy::snapshot::{Change, Difference, differences, rows};
use cascade_receipt::json::Value;
use cascade_runtime::recorded;
use clap::Args;

use super::check::tell;
use super::directory;
use super::side::{self, Side};
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, BOLD, CARE, DIM, GOOD, Painted, verdict_style};
use crate::{output, place, reasons};
use cascade_runtime::record::{ERASED, Record};

/// Most recorded decisions that are made again; their facts are held in memory.
const ACTIONS_MAX: i64 = 100_000;

#[derive(Args, Debug)]
pub(crate) struct Diff {
    /// The policy before: a directory, `current`, or one of `policy history` by hash or label
    a: String,
    /// The policy after
    b: String,
    /// How many recorded decisions are made again, the newest
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(..=ACTIONS_MAX))]
    actions: u32,
    /// How many decisions that come out differently are shown
    #[arg(long, value_name = "N", default_value_t = 10)]
    examples: usize,
    /// Directories without the packs that the tenant has declared
    #[arg(long)]
    alone: bool,
    /// Exit with 6 when anything differs
    #[arg(long)]
    check: bool,
}

/// A decision that comes out differently.
struct Turned {
    /// Where it is written: a row's place or a receipt's id.
    place: String,
    /// What was asked.
    what: String,
    before: Ruling,
    after: Ruling,
}

/// What was asked again of one source.
#[derive(Default)]
struct Asked {
    count: usize,
    erased: usize,
    turned: Vec<Turned>,
}

pub(super) fn run(global: &Global, args: &Diff) -> Exit {
    let mut reader = || place::reader(global);
    let chain = directory::chain(global, args.alone)?;
    let before = match side::find(&args.a, chain.as_ref(), &mut reader)? {
        Ok(side) => side,
        Err(faults) => return tell(global, &faults),
    };
    let after = match side::find(&args.b, chain.as_ref(), &mut reader)? {
        Ok(side) => side,
        Err(faults) => return tell(global, &faults),
    };
    let found = differences(&before.snapshot, &after.snapshot);
    let (mut of_rows, mut of_actions) = (Asked::default(), None);
    if !found.is_empty() {
        of_rows = ask_rows(&before, &after);
        // Two directories can be compared where there is no chain.
        of_actions = match place::reader(global) {
            Ok(reader) => Some(ask_actions(&reader, &before, &after, args.actions)?),
            Err(_) => None,
        };
    }
    if global.json {
        output::json(&document(args, [&before, &after], &found, &of_rows, of_actions.as_ref()))?;
    } else {
        print(args, [&before, &after], &found, &of_rows, of_actions.as_ref())?;
    }
    Ok(if args.check && !found.is_empty() { exit::FINDINGS } else { exit::DONE })
}

impl Asked {
    fn ask(&mut self, sides: [&Side; 2], facts: &Facts, named: impl FnOnce() -> (String, String)) {
        self.count += 1;
        let [before, after] = sides.map(|side| decide(&side.snapshot, facts));
        if before.decision.verdict != after.decision.verdict {
            let (place, what) = named();
            self.turned.push(Turned { place, what, before, after });
        }
    }
}

/// The rows of both sides' tables, each once.
fn ask_rows(before: &Side, after: &Side) -> Asked {
    let mut asked = Asked::default();
    let mut seen = std::collections::BTreeSet::new();
    for side in [after, before] {
        for row in rows(&side.tests) {
            // What the table expects is for `policy test` to say.
            let request = row.row.rsplit_once("=>").map_or(row.row.as_str(), |(request, _)| request.trim());
            if seen.insert(request.to_owned()) {
                let place = format!("{}/{}:{}", side.name, row.file, row.line);
                asked.ask([before, after], &row.facts, || (place, request.to_owned()));
            }
        }
    }
    asked
}

fn ask_actions(reader: &Reader, before: &Side, after: &Side, count: u32) -> Result<Asked, Failure> {
    let mut asked = Asked::default();
    for one in recorded::newest(reader, usize::try_from(count)?)? {
        let Some(facts) = &one.facts else {
            asked.erased += 1;
            continue;
        };
        let record = Record { seq: one.seq, receipt: Value::object([("content", one.content.clone())]) };
        let command = record.command(reader)?.unwrap_or_else(|| ERASED.to_owned());
        asked.ask([before, after], facts, || (one.receipt_id.to_string(), command));
    }
    Ok(asked)
}

fn print(
    args: &Diff,
    sides: [&Side; 2],
    found: &[Difference],
    of_rows: &Asked,
    of_actions: Option<&Asked>,
) -> Result<(), Failure> {
    for (mark, side) in ["from", "to  "].into_iter().zip(sides) {
        output::line(format_args!(
            "{mark} {}  {}",
            Painted(BOLD, output::safe(&side.name)),
            Painted(DIM, side.snapshot.policy_hash())
        ))?;
    }
    if found.is_empty() {
        output::line(Painted(GOOD, "the same policy"))?;
        return Ok(());
    }
    for one in found {
        let (mark, style) = match one.change {
            Change::Added => ("+", GOOD),
            Change::Removed => ("-", BAD),
            Change::Changed => ("~", CARE),
        };
        let words = if one.words.is_empty() { one.change.as_str().to_owned() } else { one.words.join("; ") };
        output::line(format_args!(
            "{} {} {}: {}",
            Painted(style, mark),
            one.part.as_str(),
            Painted(BOLD, output::safe(&one.name)),
            output::safe(&words)
        ))?;
    }
    turned("rows of the test tables", of_rows, args.examples)?;
    match of_actions {
        Some(asked) => turned("recorded decisions", asked, args.examples),
        None => {
            output::say("there is no chain here, so no recorded decision was made again");
            Ok(())
        }
    }
}

fn turned(what: &str, asked: &Asked, examples: usize) -> Result<(), Failure> {
    let erased =
        if asked.erased > 0 { format!(" ({} more are erased)", asked.erased) } else { String::new() };
    output::line(format_args!(
        "{} of {} {what} come out differently{erased}",
        asked.turned.len(),
        asked.count
    ))?;
    for one in asked.turned.iter().take(examples) {
        let [before, after] = [&one.before, &one.after].map(|ruling| ruling.decision.verdict);
        output::line(format_args!(
            "  {}  {}: {} becomes {}",
            Painted(DIM, &one.place),
            output::shortened(&one.what, 80),
            Painted(verdict_style(before), before),
            Painted(verdict_style(after), after)
        ))?;
        for reason in reasons::texts(&one.after) {
            output::line(format_args!("      {reason}"))?;
        }
    }
    if asked.turned.len() > examples {
        output::line(format_args!("  … and {} more", asked.turned.len() - examples))?;
    }
    Ok(())
}

fn count(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn document(
    args: &Diff,
    sides: [&Side; 2],
    found: &[Difference],
    of_rows: &Asked,
    of_actions: Option<&Asked>,
) -> Value {
    let side = |side: &Side| {
        Value::object([
            ("name", side.name.as_str().into()),
            ("policy_hash", side.snapshot.policy_hash().to_hex().into()),
        ])
    };
    let change = |one: &Difference| {
        Value::object([
            ("change", one.change.as_str().into()),
            ("name", one.name.as_str().into()),
            ("part", one.part.as_str().into()),
            ("words", Value::Array(one.words.iter().map(|word| word.as_str().into()).collect())),
        ])
    };
    let example = |one: &Turned| {
        Value::object([
            ("after", one.after.decision.verdict.as_str().into()),
            ("before", one.before.decision.verdict.as_str().into()),
            ("place", one.place.as_str().into()),
            ("reasons", reasons::document(&one.after)),
            ("what", one.what.as_str().into()),
        ])
    };
    let asked = |asked: &Asked| {
        Value::object([
            ("asked", count(asked.count)),
            ("changed", count(asked.turned.len())),
            ("erased", count(asked.erased)),
            ("examples", Value::Array(asked.turned.iter().take(args.examples).map(example).collect())),
        ])
    };
    let none = Asked::default();
    Value::object([
        ("actions", asked(of_actions.unwrap_or(&none))),
        ("changes", Value::Array(found.iter().map(change).collect())),
        ("from", side(sides[0])),
        ("rows", asked(of_rows)),
        ("to", side(sides[1])),
    ])
}
