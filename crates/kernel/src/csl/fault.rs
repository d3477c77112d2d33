//! What is wrong with a spec, and where.

use std::fmt;

/// Most faults that are told of one spec; the rest would not be read.
const FAULTS_MAX: usize = 50;

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// Everything that is wrong with a spec; never empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn one(fault: Fault) -> Self {
        Self(vec![fault])
    }

    pub(super) fn add(&mut self, (line, column): (usize, usize), message: impl Into<String>) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(Fault { line, column, message: message.into() });
        }
    }

    /// `value`, if nothing was wrong.
    pub(super) fn or<T>(mut self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort_by_key(|fault| (fault.line, fault.column));
        Err(self)
    }

    /// Each, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
