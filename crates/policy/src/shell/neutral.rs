//! The form both walkers write: structure is settled, words are not yet expanded.

use std::collections::BTreeSet;

use super::scan::Inner;
use super::{COMMANDS_MAX, Opaque, RedirectOp, Refusal, Word};

/// A part of a word.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Piece {
    /// Literal text. Quoted text is immune to globs, braces, tilde and splitting.
    Text { text: String, quoted: bool },
    /// `$name` or `${name}`.
    Var { name: String, quoted: bool },
    /// An expansion that can only yield a number: `$((…))`, `$#`, `$?`, `${#x}`.
    Number,
    /// `(…)` after `name=`.
    Array,
    /// What a command writes, or another expansion that is one word in quotes.
    Output { quoted: bool },
    /// Any other expansion.
    Expansion,
}

/// A word before expansion.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct RawWord(pub(super) Vec<Piece>);

impl RawWord {
    /// Adds literal text, joining it to its neighbour when both are quoted alike.
    ///
    /// Where one parser sees three pieces and the other one, only the joined text compares.
    pub(super) fn text(&mut self, more: &str, quoted: bool) {
        if let Some(Piece::Text { text, quoted: last }) = self.0.last_mut()
            && *last == quoted
        {
            text.push_str(more);
        } else if quoted || !more.is_empty() {
            self.0.push(Piece::Text { text: more.to_owned(), quoted });
        }
    }

    pub(super) fn push(&mut self, piece: Piece) {
        match piece {
            Piece::Text { text, quoted } => self.text(&text, quoted),
            Piece::Expansion if self.0.last() == Some(&Piece::Expansion) => {}
            other => self.0.push(other),
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        for piece in other.0 {
            self.push(piece);
        }
    }

    /// The text, if no expansion is involved.
    pub(super) fn literal(&self) -> Option<String> {
        let mut all = String::new();
        for piece in &self.0 {
            let Piece::Text { text, .. } = piece else { return None };
            all.push_str(text);
        }
        Some(all)
    }

    /// The text of a word without a quote or an expansion: the only spelling of a keyword.
    pub(super) fn bare(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Text { text, quoted: false }] => Some(text),
            _ => None,
        }
    }

    pub(super) fn of(text: &str) -> Self {
        let mut word = Self::default();
        word.text(text, false);
        word
    }

    pub(super) fn unknown() -> Self {
        Self(vec![Piece::Expansion])
    }
}

/// `name=value` as written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct RawAssignment {
    pub(super) name: String,
    pub(super) value: RawWord,
    /// False for `+=`, arrays and subscripts, whose value a later `$name` is not.
    pub(super) plain: bool,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct RawRedirect {
    pub(super) op: RedirectOp,
    pub(super) target: RawWord,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) enum RawInput {
    #[default]
    Inherited,
    Pipe(Vec<usize>),
    Text(RawWord),
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct RawCommand {
    pub(super) assignments: Vec<RawAssignment>,
    pub(super) words: Vec<RawWord>,
    pub(super) redirects: Vec<RawRedirect>,
    pub(super) stdin: RawInput,
    /// Certain to run, once, in the shell of the line itself, when anything after it runs.
    pub(super) straight: bool,
    /// The run of `&&` it stands in.
    pub(super) chain: usize,
    /// So many of the commands that follow are substitutions in its words.
    pub(super) inside: usize,
}

/// The body of a loop over values that are listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Loop {
    pub(super) name: String,
    pub(super) values: Vec<RawWord>,
    /// Its commands, by their place in the list.
    pub(super) body: std::ops::Range<usize>,
}

/// What surrounds the command being walked.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) stdin: RawInput,
    pub(super) straight: bool,
    /// The run of `&&` around it, see [`Chains`].
    pub(super) chain: usize,
    pub(super) depth: usize,
}

impl Place {
    pub(super) fn top() -> Self {
        Self { stdin: RawInput::Inherited, straight: true, chain: 0, depth: 0 }
    }

    /// One level further in, same standard input, no longer certain to run.
    pub(super) fn within(&self) -> Self {
        Self { straight: false, ..self.deeper() }
    }

    pub(super) fn deeper(&self) -> Self {
        Self { depth: self.depth + 1, ..self.clone() }
    }

