//! What is strange about policies that are not wrong: they compile, and something in them can hardly
//! be meant. Nothing is said here that is not so.

pub(super) mod groups;
mod names;
mod number;
mod scope;
mod shadow;

use super::compile::{self, Parsed};
use super::fault::PolicyFault;
use super::source::SnapshotSource;
use crate::worker::Registry;

pub(super) use self::number::overflow;

/// Everything strange, in the order of files and lines. A source with faults has none: its faults
/// come first.
pub(super) fn warnings(source: &SnapshotSource) -> Vec<PolicyFault> {
    let Some(policies) = compile::parsed(source) else { return Vec::new() };
    let registry = Registry::new(source.manifests.iter().cloned());
    let mut found = shadow::warnings(&policies, &source.thresholds.families_by_program());
    for parsed in &policies {
        found.extend(names::warnings(parsed, &source.thresholds, &registry));
        found.extend(number::warnings(parsed));
    }
    found.extend(names::unmentioned(&policies, &source.thresholds));
    found.sort_unstable();
    found.dedup();
    found
}

/// A warning at the first word of a policy.
fn at_policy(parsed: &Parsed<'_>, code: &'static str, message: String) -> PolicyFault {
    PolicyFault::at(&parsed.stored.file, parsed.file_text, parsed.head, code, message)
}
