//! `cascade lineage`: where a receipt comes from, and what followed from it.

mod file;
mod tell;

use std::path::PathBuf;

use cascade_audit::lineage::{self, Following, Lineage as Found, Source};
use cascade_receipt::id::ReceiptId;
use cascade_runtime::lineage as local;
use cascade_verify::inputs::Inputs;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::progress::Progress;
use crate::{failures, output, place};

/// Where a receipt comes from: request, authority, policy, what ran, what it was part of
///
/// Any receipt of an action leads to all of it. Five questions are answered with the receipts that say so, and continuity
/// is judged: intact, broken, or not provable from what is here. Hashes and references are made again; signatures are
/// checked by `cascade verify`, and those of a FILE before anything is said of it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade lineage r_0123456789abcdef
  cascade lineage r_01234 --forward --limit 50
  cascade lineage r_01234 --mermaid > lineage.mmd
  cascade lineage r_01234 --dot | dot -Tsvg > lineage.svg
  cascade lineage r_01234 --file run.bundle --public-key key.pem --json

Exit codes: 0 told, 4 the file is not valid; with --check 6 unless continuity is intact.")]
pub(crate) struct Lineage {
    /// Its id; the beginning is enough
    id: String,
    /// What followed from it, instead of what it stands on
    #[arg(long, conflicts_with_all = ["mermaid", "dot", "prov", "check"])]
    forward: bool,
    /// With --forward: at most this many receipts
    #[arg(long, value_name = "N", default_value_t = 200, requires = "forward", value_parser = limit)]
    limit: usize,
    #[command(flatten)]
    form: Form,
    /// Exit with 6 unless continuity is intact
    #[arg(long)]
    check: bool,
    /// Make the search index anew in memory, and believe none on the disk
    #[arg(long, conflicts_with = "file")]
    scan: bool,
    /// An export or a bundle instead of the local chain; verified first
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
}

/// Other forms of the same.
#[derive(Args, Debug)]
#[group(multiple = false)]
struct Form {
    /// The graph for Mermaid
    #[arg(long, conflicts_with = "json")]
    mermaid: bool,
    /// The graph for Graphviz
    #[arg(long, conflicts_with = "json")]
    dot: bool,
    /// The graph as W3C PROV-JSON
    #[arg(long, conflicts_with = "json")]
    prov: bool,
}

fn limit(text: &str) -> Result<usize, String> {
    let most = lineage::FOLLOWERS_MAX;
    text.parse().ok().filter(|number| (1..=most).contains(number)).ok_or_else(|| format!("1 to {most}"))
}

pub(crate) fn run(global: &Global, args: &Lineage) -> Exit {
    let told = match &args.file {
        Some(path) => {
            let mut source = file::open(path, &args.inputs)?;
            let id = source.find_id(&args.id)?;
            ask(&mut source, id, args).map_err(|error| Failure::from(anyhow::anyhow!(error)))?
        }
        None => local(global, args)?,
    };
    match told {
        Told::Back(found) => back(global, args, &found),
        Told::Forward(following) => {
            if global.json {
                output::json(&lineage::following_json(&following))?;
            } else {
                tell::following(&following)?;
            }
            Ok(exit::DONE)
        }
    }
}

/// What was asked for.
enum Told {
    Back(Box<Found>),
    Forward(Following),
}

fn ask(source: &mut dyn Source, id: ReceiptId, args: &Lineage) -> Result<Told, lineage::Fault> {
    let found = if args.forward {
        lineage::follow(source, id, args.limit)?.map(Told::Forward)
    } else {
        lineage::trace(source, id)?.map(|found| Told::Back(Box::new(found)))
    };
    found.ok_or_else(|| format!("{id} cannot be read").into())
}

fn local(global: &Global, args: &Lineage) -> Result<Told, Failure> {
    let reader = place::reader(global)?;
    let (id, _) = cascade_runtime::consent::find(&reader, &args.id).map_err(failures::finding)?;
    let progress = Progress::new("indexing", 0);
    let mut tell = |done: u64, all| progress.of(done - done % 256, all);
    let told = if args.scan {
        let index = reader.fresh_index(&mut tell)?;
        local::ask(&reader, &index, true, |source| ask(source, id, args))?
    } else {
        reader
            .with_index(&mut tell, |index| local::ask(&reader, index, true, |source| ask(source, id, args)))?
    };
    told.map_err(|error| Failure::from(anyhow::anyhow!(error)))
}

fn back(global: &Global, args: &Lineage, found: &Found) -> Exit {
    if args.form.mermaid {
        output::result(lineage::mermaid(found))?;
    } else if args.form.dot {
        output::result(lineage::dot(found))?;
    } else if args.form.prov {
        output::json_text(&lineage::prov(found).to_string())?;
    } else if global.json {
        output::json(&lineage::lineage_json(found))?;
    } else {
        tell::lineage(found)?;
    }
    let intact = found.continuity.weight() == lineage::Weight::Told;
    Ok(if args.check && !intact { exit::FINDINGS } else { exit::DONE })
}
