//! Random terms, evaluated here and by CPython: both must give the same value or both must raise.

use crate::emit;
use crate::limits::STEPS_MAX;
use crate::ops::{self, Op};
use crate::term::{Form, Scope, Term, evaluate};
use crate::types::{Bindings, Signature, Type};
use crate::value::{Fail, Value};
use std::io::Write as _;
use std::process::{Command, Stdio};

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

fn grounds() -> Vec<Type> {
    [
        "int",
        "float",
        "str",
        "bool",
        "list[int]",
        "list[str]",
        "list[float]",
        "list[list[int]]",
        "dict[str, int]",
        "tuple[int, str]",
        "list[tuple[int, int]]",
    ]
    .iter()
    .map(|text| Type::parse(text).unwrap())
    .collect()
}

fn value(random: &mut Random, of: &Type) -> Value {
    let length = random.below(5);
    match of {
        Type::None | Type::Var(_) => Value::None,
        Type::Bool => Value::Bool(random.below(2) == 0),
        Type::Int => Value::Int(*random.pick(&[0, 1, 2, 3, -1, -2, 5, 7, 10, -7, 12, 97, 100, 1000, -3, 4])),
        Type::Float => Value::Float(
            *random.pick(&[0.0, 0.5, 1.5, 2.5, -2.5, -0.5, 3.75, 1e20, 2.675, -7.0, 1e-5, 123.456]),
        ),
        Type::Str => Value::text(random.pick::<&str>(&[
            "",
            "a",
            "ab",
            "Hello World",
            "racecar",
            "(()())",
            "1 2 3",
            " x  y ",
            "12",
            "-3",
            "it's",
            "a,b,,c",
            "AbC",
            "é",
            "101",
            "\n",
            "3.5",
            "aaa",
        ])),
        Type::List(inner) => Value::list((0..length).map(|_| value(random, inner)).collect()),
        Type::Tuple(parts) => Value::Tuple(parts.iter().map(|part| value(random, part)).collect()),
        Type::Dict(key, inner) => {
            let mut entries: Vec<(Value, Value)> = Vec::new();
            for _ in 0..length {
                let key = value(random, key);
                if !entries.iter().any(|(known, _)| *known == key) {
                    entries.push((key, value(random, inner)));
                }
            }
            Value::Dict(entries.into())
        }
    }
}

struct Maker {
    random: Random,
    signatures: Vec<(&'static Op, Signature)>,
    variables: Vec<Type>,
}

impl Maker {
    fn leaf(&mut self, of: &Type) -> Term {
        let slots: Vec<usize> =
            (0..self.variables.len()).filter(|slot| self.variables[*slot] == *of).collect();
        if !slots.is_empty() && self.random.below(4) > 0 {
            return Term::Var(*self.random.pick(&slots));
        }
        Term::Const(value(&mut self.random, of))
    }

    fn term(&mut self, of: &Type, depth: usize) -> Term {
        if depth == 0 || self.random.below(6) == 0 {
            return self.leaf(of);
        }
        if self.random.below(8) == 0 {
            return Term::If(Box::new([
                self.term(&Type::Bool, depth - 1),
                self.term(of, depth - 1),
                self.term(of, depth - 1),
            ]));
        }
        if self.random.below(4) == 0
            && let Some(term) = self.scope(of, depth)
        {
            return term;
        }
        for _ in 0..40 {
            let (op, signature) = self.signatures[self.random.below(self.signatures.len())].clone();
            if let Some(term) = self.call(op, &signature, of, depth) {
                return term;
            }
        }
        self.leaf(of)
    }

    fn call(&mut self, op: &'static Op, signature: &Signature, of: &Type, depth: usize) -> Option<Term> {
        let mut bindings = Bindings::new();
        if !signature.result.unify(of, &mut bindings) {
            return None;
        }
        let mut arguments = Vec::new();
        for pattern in &signature.arguments {
            let ground = if let Some(ground) = pattern.ground(&bindings) {
                ground
            } else {
                let all = grounds();
                let fits: Vec<&Type> =
                    all.iter().filter(|known| pattern.unify(known, &mut bindings.clone())).collect();
                let known = (*fits.get(self.random.below(fits.len().max(1)))?).clone();
                pattern.unify(&known, &mut bindings);
                known
            };
            arguments.push(self.term(&ground, depth - 1));
        }
        Some(Term::Call(op, arguments))
    }

