//! Strict JSON and its one canonical spelling (RFC 8785 restricted by format section 1).
//!
//! The reader accepts any JSON text that every library would read the same way and refuses the
//! rest: duplicate keys, floats, exponents, `null`, integers beyond ±(2^53−1), lone surrogates,
//! trailing bytes, deep nesting. Whether a text is *canonical* is a second question, answered by
//! writing the value again and comparing bytes ([`parse_canonical`]).

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

pub use crate::writer::{Spelled, Writer};
use crate::writer::{push_int, push_string};

/// Deepest nesting of arrays and objects.
pub const DEPTH_MAX: usize = 16;
/// Largest integer: 2^53 − 1, the last one a double can tell from its neighbours.
pub const INT_MAX: i64 = (1 << 53) - 1;

/// A JSON value of the restricted kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// An integer within ±(2^53−1).
    Int(i64),
    /// A string.
    Str(String),
    /// An array.
    Array(Vec<Self>),
    /// An object. Keys are ASCII, so byte order is the UTF-16 order of RFC 8785.
    Object(BTreeMap<String, Self>),
}

/// What is wrong with a text. The words are the stable codes behind `syntax.`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JsonFault {
    /// Not JSON at all, or bytes after the value.
    #[error("not a JSON value")]
    Malformed,
    /// Not UTF-8, or a lone surrogate.
    #[error("not valid Unicode")]
    Unicode,
    /// The same key twice in one object.
    #[error("duplicate key")]
    DuplicateKey,
    /// A key outside `[a-z0-9_]+`.
    #[error("key outside [a-z0-9_]")]
    Key,
    /// A number with a fraction or an exponent.
    #[error("number is not an integer")]
    Float,
    /// An integer beyond ±(2^53−1).
    #[error("integer out of range")]
    IntRange,
    /// `null`.
    #[error("null is not allowed")]
    Null,
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("nested too deep")]
    Depth,
    /// Valid, but not the canonical spelling.
    #[error("not in canonical form")]
    NotCanonical,
}

impl JsonFault {
    /// The stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unicode => "unicode",
            Self::DuplicateKey => "duplicate_key",
            Self::Key => "key",
            Self::Float => "float",
            Self::IntRange => "int_range",
            Self::Null => "null",
            Self::Depth => "depth",
            Self::NotCanonical => "not_canonical",
        }
    }
}

impl Value {
    /// An object from pairs.
    #[must_use]
    pub fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Str(text) = self { Some(text) } else { None }
    }

    /// The number, if this is an integer.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// The number, if this is an integer that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.as_int().and_then(|number| u64::try_from(number).ok())
    }

    /// The truth value, if this is one.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    /// The items, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The members, if this is an object.
    #[must_use]
    pub const fn as_object(&self) -> Option<&BTreeMap<String, Self>> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    /// A member of an object.
    #[must_use]
    pub fn member(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// The canonical text.
    #[must_use]
    pub fn to_canonical(&self) -> String {
        let mut out = String::new();
        self.write_canonical(&mut out);
        out
    }

    /// Appends the canonical text.
    pub fn write_canonical(&self, out: &mut String) {
        match self {
            Self::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Self::Int(number) => push_int(out, *number),
            Self::Str(text) => push_string(out, text),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_canonical(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    push_string(out, key);
                    out.push(':');
                    value.write_canonical(out);
                }
                out.push('}');
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(i64::from(number))
    }
}

/// Reads `text` and demands the canonical spelling.
///
/// # Errors
/// The first fault found.
pub fn parse_canonical(text: &[u8]) -> Result<Value, JsonFault> {
    let value = parse(text)?;
    let mut again = String::with_capacity(text.len());
    value.write_canonical(&mut again);
    if again.as_bytes() == text { Ok(value) } else { Err(JsonFault::NotCanonical) }
}

/// Reads `text`, whatever its spelling.
///
/// # Errors
/// The first fault found.
pub fn parse(text: &[u8]) -> Result<Value, JsonFault> {
    read(text, is_key)
}

/// Reads a text of a format that others have made, whose keys may be any strings.
///
/// # Errors
/// The first fault found.
pub fn parse_foreign(text: &[u8]) -> Result<Value, JsonFault> {
    read(text, |_| true)
}

fn read(text: &[u8], is_key: fn(&str) -> bool) -> Result<Value, JsonFault> {
    let text = core::str::from_utf8(text).map_err(|_| JsonFault::Unicode)?;
    let mut reader = Reader { text, at: 0, is_key };
    reader.skip_space();
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at == text.len() { Ok(value) } else { Err(JsonFault::Malformed) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Which keys an object may have.
    is_key: fn(&str) -> bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonFault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(JsonFault::Malformed)
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonFault> {
        match self.peek().ok_or(JsonFault::Malformed)? {
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b'"' => self.string().map(Value::Str),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Bool(false)).and(Err(JsonFault::Null)),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(JsonFault::Malformed),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonFault> {
        if depth > DEPTH_MAX {
            return Err(JsonFault::Depth);
        }
        self.at += 1;
        let mut members = BTreeMap::new();
        self.skip_space();
        if self.eat(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(JsonFault::Malformed);
            }
            let key = self.string()?;
            if !(self.is_key)(&key) {
                return Err(JsonFault::Key);
            }
            self.skip_space();
            if !self.eat(b':') {
                return Err(JsonFault::Malformed);
            }
            self.skip_space();
            let value = self.value(depth)?;
            if members.insert(key, value).is_some() {
                return Err(JsonFault::DuplicateKey);
            }
            self.skip_space();
            if self.eat(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.eat(b',') {
                return Err(JsonFault::Malformed);
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonFault> {
        if depth > DEPTH_MAX {
            return Err(JsonFault::Depth);
        }
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.eat(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth)?);
            self.skip_space();
            if self.eat(b']') {
                return Ok(Value::Array(items));
            }
            if !self.eat(b',') {
                return Err(JsonFault::Malformed);
            }
        }
    }

    fn number(&mut self) -> Result<Value, JsonFault> {
        let start = self.at;
        self.eat(b'-');
        let digits = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Err(JsonFault::Float);
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let magnitude = self.text.get(digits..self.at).unwrap_or_default();
        // JSON has neither `-` alone nor leading zeros; `-0` is not canonical, as RFC 8785 writes 0.
        if magnitude.is_empty() || (magnitude.len() > 1 && magnitude.starts_with('0')) {
            return Err(JsonFault::Malformed);
        }
        let number: i64 = text.parse().map_err(|_| JsonFault::IntRange)?;
        if number.abs() > INT_MAX { Err(JsonFault::IntRange) } else { Ok(Value::Int(number)) }
    }

    fn string(&mut self) -> Result<String, JsonFault> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            out.push_str(self.text.get(start..self.at).ok_or(JsonFault::Malformed)?);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                _ => return Err(JsonFault::Malformed),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonFault> {
        let letter = self.peek().ok_or(JsonFault::Malformed)?;
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(JsonFault::Malformed),
        })
    }

    fn unicode_escape(&mut self) -> Result<char, JsonFault> {
        let first = self.four_hex()?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first).ok_or(JsonFault::Unicode);
        }
        if first >= 0xdc00 || !(self.eat(b'\\') && self.eat(b'u')) {
            return Err(JsonFault::Unicode);
        }
        let second = self.four_hex()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(JsonFault::Unicode);
        }
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or(JsonFault::Unicode)
    }

    fn four_hex(&mut self) -> Result<u32, JsonFault> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(JsonFault::Malformed)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(JsonFault::Malformed);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| JsonFault::Malformed)
    }
}

