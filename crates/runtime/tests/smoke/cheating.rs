//! Emitted code that would rather pass its tests than be right.

use cascade_runtime::smoke::{Gates, SmokeError, Tested};

use crate::kit::{EACH, Tests, asks, call, check, checks, named, tested};

pub(crate) fn tests() -> Tests {
    vec![
        ("no_cheat_passes_a_test", no_cheat_passes_a_test),
        ("no_cheat_fakes_a_value", no_cheat_fakes_a_value),
        ("only_plain_data_passes", only_plain_data_passes),
        ("tests_are_out_of_sight", tests_are_out_of_sight),
        ("the_process_that_is_taken_over_answers_no_tests", reaching_out_of_the_candidate),
    ]
}

const BY_CANDIDATE: &str =
    "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(3) == 9\n";
const BY_NAME: &str =
    "import math\nfor n in range(1, 9):\n    assert abs(square(n) - math.pow(n, 2)) < 1e-9\n";

/// Each is wrong; none may pass, whether it fails, is refused, or runs into a limit.
const CHEATS: &[&str] = &[
    "def square(n):\n    raise SystemExit(0)\n",
    "def square(n):\n    raise SystemExit\nraise SystemExit(0)\n",
    "def square(n):\n    return 0\ndef check(candidate):\n    pass\n",
    "def square(n):\n    global check, abs, math\n    check = abs = lambda *x: 0\n    return 0\n",
    "def square(n):\n    return n\ndef abs(x):\n    return 0\n",
    "def square(n):\n    return n\nabs = lambda x: 0\nrange = lambda *x: []\n",
    "def square(n):\n    return n\nclass math:\n    pow = lambda x, y: x\n",
    "def square(n):\n    return n\nmath = {'pow': 1}\n",
    "class Yes:\n    def __eq__(self, other): return True\n    def __sub__(self, other): return 0\n    def __hash__(self): return 1\ndef square(n):\n    return Yes()\n",
    "class Yes(int):\n    def __eq__(self, other): return True\n    def __sub__(self, other): return 0\n    def __hash__(self): return 1\ndef square(n):\n    return Yes(n)\n",
    "from functools import total_ordering\nclass Yes(float):\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\ndef square(n):\n    return Yes(n)\n",
    "def square(n):\n    return type('Yes', (), {'__eq__': lambda s, o: True})()\n",
    "from dataclasses import make_dataclass\ndef square(n):\n    return make_dataclass('Yes', [], namespace={'__eq__': lambda s, o: True})()\n",
    "def square(n):\n    try:\n        assert False\n    except AssertionError:\n        return n\n",
    "AssertionError = ValueError\nclass ValueError(Exception): pass\ndef square(n):\n    return n\n",
    "import builtins\nbuiltins.abs = lambda x: 0\ndef square(n):\n    return n\n",
    "import math\nmath.pow = lambda x, y: x\ndef square(n):\n    return n if n != 2 else 4\n",
    "import os\ndef square(n):\n    os._exit(0)\n",
    "import random\ndef square(n):\n    random._os._exit(0)\n",
    "import sys\ndef square(n):\n    sys.exit(0)\n",
    "def square(n):\n    print('+')\n    print('\\x00\\x00\\x00\\x04done')\n    return n\n",
    "def square(n):\n    print('passed', '1 passed', 'OK', 'All tests passed')\n    exit(0)\n",
    "import threading\ndef square(n):\n    return n\n",
    "def square(n):\n    quit()\n",
    "def square(n):\n    raise KeyboardInterrupt\n",
    "def square(n):\n    raise GeneratorExit\n",
    "def square(n):\n    yield n\n",
    "async def square(n):\n    return n\n",
    "square = None\n",
    "def square(n):\n    return NotImplemented\n",
    "def square(n):\n    return square\n",
    "def square(n):\n    return ...\n",
    "def square(n):\n    return float('nan')\n",
    "import unittest.mock\ndef square(n):\n    return unittest.mock.ANY\n",
    "",
    "pass\n",
];

