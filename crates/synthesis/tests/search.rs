//! What the engine finds, and that it finds the same every time.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use cascade_synthesis::limits::{SCOPE_ENVIRONMENTS_MAX, STEPS_MAX};
use cascade_synthesis::outcome::Outcome;
use cascade_synthesis::search::{ASK_EVERY, Budget, Vocabulary, search};
use cascade_synthesis::spec::Task;
use cascade_synthesis::term::evaluate;
use cascade_synthesis::value::{Value, parse};

fn found(text: &str, terms: u64) -> Outcome {
    let task = Task::parse(text, None).unwrap();
    search(&task, Vocabulary::Library, &mut Budget { terms, keep_going: &mut || true })
}

/// The best program's body, which every example must agree with.
fn best(text: &str) -> String {
    let outcome = found(text, 150_000);
    let best = outcome.candidates.first().expect("a program");
    for example in Task::parse(text, None).unwrap().examples {
        assert_eq!(evaluate(&best.term, &example.arguments, STEPS_MAX).unwrap(), example.expected);
    }
    best.python.clone()
}

#[test]
fn operators_are_composed() {
    let python = best(
        "def f(a: int, b: int) -> int:\n  '''Product with the sum.'''\nf(2, 3) == 15\nf(1, 5) == 30\nf(4, -1) == -3\n",
    );
    assert_eq!(python, "def f(a: int, b: int) -> int:\n    return b * (a + b)\n");
}

#[test]
fn loops_filter_map_and_count() {
    let python = best(
        "def f(xs: list[int]) -> list[int]:\n  '''Squares of the even numbers.'''\nf([2, 1, 3, 4]) == [4, 16]\nf([7, 6]) == [36]\nf([6, 8, 5]) == [36, 64]\n",
    );
    assert_eq!(python, "def f(xs: list[int]) -> list[int]:\n    return [x ** 2 for x in xs if x % 2 == 0]\n");
    let python = best(
        "def f(words: list[str], k: int) -> int:\n  '''How many words have a length greater than k.'''\nf(['a', 'bcd', 'ef'], 1) == 2\nf(['abc', 'abcd'], 3) == 1\nf([], 0) == 0\n",
    );
    assert_eq!(
        python,
        "def f(words: list[str], k: int) -> int:\n    return sum(1 for x in words if k < len(x))\n"
    );
}

#[test]
fn folds_carry_a_total() {
    let python = best(
        "def f(xs: list[int]) -> int:\n  '''Subtract what came before.'''\nf([5, 3, 9]) == 11\nf([1, 2]) == 1\nf([4]) == 4\nf([10, 1, 1, 7]) == -3\nf([2, 2, 2, 2]) == 0\n",
    );
    assert!(python.contains("functools.reduce(lambda y, x: "), "{python}");
    assert!(python.starts_with("import functools\n\n\ndef f("), "{python}");
}

#[test]
fn decision_trees_cover_the_examples_and_say_so() {
    let text = "def f(n: int) -> str:\n  '''Say 'low' for a number below 10, else 'high'.'''\nf(3) == 'low'\nf(12) == 'high'\nf(9) == 'low'\nf(10) == 'high'\nf(51) == 'high'\nf(8) == 'low'\nf(13) == 'high'\n";
    let outcome = found(text, 150_000);
    let best = &outcome.candidates[0];
    assert!(best.decision_tree);
    assert_eq!(best.python, "def f(n: int) -> str:\n    return 'low' if n < 10 else 'high'\n");
}

#[test]
fn tuples_are_found_part_by_part() {
    let python = best(
        "def f(xs: list[int]) -> tuple[int, int]:\n  '''Smallest and largest.'''\nf([3, 1, 2]) == (1, 3)\nf([5, 9, 7, 8]) == (5, 9)\n",
    );
    assert_eq!(python, "def f(xs: list[int]) -> tuple[int, int]:\n    return (min(xs), max(xs))\n");
}

#[test]
fn helpers_are_emitted_with_their_definition() {
    let python = best(
        "def f(xs: list[int]) -> list[int]:\n  '''Only the prime numbers.'''\nf([1, 2, 9, 11]) == [2, 11]\nf([4, 15, 13]) == [13]\n",
    );
    assert!(python.starts_with("def is_prime(n):\n"), "{python}");
    assert!(
        python.ends_with(
            "\n\n\ndef f(xs: list[int]) -> list[int]:\n    return [x for x in xs if is_prime(x)]\n"
        ),
        "{python}"
    );
}

#[test]
fn without_the_library_no_helper_is_used() {
    let text = "def f(xs: list[int]) -> list[int]:\n  '''Only the prime numbers.'''\nf([1, 2, 9, 11]) == [2, 11]\nf([4, 15, 13]) == [13]\n";
    let task = Task::parse(text, None).unwrap();
    let outcome =
        search(&task, Vocabulary::Operators, &mut Budget { terms: 20_000, keep_going: &mut || true });
    assert!(outcome.candidates.iter().all(|found| !found.python.contains("is_prime")));
}

