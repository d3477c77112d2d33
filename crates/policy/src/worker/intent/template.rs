//! A phrase: words, slots `{name:kind}`, `[what may be left out]` and `(one|or another)`, nested at will.

use std::sync::Arc;

use super::WAYS_MAX;
use super::lexicon;
use super::slot::SlotKind;
use super::text::{Word, close, merge_opening};

/// One way to say a phrase.
pub(super) type Way = Vec<Part>;

/// One word of it.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Word(Arc<Word>),
    Slot { name: Arc<str>, kind: SlotKind },
}

impl Part {
    fn word(self) -> Option<Arc<Word>> {
        match self {
            Self::Word(word) => Some(word),
            Self::Slot { .. } => None,
        }
    }

    /// Words that carry nothing need not be said.
    pub(super) fn counts(&self) -> bool {
        !matches!(self, Self::Word(word) if word.filler)
    }
}

/// All ways to say a phrase.
///
/// # Errors
/// What is wrong with it.
pub(super) fn ways(phrase: &str) -> Result<Vec<Way>, String> {
    let wrong = |what: &str| format!("`{phrase}` {what}");
    if phrase.chars().any(|c| c.is_ascii_uppercase() || c.is_control()) {
        return Err(wrong("has capitals; phrases are written small"));
    }
    let mut reader = Reader { rest: phrase, depth: 0 };
    let ways = reader.choices().map_err(|what| wrong(&what))?;
    if !reader.rest.is_empty() {
        return Err(wrong("has a bracket that was never opened"));
    }
    ways.into_iter().map(|way| settle(way).map_err(|what| wrong(&what))).collect()
}

/// Joins what several words mean together, and refuses what would speak about anything.
fn settle(way: Way) -> Result<Way, String> {
    let leading = way.iter().take_while(|part| matches!(part, Part::Word(_))).count();
    let mut words: Vec<Arc<Word>> = Vec::new();
    let mut rest = way;
    let behind = rest.split_off(leading);
    words.extend(rest.into_iter().filter_map(Part::word));
    merge_opening(&mut words, 0);
    let mut way: Way = words.into_iter().map(Part::Word).chain(behind).collect();
    let ending = way.iter().rev().take_while(|part| matches!(part, Part::Word(_))).count();
    let mut words: Vec<Arc<Word>> = Vec::new();
    for part in way.split_off(way.len() - ending) {
        words.extend(part.word());
    }
    close(&mut words);
    way.extend(words.into_iter().map(Part::Word));
    if !tells(&way) {
        return Err("can be said without words that tell what is meant".to_owned());
    }
    Ok(way)
}

/// Two words tell something, and so does one that is no word of grammar; the bare wish to see something does so only
/// where a value says what.
fn tells(way: &Way) -> bool {
    let words: Vec<&Word> = way
        .iter()
        .filter_map(|part| match part {
            Part::Word(word) if !word.filler => Some(word.as_ref()),
            _ => None,
        })
        .collect();
    let alone = words.len() == way.iter().filter(|part| part.counts()).count();
    match words.as_slice() {
        [] => false,
        [only] => !(lexicon::is_grammar(&only.plain) || (alone && lexicon::asks_to_see(&only.meaning))),
        _ => true,
    }
}

struct Reader<'p> {
    rest: &'p str,
    depth: usize,
}

/// Deepest nesting of brackets in a phrase.
const DEPTH_MAX: usize = 8;

