//! Programs with grades: the search, what it found out about each program, and what that is worth.

use crate::grade::{Evidence, Grade, Verdict, grade};
use crate::outcome::{Candidate, Outcome};
use crate::search::{Budget, Remains, Vocabulary, search_leaving};
use crate::spec::Task;

/// A program with its grade.
#[derive(Clone, Debug)]
pub struct Graded {
    /// The program.
    pub candidate: Candidate,
    /// What speaks for it and against it.
    pub grade: Grade,
}

/// What a forge gives.
#[derive(Clone, Debug)]
pub struct Forged {
    /// Programs in order of cost, as the search has them, each with its grade.
    pub graded: Vec<Graded>,
    /// The search's own account: luck, gap, the input that tells the best two apart.
    pub outcome: Outcome,
    /// What the search has kept, to be dropped where nobody waits.
    pub remains: Remains,
}

impl Forged {
    /// What to do with the best program: below the least grade, or without a program, try the next layer.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.graded.first().map_or(Verdict::Retry, |best| best.grade.verdict())
    }
}

/// Searches for programs over operators, decision trees and the library, and grades them. Only the best one can be
/// held against examples left out, so only it can be admitted.
#[must_use]
pub fn forge(task: &Task, budget: &mut Budget<'_>) -> Forged {
    let (outcome, remains) = search_leaving(task, Vocabulary::Library, budget);
    Forged { graded: graded(task, &outcome), outcome, remains }
}

/// Grades what a search has found.
#[must_use]
pub fn graded(task: &Task, outcome: &Outcome) -> Vec<Graded> {
    let each = outcome.candidates.iter().enumerate();
    each.filter_map(|(place, candidate)| {
        let evidence = Evidence::of(task, outcome, place)?;
        Some(Graded { candidate: candidate.clone(), grade: grade(&evidence) })
    })
    .collect()
}
