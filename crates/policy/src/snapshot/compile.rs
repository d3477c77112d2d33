//! The strict path: from texts to a snapshot, or to a list of everything that is wrong.

use std::collections::{BTreeMap, BTreeSet};

use cascade_receipt::decision::GateName;
use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;

use super::fault::PolicyFault;
use super::lexical::{self, Piece};
use super::near::{did_you_mean, nearest, unknown_key};
use super::source::{SCHEMA_FILE, SnapshotSource};
use super::{Snapshot, document, lint, sample};
use crate::cedar::{Scope, StoredPolicy};
use crate::limits::LIMITS_FILE;
use crate::name::Name;
use crate::pack::{self, Pack};
use crate::worker::Registry;

/// Most policies in one snapshot.
pub const POLICIES_MAX: usize = 10_000;
/// Most bytes of policy text in one snapshot.
pub const POLICIES_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest schema, in bytes.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// Longest policy id, in bytes. Ids stand in receipts.
pub const ID_BYTES_MAX: usize = 100;

const SHORTER: &str = "split the policy, or compare with a set: [..].contains(..)";

pub(super) fn compile(source: &SnapshotSource) -> Result<Snapshot, Vec<PolicyFault>> {
    let mut faults = Vec::new();
    let policies = policies(source, &mut faults);
    if let Some(schema) = schema(source, &mut faults) {
        validate(&schema, source, &policies, &mut faults);
    }
    faults.extend(policies.iter().filter_map(lint::overflow));
    manifests(source, &mut faults);
    families(source, &mut faults);
    packs(source, &policies, &mut faults);
    if !faults.is_empty() {
        faults.sort_unstable();
        faults.dedup();
        return Err(faults);
    }
    let stored = policies.into_iter().map(|parsed| parsed.stored).collect();
    Ok(document::assemble(source, stored))
}

/// A policy and where its text begins.
pub(super) struct Parsed<'a> {
    pub(super) stored: StoredPolicy,
    pub(super) policy: Policy,
    /// The parsed policy as JSON, for those who walk it.
    pub(super) json: serde_json::Value,
    pub(super) file_text: &'a str,
    /// First byte after the policy before.
    pub(super) start: usize,
    /// First byte of its own, comments before it left out.
    pub(super) head: usize,
}

/// Every pack can decide beside the source's own policies.
fn packs(source: &SnapshotSource, policies: &[Parsed<'_>], faults: &mut Vec<PolicyFault>) {
    let own = policies.iter().map(|parsed| parsed.stored.clone()).collect();
    let read = source.packs.iter().map(|(name, text)| (name.clone(), Pack::read(name, text)));
    faults.extend(pack::join(own, source.thresholds.clone(), read).unready.into_values());
}

/// The policies of one file of a pack.
pub(crate) fn policies_of_file(file: &str, text: &str) -> Result<Vec<(StoredPolicy, Policy)>, PolicyFault> {
    let pieces = (1..).zip(lexical::pieces(text));
    let read = |(number, piece): (usize, Piece)| match policy(file, text, &piece, number) {
        Ok(parsed) => Ok((parsed.stored, parsed.policy)),
        Err(faults) => Err(faults.into_iter().next().unwrap_or_else(|| {
            PolicyFault::at(file, text, piece.start, "policy.syntax", "it does not parse".to_owned())
        })),
    };
    pieces.map(read).collect()
}

/// The policies of a source in which every one parses.
pub(super) fn parsed(source: &SnapshotSource) -> Option<Vec<Parsed<'_>>> {
    let mut faults = Vec::new();
    let policies = policies(source, &mut faults);
    faults.is_empty().then_some(policies)
}

