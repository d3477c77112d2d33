//! The inside of a word, for the parser that hands words over as raw text.
//!
//! That parser's own word grammar keeps its last inputs in a process-wide cache, which would hold
//! one tenant's text while another's is parsed, so words never reach it. This scanner finds the
//! extent of each quote and expansion; the text inside a substitution goes back to the grammar.

use super::ansi;
use super::extent::{ansi_end, backtick_end, close, double_end, peek, rest, slice};
use super::neutral::{Piece, RawWord};

/// Something inside a word that has to be looked at on its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Inner {
    /// Text of a command substitution.
    Command(String),
    /// Text of a process substitution; true when it is written to.
    Process(String, bool),
    /// Text that is evaluated as arithmetic.
    Arithmetic(String),
    /// `${name:=…}` gives the variable a value.
    Bound(String),
    /// `${x@P}`.
    Prompt,
    /// `${!x}`.
    Indirect,
}

/// The text cannot be a word of this shell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// How the characters of a text are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// Outside quotes.
    Plain,
    /// Between double quotes.
    Double,
    /// Body of an unquoted here-document, or arithmetic: quotes are literal.
    Body,
}

/// A word in pieces, and what has to be looked at inside it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Scanned {
    pub(super) word: RawWord,
    pub(super) inner: Vec<Inner>,
}

/// Scans a whole text in one mode.
pub(super) fn scan(text: &str, mode: Mode) -> Result<Scanned, Malformed> {
    let mut out = Scanned::default();
    run(text, mode, &mut out)?;
    Ok(out)
}

fn run(text: &str, mode: Mode, out: &mut Scanned) -> Result<(), Malformed> {
    let quoted = mode != Mode::Plain;
    let mut at = 0;
    while let Some(c) = peek(text, at) {
        let next = at + c.len_utf8();
        at = match c {
            '\\' => escape(text, next, mode, &mut out.word),
            '\'' if mode == Mode::Plain => {
                let end = next + rest(text, next).find('\'').ok_or(Malformed)?;
                out.word.text(slice(text, next, end), true);
                end + 1
            }
            '"' if mode == Mode::Plain => {
                let end = double_end(text, next)?;
                out.word.text("", true);
                run(slice(text, next, end), Mode::Double, out)?;
                end + 1
            }
            '$' => dollar(text, next, mode, out)?,
            '`' => {
                let end = backtick_end(text, next)?;
                out.inner.push(Inner::Command(unescape_backtick(slice(text, next, end), quoted)));
                out.word.push(Piece::Output { quoted });
                end + 1
            }
            '<' | '>' if mode == Mode::Plain && peek(text, next) == Some('(') => {
                let end = close(text, next + 1, ')')?;
                out.inner.push(Inner::Process(slice(text, next + 1, end).to_owned(), c == '>'));
                out.word.push(Piece::Expansion);
                end + 1
            }
            other => {
                out.word.text(other.encode_utf8(&mut [0; 4]), quoted);
                next
            }
        };
    }
    Ok(())
}

fn escape(text: &str, at: usize, mode: Mode, word: &mut RawWord) -> usize {
    let Some(c) = peek(text, at) else {
        word.text("\\", mode != Mode::Plain);
        return at;
    };
    let special = match mode {
        Mode::Plain => true,
        Mode::Double => matches!(c, '$' | '`' | '"' | '\\' | '\n'),
        Mode::Body => matches!(c, '$' | '`' | '\\' | '\n'),
    };
    if special {
        if c != '\n' {
            word.text(c.encode_utf8(&mut [0; 4]), true);
        }
    } else {
        word.text("\\", true);
        word.text(c.encode_utf8(&mut [0; 4]), true);
    }
    at + c.len_utf8()
}

/// What follows a `$` at `at`; returns where scanning goes on.
fn dollar(text: &str, at: usize, mode: Mode, out: &mut Scanned) -> Result<usize, Malformed> {
    let quoted = mode != Mode::Plain;
    match peek(text, at) {
        Some('(') => {
            let end = close(text, at + 1, ')')?;
            let inside = slice(text, at + 1, end);
            if let Some(expression) = arithmetic(inside) {
                evaluated(expression, out)?;
                out.word.push(Piece::Number);
            } else {
                out.inner.push(Inner::Command(inside.to_owned()));
                out.word.push(Piece::Output { quoted });
            }
            Ok(end + 1)
        }
        Some('{') => {
            let end = close(text, at + 1, '}')?;
            parameter(slice(text, at + 1, end), quoted, mode, out)?;
            Ok(end + 1)
        }
        Some('[') => {
            let end = close(text, at + 1, ']')?;
            evaluated(slice(text, at + 1, end), out)?;
            out.word.push(Piece::Number);
            Ok(end + 1)
        }
        Some('\'') if mode == Mode::Plain => {
            let end = ansi_end(text, at + 1)?;
            match ansi::decode(slice(text, at + 1, end)) {
                Some(decoded) => out.word.text(&decoded, true),
                None => out.word.push(Piece::Expansion),
            }
            Ok(end + 1)
        }
        // A translated string: the quotes do what they always do.
        Some('"') if mode == Mode::Plain => Ok(at),
        Some(c) if c == '_' || c.is_ascii_alphabetic() => {
            let end = at + name_length(rest(text, at));
            out.word.push(Piece::Var { name: slice(text, at, end).to_owned(), quoted });
            Ok(end)
        }
        Some(c) if c.is_ascii_digit() || matches!(c, '@' | '*' | '#' | '?' | '-' | '$' | '!') => {
            out.word.push(special(c, quoted));
            Ok(at + 1)
        }
        _ => {
            out.word.text("$", quoted);
            Ok(at)
        }
    }
}

