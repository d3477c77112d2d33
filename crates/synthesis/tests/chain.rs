//! Chains of typed templates: what fits is answered at once, what does not is declined.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use cascade_synthesis::spec::Task;
use cascade_synthesis::templates::{Declined, Emitted, Spec, digest, emit, overlap};

fn tried(text: &str) -> Result<Vec<Emitted>, Declined> {
    emit(&Spec::Task(&Task::parse(text, None).unwrap()))
}

fn best(text: &str) -> (String, Vec<String>) {
    let found = tried(text).unwrap().remove(0);
    (found.python.rsplit("return ").next().unwrap().trim().to_owned(), found.operations)
}

#[test]
fn stages_are_composed_up_to_three() {
    let (python, operations) = best(
        "def f(xs: list[int]) -> int:\n '''Keep the even numbers, add one to each, and sum.'''\nf([1, 2, 4]) == 8\nf([3, 6]) == 7\n",
    );
    assert_eq!(python, "sum(x + 1 for x in [x for x in xs if x % 2 == 0])");
    assert_eq!(operations, ["filter even", "map successor", "sum"]);
    let (python, operations) = best(
        "def f(text: str) -> str:\n '''Reverse the order of the words.'''\nf('a b c') == 'c b a'\nf('hello big world') == 'world big hello'\n",
    );
    assert_eq!((python.as_str(), operations.len()), ("' '.join(text.split()[::-1])", 3));
}

#[test]
fn parameters_stand_beside() {
    let (python, _) = best(
        "def f(xs: list[int], k: int) -> list[int]:\n '''The numbers greater than k.'''\nf([1, 5, 3], 2) == [5, 3]\nf([1], 4) == []\n",
    );
    assert_eq!(python, "[x for x in xs if k < x]");
    let (python, _) = best(
        "def f(table: dict[str, int], key: str) -> int:\n '''Look up.'''\nf({'a': 3}, 'a') == 3\nf({'a': 3, 'b': 4}, 'b') == 4\n",
    );
    assert_eq!(python, "table[key]");
}

#[test]
fn texts_are_formatted() {
    let (python, operations) = best(
        "def greet(name: str) -> str:\n '''Greet by upper case name.'''\ngreet('Ann') == 'Hello, ANN!'\ngreet('Bo') == 'Hello, BO!'\n",
    );
    assert_eq!(python, "'Hello, ' + name.upper() + '!'");
    assert_eq!(operations, ["upper", "format"]);
}

#[test]
fn what_ignores_a_parameter_or_fits_by_the_first_example_only_is_declined() {
    assert_eq!(
        tried("def f(xs: list[int], k: int) -> int:\n '''Sum.'''\nf([1, 2], 3) == 3\n"),
        Err(Declined::NoChain)
    );
    assert_eq!(
        tried("def f(xs: list[int]) -> int:\n '''Sum.'''\nf([1, 2]) == 3\nf([2, 2]) == 5\n"),
        Err(Declined::NoChain)
    );
    assert_eq!(tried("def f(n: int) -> str:\n '''Odd.'''\nf(1) == 'qzx'\n"), Err(Declined::NoChain));
}

#[test]
fn what_shares_too_few_words_with_its_task_is_declined() {
    // The name and the parameter say nothing, and neither does the description.
    let text = "def zz(qq):\n '''Untold.'''\nzz([3, 1, 2]) == [1, 2, 3]\nzz([9, 5]) == [5, 9]\n";
    let Ok(found) = tried(text) else { panic!("sorting is a chain of one") };
    assert!(overlap(&format!("{} {}", "def zz(qq):", "Untold."), &found[0].python) >= 0.40);
    let text = "def zz(qq):\n '''Untold.'''\nzz([2, 3, 6]) == 2.0\nzz([10, 15]) == 12.5\n";
    assert!(matches!(tried(text), Err(Declined::NoChain | Declined::Overlap)));
}

#[test]
fn the_library_has_a_digest() {
    assert_eq!(digest().len(), 64);
    assert_ne!(digest(), cascade_synthesis::library::digest());
}

#[test]
fn long_examples_are_left_to_the_search() {
    let task = |count: usize| {
        let xs: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        let total = count * (count - 1) / 2;
        tried(&format!("def f(xs: list[int]) -> int:\n '''Sum.'''\nf([{}]) == {total}\n", xs.join(", ")))
    };
    assert!(task(256).is_ok());
    assert_eq!(task(257), Err(Declined::NoChain));
}
