//! L3: known functions of the right types, tried against this task's own examples.

use std::time::Duration;

use cascade_policy::facts::TaskKind;
use cascade_receipt::content;
use cascade_synthesis::snippets;

use super::{Asked, CANDIDATES_MAX, Candidate, Layer, Manifest, Reply, with_asserts};

/// Nothing is searched: an index by type is looked into.
const BUDGET: Duration = Duration::from_millis(50);
/// What a function is worth that reproduces so many examples: it was written for no task, so one of the right types
/// fits by luck less often than a program that was made to fit.
const GRADES: [u8; 5] = [0, 40, 45, 72, 80];

/// The grade of a function that was not made for this task, by how many examples it reproduces.
pub(crate) fn grade(examples: usize) -> u8 {
    GRADES.get(examples.min(GRADES.len() - 1)).copied().unwrap_or(0)
}

/// Functions of the library, those first that share the rarest words with the task.
#[derive(Debug)]
pub struct Retrieval {
    manifest: Manifest,
}

impl Retrieval {
    /// Over the whole library.
    #[must_use]
    pub fn new() -> Self {
        let (layer, kinds) = (content::Layer::L3, vec![TaskKind::Code]);
        Self { manifest: Manifest { behind: layer.clone(), layer, kinds, admit_min: 70, budget: BUDGET } }
    }
}

impl Default for Retrieval {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for Retrieval {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn ask(&self, asked: &Asked<'_>) -> Reply {
        let Ok(task) = &asked.spec.read else { return Reply::Pass("spec.unread") };
        let examples = task.examples.len();
        let unseen = grade(examples - task.asserted);
        let grade = with_asserts(grade(examples), unseen);
        let answer = |snippet: &&snippets::Snippet| {
            Some(Candidate {
                source: snippet.answer(task)?,
                entry: Some(task.name.clone()),
                grade,
                unseen,
                question: None,
            })
        };
        let found: Vec<Candidate> =
            snippets::matching(task).iter().filter_map(answer).take(CANDIDATES_MAX).collect();
        if found.is_empty() { Reply::Pass("retrieval.nothing") } else { Reply::Take(found) }
    }
}
