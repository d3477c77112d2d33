//! The local chain, replayed.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cascade_audit::replay::{Tally, Under};
use cascade_ledger::Reader;
use cascade_runtime::replay::{self, Told};

use super::told;
use super::{FailOn, Replay};
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::progress::Progress;
use crate::verb::policy::check;
use crate::verb::policy::side::{self, Side};
use crate::{failures, output, place};

pub(super) fn run(global: &Global, args: &Replay) -> Exit {
    if args.inputs.public_key.is_some() {
        return Err(Failure::usage("--public-key is for a bundle: name the file"));
    }
    let verdicts = args.fail_on.iter().any(|what| !matches!(what, FailOn::Any));
    if verdicts && args.policy.is_none() && args.against.is_none() {
        return Err(Failure::usage(
            "verdicts change under another policy: name it with --policy DIR or --against POLICY",
        ));
    }
    let reader = place::reader(global)?;
    let candidate = match candidate(global, args, &reader)? {
        Ok(candidate) => candidate,
        Err(faults) => return check::tell(global, &faults),
    };
    let seqs = places(&reader, args)?;
    let began = Instant::now();
    let (under, name) = match candidate {
        Some(Side { name, snapshot, .. }) => {
            let hash = snapshot.policy_hash();
            (Under::Candidate(Arc::new(snapshot)), Some((name, hash)))
        }
        None => (Under::Then, None),
    };
    let tally = scan(&reader, seqs.clone(), &under)?;
    let told = Told { tally: &tally, seqs, under: name };
    if global.json {
        output::json(&told.document(&reader)?)?;
    } else {
        told::print(&reader, &told, began.elapsed().as_secs_f64())?;
    }
    Ok(if fails(args, &tally) { exit::FINDINGS } else { exit::DONE })
}

type Faulty<T> = Result<T, Vec<cascade_policy::snapshot::PolicyFault>>;

/// The policy that was asked for, if it is not that of then.
fn candidate(global: &Global, args: &Replay, reader: &Reader) -> Result<Faulty<Option<Side>>, Failure> {
    let word = match (&args.policy, &args.against) {
        (Some(dir), _) if !dir.is_dir() => return Err(no_directory(dir)),
        (Some(dir), _) => dir.to_str().ok_or_else(|| no_directory(dir))?,
        (None, Some(word)) => word,
        (None, None) => return Ok(Ok(None)),
    };
    let found = side::find(word, Some(reader), &mut || place::reader(global))?;
    Ok(found.map(Some))
}

fn no_directory(dir: &Path) -> Failure {
    let cause = anyhow::anyhow!("`{}` is no directory", dir.display());
    Failure::could_not(cause).hint("a policy in force, or one of the past, is named by --against")
}

/// The receipts that were asked for.
fn places(reader: &Reader, args: &Replay) -> Result<Range<u64>, Failure> {
    let head = reader.sound_head().map_err(failures::damage)?;
    let start = args.since.map_or(Ok(0), |since| replay::first_since(reader, since))?;
    let end = args.until.map_or(Ok(head.next_seq), |until| replay::first_since(reader, until))?;
    Ok(start..end.max(start))
}

fn scan(reader: &Reader, seqs: Range<u64>, under: &Under) -> Result<Tally, Failure> {
    let progress = Progress::new("deciding again", seqs.end - seqs.start);
    replay::scan(reader, seqs, under, |done| progress.set(done)).map_err(failures::replay)
}

fn fails(args: &Replay, tally: &Tally) -> bool {
    let has = |what: &FailOn| match what {
        FailOn::NewlyAllowed => tally.changed_to("newly_allowed") > 0,
        FailOn::NewlyEscalated => tally.changed_to("newly_escalated") > 0,
        FailOn::NewlyDenied => tally.changed_to("newly_denied") > 0,
        FailOn::Any => tally.divergences > 0,
        FailOn::Unknown => tally.unknown > 0,
    };
    (args.check && !tally.is_clean()) || args.fail_on.iter().any(has)
}
