//! What is wrong with a policy directory, and where.

use core::fmt;

/// One fault, placed so that an editor can jump to it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PolicyFault {
    /// File, relative to the policy directory.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Stable word, tabulated in docs/policy.md.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// What to do about it, where we know.
    pub suggestion: Option<String>,
}

impl PolicyFault {
    /// A fault of a whole file.
    pub(crate) fn of_file(file: &str, code: &'static str, message: impl Into<String>) -> Self {
        let file = file.to_owned();
        Self { file, line: 1, column: 1, code, message: message.into(), suggestion: None }
    }

    /// A fault at a byte of a file's text.
    pub(crate) fn at(file: &str, text: &str, offset: usize, code: &'static str, message: String) -> Self {
        let (line, column) = position(text, offset);
        Self { file: file.to_owned(), line, column, code, message, suggestion: None }
    }

    pub(crate) fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// Line and column of a byte offset; past the end means the end.
fn position(text: &str, offset: usize) -> (u32, u32) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    let line = before.matches('\n').count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}
