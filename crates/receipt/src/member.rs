//! Members of one object collected in any order and written in the order of RFC 8785.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::json::Writer;

/// Members with their values already in canonical form.
///
/// The parts of a receipt's content come from two sides (what every receipt has, and what its kind
/// adds); this joins them without building a tree of values, which would cost more than the hash.
#[derive(Debug, Default)]
pub struct Members {
    text: String,
    spans: Vec<(&'static str, Range<usize>)>,
}

impl Members {
    /// An empty set with room for a usual receipt.
    #[must_use]
    pub fn new() -> Self {
        Self { text: String::with_capacity(2048), spans: Vec::with_capacity(32) }
    }

    /// Adds a member. A key is added once; debug builds check it.
    pub fn add(&mut self, key: &'static str, value: impl FnOnce(&mut Writer<'_>)) {
        debug_assert!(self.spans.iter().all(|(other, _)| *other != key), "member {key} twice");
        let start = self.text.len();
        value(&mut Writer::new(&mut self.text));
        self.spans.push((key, start..self.text.len()));
    }

    /// Takes a member out again, if it is there.
    pub fn remove(&mut self, key: &str) {
        self.spans.retain(|(name, _)| *name != key);
    }

    /// Writes the object.
    pub fn write(&mut self, out: &mut String) {
        self.spans.sort_unstable_by_key(|(key, _)| *key);
        out.reserve(self.text.len() + self.spans.len() * 20);
        out.push('{');
        for (index, (key, span)) in self.spans.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push('"');
            out.push_str(key);
            out.push_str("\":");
            out.push_str(self.text.get(span.clone()).unwrap_or_default());
        }
        out.push('}');
    }
}
