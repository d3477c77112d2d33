//! Where the chain comes from that is audited.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_audit::control::{Break, Cause, View, Walk};
use cascade_ledger::{Fault, Reader};
use cascade_receipt::bundle::{self, Bundle, LOOK_BYTES};
use cascade_receipt::chain::LINE_BYTES_MAX;
use cascade_receipt::verify::{Code, Verdict};
use cascade_verify::inputs::Inputs;

use super::private::{Disclosed, Held};
use crate::args::Global;
use crate::exit::{self, Failure};
use crate::place;
use crate::verb::bundle::read as read_bundle;
use crate::verb::verify::{self, Disk};

/// A chain that can be read more than once.
pub(in crate::verb) enum Source {
    /// The local one, as long as it was when the audit began.
    Local(Box<Reader>, u64),
    /// An exported one.
    File(PathBuf),
    /// Chosen receipts of one.
    Bundle(Vec<u8>),
}

impl Source {
    pub(in crate::verb) fn open(global: &Global, file: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = file {
            let mut first = Vec::new();
            let named = || format!("couldn't open `{}`", path.display());
            let file = File::open(path).with_context(named)?;
            file.take(LOOK_BYTES as u64).read_to_end(&mut first).with_context(named)?;
            let bundle = bundle::begins(&first).then(|| read_bundle(path)).transpose()?;
            return Ok(bundle.map_or_else(|| Self::File(path.to_owned()), Self::Bundle));
        }
        let reader = place::reader(global)?;
        let total = reader.head()?.next_seq;
        Ok(Self::Local(Box::new(reader), total))
    }

    fn bytes(&self) -> Result<Box<dyn Read + '_>, Failure> {
        Ok(match self {
            Self::Local(reader, total) => Box::new(Disk::of(reader, *total)),
            Self::Bundle(bytes) => Box::new(bytes.as_slice()),
            Self::File(path) => {
                let named = || format!("couldn't open `{}`", path.display());
                Box::new(File::open(path).with_context(named)?)
            }
        })
    }

    pub(in crate::verb) fn verdict(&self, inputs: &Inputs) -> Result<Verdict, Failure> {
        let total = if let Self::Local(_, total) = self { *total } else { 0 };
        verify::check(&mut self.bytes()?, inputs, total)
    }

    /// Every receipt that is good, and where the chain is broken.
    pub(in crate::verb) fn view(&self, verdict: &Verdict) -> Result<View, Failure> {
        match self {
            Self::Local(reader, total) => self.chain(verdict, Some(*total), Held::Vault(reader)),
            Self::File(_) => self.chain(verdict, None, Held::Nowhere),
            Self::Bundle(bytes) => of_bundle(verdict, bytes),
        }
    }

    fn chain(&self, verdict: &Verdict, total: Option<u64>, held: Held<'_>) -> Result<View, Failure> {
        let mut view = View::new()?;
        let mut walk = Walk::new(verdict.receipts());
        let mut disclosed = Disclosed::new(held);
        let mut bytes = BufReader::with_capacity(1 << 20, self.bytes()?);
        let mut line = Vec::new();
        while next_line(&mut bytes, &mut line)? {
            let whole = line.ends_with(b"\n");
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            if walk.take(text, whole) {
                view.take(text, disclosed.of(text)?.as_ref())?;
            }
        }
        let mut breaks = walk.finish(verdict.fault(), total);
        if let (Self::Local(reader, total), true) = (self, breaks.is_empty()) {
            breaks.extend(reader.sound_head().err().map(|fault| unlike_head(*total, &fault)));
        }
        view.broken(breaks)?;
        Ok(view)
    }
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

/// A bundle that is not valid shows nothing at all: its receipts stand on what is wrong.
fn of_bundle(verdict: &Verdict, bytes: &[u8]) -> Result<View, Failure> {
    if let Some(fault) = verdict.fault() {
        let cause =
            anyhow::anyhow!("the bundle is not valid: {} ({})", fault.code.meaning(), fault.code.as_str());
        return Err(Failure::of(exit::EVIDENCE, cause, Some("cascade verify FILE says more".to_owned())));
    }
    let bundle = Bundle::parse(bytes).context("couldn't read the bundle")?;
    let mut view = View::new()?;
    view.of_chosen();
    let mut disclosed = Disclosed::new(Held::Bundle(&bundle));
    for shown in &bundle.statement.receipts {
        let line = shown.line.as_bytes();
        view.take(line, disclosed.of(line)?.as_ref())?;
    }
    Ok(view)
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
