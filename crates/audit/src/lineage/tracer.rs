//! Asking a source, and noting in the graph what was found.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

use cascade_receipt::content::Rel;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::kind::Kind;

use super::graph::{Edge, Folded, Graph, NODES_MAX, Node};
use super::{Fault, Find, Linked, Receipt, Referring, Source};

/// Heartbeats of one intent that are counted.
const HEARTBEATS_MAX: usize = 10_000;

/// A source, what was read of it, and the graph so far.
pub(super) struct Tracer<'s> {
    source: &'s mut dyn Source,
    read: BTreeMap<ReceiptId, Option<Rc<Receipt>>>,
    names: BTreeMap<PrincipalId, String>,
    graph: Graph,
}

impl<'s> Tracer<'s> {
    pub(super) fn new(source: &'s mut dyn Source) -> Self {
        Self { source, read: BTreeMap::new(), names: BTreeMap::new(), graph: Graph::default() }
    }

    pub(super) const fn graph(&self) -> &Graph {
        &self.graph
    }

    pub(super) fn into_graph(mut self) -> Graph {
        // What names what, between any two that are there.
        let ids: BTreeMap<ReceiptId, Rc<Receipt>> =
            self.graph.nodes.values().map(|node| (node.receipt.id, node.receipt.clone())).collect();
        for receipt in ids.values() {
            for one in receipt.refs.iter().filter(|one| ids.contains_key(&one.receipt_id)) {
                self.graph.edges.insert(Edge { from: receipt.id, rel: one.rel.as_str(), to: one.receipt_id });
            }
        }
        self.graph
    }

    pub(super) fn by_id(&mut self, id: ReceiptId) -> Result<Option<Rc<Receipt>>, Fault> {
        if let Some(known) = self.read.get(&id) {
            return Ok(known.clone());
        }
        let found = self.source.by_id(id)?.map(Rc::new);
        self.read.insert(id, found.clone());
        Ok(found)
    }

    pub(super) fn by_seq(&mut self, seq: u64) -> Result<Option<Rc<Receipt>>, Fault> {
        let Some(found) = self.source.by_seq(seq)?.map(Rc::new) else { return Ok(None) };
        self.read.insert(found.id, Some(found.clone()));
        Ok(Some(found))
    }

    pub(super) fn linked(&mut self, seq: u64) -> Result<Option<Linked>, Fault> {
        self.source.linked(seq)
    }

    fn all(&mut self, seqs: Vec<u64>) -> Result<Vec<Rc<Receipt>>, Fault> {
        let mut found = Vec::new();
        for seq in seqs {
            found.extend(self.by_seq(seq)?);
        }
        Ok(found)
    }

    /// Receipts that refer to this one, the oldest first. What a source says is held against the receipts themselves.
    pub(super) fn referring(&mut self, asked: &Referring) -> Result<Vec<Rc<Receipt>>, Fault> {
        let seqs = self.source.referring(asked)?;
        let names = |receipt: &Rc<Receipt>| {
            let fits = |rel: Rel| asked.rels.is_empty() || asked.rels.contains(&Some(rel));
            // An erasure names what it erased in its own way.
            let named = asked.rels.is_empty() && receipt.is(Kind::Erasure)
                || receipt.refs.iter().any(|one| one.receipt_id == asked.id && fits(one.rel));
            named && asked.wants(receipt.known())
        };
        Ok(self.all(seqs)?.into_iter().filter(names).collect())
    }

    /// How many heartbeats refer to one, as far as they are counted.
    pub(super) fn count_heartbeats(&mut self, id: ReceiptId) -> Result<u64, Fault> {
        let asked = Referring::to(id, HEARTBEATS_MAX).of(&[Kind::Heartbeat]);
        Ok(self.source.referring(&asked)?.len() as u64)
    }

    pub(super) fn altered(&mut self, receipt: &Receipt) -> Result<bool, Fault> {
        self.source.altered(receipt)
    }

