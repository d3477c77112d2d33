//! A task: a signature, what is said about it, and examples, read out of text.

mod asserts;
mod examples;

use crate::limits::{EXAMPLES_MAX, PARAMETERS_MAX, TEXT_BYTES_MAX};
use crate::types::Type;
use crate::value::{Value, parse};

/// What is to be found.
#[derive(Clone, Debug)]
pub struct Task {
    /// The function's name.
    pub name: String,
    /// Its `def` line, as it was written.
    pub header: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// What it returns, when the signature says so in the type language.
    pub returns: Option<Type>,
    /// What the text says besides.
    pub description: String,
    /// What it must reproduce.
    pub examples: Vec<Example>,
    /// How many of them, the last ones, are asserts of the caller's tests.
    pub asserted: usize,
}

/// One parameter.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type: as annotated, or as the examples have it.
    pub of: Type,
    /// Its default.
    pub default: Option<Value>,
}

/// One call and its result.
#[derive(Clone, Debug)]
pub struct Example {
    /// One value for each parameter.
    pub arguments: Vec<Value>,
    /// What the call gives.
    pub expected: Value,
    /// The line of the text it was read from, counted from one.
    pub line: usize,
}

/// Why a text is no task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The text is too long.
    #[error("the text has {bytes} bytes, at most {TEXT_BYTES_MAX}: shorten the description")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// There is no `def`.
    #[error("no signature: write a line such as `def f(xs: list[int]) -> int:`")]
    NoSignature,
    /// The `def` line cannot be read.
    #[error("line {line}: {what}; write a line such as `def f(xs: list[int], k: int = 2) -> int:`")]
    Signature {
        /// Where.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A call has another number of arguments than the signature.
    #[error(
        "line {line}: {given} arguments where the signature has {wanted}; correct the example or the signature"
    )]
    Arity {
        /// Where.
        line: usize,
        /// Arguments of the call.
        given: usize,
        /// Parameters of the signature.
        wanted: usize,
    },
    /// Two examples give the same arguments different results.
    #[error(
        "line {line}: contradicts the example on line {other}: same arguments, another result; correct one of them"
    )]
    Contradiction {
        /// Where the later one is.
        line: usize,
        /// Where the earlier one is.
        other: usize,
    },
    /// There are too many.
    #[error("{count} examples, at most {EXAMPLES_MAX}: leave out the most alike")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// Nothing to go by.
    #[error("no example: write at least one line such as `f([1, 2]) == 3`")]
    NoExamples,
}

impl Task {
    /// Reads a task; `name` picks the function when the text defines several, otherwise the last one counts.
    ///
    /// # Errors
    /// [`SpecError`] with the line where the text does not fit.
    pub fn parse(text: &str, name: Option<&str>) -> Result<Self, SpecError> {
        Self::parse_with(text, name, "")
    }

    /// The same, with the asserts of tests that are examples in another spelling.
    ///
    /// # Errors
    /// [`SpecError`] with the line where the text does not fit; tests never make a text unreadable.
    pub fn parse_with(text: &str, name: Option<&str>, tests: &str) -> Result<Self, SpecError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(SpecError::TooLong { bytes: text.len() });
        }
        let (line, start) = definition(text, name).ok_or(SpecError::NoSignature)?;
        let mut task = signature(text.get(start..).unwrap_or_default(), line)?;
        let after = start + task.header.len();
        let body = text.get(after..).unwrap_or_default();
        let first = text.get(..after).unwrap_or_default().matches('\n').count() + 1;
        task.examples = examples::find(body, first, &task)?;
        task.description = prose(body, &task.name);
        task.add(asserts::find(tests, &task));
        consistent(&task.examples)?;
        task.settle_types();
        Ok(task)
    }

    /// Takes asserts as further examples. Where two calls alike give different results the tests are about more than
    /// arguments, and none of them is an example.
    fn add(&mut self, asserts: Vec<Example>) {
        let told = self.examples.len();
        for assert in asserts {
            let known = self.examples.iter().find(|known| known.arguments == assert.arguments);
            match known {
                Some(known) if known.expected != assert.expected => {
                    self.examples.truncate(told);
                    break;
                }
                Some(_) => {}
                None if self.examples.len() < EXAMPLES_MAX => self.examples.push(assert),
                None => break,
            }
        }
        self.asserted = self.examples.len().saturating_sub(told);
    }

    /// Parameter types follow annotation and examples together, whichever says more.
    fn settle_types(&mut self) {
        for (at, parameter) in self.parameters.iter_mut().enumerate() {
            let seen = self.examples.iter().filter_map(|example| example.arguments.get(at)).map(Type::of);
            let joined = seen.fold(parameter.of.clone(), |all, next| all.join(&next).unwrap_or(all));
            parameter.of = joined.closed();
        }
    }

    /// The types results may have; more than one when the examples mix them.
    #[must_use]
    pub fn results(&self) -> Vec<Type> {
        let mut found: Vec<Type> = Vec::new();
        for example in &self.examples {
            let of = Type::of(&example.expected);
            match found.iter_mut().find_map(|known| known.join(&of).map(|joined| (known, joined))) {
                Some((known, joined)) => *known = joined,
                None => found.push(of),
            }
        }
        if let (Some(returns), [only]) = (&self.returns, found.as_mut_slice())
            && let Some(joined) = returns.join(only)
        {
            *only = joined;
        }
        found.iter().map(Type::closed).collect()
    }
}

