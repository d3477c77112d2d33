//! How long a file and a function may be, tests aside.

use super::Finding;
use super::mask::{braced, is_test, line_of, mask, outside_tests};
use super::tree::Tree;

/// Lines of a source file outside its tests. Past this it holds more than one thing.
const FILE_LINES_MAX: usize = 600;
/// Lines with code in one function's body; the same measure clippy takes.
const FUNCTION_LINES_MAX: usize = 70;

/// Files and functions keep within their limits.
///
/// A function under an `expect` of `clippy::too_many_lines` has given its reason and passes.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.ending(".rs") {
        if is_test(path) {
            continue;
        }
        let code = outside_tests(source);
        let lines = file_lines(source, &code);
        if lines > FILE_LINES_MAX {
            let text = format!("{lines} lines outside tests, at most {FILE_LINES_MAX}: split it by meaning");
            findings.push(Finding::new(path, text));
        }
        for (offset, name, lines) in functions(&code) {
            if lines > FUNCTION_LINES_MAX && !excused(source, &code, offset) {
                let text =
                    format!("`{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}: split it by meaning");
                findings.push(Finding::at(path, line_of(source, offset), text));
            }
        }
    }
    findings
}

/// Lines that are not inside a test item: those that masking for tests alone would blank do not count.
fn file_lines(source: &str, code: &str) -> usize {
    let masked = mask(source);
    let tests = masked
        .lines()
        .zip(code.lines())
        .filter(|(before, after)| !before.trim().is_empty() && after.trim().is_empty())
        .count();
    source.lines().count() - tests
}

/// Offset, name and lines of code of every function with a body.
fn functions(code: &str) -> Vec<(usize, &str, usize)> {
    let mut found = Vec::new();
    for (offset, _) in code.match_indices("fn ") {
        let before = code.get(..offset).and_then(|text| text.chars().next_back());
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let tail = code.get(offset + 3..).unwrap_or_default();
        let name = tail.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        // `fn (…)` is a type of function, not a function.
        if name.is_empty() {
            continue;
        }
        if let Some(open) = body_start(tail) {
            let body = tail.get(open..).unwrap_or_default();
            let body = body.get(..braced(body)).unwrap_or_default();
            let lines = body.lines().filter(|line| !line.trim().is_empty()).count();
            // The lines of the two braces are the signature's.
            found.push((offset, name, lines.saturating_sub(2)));
        }
    }
    found
}

/// Where a function's body opens; `None` for a declaration without one.
fn body_start(signature: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in signature.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '{' if depth == 0 => return Some(at),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Whether the attributes right above a function expect the lint: anything between the last end of an
/// item and the function.
fn excused(source: &str, code: &str, offset: usize) -> bool {
    let before = code.get(..offset).unwrap_or_default();
    let start = before.rfind(['}', ';', '{']).map_or(0, |at| at + 1);
    source.get(start..offset).is_some_and(|text| text.contains("clippy::too_many_lines"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::tree;

    fn function(name: &str, lines: usize) -> String {
        format!("fn {name}(x: [u8; 2]) {{\n{}}}\n", "    x();\n".repeat(lines))
    }

    #[test]
    fn limits_hold_at_and_past() {
        let at = function("a", FUNCTION_LINES_MAX);
        let past = function("a", FUNCTION_LINES_MAX + 1);
        assert_eq!(check(&tree(&[("x/src/a.rs", &at)])), []);
        let found = check(&tree(&[("x/src/a.rs", &past)]));
        assert_eq!(found[0].to_string(), "x/src/a.rs:1: `a` has 71 lines, at most 70: split it by meaning");
        let long = "// x\n".repeat(FILE_LINES_MAX);
        assert_eq!(check(&tree(&[("x/src/a.rs", &long)])), []);
        let found = check(&tree(&[("x/src/a.rs", &format!("{long}// y\n"))]));
        assert!(found[0].text.starts_with("601 lines outside tests"), "{found:?}");
    }

    #[test]
    fn tests_comments_and_reasons_do_not_count() {
        let comments = format!("fn a() {{\n{}}}\n", "    // why\n".repeat(100));
        let excused =
            format!("#[expect(clippy::too_many_lines, reason = \"one line a case\")]\n{}", function("a", 90));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function("a", 900));
        for text in [comments, excused.clone(), tests] {
            assert_eq!(check(&tree(&[("x/src/a.rs", &text)])), [], "{text}");
        }
        // The reason covers one function, not the next.
        let found = check(&tree(&[("x/src/a.rs", &format!("{excused}{}", function("b", 90)))]));
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
