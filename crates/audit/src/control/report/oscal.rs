//! The audit as OSCAL assessment results, for tools that read those.
//!
//! Each finding, and each thing that cannot be proven, is an observation whose evidence are receipts; each control that
//! applies is a finding that stands on them. Ids follow from what they name: the same audit gives the same document.

use cascade_receipt::digest::Digest;
use cascade_receipt::json::Value;

use super::super::{ControlResult, Finding, Outcome};
use super::{Report, when};

/// The version of OSCAL that it follows.
const VERSION: &str = "1.2.3";
/// The namespace of our properties.
const NAMESPACE: &str = "urn:cascade:audit:v1";

pub(super) fn of(report: &Report) -> Value {
    let Report { controls, period, .. } = report;
    let title = format!("{} controls of the chain {}", controls.pack, report.origin());
    let plan = uuid(report, "controls");
    let metadata = Value::object([
        ("last-modified", when(period.now).into()),
        ("oscal-version", VERSION.into()),
        ("title", title.as_str().into()),
        ("version", "1".into()),
    ]);
    let resource = Value::object([
        ("description", "The file of controls that were asked, by its SHA-256.".into()),
        ("props", props(&[("controls_hash", &controls.hash.to_hex())])),
        ("title", format!("packs/{}/controls.toml", controls.pack).into()),
        ("uuid", plan.as_str().into()),
    ]);
    let results = Value::object([
        ("back-matter", Value::object([("resources", Value::Array(vec![resource]))])),
        ("import-ap", Value::object([("href", format!("#{plan}").into())])),
        ("metadata", metadata),
        ("results", Value::Array(vec![result(report, &title)])),
        ("uuid", uuid(report, "document").into()),
    ]);
    Value::object([("assessment-results", results)])
}

fn result(report: &Report, title: &str) -> Value {
    let (period, verdict) = (report.period, &report.verdict);
    let results = &report.audit.results;
    let asked = results
        .iter()
        .map(|result| Value::object([("control-id", token(&result.control.id).into())]))
        .collect();
    let selection = Value::object([("include-controls", Value::Array(asked))]);
    let said = verdict.fault().map_or("valid", |fault| fault.code.as_str());
    let mut members = vec![
        ("description", describe(report).into()),
        ("end", when(period.until).into()),
        (
            "props",
            props(&[
                ("chain", said),
                ("key_pinned", if verdict.key_pinned() { "yes" } else { "no" }),
                ("log_origin", report.origin()),
            ]),
        ),
        ("reviewed-controls", Value::object([("control-selections", Value::Array(vec![selection]))])),
        ("start", when(period.since).into()),
        ("title", title.into()),
        ("uuid", uuid(report, "result").into()),
    ];
    let observations: Vec<Value> = results.iter().flat_map(|result| observations(report, result)).collect();
    let applying = results.iter().filter(|result| result.outcome != Outcome::NotApplicable);
    let findings: Vec<Value> = applying.map(|result| finding(report, result)).collect();
    // OSCAL has no empty lists.
    for (key, list) in [("observations", observations), ("findings", findings)] {
        if !list.is_empty() {
            members.push((key, Value::Array(list)));
        }
    }
    object(members)
}

/// What a reader must know beside the findings: what has no finding, and what the chain does not prove at all.
fn describe(report: &Report) -> String {
    let none = report.audit.results.iter().filter(|result| result.outcome == Outcome::NotApplicable);
    let none: Vec<&str> = none.map(|result| result.control.id.as_str()).collect();
    let mut text = format!("{} receipts. ", report.verdict.receipts());
    if !none.is_empty() {
        text.push_str(&format!("Not applicable in this period: {}. ", none.join(", ")));
    }
    text.push_str("Not proven: ");
    text.push_str(&report.verdict.not_proven().join("; "));
    text
}

fn observations<'r>(report: &'r Report, result: &'r ControlResult) -> impl Iterator<Item = Value> {
    result.told().enumerate().map(|(number, (what, one))| {
        let mut members = vec![
            ("collected", when(report.period.now).into()),
            ("description", one.summary.as_str().into()),
            ("methods", Value::Array(vec!["TEST".into()])),
            ("title", result.control.title.as_str().into()),
            ("types", Value::Array(vec![what.into()])),
            ("uuid", observation_uuid(report, result, number).into()),
        ];
        let evidence: Vec<Value> = one.receipts.iter().map(|(seq, id)| receipt(*seq, id)).collect();
        if !evidence.is_empty() {
            members.push(("relevant-evidence", Value::Array(evidence)));
        }
        members.extend(place(one).map(|place| ("props", place)));
        object(members)
    })
}