/// Line and offset of the `def` that counts.
fn definition(text: &str, name: Option<&str>) -> Option<(usize, usize)> {
    let mut offset = 0;
    let mut found = None;
    for (at, line) in text.split_inclusive('\n').enumerate() {
        let trimmed = line.trim_start();
        if let Some(rest) = trimmed.strip_prefix("def ") {
            let called = rest.split('(').next().unwrap_or_default().trim();
            if name.is_none_or(|name| name == called) {
                found = Some((at + 1, offset + line.len() - trimmed.len()));
            }
        }
        offset += line.len();
    }
    found
}

/// Reads the `def` line that a text begins with.
pub(crate) fn signature(text: &str, line: usize) -> Result<Task, SpecError> {
    let fail = |what| SpecError::Signature { line, what };
    let open = text.find('(').ok_or(fail("an opening parenthesis is missing"))?;
    let name = text.get(4..open).unwrap_or_default().trim().to_owned();
    if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Err(fail("the function has no name"));
    }
    if crate::emit::reserved(&name) {
        return Err(fail("the function has the name of something built in"));
    }
    let inside = text.get(open + 1..).unwrap_or_default();
    let close = closing(inside).ok_or(fail("a closing parenthesis is missing"))?;
    let mut parameters = Vec::new();
    for part in apart(inside.get(..close).unwrap_or_default()) {
        if part.starts_with(['*', '/']) {
            return Err(fail("starred parameters are not covered"));
        }
        let (declared, default) = match part.split_once('=') {
            Some((declared, default)) => {
                let value = parse(default).map_err(|_| fail("a default is no literal"))?;
                (declared, Some(value))
            }
            None => (part, None),
        };
        let (name, of) =
            declared.split_once(':').map_or((declared, None), |(name, of)| (name, Type::parse(of)));
        let name = name.trim().to_owned();
        parameters.push(Parameter { name, of: of.unwrap_or(Type::Var('a')), default });
    }
    if parameters.len() > PARAMETERS_MAX {
        return Err(fail("too many parameters"));
    }
    let rest = inside.get(close..).unwrap_or_default();
    let end = rest.find(':').ok_or(fail("the colon at the end is missing"))?;
    let returns =
        rest.get(..end).and_then(|arrow| arrow.split_once("->")).and_then(|(_, of)| Type::parse(of));
    let header = text.get(..=open + 1 + close + end).unwrap_or_default().to_owned();
    let (description, examples) = (String::new(), Vec::new());
    Ok(Task { name, header, parameters, returns, description, examples, asserted: 0 })
}