/// What `$c` yields for a special parameter.
pub(super) const fn special(c: char, quoted: bool) -> Piece {
    match c {
        '#' | '?' | '$' | '!' => Piece::Number,
        '@' => Piece::Expansion,
        _ if quoted => Piece::Output { quoted },
        _ => Piece::Expansion,
    }
}

/// `((…))` after a `$`: the expression, if the inner parentheses close together with the outer.
fn arithmetic(inside: &str) -> Option<&str> {
    let body = inside.strip_prefix('(')?;
    let end = close(body, 0, ')').ok()?;
    (end + 1 == body.len()).then(|| slice(body, 0, end))
}

/// Records an arithmetic text and what is substituted into it.
pub(super) fn evaluated(expression: &str, out: &mut Scanned) -> Result<(), Malformed> {
    out.inner.push(Inner::Arithmetic(expression.to_owned()));
    let mut inside = Scanned::default();
    run(expression, Mode::Body, &mut inside)?;
    out.inner.append(&mut inside.inner);
    Ok(())
}

fn parameter(body: &str, quoted: bool, mode: Mode, out: &mut Scanned) -> Result<(), Malformed> {
    if body.is_empty() || body.starts_with([' ', '\t', '\n', '|']) {
        // `${ cmd; }` runs a command in newer shells.
        return Err(Malformed);
    }
    if name_length(body) == body.len() {
        out.word.push(Piece::Var { name: body.to_owned(), quoted });
        return Ok(());
    }
    out.word.push(operated(body, quoted));
    let mut inside = Scanned::default();
    let facts = parameter_facts(body)?;
    out.inner.extend(facts);
    let operand = if mode == Mode::Plain { Mode::Plain } else { Mode::Double };
    run(body, operand, &mut inside)?;
    out.inner.append(&mut inside.inner);
    Ok(())
}

/// What `${body}` yields where it is more than a name. In quotes it is one word, unless something in it may be a list.
pub(super) fn operated(body: &str, quoted: bool) -> Piece {
    let length = body.bytes().take_while(|b| *b == b'_' || b.is_ascii_alphanumeric()).count();
    let operator = body
        .get(length..)
        .is_some_and(|tail| tail.starts_with([':', '-', '=', '?', '+', '#', '%', '/', '^', ',']));
    if super::scratch::DEFAULTED.contains(&body) {
        Piece::Var { name: body.to_owned(), quoted }
    } else if is_length(body) {
        Piece::Number
    } else if quoted && length > 0 && operator && !body.contains(['@', '`']) {
        Piece::Output { quoted }
    } else {
        Piece::Expansion
    }
}

/// Whether `${body}` is a length.
fn is_length(body: &str) -> bool {
    body.strip_prefix('#')
        .is_some_and(|more| more.starts_with(|c: char| c == '_' || c.is_ascii_alphanumeric()))
}

/// What the spelling of a `${…}` says beyond the commands inside it.
pub(super) fn parameter_facts(body: &str) -> Result<Vec<Inner>, Malformed> {
    let mut facts = Vec::new();
    let (bang, body) = match body.strip_prefix('!') {
        Some(more) if !more.is_empty() => (true, more),
        _ => (false, body),
    };
    let body = match body.strip_prefix('#') {
        Some(more) if more.starts_with(|c: char| c == '_' || c.is_ascii_alphanumeric()) => more,
        _ => body,
    };
    let length = body.chars().take_while(|c| *c == '_' || c.is_ascii_alphanumeric()).count();
    let length = if length == 0 { body.chars().next().map_or(0, char::len_utf8) } else { length };
    let name = slice(body, 0, length);
    let mut tail = rest(body, length);
    let mut every = false;
    if tail.starts_with('[') {
        let end = close(tail, 1, ']')?;
        let index = slice(tail, 1, end);
        every = matches!(index, "@" | "*");
        if !every {
            facts.push(Inner::Arithmetic(index.to_owned()));
        }
        tail = rest(tail, end + 1);
    }
    if bang && !every && !matches!(tail, "@" | "*") {
        facts.push(Inner::Indirect);
    }
    if tail.starts_with("@P") {
        facts.push(Inner::Prompt);
    }
    if tail.starts_with(":=") || tail.starts_with('=') {
        facts.push(Inner::Bound(name.to_owned()));
    }
    if let Some(range) = tail.strip_prefix(':')
        && !range.starts_with(['-', '=', '?', '+'])
    {
        facts.push(Inner::Arithmetic(range.to_owned()));
    }
    Ok(facts)
}

/// Length of the variable name a text begins with.
pub(super) fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.bytes().take_while(|b| *b == b'_' || b.is_ascii_alphanumeric()).count()
}

/// Removes the backslashes that only protect a text from the backticks around it.
pub(super) fn unescape_backtick(text: &str, quoted: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let removed =
            c == '\\' && rest.peek().is_some_and(|n| matches!(n, '`' | '\\' | '$') || (quoted && *n == '"'));
        match rest.peek() {
            Some(n) if removed => {
                out.push(*n);
                rest.next();
            }
            _ => out.push(c),
        }
    }
    out
}
