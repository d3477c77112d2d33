//! From a text to plans: what the tree finds, weighed by how each word was understood.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascade_receipt::decision::RiskTier;

use super::index::{End, Entry, Index, Met};
use super::lexicon;
use super::slot::SlotKind;
use super::template::Part;
use super::template::next_slot;
use super::text::{Text, Word};
use super::{GRADE_MARGIN, GRADE_MIN, Heard, How, Planned};
use crate::worker::registry::Registry;

pub(super) fn plans(registry: &Registry, text: &str) -> Vec<Planned> {
    let Some(text) = Text::read(text) else { return Vec::new() };
    let content = text.content();
    if content.is_empty() {
        return Vec::new();
    }
    let index = registry.intents();
    let mut all: Vec<Planned> = Vec::new();
    index.walk(&content, &mut |end, met| {
        let Some(entry) = index.intents.get(end.intent) else { return };
        all.extend(planned(registry, &text, entry, end, met));
    });
    all.sort_by(|one, other| {
        other.grade.cmp(&one.grade).then_with(|| {
            (&one.worker, &one.intent, &one.argv).cmp(&(&other.worker, &other.intent, &other.argv))
        })
    });
    let best = all.first().map_or(0, |plan| plan.grade);
    let mut kept: Vec<Planned> = Vec::new();
    for plan in all {
        let near = plan.grade >= GRADE_MIN && best - plan.grade <= GRADE_MARGIN;
        if near && !kept.iter().any(|other| other.argv == plan.argv) {
            kept.push(plan);
        }
    }
    kept
}

/// One phrase that the text says, as a plan, if it may be one.
fn planned(registry: &Registry, text: &Text, entry: &Entry, end: &End, met: &[Met]) -> Option<Planned> {
    let index = registry.intents();
    let (words, values) = heard(text, index, entry, end, met);
    let argv = filled(entry, &values)?;
    let bytes: Vec<Vec<u8>> = argv.iter().map(|word| word.clone().into_bytes()).collect();
    let tier = registry.classify_argv(&bytes, &[]).tier;
    let exact = is_exact(text, end, &words);
    let grade = if tier > RiskTier::Medium { 100 } else { graded(&words, exact) };
    let reads = entry.reads && tier == RiskTier::Low;
    let asked = text.question && !end.asks();
    let fits = reads || (!asked && !is_loose(text, &words) && (tier <= RiskTier::Medium || exact));
    let (worker, intent) = (entry.worker.clone(), entry.id.clone());
    let answers = entry.answers.clone();
    fits.then_some(Planned { worker, intent, argv, tier, reads, answers, words, grade })
}

/// What the words leave of 100. Words that carry nothing cost something only where the phrase has others.
fn graded(words: &[Heard], exact: bool) -> u8 {
    let counts = |word: &&Heard| !exact || word.how != How::Filler;
    words.iter().filter(counts).fold(100, |grade, word| grade.saturating_sub(word.how.cost()))
}

/// What changes something is not reached by a word that means only about the same, nor by a value that may be none.
fn is_loose(text: &Text, words: &[Heard]) -> bool {
    let loose = |word: &Heard| matches!(word.how, How::Related | How::Doubtful(_));
    let weighty = |(word, heard): (&Arc<Word>, &Heard)| {
        let value = matches!(heard.how, How::Value(_) | How::Bare(_) | How::Known(_) | How::Common(_));
        value && !word.quoted && lexicon::raises_stakes(&word.plain)
    };
    words.iter().any(loose) || text.words.iter().zip(words).any(weighty)
}

/// The text is the phrase, word for word, with those that carry nothing, and every value shows what it is.
fn is_exact(text: &Text, end: &End, words: &[Heard]) -> bool {
    let literal = |how: &How| matches!(how, How::Same | How::Filler);
    let said =
        text.words.iter().zip(words).filter(|(_, heard)| literal(&heard.how)).map(|(word, _)| &word.plain);
    let phrase = end.way.iter().filter_map(|part| match part {
        Part::Word(word) => Some(&word.plain),
        Part::Slot { .. } => None,
    });
    words.iter().all(|word| literal(&word.how) || matches!(word.how, How::Value(_) | How::Known(_)))
        && said.eq(phrase)
}

