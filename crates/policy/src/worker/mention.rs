//! Paths that the words of an action may name, for whoever wants to know where they lead.
//!
//! Words are taken generously: a path may be all of a word, or stand behind an option's letter, `=`, `:`, `,` or `@`. What a
//! word is to its program does not matter here, and what a program or script makes up by itself is not seen.

use super::base::Base;
use super::walk::Walk;
use super::word::Word;

/// Longest path, in bytes: the kernel opens no longer one.
const PATH_BYTES_MAX: usize = 4096;
/// Most paths that are looked for within one word; behind more signs there is still [`Mention::word`] as a whole.
const PARTS_MAX: usize = 8;

/// A path that a word may name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mention {
    /// As a program would open it from the directory in which the action starts; `~` in front stands for a home
    /// directory. Empty where the word is no path and only its text counts.
    pub path: String,
    /// The whole word, as far as it is known.
    pub word: String,
    /// A shell expands `*`, `?`, `[` and `{` in it.
    pub pattern: bool,
    /// Everything below goes along.
    pub whole: bool,
}

impl Walk<'_> {
    /// Notes what the words of a call may name that runs in `base`.
    pub(super) fn mention(&mut self, base: &Base, words: &[Word]) {
        if self.mentions.is_none() || *base == Base::Away {
            return;
        }
        let mut words = words;
        // A call of Cascade itself says by that option which home it is about.
        let own = words.first().and_then(Word::known).is_some_and(|name| base_name(name) == "cascade");
        let moves = words.first().and_then(Word::known).is_some_and(|name| base_name(name) == "mv");
        while let Some((word, rest)) = words.split_first() {
            words = rest;
            match word.known() {
                Some("--home") if own => words = rest.get(1..).unwrap_or_default(),
                Some(text) if own && text.starts_with("--home=") => {}
                _ => self.mention_word(base, word, moves && !rest.is_empty()),
            }
        }
    }

    /// The same, of one word.
    pub(super) fn mention_word(&mut self, base: &Base, word: &Word, whole: bool) {
        let Some(mentions) = &mut self.mentions else { return };
        let (text, pattern) = match word {
            Word::Known(text) => (text.clone(), false),
            Word::Glob(text) => (text.clone(), true),
            Word::One { before, after } => (format!("{before}*{after}"), true),
            Word::Around(_) | Word::Unknown => return,
        };
        for part in parts(&text) {
            let paths = if part.len() <= PATH_BYTES_MAX { base.files(part) } else { Vec::new() };
            mentions.extend(paths.into_iter().map(|path| Mention {
                path,
                word: text.clone(),
                pattern,
                whole,
            }));
        }
        mentions.insert(Mention { path: String::new(), word: text, pattern, whole });
    }
}

/// What of a word may be a path: all of it, and what stands behind a sign.
pub(crate) fn parts(text: &str) -> impl Iterator<Item = &str> {
    let clustered = text.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
    let attached = clustered.and_then(|rest| rest.char_indices().nth(1)).and_then(|(at, _)| {
        // `-o` is one letter, and its value begins behind it.
        text.get(at + 1..)
    });
    let behind = text.match_indices(['=', ':', ',', '@']).filter_map(|(at, _)| text.get(at + 1..));
    let behind = behind.take(PARTS_MAX).flat_map(|rest| {
        let first = rest.split([':', ',']).next().unwrap_or_default();
        [rest, first]
    });
    let first = text.split([':', ',']).next();
    std::iter::once(text).chain(first).chain(attached).chain(behind).filter(|part| !part.is_empty())
}

fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_path_may_stand_behind_a_sign() {
        for (word, part) in [
            ("/x/keys", "/x/keys"),
            ("of=/x/keys", "/x/keys"),
            ("-o/x/keys", "/x/keys"),
            ("--file=/x/keys", "/x/keys"),
            ("f=@/x/keys", "/x/keys"),
            ("/x/keys:/k:ro", "/x/keys"),
            ("type=bind,src=/x/keys,dst=/k", "/x/keys"),
            ("-v=/x/keys:/k", "/x/keys"),
        ] {
            assert!(parts(word).any(|found| found == part), "{word}");
        }
        assert_eq!(parts("plain").collect::<Vec<_>>(), ["plain", "plain"]);
        assert_eq!(parts("").count(), 0);
    }
}
