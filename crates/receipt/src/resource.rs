//! What is acted on, as texts: `kind:name`, and patterns over such names with `*` for any text.
//!
//! Which kinds there are is the business of whoever classifies commands; here a kind is a word.

use alloc::string::String;
use alloc::vec::Vec;

/// A name, or a part of one, that cannot be known before a command runs.
pub const UNKNOWN: &str = "…";

/// Most patterns in one list: of a grant, or of an environment.
pub const PATTERNS_MAX: usize = 64;

/// Most bytes of one pattern, its kind included.
pub const PATTERN_BYTES_MAX: usize = 256;

/// `kind:glob`, for example `cluster:dev-*`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pattern<'a> {
    /// Lower case letters.
    pub kind: &'a str,
    /// Names, with `*` for any text, none included. There is no other special sign and no escape.
    pub glob: &'a str,
}

impl<'a> Pattern<'a> {
    /// Reads `kind:glob`. `None` for a text without kind or glob, or one that is too long.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (kind, glob) = text.split_once(':')?;
        let fits = text.len() <= PATTERN_BYTES_MAX;
        let named = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase());
        (fits && named && !glob.is_empty()).then_some(Self { kind, glob })
    }

    /// Is this name one of those that the pattern speaks of?
    #[must_use]
    pub fn matches(&self, kind: &str, name: &str) -> bool {
        self.kind == kind && glob(self.glob, name)
    }

    /// Does it speak of every name of which `other` speaks? It may say no where it does.
    #[must_use]
    pub fn holds(&self, other: Pattern<'_>) -> bool {
        // Only a `*` of its own can stand for a `*` of the other, and then for what that one stands for.
        self.matches(other.kind, other.glob)
    }
}

/// May whoever was given `outer` hand on `inner`? A kind that a list does not name is not limited by it.
#[must_use]
pub fn is_within(inner: &[String], outer: &[String]) -> bool {
    let inner: Option<Vec<_>> = inner.iter().map(|text| Pattern::parse(text)).collect();
    let outer: Option<Vec<_>> = outer.iter().map(|text| Pattern::parse(text)).collect();
    let (Some(inner), Some(outer)) = (inner, outer) else { return false };
    let limited = |kind: &str| outer.iter().any(|own| own.kind == kind);
    let named = outer.iter().all(|own| inner.iter().any(|other| other.kind == own.kind));
    named
        && inner
            .iter()
            .filter(|other| limited(other.kind))
            .all(|other| outer.iter().any(|own| own.holds(*other)))
}

/// Keeps one way back only, so it takes at most length × length steps and no stack.
fn glob(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.as_bytes(), name.as_bytes());
    let (mut at, mut sign) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        match (glob.get(sign), name.get(at)) {
            (Some(b'*'), _) => {
                sign += 1;
                back = Some((at, sign));
            }
            (Some(wanted), Some(byte)) if wanted == byte => {
                at += 1;
                sign += 1;
            }
            (None, None) => return true,
            _ => {
                let Some((from, after)) = back.filter(|(from, _)| *from < name.len()) else { return false };
                (at, sign) = (from + 1, after);
                back = Some((at, after));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_is_special() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "a", true),
            ("*a*b", "xxaxxb", true),
            ("*a*b", "xxaxxbc", false),
            ("a?", "ab", false),
            ("*", "", true),
            ("**", "x", true),
            ("db/*", "db/…", true),
            ("db/x", "db/…", false),
        ] {
            assert_eq!(glob(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_has_a_kind_and_a_glob() {
        let full = alloc::format!("host:{}", "x".repeat(PATTERN_BYTES_MAX - 5));
        for text in ["cluster:dev-*", "host:[::1]", "repo:*", &full] {
            assert!(Pattern::parse(text).is_some(), "{text}");
        }
        let long = alloc::format!("{full}x");
        for text in ["cluster", "cluster:", ":x", "Cluster:x", "a b:c", &long] {
            assert!(Pattern::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn handing_on_only_narrows() {
        let list = |text: &str| text.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>();
        for (inner, outer, expected) in [
            ("", "", true),
            ("cluster:a", "", true),
            ("", "cluster:a", false),
            ("cluster:dev-eu-*", "cluster:dev-*", true),
            ("cluster:dev-*", "cluster:dev-eu-*", false),
            ("cluster:*", "cluster:dev-*", false),
            ("cluster:dev-1 host:x", "cluster:dev-*", true),
            ("cluster:dev-1 cluster:prod", "cluster:dev-*", false),
            ("cluster:dev-1", "cluster:dev-* host:x", false),
            ("cluster:dev-1 host:x", "cluster:dev-* host:*", true),
        ] {
            assert_eq!(is_within(&list(inner), &list(outer)), expected, "{inner} in {outer}");
        }
    }
}
