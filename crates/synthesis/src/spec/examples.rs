//! Calls with results, in the forms people write them.

use super::{Example, SpecError, Task};
use crate::value::{LiteralError, Value};

/// What may stand between a call and its result, longest first.
const BETWEEN: &[&str] = &[
    "should return",
    "would return",
    "will return",
    "must return",
    "should be equal to",
    "should be",
    "returns",
    "return",
    "evaluates to",
    "gives",
    "outputs",
    "==>",
    "==",
    "=>",
    "->",
    "\u{279e}",
    "\u{2192}",
    "\u{21d2}",
    "=",
    "is",
    ":",
];

/// Every example of the text, calls by name first; other forms only where there is no call.
pub(super) fn find(body: &str, first_line: usize, task: &Task) -> Result<Vec<Example>, SpecError> {
    let mut found = Vec::new();
    let call = format!("{}(", task.name);
    let mut offset = 0;
    while let Some(at) = body.get(offset..).and_then(|rest| rest.find(&call)) {
        let start = offset + at;
        offset = start + call.len();
        let before = body.get(..start).unwrap_or_default();
        if before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.') {
            continue;
        }
        let line = first_line + before.matches('\n').count();
        let doctest = before.rsplit('\n').next().is_some_and(|line| line.trim_start().starts_with(">>>"));
        let Some((given, used)) = arguments(body.get(offset..).unwrap_or_default(), task) else { continue };
        let after = body.get(offset + used..).unwrap_or_default();
        let Some(expected) = result(after, doctest) else { continue };
        found.push(Example { arguments: complete(given, task, line)?, expected, line });
    }
    if found.is_empty() {
        found = bare(body, first_line, task);
    }
    Ok(found)
}

/// A literal in prose, where a full stop after a number is no decimal point.
fn parse_prefix(text: &str) -> Result<(Value, usize), LiteralError> {
    let (value, used) = crate::value::parse_prefix(text)?;
    match text.get(..used).and_then(|literal| literal.strip_suffix('.')) {
        Some(whole) => crate::value::parse_prefix(whole),
        None => Ok((value, used)),
    }
}

/// Arguments by position and by name, up to the closing parenthesis; also how many bytes that took.
pub(super) type Given = Vec<(Option<usize>, Value)>;

pub(super) fn arguments(text: &str, task: &Task) -> Option<(Given, usize)> {
    let mut given = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        if trimmed.starts_with(')') {
            return Some((given, at + 1));
        }
        let named = task.parameters.iter().position(|parameter| {
            trimmed
                .strip_prefix(parameter.name.as_str())
                .is_some_and(|rest| rest.trim_start().starts_with('='))
        });
        if named.is_some() {
            at += trimmed.find('=')? + 1;
        }
        let (value, used) = parse_prefix(text.get(at..)?).ok()?;
        given.push((named, value));
        at += used;
        let rest = text.get(at..)?;
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        match trimmed.chars().next()? {
            ',' => at += 1,
            ')' => {}
            _ => return None,
        }
    }
}

/// One value for each parameter, defaults included.
pub(super) fn complete(given: Given, task: &Task, line: usize) -> Result<Vec<Value>, SpecError> {
    let (count, wanted) = (given.len(), task.parameters.len());
    let arity = SpecError::Arity { line, given: count, wanted };
    let mut values: Vec<Option<Value>> = task.parameters.iter().map(|_| None).collect();
    for (at, (named, value)) in given.into_iter().enumerate() {
        let slot = values.get_mut(named.unwrap_or(at)).ok_or(arity.clone())?;
        if slot.replace(value).is_some() {
            return Err(arity);
        }
    }
    let filled = values.into_iter().zip(&task.parameters);
    filled
        .map(|(value, parameter)| value.or_else(|| parameter.default.clone()).ok_or(arity.clone()))
        .collect()
}

