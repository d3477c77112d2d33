//! Python values: what examples are made of and what terms evaluate to.

mod literal;
mod number;
mod repr;

use std::cmp::Ordering;
use std::sync::Arc;

pub use literal::{LiteralError, parse, parse_prefix};
pub use number::{exact_float, float_to_int, same_number};

/// A Python value. Integers are `i64`: what needs more ends the term, because a wrong digit is worse
/// than no answer.
#[derive(Clone, Debug)]
pub enum Value {
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A string, counted in characters as Python does.
    Str(Arc<str>),
    /// A list.
    List(Arc<[Self]>),
    /// A tuple.
    Tuple(Arc<[Self]>),
    /// A dict in insertion order.
    Dict(Arc<[(Self, Self)]>),
}

/// Why a term has no value for an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fail {
    /// Python raises an exception here.
    #[error("Python raises an exception for this input")]
    Raises,
    /// An integer beyond 64 bits, or a value past a limit of [`crate::limits`].
    #[error("the value is larger than the engine follows; use smaller examples")]
    TooBig,
    /// Python has an answer that this evaluator does not claim to know.
    #[error("the evaluator does not cover this case; use plainer examples")]
    Unsupported,
    /// The step budget is used up.
    #[error("the step budget is used up; use smaller examples")]
    Steps,
}

impl Value {
    /// A string value.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Str(Arc::from(text))
    }

    /// A list value.
    #[must_use]
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Arc::from(items))
    }

    /// Python's truth of a value.
    #[must_use]
    pub fn truthy(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(b) => *b,
            Self::Int(i) => *i != 0,
            Self::Float(f) => *f != 0.0,
            Self::Str(s) => !s.is_empty(),
            Self::List(items) | Self::Tuple(items) => !items.is_empty(),
            Self::Dict(entries) => !entries.is_empty(),
        }
    }

    /// Python's `repr`.
    #[must_use]
    pub fn repr(&self) -> String {
        let mut out = String::new();
        repr::write(self, &mut out);
        out
    }

    /// Python's `<`, `==`, `>` as one answer; an error where Python raises `TypeError`.
    ///
    /// # Errors
    /// [`Fail::Raises`] for values without an order, [`Fail::Unsupported`] for NaN.
    pub fn order(&self, other: &Self) -> Result<Ordering, Fail> {
        match (self, other) {
            (Self::Str(a), Self::Str(b)) => Ok(a.chars().cmp(b.chars())),
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => {
                for (x, y) in a.iter().zip(b.iter()) {
                    if x != y {
                        return x.order(y);
                    }
                }
                Ok(a.len().cmp(&b.len()))
            }
            _ => number::order(self, other),
        }
    }

    /// How many values it holds in memory of its own, roughly; parts of parts are shared with others.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Str(s) => 2 + s.len() / 24,
            Self::List(items) | Self::Tuple(items) => 2 + items.len(),
            Self::Dict(entries) => 2 + 2 * entries.len(),
            _ => 1,
        }
    }

    /// Mixes the value into a fingerprint that keeps types apart: `1`, `1.0` and `True` differ.
    pub(crate) fn mix(&self, into: &mut Fingerprint) {
        match self {
            Self::None => into.add(1),
            Self::Bool(b) => into.add(2 + u64::from(*b)),
            Self::Int(i) => {
                into.add(4);
                into.add(i.cast_unsigned());
            }
            Self::Float(f) => {
                into.add(5);
                into.add(if *f == 0.0 { 0 } else { f.to_bits() });
            }
            Self::Str(s) => {
                into.add(6);
                into.bytes(s.as_bytes());
            }
            Self::List(items) => into.all(7, items),
            Self::Tuple(items) => into.all(8, items),
            Self::Dict(entries) => {
                into.add(9);
                into.add(entries.len() as u64);
                for (key, value) in entries.iter() {
                    key.mix(into);
                    value.mix(into);
                }
            }
        }
    }
}

/// Python's `==`: `1 == True == 1.0`, dicts without regard to order.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => a == b,
            (Self::Dict(a), Self::Dict(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, value)| {
                        b.iter().find(|(other, _)| other == key).is_some_and(|(_, other)| other == value)
                    })
            }
            _ => same_number(self, other),
        }
    }
}

/// 128 bits over a sequence of values, the same on every machine. A collision only drops a term:
/// whatever is answered has been evaluated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fingerprint(u64, u64);

impl Fingerprint {
    pub(crate) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f)
    }

    pub(crate) fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25).rotate_left(29);
        self.1 = (self.1.rotate_left(23) ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.1 ^= self.1 >> 31;
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.add(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            self.add(chunk.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
        }
    }

    fn all(&mut self, tag: u64, items: &[Value]) {
        self.add(tag);
        self.add(items.len() as u64);
        for item in items {
            item.mix(self);
        }
    }

    pub(crate) fn key(self) -> (u64, u64) {
        (self.0 ^ (self.1 >> 17), self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> Value {
        parse(text).unwrap()
    }

    #[test]
    fn equality_is_pythons() {
        assert_eq!(v("1"), v("True"));
        assert_eq!(v("1"), v("1.0"));
        assert_eq!(v("[1, 0]"), v("[True, False]"));
        assert_eq!(v("{'a': 1, 'b': 2}"), v("{'b': 2.0, 'a': 1}"));
        assert_ne!(v("[1]"), v("(1,)"));
        assert_ne!(v("9007199254740993"), v("9007199254740992.0"));
        assert_ne!(v("0"), v("None"));
        assert_ne!(v("1"), v("'1'"));
    }

    #[test]
    fn order_is_pythons() {
        assert_eq!(v("[1, 2]").order(&v("[1, 3]")), Ok(Ordering::Less));
        assert_eq!(v("[1]").order(&v("[1, 3]")), Ok(Ordering::Less));
        assert_eq!(v("2").order(&v("1.5")), Ok(Ordering::Greater));
        assert_eq!(v("'a'").order(&v("1")), Err(Fail::Raises));
        assert_eq!(v("None").order(&v("None")), Err(Fail::Raises));
        assert_eq!(v("[None, 1]").order(&v("[None, 2]")), Ok(Ordering::Less));
    }

    #[test]
    fn fingerprints_keep_types_apart() {
        let key = |text: &str| {
            let mut fingerprint = Fingerprint::new();
            v(text).mix(&mut fingerprint);
            fingerprint.key()
        };
        assert_ne!(key("1"), key("True"));
        assert_ne!(key("1"), key("1.0"));
        assert_ne!(key("['a', 'b']"), key("['ab']"));
        assert_eq!(key("0.0"), key("-0.0"));
    }
}
