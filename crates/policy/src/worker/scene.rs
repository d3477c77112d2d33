//! What surrounds a call: directory, environment, standard input.

use super::base::Base;
use super::place::Location;
use super::word::Word;
use crate::resource::Resource;

/// The surroundings of one call.
#[derive(Clone, Debug)]
pub(super) struct Scene<'a> {
    pub(super) directory: Location,
    /// The same directory, by the texts with which a program would open it.
    pub(super) base: Base,
    pub(super) env: &'a Environment<'a>,
    pub(super) input: Feed,
    /// Files that the same line writes, or has fetched.
    pub(super) fresh: &'a [Location],
    /// What the other machine or container is part of in which it runs.
    pub(super) beyond: &'a [Resource],
    /// It runs where nothing but itself and the network can be reached.
    pub(super) apart: bool,
    /// Wrappers and inner lines around it.
    pub(super) depth: usize,
}

/// Variables, and those around them.
#[derive(Debug)]
pub(super) struct Environment<'a> {
    pub(super) outer: Option<&'a Self>,
    pub(super) own: Vec<Variable>,
}

impl<'a> Environment<'a> {
    /// Innermost first; a name may come more than once, since any of them may be the one that counts.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Variable> {
        std::iter::successors(Some(self), |env| env.outer).flat_map(|env| &env.own)
    }

    /// These variables with more in front.
    pub(super) const fn with(&'a self, own: Vec<Variable>) -> Self {
        Self { outer: Some(self), own }
    }
}

/// An environment variable.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: Word,
    /// It was there before the line; the line did not set it.
    pub(super) ambient: bool,
}

impl Variable {
    /// Reads `NAME=VALUE`.
    pub(super) fn assigned(text: &str) -> Option<Self> {
        let (name, value) = text.split_once('=')?;
        Some(Self { name: name.to_owned(), value: Word::Known(value.to_owned()), ambient: false })
    }
}

/// What arrives on standard input, or leaves on standard output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Feed {
    /// The caller's own.
    Inherited,
    /// Exactly this text.
    Text(String),
    /// These words, one a line or several: where one ends and the next begins is not known.
    Words(Vec<Word>),
    /// What stands in a file that may be one of these.
    File(Vec<String>),
    /// Cannot be known.
    Unknown,
    /// The environment, secrets among it, or what was made of it.
    Secret,
    /// From the network.
    Network,
    /// From a decoder.
    Decoded,
}

impl Feed {
    /// The words that a program finds which splits its input at blanks.
    pub(super) fn words(&self) -> Vec<Word> {
        let split = |text: &str| text.split_whitespace().map(|word| Word::Known(word.to_owned())).collect();
        match self {
            Self::Text(text) => split(text),
            Self::Words(words) => words
                .iter()
                .flat_map(|word| match word.known() {
                    Some(text) => split(text),
                    None if word.pattern().is_some() => vec![word.clone()],
                    None => vec![Word::Unknown],
                })
                .collect(),
            Self::Inherited
            | Self::File(_)
            | Self::Unknown
            | Self::Secret
            | Self::Network
            | Self::Decoded => {
                vec![Word::Unknown]
            }
        }
    }

    /// The text, where all of it is known.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Words(_)
            | Self::Inherited
            | Self::File(_)
            | Self::Unknown
            | Self::Secret
            | Self::Network
            | Self::Decoded => None,
        }
    }

    /// What a program finds that takes its input line by line.
    pub(super) fn lines(&self) -> Vec<Word> {
        match self {
            Self::Text(text) => text.lines().map(|line| Word::Known(line.to_owned())).collect(),
            Self::Words(words) if words.iter().all(|word| word.pattern().is_some()) => words.clone(),
            _ => vec![Word::Unknown],
        }
    }

    /// Two feeds into one program: the worse one counts. Of two texts the words are known, but not the whole: one of
    /// them may never come, or come twice.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Network, _) | (_, Self::Network) => Self::Network,
            (Self::Decoded, _) | (_, Self::Decoded) => Self::Decoded,
            (Self::Secret, _) | (_, Self::Secret) => Self::Secret,
            (feed @ (Self::Text(_) | Self::Words(_)), other @ (Self::Text(_) | Self::Words(_))) => {
                Self::Words(feed.words().into_iter().chain(other.words()).collect())
            }
            (feed, other) if feed == other => feed,
            _ => Self::Unknown,
        }
    }
}
