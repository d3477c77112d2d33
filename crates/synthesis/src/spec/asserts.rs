//! Examples in a caller's tests: an `assert` that compares one call on literals with one literal.
//!
//! Only what runs whenever the tests run is read: at the top of the text, and in the `check` that is run. Everything else
//! stays with the tests, which are run whatever is read here: what is missed or misread costs an answer, never lets a
//! wrong one through.

use super::examples::{arguments, complete};
use super::{Example, Task};
use crate::value::parse_prefix;

/// Every such assert, in order.
pub(super) fn find(tests: &str, task: &Task) -> Vec<Example> {
    let (mut place, mut found) = (Place::Top, Found::default());
    let mut offset = 0;
    for (at, line) in tests.split_inclusive('\n').enumerate() {
        let (start, statement) = (offset, line.trim_start());
        offset += line.len();
        if statement.trim_end().is_empty() || statement.starts_with('#') {
            continue;
        }
        // What follows may stand in a text of several lines, where nothing runs.
        if ["\"\"\"", "'''"].iter().any(|quotes| line.matches(quotes).count() % 2 == 1) {
            break;
        }
        let indent = line.len() - statement.len();
        if indent == 0 && rebinds(statement, &task.name) {
            return Vec::new();
        }
        place = place.at(indent, statement, &mut found);
        let callee = match &place {
            Place::Top => task.name.as_str(),
            Place::Check { candidate, body: Some(body) } if *body == indent => candidate,
            Place::Check { .. } | Place::Elsewhere => continue,
        };
        if rebinds(statement, callee) {
            return Vec::new();
        }
        let rest = tests.get(start + indent..).unwrap_or_default();
        let asserts = if matches!(place, Place::Top) { &mut found.top } else { &mut found.checked };
        asserts.extend(assert(rest, callee, task, at + 1));
    }
    found.top.extend(found.checked);
    found.top
}

/// What was read, by where it stands.
#[derive(Default)]
struct Found {
    top: Vec<Example>,
    checked: Vec<Example>,
}

/// Where a line stands.
enum Place {
    /// At the top of the text.
    Top,
    /// In the `check` that is run, which calls the function by this name; its body is this far in.
    Check { candidate: String, body: Option<usize> },
    /// In something that is only defined, or not always run.
    Elsewhere,
}

impl Place {
    /// Where the next line stands. The last `check` is the one that is run.
    fn at(self, indent: usize, statement: &str, found: &mut Found) -> Self {
        if indent > 0 {
            return match self {
                Self::Check { body, .. } if body.unwrap_or(indent) == indent && ends(statement) => {
                    Self::Elsewhere
                }
                Self::Check { candidate, body } => Self::Check { candidate, body: body.or(Some(indent)) },
                Self::Top | Self::Elsewhere => Self::Elsewhere,
            };
        }
        if let Some(candidate) = statement.strip_prefix("def check(") {
            found.checked.clear();
            let name = candidate.split([')', ',', ':', '=']).next().unwrap_or_default().trim();
            return Self::Check { candidate: name.to_owned(), body: None };
        }
        let opens = statement.trim_end().ends_with(':') || statement.starts_with('@');
        if opens { Self::Elsewhere } else { Self::Top }
    }
}

/// Whether nothing behind this statement runs.
fn ends(statement: &str) -> bool {
    ["return", "raise"].iter().any(|word| statement.starts_with(word))
}

/// Whether the name stands for something else from here on.
fn rebinds(statement: &str, callee: &str) -> bool {
    let after = statement.strip_prefix(callee).map(str::trim_start);
    let assigned = after.is_some_and(|after| {
        after.starts_with([',', ':']) || (after.starts_with('=') && !after.starts_with("=="))
    });
    let imported = (statement.starts_with("import ") || statement.starts_with("from "))
        && statement.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == callee);
    let defined = statement.strip_prefix("def ").is_some_and(|name| name.starts_with(&format!("{callee}(")));
    assigned || imported || defined
}

/// The example that an `assert` at the start of a text is.
fn assert(text: &str, callee: &str, task: &Task, line: usize) -> Option<Example> {
    let call = text.strip_prefix("assert ")?.trim_start().strip_prefix(callee)?.strip_prefix('(')?;
    let (given, used) = arguments(call, task)?;
    let compared = call.get(used..)?.trim_start_matches([' ', '\t']);
    let expected = compared.strip_prefix("==").or_else(|| compared.strip_prefix("is "))?;
    let expected = expected.trim_start_matches([' ', '\t']);
    let (value, used) = parse_prefix(expected).ok()?;
    // A message may follow, an operator not.
    let rest = expected.get(used..)?.trim_start_matches([' ', '\t', '\r']);
    let ends = rest.is_empty() || rest.starts_with([',', '#', '\n']);
    let arguments = complete(given, task, line).ok()?;
    ends.then_some(Example { arguments, expected: value, line })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(tests: &str) -> Vec<String> {
        let task = Task::parse_with("def f(a, b=2): pass\nf(0) == 0", None, "").unwrap();
        let told = |example: Example| {
            let given: Vec<String> = example.arguments.iter().map(crate::value::Value::repr).collect();
            format!("{} {}", given.join(" "), example.expected.repr())
        };
        find(tests, &task).into_iter().map(told).collect()
    }

    #[test]
    fn asserts_that_run_are_examples() {
        assert_eq!(found("assert f(1) == 2\nassert f(1, b=3) == [4], 'why'  \n"), ["1 2 2", "1 3 [4]"]);
        assert_eq!(
            found(
                "M = {}\n\ndef check(candidate):\n\n    # first\n    assert candidate([\n  1]) == -2 # two\n    assert candidate(5) is None\n    assert True\n"
            ),
            ["[1] 2 -2", "5 2 None"]
        );
        assert_eq!(found("def check(c):\n\tassert c(1) == 2"), ["1 2 2"]);
    }

    #[test]
    fn what_is_not_always_run_or_no_literal_is_none() {
        for text in [
            "if x:\n    assert f(1) == 2\n",
            "def test():\n    assert f(1) == 2\n",
            "class A:\n    assert f(1) == 2\n",
            "'''\nassert f(1) == 2\n'''\n",
            "def check(candidate):\n    if candidate(1):\n        assert candidate(1) == 2\n",
            "def check(candidate):\n    return\n    assert candidate(1) == 2\n",
            "def check(candidate):\n    assert candidate(1) == 2\ndef check(candidate):\n    pass\n",
            "f = print\nassert f(1) == 2\n",
            "from m import f\nassert f(1) == 2\n",
            "def f(x):\n    return 2\nassert f(1) == 2\n",
            "def check(candidate):\n    candidate = print\n    assert candidate(1) == 2\n",
            "assert f(1) == 2 + 3\n",
            "assert f(1) == 2 == x\n",
            "assert f(x) == 2\n",
            "assert f(1) + 1 == 2\n",
            "assert f(1, 2, 3) == 2\n",
            "assert f(1) is not None\n",
            "assert f(1) != 2\n",
            "assert not f(1) == 2\n",
            "assert g(1) == 2\n",
            "f(1) == 2\n",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
