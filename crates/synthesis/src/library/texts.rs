//! Helpers about strings.

use crate::ops::{Args, at, int, list, string};
use crate::value::{Fail, Value};

type Answer = Result<Value, Fail>;

fn ascii<'a>(args: Args<'a>, place: usize) -> Result<&'a str, Fail> {
    let text = string(at(args, place)?)?;
    if text.is_ascii() { Ok(text) } else { Err(Fail::Unsupported) }
}

fn mark(args: Args<'_>, place: usize) -> Result<char, Fail> {
    let mut chars = string(at(args, place)?)?.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(c),
        _ => Err(Fail::Unsupported),
    }
}

pub(super) const IS_PALINDROME: &str = "def is_palindrome(text):
    return text == text[::-1]
";

pub(super) fn is_palindrome(args: Args<'_>) -> Answer {
    let text = string(at(args, 0)?)?;
    Ok(Value::Bool(text.chars().eq(text.chars().rev())))
}

pub(super) const SHIFT_LETTERS: &str = "def shift_letters(text, places):
    def shift(c):
        start = ord('a') if c.islower() else ord('A')
        return chr((ord(c) - start + places) % 26 + start) if c.isalpha() else c
    return ''.join(shift(c) for c in text)
";

pub(super) fn shift_letters(args: Args<'_>) -> Answer {
    let places = int(at(args, 1)?)?.rem_euclid(26);
    let places = u8::try_from(places).map_err(|_| Fail::TooBig)?;
    let shift = |c: char| match u8::try_from(c) {
        Ok(b @ b'a'..=b'z') => char::from((b - b'a' + places) % 26 + b'a'),
        Ok(b @ b'A'..=b'Z') => char::from((b - b'A' + places) % 26 + b'A'),
        _ => c,
    };
    Ok(Value::text(&ascii(args, 0)?.chars().map(shift).collect::<String>()))
}

pub(super) const ONLY_LETTERS: &str = "def only_letters(text):
    return ''.join(c for c in text if c.isalpha())
";

pub(super) fn only_letters(args: Args<'_>) -> Answer {
    Ok(Value::text(&ascii(args, 0)?.chars().filter(char::is_ascii_alphabetic).collect::<String>()))
}

pub(super) const ONLY_DIGITS: &str = "def only_digits(text):
    return ''.join(c for c in text if c.isdigit())
";

pub(super) fn only_digits(args: Args<'_>) -> Answer {
    Ok(Value::text(&ascii(args, 0)?.chars().filter(char::is_ascii_digit).collect::<String>()))
}

pub(super) const NUMBERS_IN: &str = "def numbers_in(text):
    return [int(word) for word in text.split() if word.isdigit()]
";

pub(super) fn numbers_in(args: Args<'_>) -> Answer {
    let words = ascii(args, 0)?.split(crate::ops::gap);
    let numbers = words.filter(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()));
    list(
        numbers
            .map(|word| word.parse().map(Value::Int).map_err(|_| Fail::TooBig))
            .collect::<Result<_, _>>()?,
    )
}

pub(super) const COUNT_VOWELS: &str = "def count_vowels(text):
    return sum(1 for c in text.lower() if c in 'aeiou')
";

pub(super) fn count_vowels(args: Args<'_>) -> Answer {
    let vowels = ascii(args, 0)?.chars().filter(|c| "aeiouAEIOU".contains(*c)).count();
    Ok(Value::Int(i64::try_from(vowels).map_err(|_| Fail::TooBig)?))
}

pub(super) const NESTING_DEPTH: &str = "def nesting_depth(text, opening, closing):
    depth = deepest = 0
    for c in text:
        depth += (c == opening) - (c == closing)
        deepest = max(deepest, depth)
    return deepest
";

fn depths<'a>(text: &'a str, opening: char, closing: char) -> impl Iterator<Item = (char, i64)> + 'a {
    text.chars().scan(0, move |depth, c| {
        *depth += i64::from(c == opening) - i64::from(c == closing);
        Some((c, *depth))
    })
}

pub(super) fn nesting_depth(args: Args<'_>) -> Answer {
    let text = string(at(args, 0)?)?;
    let deepest = depths(text, mark(args, 1)?, mark(args, 2)?).map(|(_, depth)| depth).max();
    Ok(Value::Int(deepest.unwrap_or(0).max(0)))
}

pub(super) const BALANCED: &str = "def balanced(text, opening, closing):
    depth = 0
    for c in text:
        depth += (c == opening) - (c == closing)
        if depth < 0:
            return False
    return depth == 0
";

pub(super) fn balanced(args: Args<'_>) -> Answer {
    let mut last = 0;
    for (_, depth) in depths(string(at(args, 0)?)?, mark(args, 1)?, mark(args, 2)?) {
        if depth < 0 {
            return Ok(Value::Bool(false));
        }
        last = depth;
    }
    Ok(Value::Bool(last == 0))
}

pub(super) const RUNS: &str = "def runs(text):
    found = []
    for c in text:
        if found and found[-1][0] == c:
            found[-1] += c
        else:
            found.append(c)
    return found
";

pub(super) fn runs(args: Args<'_>) -> Answer {
    let mut found: Vec<String> = Vec::new();
    for c in string(at(args, 0)?)?.chars() {
        match found.last_mut() {
            Some(run) if run.starts_with(c) => run.push(c),
            _ => found.push(c.to_string()),
        }
    }
    list(found.iter().map(|run| Value::text(run)).collect())
}

pub(super) const TEXT_PREFIXES: &str = "def text_prefixes(text):
    return [text[:end] for end in range(1, len(text) + 1)]
";

pub(super) fn text_prefixes(args: Args<'_>) -> Answer {
    let text = string(at(args, 0)?)?;
    if text.len() > 200 {
        return Err(Fail::TooBig);
    }
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    list(ends.filter_map(|end| text.get(..end)).map(Value::text).collect())
}

pub(super) const SUBSTRINGS: &str = "def substrings(text):
    return [text[start:end] for start in range(len(text)) for end in range(start + 1, len(text) + 1)]
";

pub(super) fn substrings(args: Args<'_>) -> Answer {
    let chars: Vec<char> = string(at(args, 0)?)?.chars().collect();
    if chars.len() > 40 {
        return Err(Fail::TooBig);
    }
    let mut found = Vec::new();
    for start in 0..chars.len() {
        for end in start + 1..=chars.len() {
            found.extend(chars.get(start..end).map(|part| Value::text(&part.iter().collect::<String>())));
        }
    }
    list(found)
}

pub(super) const FIND_OVERLAPPING: &str = "def find_overlapping(text, part):
    return [start for start in range(len(text)) if text.startswith(part, start)]
";

pub(super) fn find_overlapping(args: Args<'_>) -> Answer {
    let (text, part) = (string(at(args, 0)?)?, string(at(args, 1)?)?);
    let starts = text
        .char_indices()
        .enumerate()
        .filter(|(_, (at, _))| text.get(*at..).is_some_and(|t| t.starts_with(part)));
    list(
        starts
            .map(|(place, _)| Ok(Value::Int(i64::try_from(place).map_err(|_| Fail::TooBig)?)))
            .collect::<Result<_, Fail>>()?,
    )
}

pub(super) const NUMBER_WORDS: &str = "def number_words():
    return ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten']
";

pub(super) fn number_words(_args: Args<'_>) -> Answer {
    let words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    Ok(Value::list(words.map(Value::text).to_vec()))
}
