//! What is graded: programs that examples lead to, and programs that examples are fitted by.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use cascade_synthesis::forge::{Forged, forge};
use cascade_synthesis::grade::{Held, Verdict};
use cascade_synthesis::search::Budget;
use cascade_synthesis::spec::Task;

fn forged(text: &str, terms: u64) -> Forged {
    let task = Task::parse(text, None).unwrap();
    forge(&task, &mut Budget { terms, keep_going: &mut || true })
}

fn points(forged: &Forged, name: &str) -> i8 {
    let best = forged.graded.first().unwrap();
    best.grade.parts.iter().find(|part| part.name == name).unwrap().points
}

const LARGEST: &str = "def f(xs: list[int]) -> int:\n '''Largest of the numbers.'''\nf([1, 2, 3]) == 3\nf([9, 4]) == 9\nf([-5, -7]) == -5\nf([6, 8, 7]) == 8\n";

#[test]
fn a_program_that_few_examples_lead_to_is_admitted() {
    let forged = forged(LARGEST, 60_000);
    assert_eq!(forged.graded[0].candidate.python, "def f(xs: list[int]) -> int:\n    return max(xs)\n");
    let held = forged.outcome.held.unwrap();
    assert_eq!((held.examples, held.kept), (4, 4));
    assert!(held.needed <= 1, "{held:?}");
    assert_eq!(forged.verdict(), Verdict::Admit);
}

#[test]
fn a_program_that_every_example_is_needed_for_is_not_held_up_by_them() {
    // No two of these results have anything to do with each other.
    let forged = forged(
        "def f(n: int) -> int:\n '''Something.'''\nf(3) == 1\nf(4) == 0\nf(9) == 1\nf(12) == 1\nf(13) == 0\n",
        60_000,
    );
    let held = forged.outcome.held.unwrap();
    assert!(held.kept < held.examples && held.needed > 1, "{held:?}");
    assert_eq!(forged.verdict(), Verdict::Retry, "{:?}", forged.graded[0]);
}

#[test]
fn one_example_holds_nothing_out() {
    let forged = forged("def f(xs: list[int]) -> int:\n '''Largest.'''\nf([1, 2, 3]) == 3\n", 30_000);
    assert_eq!(forged.outcome.held.unwrap().kept, 0);
    assert_eq!(points(&forged, "examples held out"), 0);
}

#[test]
fn parts_of_a_tuple_are_held_out_together() {
    let forged = forged(
        "def f(xs: list[int]) -> tuple[int, int]:\n  '''Smallest and largest.'''\nf([3, 1, 2]) == (1, 3)\nf([5, 9, 7, 8]) == (5, 9)\nf([4]) == (4, 4)\n",
        60_000,
    );
    assert_eq!(forged.outcome.held.map(|held| (held.examples, held.kept)), Some((3, 3)));
}

#[test]
fn trees_are_held_out_too() {
    let text = "def f(n: int) -> str:\n  '''Say 'low' for a number below 10, else 'high'.'''\nf(3) == 'low'\nf(12) == 'high'\nf(9) == 'low'\nf(10) == 'high'\nf(51) == 'high'\nf(8) == 'low'\nf(13) == 'high'\n";
    let forged = forged(text, 150_000);
    assert!(forged.graded[0].candidate.decision_tree);
    let held = forged.outcome.held.unwrap();
    // Both sides of the limit are needed, and hardly more.
    assert!(held.examples == 7 && held.kept >= 5 && (2..=4).contains(&held.needed), "{held:?}");
}

#[test]
fn only_the_best_can_be_admitted() {
    let forged = forged("def f(xs: list[int]) -> int:\nf([1, 2, 3]) == 3\nf([2, 1, 4]) == 4\n", 60_000);
    assert!(forged.graded.len() > 1);
    assert!(forged.graded[1..].iter().all(|graded| graded.grade.verdict() == Verdict::Retry));
}

#[test]
fn a_search_that_ended_early_says_nothing_about_rivals() {
    let whole = forged(LARGEST, 60_000);
    let best = &whole.graded[0].candidate;
    let found = |terms: u64| {
        forged(LARGEST, terms).graded.first().is_some_and(|first| first.candidate.python == best.python)
    };
    // The least budget that still finds the program: with one term less the search ends inside the level of its cost.
    let (mut without, mut with) = (1, 60_000);
    while with - without > 1 {
        let middle = u64::midpoint(without, with);
        if found(middle) { with = middle } else { without = middle }
    }
    assert!(forged(LARGEST, without).outcome.searched < best.cost);
    let cut = forged(LARGEST, with);
    assert!(cut.outcome.searched < whole.outcome.searched);
    assert!(points(&cut, "rivals") < points(&whole, "rivals"), "{:?}", cut.graded[0].grade);
}

#[test]
fn nothing_found_is_tried_elsewhere() {
    let forged = forged("def f(n: int) -> str:\nf(1) == 'qzx'\nf(2) == 'mwv'\nf(3) == 'plk'\n", 2_000);
    assert!(forged.graded.is_empty());
    assert_eq!(forged.verdict(), Verdict::Retry);
    assert_eq!(forged.outcome.held, None::<Held>);
}