    pub(super) fn fed(&self, stdin: RawInput) -> Self {
        Self { stdin, straight: false, chain: self.chain, depth: self.depth + 1 }
    }
}

/// Runs of `&&`, each with the one around it. A command that has run in a chain has succeeded, in the same shell,
/// before any later command of that chain or inside it starts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Chains(Vec<usize>);

impl Chains {
    /// A new one inside another.
    pub(super) fn inside(&mut self, outer: usize) -> usize {
        self.0.push(outer);
        self.0.len()
    }

    /// Is `inner` this chain, or inside it?
    pub(super) fn holds(&self, outer: usize, inner: usize) -> bool {
        let around = |chain: &usize| chain.checked_sub(1).and_then(|at| self.0.get(at)).copied();
        outer > 0 && std::iter::successors(Some(inner), around).any(|chain| chain == outer)
    }
}

/// Everything one walker found.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) commands: Vec<RawCommand>,
    pub(super) chains: Chains,
    pub(super) opaque: BTreeSet<Opaque>,
    /// Names of functions defined in the line.
    pub(super) functions: BTreeSet<String>,
    /// Texts that the shell evaluates as arithmetic.
    pub(super) arithmetic: BTreeSet<String>,
    /// Variables given a value by something other than an assignment word, and that value where
    /// it is one of a known list.
    pub(super) bound: Vec<(String, RawWord)>,
    pub(super) loops: Vec<Loop>,
}

impl Found {
    /// Makes room for a command before its substitutions, which follow it.
    pub(super) fn reserve(&mut self) -> Result<usize, Refusal> {
        // Twice the limit: the count that matters is taken on the merged line, this one only
        // bounds the work.
        if self.commands.len() >= 2 * COMMANDS_MAX {
            return Err(Refusal::Commands);
        }
        self.commands.push(RawCommand::default());
        Ok(self.commands.len() - 1)
    }

    pub(super) fn fill(&mut self, index: usize, mut command: RawCommand) {
        drop_time(&mut command.words);
        command.inside = self.commands.len().saturating_sub(index + 1);
        if let Some(slot) = self.commands.get_mut(index) {
            *slot = command;
        }
    }
}

impl Found {
    /// Keeps what a word says beyond its commands.
    pub(super) fn note(&mut self, inner: &Inner) {
        match inner {
            Inner::Arithmetic(text) => {
                self.arithmetic.insert(text.clone());
            }
            Inner::Bound(name) => self.bound.push((name.clone(), RawWord::unknown())),
            Inner::Prompt => {
                self.opaque.insert(Opaque::PromptExpansion);
            }
            Inner::Indirect => {
                self.opaque.insert(Opaque::Nameref);
            }
            Inner::Command(_) | Inner::Process(..) => {}
        }
    }
}

impl RawRedirect {
    /// `>&word` writes a file unless the word is a descriptor.
    pub(super) fn new(op: RedirectOp, target: RawWord, output: bool) -> Self {
        let descriptor = target.literal().is_some_and(|text| {
            let number = text.strip_suffix('-').unwrap_or(&text);
            number.chars().all(|c| c.is_ascii_digit())
        });
        let op = if op == RedirectOp::Duplicate && output && !descriptor { RedirectOp::Write } else { op };
        Self { op, target }
    }
}

impl RawWord {
    /// The body of a here-document. Whether its last newline belongs to it, the parsers dispute.
    pub(super) fn document(text: &str) -> Self {
        let mut word = Self::default();
        word.text(text.strip_suffix('\n').unwrap_or(text), true);
        word
    }
}

impl From<&Word> for RawWord {
    fn from(word: &Word) -> Self {
        match word {
            Word::Known(text) | Word::Glob(text) => Self::of(text),
            Word::One { .. } | Word::Unknown => Self::unknown(),
        }
    }
}

/// `time` and `time -p` are keywords, which one parser takes for a program and the other knows
/// only once.
fn drop_time(words: &mut Vec<RawWord>) {
    while words.len() > 1 && words.first().and_then(RawWord::bare) == Some("time") {
        let options = usize::from(words.len() > 2 && words.get(1).and_then(RawWord::bare) == Some("-p"));
        words.drain(..=options);
    }
}
