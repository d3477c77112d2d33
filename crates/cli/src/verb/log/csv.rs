//! A table for spreadsheets (RFC 4180), in which no cell is a formula.

use std::borrow::Cow;
use std::io::{self, Write};

use cascade_ledger::Reader;
use cascade_receipt::json::Value;

use super::each;
use crate::exit::Failure;
use crate::screen;
use cascade_runtime::record::Record;

const COLUMNS: [&str; 18] = [
    "seq",
    "timestamp",
    "receipt_id",
    "kind",
    "verdict",
    "risk_tier",
    "principal",
    "principal_name",
    "on_behalf_of",
    "on_behalf_of_name",
    "policy_hash",
    "spec_hash",
    "exit_code",
    "signal",
    "codes",
    "refs",
    "command",
    "reason",
];

/// Writes the receipts at `places`, a row each, below the names of the columns.
pub(super) fn write(reader: &Reader, places: &[u64], out: &mut impl Write) -> Result<(), Failure> {
    if gone(row(out, &COLUMNS.map(str::to_owned)))? {
        return Ok(());
    }
    each(reader, places, |record| Ok(!gone(row(out, &cells(reader, record)?))?))?;
    gone(out.flush())?;
    Ok(())
}

/// Whether nobody reads any more, which is a normal ending.
fn gone(written: io::Result<()>) -> io::Result<bool> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        other => other.map(|()| false),
    }
}

fn cells(reader: &Reader, record: &Record) -> Result<[String; 18], Failure> {
    let text = |key: &str| record.text(key).to_owned();
    let number = |key: &str| record.content(key).and_then(Value::as_int).map(|number| number.to_string());
    let refs: Vec<String> = record.refs().iter().map(|(rel, id)| format!("{rel}:{id}")).collect();
    Ok([
        record.seq.to_string(),
        text("timestamp"),
        text("receipt_id"),
        text("kind"),
        record.verdict().to_owned(),
        text("risk_tier"),
        text("principal"),
        record.name(reader, "principal")?.unwrap_or_default(),
        text("on_behalf_of"),
        record.name(reader, "on_behalf_of")?.unwrap_or_default(),
        text("policy_hash"),
        text("spec_hash"),
        number("exit_code").unwrap_or_default(),
        number("signal").unwrap_or_default(),
        record.all_codes().join(" "),
        refs.join(" "),
        record.command(reader)?.unwrap_or_default(),
        record.reason(reader)?.unwrap_or_default(),
    ])
}

fn row(out: &mut impl Write, cells: &[String]) -> io::Result<()> {
    let cells: Vec<Cow<'_, str>> = cells.iter().map(|text| cell(text)).collect();
    write!(out, "{}\r\n", cells.join(","))
}

/// A cell: quoted where it must be, and never the beginning of a formula.
fn cell(text: &str) -> Cow<'_, str> {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    };
    if text.contains(['"', ',', '\r', '\n']) {
        return Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")));
    }
    text
}

/// Makes visible what would act on a terminal.
pub(super) struct Visible<W>(pub(super) W);

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in String::from_utf8_lossy(bytes).split_inclusive("\r\n") {
            let (text, end) = line.strip_suffix("\r\n").map_or((line, ""), |text| (text, "\r\n"));
            write!(self.0, "{}{end}", screen::visible(text))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_ends_early() {
        for (text, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@a", "'@a"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("=a,\"b\"", "\"'=a,\"\"b\"\"\""),
            (" =1", " =1"),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }
}
