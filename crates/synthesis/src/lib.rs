//! Finds Python functions that reproduce examples.
//!
//! From a signature and examples, [`spec::Task::parse`] makes a task; [`search::search`] enumerates typed
//! terms from the cheapest up, keeps one of each behaviour, and gives an [`outcome::Outcome`]: programs that
//! reproduce every example, in order of cost. That a program reproduces the examples does not make it right:
//! the outcome says how likely a match by luck was, and names an input on which the best two programs differ.
//!
//! The crate is pure: it reads no file, clock, environment or randomness. The caller owns the clock and is
//! asked, every few terms, whether to go on.

mod emit;
pub mod forge;
pub mod grade;
mod hints;
pub mod library;
pub mod limits;
pub mod ops;
pub mod outcome;
pub mod probes;
pub mod search;
pub mod snippets;
pub mod spec;
pub mod templates;
pub mod term;
#[cfg(test)]
mod tests;
pub mod types;
pub mod value;
