//! A long chain of real receipts, for what only shows at length.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use cascade_ledger::ChainTree;
use cascade_receipt::digest::Digest;
use cascade_receipt::json::{self, Value};

use crate::append;
use crate::sample::Sample;

/// A chain in a throw-away home.
#[expect(missing_debug_implementations, reason = "nobody prints a chain")]
pub struct Chain(Sample);

impl Chain {
    /// A chain of `receipts` receipts below `dir`.
    ///
    /// # Errors
    /// When the home cannot be made or written.
    pub fn of(dir: &Path, receipts: u64) -> anyhow::Result<Self> {
        let sample = Sample::new(dir)?;
        append::fill(&sample, receipts)?;
        Ok(Self(sample))
    }

    /// Writes it as an outsider gets it.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn export(&self, out: &mut impl Write) -> anyhow::Result<()> {
        for line in self.0.ledger.lines(0..self.0.ledger.head()?.next_seq) {
            writeln!(out, "{}", line?.text)?;
        }
        Ok(())
    }

    /// The tree over it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn tree(&self) -> anyhow::Result<ChainTree<'_>> {
        Ok(self.0.ledger.tree()?)
    }

    /// The hash of a receipt.
    ///
    /// # Errors
    /// When there is none.
    pub fn entry_hash(&self, seq: u64) -> anyhow::Result<Digest> {
        let line = self.0.ledger.lines(seq..seq + 1).next().context("no such receipt")??;
        let receipt = json::parse(line.text.as_bytes()).map_err(|fault| anyhow::anyhow!("{fault}"))?;
        receipt
            .member("entry_hash")
            .and_then(Value::as_str)
            .and_then(Digest::from_hex)
            .context("a receipt has no hash")
    }
}