fn policies<'a>(source: &'a SnapshotSource, faults: &mut Vec<PolicyFault>) -> Vec<Parsed<'a>> {
    let mut parsed: Vec<Parsed<'a>> = Vec::new();
    if let Some(fault) = excess(source) {
        faults.push(fault);
        return parsed;
    }
    let mut ids: BTreeSet<String> = BTreeSet::new();
    for (file, text) in &source.policies {
        for (number, piece) in (1..).zip(lexical::pieces(text)) {
            match policy(file, text, &piece, number) {
                Ok(one) if ids.insert(one.stored.id.clone()) => parsed.push(one),
                Ok(one) => {
                    let message = format!("the id `{}` is taken", one.stored.id);
                    let fault = PolicyFault::at(file, text, head(text, &piece), "policy.id", message);
                    faults.push(fault.suggest("give each policy its own @id"));
                }
                Err(found) => faults.extend(found),
            }
        }
    }
    parsed
}

/// The limits on all policies together, before any is parsed.
fn excess(source: &SnapshotSource) -> Option<PolicyFault> {
    let bytes: usize = source.policies.iter().map(|(_, text)| text.len()).sum();
    if bytes > POLICIES_BYTES_MAX {
        let (file, _) = source.policies.first()?;
        let message = format!("policies have {bytes} bytes in all, more than {POLICIES_BYTES_MAX}");
        return Some(PolicyFault::of_file(file, "policy.limit", message));
    }
    let mut left = POLICIES_MAX;
    for (file, text) in &source.policies {
        let pieces = lexical::pieces(text);
        if let Some(piece) = pieces.get(left) {
            let message = format!("there are more than {POLICIES_MAX} policies");
            return Some(PolicyFault::at(file, text, piece.start, "policy.limit", message));
        }
        left -= pieces.len();
    }
    None
}

fn policy<'a>(
    file: &str,
    text: &'a str,
    piece: &Piece,
    number: usize,
) -> Result<Parsed<'a>, Vec<PolicyFault>> {
    if let Some((offset, excess)) = &piece.excess {
        let fault = PolicyFault::at(file, text, *offset, "policy.limit", excess.to_string());
        return Err(vec![fault.suggest(SHORTER)]);
    }
    let own = text.get(piece.start..piece.end).unwrap_or_default();
    let stem = file.strip_suffix(".cedar").unwrap_or(file);
    let policy = Policy::parse(Some(PolicyId::new(format!("{stem}.{number}"))), own).map_err(|errors| {
        let faults = errors.iter().map(|error| diagnosed("policy.syntax", file, text, piece.start, error));
        faults.collect::<Vec<_>>()
    })?;
    let faults: Vec<PolicyFault> = annotation_faults(&policy)
        .map(|(key, message, hint)| {
            let place =
                lexical::annotation(own, key).map_or_else(|| head(text, piece), |at| piece.start + at);
            PolicyFault::at(file, text, place, "policy.annotation", message).suggest(hint)
        })
        .collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let policy = match policy.annotation("id") {
        Some(id) => policy.new_id(PolicyId::new(id)),
        None => policy,
    };
    let stored = StoredPolicy {
        id: policy.id().to_string(),
        file: file.to_owned(),
        text: own.to_owned(),
        scope: Scope::of(&policy),
    };
    let json = policy.to_json().unwrap_or_default();
    Ok(Parsed { stored, policy, json, file_text: text, start: piece.start, head: head(text, piece) })
}

/// The first byte of the policy itself: comments and space before it are passed over.
fn head(text: &str, piece: &Piece) -> usize {
    let mut at = piece.start;
    for line in text.get(piece.start..piece.end).unwrap_or_default().split_inclusive('\n') {
        let bare = line.trim_start();
        if !bare.is_empty() && !bare.starts_with("//") {
            return at + (line.len() - bare.len());
        }
        at += line.len();
    }
    piece.start
}

const ANNOTATIONS: [&str; 5] = ["id", "gate", "escalate", "control", "reason"];
/// Gates at which a forbid may speak.
const SPOKEN_AT: [&str; 9] =
    ["standing", "identity", "authority", "specification", "policy", "risk", "failfast", "budget", "window"];

