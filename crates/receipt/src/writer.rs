//! The writing side of [`crate::json`].

use alloc::string::String;

use crate::json::{INT_MAX, Value};

/// Writes canonical JSON straight into a string, for records whose members are known beforehand.
///
/// The caller names the keys of an object in ascending order; debug builds check it.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut String,
    first: bool,
    last_key: &'static str,
}

impl<'a> Writer<'a> {
    /// Appends to `out`.
    pub const fn new(out: &'a mut String) -> Self {
        Self { out, first: true, last_key: "" }
    }

    /// Names the next member of this object.
    pub fn key(&mut self, key: &'static str) -> &mut Self {
        debug_assert!(self.last_key < key, "keys out of order: {} then {key}", self.last_key);
        self.last_key = key;
        self.item();
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
        self
    }

    /// Begins the next item of this array.
    pub fn item(&mut self) -> &mut Self {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        self
    }

    /// Writes an object.
    pub fn object(&mut self, members: impl FnOnce(&mut Writer<'_>)) {
        self.out.push('{');
        members(&mut Writer::new(self.out));
        self.out.push('}');
    }

    /// Writes an array.
    pub fn array(&mut self, items: impl FnOnce(&mut Writer<'_>)) {
        self.out.push('[');
        items(&mut Writer::new(self.out));
        self.out.push(']');
    }

    /// Writes a string.
    pub fn str(&mut self, text: &str) {
        push_string(self.out, text);
    }

    /// Writes a word of this program, which needs no escapes.
    pub fn word(&mut self, word: &'static str) {
        debug_assert!(!word.bytes().any(must_escape));
        self.out.push('"');
        self.out.push_str(word);
        self.out.push('"');
    }

    /// Appends text that is a piece of canonical JSON already.
    pub(crate) fn raw(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Writes a value that has one spelling (ids, time stamps).
    pub fn spelled(&mut self, value: &impl Spelled) {
        self.out.push('"');
        let start = self.out.len();
        value.spell(self.out);
        debug_assert!(!self.out[start..].bytes().any(must_escape));
        self.out.push('"');
    }

    /// Writes an HMAC epoch: `e0`, `e1` and so on.
    pub fn epoch(&mut self, epoch: u64) {
        self.out.push_str("\"e");
        self.int(epoch);
        self.out.push('"');
    }

    /// Writes bytes as lowercase hex.
    pub fn hex(&mut self, bytes: &[u8]) {
        self.out.push('"');
        crate::digest::push_hex(self.out, bytes);
        self.out.push('"');
    }

    /// Writes an integer; numbers beyond 2^53−1 become 2^53−1, which no counter here reaches.
    pub fn int(&mut self, number: u64) {
        push_int(self.out, i64::try_from(number).unwrap_or(INT_MAX).min(INT_MAX));
    }

    /// Writes a truth value.
    pub fn bool(&mut self, truth: bool) {
        self.out.push_str(if truth { "true" } else { "false" });
    }

    /// Writes `null`, which answers for people may contain and receipts never do.
    pub fn null(&mut self) {
        self.out.push_str("null");
    }

    /// Writes a value.
    pub fn value(&mut self, value: &Value) {
        value.write_canonical(self.out);
    }
}

/// A value with one spelling, which needs no escapes. Written on every receipt, so without the detour of
/// formatting, which would cost more than the hash.
pub trait Spelled {
    /// Appends the spelling.
    fn spell(&self, out: &mut String);
}

pub(crate) fn push_int(out: &mut String, number: i64) {
    if number < 0 {
        out.push('-');
    }
    push_decimal(out, number.unsigned_abs());
}

/// Appends a decimal number.
fn push_decimal(out: &mut String, number: u64) {
    let mut digits = [b'0'; 20];
    let (mut rest, mut used) = (number, 0);
    for digit in digits.iter_mut().rev() {
        if rest == 0 && used > 0 {
            break;
        }
        // The remainder is below ten.
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        used += 1;
    }
    let text = digits.get(digits.len() - used..).unwrap_or_default();
    out.push_str(core::str::from_utf8(text).unwrap_or_default());
}

const fn must_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1f)
}

/// Appends a JSON string: only what RFC 8785 section 3.2.2.2 escapes is escaped.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    // Without an early way out the compiler looks at many bytes at once; nearly every text passes.
    if !text.bytes().fold(false, |found, byte| found | must_escape(byte)) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut rest = text;
    while let Some(index) = rest.bytes().position(must_escape) {
        let (plain, tail) = rest.split_at(index);
        out.push_str(plain);
        let mut chars = tail.chars();
        match chars.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\u{8}') => out.push_str("\\b"),
            Some('\t') => out.push_str("\\t"),
            Some('\n') => out.push_str("\\n"),
            Some('\u{c}') => out.push_str("\\f"),
            Some('\r') => out.push_str("\\r"),
            Some(control) => {
                out.push_str("\\u00");
                crate::digest::push_hex(out, &[control as u8]);
            }
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}
