//! Output without the values that were handed to the command: every occurrence is replaced before bytes are framed,
//! hashed and released, wherever writes, reads and segments cut it.
//!
//! An automaton (Aho–Corasick) follows each stream. Bytes that may be the beginning of a value are held back until
//! more comes or the stream ends; all others pass at once, so a prompt is not kept waiting. What is looked for is each
//! value as it is and as common encodings spell it: with line ends of a terminal, in JSON, percent-encoded, in hex, and in
//! base64 at any offset. Values that a command changes in other ways are not recognised.

use std::collections::VecDeque;

use cascade_receipt::base64;
use cascade_receipt::digest;

use super::output::Stream;

/// A held back beginning of a value that is at least this long is not shown when the stream ends either.
const SHOWN_BEGINNING_BYTES_MAX: usize = 7;
/// Longest value that is also looked for percent-encoded and in hex. Longer ones are documents, whose automaton would
/// take tens of megabytes.
const ENCODED_BYTES_MAX: usize = 1024;

/// A value to keep out of the output, and what stands for it.
#[derive(Clone, Copy)]
pub(super) struct Hidden<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a [u8],
}

/// All streams of one run.
pub(super) struct Redactor {
    automaton: Automaton,
    names: Vec<String>,
    streams: [Follower; 3],
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor(..)")
    }
}

impl Redactor {
    pub(super) fn new(hidden: &[Hidden<'_>]) -> Self {
        let mut automaton = Automaton::new();
        for (owner, one) in hidden.iter().enumerate() {
            for spelling in spellings(one.value) {
                automaton.add(&spelling, owner);
            }
        }
        automaton.link();
        let names = hidden.iter().map(|one| one.name.to_owned()).collect();
        Self { automaton, names, streams: Default::default() }
    }

    /// What of the stream may be framed now that `bytes` have come.
    pub(super) fn pass(&mut self, stream: Stream, bytes: &[u8]) -> Vec<u8> {
        let Some(follower) = self.streams.get_mut(usize::from(stream.number()) - 1) else {
            return Vec::new();
        };
        for &byte in bytes {
            follower.take(&self.automaton, byte);
        }
        let held = self.automaton.depth(self.automaton.unfinished(follower.state));
        follower.release(held, &self.names)
    }

    /// The rest of a stream that has ended.
    pub(super) fn end(&mut self, stream: Stream) -> Vec<u8> {
        let Some(follower) = self.streams.get_mut(usize::from(stream.number()) - 1) else {
            return Vec::new();
        };
        let unfinished = self.automaton.unfinished(follower.state);
        let held = self.automaton.depth(unfinished);
        if held > SHOWN_BEGINNING_BYTES_MAX {
            follower.mark(held, self.automaton.owner(unfinished));
        }
        follower.state = ROOT;
        follower.release(0, &self.names)
    }
}

/// One stream: bytes that wait, and which of them belong to a value.
#[derive(Default)]
struct Follower {
    state: u32,
    waiting: VecDeque<u8>,
    /// Where `waiting` begins in the stream.
    base: u64,
    /// Places in the stream, ascending and apart from each other.
    marked: VecDeque<(u64, u64, usize)>,
}

impl Follower {
    fn take(&mut self, automaton: &Automaton, byte: u8) {
        self.waiting.push_back(byte);
        self.state = automaton.next(self.state, byte);
        if let Some((length, owner)) = automaton.longest(self.state) {
            self.mark(length, owner);
        }
    }

    /// The last `length` bytes belong to a value. What overlaps becomes one.
    fn mark(&mut self, length: usize, owner: usize) {
        let end = self.base + self.waiting.len() as u64;
        let (mut from, mut owner) = (end.saturating_sub(length as u64), owner);
        while let Some((start, _, other)) = self.marked.pop_back_if(|(_, last_end, _)| *last_end > from) {
            // The one that begins first is shown.
            if start < from {
                (from, owner) = (start, other);
            }
        }
        self.marked.push_back((from, end, owner));
    }

