//! One program call read against the grammar of its program: subcommand, options given, arguments, and where
//! another command starts.

use super::grammar::{Choice, Command, Node, Step, Worker, Wraps};
use super::manifest::{Form, Kind};
use super::reader::Reader;
use super::word::Word;

/// A call after reading.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) worker: &'a Worker,
    pub(super) node: &'a Node,
    /// The subcommand words.
    pub(super) path: Vec<&'a str>,
    pub(super) given: Vec<Given<'a>>,
    pub(super) arguments: Vec<Argument<'a>>,
    /// `NAME=VALUE` words of a wrapper.
    pub(super) assignments: Vec<&'a Word>,
    /// The words of another command.
    pub(super) inner: Option<(&'a Wraps, &'a [Word])>,
    /// An option that the grammar does not know.
    pub(super) unknown_option: Option<&'a str>,
    /// A subcommand that the grammar does not know.
    pub(super) unknown_command: Option<String>,
    /// Words that cannot be known beforehand.
    pub(super) unresolved: Unresolved,
    /// `--help` or `--version` is given; almost every program knows them.
    pub(super) help: bool,
}

/// Where words stand that cannot be known beforehand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unresolved {
    /// Where one could be an option or argument.
    pub(super) any: bool,
    /// One of these may become any number of words.
    pub(super) many: bool,
    /// Where the subcommand is named.
    pub(super) subcommand: bool,
}

/// An option as given.
#[derive(Debug)]
pub(super) struct Given<'a> {
    /// Its name; several where an abbreviation is ambiguous.
    pub(super) names: Vec<&'a str>,
    /// `--no-x` takes back `--x`.
    pub(super) taken_back: bool,
    pub(super) kind: Kind,
    pub(super) value: Value<'a>,
}

/// The value of an option.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    None,
    Attached(&'a str),
    Word(&'a Word),
    /// Of an option like `-exec`.
    Words(&'a [Word]),
}

impl Value<'_> {
    pub(super) fn known(&self) -> Option<&str> {
        match self {
            Self::Attached(text) => Some(text),
            Self::Word(word) => word.known(),
            Self::None | Self::Words(_) => None,
        }
    }

    pub(super) fn to_word(self) -> Option<Word> {
        match self {
            Self::Attached(text) => Some(Word::Known(text.to_owned())),
            Self::Word(word) => Some(word.clone()),
            Self::None | Self::Words(_) => None,
        }
    }
}

/// An argument and whether it stands after `--`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Argument<'a> {
    pub(super) word: &'a Word,
    pub(super) after_dashes: bool,
}

impl<'a> Call<'a> {
    /// Reads the words after the program's name.
    pub(super) fn read(worker: &'a Worker, words: &'a [Word]) -> Self {
        let call = Self {
            worker,
            node: &worker.own,
            path: Vec::new(),
            given: Vec::new(),
            arguments: Vec::new(),
            assignments: Vec::new(),
            inner: None,
            unknown_option: None,
            unknown_command: None,
            unresolved: Unresolved::default(),
            help: false,
        };
        let deep = worker.commands.iter().any(is_deep);
        let candidates = if deep { Vec::new() } else { worker.commands.iter().collect() };
        let mut call = Reader::new(call, candidates).read(words);
        if deep {
            call.dive();
        }
        call
    }

