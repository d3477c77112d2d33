//! Glob patterns over words: `*` any text, `?` one character, `\` takes the next character as it is.

/// A compiled pattern. Matching keeps one way back only, so it takes at most length × length steps and no stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Pattern {
    /// No wildcard.
    Literal(String),
    /// One `*` at the end.
    Prefix(String),
    /// Anything else.
    Pieces(Vec<Piece>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    Any,
    One,
    Char(char),
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let mut pieces = Vec::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' if pieces.last() == Some(&Piece::Any) => {}
                '*' => pieces.push(Piece::Any),
                '?' => pieces.push(Piece::One),
                '\\' => pieces.push(Piece::Char(chars.next().unwrap_or('\\'))),
                c => pieces.push(Piece::Char(c)),
            }
        }
        let (front, open) = match pieces.split_last() {
            Some((Piece::Any, front)) => (front, true),
            _ => (pieces.as_slice(), false),
        };
        let literal: Option<String> = front
            .iter()
            .map(|piece| match piece {
                Piece::Char(c) => Some(*c),
                Piece::Any | Piece::One => None,
            })
            .collect();
        match (literal, open) {
            (Some(text), true) => Self::Prefix(text),
            (Some(text), false) => Self::Literal(text),
            (None, _) => Self::Pieces(pieces),
        }
    }

    /// Could some text with this start and this end match?
    pub(super) fn could_match(&self, before: &str, after: &str) -> bool {
        let agrees = |own: &str, text: &str| own.starts_with(text) || text.starts_with(own);
        let backwards = |text: &str| text.chars().rev().collect::<String>();
        match self {
            Self::Literal(own) => {
                own.len() >= before.len() + after.len() && own.starts_with(before) && own.ends_with(after)
            }
            Self::Prefix(own) => agrees(own, before),
            Self::Pieces(pieces) => {
                let plain = |piece: &Piece| match piece {
                    Piece::Char(c) => Some(*c),
                    Piece::Any | Piece::One => None,
                };
                let front: String = pieces.iter().map_while(plain).collect();
                let back: String = pieces.iter().rev().map_while(plain).collect();
                agrees(&front, before) && agrees(&back, &backwards(after))
            }
        }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Literal(own) => own == text,
            Self::Prefix(own) => text.starts_with(own.as_str()),
            Self::Pieces(pieces) => wild(pieces, &text.chars().collect::<Vec<_>>()),
        }
    }
}

fn wild(pieces: &[Piece], text: &[char]) -> bool {
    let (mut at, mut piece) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        match (pieces.get(piece), text.get(at)) {
            (None, None) => return true,
            (Some(Piece::Any), _) => {
                piece += 1;
                back = Some((at, piece));
                continue;
            }
            (Some(Piece::One), Some(_)) => {}
            (Some(Piece::Char(wanted)), Some(c)) if wanted == c => {}
            _ => {
                let Some((from, after)) = back.filter(|(from, _)| *from < text.len()) else {
                    return false;
                };
                (at, piece) = (from + 1, after);
                back = Some((at, after));
                continue;
            }
        }
        at += 1;
        piece += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn patterns_match_whole_words() {
        for (pattern, text, expected) in [
            ("push", "push", true),
            ("push", "pushx", false),
            ("+*", "+main", true),
            ("*:+*", "a:+b", true),
            ("*a*b", "xxaxxb", true),
            ("*a*b", "xxaxxbc", false),
            ("a?*", "a", false),
            ("?", "", false),
            ("*", "", true),
            (r"\*", "*", true),
            (r"\*", "x", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }
}