    /// Everything but the last `held` bytes. A value that reaches into those is not cut.
    fn release(&mut self, held: usize, names: &[String]) -> Vec<u8> {
        let end = self.base + self.waiting.len() as u64;
        let mut until = end.saturating_sub(held as u64);
        if let Some((from, _, _)) = self.marked.iter().find(|(_, marked_end, _)| *marked_end > until) {
            until = until.min(*from);
        }
        let mut out = Vec::new();
        while let Some((from, to, owner)) = self.marked.pop_front_if(|(_, to, _)| *to <= until) {
            out.extend(self.drain(from));
            self.drain(to).for_each(drop);
            let name = names.get(owner).map(String::as_str).unwrap_or_default();
            out.extend_from_slice(format!("[redacted:{name}]").as_bytes());
        }
        out.extend(self.drain(until));
        out
    }

    fn drain(&mut self, until: u64) -> std::collections::vec_deque::Drain<'_, u8> {
        let count = usize::try_from(until.saturating_sub(self.base)).unwrap_or(0).min(self.waiting.len());
        self.base += count as u64;
        self.waiting.drain(..count)
    }
}

const ROOT: u32 = 0;

/// A state: what has been read is the beginning of some spelling.
struct Node {
    byte: u8,
    depth: usize,
    child: Option<u32>,
    sibling: Option<u32>,
    /// The longest other beginning that what has been read ends with.
    fail: u32,
    /// Length and owner of the longest spelling that ends here.
    longest: Option<(usize, usize)>,
    owner: usize,
}

struct Automaton {
    nodes: Vec<Node>,
    /// Children of the root by byte: nearly all output stays there.
    first: Box<[u32; 256]>,
}

impl Automaton {
    fn new() -> Self {
        Self { nodes: vec![Self::node(0, 0, 0)], first: Box::new([ROOT; 256]) }
    }

    const fn node(byte: u8, depth: usize, owner: usize) -> Node {
        Node { byte, depth, child: None, sibling: None, fail: ROOT, longest: None, owner }
    }

    fn at(&self, state: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(state).ok()?)
    }

    fn depth(&self, state: u32) -> usize {
        self.at(state).map_or(0, |node| node.depth)
    }

    /// The state that more bytes can still make a spelling of: a whole one that begins no longer one is none.
    fn unfinished(&self, state: u32) -> u32 {
        let mut state = state;
        while let Some(node) = self.at(state).filter(|node| node.child.is_none() && state != ROOT) {
            state = node.fail;
        }
        state
    }

    fn owner(&self, state: u32) -> usize {
        self.at(state).map_or(0, |node| node.owner)
    }

    fn longest(&self, state: u32) -> Option<(usize, usize)> {
        self.at(state)?.longest
    }

    fn child(&self, state: u32, byte: u8) -> Option<u32> {
        if state == ROOT {
            return self.first.get(usize::from(byte)).copied().filter(|child| *child != ROOT);
        }
        let mut next = self.at(state)?.child;
        while let Some(child) = next {
            let node = self.at(child)?;
            if node.byte == byte {
                return Some(child);
            }
            next = node.sibling;
        }
        None
    }

    fn next(&self, state: u32, byte: u8) -> u32 {
        let mut from = state;
        loop {
            match self.child(from, byte) {
                Some(child) => return child,
                None if from == ROOT => return ROOT,
                None => from = self.at(from).map_or(ROOT, |node| node.fail),
            }
        }
    }

    fn add(&mut self, spelling: &[u8], owner: usize) {
        let mut state = ROOT;
        for (before, &byte) in spelling.iter().enumerate() {
            state = match self.child(state, byte) {
                Some(child) => child,
                None => self.grow(state, byte, before + 1, owner),
            };
        }
        if let Some(node) = usize::try_from(state).ok().and_then(|at| self.nodes.get_mut(at)) {
            node.longest.get_or_insert((spelling.len(), owner));
        }
    }

    fn grow(&mut self, parent: u32, byte: u8, depth: usize, owner: usize) -> u32 {
        let fresh = u32::try_from(self.nodes.len()).unwrap_or(ROOT);
        let mut node = Self::node(byte, depth, owner);
        if let Some(parent) = usize::try_from(parent).ok().and_then(|at| self.nodes.get_mut(at)) {
            node.sibling = parent.child.replace(fresh);
        }
        if let Some(first) = self.first.get_mut(usize::from(byte)).filter(|_| parent == ROOT) {
            *first = fresh;
        }
        self.nodes.push(node);
        fresh
    }

    /// Breadth first, so that what a state falls back to is known before it.
    fn link(&mut self) {
        let mut queue = VecDeque::from([ROOT]);
        while let Some(state) = queue.pop_front() {
            let fail_of_parent = self.at(state).map_or(ROOT, |node| node.fail);
            let mut next = self.at(state).and_then(|node| node.child);
            while let Some(child) = next {
                let Some((byte, sibling)) = self.at(child).map(|node| (node.byte, node.sibling)) else {
                    break;
                };
                let fail = if state == ROOT { ROOT } else { self.next(fail_of_parent, byte) };
                let inherited = self.longest(fail);
                if let Some(node) = usize::try_from(child).ok().and_then(|at| self.nodes.get_mut(at)) {
                    node.fail = fail;
                    node.longest = node.longest.or(inherited);
                }
                queue.push_back(child);
                next = sibling;
            }
        }
    }
}

