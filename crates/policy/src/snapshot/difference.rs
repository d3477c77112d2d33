//! What changes from one snapshot to another, in words.

use std::collections::{BTreeMap, BTreeSet};

use cascade_receipt::json::{self, Value};
use cedar_policy::{Effect, Policy};

use super::Snapshot;
use super::thresholds::Thresholds;
use crate::cedar::Scope;

/// What a difference is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// A policy, by its id.
    Policy,
    /// A setting of thresholds.toml.
    Threshold,
    /// A family of programs.
    Family,
    /// A worker manifest.
    Manifest,
    /// A pack.
    Pack,
    /// The schema.
    Schema,
    /// The deciding code.
    Engine,
}

impl Part {
    /// The word in JSON and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Threshold => "threshold",
            Self::Family => "family",
            Self::Manifest => "manifest",
            Self::Pack => "pack",
            Self::Schema => "schema",
            Self::Engine => "engine",
        }
    }
}

/// What happened to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Change {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Both have it, and it is another.
    Changed,
}

impl Change {
    /// The word in JSON and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// One difference between two snapshots.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Difference {
    /// What it is about.
    pub part: Part,
    /// Its name.
    pub name: String,
    /// What happened to it.
    pub change: Change,
    /// In words, one thing each.
    pub words: Vec<String>,
}

/// Everything in which `after` is not `before`. Empty exactly when their hashes are equal.
#[must_use]
pub fn differences(before: &Snapshot, after: &Snapshot) -> Vec<Difference> {
    if before.policy_hash() == after.policy_hash() {
        return Vec::new();
    }
    let mut found = policies(before, after);
    found.extend(thresholds(before.thresholds(), after.thresholds()));
    found.extend(families(before.thresholds(), after.thresholds()));
    found.extend(environments(before.thresholds(), after.thresholds()));
    found.extend(documents(before, after));
    if found.is_empty() {
        let order =
            |snapshot: &Snapshot| snapshot.policies().map(|(id, ..)| id.to_owned()).collect::<Vec<_>>();
        let words = if order(before) == order(after) {
            "something that this version has no words for"
        } else {
            "the same policies in another order"
        };
        let (name, words) = ("*".to_owned(), vec![words.to_owned()]);
        found.push(Difference { part: Part::Policy, name, change: Change::Changed, words });
    }
    found
}

/// Names of both sides, each with what either has under it.
fn paired<'a, T>(
    before: &'a BTreeMap<String, T>,
    after: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = (&'a String, Option<&'a T>, Option<&'a T>)> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().map(|name| (name, before.get(name), after.get(name)))
}

fn policies(before: &Snapshot, after: &Snapshot) -> Vec<Difference> {
    let listed = |snapshot: &Snapshot| -> BTreeMap<String, (String, String)> {
        let owned =
            |(id, file, text): (&str, &str, &str)| (id.to_owned(), (file.to_owned(), text.trim().to_owned()));
        snapshot.policies().map(owned).collect()
    };
    let (before, after) = (listed(before), listed(after));
    let found = paired(&before, &after).filter_map(|(id, old, new)| {
        let (change, words) = match (old, new) {
            (None, Some((file, text))) => (Change::Added, vec![format!("{} in {file}", gist(text))]),
            (Some((file, text)), None) => (Change::Removed, vec![format!("{} in {file}", gist(text))]),
            (Some(old), Some(new)) if old != new => (Change::Changed, policy(old, new)),
            _ => return None,
        };
        Some(Difference { part: Part::Policy, name: id.clone(), change, words })
    });
    found.collect()
}

/// Effect and scope in one line.
fn gist(text: &str) -> String {
    let Ok(policy) = text.parse::<Policy>() else { return "a policy that does not parse".to_owned() };
    let condition = if policy.has_non_scope_constraint() { ", with a condition" } else { "" };
    format!("{} {}{condition}", effect(&policy), scope(&Scope::of(&policy)))
}

fn effect(policy: &Policy) -> &'static str {
    if policy.effect() == Effect::Permit { "permit" } else { "forbid" }
}

fn scope(scope: &Scope) -> String {
    let part = |name: &str, constraint: &str| match constraint {
        "*" => format!("any {name}"),
        _ => format!("{name} {constraint}"),
    };
    format!("{}, {}", part("principal", &scope.principal), part("resource", &scope.resource))
}

