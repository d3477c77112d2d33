//! The audit as JSON for programs.

use cascade_receipt::json::Value;

use super::super::{Control, ControlResult, Finding};
use super::{Report, when};

pub(super) fn of(report: &Report) -> Value {
    let findings = report.audit.findings().into_iter().map(|(control, one)| finding(control, one));
    let (verdict, period) = (&report.verdict, report.period);
    let fault = verdict.fault().map_or("", |fault| fault.code.as_str());
    let not_proven = verdict.not_proven().into_iter().map(Value::from).collect();
    Value::object([
        ("pack", report.controls.pack.as_str().into()),
        ("controls_hash", report.controls.hash.to_hex().into()),
        (
            "period",
            Value::object([("since", when(period.since).into()), ("until", when(period.until).into())]),
        ),
        (
            "chain",
            Value::object([
                ("fault", fault.into()),
                ("key_pinned", verdict.key_pinned().into()),
                ("log_origin", report.origin().into()),
                ("not_proven", Value::Array(not_proven)),
                ("receipts", number(verdict.receipts())),
                ("valid", verdict.valid().into()),
            ]),
        ),
        ("controls", Value::Array(report.audit.results.iter().map(control).collect())),
        ("findings", Value::Array(findings.collect())),
    ])
}

fn control(result: &ControlResult) -> Value {
    let control = &result.control;
    let why = result.unprovable.iter().map(|one| {
        Value::object([("receipt_ids", receipt_ids(one)), ("summary", one.summary.as_str().into())])
    });
    Value::object([
        ("id", control.id.as_str().into()),
        ("title", control.title.as_str().into()),
        ("citation", control.citation.as_str().into()),
        ("criteria", criteria(control)),
        ("severity", control.severity.as_str().into()),
        ("evidence", control.evidence.as_str().into()),
        ("next", control.next.as_str().into()),
        ("outcome", result.outcome.as_str().into()),
        ("looked_at", number(result.looked_at)),
        ("not_provable", Value::Array(why.collect())),
        ("more", result.more.into()),
        ("fault", result.fault.as_ref().map(ToString::to_string).unwrap_or_default().into()),
    ])
}

fn finding(control: &Control, one: &Finding) -> Value {
    let mut members = vec![
        ("control", control.id.as_str().into()),
        ("criteria", criteria(control)),
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

fn criteria(control: &Control) -> Value {
    Value::Array(control.criteria.iter().map(|one| one.as_str().into()).collect())
}

fn receipt_ids(one: &Finding) -> Value {
    Value::Array(one.receipts.iter().map(|(_, id)| id.as_str().into()).collect())
}

fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
