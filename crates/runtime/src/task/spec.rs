//! What a task asks for, as far as engines can read it: a function, examples, what is said besides.

use cascade_policy::facts::Task;
use cascade_synthesis::spec::{self, SpecError};
use cascade_synthesis::value::{self, Value};

/// A code task, read.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The function that is wanted, where the task names one.
    pub entry: Option<String>,
    /// The task as engines read it, asserts of its tests among its examples; or why they cannot.
    pub read: Result<spec::Task, SpecError>,
    /// The same without the asserts.
    pub told: Result<spec::Task, SpecError>,
    /// What an answer must reproduce.
    pub calls: Vec<Call>,
}

/// An expression, and what it must give.
#[derive(Clone, Debug)]
pub struct Call {
    /// Python text.
    pub expression: String,
    /// Its value.
    pub expected: Value,
    /// It asks the function for something that it could get wrong.
    pub asks: bool,
}

impl Spec {
    /// Reads a task.
    #[must_use]
    pub fn of(task: &Task) -> Self {
        let text = composed(task);
        let told = spec::Task::parse(&text, None);
        let read = match &task.tests {
            Some(tests) => spec::Task::parse_with(&text, None, tests),
            None => told.clone(),
        };
        // Asserts are run where they stand, with the tests.
        let mut calls = Vec::new();
        if let Ok(told) = &told {
            calls.extend(told.examples.iter().map(|example| Call::of(&told.name, example)));
        }
        let entry = read.as_ref().ok().map(|read| read.name.clone()).or_else(|| named(&text));
        // What engines cannot read must hold all the same.
        for example in &task.examples {
            let call = Call::truth(example, entry.as_deref());
            if !calls.iter().any(|known| known.says(example)) {
                calls.push(call);
            }
        }
        Self { entry, read, told, calls }
    }

    /// A source that defines another function, so that it defines this one.
    pub(super) fn renamed(&self, source: &str) -> String {
        match (&self.entry, named(source)) {
            (Some(entry), Some(name)) if *entry != name => format!("{source}\n\n{entry} = {name}\n"),
            _ => source.to_owned(),
        }
    }

    /// The examples contradict each other: nothing can reproduce them all.
    #[must_use]
    pub const fn contradicts_itself(&self) -> bool {
        matches!(self.read, Err(SpecError::Contradiction { .. }))
    }
}

impl Call {
    fn of(name: &str, example: &spec::Example) -> Self {
        let arguments: Vec<String> = example.arguments.iter().map(Value::repr).collect();
        Self {
            expression: format!("{name}({})", arguments.join(", ")),
            expected: example.expected.clone(),
            asks: true,
        }
    }

    /// An example in the caller's own words holds where its comparison is true.
    ///
    /// One that does not call the function, or calls it on both sides, says nothing of it.
    fn truth(example: &str, entry: Option<&str>) -> Self {
        let call = entry.map(|name| format!("{name}("));
        let sides = call.zip(example.split_once("=="));
        let asks = sides.is_some_and(|(call, (left, right))| {
            left.trim_start().starts_with(&call) && !right.contains(&call)
        });
        Self { expression: example.trim().to_owned(), expected: Value::Bool(true), asks }
    }

    /// Whether this was read out of the example.
    fn says(&self, example: &str) -> bool {
        let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        example.split_once("==").is_some_and(|(call, expected)| {
            plain(call) == plain(&self.expression) && value::parse(expected.trim()).is_ok()
        })
    }

    /// Whether what it gave is what it must give.
    #[must_use]
    pub fn is_met(&self, repr: &str) -> bool {
        repr == self.expected.repr() || value::parse(repr).is_ok_and(|found| found == self.expected)
    }
}

/// One text with a `def` line, what is said, and every example.
fn composed(task: &Task) -> String {
    let examples = |out: &mut String| {
        for example in &task.examples {
            out.push_str("\n    ");
            out.push_str(example.trim());
        }
        out.push('\n');
    };
    if task.signature.is_none() && named(&task.text).is_some() {
        let mut text = task.text.clone();
        examples(&mut text);
        return text;
    }
    let header = match &task.signature {
        Some(signature) => header(signature),
        None => task.examples.iter().find_map(|example| inferred(example)).unwrap_or_default(),
    };
    let mut text = format!("{header}\n    \"\"\"");
    for line in task.text.lines() {
        text.push_str("\n    ");
        // A signature that was given counts, whatever function the words define.
        text.push_str(line.strip_prefix("def ").unwrap_or(line));
    }
    examples(&mut text);
    text.push_str("    \"\"\"\n");
    text
}