/// What changed in a policy; texts of file and policy.
fn policy(old: &(String, String), new: &(String, String)) -> Vec<String> {
    let mut words = Vec::new();
    if old.0 != new.0 {
        words.push(format!("moved from {} to {}", old.0, new.0));
    }
    let (Ok(before), Ok(after)) = (old.1.parse::<Policy>(), new.1.parse::<Policy>()) else {
        words.push("its text, which does not parse".to_owned());
        return words;
    };
    if before.effect() != after.effect() {
        words.push(format!("{} becomes {}", effect(&before), effect(&after)));
    }
    let scopes = (Scope::of(&before), Scope::of(&after));
    let constraints = [
        ("principal", &scopes.0.principal, &scopes.1.principal),
        ("resource", &scopes.0.resource, &scopes.1.resource),
        ("action", &scopes.0.actions.join(", "), &scopes.1.actions.join(", ")),
    ];
    words.extend(
        constraints
            .into_iter()
            .filter(|(_, before, after)| before != after)
            .map(|(part, before, after)| format!("{part}: {before} becomes {after}")),
    );
    let conditions = |policy: &Policy| policy.to_json().ok()?.get("conditions").map(ToString::to_string);
    if conditions(&before) != conditions(&after) {
        words.push("its condition".to_owned());
    }
    let notes = |policy: &Policy| -> BTreeMap<String, String> {
        policy.annotations().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    words.extend(paired(&notes(&before), &notes(&after)).filter_map(|(key, old, new)| match (old, new) {
        (Some(old), Some(new)) if old != new => Some(format!("@{key}: \"{old}\" becomes \"{new}\"")),
        (None, Some(new)) => Some(format!("@{key}(\"{new}\") is new")),
        (Some(old), None) => Some(format!("@{key}(\"{old}\") is gone")),
        _ => None,
    }));
    if words.is_empty() {
        words.push("only its comments or layout".to_owned());
    }
    words
}

fn thresholds(before: &Thresholds, after: &Thresholds) -> Vec<Difference> {
    let nobody = || "nobody".to_owned();
    let listed = |own: &Thresholds| -> BTreeMap<String, String> {
        let glass = own.break_glass.as_ref();
        let kinds: Vec<&str> = own.grant_required.iter().map(|kind| kind.as_str()).collect();
        let terms = &own.escalation;
        [
            ("risk.person", own.person.to_string()),
            ("risk.agent", own.agent.to_string()),
            ("risk.node", own.node.to_string()),
            ("escalation.groups", terms.groups.join(", ")),
            ("escalation.required", terms.required.to_string()),
            ("escalation.expires_minutes", (terms.expires_after_ms / 60_000).to_string()),
            ("escalation.signature_required", terms.signature_required.to_string()),
            ("authority.grant_required", if kinds.is_empty() { nobody() } else { kinds.join(", ") }),
            ("activation.required", own.activation.required.to_string()),
            ("activation.groups", own.activation.groups.join(", ")),
            ("specs.authors", own.authors.join(", ")),
            ("break_glass.groups", glass.map_or_else(nobody, |terms| terms.groups.join(", "))),
            ("break_glass.review_groups", glass.map_or_else(nobody, |terms| terms.review_groups.join(", "))),
            (
                "break_glass.review_hours",
                glass.map_or_else(
                    || "never".to_owned(),
                    |terms| (terms.review_within_ms / 3_600_000).to_string(),
                ),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    };
    let (before, after) = (listed(before), listed(after));
    let found =
        paired(&before, &after).filter(|(_, old, new)| old != new).map(|(name, old, new)| Difference {
            part: Part::Threshold,
            name: name.clone(),
            change: Change::Changed,
            words: old.zip(new).map(|(old, new)| format!("{old} becomes {new}")).into_iter().collect(),
        });
    found.collect()
}

fn families(before: &Thresholds, after: &Thresholds) -> Vec<Difference> {
    paired(&before.families, &after.families)
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| listed(Part::Family, name.clone(), old, new))
        .collect()
}

fn environments(before: &Thresholds, after: &Thresholds) -> Vec<Difference> {
    let sets = |own: &Thresholds| -> BTreeMap<String, BTreeSet<String>> {
        let one = |(name, texts): (&str, &[String])| (name.to_owned(), texts.iter().cloned().collect());
        own.environments.iter().map(one).collect()
    };
    paired(&sets(before), &sets(after))
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| listed(Part::Threshold, format!("environments.{name}"), old, new))
        .collect()
}

/// What came to a list, and what is gone from it.
fn listed(
    part: Part,
    name: String,
    old: Option<&BTreeSet<String>>,
    new: Option<&BTreeSet<String>>,
) -> Difference {
    let none = BTreeSet::new();
    let (was, is) = (old.unwrap_or(&none), new.unwrap_or(&none));
    let list = |items: Vec<&String>, what: &str| {
        let names: Vec<&str> = items.into_iter().map(String::as_str).collect();
        (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")))
    };
    let added = list(is.difference(was).collect(), "with");
    let gone = list(was.difference(is).collect(), "without");
    Difference {
        part,
        name,
        change: change(old.is_some(), new.is_some()),
        words: added.into_iter().chain(gone).collect(),
    }
}

const fn change(old: bool, new: bool) -> Change {
    match (old, new) {
        (false, _) => Change::Added,
        (true, false) => Change::Removed,
        (true, true) => Change::Changed,
    }
}

/// What a document names by hash.
fn documents(before: &Snapshot, after: &Snapshot) -> Vec<Difference> {
    let read = |snapshot: &Snapshot| json::parse_canonical(snapshot.document()).ok();
    let (Some(before), Some(after)) = (read(before), read(after)) else { return Vec::new() };
    let hashes = |document: &Value, key: &str| -> BTreeMap<String, String> {
        let list = document.member(key).and_then(Value::as_array).unwrap_or_default();
        let text = |item: &Value, key: &str| Some(item.member(key)?.as_str()?.to_owned());
        list.iter().filter_map(|item| Some((text(item, "name")?, text(item, "hash")?))).collect()
    };
    let mut found = Vec::new();
    for (part, key) in [(Part::Manifest, "manifests"), (Part::Pack, "packs")] {
        let (old, new) = (hashes(&before, key), hashes(&after, key));
        found.extend(paired(&old, &new).filter(|(_, old, new)| old != new).map(|(name, old, new)| {
            Difference {
                part,
                name: name.clone(),
                change: change(old.is_some(), new.is_some()),
                words: Vec::new(),
            }
        }));
    }
    for (part, key) in [(Part::Schema, "schema"), (Part::Engine, "engine")] {
        let of = |document: &Value| document.member(key).and_then(Value::as_str).map(str::to_owned);
        let (old, new) = (of(&before), of(&after));
        if old != new {
            let words = old.zip(new).filter(|_| part == Part::Engine);
            found.push(Difference {
                part,
                name: key.to_owned(),
                change: Change::Changed,
                words: words.map(|(old, new)| format!("{old} becomes {new}")).into_iter().collect(),
            });
        }
    }
    found.extend(other_settings(&before, &after));
    found
}

/// Settings that [`thresholds`], [`families`] and [`environments`] tell of in words of their own.
const TOLD: [&str; 10] = [
    "person",
    "agent",
    "node",
    "escalation",
    "grant_required",
    "families",
    "environments",
    "activation",
    "authors",
    "break_glass",
];

/// Every other setting, as the documents have it.
fn other_settings(before: &Value, after: &Value) -> Vec<Difference> {
    let settings = |document: &Value| -> BTreeMap<String, String> {
        let all = document.member("thresholds").and_then(Value::as_object).into_iter().flatten();
        let others = all.filter(|(key, _)| !TOLD.contains(&key.as_str()));
        others.map(|(key, value)| (key.clone(), value.to_canonical())).collect()
    };
    let (before, after) = (settings(before), settings(after));
    let found = paired(&before, &after).filter(|(_, old, new)| old != new);
    found
        .map(|(name, old, new)| Difference {
            part: Part::Threshold,
            name: name.clone(),
            change: change(old.is_some(), new.is_some()),
            words: match (old, new) {
                (Some(old), Some(new)) => vec![format!("{old} becomes {new}")],
                (old, new) => old.or(new).cloned().into_iter().collect(),
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_later_versions_are_told_too() {
        let document = |text: &str| json::parse(format!("{{\"thresholds\":{text}}}").as_bytes()).unwrap();
        let before = document(r#"{"person":"LOW","quota":{"a":1},"old":2}"#);
        let after = document(r#"{"person":"HIGH","quota":{"a":2},"new":[3]}"#);
        let told: Vec<String> = other_settings(&before, &after)
            .into_iter()
            .map(|one| format!("{} {}: {}", one.name, one.change.as_str(), one.words.join("; ")))
            .collect();
        assert_eq!(told, ["new added: [3]", "old removed: 2", "quota changed: {\"a\":1} becomes {\"a\":2}"]);
    }
}
