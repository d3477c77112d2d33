//! What jobs come to that do what they are meant to.

use cascade_runtime::smoke::{Job, Tested};

use crate::kit::{self, Tests, call, calls, tested};

pub(crate) fn tests() -> Tests {
    vec![
        ("values_are_written_as_python_writes_them", values_are_written_as_python_writes_them),
        ("each_call_has_a_fresh_run_of_the_source", each_call_has_a_fresh_run_of_the_source),
        ("tests_by_name_and_by_candidate", tests_by_name_and_by_candidate),
        ("tests_that_ask_nothing_prove_nothing", tests_that_ask_nothing_prove_nothing),
        ("the_backend_is_named", the_backend_is_named),
    ]
}

const ADD: &str = "def add(a, b):\n    return a + b\n";

fn values_are_written_as_python_writes_them() {
    let given = [
        "add(1, 2)",
        "add('a', \"b'\")",
        "add([1], [2.0, None])",
        "add((1,), ())",
        "add(1, 'a') ",
        "{3, 1, 2}",
    ];
    let outcome = calls(ADD, &given);
    assert_eq!(outcome[..4], ["=3", "=\"ab'\"", "=[1, 2.0, None]", "=(1,)"]);
    assert!(outcome[4].starts_with("!TypeError: unsupported operand"), "{outcome:?}");
    assert_eq!(outcome[5], "={1, 2, 3}");
}

fn each_call_has_a_fresh_run_of_the_source() {
    let source = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)\n";
    assert_eq!(calls(source, &["f(1)", "f(1)", "f(1) + f(2)"]), ["=1", "=1", "=3"]);
}

fn tests_by_name_and_by_candidate() {
    let passed =
        |tests: &str, entry| assert_eq!(tested(ADD, tests, entry).unwrap(), Tested::Passed, "{tests}");
    passed("assert add(1, 2) == 3\nassert add('a', 'b') == 'ab'", None);
    passed("def check(candidate):\n    assert candidate(1, 2) == 3\n", Some("add"));
    passed("def check(candidate):\n    assert candidate(1, b=2) == 3\ncheck(add)\n", None);
    let failed = tested(ADD, "assert add(1, 2) == 3\nassert add(1, 2) == 4\n", None).unwrap();
    assert_eq!(failed, Tested::Failed("line 2: AssertionError".to_owned()));
    let failed =
        tested(ADD, "def check(candidate):\n    assert candidate(1, 2) == 4, 'sum'\n", Some("add")).unwrap();
    assert_eq!(failed, Tested::Failed("line 2: AssertionError: sum".to_owned()));
    let failed =
        tested(ADD, "def check(candidate):\n    assert candidate(1, 2) == 3\n", Some("sub")).unwrap();
    assert_eq!(failed, Tested::Failed("NameError: the source defines no function `sub`".to_owned()));
}

fn tests_that_ask_nothing_prove_nothing() {
    for tests in ["", "assert True", "def check(candidate):\n    assert candidate(1, 2) == 4"] {
        let Tested::Failed(why) = tested(ADD, tests, None).unwrap() else { panic!("{tests}") };
        assert!(why.contains("never call"), "{why}");
    }
}

fn the_backend_is_named() {
    let checked = kit::check(&Job { calls: vec!["add(1, 2)".to_owned()], ..kit::job(ADD) }).unwrap();
    assert_eq!(checked.backend.to_string(), "monty 0.0.23");
    assert!(checked.wall_us > 0);
    assert_eq!(call(ADD, "add(2, 2)"), "=4");
}
