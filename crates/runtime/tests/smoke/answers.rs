//! What jobs come to that do what they are meant to.

use cascade_runtime::smoke::{Gates, SmokeError, Tested};

use crate::kit::{self, EACH, Tests, call, calls, check, checks, tested, worth};

pub(crate) fn tests() -> Tests {
    vec![
        ("values_are_written_as_python_writes_them", values_are_written_as_python_writes_them),
        ("each_call_has_a_fresh_run_of_the_source", each_call_has_a_fresh_run_of_the_source),
        ("tests_by_name_and_by_candidate", tests_by_name_and_by_candidate),
        ("tests_that_ask_nothing_prove_nothing", tests_that_ask_nothing_prove_nothing),
        ("what_tests_are_worth_is_counted", what_tests_are_worth_is_counted),
        ("imports_and_constants_of_the_source", imports_and_constants_of_the_source),
        ("exceptions_reach_the_tests", exceptions_reach_the_tests),
        ("the_backend_is_named", the_backend_is_named),
        ("what_one_interpreter_cannot_the_other_does", what_one_interpreter_cannot_the_other_does),
        ("objects_and_functions_pass_in_cpython", objects_and_functions_pass_in_cpython),
        ("every_kind_of_data_passes_in_cpython", every_kind_of_data_passes_in_cpython),
        ("no_python_is_said", no_python_is_said),
    ]
}

const ADD: &str = "def add(a, b):\n    return a + b\n";

fn values_are_written_as_python_writes_them() {
    for gates in EACH {
        let given = [
            "add(1, 2)",
            "add('a', \"b'\")",
            "add([1], [2.0, None])",
            "add((1,), ())",
            "add(1, 'a') ",
            "{3, 1, 2, add(0, 0)}",
            "add(2**70, 0.0)",
            "add(b'\\x00', b'')",
            "{'k': (True, frozenset([add(1, 1)]))}",
            "add(-1e22, 1e-7)",
            "[float('nan'), add(float('inf'), 0)]",
            "set()",
        ];
        let outcome = calls(gates, ADD, &given);
        assert_eq!(outcome[..4], ["=3", "=\"ab'\"", "=[1, 2.0, None]", "=(1,)"], "{gates:?}");
        assert!(outcome[4].starts_with("!TypeError: unsupported operand"), "{outcome:?}");
        assert_eq!(outcome[5..8], ["={0, 1, 2, 3}", "=1.1805916207174113e+21", "=b'\\x00'"], "{gates:?}");
        assert_eq!(outcome[8..10], ["={'k': (True, frozenset({2}))}", "=-1e+22"], "{gates:?}");
        assert_eq!(outcome[10..], ["=[nan, inf]", "=set()"], "{gates:?}");
    }
}

fn each_call_has_a_fresh_run_of_the_source() {
    let source = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)\n";
    for gates in EACH {
        assert_eq!(calls(gates, source, &["f(1)", "f(1)", "f(1) + f(2)"]), ["=1", "=1", "=3"]);
    }
}

fn tests_by_name_and_by_candidate() {
    for gates in EACH {
        let passed = |tests: &str, entry| {
            assert_eq!(tested(gates, ADD, tests, entry), Tested::Passed, "{gates:?} {tests}");
        };
        passed("assert add(1, 2) == 3\nassert add('a', 'b') == 'ab'", None);
        passed("def check(candidate):\n    assert candidate(1, 2) == 3\n", Some("add"));
        passed("def check(candidate):\n    assert candidate(1, b=2) == 3\ncheck(add)\n", None);
        let failed = |tests: &str, entry, why: &str| {
            assert_eq!(tested(gates, ADD, tests, entry), Tested::Failed(why.to_owned()), "{gates:?}");
        };
        failed("assert add(1, 2) == 3\nassert add(1, 2) == 4\n", None, "line 2: AssertionError");
        let tests = "def check(candidate):\n    assert candidate(1, 2) == 4, 'sum'\n";
        failed(tests, Some("add"), "line 2: AssertionError: sum");
        failed(tests, Some("sub"), "NameError: the source defines no function `sub`");
    }
}

