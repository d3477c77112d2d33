//! What was probably meant by a word that means nothing.

/// Longest word that is compared; a longer one is no slip of the finger.
const WORD_CHARS_MAX: usize = 64;

/// The known word that differs least, if it differs little enough to have been meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    let slips_max = match length {
        0..=2 => return None,
        3..=5 => 1,
        6..=WORD_CHARS_MAX => 2,
        _ => return None,
    };
    let measured = known.into_iter().map(|other| (distance(word, other), other));
    measured.filter(|(slips, _)| *slips <= slips_max).min().map(|(_, other)| other)
}

/// The suggestion for a key that serde does not know, out of its own list of those it does.
pub(super) fn unknown_key(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if !message.starts_with("unknown ") {
        return None;
    }
    let word = quoted.next()?;
    nearest(word, quoted).map(did_you_mean)
}

pub(super) fn did_you_mean(word: &str) -> String {
    format!("did you mean `{word}`?")
}

/// Letters to insert, leave out, exchange or swap with the neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if b.len() > WORD_CHARS_MAX {
        return usize::MAX;
    }
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut least =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let crossed = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if crossed {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    at(&last, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_small() {
        let known = ["escalate", "id", "gate", "terraform"];
        for (word, meant) in [
            ("escalte", Some("escalate")),
            ("escaalte", Some("escalate")),
            ("gaet", Some("gate")),
            ("terafrom", Some("terraform")),
            ("di", None),
            ("reason", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(WORD_CHARS_MAX + 1), [&*"x".repeat(WORD_CHARS_MAX)]), None);
    }
}