/// The result after a call.
fn result(after: &str, doctest: bool) -> Option<Value> {
    let same_line = after.split('\n').next().unwrap_or_default();
    if doctest && same_line.trim().is_empty() {
        let next = after.split('\n').nth(1)?.trim();
        let (value, used) = parse_prefix(next).ok()?;
        return ends(next.get(used..)?).then_some(value);
    }
    let marks = |c: char| c.is_whitespace() || matches!(c, '`' | ',' | '#' | '"' | '\'');
    let text = same_line.trim_start_matches(marks);
    let rest = BETWEEN.iter().find_map(|word| text.strip_prefix(word))?;
    let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '`' | '='));
    let at = after.len() - after.trim_start().len();
    // A result may go on over several lines.
    let from = after.find(rest).filter(|from| *from >= at && !rest.is_empty())?;
    let text = after.get(from..)?;
    let (value, used) = parse_prefix(text).ok()?;
    ends(text.get(used..)?.split('\n').next().unwrap_or_default()).then_some(value)
}

/// Whether nothing follows that would make the literal part of something larger.
fn ends(rest: &str) -> bool {
    let trimmed = rest.trim_start();
    match trimmed.chars().next() {
        None => true,
        Some('+' | '*' | '/' | '%' | '<' | '[' | '(') => false,
        Some(',') => parse_prefix(trimmed.get(1..).unwrap_or_default()).is_err(),
        Some(_) => true,
    }
}

/// Examples without the function's name: `[1, 2] => 3`, `xs = [1, 2] … 3`, `Input: … Output: …`.
fn bare(body: &str, first_line: usize, task: &Task) -> Vec<Example> {
    let mut found = Vec::new();
    let mut input: Option<Vec<Value>> = None;
    for (at, line) in body.lines().enumerate() {
        let line_number = first_line + at;
        let trimmed = line.trim();
        let mut push = |arguments: Vec<Value>, expected: Value| {
            found.push(Example { arguments, expected, line: line_number });
        };
        let lower = trimmed.to_lowercase();
        if let Some(place) = lower.strip_prefix("input").and_then(|_| trimmed.find([':', '='])) {
            input = values(trimmed.get(place + 1..).unwrap_or_default(), task).map(|(values, _)| values);
        } else if let Some(place) = lower.strip_prefix("output").and_then(|_| trimmed.find([':', '='])) {
            let rest = trimmed.get(place + 1..).unwrap_or_default();
            if let (Some(arguments), Ok((expected, used))) = (input.take(), parse_prefix(rest))
                && ends(rest.get(used..).unwrap_or_default())
            {
                push(arguments, expected);
            }
        } else if let Some((arguments, used)) = values(trimmed, task).or_else(|| assigned(trimmed, task)) {
            let rest = trimmed.get(used..).unwrap_or_default();
            if let Some(expected) = result(rest, false).or_else(|| told(rest)) {
                push(arguments, expected);
            }
        }
    }
    found
}

/// As many literals as there are parameters, at the start of a text.
fn values(text: &str, task: &Task) -> Option<(Vec<Value>, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    for parameter in &task.parameters {
        let rest = text.get(at..)?;
        let named = rest.trim_start().strip_prefix(parameter.name.as_str());
        if let Some(after) = named.map(str::trim_start).and_then(|after| after.strip_prefix('=')) {
            at = text.len() - after.len();
        }
        let (value, used) = parse_prefix(text.get(at..)?).ok()?;
        found.push(value);
        at += used;
        if found.len() < task.parameters.len() {
            let rest = text.get(at..)?;
            let trimmed = rest.trim_start();
            at += rest.len() - trimmed.len() + trimmed.strip_prefix(',').map(|_| 1)?;
        }
    }
    (!found.is_empty()).then_some((found, at))
}

/// Literals assigned to the parameters somewhere in a sentence.
fn assigned(text: &str, task: &Task) -> Option<(Vec<Value>, usize)> {
    let first = task.parameters.first()?;
    let patterns = [format!("{} = ", first.name), format!("{}=", first.name)];
    let start = patterns.iter().find_map(|pattern| text.find(pattern.as_str()))?;
    let (found, used) = values(text.get(start..)?, task)?;
    Some((found, start + used))
}

/// `… the output should be 4`, `… returns 4`.
fn told(text: &str) -> Option<Value> {
    let words = [
        "should be",
        "would be",
        "should return",
        "returns",
        "return",
        "output is",
        "result is",
        "=>",
        "->",
        "=",
    ];
    let place = words.iter().find_map(|word| text.find(word).map(|at| at + word.len()))?;
    let rest = text.get(place..)?.trim_start_matches([' ', ':', '`']);
    let (value, used) = parse_prefix(rest).ok()?;
    ends(rest.get(used..)?).then_some(value)
}
