//! The audit as one page: no scripts, nothing loaded, readable in print. Whatever comes from a chain or a pack is escaped.

use std::fmt::Write as _;

use super::super::{ControlResult, Finding, Outcome};
use super::{Report, between, when};
use crate::page::{Page, escaped};

/// Findings of one control on the page; all are in the JSON.
const TOLD_MAX: usize = 200;

pub(super) fn of(report: &Report) -> String {
    let pack = escaped(&report.controls.pack);
    let mut page = Page::new(&format!("{}: controls", report.controls.pack));
    page.raw(&format!("<h1>{pack}</h1>"));
    head(&mut page, report);
    table(&mut page, report);
    for result in
        report.audit.results.iter().filter(|result| result.told().next().is_some() || result.fault.is_some())
    {
        details(&mut page, result);
    }
    page.raw("<section><h2>What this chain does not prove</h2><ul>");
    for line in report.verdict.not_proven() {
        page.raw(&format!("<li>{}</li>", escaped(&line)));
    }
    page.raw("</ul></section>");
    page.finish()
}

fn head(page: &mut Page, report: &Report) {
    let (period, verdict) = (report.period, &report.verdict);
    let count = |outcome| report.audit.results.iter().filter(|result| result.outcome == outcome).count();
    let counts = Outcome::ALL.map(|outcome| format!("{} {}", count(outcome), text(outcome)));
    page.raw(&format!("<p>{}</p><table>", escaped(&counts.join(", "))));
    page.row("chain", report.origin());
    page.row("receipts", &verdict.receipts().to_string());
    page.row("period", &between(period));
    page.row("audited", &when(period.now));
    let said = verdict.fault().map_or("valid".to_owned(), |fault| fault.code.as_str().to_owned());
    page.row("verification", &said);
    let pinned = if verdict.key_pinned() { "by the key that was given" } else { "against its own genesis" };
    page.row("checked", pinned);
    page.row(
        "controls",
        &format!("packs/{}/controls.toml, SHA-256 {}", report.controls.pack, report.controls.hash.to_hex()),
    );
    page.raw("</table>");
}

fn table(page: &mut Page, report: &Report) {
    page.raw("<h2>Controls</h2><table><thead><tr><th>outcome</th><th>control</th><th>criteria</th><th>looked at</th><th>findings</th></tr></thead><tbody>");
    for result in &report.audit.results {
        let control = &result.control;
        page.raw(&format!(
            "<tr><td class=\"outcome {}\">{}</td><td>{}<br><code class=\"dim\">{}</code></td><td>{}</td><td>{}</td><td>{}{}</td></tr>",
            result.outcome.as_str(),
            text(result.outcome),
            escaped(&control.title),
            escaped(&control.id),
            escaped(&control.criteria.join(", ")),
            result.looked_at,
            result.findings.len(),
            if result.more { " or more" } else { "" },
        ));
    }
    page.raw("</tbody></table>");
}

fn details(page: &mut Page, result: &ControlResult) {
    let control = &result.control;
    page.raw(&format!("<section><h2>{}</h2>", escaped(&control.title)));
    page.raw(&format!(
        "<p><span class=\"outcome {}\">{}</span> <code>{}</code>, severity {}</p>",
        result.outcome.as_str(),
        text(result.outcome),
        escaped(&control.id),
        control.severity.as_str()
    ));
    page.raw(&format!("<p class=\"dim\">{}</p>", escaped(&control.citation)));
    page.raw(&format!("<p>Evidence: {}</p>", escaped(&control.evidence)));
    if let Some(fault) = &result.fault {
        page.raw(&format!("<p>It gave no answer: {}</p>", escaped(&fault.to_string())));
    }
    page.raw("<table><tbody>");
    for (what, one) in result.told().take(TOLD_MAX) {
        let word = if what == "finding" { "found" } else { "not provable" };
        page.raw(&format!(
            "<tr><td>{word}</td><td>{}</td><td>{}</td></tr>",
            escaped(&one.summary),
            receipts(one)
        ));
    }
    page.raw("</tbody></table>");
    let all = result.told().count();
    if all > TOLD_MAX {
        page.raw(&format!("<p>{} more are in the JSON of this audit.</p>", all - TOLD_MAX));
    }
    page.raw(&format!("<p>Next: {}</p></section>", escaped(&control.next)));
}

fn receipts(one: &Finding) -> String {
    one.receipts.iter().fold(String::new(), |mut text, (seq, id)| {
        // Writing to a string cannot fail.
        _ = write!(text, "<code>{}</code> (seq {seq}) ", escaped(id));
        text
    })
}

const fn text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Satisfied => "satisfied",
        Outcome::NotApplicable => "not applicable",
        Outcome::NotProvable => "not provable",
        Outcome::Violated => "violated",
        Outcome::Failed => "failed to run",
    }
}
