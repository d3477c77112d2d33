//! What a bundle says, made again; needs no ledger.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use cascade_audit::replay::{self, Divergence, Replayed};
use cascade_receipt::bundle::Bundle;
use cascade_receipt::json::Value;
use cascade_receipt::verify::verify_bundle;
use cascade_verify::inputs::Inputs;

use super::Replay;
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{self, BAD, GOOD, Painted};
use crate::verb::{bundle, spec};

pub(super) fn run(global: &Global, args: &Replay, file: &Path) -> Exit {
    let specs: Vec<_> = args.spec.iter().map(|file| spec::read(file)).collect::<Result<_, _>>()?;
    let specs: Vec<_> = specs.into_iter().map(|document| (document.hash(), document)).collect();
    let bundle = verified(file, &args.inputs)?;
    let replayed = replay::bundle(&bundle, &specs);
    if global.json {
        output::json(&document(&replayed))?;
    } else {
        tell(&replayed)?;
    }
    if replayed.runs == 0 && !specs.is_empty() {
        output::hint_line("no run in it has the hash of that spec");
    }
    Ok(if args.check && word(&replayed) != "same" { exit::FINDINGS } else { exit::DONE })
}

fn verified(file: &Path, inputs: &Inputs) -> Result<Bundle, Failure> {
    let bytes = bundle::read(file)?;
    if !cascade_receipt::bundle::begins(&bytes) {
        let cause = anyhow::anyhow!("`{}` is no bundle", file.display());
        let hint =
            "a ledger that was exported holds no facts to decide on: cascade bundle create ID --replayable";
        return Err(Failure::of(exit::EVIDENCE, cause, Some(hint.to_owned())));
    }
    let verdict = verify_bundle(&bytes, inputs.options()?);
    if let Some(fault) = verdict.fault() {
        let cause = anyhow::anyhow!("it is not valid: {} ({})", fault.code.meaning(), fault.code.as_str());
        let hint = format!("all that is wrong with it: cascade verify {}", file.display());
        return Err(Failure::of(exit::EVIDENCE, cause, Some(hint)));
    }
    if !verdict.key_pinned() {
        output::hint_line("valid in itself; whose it is shows --public-key KEY");
    }
    Ok(Bundle::parse(&bytes).context("couldn't read the bundle")?)
}

/// What came of it, in a word: all of it is the same, or something differs, or not everything could be compared.
fn word(replayed: &Replayed) -> &'static str {
    let Replayed { decisions, erased, undisclosed, unheld, matches, .. } = replayed;
    if !replayed.divergences.is_empty() {
        "differs"
    } else if *erased > 0 || *undisclosed > 0 || *unheld > 0 || *decisions == 0 || matches != decisions {
        "incomplete"
    } else {
        "same"
    }
}

fn tell(replayed: &Replayed) -> std::io::Result<()> {
    let Replayed { decisions, matches, erased, undisclosed, runs, unheld, attempts, .. } = replayed;
    let word = word(replayed);
    let style = if word == "same" { GOOD } else { BAD };
    let word = Painted(style, word);
    output::line(format_args!("{word}: {matches} of {decisions} decisions came out the same"))?;
    if *erased > 0 {
        output::line(format_args!("{erased} are erased and cannot be made again"))?;
    }
    if *undisclosed > 0 {
        output::line(format_args!("{undisclosed} without facts or policy in the bundle"))?;
    }
    if *runs > 0 {
        output::line(format_args!("{attempts} attempts of {runs} runs held against their specs"))?;
    }
    if *unheld > 0 {
        output::line(format_args!("{unheld} runs without a spec to hold them against (--spec FILE)"))?;
    }
    for one in &replayed.divergences {
        output::line(format_args!("  {}  {}", one.receipt_id, output::safe(&one.what.text())))?;
    }
    Ok(())
}

fn document(replayed: &Replayed) -> Value {
    let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    Value::object([
        ("decisions", number(replayed.decisions)),
        ("matches", number(replayed.matches)),
        ("erased", number(replayed.erased)),
        ("undisclosed", number(replayed.undisclosed)),
        ("outcome", word(replayed).into()),
        ("runs", number(replayed.runs)),
        ("unheld", number(replayed.unheld)),
        ("attempts", number(replayed.attempts)),
        ("divergences", number(replayed.divergences.len() as u64)),
        ("groups", groups(&replayed.divergences)),
        ("differences", Value::Array(replayed.divergences.iter().map(divergence).collect())),
    ])
}

/// Divergences by what does not follow.
fn groups(divergences: &[Divergence]) -> Value {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for one in divergences {
        *counts.entry(one.what.code()).or_default() += 1;
    }
    let group = |(code, count): (&str, i64)| {
        Value::object([("by", "code".into()), ("count", Value::Int(count)), ("value", code.into())])
    };
    Value::Array(counts.into_iter().map(group).collect())
}

fn divergence(one: &Divergence) -> Value {
    let mut members = vec![
        ("code", one.what.code().into()),
        ("receipt_id", one.receipt_id.to_string().into()),
        ("text", one.what.text().into()),
    ];
    if let replay::What::Decision { recorded, again } = &one.what {
        members.push(("recorded", recorded.as_str().into()));
        members.push(("again", again.as_str().into()));
    }
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