    /// Is one of these options given, and no other word takes it back? Where an option comes more than once, each
    /// must say the same: which of them counts is the program's own business.
    pub(super) fn gives(&self, choices: &[Choice]) -> bool {
        choices.iter().any(|choice| {
            let mut named =
                self.given.iter().filter(|given| given.names.contains(&choice.name.as_str())).peekable();
            let stands = |given: &Given<'_>| match (&choice.value, given.value.known()) {
                _ if given.taken_back => false,
                (Some(pattern), Some(value)) => {
                    pattern.matches(value) || pattern.matches(&value.to_ascii_lowercase())
                }
                (Some(_), None) => false,
                (None, Some(value)) => !NO.contains(&value),
                (None, None) => true,
            };
            named.peek().is_some() && named.all(stands)
        })
    }

    /// Does one of these options keep the call from changing anything? Not where another word could take it back,
    /// whichever of them comes last.
    pub(super) fn rehearses(&self, dry: &[Choice]) -> bool {
        let takes_back = |given: &Given<'_>| {
            dry.iter().any(|choice| {
                given.names.iter().any(|name| {
                    let named = *name == choice.name;
                    let negated = name.strip_prefix("--no-").zip(choice.name.strip_prefix("--"));
                    let off = given.value.known().is_some_and(|value| NO.contains(&value));
                    (named && (given.taken_back || off))
                        || negated.is_some_and(|(name, option)| option.starts_with(name))
                })
            })
        };
        self.gives(dry) && self.unknown_option.is_none() && !self.given.iter().any(takes_back)
    }

    /// Does what it wraps reach nothing but itself and the network?
    pub(super) fn is_apart(&self) -> bool {
        let Some((wraps, _)) = self.inner else { return false };
        let allowed =
            |given: &Given<'_>| given.names.iter().all(|name| wraps.apart.iter().any(|own| own == name));
        !wraps.apart.is_empty()
            && self.unknown_option.is_none()
            && !self.unresolved.any
            && self.given.iter().all(allowed)
    }

    /// Is this option given?
    pub(super) fn gives_name(&self, name: &str) -> bool {
        self.given.iter().any(|given| given.names.contains(&name))
    }

    /// As [`Self::gives`], for a rule that warns: taking back does not help, since the order is not looked at.
    pub(super) fn mentions(&self, choices: &[Choice]) -> bool {
        choices.iter().any(|choice| {
            self.given.iter().filter(|given| !given.taken_back).any(|given| {
                given.names.contains(&choice.name.as_str())
                    && choice.value.as_ref().is_none_or(|pattern| match given.value.known() {
                        Some(value) => pattern.matches(value) || pattern.matches(&value.to_ascii_lowercase()),
                        None => matches!(given.value, Value::Word(_)),
                    })
            })
        })
    }

    /// Programs whose verb stands anywhere: every verb found counts, the one of the highest tier leads.
    fn dive(&mut self) {
        let words: Vec<&'a str> = self.arguments.iter().map_while(|argument| argument.word.known()).collect();
        let mut best: Option<(&'a Command, usize)> = None;
        // A path that is named from its first word on speaks for its words; none of them is another verb.
        let anchored = self.worker.commands.iter().filter(|command| !is_deep(command)).filter(|command| {
            let steps = command.path.iter().zip(&words);
            command.path.len() <= words.len() && steps.into_iter().all(|(step, word)| step.matches(word))
        });
        let spoken = anchored.map(|command| command.path.len()).max().unwrap_or_default();
        for command in &self.worker.commands {
            let deep = is_deep(command);
            let steps = command.path.get(usize::from(deep)..).unwrap_or_default();
            let starts = if deep { spoken..words.len().max(spoken) } else { 0..1 };
            for start in starts {
                let Some(slice) = words.get(start..start + steps.len()) else { break };
                let found = steps.iter().zip(slice).all(|(step, word)| step.matches(word));
                if found && best.is_none_or(|(old, _)| command.node.tier > old.node.tier) {
                    best = Some((command, start + steps.len()));
                }
            }
        }
        match best {
            Some((command, end)) => {
                self.node = &command.node;
                self.path = words.into_iter().take(end).collect();
                self.arguments.drain(..end.min(self.arguments.len()));
            }
            None => self.unknown_command = words.first().map(|word| (*word).to_owned()),
        }
    }
}

fn is_deep(command: &Command) -> bool {
    matches!(command.path.first(), Some(Step::Deep))
}

/// Values that switch an option off.
const NO: &[&str] = &["false", "False", "FALSE", "f", "F", "0", "no", "none", "n", "off"];

/// What almost every program answers with a text.
pub(super) const HELP: &[&str] = &["--help", "-help", "--version", "-version"];

/// Where the first word of an inner command is a shell line rather than a script.
pub(super) fn first_is_line(call: &Call<'_>, wraps: &Wraps) -> bool {
    wraps.form == Form::Script && call.gives(&wraps.line_if)
}
