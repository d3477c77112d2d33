//! Emitted code that takes more than its share, or reaches for what it may not have. Every case is bounded and named,
//! and the pool is as good afterwards as before.

use std::time::{Duration, Instant};

use cascade_runtime::smoke::{Gates, Job, limits};

use crate::kit::{AMPLE, EACH, Tests, asks, call, check, job, named, smoke};

pub(crate) fn tests() -> Tests {
    vec![
        ("loops_end_at_the_deadline", loops_end_at_the_deadline),
        ("memory_is_bounded", memory_is_bounded),
        ("printing_is_bounded", printing_is_bounded),
        ("values_are_bounded", values_are_bounded),
        ("recursion_is_bounded", recursion_is_bounded),
        ("texts_are_bounded", texts_are_bounded),
        ("texts_that_are_not_python", texts_that_are_not_python),
        ("what_is_named_is_refused", what_is_named_is_refused),
        ("a_deep_tree_breaks_only_a_worker", a_deep_tree_breaks_only_a_worker),
    ]
}

/// Long enough to start anything, short enough to wait for.
const SHORT: Duration = Duration::from_millis(1500);

/// The outcome of one call of `f`, and that the pool still works and how long it took.
fn outcome(gates: Gates, source: &str, limit: Duration) -> &'static str {
    let started = Instant::now();
    let outcome = smoke(gates).check(&asks(source, "f()"), limit);
    let took = started.elapsed();
    assert!(took < limit + Duration::from_secs(5), "{took:?} for {source}");
    assert_eq!(call(gates, "def f():\n    return 1\n", "f()"), "=1", "after {source}");
    named(&outcome)
}

fn loops_end_at_the_deadline() {
    for gates in EACH {
        assert_eq!(
            outcome(gates, "def f():\n    while True:\n        pass\n", SHORT),
            "timed out",
            "{gates:?}"
        );
        assert_eq!(outcome(gates, "while True:\n    pass\n", SHORT), "timed out", "{gates:?}");
        let stubborn = "def f():\n    while True:\n        try:\n            while True:\n                pass\n        except BaseException:\n            pass\n";
        assert_eq!(outcome(gates, stubborn, SHORT), "timed out", "{gates:?}");
        // One operation that never comes up for air.
        assert_eq!(
            outcome(gates, "def f():\n    return 7 ** 10 ** 8 % 10\n", SHORT),
            "timed out",
            "{gates:?}"
        );
    }
}

fn memory_is_bounded() {
    for gates in EACH {
        for source in [
            "def f():\n    return len([0] * (1 << 30))\n",
            "def f():\n    x = 'a'\n    while True:\n        x = x + x\n",
            "def f():\n    x = []\n    while True:\n        x.append(str(len(x)) * 100)\n",
            "x = bytes(1 << 31)\ndef f():\n    return 1\n",
        ] {
            assert_eq!(outcome(gates, source, AMPLE), "memory", "{gates:?} {source}");
        }
        let result = outcome(gates, "def f():\n    return 10 ** 10 ** 10\n", SHORT);
        assert!(["memory", "timed out"].contains(&result), "{gates:?} {result}");
    }
}

fn printing_is_bounded() {
    let gigabyte = "def f():\n    for i in range(1000):\n        print('x' * 1000000)\n";
    let stubborn = "def f():\n    for i in range(30):\n        try:\n            print('x' * 100000)\n        except BaseException:\n            pass\n    return 1\n";
    for gates in EACH {
        assert_eq!(outcome(gates, gigabyte, AMPLE), "output", "{gates:?}");
        assert_eq!(outcome(gates, stubborn, AMPLE), "output", "{gates:?}");
        let just = format!("def f():\n    print('x' * {})\n    return 2\n", limits::OUTPUT_BYTES_MAX - 1);
        assert_eq!(call(gates, &just, "f()"), "=2", "{gates:?}");
    }
}

fn values_are_bounded() {
    for gates in EACH {
        // Two quotes stand around it.
        let text = |bytes: usize| format!("def f():\n    return 'x' * {bytes}\n");
        assert_eq!(outcome(gates, &text(limits::VALUE_BYTES_MAX - 1), AMPLE), "output", "{gates:?}");
        assert_eq!(outcome(gates, &text(limits::VALUE_BYTES_MAX - 2), AMPLE), "answered", "{gates:?}");
        assert_eq!(
            outcome(gates, "def f():\n    return list(range(1000000))\n", AMPLE),
            "output",
            "{gates:?}"
        );
        let loud = "def f():\n    raise ValueError('x' * 1000000)\n";
        let raised = call(gates, loud, "f()");
        assert!(
            raised.starts_with("!ValueError: xxx") && raised.len() < limits::MESSAGE_BYTES_MAX + 10,
            "{gates:?}"
        );
    }
}

