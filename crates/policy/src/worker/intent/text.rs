//! A task taken apart into words.

use std::sync::Arc;

use super::TEXT_WORDS_MAX;
use super::lexicon::{self, Meaning};

/// A task.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) words: Vec<Arc<Word>>,
    /// Ends with a question mark, and nobody is asked politely to do something.
    pub(super) question: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Word {
    /// As it stands in the text, without quotes and the punctuation behind it.
    pub(super) shown: String,
    /// Lower case, without apostrophes.
    pub(super) plain: String,
    pub(super) meaning: Meaning,
    pub(super) quoted: bool,
    /// Carries nothing.
    pub(super) filler: bool,
}

impl Word {
    pub(super) fn new(shown: &str) -> Self {
        let plain: String =
            shown.chars().filter(|c| !is_apostrophe(*c)).flat_map(char::to_lowercase).collect();
        let meaning = Meaning::of(&plain);
        let filler = lexicon::is_filler(&plain);
        Self { shown: shown.to_owned(), plain, meaning, quoted: false, filler }
    }

    fn quoted(shown: &str) -> Self {
        Self { quoted: true, filler: false, ..Self::new(shown) }
    }

    /// Several words that mean one.
    fn merged(words: &[Arc<Self>]) -> Self {
        let join =
            |part: fn(&Self) -> &str| words.iter().map(|word| part(word)).collect::<Vec<_>>().join(" ");
        let shown = join(|word| &word.shown);
        // Fillers inside make no difference: `show me what is` is `show what is`.
        let told = words.iter().filter(|word| !matches!(word.plain.as_str(), "me"));
        let plain = told.map(|word| word.plain.as_str()).collect::<Vec<_>>().join(" ");
        let plain = if words.first().is_some_and(|word| word.plain == "let") {
            join(|word| &word.plain)
        } else {
            plain
        };
        let meaning = Meaning::of(&plain);
        Self { shown, plain, meaning, quoted: false, filler: false }
    }
}

const fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | '‘')
}

impl Text {
    /// Nothing where it cannot be taken apart: a quote without an end, a control character, too many words.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return None;
        }
        let mut words = Vec::new();
        let mut rest = text.trim();
        let asks = rest.ends_with('?');
        while !rest.is_empty() {
            let (word, behind) = next(rest)?;
            if words.len() >= TEXT_WORDS_MAX {
                return None;
            }
            match word.plain.as_str() {
                _ if word.quoted => words.push(Arc::new(word)),
                "" => {}
                plain => match lexicon::contraction(plain) {
                    Some((one, other)) => words.extend([one, other].map(|word| Arc::new(Word::new(word)))),
                    None => words.push(Arc::new(word)),
                },
            }
            rest = behind.trim_start();
        }
        let polite = open(&mut words);
        close(&mut words);
        Some(Self { words, question: asks && !polite })
    }

    /// The words that must be accounted for.
    pub(super) fn content(&self) -> Vec<&Word> {
        self.words.iter().map(AsRef::as_ref).filter(|word| !word.filler).collect()
    }
}

/// What is true of the words of a phrase too: some begin with several words that mean one.
pub(super) fn merge_opening(words: &mut Vec<Arc<Word>>, from: usize) {
    let plain: Vec<&str> =
        words.iter().skip(from).take_while(|word| !word.quoted).map(|word| word.plain.as_str()).collect();
    if let Some(count) = lexicon::opening(&plain) {
        let behind = words.split_off(from + count);
        let opening = words.split_off(from);
        words.push(Arc::new(Word::merged(&opening)));
        words.extend(behind);
    }
}

/// Puts politeness aside and joins an opening. Is somebody asked politely?
fn open(words: &mut Vec<Arc<Word>>) -> bool {
    let mut from = 0;
    loop {
        let plain: Vec<&str> =
            words.iter().skip(from).take_while(|word| !word.quoted).map(|word| word.plain.as_str()).collect();
        // `i want to see` says what is wanted; `i want to` alone does not.
        let Some(count) = lexicon::polite(&plain).filter(|_| lexicon::opening(&plain).is_none()) else {
            break;
        };
        for word in words.iter_mut().skip(from).take(count) {
            Arc::make_mut(word).filler = true;
        }
        from += count;
    }
    merge_opening(words, from);
    from > 0
}

