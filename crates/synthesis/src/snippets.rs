//! A library of general Python functions to retrieve from: maths, texts, lists, dates, parsing.
//!
//! Each stands on its own, has types, a description and examples that a test holds against CPython. None was made for
//! a problem of a benchmark. What matches a task by type and words is a candidate and no more: whoever uses one runs it
//! on the task's own examples first.

mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::spec::Task;
use crate::templates::words;
use crate::types::{Bindings, Type};

const FILES: &[&str] = &[
    include_str!("snippets/maths.py"),
    include_str!("snippets/text.py"),
    include_str!("snippets/lists.py"),
    include_str!("snippets/dates.py"),
    include_str!("snippets/parsing.py"),
];

/// Parameters up to which every order is tried.
const REORDERED_MAX: usize = 3;

/// One function.
#[derive(Debug)]
pub struct Snippet {
    /// Its name.
    pub name: String,
    /// The function on its own, imports included, as Python text.
    pub python: String,
    /// What it takes; one letter is any type, as in [`Type::Var`].
    pub parameters: Vec<Type>,
    /// What it gives.
    pub returns: Type,
    /// What it does, in words.
    pub description: String,
    /// Calls with their results, as a doctest.
    pub examples: String,
    /// SHA-256 of the Python text.
    pub hash: String,
    words: BTreeSet<String>,
}

/// All snippets with an index by type.
#[derive(Debug)]
struct Library {
    snippets: Vec<Snippet>,
    /// By how many parameters and by the outermost type of the result; `None` for any.
    by_type: BTreeMap<(usize, Option<u8>), Vec<usize>>,
    /// How many snippets have a word.
    frequency: BTreeMap<String, usize>,
    digest: String,
}

static LIBRARY: LazyLock<Library> = LazyLock::new(Library::new);

impl Library {
    fn new() -> Self {
        let snippets: Vec<Snippet> = FILES.iter().flat_map(|file| read::snippets(file)).collect();
        let (mut by_type, mut frequency) = (BTreeMap::new(), BTreeMap::new());
        for (at, snippet) in snippets.iter().enumerate() {
            let key = (snippet.parameters.len(), head(&snippet.returns));
            by_type.entry(key).or_insert_with(Vec::new).push(at);
            for word in &snippet.words {
                *frequency.entry(word.clone()).or_insert(0) += 1;
            }
        }
        let digest = read::digest(&snippets);
        Self { snippets, by_type, frequency, digest }
    }
}

/// Every snippet.
#[must_use]
pub fn all() -> &'static [Snippet] {
    &LIBRARY.snippets
}

/// SHA-256 over all snippets, in order.
#[must_use]
pub fn digest() -> String {
    LIBRARY.digest.clone()
}

/// Snippets whose types fit a task, in some order of its parameters; those first that share the rarest words with it.
#[must_use]
pub fn matching(task: &Task) -> Vec<&'static Snippet> {
    let library = &*LIBRARY;
    let results = task.results();
    let heads: BTreeSet<Option<u8>> = results.iter().flat_map(heads).collect();
    let kinds = heads.into_iter().filter_map(|head| library.by_type.get(&(task.parameters.len(), head)));
    let said = words(&format!("{} {}", task.name, task.description));
    let mut found: Vec<(usize, usize)> = kinds
        .flatten()
        .filter_map(|at| Some((*at, library.snippets.get(*at)?)))
        .filter(|(_, snippet)| snippet.order(task, &results).is_some())
        .map(|(at, snippet)| (shared(&said, snippet, library), at))
        .collect();
    found.sort_by_key(|(score, at)| (std::cmp::Reverse(*score), *at));
    found.into_iter().filter_map(|(_, at)| library.snippets.get(at)).collect()
}

/// The rarer a shared word, the more it counts.
fn shared(said: &BTreeSet<String>, snippet: &Snippet, library: &Library) -> usize {
    let shared = snippet.words.iter().filter(|word| said.contains(*word));
    shared.map(|word| 1_000 / library.frequency.get(word).copied().unwrap_or(1).max(1)).sum()
}

