//! What a search gives: programs, and what there is to say about them.

use crate::emit;
use crate::grade::Held;
use crate::library;
use crate::spec::Task;
use crate::term::Term;
use crate::value::Value;

/// A program that reproduces every example.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The whole function as Python text.
    pub python: String,
    /// What it costs: the shorter and the better hinted, the less.
    pub cost: u32,
    /// Whether a decision tree was built to cover the examples; such programs are right less often.
    pub decision_tree: bool,
    /// Its results on the inputs near the examples; `None` where it raises.
    pub(crate) outputs: Vec<Option<Value>>,
    /// The program as a tree.
    pub term: Term,
}

impl Candidate {
    pub(crate) fn new(task: &Task, term: &Term, cost: u32, tree: bool, outputs: Vec<Option<Value>>) -> Self {
        let names: Vec<String> = task.parameters.iter().map(|parameter| parameter.name.clone()).collect();
        let python = emit::function(&task.name, &names, &task.header, term);
        Self { python, cost, decision_tree: tree, outputs, term: term.clone() }
    }
}

/// An input on which the two best programs differ: its answer tells them apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The arguments.
    pub arguments: Vec<Value>,
    /// What the best program gives; `None` where it raises.
    pub first: Option<Value>,
    /// What the other one gives.
    pub second: Option<Value>,
}

/// What a search gives.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Programs in order of cost, no two alike on the inputs near the examples.
    pub candidates: Vec<Candidate>,
    /// Terms that were evaluated.
    pub terms: u64,
    /// How many programs up to the best one's cost would be expected to reproduce the examples by luck; below one
    /// tenth the best program is right more often than not, near one or above it is a guess. `None` without programs.
    pub luck: Option<f64>,
    /// What holding examples out said about the best program; `None` where it cannot be told.
    pub held: Option<Held>,
    /// How much more the next program costs that behaves differently; `None` when there is no other.
    pub gap: Option<u32>,
    /// The cost up to which every program was looked at.
    pub searched: u32,
    /// What to ask the caller when more than one program is left.
    pub question: Option<Question>,
    /// SHA-256 of the library that was searched with.
    pub library: &'static str,
}

impl Outcome {
    pub(crate) fn new(
        candidates: Vec<Candidate>,
        (terms, searched): (u64, u32),
        (luck, held): (Option<f64>, Option<Held>),
        probes: &[Vec<Value>],
    ) -> Self {
        let (gap, question) = match candidates.as_slice() {
            [first, second, ..] => (Some(second.cost - first.cost), differ(first, second, probes)),
            _ => (None, None),
        };
        Self { candidates, terms, searched, luck, held, gap, question, library: library::digest() }
    }
}

/// An input where both have a value comes before one where only one has.
fn differ(first: &Candidate, second: &Candidate, probes: &[Vec<Value>]) -> Option<Question> {
    let pairs = || probes.iter().zip(first.outputs.iter().zip(&second.outputs)).filter(|(_, (a, b))| a != b);
    let both = pairs().find(|(_, (a, b))| a.is_some() && b.is_some());
    both.or_else(|| pairs().next()).map(|(arguments, (a, b))| Question {
        arguments: arguments.clone(),
        first: a.clone(),
        second: b.clone(),
    })
}
