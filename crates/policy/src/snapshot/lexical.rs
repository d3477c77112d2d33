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

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    Open,
    Close {
        parenthesis: bool,
    },
    Operator(Binding),
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
            b"in" | b"has" | b"like" | b"is" => Token::Operator(Binding::Relation),
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
            Token::Part => self.depth.part(),
            Token::Comma => self.depth.comma(),
            // A semicolon inside brackets is an error of syntax, but it must not let a policy pass
            // as two short ones.
            Token::Semicolon if self.brackets == 0 => return self.cut(self.at),
            Token::Semicolon | Token::Other => {}
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
        (b'!' | b'.', _) => (Token::Operator(Binding::Member), 1),
        _ => (Token::Other, 1),
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
