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
    /// Depends on an expansion.
    Unknown,
}

impl Word {
    pub(super) fn known(&self) -> Option<&str> {
        match self {
            Self::Known(text) => Some(text),
            Self::Glob(_) | Self::Around(_) | Self::Unknown => None,
        }
    }

    /// The text of a pattern that was not expanded.
    pub(super) fn pattern(&self) -> Option<&str> {
        match self {
            Self::Glob(text) => Some(text),
            Self::Known(_) | Self::Around(_) | Self::Unknown => None,
        }
    }

    /// Nothing is known of it that could be relied on.
    pub(super) const fn is_unknown(&self) -> bool {
        matches!(self, Self::Around(_) | Self::Unknown)
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Known(text) | Self::Glob(text) => text.clone(),
            Self::Around(_) | Self::Unknown => "…".to_owned(),
        }
    }

    /// Bytes of an argv; what is not UTF-8 counts as unknown.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        std::str::from_utf8(bytes).map_or(Self::Unknown, |text| Self::Known(text.to_owned()))
    }
}