fn no_cheat_passes_a_test() {
    for gates in EACH {
        for cheat in CHEATS {
            for (tests, entry) in [(BY_CANDIDATE, Some("square")), (BY_NAME, None), (BY_NAME, Some("square"))]
            {
                let outcome = check(gates, &checks(cheat, tests, entry));
                let passed = outcome.as_ref().is_ok_and(|checked| checked.tested == Some(Tested::Passed));
                assert!(!passed, "{gates:?} passes {tests}\nwith {cheat}");
            }
        }
        let honest = "def square(n):\n    return n * n\n";
        assert_eq!(tested(gates, honest, BY_CANDIDATE, Some("square")), Tested::Passed, "{gates:?}");
        assert_eq!(tested(gates, honest, BY_NAME, None), Tested::Passed, "{gates:?}");
    }
}

/// A value is compared outside, by its text, so the text must not be of the code's making.
fn no_cheat_fakes_a_value() {
    for gates in [Gates::Both, Gates::CPython] {
        for class in ["", "(int)", "(str)", "(list)", "(Exception)"] {
            let source = format!(
                "class Yes{class}:\n    def __repr__(self): return '4'\n    __str__ = __repr__\ndef f():\n    return Yes()\n"
            );
            for asked in ["f()", "[f()]", "{'k': f()}", "(f(),)"] {
                let told = call(gates, &source, asked);
                assert!(told.starts_with('!'), "{gates:?} {class} {asked}: {told}");
            }
        }
        let source = "class Yes:\n    def __eq__(self, other): return True\ndef f():\n    return Yes()\n";
        assert_ne!(call(gates, source, "f() == 4"), "=True", "{gates:?}");
    }
}

/// Nothing but plain data passes, and what did not is named.
fn only_plain_data_passes() {
    let source = "class A:\n    pass\ndef f():\n    return A()\ndef g(x):\n    return 1\n";
    for (asked, why) in
        [("g(f())", "as a result"), ("len", "as the value of a call"), ("g(len)", "as an argument")]
    {
        match check(Gates::Monty, &asks(source, asked)) {
            Err(SmokeError::Unavailable(reason)) => assert!(reason.contains(why), "{asked}: {reason}"),
            other => panic!("{asked}: {other:?}"),
        }
    }
}

/// Names of the tests mean nothing to the source, when it is loaded and when it is called.
fn tests_are_out_of_sight() {
    let tests = "EXPECTED = 42\nassert f(1) == EXPECTED\n";
    let peeking = [
        "def f(x):\n    return EXPECTED\n",
        "def f(x):\n    global EXPECTED\n    EXPECTED = x\n    return x\n",
        "def f(x):\n    try:\n        return EXPECTED\n    except NameError:\n        return 0\n",
    ];
    for gates in EACH {
        for source in peeking {
            assert!(matches!(tested(gates, source, tests, None), Tested::Failed(_)), "{gates:?} {source}");
        }
        assert_eq!(tested(gates, "def f(x):\n    return 42\n", tests, None), Tested::Passed);
    }
}

/// Even code that gets hold of its own process's channel (here by a name that is not refused, if there is one) can
/// answer calls and nothing else; what it cannot do is end the examination as passed.
fn reaching_out_of_the_candidate() {
    for source in [
        "def f(x):\n    return f.__globals__\n",
        "import collections\ndef f(x):\n    return collections.abc.sys.modules['__main__']\n",
        "def f(x):\n    return ''.join(['{0.__', 'class__}']).format(x)\n",
        "def f(x):\n    try:\n        1 / 0\n    except ZeroDivisionError as e:\n        return e.__traceback__.tb_frame\n",
    ] {
        for gates in EACH {
            let outcome = check(gates, &checks(source, "assert f(1) == 42\n", None));
            let passed = outcome.as_ref().is_ok_and(|checked| checked.tested == Some(Tested::Passed));
            assert!(!passed, "{gates:?} {source} {}", named(&outcome));
        }
    }
}
