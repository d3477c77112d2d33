//! Terms as readable Python.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::ops::Op;
use crate::term::{Form, Scope, Term};
use crate::value::Value;

/// Names of Python that emitted text may use; a parameter of that name would hide them.
const USED: &[&str] = &[
    "abs",
    "all",
    "any",
    "bin",
    "chr",
    "collections",
    "dict",
    "enumerate",
    "float",
    "functools",
    "int",
    "itertools",
    "len",
    "list",
    "math",
    "max",
    "min",
    "next",
    "ord",
    "pow",
    "range",
    "reversed",
    "round",
    "set",
    "sorted",
    "str",
    "sum",
    "tuple",
    "zip",
];

/// Names that signatures take from `typing`.
const TYPING: &[&str] = &[
    "Any", "Callable", "Dict", "Iterable", "Iterator", "List", "Mapping", "Optional", "Sequence", "Set",
    "Tuple", "Union",
];

/// Whether emitted text may need this name for itself.
pub(crate) fn reserved(name: &str) -> bool {
    USED.contains(&name)
}

/// The whole function: imports, helpers, definition.
pub(crate) fn function(name: &str, parameters: &[String], header: &str, body: &Term) -> String {
    let hidden = parameters.iter().any(|parameter| reserved(parameter));
    // The body of a function whose parameters hide builtins lives in a function of its own.
    let own: Vec<String> = if hidden {
        (1..=parameters.len()).map(|at| format!("value_{at}")).collect()
    } else {
        parameters.to_vec()
    };
    let mut taken: BTreeSet<&str> = own.iter().map(String::as_str).collect();
    taken.insert(name);
    let mut writer = Writer { names: own.clone(), taken, imports: BTreeSet::new(), helpers: Vec::new() };
    let text = writer.text(body, 0);
    let mut out = String::new();
    for import in &writer.imports {
        let _ = writeln!(out, "import {import}");
    }
    out.push_str(&typing(header));
    if !out.is_empty() {
        out.push_str("\n\n");
    }
    for helper in &writer.helpers {
        let renamed = writer.called(helper);
        let rest = helper.source.strip_prefix("def ").and_then(|rest| rest.strip_prefix(helper.name));
        let _ = write!(out, "def {renamed}{}\n\n", rest.unwrap_or_default());
    }
    if hidden {
        let inner = format!("{name}_of");
        let _ = write!(out, "def {inner}({}):\n    return {text}\n\n\n", own.join(", "));
        let _ = write!(out, "{header}\n    return {inner}({})\n", parameters.join(", "));
    } else {
        let _ = write!(out, "{header}\n    return {text}\n");
    }
    out
}

/// The line that imports what a signature takes from `typing`; empty when that is nothing.
pub(crate) fn typing(header: &str) -> String {
    let names = annotated(header);
    if names.is_empty() { String::new() } else { format!("from typing import {}\n", names.join(", ")) }
}

/// The names of `typing` that a signature uses, so that it can be evaluated anywhere.
fn annotated(header: &str) -> Vec<&'static str> {
    let words: BTreeSet<&str> =
        header.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.')).collect();
    TYPING.iter().copied().filter(|name| words.contains(name)).collect()
}

struct Writer<'a> {
    names: Vec<String>,
    taken: BTreeSet<&'a str>,
    imports: BTreeSet<&'static str>,
    helpers: Vec<&'static Op>,
}