/// Faults of annotations, each with its name and what to do. A misspelt one would silently mean nothing.
fn annotation_faults(policy: &Policy) -> impl Iterator<Item = (&str, String, String)> {
    let forbid = policy.effect() == Effect::Forbid;
    let failfast = policy.annotation("gate") == Some(GateName::Failfast.as_str());
    policy.annotations().filter_map(move |(key, value)| {
        let fault = |message: String, hint: String| Some((key, message, hint));
        match key {
            "id" if !is_id(value) => fault(
                format!("`{value}` is not an id"),
                "use a-z, A-Z, 0-9, `.`, `_`, `-`, `:`, up to 100 of them".to_owned(),
            ),
            "gate" if !forbid => {
                fault("only a forbid speaks at a gate".to_owned(), "remove @gate".to_owned())
            }
            "gate" if !SPOKEN_AT.contains(&value) => fault(
                format!("no policy can speak at the gate `{value}`"),
                nearest(value, SPOKEN_AT)
                    .map_or_else(|| format!("use one of {}", SPOKEN_AT.join(", ")), did_you_mean),
            ),
            "escalate" if !forbid => {
                fault("only a forbid escalates".to_owned(), "remove @escalate".to_owned())
            }
            "escalate" if failfast => fault(
                "the failfast gate is never lifted".to_owned(),
                "remove @escalate or use another @gate".to_owned(),
            ),
            "escalate" if value.is_empty() => {
                fault("@escalate names no group".to_owned(), "write @escalate(\"group\")".to_owned())
            }
            "escalate" => Name::parse(value).err().and_then(|no_name| {
                fault(
                    format!("`{value}` can be no group: {no_name}"),
                    "name a group of `people add`".to_owned(),
                )
            }),
            "control" if !is_id(value) => fault(
                format!("`{value}` is not a control id"),
                "write it as the catalogue does: CC8.1".to_owned(),
            ),
            _ if ANNOTATIONS.contains(&key) => None,
            _ => fault(
                format!("the annotation @{key} means nothing here"),
                nearest(key, ANNOTATIONS).map_or_else(
                    || "use @id, @gate, @escalate, @control or @reason".to_owned(),
                    |meant| format!("did you mean @{meant}?"),
                ),
            ),
        }
    })
}

fn is_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':');
    !text.is_empty() && text.len() <= ID_BYTES_MAX && text.bytes().all(fits)
}

fn schema(source: &SnapshotSource, faults: &mut Vec<PolicyFault>) -> Option<Schema> {
    let text = &source.schema;
    if text.len() > SCHEMA_BYTES_MAX {
        let message = format!("schema is longer than {SCHEMA_BYTES_MAX} bytes");
        faults.push(PolicyFault::of_file(SCHEMA_FILE, "schema.limit", message));
        return None;
    }
    if let Some((offset, excess)) = lexical::pieces(text).into_iter().find_map(|piece| piece.excess) {
        let message = excess.to_string().replace("policy", "declaration");
        faults.push(PolicyFault::at(SCHEMA_FILE, text, offset, "schema.limit", message));
        return None;
    }
    match Schema::from_cedarschema_str(text) {
        Ok((schema, _warnings)) => {
            if let Err(message) = sample::conform(&schema) {
                let fault = PolicyFault::of_file(SCHEMA_FILE, "schema.mismatch", one_line(&message));
                faults.push(fault.suggest("start from the default schema; requests have its shape"));
                return None;
            }
            Some(schema)
        }
        Err(error) => {
            faults.push(diagnosed("schema.syntax", SCHEMA_FILE, text, 0, &error));
            None
        }
    }
}

