//! Reads the words of a call one by one.

use cascade_receipt::decision::RiskTier;

use super::call::{Argument, Call, Given, HELP, Value};
use super::compile::worst;
use super::grammar::{Arity, Command, Wraps};
use super::manifest::{Globals, Kind, Style};
use super::word::Word;

/// A call half read.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    call: Call<'a>,
    /// Commands whose path starts with the words so far; empty once the path is complete.
    candidates: Vec<&'a Command>,
    /// Words of the path so far that are named rather than matched by a `*`.
    plain: usize,
    dashes: bool,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(call: Call<'a>, candidates: Vec<&'a Command>) -> Self {
        Self { call, candidates, plain: 0, dashes: false }
    }

    /// Reads the words after the program's name.
    pub(super) fn read(mut self, words: &'a [Word]) -> Call<'a> {
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
                Some("-") if self.shell() && !self.dashes && !after.is_empty() => {
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
                self.call.unresolved.any = true;
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

    fn shell(&self) -> bool {
        self.call.worker.style == Style::Shell
    }

    fn is_option(&self, text: &str) -> bool {
        // `cargo +nightly`: the manifest lists `+` as a flag.
        if text.starts_with('+') && self.call.path.is_empty() && self.lookup("+").is_some() {
            return true;
        }
        if self.call.node.numeric && text.strip_prefix('+').is_some_and(is_number) {
            return true;
        }
        let dashed = text.len() > 1 && text.starts_with('-');
        match self.call.worker.style {
            Style::Operands => text.starts_with("--") || text.contains('='),
            Style::Words => false,
            Style::Single => dashed || matches!(text, "!" | "(" | ")" | ","),
            Style::Shell => dashed || text.starts_with('+'),
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
            self.call.unresolved.any = true;
            self.call.unresolved.many |= *word == Word::Unknown;
            let shaped = word.pattern().is_some_and(|text| !text.contains(['*', '?', '[', '(']));
            self.call.unresolved.subcommand |= !self.candidates.is_empty() && !shaped;
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
        // `*` is for what is not named: the path with the most plain words is meant, and one with fewer than what
        // was found already never is.
        let plain = |command: &&'a Command| command.path.iter().filter(|step| step.is_word()).count();
        let mut next: Vec<&'a Command> = self
            .candidates
            .iter()
            .copied()
            .filter(|command| command.path.get(depth).is_some_and(|step| step.matches(text)))
            .filter(|command| plain(command) >= self.plain)
            .collect();
        // Where two are named as plainly, the one that can harm more.
        let rank = |command: &&'a Command| {
            let shaped = command.path.iter().filter(|step| step.is_shaped()).count();
            (plain(command), shaped, command.node.tier)
        };
        let complete = next.iter().rev().filter(|command| command.path.len() == depth + 1);
        let best = complete.copied().max_by_key(rank);
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
        let name = if text.starts_with('+') && !self.shell() { "+" } else { text };
        if let Some((name, arity)) = self.lookup(name) {
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
            if let Some((names, arity, value)) = self.loose(text) {
                return self.take(names, arity, value, after);
            }
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
            if text.get(1..).is_some_and(is_number) && self.call.node.numeric {
                return after;
            }
            if let Some((names, arity, value)) = self.loose(text) {
                return self.take(names, arity, value, after);
            }
            return self.cluster(text.get(1..).unwrap_or_default(), text, after);
        }
        self.stranger(text, name, attached);
        after
    }

    /// `-long=VALUE` where the program does not count dashes.
    fn loose<'t>(&self, text: &'t str) -> Option<(Vec<&'a str>, Arity, Option<&'t str>)> {
        if !self.call.worker.loose_dashes {
            return None;
        }
        let bare = text.trim_start_matches('-');
        let (name, value) = bare.split_once('=').map_or((bare, None), |(name, value)| (name, Some(value)));
        if name.len() < 3 {
            return None;
        }
        let (names, arity) = self.long(&format!("--{name}"))?;
        Some((names, arity, value))
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
        // In an old-style bundle (`tar xzf F`) the values follow in order, and for a shell always.
        let bundle = self.shell() || !text.starts_with('-');
        for (at, letter) in letters.char_indices() {
            let Some((name, arity)) = self.lookup(&format!("-{letter}")) else {
                self.stranger(text, text, None);
                return after;
            };
            let last = at + letter.len_utf8() == letters.len();
            if self.shell() && arity != Arity::Flag && !last {
                // Not every shell reads this as bash does.
                self.call.unknown_option.get_or_insert(text);
            }
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            if let Some(value) = rest.strip_prefix('=').filter(|_| arity == Arity::Flag && !bundle) {
                return self.take(vec![name], arity, Some(value), after);
            }
            if arity == Arity::Flag || bundle {
                after = self.take(vec![name], arity, None, after);
                // `+x` takes back `-x`, but `+c` is `-c`.
                if let Some(given) =
                    self.call.given.last_mut().filter(|_| self.call.worker.style == Style::Shell)
                {
                    given.taken_back = text.starts_with('+') && letter != 'c';
                }
                continue;
            }
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
            (Arity::Value(Kind::Module), None, Some(_)) => (Kind::Module, Value::Words(after), NOTHING),
            (Arity::Value(Kind::Exec), _, _) => {
                let end = after.iter().position(|word| matches!(word.known(), Some(";" | "+")));
                let end = end.unwrap_or(after.len());
                let (words, rest) = after.split_at(end);
                (Kind::Exec, Value::Words(words), rest.get(1..).unwrap_or_default())
            }
            (Arity::Flag | Arity::Optional(_), None, Some((word, rest)))
                if self.call.worker.loose_dashes
                    && matches!(word.known(), Some("true" | "false" | "null")) =>
            {
                (Kind::Text, Value::Word(word), rest)
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
            // In quotes it is the value and nothing else.
            self.call.unresolved.many |= *word == Word::Unknown;
            // A header such as `Authorization: Bearer $TOKEN` cannot become `@FILE`.
            let text = matches!(word, Word::One { before, .. }
                if names.iter().any(|name| matches!(*name, "-H" | "--header"))
                    && kind == Kind::Upload && !before.is_empty() && !before.contains('@'));
            self.call.unresolved.any |=
                *word == Word::Unknown || (word.is_unknown() && worst(kind) > RiskTier::Low && !text);
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
        // Before the subcommand an unknown option could hide it: its value would be taken for the subcommand.
        if self.call.node.lenient && (self.candidates.is_empty() || !self.call.path.is_empty()) {
            let value = attached.map_or(Value::None, Value::Attached);
            self.call.given.push(Given { names: vec![name], taken_back: false, kind: Kind::Text, value });
        } else if HELP.contains(&text) {
            self.call.help = true;
        } else {
            self.call.unknown_option.get_or_insert(text);
        }
    }
}

const NOTHING: &[Word] = &[];

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// In `--include=*.rs` only the value is a pattern.
fn names_option(text: &str) -> bool {
    let name = text.split(['*', '?', '[', '{']).next().unwrap_or_default();
    name.starts_with("--") && name.contains('=')
}
