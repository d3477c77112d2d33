//! Names in policies that nothing bears: families, programs, and words of the context.

use super::number::context_member;
use crate::snapshot::compile::Parsed;
use crate::snapshot::fault::PolicyFault;
use crate::snapshot::near::{did_you_mean, nearest};
use crate::snapshot::source::THRESHOLDS_FILE;
use crate::snapshot::thresholds::Thresholds;
use crate::worker::Registry;

/// Members of the context that hold one of a few words.
const WORDS: [(&str, &[&str]); 3] = [
    ("kind", &["cli", "shell", "tool"]),
    ("stdin", &["none", "terminal", "stream", "captured"]),
    ("authentication", &["os_user", "environment_marker", "token", "jwt", "mtls", "none"]),
];

pub(super) fn warnings(
    parsed: &Parsed<'_>,
    thresholds: &Thresholds,
    registry: &Registry,
) -> Vec<PolicyFault> {
    let mut found = Vec::new();
    let mut left = vec![&parsed.json];
    while let Some(value) = left.pop() {
        let Some(members) = value.as_object() else {
            left.extend(value.as_array().into_iter().flatten());
            continue;
        };
        let text = |key| members.get(key).and_then(serde_json::Value::as_str);
        match (text("type"), text("id")) {
            (Some("Family"), Some(id)) => found.extend(family(parsed, id, thresholds)),
            (Some("Environment"), Some(id)) => found.extend(environment(parsed, id, thresholds)),
            (Some("Program"), Some(id)) => found.extend(program(parsed, id, registry)),
            _ => {}
        }
        for (key, member) in members {
            match key.as_str() {
                "==" | "!=" => found.extend(word(parsed, member.get("left"), member.get("right"))),
                "contains" => found.extend(word(parsed, member.get("right"), member.get("left"))),
                // Texts for people hold what they like.
                "annotations" => continue,
                _ => {}
            }
            left.push(member);
        }
    }
    found
}

fn at_name(parsed: &Parsed<'_>, name: &str, code: &'static str, message: String) -> PolicyFault {
    let own = parsed.file_text.get(parsed.head..).unwrap_or_default();
    let offset = parsed.head + own.find(name).unwrap_or(0);
    PolicyFault::at(&parsed.stored.file, parsed.file_text, offset, code, message)
}

fn family(parsed: &Parsed<'_>, id: &str, thresholds: &Thresholds) -> Option<PolicyFault> {
    if thresholds.families.contains_key(id) {
        return None;
    }
    let message = format!("thresholds.toml names no family `{id}`, so no program is ever in it");
    let fault = at_name(parsed, &format!("Family::\"{id}\""), "policy.unknown_family", message);
    Some(match nearest(id, thresholds.families.keys().map(String::as_str)) {
        Some(other) => fault.suggest(did_you_mean(other)),
        None => fault.suggest("list its programs under [families]"),
    })
}

fn environment(parsed: &Parsed<'_>, id: &str, thresholds: &Thresholds) -> Option<PolicyFault> {
    if thresholds.environments.knows(id) {
        return None;
    }
    let message = format!("thresholds.toml names no environment `{id}`, so nothing is ever in it");
    let fault = at_name(parsed, &format!("Environment::\"{id}\""), "policy.unknown_environment", message);
    Some(match nearest(id, thresholds.environments.iter().map(|(name, _)| name)) {
        Some(other) => fault.suggest(did_you_mean(other)),
        None => fault.suggest("list its resources under [environments]"),
    })
}

/// Environments of which no policy speaks: whoever declared them meant something by it.
pub(super) fn unmentioned(policies: &[Parsed<'_>], thresholds: &Thresholds) -> Vec<PolicyFault> {
    let mentions = |name: &str| {
        let named = format!("Environment::\"{name}\"");
        policies.iter().any(|parsed| parsed.stored.text.contains(&named))
    };
    let unused = thresholds.environments.iter().filter(|(name, _)| !mentions(name));
    let fault = |(name, _): (&str, &[String])| {
        let message = format!("no policy mentions the environment `{name}`");
        PolicyFault::of_file(THRESHOLDS_FILE, "thresholds.unused_environment", message)
            .suggest(format!("compare with context.environments.contains(Environment::\"{name}\")"))
    };
    unused.map(fault).collect()
}

/// A program without a manifest may be the customer's own; one that is nearly a known one is not.
fn program(parsed: &Parsed<'_>, id: &str, registry: &Registry) -> Option<PolicyFault> {
    if registry.programs().any(|known| known == id) {
        return None;
    }
    let other = nearest(id, registry.programs())?;
    let message = format!("no manifest knows a program `{id}`");
    let fault = at_name(parsed, &format!("Program::\"{id}\""), "policy.unknown_program", message);
    Some(fault.suggest(did_you_mean(other)))
}

/// A literal that is compared with a member of the context which never holds it.
fn word(
    parsed: &Parsed<'_>,
    one: Option<&serde_json::Value>,
    other: Option<&serde_json::Value>,
) -> Option<PolicyFault> {
    let (one, other) = (one?, other?);
    let member = |side: &serde_json::Value| {
        let name = context_member(side.get(".")?)?;
        WORDS.iter().find(|(member, _)| *member == name)
    };
    let ((name, known), literal) =
        member(one).map(|found| (*found, other)).or_else(|| member(other).map(|found| (*found, one)))?;
    let literals = match literal.get("Set").and_then(serde_json::Value::as_array) {
        Some(items) => items.iter().collect(),
        None => vec![literal],
    };
    let texts = literals.into_iter().filter_map(|item| item.get("Value")?.as_str());
    let text = texts.into_iter().find(|text| !known.contains(text))?;
    let fault = at_name(
        parsed,
        &format!("\"{text}\""),
        "policy.unknown_word",
        format!("context.{name} is never `{text}`"),
    );
    Some(match nearest(text, known.iter().copied()) {
        Some(meant) => fault.suggest(did_you_mean(meant)),
        None => fault.suggest(format!("it is one of {}", known.join(", "))),
    })
}
