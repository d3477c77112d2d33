//! Tasks in words: the argv that the intents of the manifests give for them.
//!
//! An intent says which phrases mean which argv. Nothing is guessed: a plan exists where every word of the text is
//! accounted for by a phrase, by a value of one of its slots, or by a short list of words that carry nothing. A negation,
//! a second wish, or a word that no phrase has therefore leaves no plan at all.
//!
//! `text` takes a task apart, `template` a phrase; `lexicon` is the words that may stand for others; `slot` is what a
//! value may look like; `index` is one tree of all phrases; `plan` weighs what it finds; `proof` runs the tests that
//! intents carry.

mod index;
mod lexicon;
mod plan;
mod proof;
#[cfg(test)]
mod proven;
mod slot;
mod template;
mod text;

use std::collections::BTreeMap;

use cascade_receipt::decision::RiskTier;

use super::registry::Registry;

pub(super) use self::index::Index;

/// Longest task that is looked at; a longer one has no plans.
pub const TEXT_BYTES_MAX: usize = 2_000;
/// Most words of one.
pub const TEXT_WORDS_MAX: usize = 64;
/// Longest value of a slot.
pub const VALUE_BYTES_MAX: usize = 256;
/// What a plan needs at least to be one.
pub const GRADE_MIN: u8 = 60;
/// Plans this close to the best one are rivals: whoever asked says which. One synonym more is not close.
pub const GRADE_MARGIN: u8 = 3;
/// Most ways to say one phrase, with every choice and everything that may be left out.
pub const WAYS_MAX: usize = 192;

/// What a worker would run for a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// The program whose manifest says so.
    pub worker: String,
    /// The intent, for example `git.log`.
    pub intent: String,
    /// What would run; never empty, and never handed to a shell.
    pub argv: Vec<String>,
    /// How it is ranked. Above MEDIUM a plan needs the exact words of a phrase.
    pub tier: RiskTier,
    /// The intent says that it only looks, and it ranks LOW.
    pub reads: bool,
    /// Exit codes besides 0 that are an answer, and what they say.
    pub answers: BTreeMap<u8, String>,
    /// Every word of the text, in order, with what it was taken for.
    pub words: Vec<Heard>,
    /// 100 less what `words` cost; at least [`GRADE_MIN`].
    pub grade: u8,
}

/// A word of a task and what it was taken for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    /// As it stands in the text.
    pub text: String,
    /// What it was taken for.
    pub how: How,
}

/// What a word of a task was taken for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum How {
    /// The very word of the phrase.
    Same,
    /// Another form of it (`branch`, `branches`).
    Form,
    /// A word that means the same (`delete`, `remove`).
    Synonym,
    /// One that means about the same; only where nothing is changed (`show`, `what are`).
    Related,
    /// The value of the slot with this name.
    Value(String),
    /// The same, but nothing about the value shows that it is one.
    Bare(String),
    /// The same, and though some phrase has this word, a noun beside it says that it is a name.
    Known(String),
    /// The same, and nothing beside it says so: it may be meant as that word.
    Common(String),
    /// The same, of a name, or where something is changed: there is no plan.
    Doubtful(String),
    /// A word that carries nothing.
    Filler,
}

impl How {
    /// What it takes off the grade.
    #[must_use]
    pub const fn cost(&self) -> u8 {
        match self {
            Self::Same | Self::Value(_) => 0,
            Self::Filler => 1,
            Self::Bare(_) => 2,
            Self::Synonym | Self::Related | Self::Known(_) => 4,
            Self::Form => 6,
            Self::Common(_) => 12,
            Self::Doubtful(_) => 45,
        }
    }
}

impl Registry {
    /// What workers would run for a task in words: the best plan first, and after it those that come as close as
    /// [`GRADE_MARGIN`] and differ. More than one is a question to whoever asked; none means that no worker can.
    #[must_use]
    pub fn plans(&self, text: &str) -> Vec<Planned> {
        if text.len() > TEXT_BYTES_MAX {
            return Vec::new();
        }
        plan::plans(self, text)
    }
}
