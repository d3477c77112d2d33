//! Brace expansion (bash manual, section 3.5.1), bounded.

use super::neutral::Piece;

/// One character of a word, or an expansion that stands as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Atom<'a> {
    /// A character and whether it was quoted.
    Char(char, bool),
    /// An empty pair of quotes, which makes a word of nothing.
    Quote,
    /// An expansion.
    Part(&'a Piece),
}

/// Most braces in one word: each is a level of recursion.
const BRACES_MAX: usize = 64;
/// Most words one word may become.
const WORDS_MAX: usize = 512;
/// Most characters they may have together.
const SIZE_MAX: usize = 64 * 1024;

/// A word would become more than the bound allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PastBound;

type Words<'a> = Vec<Vec<Atom<'a>>>;

/// All words a word becomes.
pub(super) fn expand<'a>(word: &[Atom<'a>]) -> Result<Words<'a>, PastBound> {
    if word.iter().filter(|atom| **atom == Atom::Char('{', false)).count() > BRACES_MAX {
        return Err(PastBound);
    }
    let Some((open, shut, choices)) = find(word)? else {
        return Ok(vec![word.to_vec()]);
    };
    let before = word.get(..open).unwrap_or(&[]);
    let after = expand(word.get(shut + 1..).unwrap_or(&[]))?;
    let mut all = Vec::new();
    let mut size = 0;
    for choice in choices {
        for middle in expand(&choice)? {
            for end in &after {
                let whole: Vec<Atom<'a>> = before.iter().chain(&middle).chain(end).copied().collect();
                size += whole.len();
                all.push(whole);
                if all.len() > WORDS_MAX || size > SIZE_MAX {
                    return Err(PastBound);
                }
            }
        }
    }
    Ok(all)
}

type Found<'a> = (usize, usize, Words<'a>);

/// The first brace that expands: where it opens, where it closes, and its choices.
fn find<'a>(word: &[Atom<'a>]) -> Result<Option<Found<'a>>, PastBound> {
    for (open, _) in word.iter().enumerate().filter(|(_, atom)| **atom == Atom::Char('{', false)) {
        // `{}` at the start of a word is what `find` and `xargs` replace, never a brace.
        if open == 0 && word.get(1) == Some(&Atom::Char('}', false)) {
            continue;
        }
        let Some((shut, commas)) = extent(word, open) else { continue };
        let inside = word.get(open + 1..shut).unwrap_or(&[]);
        if !commas.is_empty() {
            let mut choices = Vec::new();
            let mut from = open + 1;
            for comma in commas.into_iter().chain([shut]) {
                choices.push(word.get(from..comma).unwrap_or(&[]).to_vec());
                from = comma + 1;
            }
            return Ok(Some((open, shut, choices)));
        }
        if inside.contains(&Atom::Char('{', false)) {
            // A sequence with a brace in it: shells differ.
            return Err(PastBound);
        }
        if let Some(choices) = sequence(inside) {
            return choices.map(|choices| Some((open, shut, choices)));
        }
    }
    Ok(None)
}

/// Where the brace closes, and its commas. A closing brace before any comma or `..` is text.
fn extent(word: &[Atom<'_>], open: usize) -> Option<(usize, Vec<usize>)> {
    let is = |at: usize, c: char| word.get(at) == Some(&Atom::Char(c, false));
    let mut depth = 0usize;
    let mut commas = Vec::new();
    let mut range = false;
    for (i, atom) in word.iter().enumerate().skip(open + 1) {
        match atom {
            Atom::Char('}', false) if depth == 0 && (range || !commas.is_empty()) => {
                return Some((i, commas));
            }
            Atom::Char('{', false) => depth += 1,
            Atom::Char('}', false) => depth = depth.saturating_sub(1),
            Atom::Char(',', false) if depth == 0 => commas.push(i),
            Atom::Char('.', false) if depth == 0 => range |= is(i + 1, '.') && !is(i + 2, '}'),
            _ => {}
        }
    }
    None
}

/// `1..5`, `a..e`, `01..10..3`; `None` if the text is not a sequence.
fn sequence<'a>(inside: &[Atom<'_>]) -> Option<Result<Words<'a>, PastBound>> {
    let text: Option<String> = inside
        .iter()
        .map(|atom| match atom {
            Atom::Char(c, false) => Some(*c),
            _ => None,
        })
        .collect();
    let text = text?;
    let mut parts = text.split("..");
    let (from, to, step) = (parts.next()?, parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let step = match step {
        Some(step) => step.parse::<i64>().ok()?.unsigned_abs().max(1),
        None => 1,
    };
    if let (Ok(start), Ok(end)) = (from.parse::<i64>(), to.parse::<i64>()) {
        let padded = [from, to].iter().any(|n| {
            let digits = n.trim_start_matches(['-', '+']);
            digits.len() > 1 && digits.starts_with('0')
        });
        let width = if padded { from.len().max(to.len()) } else { 0 };
        let numbers = walk(start, end, step);
        return Some(numbers.map(|numbers| numbers.iter().map(|n| chars(&format!("{n:0width$}"))).collect()));
    }
    let (mut a, mut b) = (from.chars(), to.chars());
    let (start, end) = (a.next()?, b.next()?);
    let letters = start.is_ascii_alphabetic() && end.is_ascii_alphabetic();
    if a.next().is_some() || b.next().is_some() || !letters {
        return None;
    }
    // Between the cases lie characters that are special to the shell.
    if start.is_ascii_uppercase() != end.is_ascii_uppercase() {
        return Some(Err(PastBound));
    }
    let codes = walk(i64::from(u32::from(start)), i64::from(u32::from(end)), step);
    Some(codes.map(|codes| {
        codes
            .iter()
            .filter_map(|n| u8::try_from(*n).ok())
            .map(|n| vec![Atom::Char(char::from(n), false)])
            .collect()
    }))
}

fn walk(start: i64, end: i64, step: u64) -> Result<Vec<i64>, PastBound> {
    let count = (start.abs_diff(end) / step).saturating_add(1);
    let count = usize::try_from(count).ok().filter(|count| *count <= WORDS_MAX).ok_or(PastBound)?;
    let step = i64::try_from(step).map_err(|_| PastBound)?;
    let step = if end < start { -step } else { step };
    let mut all = Vec::with_capacity(count);
    let mut at = start;
    for _ in 0..count {
        all.push(at);
        at = at.saturating_add(step);
    }
    Ok(all)
}

fn chars<'a>(text: &str) -> Vec<Atom<'a>> {
    text.chars().map(|c| Atom::Char(c, false)).collect()
}
