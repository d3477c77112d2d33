//! A look at policy text before any parser sees it.
//!
//! Cedar's parser and evaluator recurse over nesting and over chains of operators, and neither
//! bounds itself: a policy of brackets alone can end the process. So a text is first cut into
//! policies and measured, with strings and comments understood and nothing else.

/// Deepest nesting of brackets, `if`s added, in one policy. Measured: one level of brackets takes up
/// to 60 KB of stack in a build without optimisation, so this many fit into
/// [`STACK_BYTES`](crate::decide::STACK_BYTES) with a quarter to spare.
pub const DEPTH_MAX: usize = 24;
/// Most operators (`&&`, `||`, `+`, `-`, `*`, `!`, `.` and opening brackets) in one policy. Each can
/// be one more level of the parsed tree.
pub const OPERATORS_MAX: usize = 512;
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
    Depth,
    #[error("policy has more than {OPERATORS_MAX} operators")]
    Operators,
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
    if scan.inhabited {
        scan.cut(text.len());
    }
    scan.pieces
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    Open,
    Close,
    If,
    Operator,
    Semicolon,
    Other,
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    pieces: Vec<Piece>,
    start: usize,
    brackets: usize,
    ifs: usize,
    operators: usize,
    inhabited: bool,
    excess: Option<(usize, Excess)>,
}

impl<'a> Scan<'a> {
    const fn new(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            at: 0,
            pieces: Vec::new(),
            start: 0,
            brackets: 0,
            ifs: 0,
            operators: 0,
            inhabited: false,
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
        let byte = self.peek(0)?;
        let token = match byte {
            b'"' => {
                self.skip_string();
                return Some(Token::Other);
            }
            b'(' | b'[' | b'{' => Token::Open,
            b')' | b']' | b'}' => Token::Close,
            b';' => Token::Semicolon,
            b'&' | b'|' if self.peek(1) == Some(byte) => {
                self.at += 1;
                Token::Operator
            }
            b'+' | b'-' | b'*' | b'!' | b'.' => Token::Operator,
            byte if is_word(byte) => return Some(self.word()),
            _ => Token::Other,
        };
        self.at += 1;
        Some(token)
    }

    fn word(&mut self) -> Token {
        let start = self.at;
        self.skip_while(is_word);
        if self.text.get(start..self.at) == Some(b"if") { Token::If } else { Token::Other }
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
        self.inhabited = true;
        match token {
            Token::Open => {
                self.brackets += 1;
                self.operators += 1;
            }
            Token::Close => self.brackets = self.brackets.saturating_sub(1),
            Token::If => self.ifs += 1,
            Token::Operator => self.operators += 1,
            // A semicolon inside brackets is an error of syntax, but it must not let a policy pass
            // as two short ones.
            Token::Semicolon if self.brackets == 0 => return self.cut(self.at),
            Token::Semicolon | Token::Other => {}
        }
        if self.brackets + self.ifs > DEPTH_MAX {
            self.exceed(Excess::Depth);
        }
        if self.operators > OPERATORS_MAX {
            self.exceed(Excess::Operators);
        }
    }

    fn exceed(&mut self, excess: Excess) {
        self.excess.get_or_insert((self.at.saturating_sub(1), excess));
    }

    fn cut(&mut self, end: usize) {
        if end - self.start > POLICY_BYTES_MAX {
            self.excess.get_or_insert((self.start, Excess::Bytes));
        }
        self.pieces.push(Piece { start: self.start, end, excess: self.excess.take() });
        self.start = end;
        (self.brackets, self.ifs, self.operators, self.inhabited) = (0, 0, 0, false);
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
