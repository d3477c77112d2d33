//! Manifests after they were checked: what the classifier works with.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascade_receipt::decision::RiskTier;

use super::classification::Finding;
use super::manifest::{Effect, Emits, Enters, Form, Globals, Kind, Lies, Reading, Spares, Style};
use super::pattern::Pattern;
use super::place::Places;
use crate::resource::{Place as Shelf, ResourceKind};

/// One program.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) names: Vec<String>,
    pub(super) style: Style,
    pub(super) abbreviations: bool,
    pub(super) negations: bool,
    pub(super) loose_dashes: bool,
    pub(super) globals: Globals,
    pub(super) lies: Lies,
    pub(super) own: Node,
    pub(super) commands: Vec<Command>,
    pub(super) rules: Vec<Rule>,
    pub(super) settings: Vec<Setting>,
    pub(super) defaults: Vec<Defaults>,
    pub(super) resources: Vec<Source>,
}

/// A subcommand.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) path: Vec<Step>,
    /// Paths that are alike share one node.
    pub(super) node: Arc<Node>,
}

/// One word of a subcommand path.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Word(String),
    Glob(Pattern),
    /// Any number of words.
    Deep,
}

impl Step {
    pub(super) fn parse(word: &str) -> Self {
        match word {
            "**" => Self::Deep,
            word if word.contains(['*', '?']) => Self::Glob(Pattern::new(word)),
            word => Self::Word(word.to_owned()),
        }
    }

    pub(super) const fn is_word(&self) -> bool {
        matches!(self, Self::Word(_))
    }

    /// The word, where the manifest names it.
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            Self::Glob(_) | Self::Deep => None,
        }
    }

    /// A pattern that says something of the word.
    pub(super) fn is_shaped(&self) -> bool {
        matches!(self, Self::Glob(pattern) if *pattern != Pattern::Prefix(String::new()))
    }

    pub(super) fn matches(&self, word: &str) -> bool {
        match self {
            Self::Word(own) => own == word,
            Self::Glob(pattern) => pattern.matches(word),
            Self::Deep => true,
        }
    }
}

/// Options and arguments at one place of the tree.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) tier: Option<RiskTier>,
    pub(super) text: Option<String>,
    pub(super) unresolved: Option<RiskTier>,
    pub(super) options: BTreeMap<String, Arity>,
    pub(super) lenient: bool,
    pub(super) numeric: bool,
    pub(super) arguments: Vec<Kind>,
    pub(super) shifts: Vec<Choice>,
    pub(super) dry: Vec<Choice>,
    pub(super) dry_unless: Vec<Choice>,
    pub(super) dry_tier: Option<RiskTier>,
    pub(super) wraps: Option<Wraps>,
    pub(super) stdin: Option<Kind>,
    pub(super) stdin_unless: Vec<Choice>,
    pub(super) stdin_below: usize,
    pub(super) stdin_fed: bool,
    pub(super) emits: Emits,
    pub(super) emits_paths_if: Vec<Choice>,
    pub(super) emits_changed_if: Vec<Choice>,
}

/// Files that are obeyed without being named; see [`super::manifest::Defaults`].
#[derive(Debug)]
pub(super) struct Defaults {
    pub(super) programs: Vec<String>,
    pub(super) commands: Option<Vec<Vec<Step>>>,
    pub(super) files: Vec<String>,
    pub(super) unless: Vec<String>,
    pub(super) within: Option<usize>,
}

impl Defaults {
    pub(super) fn is_about(&self, program: &str, path: &[&str]) -> bool {
        let named = self.programs.is_empty() || self.programs.iter().any(|own| own == program);
        named && covers(self.commands.as_deref(), path)
    }
}

/// What an option takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arity {
    Flag,
    Value(Kind),
    /// Only when attached.
    Optional(Kind),
}