fn tests_that_ask_nothing_prove_nothing() {
    for gates in EACH {
        for tests in ["", "assert True", "add(1, 2)", "def test():\n    assert add(1, 2) == 4"] {
            let refused = check(gates, &checks(ADD, tests, None));
            let words = "the tests assert nothing";
            let said = matches!(&refused, Err(SmokeError::Refused(why)) if why.starts_with(words));
            assert!(said, "{gates:?} {tests}: {refused:?}");
        }
        let tests = "def check(candidate):\n    assert candidate(1, 2) == 4";
        let Tested::Failed(why) = tested(gates, ADD, tests, None) else { panic!("{gates:?}") };
        assert!(why.contains("never call"), "{why}");
    }
}

fn what_tests_are_worth_is_counted() {
    let three = "assert add(1, 2) == 3\nassert add(2, 2) == 4\nassert add(b=3, a=2) == 5\n";
    for (tests, entry, wanted) in [
        (three, None, (3, false)),
        // The same asked twice is asked once, and calls that nothing hangs on let a constant through.
        ("assert add(1, 2) == 3\nassert add(1, 2) != 4\n", None, (1, true)),
        ("add(1, 1)\nadd(2, 2)\nassert add(3, 3) == 6\n", None, (3, true)),
        ("assert add(1, 2) == 3\nassert add(2, 1) == 3\nassert add(3, 0) == 3\n", None, (3, true)),
        ("for n in range(99):\n    assert add(n, n) > -1\n", None, (16, true)),
        ("for n in range(99):\n    assert add(n, n) == 2 * n\n", None, (16, false)),
        ("def check(f):\n    assert f(1, 2) == 3\n    assert f('a', 'b') == 'ab'\n", Some("add"), (2, false)),
        ("x = [add(1, 2) for _ in 'ab']\nassert x[0] is not None and x[0] == x[1]\n", None, (1, true)),
    ] {
        for gates in EACH {
            assert_eq!(worth(gates, ADD, tests, entry), wanted, "{gates:?} {tests}");
        }
    }
    let nothing = "def f(x):\n    pass\n";
    let tests = "assert f(1) is None\nassert f([]) is None\n";
    for gates in EACH {
        assert_eq!(worth(gates, nothing, tests, None), (2, true), "{gates:?}");
    }
}

fn imports_and_constants_of_the_source() {
    let source = "import math\nLIMIT = 3\ndef f(x):\n    return math.sqrt(x) * LIMIT\n";
    for gates in EACH {
        assert_eq!(call(gates, source, "f(math.pow(2, 2)) + LIMIT"), "=9.0", "{gates:?}");
    }
}

fn exceptions_reach_the_tests() {
    let source = "def f(x):\n    if x < 0:\n        raise ValueError('negative')\n    return x\n";
    let tests = "
try:
    f(-1)
    assert False, 'no exception'
except ValueError as error:
    assert str(error) == 'negative'
assert f(1) == 1
";
    for gates in EACH {
        assert_eq!(tested(gates, source, tests, None), Tested::Passed, "{gates:?}");
        assert_eq!(call(gates, source, "f(-1)"), "!ValueError: negative");
    }
}

fn the_backend_is_named() {
    let backend = |gates| check(gates, &kit::asks(ADD, "add(1, 2)")).unwrap().backend;
    assert_eq!(backend(Gates::Both).to_string(), "monty 0.0.23");
    assert!(backend(Gates::CPython).to_string().starts_with("cpython 3."));
}