/// Each word of the text with what it was taken for, and the values by slot.
fn heard(
    text: &Text,
    index: &Index,
    entry: &Entry,
    end: &End,
    met: &[Met],
) -> (Vec<Heard>, BTreeMap<String, String>) {
    let mut words = text.words.iter();
    let mut heard = Vec::new();
    let mut values = BTreeMap::new();
    let mut take = |how: &dyn Fn(&Word) -> How, heard: &mut Vec<Heard>| {
        for word in words.by_ref() {
            let how = if word.filler { How::Filler } else { how(word) };
            let done = !word.filler;
            heard.push(Heard { text: word.shown.clone(), how });
            if done {
                break;
            }
        }
    };
    let parts: Vec<&Part> = end.way.iter().filter(|part| part.counts()).collect();
    for (at, (part, met)) in parts.iter().zip(met).enumerate() {
        match (part, met) {
            (Part::Slot { name, kind }, Met::Value(value)) => {
                values.insert(name.to_string(), value.text.clone());
                let around = Around::of(&parts, at, *kind);
                for _ in 0..value.words {
                    take(&|word| valued(name, word, value.shown, around, entry, index), &mut heard);
                }
            }
            (Part::Word(own), _) => take(&|word| compared(word, own), &mut heard),
            (Part::Slot { .. }, Met::Word) => {}
        }
    }
    take(&|_| How::Filler, &mut heard);
    (heard, values)
}

fn compared(word: &Word, own: &Word) -> How {
    if word.plain == own.plain {
        How::Same
    } else if word.meaning.form == own.meaning.form {
        How::Form
    } else if word.meaning.synonym == own.meaning.synonym {
        How::Synonym
    } else {
        How::Related
    }
}

/// What a value is taken for. `branch release` shows a name, whatever words there are; `restart services` does not.
fn valued(slot: &str, word: &Word, shown: bool, around: Around, entry: &Entry, index: &Index) -> How {
    let slot = slot.to_owned();
    let known = !word.quoted && index.has(word);
    let own = entry.own.contains(&word.meaning.related);
    if known && around.noun {
        How::Known(slot)
    } else if known && (around.identifier || (!entry.reads && (own || around.verb))) {
        How::Doubtful(slot)
    } else if known {
        How::Common(slot)
    } else if shown {
        How::Value(slot)
    } else {
        How::Bare(slot)
    }
}

/// What stands around a slot.
#[derive(Clone, Copy)]
struct Around {
    /// A noun, which says what the value is.
    noun: bool,
    /// Only the first word of the phrase.
    verb: bool,
    /// It is of a kind that names things, not places or text.
    identifier: bool,
}

impl Around {
    fn of(parts: &[&Part], at: usize, kind: SlotKind) -> Self {
        let word = |part: Option<&&Part>| match part {
            Some(Part::Word(word)) => !lexicon::is_grammar(&word.plain),
            _ => false,
        };
        let before = at.checked_sub(1).filter(|before| *before > 0).and_then(|before| parts.get(before));
        Self {
            noun: word(before) || word(parts.get(at + 1)),
            verb: at <= 1,
            identifier: kind.is_identifier(),
        }
    }
}

/// The argv with its values: each in one word, none where an option could be read in its place.
fn filled(entry: &Entry, values: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let mut argv: Vec<String> = Vec::new();
    for word in &entry.argv {
        match filled_word(word, |name| values.get(name).or_else(|| entry.defaults.get(name)))? {
            Filled::LeftOut => {}
            Filled::Word { begins_with_value, text } => {
                let guarded = argv.iter().any(|word| word == "--");
                if begins_with_value && text.starts_with('-') && !guarded {
                    return None;
                }
                argv.push(text);
            }
        }
    }
    Some(argv)
}

enum Filled {
    LeftOut,
    Word { begins_with_value: bool, text: String },
}

/// Nothing where a slot has no value and the word may not be left out.
fn filled_word<'v>(word: &str, value: impl Fn(&str) -> Option<&'v String>) -> Option<Filled> {
    let mut text = String::new();
    let mut rest = word;
    let mut begins_with_value = false;
    while let Some((before, mark, behind)) = next_slot(rest) {
        let name = mark.strip_suffix('?').unwrap_or(mark);
        let Some(value) = value(name) else {
            return mark.ends_with('?').then_some(Filled::LeftOut);
        };
        begins_with_value |= text.is_empty() && before.is_empty();
        text.push_str(before);
        text.push_str(value);
        rest = behind;
    }
    text.push_str(rest);
    Some(Filled::Word { begins_with_value, text })
}
