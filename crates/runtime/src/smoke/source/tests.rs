use super::*;

fn refusal(source: &str) -> String {
    match check(source) {
        Err(Fault::Refused(reason)) => reason,
        other => panic!("{source}: {other:?}"),
    }
}

#[test]
fn what_reaches_beyond_the_function() {
    for source in [
        "import os",
        "import os.path",
        "import collections.sys",
        "from os import path",
        "from . import x",
        "from math import *",
        "from random import _os",
        "from statistics import sys",
        "import math as __builtins__",
        "eval('1')",
        "x = exec",
        "open('/etc/passwd')",
        "def f(open): pass",
        "def eval(): pass",
        "__import__('os')",
        "__builtins__",
        "f.__globals__",
        "().__class__.__bases__[0].__subclasses__()",
        "(lambda: 0).__code__",
        "import random\nrandom.os.system('x')",
        "import enum\nenum.sys.modules",
        "import random\nrandom._os.fork()",
        "import dataclasses\ndataclasses._thread.start_new_thread",
        "try:\n    1/0\nexcept Exception as e:\n    e.__traceback__.tb_frame.f_back",
        "def g():\n    yield\ng().gi_frame.f_back",
        "getattr(1, 'a' + 'b')",
        "getattr(1, '__class__')",
        "h = getattr",
        "map(getattr, [1], ['x'])",
        "from operator import attrgetter\nattrgetter('__class__')",
        "import operator\noperator.attrgetter('f.__globals__')",
        "import operator\noperator.methodcaller(n)",
        "type('A', (), {'__eq__': lambda s, o: True})",
        "class A:\n    def __getattribute__(self, n): pass",
        "class A:\n    __class__ = int",
        "def f():\n    global __builtins__\n",
        "print(f'{open}')",
        "@eval\ndef f(): pass",
        "def f(x=globals()): pass",
        "[open for x in y]",
        "match x:\n    case int(__class__=y): pass",
    ] {
        assert!(!refusal(source).is_empty());
    }
}

#[test]
fn what_computes() {
    for source in [
        "from typing import List, Optional\nimport math, re\ndef f(a: List[int]) -> int:\n    return math.floor(sum(a))",
        "class A:\n    def __init__(self): self.x = 1\n    def __eq__(self, o): return super().__eq__(o)",
        "from collections.abc import Iterable\nimport collections\ncollections.abc",
        "if __name__ == '__main__':\n    print(1)",
        "type(x) is int\ngetattr(x, 'name', None)",
        "from __future__ import annotations",
        "x.__len__()",
    ] {
        check(source).unwrap();
    }
}

#[test]
fn syntax() {
    for source in ["def f(:", "x = = 1", "def f():\npass", "a\0b", "\u{0}"] {
        assert!(matches!(check(source), Err(Fault::Unsyntactic(_))), "{source}");
    }
    let deep = format!("x = {}1{}", "(".repeat(400), ")".repeat(400));
    assert!(matches!(check(&deep), Err(Fault::Refused(_))));
    assert!(parse_expression("f(1)", "call 1").is_ok());
    for call in ["f(1); g(2)", "x = 1", "", "import os", "f(1)\n\nassert 0"] {
        assert!(parse_expression(call, "call 1").is_err(), "{call}");
    }
}

#[test]
fn offers_nothing_that_changes_what_tests_mean() {
    let source = "
import math
import math as m
from functools import reduce
from math import floor as sqrt
from __future__ import annotations
LIMIT = 5
_hidden = 1
abs = 0
def f(): pass
class C: pass
";
    let offers = check(source).unwrap();
    assert_eq!(offers.imports, ["import math", "from functools import reduce"]);
    assert_eq!(offers.values, ["LIMIT"]);
    assert_eq!(offers.functions, ["f", "C"]);
}
