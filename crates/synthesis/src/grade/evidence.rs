//! What is known about one program of a search, gathered once and as plain numbers.

use std::collections::BTreeSet;

use crate::hints::Hints;
use crate::ops::Op;
use crate::outcome::Outcome;
use crate::search;
use crate::spec::Task;
use crate::term::{Form, Term};
use crate::value::Value;

use super::Held;

/// What is known about a program; everything a grade is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Examples that it reproduces.
    pub examples: usize,
    /// Different results among them.
    pub results: usize,
    /// What holding examples out said; `None` where it cannot be told.
    pub held: Option<Held>,
    /// How many programs up to this cost would reproduce the examples by luck.
    pub luck: f64,
    /// How much more the next program costs that behaves differently; negative for one that is not the best.
    pub gap: Option<i64>,
    /// How far past its cost all programs were looked at; negative when the search ended before that.
    pub beyond: i64,
    /// Nodes of the program's tree.
    pub nodes: usize,
    /// Its cost: the shorter and the better the words of the description speak for it, the less.
    pub cost: u32,
    /// Whether a decision tree covers the examples.
    pub decision_tree: bool,
    /// Parameters without a default that it does not look at.
    pub ignored: usize,
    /// Inputs near the examples.
    pub probes: usize,
    /// Those it has a value for.
    pub valued: usize,
    /// Those on which it agrees with the best program that differs from it.
    pub agreeing: usize,
    /// Operators that a word of the description speaks for.
    pub spoken: usize,
    /// Operators that have words of their own, none of which the description says.
    pub unspoken: usize,
    /// Constants that neither the description nor a result of an example mentions.
    pub strange: usize,
    /// Share of the description's words that come up in the program.
    pub overlap: f64,
}

impl Evidence {
    /// What there is about a program of an outcome; `None` when there is none at this place.
    #[must_use]
    pub fn of(task: &Task, outcome: &Outcome, place: usize) -> Option<Self> {
        let candidate = outcome.candidates.get(place)?;
        let rival =
            outcome.candidates.iter().enumerate().find(|(at, _)| *at != place).map(|(_, rival)| rival);
        let hints = Hints::new(task);
        let mut parts = Parts::default();
        parts.look(&candidate.term);
        let heard: Vec<bool> = parts.operators.iter().filter_map(|op| hints.speaks_for(op)).collect();
        let spoken = heard.iter().filter(|heard| **heard).count();
        let agreeing = rival.map_or(candidate.outputs.len(), |rival| {
            candidate.outputs.iter().zip(&rival.outputs).filter(|(a, b)| a == b).count()
        });
        let results: BTreeSet<String> = task.examples.iter().map(|example| example.expected.repr()).collect();
        Some(Self {
            examples: task.examples.len(),
            results: results.len(),
            held: if place == 0 { outcome.held } else { None },
            luck: outcome.luck.unwrap_or(f64::INFINITY),
            gap: rival.map(|rival| i64::from(rival.cost) - i64::from(candidate.cost)),
            beyond: i64::from(outcome.searched) - i64::from(candidate.cost),
            nodes: parts.nodes,
            cost: candidate.cost,
            decision_tree: candidate.decision_tree,
            ignored: search::ignored(task, &candidate.term),
            probes: candidate.outputs.len(),
            valued: candidate.outputs.iter().filter(|output| output.is_some()).count(),
            agreeing,
            spoken,
            unspoken: heard.len() - spoken,
            strange: parts.constants.iter().filter(|value| strange(task, value)).count(),
            overlap: crate::templates::coverage(&task.description, &candidate.python),
        })
    }
}

/// Whether nothing says where a constant comes from.
fn strange(task: &Task, value: &Value) -> bool {
    let plain = match value {
        Value::Int(i) => (0..=2).contains(i),
        Value::Str(text) => text.is_empty() || text.as_ref() == " ",
        Value::List(items) => items.is_empty(),
        Value::Float(_) | Value::Tuple(_) | Value::Dict(_) => false,
        Value::None | Value::Bool(_) => true,
    };
    let bare = match value {
        Value::Str(text) => text.to_string(),
        other => other.repr(),
    };
    let mentioned = task.description.contains(&bare);
    !plain && !mentioned && !task.examples.iter().any(|example| example.expected == *value)
}

/// What a program is made of.
#[derive(Default)]
struct Parts {
    operators: Vec<&'static Op>,
    constants: Vec<Value>,
    nodes: usize,
}

impl Parts {
    fn look(&mut self, term: &Term) {
        self.nodes += 1;
        match term {
            Term::Var(_) => {}
            Term::Const(value) => self.constants.push(value.clone()),
            Term::Call(op, arguments) => {
                self.operators.push(op);
                arguments.iter().for_each(|argument| self.look(argument));
            }
            Term::If(parts) => parts.iter().for_each(|part| self.look(part)),
            Term::Scope(scope) => {
                self.look(&scope.source);
                self.look(&scope.body);
                scope.filter.iter().for_each(|filter| self.look(filter));
                if let Form::Fold(start) = &scope.form {
                    self.constants.push(start.clone());
                }
            }
            Term::Tuple(parts) | Term::List(parts) => parts.iter().for_each(|part| self.look(part)),
        }
    }
}
