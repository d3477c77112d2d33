//! The operators terms are built of, as data: name, type, Python text, and what it does.

mod list;
mod number;
mod rows;
mod text;

use crate::value::{Fail, Value};

pub(crate) use list::{count, elements, extreme, items, list, most_common, sorted};
pub(crate) use number::{add, div, int};
pub(crate) use text::{gap, string};

/// What an operator is handed.
pub(crate) type Args<'a> = &'a [&'a Value];
/// What it gives.
pub(crate) type Answer = Result<Value, Fail>;

/// How an operator is evaluated.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    /// On its arguments' values.
    Strict(fn(Args<'_>) -> Answer),
    /// `and`: the second argument is looked at only if the first is true.
    And,
    /// `or`: the second argument is looked at only if the first is false.
    Or,
}

/// One operator or library call.
#[derive(Debug)]
pub struct Op {
    /// Unique name; for helpers the name of the Python function.
    pub name: &'static str,
    /// Type, such as `list[o] -> o`.
    pub signature: &'static str,
    /// What using it costs before hints.
    pub cost: u32,
    /// How tightly the Python text binds: 10 atom, 8 unary, 7 product, 6 sum, 5 comparison, 4 not, 3 and, 2 or.
    pub(crate) precedence: u8,
    /// Python with `{argument:least precedence}`; empty for helpers, which are called by name.
    pub(crate) python: &'static str,
    /// Words of a description that make it likelier; a trailing `*` accepts any ending.
    pub(crate) words: &'static str,
    /// The helper's own Python definition, or nothing.
    pub(crate) source: &'static str,
    /// The module the text needs.
    pub(crate) import: &'static str,
    pub(crate) commutes: bool,
    pub(crate) run: Run,
}

impl Op {
    const fn new(name: &'static str, signature: &'static str, cost: u32, python: (u8, &'static str)) -> Self {
        Self {
            name,
            signature,
            cost,
            precedence: python.0,
            python: python.1,
            words: "",
            source: "",
            import: "",
            commutes: false,
            run: Run::Strict(|_| Err(Fail::Unsupported)),
        }
    }

    const fn does(mut self, run: fn(Args<'_>) -> Answer) -> Self {
        self.run = Run::Strict(run);
        self
    }

    const fn lazily(mut self, run: Run) -> Self {
        self.run = run;
        self
    }

    const fn hinted(mut self, words: &'static str) -> Self {
        self.words = words;
        self
    }

    const fn importing(mut self, module: &'static str) -> Self {
        self.import = module;
        self
    }

    const fn commuting(mut self) -> Self {
        self.commutes = true;
        self
    }

    /// A helper with a Python definition of its own.
    pub(crate) const fn helper(
        name: &'static str,
        signature: &'static str,
        words: &'static str,
        source: &'static str,
        run: fn(Args<'_>) -> Answer,
    ) -> Self {
        let mut op = Self::new(name, signature, 5, (10, "")).hinted(words).does(run);
        op.source = source;
        op
    }
}

/// Every operator: the language's own first, then the library.
pub fn all() -> impl Iterator<Item = &'static Op> {
    rows::ROWS.iter().chain(crate::library::HELPERS.iter())
}

/// The operator of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Op> {
    all().find(|op| op.name == name)
}

/// The argument at a place; operators are only ever called with as many as their signature says.
pub(crate) fn at<'a>(args: Args<'a>, place: usize) -> Result<&'a Value, Fail> {
    args.get(place).copied().ok_or(Fail::Raises)
}