fn recursion_is_bounded() {
    for gates in EACH {
        let raised = call(gates, "def f():\n    return f()\n", "f()");
        assert!(raised.starts_with("!RecursionError"), "{gates:?} {raised}");
        let nested =
            "def f():\n    x = []\n    for i in range(100000):\n        x = [x]\n    return len(str(x))\n";
        let result = outcome(gates, nested, AMPLE);
        assert!(["answered", "crashed"].contains(&result), "{gates:?} {result}");
        let result = outcome(gates, &nested.replace("len(str(x))", "x"), AMPLE);
        assert!(["answered", "crashed", "unavailable"].contains(&result), "{gates:?} {result}");
    }
}

fn texts_are_bounded() {
    for gates in EACH {
        let padded = |bytes: usize| {
            let source = "def f():\n    return 1\n#";
            format!("{source}{}", "x".repeat(bytes - source.len()))
        };
        assert_eq!(outcome(gates, &padded(limits::SOURCE_BYTES_MAX), AMPLE), "answered", "{gates:?}");
        assert_eq!(outcome(gates, &padded(limits::SOURCE_BYTES_MAX + 1), AMPLE), "refused", "{gates:?}");
        assert_eq!(outcome(gates, &padded(1 << 20), AMPLE), "refused", "{gates:?}");
        let source = "def f():\n    return 1\n";
        let many = |calls: usize| Job { calls: vec!["f()".to_owned(); calls], ..job(source) };
        assert_eq!(named(&check(gates, &many(limits::CALLS_MAX))), "answered", "{gates:?}");
        assert_eq!(named(&check(gates, &many(limits::CALLS_MAX + 1))), "refused", "{gates:?}");
        let long = asks(source, &format!("f(){}", " ".repeat(limits::CALL_BYTES_MAX)));
        assert_eq!(named(&check(gates, &long)), "refused", "{gates:?}");
        let tests = Job { tests: Some(" ".repeat(limits::TESTS_BYTES_MAX + 1)), ..job(source) };
        assert_eq!(named(&check(gates, &tests)), "refused", "{gates:?}");
    }
}

fn texts_that_are_not_python() {
    for gates in EACH {
        for source in [
            "def f(:",
            "def f():\nreturn 1",
            "Here is the code:\n```python\n",
            "\0",
            "def f():\n    return '\0'\n",
        ] {
            assert_eq!(outcome(gates, source, AMPLE), "unsyntactic", "{gates:?} {source:?}");
        }
        let source = "def f():\n    return 1\n";
        assert_eq!(named(&check(gates, &asks(source, "f(")),), "unsyntactic", "{gates:?}");
        assert_eq!(named(&check(gates, &asks(source, "import os")),), "unsyntactic", "{gates:?}");
        let tests = Job { tests: Some("assert f( == 1".to_owned()), ..job(source) };
        assert_eq!(named(&check(gates, &tests)), "unsyntactic", "{gates:?}");
    }
}

fn what_is_named_is_refused() {
    for gates in EACH {
        for line in [
            "open('/etc/passwd').read()",
            "__import__('os').fork()",
            "eval('1')",
            "().__class__.__base__.__subclasses__()",
            "globals()",
        ] {
            assert_eq!(
                outcome(gates, &format!("def f():\n    return {line}\n"), AMPLE),
                "refused",
                "{gates:?} {line}"
            );
        }
        for module in ["os", "socket", "subprocess", "threading", "ctypes", "signal", "sys"] {
            let source = format!("def f():\n    import {module}\n");
            assert_eq!(outcome(gates, &source, AMPLE), "refused", "{gates:?} {module}");
        }
    }
}

fn a_deep_tree_breaks_only_a_worker() {
    for gates in EACH {
        let source = format!("def f():\n    return 0{}\n", "+1".repeat(60_000));
        let result = outcome(gates, &source, AMPLE);
        assert!(
            ["answered", "crashed", "unavailable", "unsyntactic"].contains(&result),
            "{gates:?} {result}"
        );
        let source = format!("def f():\n    return {}1{}\n", "(".repeat(5000), ")".repeat(5000));
        assert_eq!(outcome(gates, &source, AMPLE), "refused", "{gates:?}");
    }
}
