//! A look at policy text before any parser sees it.
//!
//! Cedar's parser and evaluator recurse over nesting and over chains of operators, and neither
//! bounds itself: a policy of brackets alone can end the process, and one that only just fits
//! decides differently on a smaller stack. So a text is first cut into policies and measured, with
//! strings, comments and precedence understood and nothing else.

use core::mem;

use super::depth::{Binding, Depth};

/// Deepest nesting in one policy, in two senses: brackets with `if`s added, and levels of the parsed
/// expression, where a chain of operators is as deep as it is long.
///
/// Measured: in a build without optimisation the parser takes up to 60 KB of stack for a level of
/// brackets, and the evaluator as much for a level of expression. This many fit into
/// [`STACK_BYTES`](crate::decide::STACK_BYTES) with a quarter to spare.
pub const DEPTH_MAX: usize = 24;
/// Longest policy, in bytes, comments before it included.
pub const POLICY_BYTES_MAX: usize = 16 * 1024;

/// One policy's place in its file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Piece {
    /// First byte after the policy before.
    pub(super) start: usize,
    /// The byte after the semicolon.
    pub(super) end: usize,
    /// The first limit that is passed, and where.
    pub(super) excess: Option<(usize, Excess)>,
}

/// A limit that a policy passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Excess {
    #[error("policy is nested deeper than {DEPTH_MAX} levels of brackets and `if`")]
    Brackets,
    #[error("an expression of the policy is deeper than {DEPTH_MAX} operators")]
    Expression,
    #[error("policy is longer than {POLICY_BYTES_MAX} bytes")]
    Bytes,
}

/// Cuts a text at the semicolons. What follows the last one is a piece if it is more than comments
/// and space; it will not parse, and that is the fault to report.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let mut scan = Scan::new(text);
    while let Some(token) = scan.token() {
        scan.count(token);
    }
    if scan.first.is_some() {
        scan.cut(text.len());
    }
    scan.pieces
}

