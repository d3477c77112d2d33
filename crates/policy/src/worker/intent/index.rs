//! All intents of all manifests, as one tree of the words that begin their phrases.
//!
//! A text walks down the tree, so a text that no phrase begins like is done after its first words, however many phrases
//! there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::lexicon;
use super::slot::{SlotKind, Value};
use super::template::{self, Part, Way};
use super::text::Word;
use crate::worker::grammar::Worker;
use crate::worker::manifest::Intent;
use crate::worker::registry::Registry;

/// Longest text of what an exit code says.
const ANSWER_BYTES_MAX: usize = 80;

/// Every phrase that can be said.
#[derive(Debug)]
pub(crate) struct Index {
    pub(super) intents: Vec<Entry>,
    nodes: Vec<Node>,
    /// Every word that a phrase has, as the tree has it.
    words: BTreeSet<String>,
}

/// An intent that holds together.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) worker: String,
    pub(super) id: String,
    pub(super) argv: Vec<String>,
    pub(super) reads: bool,
    pub(super) defaults: BTreeMap<String, String>,
    pub(super) answers: BTreeMap<u8, String>,
    /// Words that its worker has in phrases, as the tree has them.
    pub(super) own: Arc<BTreeSet<String>>,
}

#[derive(Debug, Default)]
struct Node {
    words: BTreeMap<String, usize>,
    slots: Vec<(SlotKind, usize)>,
    /// Phrases that end here.
    ends: Vec<End>,
}

/// A phrase that ends at a node.
#[derive(Debug)]
pub(super) struct End {
    pub(super) intent: usize,
    pub(super) way: Way,
}

impl End {
    /// The phrase is a question itself.
    pub(super) fn asks(&self) -> bool {
        self.way.iter().find(|part| part.counts()).is_some_and(|part| match part {
            Part::Word(word) => word.plain.split(' ').next().is_some_and(lexicon::is_grammar),
            Part::Slot { .. } => false,
        })
    }
}

/// How one counting part of a phrase was met: by one word, or by a value.
#[derive(Clone, Debug)]
pub(super) enum Met {
    Word,
    Value(Value),
}

impl Index {
    /// Intents that do not hold together are left out; [`Registry::check`] says why.
    pub(in crate::worker) fn of(registry: &Registry) -> Self {
        let mut index = Self { intents: Vec::new(), nodes: vec![Node::default()], words: BTreeSet::new() };
        for manifest in &registry.manifests {
            let (Ok(parsed), Ok(intents)) = (manifest.parsed(), manifest.intents()) else { continue };
            for (worker, intents) in parsed.workers.iter().zip(intents) {
                // A program belongs to one manifest; phrases of another one would be classified by the wrong rules.
                if registry.program(worker.name()).is_some_and(|found| std::ptr::eq(found.worker, worker)) {
                    index.add(worker, intents);
                }
            }
        }
        index
    }

    fn add(&mut self, worker: &Worker, intents: &[Intent]) {
        let whole: Vec<(&Intent, Vec<Way>)> =
            intents.iter().filter_map(|intent| Some((intent, whole(worker, intent).ok()?))).collect();
        let words = whole.iter().flat_map(|(_, ways)| ways.iter().flatten()).filter_map(|part| match part {
            Part::Word(word) if !word.filler => Some(word.meaning.related.as_str()),
            _ => None,
        });
        let words: BTreeSet<&str> = words.collect();
        let own = Arc::new(words.into_iter().map(str::to_owned).collect::<BTreeSet<_>>());
        self.words.extend(own.iter().cloned());
        for (intent, ways) in whole {
            let number = self.intents.len();
            self.intents.push(Entry {
                worker: intent.argv.first().cloned().unwrap_or_default(),
                id: intent.id.clone(),
                argv: intent.argv.clone(),
                reads: intent.reads,
                defaults: intent.defaults.clone(),
                answers: answers(intent).unwrap_or_default(),
                own: own.clone(),
            });
            for way in ways {
                self.insert(number, way);
            }
        }
    }

    fn insert(&mut self, intent: usize, way: Way) {
        let mut at = 0;
        for part in way.iter().filter(|part| part.counts()) {
            at = self.below(at, part);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.ends.push(End { intent, way });
        }
    }

    /// The node behind a part, made where there is none.
    fn below(&mut self, at: usize, part: &Part) -> usize {
        let fresh = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        let next = match part {
            Part::Word(word) => match node.words.get(&word.meaning.related) {
                Some(next) => *next,
                None => *node.words.entry(word.meaning.related.clone()).or_insert(fresh),
            },
            Part::Slot { kind, .. } => match node.slots.iter().find(|(own, _)| own == kind) {
                Some((_, next)) => *next,
                None => {
                    node.slots.push((*kind, fresh));
                    fresh
                }
            },
        };
        if next == fresh {
            self.nodes.push(Node::default());
        }
        next
    }

