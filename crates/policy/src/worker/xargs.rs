//! The calls that xargs makes of what it reads.
//!
//! Which words belong to which call, and what is one word, hangs on its options: `-I`, `-d` and `-0` make one argument
//! of a line or of everything, and only plain reading splits at blanks. Where the options leave doubt the words count
//! as unknown.

use super::call::{Call, Given};
use super::scene::Feed;
use super::unfold::fill;
use super::word::Word;

/// Every call that is made with `words` as the start.
pub(super) fn calls(call: &Call<'_>, words: &[Word], feed: &Feed) -> Vec<Vec<Word>> {
    let last = |names: &[&str]| call.given.iter().rfind(|given| any(given, names));
    let replaced = last(&["-I", "-i", "--replace", "-J"]);
    let count = last(&["-n", "--max-args"]).filter(|given| replaced.is_none() || known(given) != Some("1"));
    let lines = last(&["-L", "-l", "--max-lines"]);
    let delimiter = last(&["-d", "--delimiter"]);
    let null = last(&["-0", "--null"]);
    let odd = last(&["-a", "--arg-file", "-E", "-e", "--eof", "-s", "--max-chars", "-J", "-R", "-S"]);
    let grouped = [replaced, count, lines].into_iter().flatten().count();
    let doubtful = odd.is_some() || grouped > 1 || (delimiter.is_some() && null.is_some());
    let groups = if doubtful {
        vec![vec![Word::Unknown]]
    } else if let Some(given) = delimiter {
        pieces(feed, known(given).and_then(separator))
    } else if null.is_some() {
        pieces(feed, Some('\0'))
    } else if replaced.is_some() {
        by_line(feed, |line| quoted(line, false))
    } else if lines.is_some_and(|given| known(given).unwrap_or("1") == "1") {
        by_line(feed, |line| quoted(line, true))
    } else if lines.is_some() {
        vec![vec![Word::Unknown]]
    } else {
        vec![plain(feed)]
    };
    let groups = match count {
        Some(given) => chunks(&groups, known(given)),
        None if replaced.is_some() => groups.into_iter().flatten().map(|word| vec![word]).collect(),
        None => groups,
    };
    // A token that stands nowhere is a mistake; what was meant counts.
    let token = replaced.map(|given| known(given).unwrap_or("{}"));
    let token =
        token.filter(|token| words.iter().any(|word| word.known().is_none_or(|text| text.contains(token))));
    let make = |fed: Vec<Word>| match token {
        Some(token) => fill(words, token, &fed),
        None => words.iter().cloned().chain(fed).collect(),
    };
    if groups.is_empty() {
        return vec![make(Vec::new())];
    }
    groups.into_iter().map(make).collect()
}

fn any(given: &Given<'_>, names: &[&str]) -> bool {
    given.names.iter().any(|name| names.contains(name))
}

fn known<'g>(given: &'g Given<'_>) -> Option<&'g str> {
    given.value.known()
}

/// The words of a text split at blanks, quotes taken as xargs takes them.
fn plain(feed: &Feed) -> Vec<Word> {
    match feed {
        Feed::Text(text) => text.lines().flat_map(|line| quoted(line, true)).collect(),
        feed => feed.words(),
    }
}

/// One group for each line.
fn by_line(feed: &Feed, split: impl Fn(&str) -> Vec<Word>) -> Vec<Vec<Word>> {
    match feed {
        Feed::Text(text) => {
            text.lines().filter(|line| !line.trim().is_empty()).map(|line| split(line.trim_start())).collect()
        }
        feed => unsplit(feed).into_iter().map(|word| vec![word]).collect(),
    }
}

/// One group of the parts between separators, in which quotes mean nothing.
fn pieces(feed: &Feed, separator: Option<char>) -> Vec<Vec<Word>> {
    let words = match (feed, separator) {
        (Feed::Text(text), Some(separator)) => {
            text.trim_end_matches('\n').split(separator).map(|part| Word::Known(part.to_owned())).collect()
        }
        (Feed::Text(_), None) => vec![Word::Unknown],
        (feed, _) => unsplit(feed),
    };
    vec![words]
}

/// Words of which it is not known where their line begins and ends. Names of files stay one word.
fn unsplit(feed: &Feed) -> Vec<Word> {
    match feed {
        Feed::Words(words) if words.iter().all(|word| word.pattern().is_some()) => words.clone(),
        _ => vec![Word::Unknown],
    }
}

fn chunks(groups: &[Vec<Word>], count: Option<&str>) -> Vec<Vec<Word>> {
    match count.and_then(|count| count.parse::<usize>().ok()).filter(|count| *count > 0) {
        Some(count) => groups.iter().flat_map(|group| group.chunks(count)).map(<[Word]>::to_vec).collect(),
        None => vec![vec![Word::Unknown]],
    }
}

/// A line without its quotes and backslashes; at blanks it becomes several words where `split` says so.
fn quoted(line: &str, split: bool) -> Vec<Word> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let text = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some(inner) if inner == c => break,
                        Some(inner) => text.push(inner),
                        // xargs stops at a quote that does not end.
                        None => return vec![Word::Unknown],
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() && split => words.extend(word.take().map(Word::Known)),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.map(Word::Known));
    words
}

fn separator(text: &str) -> Option<char> {
    let mut chars = text.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some('\\'), Some(letter), None) => match letter {
            'n' => Some('\n'),
            't' => Some('\t'),
            '0' => Some('\0'),
            _ => None,
        },
        (Some(only), None, None) => Some(only),
        _ => None,
    }
}
