//! The state of the chain as of a place: everything that a decision made there would have read.

mod authority;
mod budgets;
mod memory;
mod people;
mod runs;
mod waiting;

use cascade_receipt::json::Value;

use super::look::Look;
use super::sheet::Section;
use crate::exit::Failure;

type Part = fn(&Look<'_>) -> Result<Section, Failure>;

/// Who may do what, by which rules.
pub(super) const STANDING: [Part; 7] = [
    authority::policy,
    authority::standing,
    people::people,
    people::grants,
    people::tokens,
    authority::keys,
    authority::credentials,
];
/// What has begun, or waits for somebody.
pub(super) const OPEN: [Part; 5] =
    [waiting::open_actions, waiting::pending, waiting::approvals, waiting::unreviewed, budgets::budgets];
/// What is remembered.
pub(super) const MEMORY: [Part; 2] = [memory::memory, memory::wrong_hits];
/// Workflows, and what starts by itself.
pub(super) const RUNS: [Part; 2] = [runs::runs, runs::schedules];

/// These parts.
pub(super) fn sections(look: &Look<'_>, parts: &[Part]) -> Result<Vec<Section>, Failure> {
    parts.iter().map(|part| part(look)).collect()
}

/// All parts.
pub(super) fn all(look: &Look<'_>) -> Result<Vec<Section>, Failure> {
    let parts = STANDING.iter().chain(&OPEN).chain(&MEMORY).chain(&RUNS);
    parts.map(|part| part(look)).collect()
}

/// The state as one document.
pub(super) fn document(sections: &[Section]) -> Value {
    Value::Object(sections.iter().map(|one| (one.key.to_owned(), one.document())).collect())
}
