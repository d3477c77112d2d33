//! Canonical JSON read in one pass into a flat tree that borrows the text.
//!
//! This is the fast path of verification: it accepts exactly the texts that
//! [`json::parse_canonical`] accepts (a test compares the two) and names no fault. Whoever wants to
//! know what is wrong with a refused text asks [`fault`].

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::json::{self, DEPTH_MAX, INT_MAX, JsonFault, Value};

/// A parsed text.
#[derive(Debug)]
pub struct Tree<'a> {
    text: &'a str,
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    data: Data,
    start: usize,
    end: usize,
    /// Index of the first node after this value and everything in it.
    next: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Data {
    Bool(bool),
    Int(i64),
    /// Whether the string contains an escape.
    Str(bool),
    Array,
    /// Keys and values follow in turn.
    Object,
}

/// What is wrong with a text that [`Tree::parse`] refused.
#[must_use]
pub fn fault(text: &[u8]) -> JsonFault {
    json::parse_canonical(text).err().unwrap_or(JsonFault::NotCanonical)
}

impl<'a> Tree<'a> {
    /// Reads a canonical text; `None` for anything else.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut reader = Reader { bytes: text.as_bytes(), at: 0, nodes: Vec::with_capacity(192) };
        reader.value(0)?;
        (reader.at == text.len()).then_some(Self { text, nodes: reader.nodes })
    }

    /// The whole value.
    #[must_use]
    pub const fn root(&self) -> View<'_, 'a> {
        View { tree: self, index: 0 }
    }
}

/// One value of a tree.
#[derive(Clone, Copy, Debug)]
pub struct View<'t, 'a> {
    tree: &'t Tree<'a>,
    index: usize,
}

impl<'t, 'a> View<'t, 'a> {
    fn node(self) -> Option<&'t Node> {
        self.tree.nodes.get(self.index)
    }

    /// The exact bytes of this value.
    #[must_use]
    pub fn raw(self) -> &'a str {
        self.node().and_then(|node| self.tree.text.get(node.start..node.end)).unwrap_or_default()
    }

    /// A string without escapes.
    #[must_use]
    pub fn plain(self) -> Option<&'a str> {
        let node = self.node()?;
        let inside = self.tree.text.get(node.start + 1..node.end.saturating_sub(1));
        if node.data == Data::Str(false) { inside } else { None }
    }

    /// A string.
    #[must_use]
    pub fn text(self) -> Option<Cow<'a, str>> {
        if self.node()?.data != Data::Str(true) {
            return self.plain().map(Cow::Borrowed);
        }
        match json::parse(self.raw().as_bytes()) {
            Ok(Value::Str(text)) => Some(Cow::Owned(text)),
            _ => None,
        }
    }

    /// An integer.
    #[must_use]
    pub fn int(self) -> Option<i64> {
        if let Data::Int(number) = self.node()?.data { Some(number) } else { None }
    }

    /// An integer that is not negative.
    #[must_use]
    pub fn uint(self) -> Option<u64> {
        u64::try_from(self.int()?).ok()
    }

    /// A truth value.
    #[must_use]
    pub fn bool(self) -> Option<bool> {
        if let Data::Bool(truth) = self.node()?.data { Some(truth) } else { None }
    }

    /// The items of an array.
    #[must_use]
    pub fn items(self) -> Option<impl Iterator<Item = Self>> {
        let node = self.node().filter(|node| node.data == Data::Array)?;
        let (tree, end) = (self.tree, node.next);
        let mut at = self.index + 1;
        Some(core::iter::from_fn(move || {
            let item = Self { tree, index: at };
            at = tree.nodes.get(at).filter(|_| at < end)?.next;
            Some(item)
        }))
    }

    /// The members of an object, in their order.
    #[must_use]
    pub fn members(self) -> Option<impl Iterator<Item = (&'a str, Self)>> {
        let node = self.node().filter(|node| node.data == Data::Object)?;
        let (tree, end) = (self.tree, node.next);
        let mut at = self.index + 1;
        Some(core::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let key = Self { tree, index: at }.plain()?;
            let value = Self { tree, index: at + 1 };
            at = value.node()?.next;
            Some((key, value))
        }))
    }

    /// A member of an object.
    #[must_use]
    pub fn member(self, key: &str) -> Option<Self> {
        self.members()?.find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The canonical text of this object without the members that `drop` names. Nothing is encoded
    /// again: the bytes of each member are copied as they stand.
    #[must_use]
    pub fn without(self, drop: impl Fn(&str) -> bool) -> Option<String> {
        let mut out = String::with_capacity(self.raw().len());
        for (key, value) in self.members()?.filter(|(key, _)| !drop(key)) {
            out.push(if out.is_empty() { '{' } else { ',' });
            out.push('"');
            out.push_str(key);
            out.push_str("\":");
            out.push_str(value.raw());
        }
        out.push_str(if out.is_empty() { "{}" } else { "}" });
        Some(out)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Begins a value whose extent is set by [`Self::close`].
    fn open(&mut self, data: Data) -> usize {
        self.nodes.push(Node { data, start: self.at, end: 0, next: 0 });
        self.nodes.len() - 1
    }

    fn close(&mut self, index: usize) -> Option<()> {
        let (end, next) = (self.at, self.nodes.len());
        let node = self.nodes.get_mut(index)?;
        (node.end, node.next) = (end, next);
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b'"' => self.string().map(|_| ()),
            b't' => self.word(b"true", true),
            b'f' => self.word(b"false", false),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8], truth: bool) -> Option<()> {
        let index = self.open(Data::Bool(truth));
        if !self.bytes.get(self.at..)?.starts_with(word) {
            return None;
        }
        self.at += word.len();
        self.close(index)
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        let index = self.open(Data::Object);
        self.at += 1;
        let mut last: &[u8] = b"";
        if !self.eat(b'}') {
            loop {
                let key = self.string()?;
                // Keys are ASCII, so byte order is the order of RFC 8785; `last` starts below all.
                let ascii = key.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
                if !ascii || key <= last || !self.eat(b':') {
                    return None;
                }
                last = key;
                self.value(depth)?;
                if self.eat(b'}') {
                    break;
                }
                if !self.eat(b',') {
                    return None;
                }
            }
        }
        self.close(index)
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        let index = self.open(Data::Array);
        self.at += 1;
        if !self.eat(b']') {
            loop {
                self.value(depth)?;
                if self.eat(b']') {
                    break;
                }
                if !self.eat(b',') {
                    return None;
                }
            }
        }
        self.close(index)
    }

    fn number(&mut self) -> Option<()> {
        let index = self.open(Data::Int(0));
        let negative = self.eat(b'-');
        let start = self.at;
        let mut number: i64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
            self.at += 1;
        }
        let digits = self.bytes.get(start..self.at)?;
        let leading_zero = digits.first() == Some(&b'0') && (negative || digits.len() > 1);
        if digits.is_empty() || leading_zero || number > INT_MAX {
            return None;
        }
        self.close(index)?;
        self.nodes.get_mut(index)?.data = Data::Int(if negative { -number } else { number });
        Some(())
    }

    /// Reads a string and gives its bytes between the quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let index = self.open(Data::Str(false));
        if !self.eat(b'"') {
            return None;
        }
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.at..)?;
            self.at += rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f))?;
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += canonical_escape(self.bytes.get(self.at..)?)?;
                }
                _ => return None,
            }
        }
        let inside = self.bytes.get(start..self.at)?;
        self.at += 1;
        self.close(index)?;
        self.nodes.get_mut(index)?.data = Data::Str(escaped);
        Some(inside)
    }
}

