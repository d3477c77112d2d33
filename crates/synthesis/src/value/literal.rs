//! Python literals, read strictly: no names, no calls, no arithmetic.

use std::sync::Arc;

use super::Value;
use crate::limits::{CHARS_MAX, DEPTH_MAX, ELEMENTS_MAX, LITERAL_BYTES_MAX};

/// Why a text is no literal, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {what}; write plain Python literals such as [1, 'a', None]")]
pub struct LiteralError {
    /// Offset in bytes.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// Reads a text that is one literal and nothing else.
///
/// # Errors
/// Names the first byte that does not fit.
pub fn parse(text: &str) -> Result<Value, LiteralError> {
    let (value, used) = parse_prefix(text)?;
    let rest = text.get(used..).unwrap_or_default();
    match rest.find(|c: char| !c.is_whitespace()) {
        Some(more) => Err(LiteralError { at: used + more, what: "something follows the literal" }),
        None => Ok(value),
    }
}

/// Reads the literal at the start of a text; also says how many bytes it takes.
///
/// # Errors
/// Names the first byte that does not fit.
pub fn parse_prefix(text: &str) -> Result<(Value, usize), LiteralError> {
    let mut cut = text.len().min(LITERAL_BYTES_MAX);
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut reader = Reader { text: text.get(..cut).unwrap_or_default(), at: 0 };
    let value = reader.value(0)?;
    Ok((value, reader.at))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

type Read<T> = Result<T, LiteralError>;

impl Reader<'_> {
    fn fail<T>(&self, what: &'static str) -> Read<T> {
        Err(LiteralError { at: self.at, what })
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn blank(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.take();
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let found = rest
            .strip_prefix(word)
            .is_some_and(|after| !after.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_'));
        if found {
            self.at += word.len();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Read<Value> {
        if depth > DEPTH_MAX {
            return self.fail("brackets are nested too deep");
        }
        self.blank();
        match self.peek() {
            Some('[') => {
                self.take();
                Ok(Value::list(self.items(']', depth)?.0))
            }
            Some('(') => self.tuple(depth),
            Some('{') => self.dict(depth),
            Some('\'' | '"') => self.string(),
            Some('0'..='9' | '-' | '+' | '.') => self.number(),
            _ if self.word("None") => Ok(Value::None),
            _ if self.word("True") => Ok(Value::Bool(true)),
            _ if self.word("False") => Ok(Value::Bool(false)),
            None => self.fail("the text ends where a value should be"),
            Some(_) => self.fail("no literal starts here"),
        }
    }

    /// Items up to the closing bracket; also whether a comma came last.
    fn items(&mut self, close: char, depth: usize) -> Read<(Vec<Value>, bool)> {
        let mut items = Vec::new();
        let mut comma = false;
        loop {
            self.blank();
            if self.peek() == Some(close) {
                self.take();
                return Ok((items, comma));
            }
            if !items.is_empty() && !comma {
                return self.fail("a comma is missing between two items");
            }
            if items.len() >= ELEMENTS_MAX {
                return self.fail("too many items");
            }
            items.push(self.value(depth + 1)?);
            self.blank();
            comma = self.peek() == Some(',');
            if comma {
                self.take();
            }
        }
    }

    fn tuple(&mut self, depth: usize) -> Read<Value> {
        self.take();
        let (mut items, comma) = self.items(')', depth)?;
        match items.pop() {
            Some(only) if items.is_empty() && !comma => Ok(only),
            Some(last) => {
                items.push(last);
                Ok(Value::Tuple(Arc::from(items)))
            }
            None => Ok(Value::Tuple(Arc::from(items))),
        }
    }

    fn dict(&mut self, depth: usize) -> Read<Value> {
        self.take();
        let mut entries: Vec<(Value, Value)> = Vec::new();
        let mut comma = true;
        loop {
            self.blank();
            if self.peek() == Some('}') {
                self.take();
                return Ok(Value::Dict(Arc::from(entries)));
            }
            if !comma {
                return self.fail("a comma is missing between two entries");
            }
            if entries.len() >= ELEMENTS_MAX {
                return self.fail("too many entries");
            }
            let key = self.value(depth + 1)?;
            if matches!(key, Value::List(_) | Value::Dict(_)) {
                return self.fail("a key may not be a list or a dict");
            }
            self.blank();
            if self.peek() != Some(':') {
                return self.fail("a colon is missing after the key");
            }
            self.take();
            let value = self.value(depth + 1)?;
            match entries.iter_mut().find(|(known, _)| *known == key) {
                Some((_, old)) => *old = value,
                None => entries.push((key, value)),
            }
            self.blank();
            comma = self.peek() == Some(',');
            if comma {
                self.take();
            }
        }
    }

    fn number(&mut self) -> Read<Value> {
        let start = self.at;
        if matches!(self.peek(), Some('-' | '+')) {
            self.take();
        }
        let digits = |reader: &mut Self| {
            let from = reader.at;
            while reader.peek().is_some_and(|c| c.is_ascii_digit() || c == '_') {
                reader.take();
            }
            reader.at > from
        };
        let whole = digits(self);
        let mut float = false;
        if self.peek() == Some('.') {
            self.take();
            float = true;
            if !digits(self) && !whole {
                return self.fail("a number has no digits");
            }
        } else if !whole {
            return self.fail("a number has no digits");
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            self.take();
            float = true;
            if matches!(self.peek(), Some('-' | '+')) {
                self.take();
            }
            if !digits(self) {
                return self.fail("an exponent has no digits");
            }
        }
        if self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            return self.fail("a number runs into a word");
        }
        let text = self.text.get(start..self.at).unwrap_or_default().replace('_', "");
        let bare = text.trim_start_matches(['-', '+']);
        if !float && bare.len() > 1 && bare.starts_with('0') && bare.contains(|c| c != '0') {
            return self.fail("an integer starts with zero");
        }
        let float_of = |text: String| text.parse().ok().filter(|f: &f64| f.is_finite()).map(Value::Float);
        let value = if float { float_of(text) } else { text.parse().ok().map(Value::Int) };
        value.ok_or(LiteralError { at: start, what: "the number is out of range" })
    }

    fn string(&mut self) -> Read<Value> {
        let quote = self.take();
        let mut out = String::new();
        let mut chars = 0;
        loop {
            match self.take() {
                None | Some('\n') => return self.fail("a string has no end"),
                c if c == quote => return Ok(Value::text(&out)),
                Some('\\') => out.push(self.escape()?),
                Some(c) => out.push(c),
            }
            chars += 1;
            if chars > CHARS_MAX {
                return self.fail("a string is too long");
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let digits = match self.take() {
            Some('n') => return Ok('\n'),
            Some('t') => return Ok('\t'),
            Some('r') => return Ok('\r'),
            Some(c @ ('\\' | '\'' | '"')) => return Ok(c),
            Some('x') => 2,
            Some('u') => 4,
            _ => return self.fail("an escape that is not \\n \\t \\r \\\\ \\' \\\" \\x \\u"),
        };
        let code = self.rest().get(..digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let Some(c) = code.and_then(char::from_u32) else {
            return self.fail("an escape names no character");
        };
        self.at += digits;
        Ok(c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_read_and_print_back() {
        for text in [
            "None",
            "True",
            "-3",
            "0.1",
            "1e+16",
            "1e-05",
            "123456789.5",
            "'a\\nb'",
            "\"it's\"",
            "[]",
            "[1, [2]]",
            "()",
            "(1,)",
            "(1, 'x')",
            "{}",
            "{'a': [1, 2], 3: None}",
            "-0.0",
            "5e-324",
            "'\\x07é'",
        ] {
            assert_eq!(parse(text).unwrap().repr(), text);
        }
        assert_eq!(parse(" ( 1 ) ").unwrap().repr(), "1");
        assert_eq!(parse("1_000").unwrap().repr(), "1000");
        assert_eq!(parse("{1: 2, True: 3}").unwrap().repr(), "{1: 3}");
    }

    #[test]
    fn what_is_no_literal_names_its_place() {
        for (text, at) in [
            ("", 0),
            ("[1, x]", 4),
            ("[1 2]", 3),
            ("1 + 1", 2),
            ("'open", 5),
            ("{1 2}", 3),
            ("{[1]: 2}", 4),
            ("007", 3),
            ("12abc", 2),
            ("99999999999999999999", 0),
            ("f(1)", 0),
            ("'\\q'", 3),
            ("1e", 2),
            ("1e400", 0),
        ] {
            assert_eq!(parse(text).unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn limits_hold_at_and_past() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(DEPTH_MAX + 1)).is_ok());
        assert!(parse(&nested(DEPTH_MAX + 2)).is_err());
        let long = |items: usize| format!("[{}]", "1,".repeat(items));
        assert!(parse(&long(ELEMENTS_MAX)).is_ok());
        assert!(parse(&long(ELEMENTS_MAX + 1)).is_err());
        let text = |chars: usize| format!("'{}'", "a".repeat(chars));
        assert!(parse(&text(CHARS_MAX)).is_ok());
        assert!(parse(&text(CHARS_MAX + 1)).is_err());
    }
}