/// Where another command starts.
#[derive(Debug)]
pub(super) struct Wraps {
    pub(super) form: Form,
    pub(super) skip: usize,
    pub(super) assignments: bool,
    pub(super) unread: bool,
    pub(super) away: bool,
    pub(super) enters: Enters,
    pub(super) apart: Vec<String>,
    pub(super) line_if: Vec<Choice>,
    pub(super) regroups: Vec<Choice>,
    pub(super) unless: Vec<Choice>,
}

/// An option, perhaps only with certain values.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) name: String,
    pub(super) value: Option<Pattern>,
}

impl Choice {
    pub(super) fn list(text: &str) -> Vec<Self> {
        text.split_whitespace()
            .map(|word| match word.split_once('=') {
                Some((name, value)) => Self { name: name.to_owned(), value: Some(Pattern::new(value)) },
                None => Self { name: word.to_owned(), value: None },
            })
            .collect()
    }
}

/// A rule; see [`manifest::Rule`] for its conditions.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) finding: Finding,
    pub(super) commands: Option<Vec<Vec<Step>>>,
    pub(super) options: Vec<Vec<Choice>>,
    pub(super) without: Vec<Choice>,
    pub(super) arguments: Vec<Pattern>,
    pub(super) except: Vec<Pattern>,
    pub(super) at: Option<usize>,
    pub(super) from: usize,
    pub(super) places: Places,
    pub(super) min: usize,
    pub(super) max: Option<usize>,
    pub(super) dashes: bool,
    pub(super) spares: Option<Spares>,
    pub(super) certain: bool,
    pub(super) tests: Vec<String>,
}

/// A setting; see [`manifest::Setting`].
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) env: Vec<Pattern>,
    pub(super) env_text: Vec<String>,
    pub(super) config: Vec<Pattern>,
    pub(super) effect: Effect,
    pub(super) commands: Option<Vec<Vec<Step>>>,
    pub(super) tests: Vec<String>,
}

/// What names a resource; see [`super::manifest::Named`].
#[derive(Debug)]
pub(super) struct Source {
    pub(super) kind: ResourceKind,
    pub(super) reading: Reading,
    pub(super) programs: Vec<String>,
    pub(super) commands: Option<Vec<Vec<Step>>>,
    pub(super) except: Vec<Vec<Step>>,
    /// Options, and the key that their value must have.
    pub(super) options: Vec<(String, Option<String>)>,
    pub(super) at: Option<usize>,
    pub(super) from: Option<usize>,
    pub(super) env: Vec<String>,
    pub(super) host_options: Vec<String>,
    pub(super) host_env: Vec<String>,
    pub(super) usual: Option<String>,
    pub(super) elsewhere: Vec<Choice>,
    pub(super) elsewhere_env: Vec<String>,
    pub(super) hidden_by: Vec<String>,
    pub(super) default: Option<Shelf>,
    pub(super) always: bool,
    /// Line and name.
    pub(super) tests: Vec<(String, String)>,
}

impl Source {
    pub(super) fn is_about(&self, program: &str, path: &[&str]) -> bool {
        let named = self.programs.is_empty() || self.programs.iter().any(|own| own == program);
        named && covers(self.commands.as_deref(), path) && !covers(Some(&self.except), path)
    }

    /// Every variable that it looks at, those aside that only a line can set: they may hold credentials.
    pub(super) fn variables(&self) -> impl Iterator<Item = &String> {
        self.env.iter().chain(&self.host_env).chain(&self.hidden_by)
    }
}

/// Does a command path fall under one of the listed ones? A listed path covers everything below it.
pub(super) fn covers(listed: Option<&[Vec<Step>]>, path: &[&str]) -> bool {
    let Some(listed) = listed else { return true };
    listed.iter().any(|steps| match steps.as_slice() {
        [Step::Deep, rest @ ..] => {
            (0..path.len()).any(|start| starts(rest, path.get(start..).unwrap_or(&[])))
        }
        steps => starts(steps, path),
    })
}

fn starts(steps: &[Step], path: &[&str]) -> bool {
    steps.len() <= path.len() && steps.iter().zip(path).all(|(step, word)| step.matches(word))
}
