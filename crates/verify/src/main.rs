//! `cascade-verify`: checks an exported ledger and needs nothing but the file.

use std::fs::File;
use std::io::{IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use cascade_receipt::verify::{Options, Verdict, report};
use cascade_verify::inputs::Inputs;
use clap::Parser;

/// Checks an exported ledger: every line, hash, signature and the order of what it tells.
#[derive(Parser)]
#[command(name = "cascade-verify", version)]
#[command(after_help = "Examples:
  cascade-verify ledger.receipts.jsonl --public-key key.pem
  cascade-verify evidence.bundle --public-key key.pem --trust trust.policy --json
  cascade export | cascade-verify - --public-key key.pem

Exit codes: 0 valid, 1 could not look, 2 usage, 4 invalid evidence.")]
struct Arguments {
    /// The ledger (`*.receipts.jsonl`), or `-` for standard input
    file: PathBuf,
    #[command(flatten)]
    inputs: Inputs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const INVALID: u8 = 4;
const COULD_NOT: u8 = 1;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(verdict) if verdict.valid() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(INVALID),
        Err(error) => {
            complain(&format!("error: {error:#}"));
            ExitCode::from(COULD_NOT)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<Verdict> {
    let timestamps = arguments.inputs.timestamps()?;
    let options = Options { stamps: timestamps.asked(), ..arguments.inputs.options()? };
    let mut source = open(&arguments.file)?;
    let reading = || format!("cannot verify `{}`", arguments.file.display());
    let mut verdict = match arguments.inputs.memory() {
        None => cascade_verify::verify(&mut source, options, |_| {}).with_context(reading)?,
        Some(memory) => {
            let checked = cascade_verify::verify_with_memory(&mut source, options, &memory, |_| {})
                .with_context(reading)?;
            if let Some(error) = checked.unremembered {
                complain(&format!("warning: not remembered for next time: {error:#}"));
            }
            checked.verdict
        }
    };
    timestamps.judge(&mut verdict);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", verdict.to_json())?;
    } else {
        let text = report::text(&verdict);
        let text = if out.is_terminal() { coloured(&text, verdict.valid()) } else { text };
        out.write_all(text.as_bytes())?;
    }
    out.flush()?;
    Ok(verdict)
}

fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
    Ok(Box::new(file))
}

fn complain(text: &str) {
    // With standard error gone there is nobody left to tell.
    drop(std::io::stderr().write_all(format!("cascade-verify: {text}\n").as_bytes()));
}

/// Colours the first word, green or red.
fn coloured(text: &str, valid: bool) -> String {
    let colour = if valid { 32 } else { 31 };
    let end = text.find([':', ' ']).unwrap_or(0);
    let (word, rest) = text.split_at(end);
    format!("\u{1b}[1;{colour}m{word}\u{1b}[0m{rest}")
}
