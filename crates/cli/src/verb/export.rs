use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_ledger::Reader;
use cascade_receipt::json::Value;
use clap::Args;

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::outfile::{self, OutFile};
use crate::progress::Progress;
use crate::{failures, output, place};

/// Write the whole chain as receipts, one line each
///
/// What an outsider needs beside it is the public key: `cascade key export --public`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cascade export --out ledger.receipts.jsonl
  cascade export | cascade-verify - --public-key key.pem")]
pub(crate) struct Export {
    /// File to write; it appears whole or not at all, unless it is a device or a FIFO [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Export) -> Exit {
    let reader = place::reader(global)?;
    let receipts = match &args.out {
        Some(path) => to_file(&reader, path)?,
        None => copy(&reader, &mut std::io::BufWriter::new(std::io::stdout().lock()))?,
    };
    output::say(format_args!("exported {receipts} receipts"));
    if let (Some(path), true) = (&args.out, global.json) {
        output::json(&Value::object([
            ("path", path.display().to_string().into()),
            ("receipts", Value::Int(i64::try_from(receipts).unwrap_or(i64::MAX))),
        ]))?;
    }
    Ok(exit::DONE)
}

fn to_file(reader: &Reader, path: &Path) -> Result<u64, Failure> {
    let out = OutFile::create(path, outfile::OWN)?;
    let failed = |failure: Failure| Failure {
        cause: failure.cause.context(format!("couldn't write `{}`", path.display())),
        ..failure
    };
    let receipts = copy(reader, &mut std::io::BufWriter::new(out.file())).map_err(failed)?;
    out.finish().with_context(|| format!("couldn't write `{}`", path.display()))?;
    Ok(receipts)
}

fn copy(reader: &Reader, out: &mut impl std::io::Write) -> Result<u64, Failure> {
    let total = reader.head()?.next_seq;
    let progress = Progress::new("exporting", total);
    let mut count = 0;
    for line in reader.lines(0..total) {
        let line = line.map_err(failures::damage)?;
        if line.seq != count {
            return Err(failures::incomplete(count, total));
        }
        let written = out.write_all(line.text.as_bytes()).and_then(|()| out.write_all(b"\n"));
        match written {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(count),
            other => other?,
        }
        count += 1;
        progress.set(count);
    }
    match out.flush() {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    if count != total {
        return Err(failures::incomplete(count, total));
    }
    // What is cut at its end is a shorter chain that is valid; the head knows better.
    reader.sound_head().map_err(failures::damage)?;
    Ok(count)
}
