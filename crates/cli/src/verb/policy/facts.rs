//! The facts of a decision that mattered, in words.

use cascade_policy::decide::Ruling;
use cascade_policy::facts::{Facts, PrincipalKind};
use cascade_policy::snapshot::Snapshot;
use cascade_receipt::decision::Verdict;
use cascade_receipt::json::Value;

use crate::reasons;

/// Label and text, in the order in which people ask.
pub(super) fn lines(snapshot: &Snapshot, facts: &Facts, ruling: &Ruling) -> Vec<(&'static str, String)> {
    let principal = &facts.principal;
    let mut lines =
        vec![("who", format!("{}, known by {}", principal.kind.as_str(), principal.authentication.as_str()))];
    let mut groups = principal.groups.clone();
    if principal.admin {
        groups.push("admins".to_owned());
    }
    if !groups.is_empty() {
        lines.push(("groups", groups.join(", ")));
    }
    lines.push(("directory", String::from_utf8_lossy(&facts.action.cwd).into_owned()));
    for command in &ruling.classification.commands {
        let mut text = format!("{} {}", command.program, command.subcommand).trim_end().to_owned();
        text.push_str(&format!(": {}", command.tier));
        if !command.classified {
            text.push_str(", not classified");
        }
        if !command.resources.is_empty() {
            text.push_str(&format!("; on {}", reasons::resources(command)));
        }
        for finding in &command.findings {
            text.push_str(&format!("; {} ({})", finding.text, finding.code));
        }
        lines.push(("command", text));
    }
    let highest = snapshot.thresholds().tier_max(principal.kind);
    lines.push((
        "tier",
        format!(
            "{}; what {} runs without asking ends at {highest}",
            ruling.risk_tier,
            match principal.kind {
                PrincipalKind::Person => "a person",
                PrincipalKind::Agent => "an agent",
                PrincipalKind::Node => "a node",
            }
        ),
    ));
    lines.push(("moment", facts.at.to_string()));
    if ruling.decision.verdict != Verdict::Admit && !facts.approvals.is_empty() {
        lines.push(("approvals", facts.approvals.len().to_string()));
    }
    lines
}

/// The same for programs.
pub(super) fn document(lines: &[(&'static str, String)]) -> Value {
    let item = |(label, text): &(&'static str, String)| {
        Value::object([("fact", (*label).into()), ("text", text.as_str().into())])
    };
    Value::Array(lines.iter().map(item).collect())
}
