//! What the words of a description say about operators and constants.

use std::collections::BTreeSet;

use crate::ops::Op;
use crate::spec::Task;
use crate::value::{Value, parse_prefix};

/// Constants that a word calls for.
pub(crate) const WORDS: &[(&str, &[&str])] = &[
    ("vowel", &["'aeiou'", "'aeiouAEIOU'", "'AEIOU'"]),
    ("consonant", &["'aeiouAEIOU'", "'aeiou'"]),
    ("alphabet", &["'abcdefghijklmnopqrstuvwxyz'"]),
    ("paren", &["'('", "')'"]),
    ("bracket", &["'('", "')'", "'<'", "'>'", "'['", "']'"]),
    ("space", &["' '"]),
    ("comma", &["','", "', '"]),
    ("underscore", &["'_'"]),
    ("dash", &["'-'"]),
    ("binary", &["'0'", "'1'", "2"]),
    ("decimal", &["10"]),
    ("two", &["2"]),
    ("second", &["2"]),
    ("three", &["3"]),
    ("third", &["3"]),
    ("four", &["4"]),
    ("five", &["5"]),
    ("ten", &["10"]),
];

/// The words of a description, in lower case.
pub(crate) struct Hints {
    words: BTreeSet<String>,
}

impl Hints {
    pub(crate) fn new(task: &Task) -> Self {
        let text = format!("{} {}", task.name.replace('_', " "), task.description).to_lowercase();
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '-');
        Self { words: words.filter(|word| !word.is_empty()).map(str::to_owned).collect() }
    }

    fn says(&self, pattern: &str) -> bool {
        match pattern.strip_suffix('*') {
            Some(start) => {
                let from = self.words.range(start.to_owned()..).next();
                from.is_some_and(|word| word.starts_with(start))
            }
            None => self.words.contains(pattern) || self.words.contains(&format!("{pattern}s")),
        }
    }

    /// What using an operator costs, given the description.
    pub(crate) fn cost(&self, op: &Op) -> u32 {
        let hits = op.words.split(' ').filter(|word| !word.is_empty() && self.says(word)).count();
        let relief = match (hits, op.source.is_empty()) {
            (0, _) => 0,
            (_, true) => 1,
            (1, false) => 2,
            (_, false) => 3,
        };
        // Nothing speaks for it: it comes later.
        let doubt = u32::from(hits == 0 && !op.words.is_empty());
        (op.cost + doubt).saturating_sub(relief).max(1)
    }

    /// Whether a word of the description speaks for an operator; `None` when it has no words.
    pub(crate) fn speaks_for(&self, op: &Op) -> Option<bool> {
        let mut words = op.words.split(' ').filter(|word| !word.is_empty()).peekable();
        words.peek().is_some().then(|| words.any(|word| self.says(word)))
    }

    /// Constants with their costs, cheapest mention first, no two equal.
    pub(crate) fn constants(&self, task: &Task) -> Vec<(Value, u32)> {
        let mut found: Vec<(Value, u32)> = Vec::new();
        let mut add = |value: Value, cost: u32| {
            let known = found.iter().any(|(other, _)| other.repr() == value.repr());
            if !known && found.len() < 40 {
                found.push((value, cost));
            }
        };
        for value in outputs(task) {
            add(value, 2);
        }
        for value in mentioned(&task.description) {
            add(value, 2);
        }
        for (word, texts) in WORDS {
            if self.words.iter().any(|said| said.starts_with(word)) {
                texts.iter().filter_map(|text| parse_prefix(text).ok()).for_each(|(value, _)| add(value, 2));
            }
        }
        for text in ["0", "1", "2"] {
            parse_prefix(text).into_iter().for_each(|(value, _)| add(value, 2));
        }
        for text in ["''", "' '", "True", "False"] {
            parse_prefix(text).into_iter().for_each(|(value, _)| add(value, 3));
        }
        // Nothing speaks for these.
        for text in ["-1", "3", "10"] {
            parse_prefix(text).into_iter().for_each(|(value, _)| add(value, 4));
        }
        found
    }
}

/// Results that come up as they are: few and short, or they are no constants.
fn outputs(task: &Task) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for example in &task.examples {
        let small = match &example.expected {
            // A text that comes up once and is not spoken of is data.
            Value::Str(text) => {
                let times = task.examples.iter().filter(|other| other.expected == example.expected).count();
                text.len() <= 24 && (times > 1 || task.description.contains(text.as_ref()))
            }
            Value::Int(i) => (-1..=1).contains(i),
            Value::List(items) => items.is_empty(),
            Value::None => true,
            _ => false,
        };
        if small && !found.iter().any(|known| known.repr() == example.expected.repr()) {
            found.push(example.expected.clone());
        }
    }
    let texts = found.iter().filter(|value| matches!(value, Value::Str(s) if !s.is_empty())).count();
    if texts > 3 {
        found.retain(|value| !matches!(value, Value::Str(s) if !s.is_empty()));
    }
    found
}

/// Numbers and short quoted texts in the prose.
fn mentioned(description: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut before = ' ';
    for (at, c) in description.char_indices() {
        let rest = description.get(at..).unwrap_or_default();
        if !before.is_alphanumeric()
            && !matches!(before, '_' | '.' | '\'' | '"')
            && (c.is_ascii_digit() || matches!(c, '\'' | '"' | '-'))
            && let Ok((value, _)) = parse_prefix(rest)
        {
            match &value {
                Value::Str(text) if text.chars().count() <= 12 => found.push(value),
                Value::Int(_) | Value::Float(_) => found.push(value),
                _ => {}
            }
        }
        before = c;
        if found.len() >= 12 {
            break;
        }
    }
    found
}
