//! `cascade log`: what happened, and what of it somebody looks for.

mod csv;
mod filter;
mod find;
mod tell;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use cascade_ledger::Reader;
use cascade_receipt::json::Value;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::outfile::{self, OutFile};
use crate::{output, place, screen};
use cascade_runtime::record::Near;
use cascade_runtime::record::Record;

use filter::Filters;
use find::Search;

/// What happened, newest last
///
/// All filters given together must hold. They are looked up in a search index beside the ledger, which is brought up to
/// date first and holds nothing private; what it finds is read from the chain before it is shown. `--about` reads
/// commands and reasons from the vault, as long as they are not erased.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade log
  cascade log --kind blocked --limit 100
  cascade log --tier CRITICAL --since 7d --json
  cascade log --principal ada --code approval --since 2026-11-01 --until 2026-12-01
  cascade log --about 'force push' --oldest-first
  cascade log --chain r_01234 --all
  cascade log --verdict deny --csv --out denied.csv

In CSV a cell that begins with = + - @, a tab or a carriage return gets an apostrophe before it, so that no spreadsheet
takes it for a formula.")]
pub(crate) struct Log {
    /// At most this many, the newest [default: 30; with --csv or --out all]
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    filters: Filters,
    /// Begin with the oldest that fit, not with the newest
    #[arg(long)]
    oldest_first: bool,
    /// A table in CSV (RFC 4180)
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Write to a file: CSV with --csv, otherwise a JSON document a line
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Read the whole chain instead of the search index
    #[arg(long)]
    scan: bool,
}

/// Receipts of a look without any other bound.
const LIMIT: usize = 30;

pub(crate) fn run(global: &Global, args: &Log) -> Exit {
    let reader = place::reader(global)?;
    let export = args.csv || args.out.is_some();
    let limit = args.limit.unwrap_or(if export { usize::MAX } else { LIMIT });
    let search = Search {
        sought: args.filters.sought(&reader)?,
        words: args.filters.words(),
        newest: !args.oldest_first,
        limit,
        scan: args.scan || args.filters.is_plain(),
    };
    let places = search.places(&reader)?;
    match &args.out {
        Some(path) => to_file(&reader, args, &places, path)?,
        None if args.csv => csv::write(&reader, &places, &mut stdout_of_cells())?,
        None => show(&reader, &places, global.json)?,
    }
    Ok(exit::DONE)
}

fn show(reader: &Reader, places: &[u64], json: bool) -> Result<(), Failure> {
    if places.is_empty() && !json {
        output::say("nothing here");
    }
    each(reader, places, |record| {
        if json {
            Ok(output::json_line(&tell::document(reader, record)?.to_canonical())?)
        } else {
            tell::print(reader, record)?;
            Ok(true)
        }
    })
}

fn to_file(reader: &Reader, args: &Log, places: &[u64], path: &std::path::Path) -> Result<(), Failure> {
    let out = OutFile::create(path, outfile::OWN)?;
    let mut file = std::io::BufWriter::new(out.file());
    if args.csv {
        csv::write(reader, places, &mut file)?;
    } else {
        each(reader, places, |record| {
            writeln!(file, "{}", screen::escaped_json(&tell::document(reader, record)?.to_canonical()))?;
            Ok(true)
        })?;
    }
    file.flush()?;
    drop(file);
    out.finish().with_context(|| format!("couldn't write `{}`", path.display()))?;
    output::say(format_args!("wrote {} receipts", places.len()));
    Ok(())
}

/// Hands each receipt to `f` until that has enough.
fn each(
    reader: &Reader,
    places: &[u64],
    mut f: impl FnMut(&Record) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut near = Near::new(reader);
    for seq in places {
        let Some(record) = near.line(*seq)?.and_then(|line| Record::parse(*seq, line)) else { continue };
        if !f(&record)? {
            break;
        }
    }
    Ok(())
}

/// Standard output for cells: on a terminal nothing in them may act.
fn stdout_of_cells() -> Box<dyn Write> {
    use std::io::IsTerminal as _;
    let out = std::io::stdout();
    if out.is_terminal() {
        Box::new(csv::Visible(out))
    } else {
        Box::new(std::io::BufWriter::new(out.lock()))
    }
}

/// A member of a document.
fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
