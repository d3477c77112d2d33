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

/// How long the first search looks.
const FIRST: Duration = Duration::from_millis(500);
/// How long the second one does.
const SECOND: Duration = Duration::from_secs(5);
/// What the first search must reach: nobody looks longer behind it.
const FIRST_MIN: u8 = 70;
/// Terms that no budget of time reaches.
const TERMS_MAX: u64 = 1_000_000_000;

/// A search with a budget of time.
#[derive(Debug)]
pub struct Search {
    manifest: Manifest,
}

impl Search {
    /// L4: what a short search finds and much speaks for.
    #[must_use]
    pub fn enumerate() -> Self {
        Self::of(content::Layer::L4, FIRST_MIN, FIRST)
    }

    /// L5: a longer search; a lower grade, below which the verdict is to try the next layer.
    #[must_use]
    pub fn forge() -> Self {
        Self::of(content::Layer::L5, ADMIT_MIN, SECOND)
    }

    fn of(layer: content::Layer, admit_min: u8, budget: Duration) -> Self {
        let kinds = vec![TaskKind::Code];
        Self { manifest: Manifest { behind: layer.clone(), layer, kinds, admit_min, budget } }
    }
}

impl Layer for Search {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn ask(&self, asked: &Asked<'_>) -> Reply {
        let Ok(task) = &asked.spec.read else { return Reply::Pass("spec.unread") };
        let candidates = match asked.notes.searched.get() {
            Some(known) => known.clone(),
            None => self.search(asked, task),
        };
        if candidates.is_empty() { Reply::Pass("search.nothing") } else { Reply::Take(candidates) }
    }
}

impl Search {
    fn search(&self, asked: &Asked<'_>, task: &spec::Task) -> Vec<Candidate> {
        let own = Instant::now() + self.manifest.budget;
        let end = asked.until.map_or(own, |until| until.min(own));
        let mut keep_going = || Instant::now() < end;
        let forged = forge::forge(task, &mut Budget { terms: TERMS_MAX, keep_going: &mut keep_going });
        let most = if asked.several { CANDIDATES_MAX } else { 1 };
        let question = question(task, &forged);
        let candidates = forged.graded.iter().take(most).enumerate().map(|(at, graded)| Candidate {
            source: graded.candidate.python.clone(),
            entry: Some(task.name.clone()),
            grade: graded.grade.total,
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