/// Where the parenthesis that is already open closes.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// Parts between commas that are in no bracket.
fn apart(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut from) = (0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// The text without the lines that call the function: numbers there are data, not description.
fn prose(body: &str, name: &str) -> String {
    let call = format!("{name}(");
    let mut after_prompt = false;
    let mut kept = String::new();
    for line in body.lines() {
        let prompt = line.trim_start().starts_with(">>>");
        if !prompt && !after_prompt && !line.contains(&call) {
            kept.push_str(line);
            kept.push('\n');
        }
        after_prompt = prompt;
    }
    kept
}

fn consistent(examples: &[Example]) -> Result<(), SpecError> {
    if examples.is_empty() {
        return Err(SpecError::NoExamples);
    }
    if examples.len() > EXAMPLES_MAX {
        return Err(SpecError::TooMany { count: examples.len() });
    }
    for (at, example) in examples.iter().enumerate() {
        for other in examples.iter().take(at) {
            if other.arguments == example.arguments && other.expected != example.expected {
                return Err(SpecError::Contradiction { line: example.line, other: other.line });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(text: &str) -> Task {
        Task::parse(text, None).unwrap()
    }

    #[test]
    fn signatures_and_examples_are_read() {
        let found = task(
            "def f(xs: list[int], k: int = 2) -> list[int]:\n    '''Takes.\n    >>> f([1, 2], 3)\n    [3]\n    '''\nassert f([1], k=4) == [4]\nf([]) == []\n",
        );
        assert_eq!(found.name, "f");
        assert_eq!(found.examples.len(), 3);
        assert_eq!(found.examples[1].arguments[1], Value::Int(4));
        assert_eq!(found.examples[2].arguments[1], Value::Int(2));
        assert_eq!(found.examples[0].line, 3);
        assert_eq!(found.header, "def f(xs: list[int], k: int = 2) -> list[int]:");
        assert_eq!(found.results(), [Type::list(Type::Int)]);
    }

    #[test]
    fn types_come_from_examples_where_nothing_is_annotated() {
        let found = task("def f(a, b):\nf('x', []) == 1.5\nf('y', [['z']]) == 2\n");
        assert_eq!(found.parameters[0].of, Type::Str);
        assert_eq!(found.parameters[1].of, Type::list(Type::list(Type::Str)));
        assert_eq!(found.results(), [Type::Float]);
    }

    #[test]
    fn what_does_not_fit_names_its_line() {
        let error = |text: &str| Task::parse(text, None).unwrap_err();
        assert_eq!(error("f(1) == 2"), SpecError::NoSignature);
        assert_eq!(error("def f(a):\n nothing"), SpecError::NoExamples);
        assert_eq!(
            error("def f(a):\nf(1) == 2\nf(1, 2) == 2"),
            SpecError::Arity { line: 3, given: 2, wanted: 1 }
        );
        assert_eq!(
            error("def f(a):\nf(1) == 2\n\nf(True) == 3"),
            SpecError::Contradiction { line: 4, other: 2 }
        );
        assert!(matches!(error("def f(*a):\nf(1) == 2"), SpecError::Signature { line: 1, .. }));
        assert!(matches!(error("def max(a):\nmax(1) == 2"), SpecError::Signature { line: 1, .. }));
        let wide: Vec<String> = (0..=PARAMETERS_MAX).map(|n| format!("a{n}")).collect();
        let calls = |count: usize| {
            format!("def f({}):\nf({}) == 1", wide[..count].join(", "), vec!["0"; count].join(", "))
        };
        assert!(Task::parse(&calls(PARAMETERS_MAX), None).is_ok());
        assert!(matches!(error(&calls(PARAMETERS_MAX + 1)), SpecError::Signature { line: 1, .. }));
        let start = "def f(a):\nf(1) == 2\n";
        let padded = |bytes: usize| format!("{start}{}", " ".repeat(bytes - start.len()));
        assert!(Task::parse(&padded(TEXT_BYTES_MAX), None).is_ok());
        assert_eq!(error(&padded(TEXT_BYTES_MAX + 1)), SpecError::TooLong { bytes: TEXT_BYTES_MAX + 1 });
        let many: String = (0..=EXAMPLES_MAX).map(|n| format!("f({n}) == {n}\n")).collect();
        assert_eq!(error(&format!("def f(a):\n{many}")), SpecError::TooMany { count: EXAMPLES_MAX + 1 });
    }
}
