//! L4 and L5: programs searched from the examples, graded by named evidence.

use std::thread;
use std::time::{Duration, Instant};

use cascade_policy::facts::TaskKind;
use cascade_receipt::content;
use cascade_synthesis::forge::{self, Forged};
use cascade_synthesis::grade::ADMIT_MIN;
use cascade_synthesis::search::Budget;
use cascade_synthesis::spec;
use cascade_synthesis::value::Value;

use super::{Asked, CANDIDATES_MAX, Candidate, Layer, Manifest, Question, Reply};

/// How long after the decision the first search looks.
const FIRST: Duration = Duration::from_millis(400);
/// How long after it the second one does: the end of all searching for one task.
pub(crate) const SEARCH_UNTIL: Duration = Duration::from_millis(1_300);
/// What the first search must reach: nobody looks longer behind it.
const FIRST_MIN: u8 = 70;
/// Terms that no budget of time reaches.
const TERMS_MAX: u64 = 1_000_000_000;

/// A search with a budget of time.
#[derive(Debug)]
pub struct Search {
    manifest: Manifest,
    /// Asserts of the caller's tests are examples for it. For the first search they are not: a program that was made
    /// without them and passes them was right about something it had not seen.
    asserts: bool,
}

impl Search {
    /// L4: what a short search finds and much speaks for, from the examples alone.
    #[must_use]
    pub fn enumerate() -> Self {
        Self::of(content::Layer::L4, FIRST_MIN, FIRST, false)
    }

    /// L5: a longer search, with the asserts of the caller's tests; a lower grade, below which the verdict is to try
    /// the next layer.
    #[must_use]
    pub fn forge() -> Self {
        Self::of(content::Layer::L5, ADMIT_MIN, SEARCH_UNTIL, true)
    }

    fn of(layer: content::Layer, admit_min: u8, budget: Duration, asserts: bool) -> Self {
        let kinds = vec![TaskKind::Code];
        Self { manifest: Manifest { behind: layer.clone(), layer, kinds, admit_min, budget }, asserts }
    }
}

impl Layer for Search {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn ask(&self, asked: &Asked<'_>) -> Reply {
        let read = if self.asserts { &asked.spec.read } else { &asked.spec.told };
        let Ok(task) = read else { return Reply::Pass("spec.unread") };
        let candidates = match asked.notes.searched.get().filter(|_| task.asserted == 0) {
            Some(known) => known.clone(),
            None => Self::search(asked, task),
        };
        if candidates.is_empty() { Reply::Pass("search.nothing") } else { Reply::Take(candidates) }
    }
}

impl Search {
    fn search(asked: &Asked<'_>, task: &spec::Task) -> Vec<Candidate> {
        let end = asked.until;
        let mut keep_going = || Instant::now() < end;
        let forged = forge::forge(task, &mut Budget { terms: TERMS_MAX, keep_going: &mut keep_going });
        let most = if asked.several { CANDIDATES_MAX } else { 1 };
        let question = question(task, &forged);
        let candidates = forged.graded.iter().take(most).enumerate().map(|(at, graded)| Candidate {
            source: graded.candidate.python.clone(),
            entry: Some(task.name.clone()),
            grade: graded.grade.total,
            unseen: if task.asserted == 0 { graded.grade.total } else { 0 },
            question: question.clone().filter(|_| at == 0),
        });
        let candidates: Vec<Candidate> = candidates.collect();
        if Instant::now() < end {
            drop(asked.notes.searched.set(candidates.clone()));
        }
        // What a search keeps takes a while to be dropped, and nobody waits for that.
        drop(thread::Builder::new().spawn(move || drop(forged)));
        candidates
    }
}

fn question(task: &spec::Task, forged: &Forged) -> Option<Question> {
    let question = forged.outcome.question.as_ref()?;
    let arguments: Vec<String> = question.arguments.iter().map(Value::repr).collect();
    let told = |value: &Option<Value>| value.as_ref().map(Value::repr);
    Some(Question {
        call: format!("{}({})", task.name, arguments.join(", ")),
        first: told(&question.first),
        second: told(&question.second),
    })
}