/// Where the annotation `@key` stands in a policy; not in a comment, and not in a string.
pub(super) fn annotation(policy: &str, key: &str) -> Option<usize> {
    let mut scan = Scan::new(policy);
    let mut at = None;
    loop {
        let before = scan.at;
        scan.token()?;
        let token = policy.get(before..scan.at).unwrap_or_default();
        if token.ends_with('@') {
            at = Some(scan.at - 1);
        } else if let Some(place) = at.take()
            && token.trim_start() == key
        {
            return Some(place);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    Open,
    Close {
        parenthesis: bool,
    },
    Operator(Binding),
    /// `has`, a relation with a path at its right.
    Has,
    Dot,
    If,
    /// `then`, `else`.
    Part,
    Comma,
    Semicolon,
    Other,
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    pieces: Vec<Piece>,
    /// The piece being read: where it starts, and its first token.
    start: usize,
    first: Option<usize>,
    brackets: usize,
    ifs: usize,
    /// Inside the path after `has`, whose every dot becomes a test and an access.
    path: bool,
    depth: Depth,
    excess: Option<(usize, Excess)>,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            at: 0,
            pieces: Vec::new(),
            start: 0,
            first: None,
            brackets: 0,
            ifs: 0,
            path: false,
            depth: Depth::new(),
            excess: None,
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    /// The next token; comments and space are skipped, strings and words are taken whole.
    fn token(&mut self) -> Option<Token> {
        loop {
            match (self.peek(0)?, self.peek(1)) {
                (b'/', Some(b'/')) => self.skip_while(|byte| byte != b'\n'),
                (byte, _) if byte.is_ascii_whitespace() => self.at += 1,
                _ => break,
            }
        }
        self.first.get_or_insert(self.at);
        let byte = self.peek(0)?;
        if byte == b'"' {
            self.skip_string();
            return Some(Token::Other);
        }
        if is_word(byte) {
            return Some(self.word());
        }
        let (token, length) = symbol(byte, self.peek(1));
        self.at += length;
        Some(token)
    }

    fn word(&mut self) -> Token {
        let start = self.at;
        self.skip_while(is_word);
        match self.text.get(start..self.at).unwrap_or_default() {
            b"if" => Token::If,
            b"then" | b"else" => Token::Part,
            b"has" => Token::Has,
            b"in" | b"like" | b"is" => Token::Operator(Binding::Relation),
            _ => Token::Other,
        }
    }

    fn skip_while(&mut self, holds: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&holds) {
            self.at += 1;
        }
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
        self.at = self.at.min(self.text.len());
    }

    fn count(&mut self, token: Token) {
        let path = mem::replace(&mut self.path, token == Token::Has);
        match token {
            Token::Open => {
                self.brackets += 1;
                self.depth.open();
            }
            Token::Close { parenthesis } => {
                self.brackets = self.brackets.saturating_sub(1);
                self.depth.close(parenthesis);
            }
            Token::If => {
                self.ifs += 1;
                self.depth.operator(Binding::If);
            }
            Token::Operator(binding) => self.depth.operator(binding),
            Token::Has => self.depth.operator(Binding::Relation),
            Token::Dot => {
                self.depth.operator(Binding::Member);
                if path {
                    self.depth.operator(Binding::Member);
                }
                self.path = path;
            }
            Token::Part => self.depth.part(),
            Token::Comma => self.depth.comma(),
            // A semicolon inside brackets is an error of syntax, but it must not let a policy pass
            // as two short ones.
            Token::Semicolon if self.brackets == 0 => return self.cut(self.at),
            Token::Other => self.path = path,
            Token::Semicolon => {}
        }
        if self.brackets + self.ifs > DEPTH_MAX {
            self.excess.get_or_insert((self.at.saturating_sub(1), Excess::Brackets));
        }
    }

    fn cut(&mut self, end: usize) {
        let head = self.first.unwrap_or(self.start);
        let depth = mem::replace(&mut self.depth, Depth::new()).end();
        if depth > DEPTH_MAX {
            self.excess.get_or_insert((head, Excess::Expression));
        }
        if end - self.start > POLICY_BYTES_MAX {
            self.excess.get_or_insert((head, Excess::Bytes));
        }
        self.pieces.push(Piece { start: self.start, end, excess: self.excess.take() });
        (self.start, self.first, self.brackets, self.ifs) = (end, None, 0, 0);
    }
}

/// A token that is neither word nor string, and its length.
const fn symbol(byte: u8, next: Option<u8>) -> (Token, usize) {
    match (byte, next) {
        (b'(' | b'[' | b'{', _) => (Token::Open, 1),
        (b')', _) => (Token::Close { parenthesis: true }, 1),
        (b']' | b'}', _) => (Token::Close { parenthesis: false }, 1),
        (b',', _) => (Token::Comma, 1),
        (b';', _) => (Token::Semicolon, 1),
        (b'|', Some(b'|')) => (Token::Operator(Binding::Or), 2),
        (b'&', Some(b'&')) => (Token::Operator(Binding::And), 2),
        (b'=' | b'!' | b'<' | b'>', Some(b'=')) => (Token::Operator(Binding::Relation), 2),
        (b'<' | b'>', _) => (Token::Operator(Binding::Relation), 1),
        (b'+' | b'-', _) => (Token::Operator(Binding::Sum), 1),
        (b'*', _) => (Token::Operator(Binding::Product), 1),
        (b'!', _) => (Token::Operator(Binding::Member), 1),
        (b'.', _) => (Token::Dot, 1),
        _ => (Token::Other, 1),
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use cedar_policy::Policy;

    /// splitmix64.
    fn random(state: &mut u64, end: u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % end
    }

    /// An expression without regard to precedence: the parser decides what it nests.
    fn expression(state: &mut u64, size: u64) -> String {
        if size == 0 {
            return ["context", "1", "\"a.b || c\""][usize::try_from(random(state, 3)).unwrap()].to_owned();
        }
        let mut inner = || {
            let part = random(state, size);
            expression(state, part)
        };
        let (a, b, c) = (inner(), inner(), inner());
        let operators = ["||", "&&", "==", "<", ">", "!=", "in", "+", "-", "*"];
        match random(state, 20) {
            0 => format!("({a})"),
            1 => format!("[{a}, {b}]"),
            2 => format!("{{x: {a}, y: {b}}}"),
            3 => format!("{a}.x"),
            4 => format!("{a}[\"x\"]"),
            5 => format!("{a}.contains({b})"),
            6 => format!("!{a}"),
            7 => format!("{a} has x"),
            8 => format!("{a} is T in {b}"),
            9 => format!("if {a} then {b} else {c}"),
            number => format!("{a} {} {b}", operators[usize::try_from(number % 10).unwrap()]),
        }
    }

    /// Levels of the parsed condition, from its JSON form: two of JSON for one of expression. The
    /// walk keeps its own stack.
    fn levels(policy: &Policy) -> usize {
        let json = policy.to_json().unwrap();
        let mut left = vec![(&json["conditions"][0]["body"], 0)];
        let mut deepest = 0;
        while let Some((value, level)) = left.pop() {
            deepest = deepest.max(level);
            left.extend(
                value
                    .as_object()
                    .into_iter()
                    .flat_map(|members| members.values())
                    .map(|item| (item, level + 1)),
            );
            left.extend(value.as_array().into_iter().flatten().map(|item| (item, level + 1)));
        }
        deepest / 2
    }

    #[test]
    fn the_measure_is_never_less_than_the_tree() {
        let (mut parsed, mut close) = (0, 0);
        for seed in 0..1200 {
            let mut state = seed;
            let text =
                format!("permit (principal, action, resource) when {{ {} }};", expression(&mut state, 9));
            let mut scan = Scan::new(&text);
            while let Some(token) = scan.token().filter(|token| *token != Token::Semicolon) {
                scan.count(token);
            }
            let measured = scan.depth.end();
            let Ok(policy) = text.parse::<Policy>() else { continue };
            let levels = levels(&policy);
            assert!(measured >= levels, "seed {seed}: {measured} < {levels}: {text}");
            parsed += 1;
            close += usize::from(measured <= levels * 2 + 3);
        }
        // Of use only if it is not far above either.
        assert!(parsed > 300 && close * 10 > parsed * 9, "{close} of {parsed}");
    }
}