/// A value as it is, and as common encodings spell it.
fn spellings(value: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![value.to_vec(), with_terminal_ends(value), in_json(value)];
    if value.len() <= ENCODED_BYTES_MAX {
        for kept in [&b"-_.~"[..], b"-_.~/", b"-_.!~*'()", b"-_.*"] {
            let encoded = percent_encoded(value, kept);
            all.push(lower_hex_digits(&encoded));
            all.push(encoded);
        }
        let hex = digest::to_hex(value);
        all.push(hex.to_ascii_uppercase().into_bytes());
        all.push(hex.into_bytes());
    }
    for offset in 0..3 {
        let encoded = in_base64(value, offset);
        let url_safe = encoded.iter().map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        });
        all.push(url_safe.collect());
        all.push(encoded);
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn with_terminal_ends(value: &[u8]) -> Vec<u8> {
    value.iter().flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] }).collect()
}

fn in_json(value: &[u8]) -> Vec<u8> {
    let spelled = |byte: &u8| match byte {
        b'"' | b'\\' => vec![b'\\', *byte],
        b'\n' => b"\\n".to_vec(),
        b'\r' => b"\\r".to_vec(),
        b'\t' => b"\\t".to_vec(),
        other => vec![*other],
    };
    value.iter().flat_map(spelled).collect()
}

fn percent_encoded(value: &[u8], kept: &[u8]) -> Vec<u8> {
    let spelled = |byte: &u8| {
        if byte.is_ascii_alphanumeric() || kept.contains(byte) {
            vec![*byte]
        } else {
            format!("%{byte:02X}").into_bytes()
        }
    };
    value.iter().flat_map(spelled).collect()
}

/// The same with small hex digits.
fn lower_hex_digits(encoded: &[u8]) -> Vec<u8> {
    let mut out = encoded.to_vec();
    let mut places = 0;
    for byte in &mut out {
        if *byte == b'%' {
            places = 2;
        } else if places > 0 {
            places -= 1;
            *byte = byte.to_ascii_lowercase();
        }
    }
    out
}

