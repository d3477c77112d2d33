//! How deep a text nests, measured without a parser.
//!
//! Knows quotes, comments, here-documents and keywords, and nothing else. What it gets wrong, the
//! walkers' own bounds still stop; it exists so that people are told a limit and not "not parsed".

use super::DEPTH_MAX;

/// The deepest nesting, or some number past the limit.
pub(super) fn deepest(text: &str) -> usize {
    Lexer::new(text).deepest()
}

/// What an opened construct waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Open {
    /// `)`; true inside arithmetic, where `<<` shifts.
    Paren(bool),
    Brace,
    Bracket,
    Backtick,
    /// Double quotes: not a level of nesting, but they change what counts inside.
    Double,
    /// A compound command that ends with this word.
    Until(&'static str),
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    open: Vec<Open>,
    depth: usize,
    deepest: usize,
    /// Here-documents announced on this line: delimiter, tabs stripped, expanded.
    pending: Vec<(String, bool, bool)>,
    /// At a place where a word may start, and there a command.
    fresh: bool,
    command: bool,
}

impl<'a> Lexer<'a> {
    const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            open: Vec::new(),
            depth: 0,
            deepest: 0,
            pending: Vec::new(),
            fresh: true,
            command: true,
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn push(&mut self, open: Open) {
        self.open.push(open);
        if open != Open::Double {
            self.depth += 1;
            self.deepest = self.deepest.max(self.depth);
        }
    }

    /// Closes the innermost construct if it is this one; a stray closer is left alone.
    fn pop(&mut self, is: impl Fn(Open) -> bool) -> bool {
        let closes = self.open.last().is_some_and(|top| is(*top));
        if closes && self.open.pop() != Some(Open::Double) {
            self.depth = self.depth.saturating_sub(1);
        }
        closes
    }

    fn deepest(mut self) -> usize {
        while let Some(c) = self.rest().chars().next() {
            if self.deepest > DEPTH_MAX {
                break;
            }
            if self.open.last() == Some(&Open::Double) {
                self.quoted(c);
            } else if self.fresh && c.is_ascii_alphabetic() {
                self.word();
            } else {
                self.plain(c);
            }
        }
        self.deepest
    }

    fn quoted(&mut self, c: char) {
        self.at += c.len_utf8();
        match c {
            '"' => {
                self.pop(|top| top == Open::Double);
            }
            '\\' => self.skip_one(),
            '$' => self.dollar(),
            '`' => self.backtick(),
            _ => {}
        }
        self.fresh = matches!(self.open.last(), Some(Open::Paren(_) | Open::Backtick)) && c != '"';
        self.command = self.fresh;
    }

    fn skip_one(&mut self) {
        self.at += self.rest().chars().next().map_or(0, char::len_utf8);
    }

    fn skip_past(&mut self, closing: char) {
        self.at = self.rest().find(closing).map_or(self.text.len(), |i| self.at + i + closing.len_utf8());
    }

    fn dollar(&mut self) {
        let rest = self.rest();
        if rest.starts_with("((") {
            self.at += 2;
            self.push(Open::Paren(true));
            self.push(Open::Paren(true));
        } else if rest.starts_with('(') {
            self.at += 1;
            self.push(Open::Paren(false));
        } else if rest.starts_with('{') {
            self.at += 1;
            self.push(Open::Brace);
        } else if rest.starts_with('[') {
            self.at += 1;
            self.push(Open::Bracket);
        }
    }

    fn backtick(&mut self) {
        if !self.pop(|top| top == Open::Backtick) {
            self.push(Open::Backtick);
        }
    }

