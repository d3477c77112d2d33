//! Limits on the text, checked before any parser sees it.
//!
//! Both parsers were made for text that people write. Deep nesting makes one of them overflow the
//! stack, which ends the process, so depth is measured first, by a lexer that knows quotes,
//! comments and here-documents and nothing else.

use super::depth;

/// Longest line, in bytes.
pub const LENGTH_MAX: usize = 64 * 1024;
/// Deepest nesting of brackets, braces, substitutions and compound commands.
pub const DEPTH_MAX: usize = 64;
/// Most commands in a line, redirects on compound commands included.
pub const COMMANDS_MAX: usize = 50;

/// A named limit was passed: the line is denied, not escalated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Longer than [`LENGTH_MAX`].
    #[error("command line is longer than 65536 bytes; put it into a script file")]
    Length,
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("command line is nested deeper than 64 levels; split it")]
    Depth,
    /// More commands than [`COMMANDS_MAX`].
    #[error("command line holds more than 50 commands; split it")]
    Commands,
    /// A NUL byte or another control character that no shell gives a meaning.
    #[error("command line holds a control character; remove it")]
    Control,
}

impl Refusal {
    /// The stable word for receipts and messages.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Length => "shell.length_limit",
            Self::Depth => "shell.depth_limit",
            Self::Commands => "shell.commands_limit",
            Self::Control => "shell.control_character",
        }
    }
}

/// Refuses a text that must not reach the parsers.
pub(super) fn check(text: &str) -> Result<(), Refusal> {
    if text.len() > LENGTH_MAX {
        return Err(Refusal::Length);
    }
    // Carriage returns stay: lines copied from other systems have them, and they are reported.
    if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        return Err(Refusal::Control);
    }
    if depth::deepest(text) > DEPTH_MAX {
        return Err(Refusal::Depth);
    }
    Ok(())
}