    fn scope(&mut self, of: &Type, depth: usize) -> Option<Term> {
        let item = [Type::Int, Type::Str, Type::Tuple(vec![Type::Int, Type::Int].into())]
            [self.random.below(3)]
        .clone();
        let (form, body) = match of {
            Type::List(inner) if **inner == item && self.random.below(2) == 0 => (Form::SortBy, Type::Int),
            Type::List(inner) => (Form::Map, (**inner).clone()),
            Type::Bool => (if self.random.below(2) == 0 { Form::All } else { Form::Any }, Type::Bool),
            Type::Int if self.random.below(3) == 0 => (Form::Count, Type::Bool),
            Type::Int if self.random.below(2) == 0 => (Form::Fold(Value::Int(1)), Type::Int),
            other if *other == item => {
                (if self.random.below(2) == 0 { Form::MaxBy } else { Form::MinBy }, Type::Str)
            }
            other => (Form::First(value(&mut self.random, of)), other.clone()),
        };
        let source = self.term(&Type::list(item.clone()), depth - 1);
        let one = matches!(form, Form::SortBy | Form::MaxBy | Form::MinBy | Form::Fold(_));
        let bound = match &item {
            Type::Tuple(parts) if !one => parts.to_vec(),
            other => vec![other.clone()],
        };
        let bottom = self.variables.len();
        self.variables.extend(bound.iter().cloned());
        if matches!(form, Form::Fold(_)) {
            self.variables.push(Type::Int);
        }
        let body = self.term(&body, depth - 1);
        let filtered = matches!(form, Form::Map | Form::First(_)) && self.random.below(2) == 0;
        let filter = filtered.then(|| self.term(&Type::Bool, depth - 1));
        self.variables.truncate(bottom);
        Some(Term::Scope(Box::new(Scope { form, source, binders: bound.len(), body, filter })))
    }
}

const JUDGE: &str = "
import functools, json, operator, sys
bad = []
# From 3.12 on CPython sums floats with a correction; the engine adds one by one, as before.
plain = {'sum': lambda xs: functools.reduce(operator.add, xs, 0)} if sys.version_info >= (3, 12) else {}
for line in sys.stdin:
    case = json.loads(line)
    scope = dict(plain)
    try:
        exec(case['source'], scope)
        got = repr(scope['f'](*eval(case['arguments'])))
    except RecursionError:
        raise
    except Exception as error:
        got = None
        if isinstance(error, (SyntaxError, NameError)):
            got = repr(error)
    if got != case['expected']:
        bad.append((case, got))
print(len(bad))
for case, got in bad[:8]:
    print(case['source'], case['arguments'], 'expected', case['expected'], 'got', got, sep='\\n')
";

#[expect(clippy::disallowed_methods, reason = "the reference is CPython itself")]
fn judged(cases: &str) -> String {
    let mut python = Command::new("python3")
        .args(["-W", "ignore", "-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(cases.as_bytes()).unwrap();
    String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap()
}

fn case(term: &Term, names: &[String], arguments: &[Value]) -> Option<String> {
    let expected = match evaluate(term, arguments, STEPS_MAX) {
        Ok(value) => Some(value.repr()),
        Err(Fail::Raises) => None,
        Err(Fail::TooBig | Fail::Unsupported | Fail::Steps) => return None,
    };
    let header = format!("def f({}):", names.join(", "));
    let source = emit::function("f", names, &header, term);
    let given = Value::Tuple(arguments.into()).repr();
    Some(serde_json::json!({"source": source, "arguments": given, "expected": expected}).to_string() + "\n")
}

fn run(count: usize, depth: usize, seed: u64) -> (usize, usize) {
    let variables: Vec<Type> = grounds().into_iter().take(9).collect();
    let names: Vec<String> =
        ["n", "x", "text", "max", "xs", "words", "fs", "rows", "d"].map(str::to_owned).to_vec();
    let signatures = ops::all().map(|op| (op, Signature::parse(op.signature).unwrap())).collect();
    let mut maker = Maker { random: Random(seed), signatures, variables: variables.clone() };
    let (mut cases, mut valued, mut tried) = (String::new(), 0, 0);
    for _ in 0..count {
        let all = grounds();
        let of = maker.random.pick(&all).clone();
        let term = maker.term(&of, depth);
        for _ in 0..3 {
            let arguments: Vec<Value> = variables.iter().map(|of| value(&mut maker.random, of)).collect();
            if let Some(line) = case(&term, &names, &arguments) {
                valued += usize::from(!line.contains("\"expected\":null"));
                tried += 1;
                cases.push_str(&line);
            }
        }
    }
    let verdict = judged(&cases);
    assert!(verdict.starts_with("0\n"), "{verdict}");
    (tried, valued)
}

#[test]
fn random_terms_mean_what_python_means() {
    let (tried, valued) = run(1_500, 3, 1);
    // A generator that only made failing terms would prove nothing.
    assert!(tried > 3_000 && valued > tried / 3, "{valued} of {tried}");
}

#[test]
fn each_operator_alone_means_what_python_means() {
    let mut random = Random(7);
    let mut cases = String::new();
    for op in ops::all() {
        let signature = Signature::parse(op.signature).unwrap();
        let mut valued = 0;
        for _ in 0..60 {
            let mut bindings = Bindings::new();
            let arguments: Option<Vec<Value>> = signature
                .arguments
                .iter()
                .map(|pattern| {
                    let ground = pattern.ground(&bindings).or_else(|| {
                        let all = grounds();
                        let fits: Vec<&Type> =
                            all.iter().filter(|known| pattern.unify(known, &mut bindings.clone())).collect();
                        fits.get(random.below(fits.len().max(1))).map(|known| (*known).clone())
                    })?;
                    pattern.unify(&ground, &mut bindings);
                    Some(value(&mut random, &ground))
                })
                .collect();
            let Some(arguments) = arguments else { continue };
            let names: Vec<String> = (0..arguments.len()).map(|at| format!("a{at}")).collect();
            let term = Term::Call(op, (0..arguments.len()).map(Term::Var).collect());
            if let Some(line) = case(&term, &names, &arguments) {
                valued += usize::from(!line.contains("\"expected\":null"));
                cases.push_str(&line);
            }
        }
        assert!(valued > 0, "{} never had a value", op.name);
    }
    let verdict = judged(&cases);
    assert!(verdict.starts_with("0\n"), "{verdict}");
}
