use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_ledger::Lines;
use cascade_ledger::Reader;
use cascade_receipt::verify::{Options, Verdict, report};
use cascade_receipt::{digest, pem};
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, GOOD, Painted};
use crate::progress::Progress;
use crate::{output, place};

/// A key file is tiny; reading stops here.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

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
    /// PEM of the public key that the chain must have been founded with
    #[arg(long, value_name = "F")]
    public_key: Option<PathBuf>,
    /// File with the HMAC master (64 hex digits), to check the internal tags too
    #[arg(long, value_name = "F")]
    hmac_key: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Verify) -> Exit {
    let options = Options {
        pinned: args.public_key.as_deref().map(public_key).transpose()?,
        hmac_master: args.hmac_key.as_deref().map(hmac_master).transpose()?,
    };
    let verdict = match &args.file {
        None => local(global, options)?,
        Some(path) if path == Path::new("-") => check(&mut std::io::stdin().lock(), options, 0)?,
        Some(path) => {
            let file = File::open(path).with_context(|| format!("couldn't open `{}`", path.display()))?;
            let lines = if std::io::stderr().is_terminal() { count_lines(&file, path)? } else { 0 };
            let mut file = File::open(path).with_context(|| format!("couldn't open `{}`", path.display()))?;
            check(&mut file, options, lines).map_err(|error| Failure {
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

fn local(global: &Global, options: Options) -> Result<Verdict, Failure> {
    let reader = place::reader(global)?;
    let total = reader.head()?.next_seq;
    check(&mut LineSource::new(&reader, total), options, total)
}

fn check(source: &mut impl Read, options: Options, total: u64) -> Result<Verdict, Failure> {
    let progress = Progress::new("verifying", total);
    Ok(cascade_verify::verify(source, options, |done| progress.set(done))?)
}

/// How much there is to do, so that the bar can tell when it will be done.
fn count_lines(file: &File, path: &Path) -> Result<u64, Failure> {
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

/// The stored lines as the bytes of an export.
struct LineSource<'a> {
    lines: Lines<'a>,
    rest: Vec<u8>,
    at: usize,
}

impl<'a> LineSource<'a> {
    fn new(reader: &'a Reader, total: u64) -> Self {
        Self { lines: reader.lines(0..total), rest: Vec::new(), at: 0 }
    }
}

impl Read for LineSource<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.rest.len() {
            let Some(line) = self.lines.next() else { return Ok(0) };
            self.rest = line.map_err(std::io::Error::other)?.text.into_bytes();
            self.rest.push(b'\n');
            self.at = 0;
        }
        let mut rest = self.rest.get(self.at..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

fn public_key(path: &Path) -> Result<[u8; 32], Failure> {
    let read = pem::read(&small_file(path)?).with_context(|| format!("couldn't use `{}`", path.display()));
    read.map_err(|error| {
        Failure::could_not(error).hint("give the PEM that `cascade key export --public` prints")
    })
}

fn hmac_master(path: &Path) -> Result<[u8; 32], Failure> {
    digest::from_hex(small_file(path)?.trim_end())
        .with_context(|| format!("couldn't use `{}`: 64 lowercase hex digits are needed", path.display()))
        .map_err(|error| {
            Failure::could_not(error).hint("give the file hmac-master.hex that `cascade init` wrote")
        })
}

fn small_file(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text))
        .with_context(|| format!("couldn't read `{}`", path.display()))?;
    Ok(text)
}

/// The report with its first word in colour.
fn painted(verdict: &Verdict) -> String {
    let text = report::text(verdict);
    let (word, rest) = text.split_at(text.find([':', ' ']).unwrap_or(0));
    format!("{}{rest}", Painted(if verdict.valid() { GOOD } else { BAD }, word))
}
