use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_receipt::verify::{Options, Verdict, report};
use cascade_runtime::audit::Disk;
use cascade_verify::inputs::Inputs;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, GOOD, Painted};
use crate::progress::Progress;
use crate::{failures, output, place};

/// Check a chain: every line, hash, signature, and the order of what it tells
///
/// Without FILE the local chain is checked against its own genesis. `cascade-verify` does the same for
/// outsiders and needs no ledger.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade verify
  cascade verify ledger.receipts.jsonl --public-key key.pem
  cascade export | cascade verify - --json")]
pub(crate) struct Verify {
    /// An exported ledger, or `-` for stdin [default: the local chain]
    file: Option<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
}

pub(crate) fn run(global: &Global, args: &Verify) -> Exit {
    let verdict = match &args.file {
        None => local(global, &args.inputs)?,
        Some(path) if path == Path::new("-") => check(&mut std::io::stdin().lock(), &args.inputs, 0)?,
        Some(path) => {
            // What comes through a pipe can be read once only.
            let countable = std::io::stderr().is_terminal() && path.is_file();
            let lines = if countable { count_lines(path)? } else { 0 };
            let mut file = File::open(path).with_context(|| format!("couldn't open `{}`", path.display()))?;
            check(&mut file, &args.inputs, lines).map_err(|error| Failure {
                cause: error.cause.context(format!("couldn't read `{}`", path.display())),
                ..error
            })?
        }
    };
    if global.json {
        output::bytes(format!("{}\n", verdict.to_json()).as_bytes())?;
    } else {
        output::result(painted(&verdict))?;
    }
    Ok(if verdict.valid() { exit::DONE } else { exit::EVIDENCE })
}

fn local(global: &Global, inputs: &Inputs) -> Result<Verdict, Failure> {
    let reader = place::reader(global)?;
    let head = reader.head()?;
    let mut disk = Disk::of(&reader, head.next_seq);
    let verdict = check(&mut disk, inputs, head.next_seq)?;
    if verdict.valid() {
        // What is missing at the end makes a shorter chain that is valid; the head knows better.
        reader.sound_head().map_err(failures::damage)?;
        if verdict.receipts() < head.next_seq {
            return Err(failures::incomplete(verdict.receipts(), head.next_seq));
        }
    }
    Ok(verdict)
}

pub(super) fn check(source: &mut impl Read, inputs: &Inputs, total: u64) -> Result<Verdict, Failure> {
    let timestamps = inputs.timestamps()?;
    let options = Options { stamps: timestamps.asked(), ..inputs.options()? };
    let progress = Progress::new("verifying", total);
    let mut verdict = match inputs.memory() {
        None => cascade_verify::verify(source, options, |done| progress.set(done))?,
        Some(memory) => {
            let checked =
                cascade_verify::verify_with_memory(source, options, &memory, |done| progress.set(done))?;
            if let Some(error) = checked.unremembered {
                output::say(format!("warning: not remembered for next time: {error:#}"));
            }
            checked.verdict
        }
    };
    timestamps.judge(&mut verdict);
    Ok(verdict)
}

/// How much there is to do, so that the bar can tell when it will be done.
fn count_lines(path: &Path) -> Result<u64, Failure> {
    let file = File::open(path).with_context(|| format!("couldn't open `{}`", path.display()))?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut lines = 0;
    loop {
        let chunk = reader.fill_buf().with_context(|| format!("couldn't read `{}`", path.display()))?;
        if chunk.is_empty() {
            return Ok(lines);
        }
        let (length, found) = (chunk.len(), chunk.iter().filter(|byte| **byte == b'\n').count());
        lines += found as u64;
        reader.consume(length);
    }
}

/// The report with its first word in colour.
fn painted(verdict: &Verdict) -> String {
    let text = report::text(verdict);
    let (word, rest) = text.split_at(text.find([':', ' ']).unwrap_or(0));
    format!("{}{rest}", Painted(if verdict.valid() { GOOD } else { BAD }, word))
}