/// The outermost type; `None` for a variable.
fn head(of: &Type) -> Option<u8> {
    match of {
        Type::Var(_) => None,
        Type::None => Some(0),
        Type::Bool => Some(1),
        Type::Int => Some(2),
        Type::Float => Some(3),
        Type::Str => Some(4),
        Type::List(_) => Some(5),
        Type::Tuple(_) => Some(6),
        Type::Dict(..) => Some(7),
    }
}

/// The outermost types that a result of this type may be declared with: its own, any, and the other kind of number.
fn heads(of: &Type) -> Vec<Option<u8>> {
    match of {
        Type::Int | Type::Float => vec![None, head(&Type::Int), head(&Type::Float)],
        other => vec![None, head(other)],
    }
}

impl Snippet {
    /// The parameters of the task in the order that this function takes them; `None` when the types do not fit.
    fn order(&self, task: &Task, results: &[Type]) -> Option<Vec<usize>> {
        let count = self.parameters.len();
        if count != task.parameters.len() {
            return None;
        }
        let fits = |order: &Vec<usize>| {
            let mut bindings = Bindings::new();
            let mut taken = self.parameters.iter().zip(order).map(|(pattern, slot)| {
                task.parameters
                    .get(*slot)
                    .is_some_and(|parameter| takes(pattern, &parameter.of, &mut bindings))
            });
            taken.all(|taken| taken) && gives(&self.returns, &bindings, results)
        };
        orders(count).into_iter().find(fits)
    }

    /// A module that answers the task with this function under the task's name; `None` when the types do not fit.
    #[must_use]
    pub fn answer(&self, task: &Task) -> Option<String> {
        let order = self.order(task, &task.results())?;
        let named: Vec<&str> = order
            .iter()
            .filter_map(|slot| task.parameters.get(*slot))
            .map(|parameter| parameter.name.as_str())
            .collect();
        // Neither the task nor a parameter of it may hide the function.
        let hidden =
            self.name == task.name || task.parameters.iter().any(|parameter| parameter.name == self.name);
        let (own, called) = if hidden {
            let called = format!("{}_snippet", self.name);
            (read::renamed(&self.python, &self.name, &called), called)
        } else {
            (self.python.clone(), self.name.clone())
        };
        let typing = crate::emit::typing(&task.header);
        Some(format!("{typing}{own}\n\n{}\n    return {called}({})\n", task.header, named.join(", ")))
    }
}

/// Orders of so many places, the written one first.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let written: Vec<usize> = (0..count).collect();
    if count > REORDERED_MAX {
        return vec![written];
    }
    let mut all = vec![Vec::new()];
    for _ in 0..count {
        all = all
            .into_iter()
            .flat_map(|order: Vec<usize>| {
                let free = (0..count).filter(|slot| !order.contains(slot)).collect::<Vec<_>>();
                free.into_iter().map(move |slot| order.iter().copied().chain([slot]).collect())
            })
            .collect();
    }
    all
}

/// Whether a parameter takes a type; integers may stand where floats do.
fn takes(pattern: &Type, known: &Type, bindings: &mut Bindings) -> bool {
    match (pattern, known) {
        (Type::Float, Type::Int) => true,
        (Type::List(pattern), Type::List(known)) => takes(pattern, known, bindings),
        (Type::Var('n'), Type::Int | Type::Float) => {
            let wide = bindings.get(&'n') == Some(&Type::Float) || *known == Type::Float;
            bindings.insert('n', if wide { Type::Float } else { Type::Int });
            true
        }
        _ => pattern.unify(known, bindings),
    }
}

/// Whether a result may be one of the wanted types.
fn gives(returns: &Type, bindings: &Bindings, results: &[Type]) -> bool {
    returns.ground(bindings).is_none_or(|given| results.iter().any(|wanted| wanted.join(&given).is_some()))
}

#[cfg(test)]
mod tests;
