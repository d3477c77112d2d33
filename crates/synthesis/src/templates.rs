//! From structured specifications to Python by typed templates, without search.
//!
//! Three kinds of specification are covered: a task (signature and examples) by chains of typed stages, a JSON Schema
//! by a validator, and a table schema by row checks, statements with parameters and a CSV reader. What a template does
//! not cover is refused with its name. That a program was emitted proves nothing beyond its specification: where that
//! is examples, the program fits them.

mod chain;
mod overlap;
mod schema;
mod table;

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

use crate::limits::TEXT_BYTES_MAX;
use crate::spec::Task;

pub use overlap::{OVERLAP_MIN, overlap};
pub(crate) use overlap::{coverage, words};

/// A structured specification.
#[derive(Clone, Copy, Debug)]
pub enum Spec<'a> {
    /// A signature with examples.
    Task(&'a Task),
    /// JSON Schema, draft 2020-12, as text.
    JsonSchema(&'a str),
    /// One `CREATE TABLE`, or `{"table": …, "columns": […]}`.
    Table(&'a str),
}

/// What a template made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// The whole module as Python text.
    pub python: String,
    /// The template's name.
    pub template: &'static str,
    /// What it is composed of, in order.
    pub operations: Vec<String>,
    /// The function to call.
    pub entry: String,
}

/// Why no template answers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// Something in the specification is not covered.
    #[error("{keyword} ({place}) is not covered by a template: leave it out, or describe the task in words")]
    Keyword {
        /// Its name.
        keyword: String,
        /// Where it stands.
        place: String,
    },
    /// A covered keyword has a value that is not.
    #[error("{keyword} ({place}) {what}")]
    Value {
        /// Its name.
        keyword: String,
        /// Where it stands.
        place: String,
        /// What would be covered.
        what: &'static str,
    },
    /// The text is no specification of its kind.
    #[error("the specification cannot be read: {what}")]
    Unreadable {
        /// What is wrong.
        what: String,
    },
    /// The specification is too large.
    #[error("the {what} is too large, at most {most}: split it")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// The limit.
        most: usize,
    },
    /// No chain of stages reproduces the examples.
    #[error("no chain of templates reproduces the examples: search for a program instead")]
    NoChain,
    /// A chain does, and shares too few words with the task.
    #[error("what fits the examples has too few words of the task: search for a program instead")]
    Overlap,
}

/// Answers a specification.
///
/// # Errors
/// [`Declined`] with the name of what is not covered.
pub fn emit(spec: &Spec<'_>) -> Result<Vec<Emitted>, Declined> {
    match spec {
        Spec::Task(task) => chain::emit(task),
        Spec::JsonSchema(text) => {
            let (python, operations) = schema::validator(&schema::read(bounded(text)?)?);
            Ok(vec![Emitted { python, template: "json_schema", operations, entry: "validate".to_owned() }])
        }
        Spec::Table(text) => {
            let (python, operations) = table::module(&table::read(bounded(text)?)?);
            Ok(vec![Emitted { python, template: "table", operations, entry: "validate_row".to_owned() }])
        }
    }
}

fn bounded(text: &str) -> Result<&str, Declined> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Declined::TooLarge { what: "specification", most: TEXT_BYTES_MAX });
    }
    Ok(text)
}

/// SHA-256 over the templates, in order: what two reports with the same digest emitted, they emitted alike.
#[must_use]
pub fn digest() -> &'static str {
    static DIGEST: LazyLock<String> = LazyLock::new(digest_anew);
    &DIGEST
}

fn digest_anew() -> String {
    let mut hash = Sha256::new();
    for part in [
        include_str!("templates/chain.rs"),
        include_str!("templates/chain/stages.rs"),
        include_str!("templates/schema.rs"),
        include_str!("templates/schema/pattern.rs"),
        include_str!("templates/schema/write.rs"),
        include_str!("templates/table.rs"),
        include_str!("templates/table/sql.rs"),
        include_str!("templates/table/write.rs"),
    ] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.update(crate::library::digest());
    crate::library::hex(&hash.finalize())
}