impl Writer<'_> {
    /// A helper's name, changed where the function or a parameter has it already.
    fn called(&self, helper: &Op) -> String {
        if self.taken.contains(helper.name) {
            format!("{}_helper", helper.name)
        } else {
            helper.name.to_owned()
        }
    }

    /// The text, in parentheses when it binds less tightly than `least`.
    fn text(&mut self, term: &Term, least: u8) -> String {
        let (text, precedence) = self.bare(term);
        if precedence < least { format!("({text})") } else { text }
    }

    fn bare(&mut self, term: &Term) -> (String, u8) {
        match term {
            Term::Var(slot) => (self.names.get(*slot).cloned().unwrap_or_else(|| "None".to_owned()), 10),
            Term::Const(value) => {
                let negative = matches!(value, Value::Int(i) if *i < 0)
                    || matches!(value, Value::Float(f) if f.is_sign_negative());
                (value.repr(), if negative { 8 } else { 10 })
            }
            Term::Call(op, arguments) => self.call(op, arguments),
            Term::If(parts) => {
                let [condition, then, otherwise] = parts.as_ref();
                let (then, condition) = (self.text(then, 2), self.text(condition, 2));
                (format!("{then} if {condition} else {}", self.text(otherwise, 1)), 1)
            }
            Term::Scope(scope) => self.scope(scope),
            Term::Tuple(parts) => {
                let parts = self.list(parts);
                (
                    if parts.len() == 1 {
                        format!("({},)", parts.concat())
                    } else {
                        format!("({})", parts.join(", "))
                    },
                    10,
                )
            }
            Term::List(parts) => (format!("[{}]", self.list(parts).join(", ")), 10),
        }
    }

    fn list(&mut self, parts: &[Term]) -> Vec<String> {
        parts.iter().map(|part| self.text(part, 1)).collect()
    }

    fn call(&mut self, op: &'static Op, arguments: &[Term]) -> (String, u8) {
        if !op.import.is_empty() {
            self.imports.insert(op.import);
        }
        if op.python.is_empty() {
            if !self.helpers.iter().any(|known| known.name == op.name) {
                self.helpers.push(op);
            }
            let arguments = self.list(arguments).join(", ");
            return (format!("{}({arguments})", self.called(op)), 10);
        }
        let mut out = String::new();
        let mut rest = op.python;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let (hole, after) = after.split_once('}').unwrap_or(("", ""));
            let (place, least) = hole.split_once(':').unwrap_or((hole, "0"));
            let argument = place.parse().ok().and_then(|place: usize| arguments.get(place));
            if let Some(argument) = argument {
                let alone = before.ends_with('(') && after.starts_with(')');
                out.push_str(&match least {
                    "i" => self.looped(argument, alone),
                    least => self.text(argument, least.parse().unwrap_or(10)),
                });
            }
            rest = after;
        }
        out.push_str(rest);
        (out, op.precedence)
    }

    /// Something that is only looped over: no list is made of it first.
    fn looped(&mut self, term: &Term, alone: bool) -> String {
        let text = self.text(term, 2);
        match term {
            Term::Call(op, _) if op.python.starts_with("list(") => {
                let inner = text.strip_prefix("list(").and_then(|text| text.strip_suffix(')'));
                inner.unwrap_or(&text).to_owned()
            }
            Term::Scope(scope) if alone && scope.form == Form::Map => {
                let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
                inner.unwrap_or(&text).to_owned()
            }
            _ => text,
        }
    }

    fn scope(&mut self, scope: &Scope) -> (String, u8) {
        let fold = matches!(scope.form, Form::Fold(_));
        let source = if matches!(scope.form, Form::SortBy | Form::MaxBy | Form::MinBy) || fold {
            self.text(&scope.source, 1)
        } else {
            self.looped(&scope.source, false)
        };
        let bottom = self.names.len();
        for _ in 0..scope.binders + usize::from(fold) {
            let name = self.fresh();
            self.names.push(name);
        }
        let names = self.names.get(bottom..).unwrap_or_default().join(", ");
        let body = self.text(&scope.body, 1);
        let filter =
            scope.filter.as_ref().map(|filter| format!(" if {}", self.text(filter, 2))).unwrap_or_default();
        self.names.truncate(bottom);
        let text = match &scope.form {
            Form::Map => format!("[{body} for {names} in {source}{filter}]"),
            Form::Count => format!("sum(1 for {names} in {source} if {})", loose(&scope.body, body)),
            Form::All => format!("all({body} for {names} in {source}{filter})"),
            Form::Any => format!("any({body} for {names} in {source}{filter})"),
            Form::SortBy => format!("sorted({source}, key=lambda {names}: {body})"),
            Form::MaxBy => format!("max({source}, key=lambda {names}: {body})"),
            Form::MinBy => format!("min({source}, key=lambda {names}: {body})"),
            Form::First(default) => {
                format!("next(({body} for {names} in {source}{filter}), {})", default.repr())
            }
            Form::Fold(start) => {
                self.imports.insert("functools");
                let (element, total) = names.split_once(", ").unwrap_or((&names, "_"));
                format!("functools.reduce(lambda {total}, {element}: {body}, {source}, {})", start.repr())
            }
        };
        (text, 10)
    }

    fn fresh(&self) -> String {
        let pool = ["x", "y", "z", "u", "v", "w", "p", "q", "r", "s"];
        let free =
            |name: &&&str| !self.taken.contains(**name) && !self.names.iter().any(|known| known == **name);
        pool.iter().find(free).map_or_else(|| format!("x_{}", self.names.len()), |name| (*name).to_owned())
    }
}

/// A conditional after `if` needs parentheses.
fn loose(term: &Term, text: String) -> String {
    if matches!(term, Term::If(_)) { format!("({text})") } else { text }
}