    /// The erasure of its private bytes, if there was one.
    pub(super) fn erasure_of(&mut self, id: ReceiptId) -> Result<Option<Rc<Receipt>>, Fault> {
        let seqs = self.source.referring(&Referring { rels: vec![None], ..Referring::to(id, 1) })?;
        Ok(self.all(seqs)?.into_iter().next())
    }

    pub(super) fn find(&mut self, find: &Find) -> Result<Vec<Rc<Receipt>>, Fault> {
        let seqs = self.source.find(find)?;
        let fits = |receipt: &Rc<Receipt>| {
            find.kinds.is_empty() || receipt.known().is_some_and(|kind| find.kinds.contains(&kind))
        };
        Ok(self.all(seqs)?.into_iter().filter(fits).collect())
    }

    /// Heartbeats of an intent, folded, and noted.
    pub(super) fn heartbeats(&mut self, intent: ReceiptId) -> Result<Option<Folded>, Fault> {
        let asked = Referring::to(intent, HEARTBEATS_MAX).by(&[Rel::Intent]).of(&[Kind::Heartbeat]);
        let seqs = self.source.referring(&asked)?;
        let more = seqs.len() == HEARTBEATS_MAX;
        let (Some(first), Some(last)) = (seqs.first().copied(), seqs.last().copied()) else {
            return Ok(None);
        };
        let (Some(first), Some(last)) = (self.by_seq(first)?, self.by_seq(last)?) else { return Ok(None) };
        let folded = Folded { intent, count: seqs.len() as u64, more, first: first.id, last: last.id };
        self.graph.heartbeats.push(folded.clone());
        Ok(Some(folded))
    }

    /// Notes a receipt and what it is here; false when there is no room for more.
    pub(super) fn note(&mut self, receipt: &Rc<Receipt>, role: &'static str) -> Result<bool, Fault> {
        let full = self.graph.nodes.len() >= NODES_MAX;
        match self.graph.nodes.entry(receipt.seq) {
            Entry::Occupied(known) => {
                known.into_mut().roles.insert(role);
                return Ok(true);
            }
            Entry::Vacant(_) if full => {
                self.graph.left_out += 1;
                return Ok(false);
            }
            Entry::Vacant(_) => {}
        }
        let command = self.source.command(receipt)?;
        let principal = receipt.principal().map(|who| self.name(who)).transpose()?;
        let roles = [role].into_iter().collect();
        self.graph.nodes.insert(receipt.seq, Node { receipt: receipt.clone(), roles, command, principal });
        Ok(true)
    }

    /// Notes a relation that no reference of a receipt states.
    pub(super) fn link(&mut self, from: &Receipt, rel: &'static str, to: &Receipt) {
        self.graph.edges.insert(Edge { from: from.id, rel, to: to.id });
    }

    pub(super) fn note_missing(&mut self, from: ReceiptId, rel: Rel, to: ReceiptId) {
        self.graph.missing.insert(Edge { from, rel: rel.as_str(), to });
    }

    pub(super) fn command(&mut self, receipt: &Receipt) -> Result<Option<String>, Fault> {
        self.source.command(receipt)
    }

    pub(super) fn reason(&mut self, receipt: &Receipt) -> Result<Option<String>, Fault> {
        self.source.reason(receipt)
    }

    /// A principal by name, or by id where nobody knows the name.
    pub(super) fn name(&mut self, who: PrincipalId) -> Result<String, Fault> {
        if let Some(known) = self.names.get(&who) {
            return Ok(known.clone());
        }
        let name = self.source.name(who)?.unwrap_or_else(|| who.to_string());
        self.names.insert(who, name.clone());
        Ok(name)
    }

    pub(super) fn head(&self) -> u64 {
        self.source.head()
    }

    pub(super) fn holds(&self, seqs: std::ops::Range<u64>) -> bool {
        self.source.holds(seqs)
    }

    pub(super) fn cosigned(&self) -> u64 {
        self.source.cosigned()
    }
}
