//! The local chain as an audit sees it: its lines, with what the vault knows of them.

mod disk;
mod private;

use std::io::{BufRead, BufReader, Read};

use cascade_audit::control::{Bounds, Break, Cause, Controls, Period, Report, View, ViewFault, Walk};
use cascade_ledger::{Fault, Reader};
use cascade_receipt::chain::LINE_BYTES_MAX;
use cascade_receipt::verify::{Code, Options, Verdict, Verifier};

pub use disk::Disk;
pub use private::{Disclosed, Held};

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;

/// Why a chain could not be audited.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Fault),
    /// The chain could not be read.
    #[error(transparent)]
    Read(#[from] std::io::Error),
    /// What it holds could not be asked.
    #[error(transparent)]
    View(#[from] ViewFault),
}

/// Holds the local chain, as long as it is now, against controls. It is verified first, on this thread.
///
/// # Errors
/// [`AuditError`]. What is wrong with the chain stands in the report.
pub fn report(reader: &Reader, controls: Controls, period: Period) -> Result<Report, AuditError> {
    let total = reader.head()?.next_seq;
    let mut verifier = Verifier::new(Options::default());
    let (mut disk, mut bytes) = (Disk::of(reader, total), vec![0; READ_BYTES]);
    loop {
        let count = disk.read(&mut bytes)?;
        if count == 0 {
            break;
        }
        verifier.feed(bytes.get(..count).unwrap_or_default());
    }
    let verdict = verifier.finish();
    let mut view = view(Disk::of(reader, total), &verdict, Held::Vault(reader), Some((reader, total)))?;
    view.close(&verdict, period, Bounds::default())?;
    Ok(Report::of(&view, controls, period, verdict))
}

/// Every receipt of a chain that is good, and where the chain is broken. Of a local one its ledger is named as well, and how
/// many receipts it has.
///
/// # Errors
/// [`AuditError`].
pub fn view(
    bytes: impl Read,
    verdict: &Verdict,
    held: Held<'_>,
    local: Option<(&Reader, u64)>,
) -> Result<View, AuditError> {
    let mut view = View::new()?;
    let mut walk = Walk::new(verdict.receipts());
    let mut disclosed = Disclosed::new(held);
    let mut bytes = BufReader::with_capacity(READ_BYTES, bytes);
    let mut line = Vec::new();
    while next_line(&mut bytes, &mut line)? {
        let whole = line.ends_with(b"\n");
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if walk.take(text, whole) {
            view.take(text, disclosed.of(text)?.as_ref())?;
        }
    }
    let mut breaks = walk.finish(verdict.fault(), local.map(|(_, total)| total));
    if let (Some((reader, total)), true) = (local, breaks.is_empty()) {
        breaks.extend(reader.sound_head().err().map(|fault| unlike_head(total, &fault)));
    }
    view.broken(breaks)?;
    Ok(view)
}

/// The chain is whole as far as it goes, and the head, which knows where it ends, is not of it.
fn unlike_head(total: u64, fault: &Fault) -> Break {
    Break {
        line: total + 1,
        seq: total,
        count: 0,
        code: Code::Seq,
        cause: Cause::Outside,
        detail: format!("the head of the ledger does not fit the chain: {fault}"),
        before: None,
        after: None,
    }
}

/// The next line with its LF; false at the end. Of one that is too long to be a receipt only the beginning is kept.
fn next_line(bytes: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let most = LINE_BYTES_MAX as u64 + 2;
    if bytes.by_ref().take(most).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    let mut ended = line.ends_with(b"\n") || (line.len() as u64) < most;
    while !ended {
        let rest = bytes.fill_buf()?;
        let end = rest.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(rest.len(), |end| end + 1);
        ended = end.is_some() || taken == 0;
        bytes.consume(taken);
        if ended && taken > 0 {
            line.push(b'\n');
        }
    }
    Ok(true)
}
