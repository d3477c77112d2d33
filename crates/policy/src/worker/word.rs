//! A word of a command as far as it can be known before it runs.

/// One word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Word {
    /// Exactly this text.
    Known(String),
    /// A file name pattern that the shell expands.
    Glob(String),
    /// As unknown as the next, but with this shell text around the part that is (`$x`), for a line inside.
    Around(String),
    /// Exactly one word, of which only the start and the end are known.
    One { before: String, after: String },
    /// Depends on an expansion: none, one or many words.
    Unknown,
}

impl Word {
    pub(super) fn known(&self) -> Option<&str> {
        match self {
            Self::Known(text) => Some(text),
            Self::Glob(_) | Self::Around(_) | Self::One { .. } | Self::Unknown => None,
        }
    }

    /// The text of a pattern that was not expanded.
    pub(super) fn pattern(&self) -> Option<&str> {
        match self {
            Self::Glob(text) => Some(text),
            Self::Known(_) | Self::Around(_) | Self::One { .. } | Self::Unknown => None,
        }
    }

    /// The path that it names, where one is known: with `~` in front below a home directory, and nowhere else.
    pub(super) fn path(&self) -> Option<String> {
        match self {
            Self::Known(text) => Some(literal(text)),
            Self::Glob(text) if text.starts_with('~') && !text.contains(['*', '?', '[', '{']) => {
                Some(text.clone())
            }
            _ => None,
        }
    }

    /// Nothing is known of it that could be relied on.
    pub(super) const fn is_unknown(&self) -> bool {
        matches!(self, Self::Around(_) | Self::One { .. } | Self::Unknown)
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Known(text) | Self::Glob(text) => text.clone(),
            Self::Around(_) | Self::One { .. } | Self::Unknown => "…".to_owned(),
        }
    }

    /// Bytes of an argv. What is not UTF-8 counts as unknown, but it is one word and starts as it does.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Known(text.to_owned()),
            Err(_) => Self::One { before: String::from_utf8_lossy(bytes).into_owned(), after: String::new() },
        }
    }
}

/// A path in which a `~` in front is the name of a file.
pub(super) fn literal(text: &str) -> String {
    if text.starts_with('~') { format!("./{text}") } else { text.to_owned() }
}
