//! Who refers to whom, of all that a lineage touches.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cascade_receipt::id::ReceiptId;

use super::Receipt;

/// Most receipts of one graph; what is left out is counted.
pub(super) const NODES_MAX: usize = 400;

/// A receipt of the graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// The receipt.
    pub receipt: Rc<Receipt>,
    /// What it is to the one that was asked for, in a word each.
    pub roles: BTreeSet<&'static str>,
    /// What was asked for by it, in words, where the private bytes are there.
    pub command: Option<String>,
    /// Who asked for or did it, by name where it is known.
    pub principal: Option<String>,
}

/// How one receipt refers to another, or stands to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Edge {
    /// The later one.
    pub from: ReceiptId,
    /// The word: one of the relations of receipts, or `policy`, `anchors`, `erases`.
    pub rel: &'static str,
    /// The earlier one.
    pub to: ReceiptId,
}

/// Heartbeats of one intent, which are counted and not drawn one by one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folded {
    /// The intent.
    pub intent: ReceiptId,
    /// How many.
    pub count: u64,
    /// There are more than were counted.
    pub more: bool,
    /// The first.
    pub first: ReceiptId,
    /// The last.
    pub last: ReceiptId,
}

/// Receipts and how they refer to each other.
#[derive(Clone, Default, Debug)]
pub struct Graph {
    /// By place.
    pub nodes: BTreeMap<u64, Node>,
    /// Every reference between two of them.
    pub edges: BTreeSet<Edge>,
    /// Heartbeats.
    pub heartbeats: Vec<Folded>,
    /// Receipts that are named and not there: what they are to whom.
    pub missing: BTreeSet<Edge>,
    /// How many more there were than fit.
    pub left_out: u64,
}

impl Graph {
    /// A node by its id.
    #[must_use]
    pub fn node(&self, id: ReceiptId) -> Option<&Node> {
        self.nodes.values().find(|node| node.receipt.id == id)
    }
}