fn receipt(seq: i64, id: &str) -> Value {
    Value::object([
        ("description", format!("receipt {id}, seq {seq}").into()),
        ("href", format!("#{id}").into()),
    ])
}

fn place(one: &Finding) -> Option<Value> {
    let broken = one.broken.as_ref()?;
    let (line, seq) = (broken.line.to_string(), broken.seq.to_string());
    Some(props(&[("cause", broken.cause.as_str()), ("line", &line), ("seq", &seq)]))
}

fn finding(report: &Report, result: &ControlResult) -> Value {
    let control = &result.control;
    let (state, reason) = match result.outcome {
        Outcome::Satisfied | Outcome::NotApplicable => ("satisfied", "pass"),
        Outcome::Violated => ("not-satisfied", "fail"),
        Outcome::NotProvable | Outcome::Failed => ("not-satisfied", "other"),
    };
    let mut status = vec![("reason", reason.into()), ("state", state.into())];
    if let Some(remarks) = remarks(result) {
        status.push(("remarks", remarks.into()));
    }
    let target = Value::object([
        ("status", object(status)),
        ("target-id", token(&control.id).into()),
        ("type", "objective-id".into()),
    ]);
    let criteria = control.criteria.join(", ");
    let mut properties = vec![("outcome", result.outcome.as_str()), ("severity", control.severity.as_str())];
    if !criteria.is_empty() {
        properties.push(("criteria", &criteria));
    }
    let evidence = format!("Evidence: {}. Looked at: {}.", control.evidence, result.looked_at);
    let description =
        if control.citation.is_empty() { evidence } else { format!("{}. {evidence}", control.citation) };
    let related: Vec<Value> = (0..result.told().count())
        .map(|number| Value::object([("observation-uuid", observation_uuid(report, result, number).into())]))
        .collect();
    let mut members = vec![
        ("description", description.into()),
        ("props", props(&properties)),
        ("remarks", format!("Next: {}", control.next).into()),
        ("target", target),
        ("title", control.title.as_str().into()),
        ("uuid", uuid(report, &format!("finding {}", control.id)).into()),
    ];
    if !related.is_empty() {
        members.push(("related-observations", Value::Array(related)));
    }
    object(members)
}

fn remarks(result: &ControlResult) -> Option<String> {
    if let Some(fault) = &result.fault {
        return Some(format!("The control gave no answer: {fault}"));
    }
    let more = result.more.then_some("There is more than is listed.");
    match result.outcome {
        Outcome::NotProvable => Some(format!("Not provable from this chain. {}", more.unwrap_or_default())),
        _ => more.map(str::to_owned),
    }
}

fn props(all: &[(&str, &str)]) -> Value {
    let one = |(name, value): &(&str, &str)| {
        // A value is one line that neither begins nor ends with space, and is never empty.
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let value = if value.is_empty() { "-".to_owned() } else { value };
        Value::object([("name", (*name).into()), ("ns", NAMESPACE.into()), ("value", value.into())])
    };
    Value::Array(all.iter().map(one).collect())
}

/// Ids of OSCAL are made of letters, digits, `.`, `-` and `_`; those of an own pack may have more.
fn token(id: &str) -> String {
    let fits = |letter: char| if letter.is_alphanumeric() || ".-_".contains(letter) { letter } else { '_' };
    let text: String = id.chars().map(fits).collect();
    if text.starts_with(|first: char| first.is_alphabetic() || first == '_') {
        text
    } else {
        format!("_{text}")
    }
}

fn observation_uuid(report: &Report, result: &ControlResult, number: usize) -> String {
    uuid(report, &format!("observation {} {number}", result.control.id))
}

/// An id that follows from the audit and the name.
fn uuid(report: &Report, name: &str) -> String {
    let Report { controls, period, .. } = report;
    let head = report.verdict.head().map(|head| head.entry_hash.to_hex()).unwrap_or_default();
    let named = format!(
        "{NAMESPACE}\n{}\n{head}\n{}\n{} {}\n{name}",
        report.origin(),
        controls.hash.to_hex(),
        period.since,
        period.until
    );
    let hex = Digest::of(named.as_bytes()).to_hex();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    // The form of an id that follows from a name (version 5), as OSCAL demands it.
    format!("{}-{}-5{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

fn object(members: Vec<(&str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