/// `def NAME(…):`, whichever of its ends are missing.
fn header(signature: &str) -> String {
    let signature = signature.trim().trim_end_matches("...").trim_end();
    let start = if signature.starts_with("def ") { "" } else { "def " };
    let end = if signature.ends_with(':') { "" } else { ":" };
    format!("{start}{signature}{end}")
}

/// The last function that a text defines.
fn named(text: &str) -> Option<String> {
    let name = |line: &str| {
        let called = line.trim_start().strip_prefix("def ")?.split('(').next()?.trim();
        let fits = !called.is_empty() && called.chars().all(|c| c.is_alphanumeric() || c == '_');
        fits.then(|| called.to_owned())
    };
    text.lines().filter_map(name).next_back()
}

/// The header of the function that an example calls.
fn inferred(example: &str) -> Option<String> {
    let (call, _) = example.split_once("==")?;
    let (name, arguments) = call.trim().split_once('(')?;
    let (mut depth, mut count, mut quote) = (0_usize, 1_usize, None);
    for c in arguments.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => count += 1,
            _ => {}
        }
    }
    if arguments.trim_start().starts_with(')') {
        count = 0;
    }
    let names: Vec<String> = ('a'..='z').take(count).map(String::from).collect();
    Some(format!("def {}({}):", name.trim(), names.join(", ")))
}

/// Whether words alone say that a program text is wanted: they define a function.
pub(super) fn defines(text: &str) -> bool {
    named(text).is_some()
}

#[cfg(test)]
mod tests {
    use cascade_policy::facts::TaskKind;

    use super::*;

    fn task(text: &str, signature: Option<&str>, examples: &[&str]) -> Task {
        Task {
            kind: TaskKind::Code,
            text: text.into(),
            signature: signature.map(Into::into),
            examples: examples.iter().map(|one| (*one).to_owned()).collect(),
            tests: None,
            schema: None,
            max_layer: "L5".into(),
            tools: Vec::new(),
            model: None,
        }
    }

    fn read(task: &Task) -> (String, usize, usize) {
        let spec = Spec::of(task);
        let read = spec.read.as_ref().unwrap_or_else(|error| panic!("{error}"));
        (read.header.clone(), read.examples.len(), spec.calls.len())
    }

    #[test]
    fn every_way_to_state_a_function() {
        let both = ["f(1, 2) == 3", "f(2, 2) == 4"];
        for (task, header) in [
            (task("adds", Some("f(a: int, b: int) -> int"), &both), "def f(a: int, b: int) -> int:"),
            (task("adds", Some("def f(a: int, b: int) -> int: ..."), &both), "def f(a: int, b: int) -> int:"),
            (task("def f(x, y):\n    '''adds'''", None, &both), "def f(x, y):"),
            (task("adds", None, &both), "def f(a, b):"),
            (task("def g(x): pass", Some("f(x, y)"), &both), "def f(x, y):"),
        ] {
            assert_eq!(read(&task), (header.into(), 2, 2), "{task:?}");
        }
    }

    #[test]
    fn what_engines_cannot_read_must_hold_all_the_same() {
        let spec = Spec::of(&task("", Some("f(x)"), &["f(1) == 2", "f({1}) == {2}"]));
        let expressions: Vec<_> = spec.calls.iter().map(|call| call.expression.as_str()).collect();
        assert_eq!(expressions, ["f(1)", "f({1}) == {2}"]);
        assert!(spec.calls.iter().all(|call| call.is_met(&call.expected.repr())));
        let contradictory = task("", Some("f(x)"), &["f(1) == 2", "f(1) == 3"]);
        assert!(Spec::of(&contradictory).contradicts_itself());
    }

    #[test]
    fn values_are_compared_as_python_compares_them() {
        let call = |expected: Value| Call { expression: String::new(), expected, asks: true };
        assert!(call(Value::Int(1)).is_met("1.0"));
        assert!(!call(Value::list(vec![])).is_met("()"));
        assert!(!call(Value::Bool(true)).is_met("<object>"));
    }
}
