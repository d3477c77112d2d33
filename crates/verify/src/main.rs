//! `cascade-verify`: checks an exported ledger and needs nothing but the file.

use std::fs::File;
use std::io::{IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use cascade_receipt::verify::{Options, Verdict, report};
use cascade_receipt::{digest, pem};
use clap::Parser;

/// Checks an exported ledger: every line, hash, signature and the order of what it tells.
#[derive(Parser)]
#[command(name = "cascade-verify", version)]
#[command(after_help = "Exit codes: 0 valid, 1 could not look, 2 usage, 4 invalid evidence.")]
struct Arguments {
    /// The ledger (`*.receipts.jsonl`), or `-` for standard input
    file: PathBuf,
    /// PEM of the public key that the chain must have been founded with
    #[arg(long, value_name = "F.pem")]
    public_key: Option<PathBuf>,
    /// File with the HMAC master (64 hex digits), to check the internal tags too
    #[arg(long, value_name = "F")]
    hmac_key: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const INVALID: u8 = 4;
const COULD_NOT: u8 = 1;
/// A key file is tiny; reading stops here.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(verdict) if verdict.valid() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(INVALID),
        Err(error) => {
            let text = format!("cascade-verify: error: {error:#}\n");
            // With standard error gone there is nobody left to tell.
            drop(std::io::stderr().write_all(text.as_bytes()));
            ExitCode::from(COULD_NOT)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<Verdict> {
    let pinned = arguments.public_key.as_deref().map(public_key).transpose()?;
    let hmac_master = arguments.hmac_key.as_deref().map(hmac_key).transpose()?;
    let mut source = open(&arguments.file)?;
    let verdict = cascade_verify::verify(&mut source, Options { pinned, hmac_master }, |_| {})
        .with_context(|| format!("cannot read `{}`", arguments.file.display()))?;
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

fn public_key(path: &Path) -> anyhow::Result<[u8; 32]> {
    let text = small_file(path)?;
    pem::read(&text).with_context(|| format!("cannot use `{}`", path.display()))
}

fn hmac_key(path: &Path) -> anyhow::Result<[u8; 32]> {
    let text = small_file(path)?;
    digest::from_hex(text.trim_end())
        .with_context(|| format!("cannot use `{}`: 64 lowercase hex digits are needed", path.display()))
}

fn small_file(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text))
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(text)
}

/// Colours the first word, green or red.
fn coloured(text: &str, valid: bool) -> String {
    let colour = if valid { 32 } else { 31 };
    let end = text.find([':', ' ']).unwrap_or(0);
    let (word, rest) = text.split_at(end);
    format!("\u{1b}[1;{colour}m{word}\u{1b}[0m{rest}")
}