impl Reader<'_> {
    /// `a|b|c` up to a bracket that closes.
    fn choices(&mut self) -> Result<Vec<Way>, String> {
        let mut all = self.sequence()?;
        while let Some(rest) = self.rest.strip_prefix('|') {
            self.rest = rest;
            all.extend(self.sequence()?);
            bounded(all.len())?;
        }
        Ok(all)
    }

    fn sequence(&mut self) -> Result<Vec<Way>, String> {
        let mut ways: Vec<Way> = vec![Vec::new()];
        loop {
            self.rest = self.rest.trim_start();
            let Some(first) = self.rest.chars().next() else { return Ok(ways) };
            let next = match first {
                ']' | ')' | '|' => return Ok(ways),
                '[' => {
                    let mut inner = self.group(']')?;
                    inner.push(Vec::new());
                    inner
                }
                '(' => self.group(')')?,
                '{' => vec![vec![self.slot()?]],
                _ => vec![vec![Part::Word(Arc::new(Word::new(self.word())))]],
            };
            bounded(ways.len().saturating_mul(next.len()))?;
            ways = ways
                .iter()
                .flat_map(|way| next.iter().map(move |more| [way.as_slice(), more].concat()))
                .collect();
        }
    }

    fn group(&mut self, closing: char) -> Result<Vec<Way>, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("is nested too deep".to_owned());
        }
        self.rest = self.rest.get(1..).unwrap_or_default();
        let inner = self.choices()?;
        self.rest =
            self.rest.strip_prefix(closing).ok_or_else(|| format!("has a bracket without `{closing}`"))?;
        self.depth -= 1;
        Ok(inner)
    }

    fn slot(&mut self) -> Result<Part, String> {
        let inner = self.rest.get(1..).unwrap_or_default();
        let (slot, rest) = inner.split_once('}').ok_or("has a slot without `}`")?;
        self.rest = rest;
        let (name, kind) = slot.split_once(':').unwrap_or((slot, slot));
        let kind = SlotKind::parse(kind).ok_or_else(|| format!("has a slot of the unknown kind `{kind}`"))?;
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if !plain {
            return Err(format!("names a slot `{name}`; names are small letters and `_`"));
        }
        Ok(Part::Slot { name: name.into(), kind })
    }

    fn word(&mut self) -> &str {
        let end =
            self.rest.find(|c: char| c.is_whitespace() || "[](){}|".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }
}

/// Names of the slots in a word of an argv; with `?` the word is left out where the slot has no value.
pub(super) fn slots(word: &str) -> Vec<(&str, bool)> {
    let mut all = Vec::new();
    let mut rest = word;
    while let Some((_, mark, behind)) = next_slot(rest) {
        all.push(mark.strip_suffix('?').map_or((mark, false), |name| (name, true)));
        rest = behind;
    }
    all
}

/// What stands before the first slot of a word, the slot, and what stands behind it. Other braces (`{{.Names}}`) are
/// text.
pub(super) fn next_slot(word: &str) -> Option<(&str, &str, &str)> {
    word.match_indices('{').find_map(|(at, _)| {
        let (mark, behind) = word.get(at + 1..)?.split_once('}')?;
        let name = mark.strip_suffix('?').unwrap_or(mark);
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        plain.then_some((word.get(..at)?, mark, behind))
    })
}

fn bounded(ways: usize) -> Result<(), String> {
    if ways > WAYS_MAX {
        return Err(format!("can be said in more than {WAYS_MAX} ways; write it as several phrases"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, Part, WAYS_MAX, slots, ways};

    fn said(phrase: &str) -> Result<Vec<String>, String> {
        let text = |part: &Part| match part {
            Part::Word(word) => word.plain.clone(),
            Part::Slot { name, .. } => format!("{{{name}}}"),
        };
        let way = |way: &Vec<Part>| way.iter().map(text).collect::<Vec<_>>().join(" ");
        Ok(ways(phrase)?.iter().map(way).collect())
    }

    #[test]
    fn a_phrase_is_all_the_ways_to_say_it() {
        assert_eq!(said("show [the] log").unwrap(), ["show the log", "show log"]);
        assert_eq!(
            said("(show|print) {count:int} commits").unwrap(),
            ["show {count} commits", "print {count} commits"]
        );
        assert_eq!(said("list pods [in [namespace] {namespace}]").unwrap().len(), 3);
    }

    #[test]
    fn slots_of_an_argv_are_no_other_braces() {
        assert_eq!(slots("--since={since?}"), [("since", true)]);
        assert_eq!(slots("{a}:{b}"), [("a", false), ("b", false)]);
        assert!(slots("{{.Names}}").is_empty() && slots("HEAD@{1}").is_empty() && slots("{}").is_empty());
    }

    #[test]
    fn a_phrase_that_cannot_be_is_refused() {
        for phrase in [
            "show [log",
            "show log]",
            "show (a|b",
            "show {count:number}",
            "show {count:int",
            "{path}",
            "in {path}",
            "show",
            "list [please]",
            "the {path}",
            "[show] {path}",
            "Show log",
            "",
            "show {Count:int}",
            "show )",
        ] {
            assert!(said(phrase).is_err(), "{phrase}");
        }
        let wide = "x ".to_owned() + &"[a] ".repeat(8);
        assert!(said(&wide).unwrap_err().contains(&WAYS_MAX.to_string()));
        let nested = |depth: usize| format!("x {}a{}", "[".repeat(depth), "]".repeat(depth));
        assert!(said(&nested(DEPTH_MAX)).is_ok() && said(&nested(DEPTH_MAX + 1)).is_err());
    }
}
