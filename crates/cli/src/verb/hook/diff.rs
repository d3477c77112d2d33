//! What changes in a settings file, line by line.

use crate::output::{BAD, DIM, GOOD, Painted};

/// Lines of context around a change.
const CONTEXT: usize = 2;
/// Most pairs of lines that are compared; beyond it the changed part is shown as a whole.
const PAIRS_MAX: usize = 4_000_000;

/// A line that is there before, after, or both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Line<'a> {
    Kept(&'a str),
    Gone(&'a str),
    New(&'a str),
}

/// The difference for people to read.
pub(super) fn shown(before: &str, after: &str) -> String {
    let lines = lines(before, after);
    let changed = |line: &Line<'_>| !matches!(line, Line::Kept(_));
    let near = |at: usize| {
        let around = lines.get(at.saturating_sub(CONTEXT)..lines.len().min(at + CONTEXT + 1));
        around.is_some_and(|around| around.iter().any(changed))
    };
    let mut out = String::new();
    let mut skipped = false;
    for (at, line) in lines.iter().enumerate() {
        if !near(at) {
            skipped = true;
            continue;
        }
        if std::mem::take(&mut skipped) {
            out.push_str(&format!("{}\n", Painted(DIM, "  …")));
        }
        out.push_str(&match line {
            Line::Kept(text) => format!("  {text}\n"),
            Line::Gone(text) => format!("{}\n", Painted(BAD, format!("- {text}"))),
            Line::New(text) => format!("{}\n", Painted(GOOD, format!("+ {text}"))),
        });
    }
    out
}

fn lines<'a>(before: &'a str, after: &'a str) -> Vec<Line<'a>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |(one, other): &(&&str, &&str)| one == other;
    let head = old.iter().zip(&new).take_while(same).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(same).count();
    let middle = |all: &[&'a str]| all.get(head..all.len() - tail).unwrap_or_default().to_vec();
    let mut out: Vec<Line<'_>> = old.iter().take(head).map(|line| Line::Kept(line)).collect();
    out.extend(between(&middle(&old), &middle(&new)));
    out.extend(old.iter().skip(old.len() - tail).map(|line| Line::Kept(line)));
    out
}

/// By the longest common subsequence.
fn between<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    if old.len().saturating_mul(new.len()) > PAIRS_MAX {
        return old
            .iter()
            .map(|line| Line::Gone(line))
            .chain(new.iter().map(|line| Line::New(line)))
            .collect();
    }
    let width = new.len() + 1;
    let mut length = vec![0_usize; (old.len() + 1) * width];
    let at = |length: &[usize], i: usize, j: usize| length.get(i * width + j).copied().unwrap_or_default();
    for (i, one) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            let best = if one == other {
                at(&length, i + 1, j + 1) + 1
            } else {
                at(&length, i + 1, j).max(at(&length, i, j + 1))
            };
            if let Some(cell) = length.get_mut(i * width + j) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    loop {
        match (old.get(i), new.get(j)) {
            (Some(one), Some(other)) if one == other => {
                out.push(Line::Kept(one));
                (i, j) = (i + 1, j + 1);
            }
            (Some(one), other) if other.is_none() || at(&length, i + 1, j) >= at(&length, i, j + 1) => {
                out.push(Line::Gone(one));
                i += 1;
            }
            (_, Some(other)) => {
                out.push(Line::New(other));
                j += 1;
            }
            _ => return out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_shown_among_what_stays() {
        let found = lines("{\n a\n}\n", "{\n a,\n b\n}\n");
        let expected =
            [Line::Kept("{"), Line::Gone(" a"), Line::New(" a,"), Line::New(" b"), Line::Kept("}")];
        assert_eq!(found, expected);
        assert_eq!(lines("a\nb\n", "a\nx\nb\n"), [Line::Kept("a"), Line::New("x"), Line::Kept("b")]);
    }
}
