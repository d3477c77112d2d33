//! Where the chain comes from that is audited.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cascade_audit::control::View;
use cascade_ledger::Reader;
use cascade_receipt::bundle::{self, Bundle, LOOK_BYTES};
use cascade_receipt::verify::Verdict;
use cascade_runtime::audit::{self, Disclosed, Disk, Held};
use cascade_verify::inputs::Inputs;

use crate::args::Global;
use crate::exit::{self, Failure};
use crate::place;
use crate::verb::bundle::read as read_bundle;
use crate::verb::verify;

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
            Self::Local(reader, total) => {
                let local = Some((&**reader, *total));
                Ok(audit::view(self.bytes()?, verdict, Held::Vault(reader), local)?)
            }
            Self::File(_) => Ok(audit::view(self.bytes()?, verdict, Held::Nowhere, None)?),
            Self::Bundle(bytes) => of_bundle(verdict, bytes),
        }
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