/// Puts aside what adds nothing at the end.
pub(super) fn close(words: &mut [Arc<Word>]) {
    let mut end = words.len();
    loop {
        let plain: Vec<&str> =
            words.iter().take(end).map(|word| if word.quoted { "" } else { word.plain.as_str() }).collect();
        let Some(count) = lexicon::closing(&plain) else { return };
        for word in words.iter_mut().take(end).skip(end - count) {
            Arc::make_mut(word).filler = true;
        }
        end -= count;
    }
}

/// The first word of a text that does not begin with a blank, and what stands behind it.
fn next(text: &str) -> Option<(Word, &str)> {
    let first = text.chars().next()?;
    let closing = match first {
        '"' => Some('"'),
        '“' => Some('”'),
        '\'' => Some('\''),
        '‘' => Some('’'),
        '`' => Some('`'),
        _ => None,
    };
    match closing {
        Some(closing) => quoted(text.get(first.len_utf8()..)?, closing),
        None => Some(bare(text)),
    }
}

fn quoted(inner: &str, closing: char) -> Option<(Word, &str)> {
    // An apostrophe inside of single quotes has letters on both sides.
    let ends = |at: &(usize, &str)| {
        let behind = inner.get(at.0 + at.1.len()..).unwrap_or_default();
        let behind = behind.trim_start_matches(['.', ',', '!', '?', ':']);
        behind.is_empty() || behind.starts_with(char::is_whitespace)
    };
    let (at, _) = inner.match_indices(closing).find(ends)?;
    let held = inner.get(..at)?;
    // What stands between backticks is a name here; more than one word could be meant to be run.
    if closing == '`' && held.contains(char::is_whitespace) {
        return None;
    }
    let behind = inner.get(at + closing.len_utf8()..)?.trim_start_matches(['.', ',', '!', '?', ':']);
    Some((Word::quoted(held), behind))
}

fn bare(text: &str) -> (Word, &str) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, behind) = text.split_at(end);
    let bare = word.trim_end_matches([',', '!', '?', ':']);
    // `..` is a directory, and so is `a/.`.
    let bare =
        bare.strip_suffix('.').filter(|rest| !rest.ends_with(['.', '/']) && !rest.is_empty()).unwrap_or(bare);
    (Word::new(bare), behind)
}

#[cfg(test)]
mod tests {
    use super::{TEXT_WORDS_MAX, Text};

    fn content(text: &str) -> Option<Vec<String>> {
        Some(Text::read(text)?.content().iter().map(|word| word.plain.clone()).collect())
    }

    #[test]
    fn words_stand_without_politeness_and_punctuation() {
        let check = |text: &str, expected: &[&str]| assert_eq!(content(text).unwrap(), expected, "{text}");
        check("Could you please show me the log, thanks!", &["show", "log"]);
        check("What's in src?", &["what is", "in", "src"]);
        check("I want to see the pods", &["i want to see", "pods"]);
        check("don't push", &["dont", "push"]);
        check("commit 'don't panic' now", &["commit", "dont panic"]);
        check("list files in ..", &["list", "files", "in", ".."]);
        check("read “a b.txt”.", &["read", "a b.txt"]);
        check("please", &[]);
    }

    #[test]
    fn what_cannot_be_taken_apart_is_nothing() {
        for text in ["show \"the log", "count `rm -rf /`", "show\u{0} log", "show \u{1b}[2J"] {
            assert!(Text::read(text).is_none(), "{text:?}");
        }
        assert!(Text::read(&"x ".repeat(TEXT_WORDS_MAX)).is_some());
        assert!(Text::read(&"x ".repeat(TEXT_WORDS_MAX + 1)).is_none());
    }

    #[test]
    fn a_polite_question_is_a_request() {
        assert!(Text::read("push?").unwrap().question);
        assert!(!Text::read("can you push?").unwrap().question);
    }
}