    fn plain(&mut self, c: char) {
        let start_of_word = self.fresh;
        let command = self.command;
        self.at += c.len_utf8();
        self.fresh = false;
        match c {
            '\\' => self.skip_one(),
            '\'' => self.skip_past('\''),
            '"' => self.push(Open::Double),
            '`' => {
                self.backtick();
                self.starts(true);
            }
            '$' if self.rest().starts_with('\'') => {
                self.at += 1;
                self.ansi();
            }
            '$' => {
                self.dollar();
                self.starts(matches!(self.open.last(), Some(Open::Paren(_))));
            }
            '(' => {
                let inner = self.rest().starts_with('(') || self.open.last() == Some(&Open::Paren(true));
                self.push(Open::Paren(inner));
                self.starts(true);
            }
            ')' => {
                self.pop(|top| matches!(top, Open::Paren(_)));
                self.starts(true);
            }
            '{' => {
                self.push(Open::Brace);
                self.starts(true);
            }
            '}' => {
                self.pop(|top| top == Open::Brace);
                self.starts(true);
            }
            '[' => self.push(Open::Bracket),
            ']' => {
                self.pop(|top| top == Open::Bracket);
            }
            '#' if start_of_word => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
            '<' => self.less(),
            '\n' => {
                self.bodies();
                self.starts(true);
            }
            ';' | '&' | '|' | '!' => self.starts(true),
            ' ' | '\t' => {
                self.fresh = true;
                self.command = command && start_of_word;
            }
            _ => self.command = false,
        }
    }

    fn starts(&mut self, command: bool) {
        self.fresh = true;
        self.command = command;
    }

    fn ansi(&mut self) {
        while let Some(c) = self.rest().chars().next() {
            self.at += c.len_utf8();
            match c {
                '\\' => self.skip_one(),
                '\'' => return,
                _ => {}
            }
        }
    }

    /// A word that may be a keyword.
    fn word(&mut self) {
        let rest = self.rest();
        let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let word = rest.get(..length).unwrap_or("");
        let whole = rest.get(length..).unwrap_or("").starts_with(is_end) || rest.len() == length;
        self.at += length;
        self.fresh = false;
        if !whole || !self.command {
            self.command = false;
            return;
        }
        match word {
            "if" => self.push(Open::Until("fi")),
            "while" | "until" | "for" | "select" => self.push(Open::Until("done")),
            "case" => self.push(Open::Until("esac")),
            "fi" | "done" | "esac" => {
                self.pop(|top| matches!(top, Open::Until(closer) if closer == word));
            }
            "then" | "else" | "elif" | "do" | "time" | "coproc" | "in" => {}
            _ => self.command = false,
        }
        if self.command {
            // The next word may again be a keyword: `if if true; then …`.
            self.fresh = true;
        }
    }

    fn less(&mut self) {
        let arithmetic = self.open.last() == Some(&Open::Paren(true));
        let rest = self.rest();
        if arithmetic || !rest.starts_with('<') {
            return;
        }
        self.at += 1;
        if self.rest().starts_with('<') {
            self.at += 1;
            return;
        }
        let tabs = self.rest().starts_with('-');
        self.at += usize::from(tabs);
        let blanks = self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
        self.at += blanks;
        let spelled = self.rest();
        let length = spelled.find(is_end).unwrap_or(spelled.len());
        let spelled = spelled.get(..length).unwrap_or("");
        self.at += length;
        let literal = spelled.contains(['\'', '"', '\\']);
        let delimiter: String = spelled.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
        if !delimiter.is_empty() {
            self.pending.push((delimiter, tabs, !literal));
        }
    }

    /// Passes over the bodies of the here-documents announced on the line that ends here.
    fn bodies(&mut self) {
        for (delimiter, tabs, expanded) in std::mem::take(&mut self.pending) {
            let mut nested = 0usize;
            while !self.rest().is_empty() {
                let line = self.rest().split('\n').next().unwrap_or("");
                self.at += line.len();
                self.at += usize::from(self.rest().starts_with('\n'));
                let shown = if tabs { line.trim_start_matches('\t') } else { line };
                if shown == delimiter {
                    break;
                }
                if expanded {
                    nested = self.body_line(line, nested);
                }
            }
        }
    }

    fn body_line(&mut self, line: &str, mut nested: usize) -> usize {
        let mut last = ' ';
        for c in line.chars() {
            match c {
                '(' | '{' if last == '$' || nested > 0 => nested += 1,
                ')' | '}' => nested = nested.saturating_sub(1),
                _ => {}
            }
            last = c;
            self.deepest = self.deepest.max(self.depth + nested);
        }
        nested
    }
}

fn is_end(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>')
}