fn what_one_interpreter_cannot_the_other_does() {
    let backend = |source: &str, call: &str, value: &str| {
        let checked = check(Gates::Both, &kit::asks(source, call)).unwrap();
        assert_eq!(checked.called, [cascade_runtime::smoke::Called::Value(value.to_owned())], "{source}");
        assert!(checked.backend.to_string().starts_with("cpython"), "{source}");
    };
    backend("import hashlib\ndef f(x):\n    return hashlib.md5(x).hexdigest()[:4]\n", "f(b'')", "'d41d'");
    backend("def f(x):\n    return 1 + (x > 1)\n", "f(2)", "2");
    backend("def f(x):\n    x[::2] = [0, 0]\n    return x\n", "f([1, 2, 3])", "[0, 2, 0]");
    backend("def f(x):\n    x.sort()\n", "[a := [2, 1], f(a), a][2]", "[1, 2]");
    backend(
        "from itertools import permutations\ndef f(x):\n    return len(list(permutations(x)))\n",
        "f('abc')",
        "6",
    );
}

fn every_kind_of_data_passes_in_cpython() {
    let source = "from collections import *\nfrom decimal import Decimal\nfrom fractions import Fraction\nPoint = namedtuple('Point', 'x y')\ndef f(x):\n    return x\ndef g():\n    return Point(1, 2)\n";
    let source = source.replace("import *", "import namedtuple, Counter, OrderedDict, deque, defaultdict");
    let values = [
        "None",
        "True",
        "-5",
        "2**200",
        "1.5",
        "-0.0",
        "1e400",
        "(1+2j)",
        "'\\ud800 \\x00 ü 😀'",
        "b'\\xff'",
        "[]",
        "()",
        "(1,)",
        "[[1, (2, {3: {4}})]]",
        "range(0, 9, 2)",
        "Counter('aab')",
        "OrderedDict([(2, 1)])",
        "deque([1])",
        "Decimal('1.10')",
        "Fraction(1, 3)",
        "bytearray(b'x')",
    ];
    for value in values {
        assert_eq!(
            call(
                Gates::CPython,
                &source,
                &format!("(f({value}) == {value}, type(f({value})) is type({value}))")
            ),
            "=(True, True)",
            "{value}"
        );
    }
    assert_eq!(call(Gates::CPython, &source, "g()"), "=Point(x=1, y=2)");
    assert_eq!(call(Gates::CPython, &source, "list(f(map(str, [1, 2])))"), "=['1', '2']");
    assert_eq!(call(Gates::CPython, &source, "f(f(f))(3)"), "=3");
}

fn objects_and_functions_pass_in_cpython() {
    let stack = "
class Stack:
    def __init__(self):
        self.items = []
    def push(self, x):
        self.items.append(x)
        return self
    def pop(self):
        return self.items.pop()
def twice(f, x):
    return f(f(x))
def adder(n):
    return lambda x: x + n
def below(n):
    for i in range(n):
        yield i
";
    let tests = "
s = Stack()
assert s.push(1) is not None
s.push(2)
assert s.pop() == 2 and s.items == [1]
assert twice(lambda x: x * 3, 2) == 18
assert adder(2)(3) == 5
assert list(below(3)) == [0, 1, 2]
";
    assert_eq!(tested(Gates::Both, stack, tests, None), Tested::Passed);
    assert_eq!(
        call(Gates::CPython, stack, "Stack()"),
        "!TypeError: a value of type Stack, which has no text of its own"
    );
}

fn no_python_is_said() {
    use cascade_runtime::smoke::{Options, Smoke, SmokeError};
    let python = Some("/nowhere/python3".into());
    let smoke = Smoke::start(&Options { python, ..Options::default() }).unwrap();
    let job = kit::asks("import hashlib\ndef f():\n    return 1\n", "f()");
    let Err(SmokeError::Unavailable(why)) = smoke.check(&job, kit::AMPLE) else { panic!() };
    assert!(
        why.contains("monty 0.0.23") && why.contains("hashlib") && why.contains("/nowhere/python3"),
        "{why}"
    );
    // What may be this interpreter's fault is still an answer when there is no other.
    let doubtful =
        smoke.check(&kit::asks("def f(x):\n    return 1 + (x > 1)\n", "f(2)"), kit::AMPLE).unwrap();
    assert_eq!(doubtful.backend.to_string(), "monty 0.0.23");
}