/// Whether `key` is one of `[a-z0-9_]+`.
#[must_use]
pub fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> JsonFault {
        parse(text.as_bytes()).expect_err(text)
    }

    #[test]
    fn each_fault_has_its_word() {
        for (text, want) in [
            ("{\"a\":1,\"a\":2}", JsonFault::DuplicateKey),
            ("{\"A\":1}", JsonFault::Key),
            ("{\"\":1}", JsonFault::Key),
            ("1.0", JsonFault::Float),
            ("1e3", JsonFault::Float),
            ("9007199254740992", JsonFault::IntRange),
            ("-9007199254740992", JsonFault::IntRange),
            ("99999999999999999999", JsonFault::IntRange),
            ("null", JsonFault::Null),
            ("[null]", JsonFault::Null),
            ("nul", JsonFault::Malformed),
            ("01", JsonFault::Malformed),
            ("-", JsonFault::Malformed),
            ("{} {}", JsonFault::Malformed),
            ("", JsonFault::Malformed),
            ("\"a", JsonFault::Malformed),
            ("\"\n\"", JsonFault::Malformed),
            ("\"\\ud800\"", JsonFault::Unicode),
            ("\"\\udc00\\ud800\"", JsonFault::Unicode),
            ("{\"a\":1,}", JsonFault::Malformed),
            ("[1,]", JsonFault::Malformed),
        ] {
            assert_eq!(fault(text), want, "{text}");
        }
        assert_eq!(parse(&[b'"', 0xff, b'"']), Err(JsonFault::Unicode));
    }

    #[test]
    fn depth_is_limited_at_sixteen() {
        let nest = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(nest(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(fault(&nest(DEPTH_MAX + 1)), JsonFault::Depth);
        assert_eq!(fault(&nest(100_000)), JsonFault::Depth);
    }

    #[test]
    fn one_spelling() {
        for text in ["{\"a\":1,\"b\":[true,\"\\u001f\\n\u{e9}\u{1f600}/\"]}", "0", "-5", "[]", "{}"] {
            assert!(parse_canonical(text.as_bytes()).is_ok(), "{text}");
        }
        for text in [" 1", "-0", "{\"b\":1,\"a\":2}", "\"\\/\"", "\"\\u0041\"", "[1, 2]", "\"\\u001F\""] {
            assert_eq!(parse_canonical(text.as_bytes()), Err(JsonFault::NotCanonical), "{text}");
        }
    }

    #[test]
    fn writer_and_value_agree() {
        let mut out = String::new();
        Writer::new(&mut out).object(|out| {
            out.key("a").array(|out| {
                out.item().int(1);
                out.item().bool(false);
            });
            out.key("b").str("x\"\u{1}");
        });
        let value = parse_canonical(out.as_bytes()).expect("canonical");
        assert_eq!(value.to_canonical(), out);
    }
}
