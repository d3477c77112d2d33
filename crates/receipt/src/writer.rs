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

    /// Writes what `text` displays as, which must need no escapes (ids, time stamps).
    pub fn display(&mut self, text: &impl core::fmt::Display) {
        use core::fmt::Write as _;
        self.out.push('"');
        let start = self.out.len();
        // Writing to a String cannot fail.
        let written = write!(self.out, "{text}");
        debug_assert!(written.is_ok() && !self.out[start..].bytes().any(must_escape));
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

pub(crate) fn push_int(out: &mut String, number: i64) {
    use core::fmt::Write as _;
    // Writing to a String cannot fail.
    let written = write!(out, "{number}");
    debug_assert!(written.is_ok());
}

const fn must_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1f)
}

/// Appends a JSON string: only what RFC 8785 section 3.2.2.2 escapes is escaped.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
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
