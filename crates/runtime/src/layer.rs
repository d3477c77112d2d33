//! Layers of the router: who may be asked for an answer.
//!
//! A layer says of itself what it is for ([`Manifest`]) and answers one question ([`Layer::ask`]). It touches
//! nothing of the world: what it proposes is run in the smoke gate by the router, never by itself. A customer adds one
//! by implementing [`Layer`] and handing it to [`Router::with`](crate::task::Router::with); the router is not touched.
//! Layers that act (commands, models) are governed actions with receipts of their own and are not of this trait.

pub(crate) mod retrieval;
mod search;
mod templates;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cascade_policy::facts::{Task, TaskKind};
use cascade_receipt::content;

use crate::task::Spec;

pub use retrieval::Retrieval;
pub use search::Search;
pub use templates::Templates;

/// Most candidates of one layer that are run.
pub const CANDIDATES_MAX: usize = 16;

/// What a layer says of itself.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its name in receipts.
    pub layer: content::Layer,
    /// One of Cascade's own layers, behind which it is asked; itself for those.
    pub behind: content::Layer,
    /// Kinds of tasks that it can answer.
    pub kinds: Vec<TaskKind>,
    /// The lowest grade that is taken from it.
    pub admit_min: u8,
    /// How long after the decision it may look for an answer, the layers before it included: what they take is not
    /// there for it, so that one deadline holds for the whole task.
    pub budget: Duration,
}

/// A task, read once for all layers.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// As it was given.
    pub task: &'a Task,
    /// As engines read it.
    pub spec: &'a Spec,
    /// The caller's tests may choose between several candidates, so that more than the best one is wanted.
    pub several: bool,
    /// When the layer's budget is over, or nobody waits any longer.
    pub until: Instant,
    /// What layers before found out and later ones need not find out again.
    pub notes: &'a Notes,
}

/// What layers leave for each other while one task is on its way.
#[derive(Debug, Default)]
pub struct Notes {
    /// The candidates of a search that ended by itself: a longer one finds the same.
    pub(crate) searched: OnceLock<Vec<Candidate>>,
}

/// What a layer answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answers, the best first.
    Take(Vec<Candidate>),
    /// Nothing, and why: a code.
    Pass(&'static str),
    /// Nobody should answer this, and why: a code.
    Refuse(&'static str),
    /// Nothing before the caller says more, and what.
    Ask(String),
}

/// An answer that was not run yet.
#[derive(Clone, PartialEq, Debug)]
pub struct Candidate {
    /// The whole source text.
    pub source: String,
    /// The function that it defines, where that is not the one the task names.
    pub entry: Option<String>,
    /// 0–100, from evidence that the layer can name; asserts of the caller's tests count as examples.
    pub grade: u8,
    /// The same without these asserts: then they are evidence that the program was not made from. Equal where none
    /// were looked at.
    pub unseen: u8,
    /// Another program fits as well.
    pub question: Option<Question>,
}

/// From which grade on the caller's tests verify a program whose grade their own asserts made: passing them proves
/// nothing more of it, so that much more must speak for it.
pub(crate) const VERIFY_FITTED_MIN: u8 = 80;

/// The grade of a program with asserts among its examples and without them: what asserts speak for without verifying it
/// is left to the layers behind, which may find what they verify.
pub(crate) const fn with_asserts(seen: u8, unseen: u8) -> u8 {
    if seen >= VERIFY_FITTED_MIN { seen } else { unseen }
}

/// An input whose answer would tell the two best programs apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// The call.
    pub call: String,
    /// What the candidate gives; `None` where it raises.
    pub first: Option<String>,
    /// What the other one gives.
    pub second: Option<String>,
}

/// A layer without an effect on the world.
pub trait Layer: Send + Sync {
    /// What it is for.
    fn manifest(&self) -> &Manifest;

    /// Looks for answers within its budget.
    fn ask(&self, asked: &Asked<'_>) -> Reply;
}