    /// Is it a word of some phrase?
    pub(super) fn has(&self, word: &Word) -> bool {
        self.words.contains(&word.meaning.related)
    }

    /// Every phrase that these words say, and how.
    pub(super) fn walk<'i>(&'i self, words: &[&Word], found: &mut impl FnMut(&'i End, &[Met])) {
        if let Some(root) = self.nodes.first() {
            self.step(root, words, &mut Vec::new(), found);
        }
    }

    fn step<'i>(
        &'i self,
        node: &'i Node,
        words: &[&Word],
        met: &mut Vec<Met>,
        found: &mut impl FnMut(&'i End, &[Met]),
    ) {
        let Some((first, rest)) = words.split_first() else {
            for end in &node.ends {
                found(end, met);
            }
            return;
        };
        let word = if first.quoted { None } else { node.words.get(&first.meaning.related) };
        if let Some(next) = word.and_then(|next| self.nodes.get(*next)) {
            met.push(Met::Word);
            self.step(next, rest, met, found);
            met.pop();
        }
        for (kind, next) in &node.slots {
            let Some(value) = kind.take(words) else { continue };
            let (Some(next), Some(behind)) = (self.nodes.get(*next), words.get(value.words..)) else {
                continue;
            };
            met.push(Met::Value(value));
            self.step(next, behind, met, found);
            met.pop();
        }
    }
}

/// All ways to say an intent, or what is wrong with it.
pub(super) fn whole(worker: &Worker, intent: &Intent) -> Result<Vec<Way>, String> {
    let id = &intent.id;
    let wrong = |what: String| format!("intent `{id}`: {what}");
    let program = intent.argv.first().filter(|program| worker.names.contains(program));
    let program =
        program.ok_or_else(|| wrong("its argv does not begin with a name of its worker".to_owned()))?;
    if !id.strip_prefix(program.as_str()).is_some_and(|rest| rest.starts_with('.') && rest.len() > 1) {
        return Err(wrong(format!("its id does not begin with `{program}.`")));
    }
    if intent.argv.iter().any(|word| word.is_empty() || word.chars().any(char::is_control)) {
        return Err(wrong("its argv holds an empty word or a control character".to_owned()));
    }
    if intent.tests.is_empty() || intent.say.is_empty() {
        return Err(wrong("it has no phrases or no tests".to_owned()));
    }
    let mut ways = Vec::new();
    for phrase in &intent.say {
        ways.extend(template::ways(phrase).map_err(wrong)?);
    }
    slots_agree(intent, &ways).map_err(wrong)?;
    answers(intent).map_err(wrong)?;
    Ok(ways)
}

/// What exit codes besides 0 say. Of what changes something, only 0 says that it was done.
fn answers(intent: &Intent) -> Result<BTreeMap<u8, String>, String> {
    if !intent.reads && !intent.answers.is_empty() {
        return Err(
            "it has `answers`, but not `reads`: only what looks answers by another exit code".to_owned()
        );
    }
    let answer = |(code, words): (&String, &String)| {
        let code = code.parse().ok().filter(|code| *code != 0);
        let code = code.ok_or("`answers` has a key that is no exit code from 1 to 255")?;
        if words.trim().is_empty() || words.len() > ANSWER_BYTES_MAX || words.chars().any(char::is_control) {
            return Err(format!("`answers` says nothing for {code}, or more than {ANSWER_BYTES_MAX} bytes"));
        }
        Ok((code, words.clone()))
    };
    intent.answers.iter().map(answer).collect()
}

/// Every slot of the argv has a value however the phrase is said, and every slot of a phrase is used.
fn slots_agree(intent: &Intent, ways: &[Way]) -> Result<(), String> {
    let used: Vec<(&str, bool)> = intent.argv.iter().flat_map(|word| template::slots(word)).collect();
    let unused = intent.defaults.keys().find(|name| !used.iter().any(|(own, _)| own == name));
    if let Some(name) = unused {
        return Err(format!("`{name}` has a default but no place in the argv"));
    }
    for way in ways {
        let mut said: Vec<&str> = Vec::new();
        for part in way {
            let Part::Slot { name, .. } = part else { continue };
            if said.contains(&name.as_ref()) {
                return Err(format!("slot `{name}` is said twice"));
            }
            if !used.iter().any(|(own, _)| *own == name.as_ref()) {
                return Err(format!("slot `{name}` has no place in the argv"));
            }
            said.push(name);
        }
        let missing = used.iter().find(|(name, optional)| {
            !optional && !said.contains(name) && !intent.defaults.contains_key(*name)
        });
        if let Some((name, _)) = missing {
            return Err(format!(
                "slot `{name}` may be left without a value; give it a default, or write `{{{name}?}}`"
            ));
        }
    }
    Ok(())
}
