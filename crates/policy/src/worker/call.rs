//! One program call read against the grammar of its program: subcommand, options given, arguments, and where
//! another command starts.

use super::grammar::{Arity, Choice, Command, Node, Step, Worker, Wraps};
use super::manifest::{Form, Globals, Kind, Style};
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
    /// A word that cannot be known beforehand stands where it could be an option or argument.
    pub(super) unresolved: bool,
    /// `--help` or `--version` is given; almost every program knows them.
    pub(super) help: bool,
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
            unresolved: false,
            help: false,
        };
        let deep = worker.commands.iter().any(|command| matches!(command.path.first(), Some(Step::Deep)));
        let candidates = if deep { Vec::new() } else { worker.commands.iter().collect() };
        let mut call = Reader { call, candidates, plain: 0, dashes: false }.read(words);
        if deep {
            call.dive();
        }
        call
    }

    /// Is one of these options given, and not taken back?
    pub(super) fn gives(&self, choices: &[Choice]) -> bool {
        choices.iter().any(|choice| {
            let named = |given: &&Given<'_>| given.names.contains(&choice.name.as_str());
            let taken_back = self.given.iter().filter(named).any(|given| given.taken_back);
            let stands = |given: &Given<'_>| match &choice.value {
                Some(pattern) => given.value.known().is_some_and(|value| {
                    pattern.matches(value) || pattern.matches(&value.to_ascii_lowercase())
                }),
                None => given.value.known() != Some("false"),
            };
            !taken_back && self.given.iter().filter(named).any(stands)
        })
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
                        None => !matches!(given.value, Value::None),
                    })
            })
        })
    }

    /// Programs whose verb stands anywhere: every verb found counts, the one of the highest tier leads.
    fn dive(&mut self) {
        let words: Vec<&'a str> = self.arguments.iter().map_while(|argument| argument.word.known()).collect();
        let mut best: Option<(&'a Command, usize)> = None;
        for command in &self.worker.commands {
            let steps = match command.path.as_slice() {
                [Step::Deep, rest @ ..] => rest,
                steps => steps,
            };
            let deep = steps.len() < command.path.len();
            let starts = if deep { 0..words.len() } else { 0..1 };
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

struct Reader<'a> {
    call: Call<'a>,
    /// Commands whose path starts with the words so far; empty once the path is complete.
    candidates: Vec<&'a Command>,
    /// Words of the path so far that are named rather than matched by a `*`.
    plain: usize,
    dashes: bool,
}

impl<'a> Reader<'a> {
    fn read(mut self, words: &'a [Word]) -> Call<'a> {
        let bundled = self.call.worker.style == Style::Bundled;
        let mut rest = words;
        while let Some((word, after)) = rest.split_first() {
            let first = rest.len() == words.len();
            match word.known().or_else(|| word.pattern().filter(|text| names_option(text))) {
                Some("--") if !self.dashes => {
                    self.dashes = true;
                    rest = after;
                    continue;
                }
                Some(text) if !self.dashes && self.is_option(text) => {
                    rest = self.option(text, after);
                    continue;
                }
                Some(text) if bundled && first => {
                    rest = self.cluster(text, text, after);
                    continue;
                }
                _ => {}
            }
            if word.pattern().is_some_and(|text| text.starts_with('-')) && !self.dashes {
                self.call.unresolved = true;
            }
            if let Some(wraps) = self.inner_starts(word) {
                self.call.inner = Some((wraps, rest));
                return self.call;
            }
            if !self.assignment(word) {
                self.positional(word);
            }
            rest = after;
        }
        self.call
    }

    fn is_option(&self, text: &str) -> bool {
        let dashed = text.len() > 1 && text.starts_with('-');
        match self.call.worker.style {
            Style::Operands => text.starts_with("--") || text.contains('='),
            Style::Words => false,
            Style::Single => dashed || matches!(text, "!" | "(" | ")" | ","),
            Style::Gnu | Style::Go | Style::Bundled => dashed,
        }
    }

    fn inner_starts(&self, word: &Word) -> Option<&'a Wraps> {
        let wraps = self.call.node.wraps.as_ref()?;
        let assigns = wraps.assignments && word.known().is_some_and(|text| text.contains('='));
        let starts = !assigns && self.call.arguments.len() == wraps.skip && !self.call.gives(&wraps.unless);
        starts.then_some(wraps)
    }

    fn assignment(&mut self, word: &'a Word) -> bool {
        let assigns = self.call.node.wraps.as_ref().is_some_and(|wraps| wraps.assignments);
        let is = assigns && word.known().is_some_and(|text| text.contains('='));
        if is {
            self.call.assignments.push(word);
        }
        is
    }

    fn positional(&mut self, word: &'a Word) {
        if let Some(text) = word.known() {
            if self.descend(text) {
                return;
            }
        } else if word.is_unknown() || !self.candidates.is_empty() {
            self.call.unresolved = true;
        }
        if !self.candidates.is_empty() {
            let deeper = self.candidates.iter().all(|command| command.path.len() > self.call.path.len());
            if deeper {
                self.call.unknown_command.get_or_insert_with(|| word.shown());
            }
            self.candidates.clear();
        }
        self.call.arguments.push(Argument { word, after_dashes: self.dashes });
    }

    /// Takes one more word of the subcommand path.
    fn descend(&mut self, text: &'a str) -> bool {
        let depth = self.call.path.len();
        let mut next: Vec<&'a Command> = self
            .candidates
            .iter()
            .copied()
            .filter(|command| command.path.get(depth).is_some_and(|step| step.matches(text)))
            .collect();
        // `*` is for what is not named: the path with the most plain words is meant.
        let plain = |command: &&'a Command| command.path.iter().filter(|step| step.is_word()).count();
        let complete = next.iter().rev().filter(|command| command.path.len() == depth + 1);
        let best = complete.copied().max_by_key(plain).filter(|command| plain(command) >= self.plain);
        let deeper = next.iter().any(|command| command.path.len() > depth + 1);
        if best.is_none() && !deeper {
            return false;
        }
        self.call.path.push(text);
        if let Some(command) = best {
            self.call.node = &command.node;
            self.plain = plain(&command);
        }
        if next.iter().all(|command| command.path.len() == depth + 1) {
            next.clear();
        }
        self.candidates = next;
        true
    }

    fn lookup(&self, name: &str) -> Option<(&'a str, Arity)> {
        let own = &self.call.worker.own;
        let globals = self.call.path.is_empty() || self.call.worker.globals == Globals::Anywhere;
        let found = self.call.node.options.get_key_value(name);
        let found = found.or_else(|| own.options.get_key_value(name).filter(|_| globals));
        found.map(|(name, arity)| (name.as_str(), *arity))
    }

    /// Reads one option word; answers the words after it and its value.
    fn option(&mut self, text: &'a str, after: &'a [Word]) -> &'a [Word] {
        if let Some((name, arity)) = self.lookup(text) {
            return self.take(vec![name], arity, None, after);
        }
        let style = self.call.worker.style;
        let long = text.starts_with("--") || style == Style::Go;
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) if long => (name, Some(value)),
            _ => (text, None),
        };
        if style == Style::Operands {
            let end = text.find('=').map_or(text.len(), |at| at + 1);
            let (name, value) = (text.get(..end).unwrap_or(text), text.get(end..));
            if let Some((name, arity)) = self.lookup(name) {
                return self.take(vec![name], arity, value, after);
            }
        } else if style == Style::Go {
            let single = format!("-{}", name.trim_start_matches('-'));
            let found = self.lookup(name).or_else(|| self.lookup(&single));
            if let Some((name, arity)) = found {
                return self.take(vec![name], arity, attached, after);
            }
        } else if long {
            if let Some((names, arity)) = self.long(name) {
                return self.take(names, arity, attached, after);
            }
            let positive = name.strip_prefix("--no-").filter(|_| self.call.worker.negations);
            if let Some((name, _)) = positive.and_then(|rest| self.lookup(&format!("--{rest}"))) {
                let given =
                    Given { names: vec![name], taken_back: true, kind: Kind::Text, value: Value::None };
                self.call.given.push(given);
                return after;
            }
        } else if style != Style::Single {
            let digits = text.get(1..).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
            if digits && self.call.node.numeric {
                return after;
            }
            return self.cluster(text.get(1..).unwrap_or_default(), text, after);
        }
        self.stranger(text, name, attached);
        after
    }

    /// A long option by its name or, where the program allows it, by the start of its name.
    fn long(&self, name: &str) -> Option<(Vec<&'a str>, Arity)> {
        if let Some((name, arity)) = self.lookup(name) {
            return Some((vec![name], arity));
        }
        if !self.call.worker.abbreviations {
            return None;
        }
        let own = &self.call.worker.own;
        let globals = self.call.path.is_empty() || self.call.worker.globals == Globals::Anywhere;
        let own = globals.then_some(&own.options).into_iter().flatten();
        let all = self.call.node.options.iter().chain(own);
        let found: Vec<_> = all.filter(|(long, _)| long.starts_with(name)).collect();
        let arity = *found.first()?.1;
        Some((found.into_iter().map(|(long, _)| long.as_str()).collect(), arity))
    }

    /// Short options in one word; the last may carry its value.
    fn cluster(&mut self, letters: &'a str, text: &'a str, mut after: &'a [Word]) -> &'a [Word] {
        // In an old-style bundle (`tar xzf F`) the values follow in order.
        let bundle = !text.starts_with('-');
        for (at, letter) in letters.char_indices() {
            let Some((name, arity)) = self.lookup(&format!("-{letter}")) else {
                self.stranger(text, text, None);
                return after;
            };
            if arity == Arity::Flag || bundle {
                after = self.take(vec![name], arity, None, after);
                continue;
            }
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            return self.take(vec![name], arity, (!rest.is_empty()).then_some(rest), after);
        }
        after
    }

    fn take(
        &mut self,
        names: Vec<&'a str>,
        arity: Arity,
        attached: Option<&'a str>,
        after: &'a [Word],
    ) -> &'a [Word] {
        let (kind, value, rest) = match (arity, attached, after.split_first()) {
            (Arity::Value(Kind::Exec), _, _) => {
                let end = after.iter().position(|word| matches!(word.known(), Some(";" | "+")));
                let end = end.unwrap_or(after.len());
                let (words, rest) = after.split_at(end);
                (Kind::Exec, Value::Words(words), rest.get(1..).unwrap_or_default())
            }
            (Arity::Value(kind) | Arity::Optional(kind), Some(text), _) => {
                (kind, Value::Attached(text), after)
            }
            (Arity::Value(kind), None, Some((word, rest))) => (kind, Value::Word(word), rest),
            (Arity::Flag, Some(text), _) => (Kind::Text, Value::Attached(text), after),
            (Arity::Value(kind) | Arity::Optional(kind), None, _) => (kind, Value::None, after),
            (Arity::Flag, None, _) => (Kind::Text, Value::None, after),
        };
        if let Value::Word(word) = value {
            self.call.unresolved |= word.is_unknown();
        }
        if names.iter().any(|name| HELP.contains(name)) {
            self.call.help = true;
        } else {
            self.call.given.push(Given { names, taken_back: false, kind, value });
        }
        rest
    }

    /// An option that the grammar does not list.
    fn stranger(&mut self, text: &'a str, name: &'a str, attached: Option<&'a str>) {
        if self.call.node.lenient {
            let value = attached.map_or(Value::None, Value::Attached);
            self.call.given.push(Given { names: vec![name], taken_back: false, kind: Kind::Text, value });
        } else if HELP.contains(&text) {
            self.call.help = true;
        } else {
            self.call.unknown_option.get_or_insert(text);
        }
    }
}

/// What almost every program answers with a text.
const HELP: &[&str] = &["--help", "-help", "--version", "-version"];

/// In `--include=*.rs` only the value is a pattern.
fn names_option(text: &str) -> bool {
    let name = text.split(['*', '?', '[', '{']).next().unwrap_or_default();
    name.starts_with("--") && name.contains('=')
}

/// Where the first word of an inner command is a shell line rather than a script.
pub(super) fn first_is_line(call: &Call<'_>, wraps: &Wraps) -> bool {
    wraps.form == Form::Script && call.gives(&wraps.line_if)
}
