//! The audit as JSON.

use cascade_audit::control::{Control, ControlResult, Finding, Period};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

use super::Report;

/// The document of `--json`.
pub(super) fn of(report: &Report) -> Value {
    let findings = report.audit.findings().into_iter().map(|(control, one)| finding(control, one));
    let verdict = &report.verdict;
    let fault = verdict.fault().map_or("", |fault| fault.code.as_str());
    Value::object([
        ("pack", report.controls.pack.as_str().into()),
        ("controls_hash", report.controls.hash.to_hex().into()),
        ("period", period(report.period)),
        (
            "chain",
            Value::object([
                ("fault", fault.into()),
                ("key_pinned", verdict.key_pinned().into()),
                ("log_origin", verdict.identity().map_or("", |is| is.log_origin.as_str()).into()),
                ("receipts", number(verdict.receipts())),
                ("valid", verdict.valid().into()),
            ]),
        ),
        ("controls", Value::Array(report.audit.results.iter().map(control).collect())),
        ("findings", Value::Array(findings.collect())),
    ])
}

fn period(period: Period) -> Value {
    let time = |ms: i64| Value::from(when(ms));
    Value::object([("since", time(period.since)), ("until", time(period.until))])
}

/// A time as receipts have it.
pub(super) fn when(ms: i64) -> String {
    Timestamp::from_ms(u64::try_from(ms).unwrap_or_default()).to_string()
}

fn control(result: &ControlResult) -> Value {
    let control = &result.control;
    let criteria = control.criteria.iter().map(|one| one.as_str().into()).collect();
    let why = result.unprovable.iter().map(|one| {
        Value::object([("receipt_ids", receipt_ids(one)), ("summary", one.summary.as_str().into())])
    });
    Value::object([
        ("id", control.id.as_str().into()),
        ("title", control.title.as_str().into()),
        ("citation", control.citation.as_str().into()),
        ("criteria", Value::Array(criteria)),
        ("severity", control.severity.as_str().into()),
        ("evidence", control.evidence.as_str().into()),
        ("outcome", result.outcome.as_str().into()),
        ("looked_at", number(result.looked_at)),
        ("not_provable", Value::Array(why.collect())),
        ("more", result.more.into()),
        ("fault", result.fault.as_ref().map(ToString::to_string).unwrap_or_default().into()),
    ])
}

fn finding(control: &Control, one: &Finding) -> Value {
    let criteria = control.criteria.iter().map(|one| one.as_str().into()).collect();
    let mut members = vec![
        ("control", control.id.as_str().into()),
        ("criteria", Value::Array(criteria)),
        ("severity", control.severity.as_str().into()),
        ("receipt_ids", receipt_ids(one)),
        ("summary", one.summary.as_str().into()),
    ];
    if let Some(broken) = &one.broken {
        members.extend([
            ("line", number(broken.line)),
            ("seq", number(broken.seq)),
            ("count", number(broken.count)),
            ("cause", broken.cause.as_str().into()),
            ("code", broken.code.as_str().into()),
        ]);
    }
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn receipt_ids(one: &Finding) -> Value {
    Value::Array(one.receipts.iter().map(|(_, id)| id.as_str().into()).collect())
}

fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
