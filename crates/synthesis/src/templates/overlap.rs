//! How much of a program's vocabulary its task has, and how much of the task's the program has.

use std::collections::BTreeSet;

/// The least overlap of the published admission rule. It is necessary, never sufficient: a function without a body
/// passes it on most tasks, because its name and parameters come from the task.
pub const OVERLAP_MIN: f64 = 0.40;

/// Words of Python that say nothing about what a program does.
const PYTHON: &[&str] = &[
    "and", "as", "assert", "break", "class", "continue", "def", "elif", "else", "except", "for", "from",
    "if", "import", "in", "is", "lambda", "not", "or", "pass", "raise", "return", "try", "while", "with",
    "yield",
];

/// Words of a description that say nothing about what a program does.
const EMPTY: &[&str] = &[
    "a", "all", "an", "and", "are", "as", "at", "be", "by", "for", "from", "given", "in", "is", "it", "its",
    "of", "on", "or", "return", "returns", "should", "that", "the", "then", "this", "to", "with", "you",
];

/// Share of the words in a program's names and literals that the task's text has; 0 for a program without any. The
/// text is the whole task, signature included.
#[must_use]
pub fn overlap(description: &str, python: &str) -> f64 {
    let mut used = words(python);
    used.retain(|word| !PYTHON.contains(&word.as_str()) && word.chars().count() > 1);
    let said = words(description);
    if used.is_empty() {
        return 0.0;
    }
    used.iter().filter(|word| said.contains(*word)).count() as f64 / used.len() as f64
}

/// Share of a description's words, empty ones apart, that come up in the program; 1 where the description has none.
pub(crate) fn coverage(description: &str, python: &str) -> f64 {
    let mut wanted = words(description);
    wanted.retain(|word| !EMPTY.contains(&word.as_str()));
    let there = words(python);
    if wanted.is_empty() {
        return 1.0;
    }
    wanted.iter().filter(|word| there.contains(*word)).count() as f64 / wanted.len() as f64
}

/// Words in lower case, identifiers taken apart at underscores and capitals, plural endings removed.
pub(crate) fn words(text: &str) -> BTreeSet<String> {
    let mut apart = String::with_capacity(text.len());
    let mut lower = false;
    for c in text.chars() {
        if c.is_uppercase() && lower {
            apart.push(' ');
        }
        lower = c.is_lowercase();
        apart.extend(c.to_lowercase());
    }
    let words = apart.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(stem).collect()
}

fn stem(word: &str) -> String {
    let plural = word.len() > 3 && word.ends_with('s') && !word.ends_with("ss");
    word.get(..word.len() - usize::from(plural)).unwrap_or(word).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_program_are_looked_for_in_its_task() {
        assert!((overlap("sum of even numbers", "def sum_even(numbers):\n    return 1") - 1.0).abs() < 1e-9);
        assert!((overlap("countVowels", "def count(vowels, other, more):\n    pass") - 0.5).abs() < 1e-9);
        assert!(overlap("largest prime factor", "def go(xs):\n    return sorted(xs)") < OVERLAP_MIN);
        assert!(overlap("anything", "").abs() < 1e-9);
    }

    #[test]
    fn a_function_without_a_body_passes_it_which_is_why_it_never_suffices() {
        assert!(
            overlap("def add(numbers): Sum of the numbers", "def add(numbers):\n    pass") >= OVERLAP_MIN
        );
    }

    #[test]
    fn coverage_goes_the_other_way() {
        assert!((coverage("the sum of even numbers", "sum(x for x in numbers)") - 2.0 / 3.0).abs() < 1e-9);
        assert!((coverage("", "x") - 1.0).abs() < 1e-9);
    }
}
