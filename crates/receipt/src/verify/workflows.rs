//! Runs of workflows: what names one stands between its start and its end.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::content::Rel;
use crate::digest::Digest;
use crate::id::ReceiptId;
use crate::reader::{Content, Meaning};
use crate::verify::code::Code;

#[derive(Clone, Debug, Default)]
pub(super) struct Workflows {
    chains: BTreeMap<ReceiptId, Chain>,
}

#[derive(Clone, Debug)]
struct Chain {
    seq: u64,
    spec_hash: Digest,
    /// Intents of it without a closer.
    running: u64,
    closed: bool,
}

impl Workflows {
    /// The run that a receipt names. Its specification is the receipt's.
    pub(super) fn named(&self, content: &Content<'_>) -> Result<Option<ReceiptId>, Code> {
        let mut refs = content.refs_of(Rel::Chain);
        let named = match (refs.next(), refs.next()) {
            (_, Some(_)) => return Err(Code::ChainRef),
            (named, None) => named.map(|one| one.receipt_id),
        };
        let fits = match content.meaning {
            Meaning::ChainStarted(_) => named.is_none(),
            Meaning::ChainClosed { .. } => named.is_some(),
            _ => true,
        };
        if !fits {
            return Err(Code::ChainRef);
        }
        let Some(id) = named else { return Ok(None) };
        let chain = self.chains.get(&id).ok_or(Code::RefKind)?;
        if content.spec_hash == Some(chain.spec_hash) { Ok(Some(id)) } else { Err(Code::ChainSpec) }
    }

    /// `chain_started`.
    pub(super) fn start(&mut self, content: &Content<'_>) {
        if let Some(spec_hash) = content.spec_hash {
            let chain = Chain { seq: content.seq, spec_hash, running: 0, closed: false };
            self.chains.insert(content.receipt_id, chain);
        }
    }

    /// Nothing of a run starts after its end.
    pub(super) fn check_run(&self, named: Option<ReceiptId>) -> Result<(), Code> {
        let closed = named.and_then(|id| self.chains.get(&id)).is_some_and(|chain| chain.closed);
        if closed { Err(Code::ChainClosed) } else { Ok(()) }
    }

    /// An intent of a run was opened.
    pub(super) fn intent_opened(&mut self, named: Option<ReceiptId>) {
        if let Some(chain) = named.and_then(|id| self.chains.get_mut(&id)) {
            chain.running += 1;
        }
    }

    /// An intent of a run was closed.
    pub(super) fn intent_closed(&mut self, named: Option<ReceiptId>) {
        if let Some(chain) = named.and_then(|id| self.chains.get_mut(&id)) {
            chain.running = chain.running.saturating_sub(1);
        }
    }

    /// `chain_completed` or `chain_aborted`: one of them, and nothing completes while something of it runs.
    pub(super) fn close(&mut self, named: Option<ReceiptId>, completed: bool) -> Result<(), Code> {
        let chain = named.and_then(|id| self.chains.get_mut(&id)).ok_or(Code::ChainRef)?;
        if chain.closed {
            return Err(Code::TwoClosers);
        }
        if completed && chain.running > 0 {
            return Err(Code::ChainRunning);
        }
        chain.closed = true;
        Ok(())
    }

    /// Runs without an end, in the order of the chain.
    pub(super) fn open(&self) -> Vec<(u64, ReceiptId)> {
        let open = self.chains.iter().filter(|(_, chain)| !chain.closed);
        let mut open: Vec<_> = open.map(|(id, chain)| (chain.seq, *id)).collect();
        open.sort_unstable();
        open
    }
}
