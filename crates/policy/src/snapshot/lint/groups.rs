//! Groups that are asked and that nobody is in: what waits for one of them waits for ever.

use std::collections::BTreeSet;

use crate::gate::ADMINS;
use crate::snapshot::compile::{self, Parsed};
use crate::snapshot::fault::PolicyFault;
use crate::snapshot::lexical;
use crate::snapshot::near::{did_you_mean, nearest};
use crate::snapshot::source::{SnapshotSource, THRESHOLDS_FILE};

const CODE: &str = "policy.empty_group";

/// A warning for each group of `source` that is not among those in which somebody is.
pub(in crate::snapshot) fn warnings(source: &SnapshotSource, peopled: &BTreeSet<String>) -> Vec<PolicyFault> {
    let policies = compile::parsed(source).unwrap_or_default();
    let mut found: Vec<PolicyFault> =
        policies.iter().filter_map(|parsed| of_policy(parsed, peopled)).collect();
    let (escalation, activation) =
        (&source.thresholds.escalation.groups, &source.thresholds.activation.groups);
    let asked = escalation.iter().map(|group| ("escalation", group));
    let authors = source.thresholds.authors.iter().map(|group| ("specs", group));
    let activation = activation.iter().map(|group| ("activation", group));
    // The administrators are named by default, and then under another section already.
    let authors = authors.filter(|(_, group)| *group != ADMINS);
    for (section, group) in asked.chain(activation).chain(authors) {
        if !peopled.contains(group) {
            let message = format!("nobody is in the group `{group}`, which [{section}] asks");
            found.push(advised(PolicyFault::of_file(THRESHOLDS_FILE, CODE, message), group, peopled));
        }
    }
    found
}

fn of_policy(parsed: &Parsed<'_>, peopled: &BTreeSet<String>) -> Option<PolicyFault> {
    let group = parsed.policy.annotation("escalate").filter(|group| !peopled.contains(*group))?;
    let place = lexical::annotation(&parsed.stored.text, "escalate");
    let offset = place.map_or(parsed.head, |at| parsed.start + at);
    let message = format!("nobody is in the group `{group}`, so nobody can lift this");
    let fault = PolicyFault::at(&parsed.stored.file, parsed.file_text, offset, CODE, message);
    Some(advised(fault, group, peopled))
}

fn advised(fault: PolicyFault, group: &str, peopled: &BTreeSet<String>) -> PolicyFault {
    match nearest(group, peopled.iter().map(String::as_str)) {
        Some(other) => fault.suggest(did_you_mean(other)),
        None => fault.suggest(format!("put somebody in: `cascade people add NAME --group {group}`")),
    }
}