#[test]
fn rivals_come_with_an_input_that_tells_them_apart() {
    let outcome = found("def f(xs: list[int]) -> int:\nf([1, 2, 3]) == 3\n", 50_000);
    let question = outcome.question.expect("more than one program fits a single example");
    assert_ne!(question.first, question.second);
    for (candidate, said) in outcome.candidates.iter().zip([&question.first, &question.second]) {
        assert_eq!(evaluate(&candidate.term, &question.arguments, STEPS_MAX).ok(), *said);
    }
    assert!(outcome.luck.expect("there is a program") > 0.5, "one example proves little");
    assert!(outcome.gap.is_some());
}

#[test]
fn more_examples_leave_less_to_luck() {
    let few = found("def f(xs: list[int]) -> int:\n '''Largest.'''\nf([1, 2, 3]) == 3\n", 50_000);
    let many = found(
        "def f(xs: list[int]) -> int:\n '''Largest.'''\nf([1, 2, 3]) == 3\nf([9, 4]) == 9\nf([-5, -7]) == -5\nf([6, 8, 7]) == 8\n",
        50_000,
    );
    assert!(many.luck.unwrap() < few.luck.unwrap() / 10.0, "{:?} {:?}", many.luck, few.luck);
}

#[test]
fn the_same_budget_gives_the_same_programs() {
    let text = "def f(text: str, k: int) -> str:\n  '''Every k-th letter in upper case.'''\nf('abcdef', 2) == 'ACE'\nf('hello', 3) == 'HL'\n";
    let programs = |terms| {
        let outcome = found(text, terms);
        let texts: Vec<String> = outcome.candidates.iter().map(|found| found.python.clone()).collect();
        (texts, outcome.terms, outcome.luck.map(f64::to_bits))
    };
    assert_eq!(programs(30_000), programs(30_000));
}

#[test]
fn budgets_end_a_search() {
    let text = "def f(n: int) -> int:\nf(1) == 8231\nf(2) == 17\nf(3) == 90210\nf(4) == -5\nf(5) == 77777\n";
    assert_eq!(found(text, 5_000).terms, 5_000);
    let task = Task::parse(text, None).unwrap();
    let mut asked = 0;
    let mut keep_going = || {
        asked += 1;
        asked < 4
    };
    let outcome =
        search(&task, Vocabulary::Library, &mut Budget { terms: u64::MAX, keep_going: &mut keep_going });
    assert_eq!(asked, 4);
    assert!((1..=4 * ASK_EVERY as u64).contains(&outcome.terms), "{}", outcome.terms);
}

#[test]
fn names_that_hide_builtins_do_no_harm() {
    let python = best(
        "def digits(list: list[int], max: int) -> list[int]:\n  '''Those below max, sorted.'''\ndigits([3, 1, 2], 3) == [1, 2]\ndigits([9, 4], 10) == [4, 9]\ndigits([6, 5], 6) == [5]\n",
    );
    assert!(python.contains("def digits_of(value_1, value_2):\n"), "{python}");
    assert!(python.ends_with("    return digits_of(list, max)\n"), "{python}");
}

#[test]
fn nothing_is_found_where_nothing_fits() {
    let outcome = found("def f(n: int) -> str:\nf(1) == 'qzx'\nf(2) == 'mwv'\nf(3) == 'plk'\n", 3_000);
    assert!(outcome.candidates.is_empty());
    assert_eq!((outcome.luck, outcome.gap, outcome.question), (None, None, None));
    assert_eq!(outcome.library.len(), 64);
    assert_eq!(parse("1"), Ok(Value::Int(1)));
}

#[test]
fn loops_open_over_so_many_elements_and_no_more() {
    let squares = |count: usize| {
        let (xs, ys): (Vec<String>, Vec<String>) =
            (0..count).map(|n| (n.to_string(), (n * n).to_string())).unzip();
        let text = format!(
            "def f(xs: list[int]) -> list[int]:\n '''Squares.'''\nf([{}]) == [{}]\n",
            xs.join(", "),
            ys.join(", ")
        );
        found(&text, 3_000)
            .candidates
            .iter()
            .any(|found| found.python.ends_with("return [x ** 2 for x in xs]\n"))
    };
    assert!(squares(SCOPE_ENVIRONMENTS_MAX));
    assert!(!squares(SCOPE_ENVIRONMENTS_MAX + 1));
}

#[test]
fn a_helper_gives_way_to_the_function_of_its_name() {
    let python = best(
        "def is_prime(xs: list[int]) -> list[int]:\n  '''Only the prime numbers.'''\nis_prime([1, 2, 9, 11]) == [2, 11]\nis_prime([4, 15, 13]) == [13]\n",
    );
    assert!(python.starts_with("def is_prime_helper(n):\n"), "{python}");
    assert!(python.ends_with("    return [x for x in xs if is_prime_helper(x)]\n"), "{python}");
}

#[test]
fn what_a_signature_takes_from_typing_is_imported() {
    let python = best(
        "def f(xs: List[int], k: Optional[int] = 1) -> int:\n  '''Largest.'''\nf([1, 3]) == 3\nf([9, 4]) == 9\n",
    );
    assert_eq!(
        python,
        "from typing import List, Optional\n\n\ndef f(xs: List[int], k: Optional[int] = 1) -> int:\n    return max(xs)\n"
    );
}