/// Length of the escape at the start of `rest`, if RFC 8785 section 3.2.2.2 writes it so.
fn canonical_escape(rest: &[u8]) -> Option<usize> {
    match rest {
        [_, b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        [_, b'u', b'0', b'0', b'0', low, ..] => {
            let long_form = matches!(low, b'0'..=b'7' | b'b' | b'e' | b'f');
            long_form.then_some(6)
        }
        [_, b'u', b'0', b'0', b'1', low, ..] => matches!(low, b'0'..=b'9' | b'a'..=b'f').then_some(6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection, prelude::*};

    #[test]
    fn reads_what_stands_there() {
        let text = r#"{"a":[1,-2,{"b":"x\ny"}],"c":"\u0001","d":{},"e":true}"#;
        let tree = Tree::parse(text).expect("canonical");
        let root = tree.root();
        let items: Vec<_> = root.member("a").unwrap().items().unwrap().collect();
        assert_eq!(items[1].int(), Some(-2));
        assert_eq!(items[2].member("b").unwrap().text().unwrap(), "x\ny");
        assert_eq!(items[2].raw(), r#"{"b":"x\ny"}"#);
        assert_eq!(root.member("c").unwrap().text().unwrap(), "\u{1}");
        assert_eq!(root.member("d").unwrap().members().unwrap().count(), 0);
        assert_eq!(root.member("e").unwrap().bool(), Some(true));
        assert!(root.member("f").is_none());
        assert_eq!(root.without(|key| key != "d" && key != "e").unwrap(), r#"{"d":{},"e":true}"#);
        assert_eq!(root.without(|_| true).unwrap(), "{}");
    }

    /// Values of the restricted kind.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            (-INT_MAX..=INT_MAX).prop_map(Value::Int),
            any::<String>().prop_map(Value::Str),
            "[\\x00-\\x20\"\\\\/\\x7f]{0,8}".prop_map(Value::Str),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                collection::btree_map("[a-z0-9_]{1,4}", inner, 0..6).prop_map(Value::Object),
            ]
        })
    }

    proptest! {
        #[test]
        fn writer_agrees_with_the_oracle(value in value()) {
            let text = value.to_canonical();
            let foreign: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let oracle = serde_json_canonicalizer::to_string(&foreign).expect("canonical");
            prop_assert_eq!(&text, &oracle);
            prop_assert_eq!(json::parse_canonical(text.as_bytes()), Ok(value));
            prop_assert!(Tree::parse(&text).is_some());
        }

        #[test]
        fn accepts_what_the_slow_reader_accepts(
            value in value(),
            at in any::<prop::sample::Index>(),
            with in prop::sample::select(&["", " ", "0", "-", "\"", "\\", "\\u00", "e", ",", "{", "}", "]", "a", "1."][..]),
            cut in 0..3_usize,
        ) {
            let mut text = value.to_canonical();
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let start = *at.get(&places);
            let end = text[start..].char_indices().nth(cut).map_or(text.len(), |(length, _)| start + length);
            text.replace_range(start..end, with);
            prop_assert_eq!(
                Tree::parse(&text).is_some(),
                json::parse_canonical(text.as_bytes()).is_ok(),
                "{}", text
            );
        }
    }
}
