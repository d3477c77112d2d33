//! Lineage: where one receipt comes from, from the request to what closed it, and what followed from it.
//!
//! [`trace`] gathers what a receipt stands on, answers five questions in words with the receipts that say so, and says
//! whether authorization and what happened are linked without a gap. [`follow`] goes the other way. Both ask a
//! [`Source`], be it a local chain, an export or a bundle, and give the same for the same receipts.
//!
//! Signatures are not looked at here: that is `receipt`'s, and whoever hands over a file has it verified before. What is
//! recomputed is every hash of what is shown, every reference between them, and the chain from request to closer.

mod act;
mod continuity;
mod document;
mod dot;
mod forward;
mod graph;
mod mermaid;
mod prov;
mod questions;
mod receipt;
#[cfg(test)]
mod tests;
mod tracer;

use std::error::Error;
use std::ops::Range;

use cascade_receipt::content::Rel;
use cascade_receipt::digest::Digest;
use cascade_receipt::id::{PrincipalId, ReceiptId};
use cascade_receipt::kind::Kind;
use cascade_receipt::time::Timestamp;

pub use continuity::{Case, Continuity, Weight};
pub use document::{following_json, lineage_json};
pub use dot::dot;
pub use forward::{FOLLOWERS_MAX, Follower, Following, follow};
pub use graph::{Edge, Folded, Graph, Node};
pub use mermaid::mermaid;
pub use prov::prov;
pub use questions::{Answer, Question, Sentence};
pub use receipt::{Linked, Receipt};

/// Why a source could not be asked.
pub type Fault = Box<dyn Error + Send + Sync>;

/// What is looked for among the receipts of a source; all of it must hold.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Find {
    /// One of these kinds; any, when there are none.
    pub kinds: Vec<Kind>,
    /// None of these kinds.
    pub other_kinds: Vec<Kind>,
    /// Whose principal or on whose behalf.
    pub principal: Option<PrincipalId>,
    /// Under this policy.
    pub policy: Option<Digest>,
    /// Of this specification.
    pub spec: Option<Digest>,
    /// Signed by this key.
    pub key_id: Option<String>,
    /// Within these places.
    pub seqs: Range<u64>,
    /// The newest first.
    pub newest: bool,
    /// At most so many.
    pub limit: usize,
}

/// Which receipts that refer to one are asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Referring {
    /// What they refer to.
    pub id: ReceiptId,
    /// By one of these, or by any when there are none; `None` stands for an `erasure` of it.
    pub rels: Vec<Option<Rel>>,
    /// One of these kinds; any, when there are none.
    pub kinds: Vec<Kind>,
    /// None of these kinds.
    pub other_kinds: Vec<Kind>,
    /// From this place on.
    pub from: u64,
    /// At most so many.
    pub limit: usize,
}

impl Referring {
    /// Every one, by whatever relation.
    #[must_use]
    pub const fn to(id: ReceiptId, limit: usize) -> Self {
        Self { id, rels: Vec::new(), kinds: Vec::new(), other_kinds: Vec::new(), from: 0, limit }
    }

    fn by(mut self, rels: &[Rel]) -> Self {
        self.rels = rels.iter().copied().map(Some).collect();
        self
    }

    fn of(mut self, kinds: &[Kind]) -> Self {
        self.kinds = kinds.to_vec();
        self
    }

    fn not_of(mut self, kind: Kind) -> Self {
        self.other_kinds = vec![kind];
        self
    }

    /// Whether a receipt of this kind is asked for.
    #[must_use]
    pub fn wants(&self, kind: Option<Kind>) -> bool {
        (self.kinds.is_empty() || kind.is_some_and(|kind| self.kinds.contains(&kind)))
            && kind.is_none_or(|kind| !self.other_kinds.contains(&kind))
    }
}

/// Receipts that can be asked for. Two give the same answers when they hold the same receipts.
pub trait Source {
    /// A receipt by its id; `None` where it is not.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn by_id(&mut self, id: ReceiptId) -> Result<Option<Receipt>, Fault>;
    /// A receipt by its place.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn by_seq(&mut self, seq: u64) -> Result<Option<Receipt>, Fault>;
    /// How the receipt at a place is bound to the one before.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn linked(&mut self, seq: u64) -> Result<Option<Linked>, Fault>;
    /// Places of receipts that refer to one, the oldest first.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn referring(&mut self, asked: &Referring) -> Result<Vec<u64>, Fault>;
    /// Places of what is looked for.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn find(&mut self, find: &Find) -> Result<Vec<u64>, Fault>;
    /// What was asked for in words, where the private bytes are there.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn command(&mut self, receipt: &Receipt) -> Result<Option<String>, Fault>;
    /// Whether private bytes of it are kept that are not those which it was made of.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn altered(&mut self, receipt: &Receipt) -> Result<bool, Fault>;
    /// The reason that somebody gave with it, where the private bytes are there.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn reason(&mut self, receipt: &Receipt) -> Result<Option<String>, Fault>;
    /// The name behind a principal, where it is known.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn name(&mut self, principal: PrincipalId) -> Result<Option<String>, Fault>;
    /// Where the next receipt would stand.
    fn head(&self) -> u64;
    /// Whether every receipt of these places is there.
    fn holds(&self, seqs: Range<u64>) -> bool;
    /// How many receipts, from the first, others have cosigned.
    fn cosigned(&self) -> u64;
}

/// Where a receipt comes from.
#[derive(Clone, Debug)]
pub struct Lineage {
    /// The receipt that was asked for.
    pub about: ReceiptId,
    /// Everything it stands on, as far as it was followed.
    pub graph: Graph,
    /// The five questions, in order.
    pub answers: Vec<Answer>,
    /// Whether authorization and runtime are linked without a gap.
    pub continuity: Continuity,
}

/// Gathers where the receipt with this id comes from; `None` when there is none.
///
/// # Errors
/// [`Fault`] of the source.
pub fn trace(source: &mut dyn Source, id: ReceiptId) -> Result<Option<Lineage>, Fault> {
    let mut tracer = tracer::Tracer::new(source);
    let Some(about) = tracer.by_id(id)? else { return Ok(None) };
    let act = act::Act::of(&mut tracer, &about)?;
    let continuity = continuity::judge(&mut tracer, &act)?;
    let answers = questions::answer(&mut tracer, &act, &continuity)?;
    Ok(Some(Lineage { about: id, graph: tracer.into_graph(), answers, continuity }))
}

/// A span of time in words.
fn span(from: Timestamp, to: Timestamp) -> String {
    let ms = to.ms().saturating_sub(from.ms());
    match ms {
        0..10_000 => format!("{ms} ms"),
        10_000..600_000 => format!("{} s", ms / 1_000),
        600_000..36_000_000 => format!("{} min", ms / 60_000),
        36_000_000..259_200_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}