/// The characters that base64 has for this value alone where it stands `offset` bytes past a group of three: those that
/// also depend on a neighbour are left out.
fn in_base64(value: &[u8], offset: usize) -> Vec<u8> {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(value);
    let first = (offset * 8).div_ceil(6);
    let last = bytes.len() * 8 / 6;
    base64::encode(&bytes).into_bytes().get(first..last).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &[u8] = b"s3cr3t/+value=\"x";

    fn shown(hidden: &[(&str, &[u8])], pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let hidden: Vec<_> = hidden.iter().map(|(name, value)| Hidden { name, value }).collect();
        let mut redactor = Redactor::new(&hidden);
        let mut out: Vec<_> = pieces.iter().map(|piece| redactor.pass(Stream::Out, piece)).collect();
        out.push(redactor.end(Stream::Out));
        out
    }

    fn text(hidden: &[(&str, &[u8])], pieces: &[&[u8]]) -> String {
        String::from_utf8(shown(hidden, pieces).concat()).unwrap()
    }

    #[test]
    fn a_value_is_replaced_wherever_it_is_cut() {
        let whole = [b"a ", VALUE, VALUE, b" z"].concat();
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let pieces = [&whole[..first], &whole[first..second], &whole[second..]];
                assert_eq!(
                    text(&[("K", VALUE)], &pieces),
                    "a [redacted:K][redacted:K] z",
                    "{first} {second}"
                );
            }
        }
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(text(&[("K", VALUE)], &bytes), "a [redacted:K][redacted:K] z");
    }

    #[test]
    fn only_what_may_be_a_beginning_waits_and_a_long_one_never_leaves() {
        let out = shown(&[("K", VALUE)], &[b"prompt> ", b"user s3c", b"ret"]);
        assert_eq!(out, [&b"prompt> "[..], b"user ", b"s3cret", b""]);
        // At the end of the stream a few bytes say nothing; half a value does.
        assert_eq!(text(&[("K", VALUE)], &[b"x ", &VALUE[..SHOWN_BEGINNING_BYTES_MAX]]), "x s3cr3t/");
        assert_eq!(text(&[("K", VALUE)], &[b"x ", &VALUE[..=SHOWN_BEGINNING_BYTES_MAX]]), "x [redacted:K]");
    }

    #[test]
    fn values_that_overlap_or_contain_each_other_leave_nothing() {
        let (long, inner, next) = (&b"aaaabbbbcccc"[..], &b"abbbbccc"[..], &b"ccccdddd"[..]);
        let hidden = [("L", long), ("I", inner), ("N", next)];
        assert_eq!(text(&hidden, &[b"-aaaabbbbcccc-"]), "-[redacted:L]-");
        assert_eq!(text(&hidden, &[b"-aaaabbbb", b"ccccdd", b"dd-"]), "-[redacted:L]-");
        assert_eq!(text(&hidden, &[b"-aaabbbbccc-"]), "-aa[redacted:I]-");
        assert_eq!(text(&[("R", b"abababab")], &[b"ababababab!"]), "[redacted:R]!");
    }

    #[test]
    fn encodings_of_a_value_are_replaced() {
        for (before, after) in [("", ""), ("u", "\n"), ("us:", "!"), ("user:", "?")] {
            let encoded = base64::encode(&[before.as_bytes(), VALUE, after.as_bytes()].concat());
            let shown = text(&[("K", VALUE)], &[encoded.as_bytes()]);
            assert!(shown.contains("[redacted:K]"), "{shown}");
            assert!(shown.len() - "[redacted:K]".len() <= 8 + 2 * before.len(), "{shown}");
            assert!(
                text(&[("K", VALUE)], &[encoded.replace('+', "-").replace('/', "_").as_bytes()])
                    .contains("[redacted:K]")
            );
        }
        for encoded in [
            "s3cr3t%2F%2Bvalue%3D%22x",
            "s3cr3t%2f%2bvalue%3d%22x",
            "s3cr3t/%2Bvalue%3D%22x",
            r#"s3cr3t/+value=\"x"#,
            "7333637233742f2b76616c75653d2278",
        ] {
            assert_eq!(text(&[("K", VALUE)], &[encoded.as_bytes()]), "[redacted:K]", "{encoded}");
        }
        assert_eq!(text(&[("K", b"line one\nline two")], &[b"line one\r\nline two"]), "[redacted:K]");
    }

    #[test]
    fn streams_do_not_mix() {
        let mut redactor = Redactor::new(&[Hidden { name: "K", value: VALUE }]);
        assert_eq!(redactor.pass(Stream::Out, &VALUE[..10]), b"");
        assert_eq!(redactor.pass(Stream::Err, b"fine"), b"fine");
        assert_eq!(redactor.pass(Stream::Out, &VALUE[10..]), b"[redacted:K]");
    }
}
