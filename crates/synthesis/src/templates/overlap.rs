//! How many of a description's words come up in a program.

use std::collections::BTreeSet;

/// The least overlap of the published admission rule. It is necessary, never sufficient: a function without a body
/// passes it on most tasks, because its name and parameters come from the description.
pub const OVERLAP_MIN: f64 = 0.40;

/// Words that say nothing about what a program does.
const EMPTY: &[&str] = &[
    "a", "all", "an", "and", "are", "as", "at", "be", "by", "for", "from", "given", "in", "is", "it", "its",
    "of", "on", "or", "return", "returns", "should", "that", "the", "then", "this", "to", "with", "you",
];

/// Share of the description's words, empty ones apart, that come up in the program's identifiers and literals; 1
/// where the description has none.
#[must_use]
pub fn overlap(description: &str, python: &str) -> f64 {
    let wanted: BTreeSet<String> =
        words(description).into_iter().filter(|word| !EMPTY.contains(&word.as_str())).collect();
    let there = words(python);
    if wanted.is_empty() {
        return 1.0;
    }
    let met = wanted.iter().filter(|word| there.contains(*word)).count();
    met as f64 / wanted.len() as f64
}

/// Words in lower case, identifiers taken apart at underscores and capitals, plural endings removed.
fn words(text: &str) -> BTreeSet<String> {
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
    fn words_are_met_in_identifiers_and_literals() {
        assert!((overlap("Sum of even numbers", "def sum_even(numbers):\n    return 1") - 1.0).abs() < 1e-9);
        assert!((overlap("countVowels", "def f(text):\n    return count(text)") - 0.5).abs() < 1e-9);
        assert!(overlap("largest prime factor", "def f(n):\n    return 0") < OVERLAP_MIN);
        assert!((overlap("", "x") - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_function_without_a_body_passes_it_which_is_why_it_never_suffices() {
        assert!(overlap("Sum of the numbers", "def sum_of(numbers):\n    pass") >= OVERLAP_MIN);
    }
}