/// All policies against the schema, strictly. Warnings are faults: a policy that can never apply is
/// a forbid that never forbids.
fn validate(
    schema: &Schema,
    source: &SnapshotSource,
    policies: &[Parsed<'_>],
    faults: &mut Vec<PolicyFault>,
) {
    let by_id: BTreeMap<&str, &Parsed<'_>> =
        policies.iter().map(|parsed| (parsed.stored.id.as_str(), parsed)).collect();
    let set = match PolicySet::from_policies(policies.iter().map(|parsed| parsed.policy.clone())) {
        Ok(set) => set,
        Err(error) => {
            let file = source.policies.first().map_or("", |(file, _)| file.as_str());
            return faults.push(PolicyFault::of_file(file, "policy.id", error.to_string()));
        }
    };
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let errors: Vec<_> = result.validation_errors().map(|error| (id_of(error.policy_id()), error)).collect();
    let erring: BTreeSet<&str> = errors.iter().map(|(id, _)| *id).collect();
    // What is misspelt can never apply either; once is enough.
    let warnings = result.validation_warnings().map(|warning| (id_of(warning.policy_id()), warning));
    let warnings = warnings.filter(|(id, _)| !erring.contains(id));
    let all = errors.iter().map(|(id, error)| (*id, *error as &dyn Diagnostic));
    for (id, diagnostic) in all.chain(warnings.map(|(id, warning)| (id, warning as &dyn Diagnostic))) {
        let Some(parsed) = by_id.get(id) else { continue };
        let (file, text) = (&parsed.stored.file, parsed.file_text);
        faults.push(diagnosed("policy.schema", file, text, parsed.start, diagnostic));
    }
}

fn id_of(id: &PolicyId) -> &str {
    id.as_ref()
}

/// A family that thresholds.toml does not name would be a limit on nothing.
fn families(source: &SnapshotSource, faults: &mut Vec<PolicyFault>) {
    let thresholds = &source.thresholds;
    for (rule, family) in thresholds.limits.families() {
        if !thresholds.families.contains_key(family) {
            let message = format!("`{rule}` names the family `{family}`, which does not exist");
            let fault = PolicyFault::of_file(LIMITS_FILE, "limits.value", message);
            faults.push(fault.suggest("name it in thresholds.toml under [families]"));
        }
    }
}

fn manifests(source: &SnapshotSource, faults: &mut Vec<PolicyFault>) {
    let registry = Registry::new(source.manifests.iter().cloned());
    for fault in registry.check() {
        let file = format!("workers/{}.toml", fault.manifest);
        let text = source.manifests.iter().find(|(name, _)| *name == fault.manifest);
        let text = text.map(|(_, text)| text.as_str()).unwrap_or_default();
        // What is wrong quotes what it is about; where that stands is the place.
        let quoted = fault.what.split('`').nth(1).filter(|quoted| !quoted.is_empty());
        let offset = fault.offset.or_else(|| text.find(quoted?)).unwrap_or(0);
        let found = PolicyFault::at(&file, text, offset, "worker.fault", one_line(&fault.what));
        faults.push(match unknown_key(&fault.what) {
            Some(hint) => found.suggest(hint),
            None => found,
        });
    }
}

/// A fault as Cedar reports it, moved to its place in the file.
fn diagnosed(
    code: &'static str,
    file: &str,
    text: &str,
    start: usize,
    diagnostic: &(impl Diagnostic + ?Sized),
) -> PolicyFault {
    let label = diagnostic.labels().and_then(|mut labels| labels.next());
    let offset = start + label.as_ref().map_or(0, |label| label.offset());
    let mut message = one_line(&diagnostic.to_string());
    if let Some(detail) =
        label.as_ref().and_then(|label| label.label()).filter(|detail| !message.contains(detail))
    {
        message = format!("{message}: {}", one_line(detail));
    }
    let fault = PolicyFault::at(file, text, offset, code, message);
    match diagnostic.help() {
        Some(help) => fault.suggest(one_line(&help.to_string())),
        None => fault,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_limited(text: String) -> bool {
        let policies = vec![("x.cedar".to_owned(), "permit(principal,action,resource);".to_owned())];
        let mut source = SnapshotSource { policies, ..SnapshotSource::empty() };
        source.policies.push(("y.cedar".to_owned(), text));
        excess(&source).is_some()
    }

    #[test]
    fn limits_on_all_policies_together() {
        let count = |count: usize| "permit(principal,action,resource);".repeat(count - 1);
        assert!(!is_limited(count(POLICIES_MAX)));
        assert!(is_limited(count(POLICIES_MAX + 1)));
        let bytes = |bytes: usize| " ".repeat(bytes - 34);
        assert!(!is_limited(bytes(POLICIES_BYTES_MAX)));
        assert!(is_limited(bytes(POLICIES_BYTES_MAX + 1)));
    }
}
