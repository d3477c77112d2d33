//! L4: programs enumerated from the examples.

use std::time::{Duration, Instant};

use cascade_policy::facts::TaskKind;
use cascade_receipt::content;
use cascade_synthesis::outcome::Outcome;
use cascade_synthesis::search::{Budget, Vocabulary, search};
use cascade_synthesis::spec;
use cascade_synthesis::value::Value;

use super::{Asked, Layer, Manifest, PROPOSALS_MAX, Proposal, Question, Reply};

/// How long it looks.
const BUDGET: Duration = Duration::from_millis(500);
/// Terms that no budget of time reaches.
const TERMS_MAX: u64 = 1_000_000_000;

/// Programs enumerated from the examples, the cheapest first.
#[derive(Debug)]
pub struct Enumerate {
    manifest: Manifest,
}

impl Enumerate {
    /// With its usual budget.
    #[must_use]
    pub fn new() -> Self {
        let layer = content::Layer::L4;
        let kinds = vec![TaskKind::Code];
        Self { manifest: Manifest { behind: layer.clone(), layer, kinds, admit_min: 70, budget: BUDGET } }
    }
}

impl Default for Enumerate {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for Enumerate {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn propose(&self, asked: &Asked<'_>) -> Reply {
        let Ok(task) = &asked.spec.read else { return Reply::Pass("spec.unread") };
        let end = Instant::now() + self.manifest.budget;
        let mut keep_going = || Instant::now() < end;
        let outcome =
            search(task, Vocabulary::Library, &mut Budget { terms: TERMS_MAX, keep_going: &mut keep_going });
        if outcome.candidates.is_empty() {
            return Reply::Pass("search.nothing");
        }
        let most = if asked.several { PROPOSALS_MAX } else { 1 };
        let grade = grade(task, &outcome);
        let question = question(task, &outcome);
        let proposals = outcome.candidates.iter().take(most).enumerate().map(|(at, candidate)| Proposal {
            source: candidate.python.clone(),
            grade: if at == 0 { grade } else { 0 },
            question: question.clone().filter(|_| at == 0),
        });
        Reply::Take(proposals.collect())
    }
}

/// From how likely it is that a program fits by luck, and how near the next one is that behaves otherwise.
fn grade(task: &spec::Task, outcome: &Outcome) -> u8 {
    let Some(best) = outcome.candidates.first() else { return 0 };
    let luck = match outcome.luck {
        Some(luck) if luck < 0.01 => 50,
        Some(luck) if luck < 0.1 => 30,
        _ => 0,
    };
    let gap = outcome.gap.map_or(25, |gap| 10 * u8::try_from(gap.min(2)).unwrap_or(2));
    let examples = 5 * u8::try_from(task.examples.len().min(4)).unwrap_or(4);
    let simple = if best.decision_tree { 0 } else { 5 };
    luck + gap + examples + simple
}

fn question(task: &spec::Task, outcome: &Outcome) -> Option<Question> {
    let question = outcome.question.as_ref()?;
    let arguments: Vec<String> = question.arguments.iter().map(Value::repr).collect();
    let told = |value: &Option<Value>| value.as_ref().map(Value::repr);
    Some(Question {
        call: format!("{}({})", task.name, arguments.join(", ")),
        first: told(&question.first),
        second: told(&question.second),
    })
}
