//! The audit as one page: no scripts, nothing loaded, readable in print. Whatever comes from a chain or a pack is escaped.

use std::fmt::Write as _;

use super::super::{ControlResult, Finding, Outcome};
use super::{Report, when};

/// Findings of one control on the page; all are in the JSON.
const TOLD_MAX: usize = 200;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#111}\
table{border-collapse:collapse;width:100%;margin:1rem 0}\
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ccc}\
code{font-family:ui-monospace,monospace;font-size:.9em;word-break:break-all}\
section{break-inside:avoid}h1{margin-bottom:0}.dim{color:#555}\
.outcome{font-weight:bold;white-space:nowrap}.violated,.failed{color:#a00}.satisfied{color:#060}.not_provable{color:#850}\
@media print{body{margin:0;max-width:none}}";

pub(super) fn of(report: &Report) -> String {
    let mut page = Page(String::new());
    let pack = escaped(&report.controls.pack);
    page.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">");
    page.raw(&format!("<title>{pack}: controls</title><style>{STYLE}</style></head><body>"));
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
    page.raw("</ul></section></body></html>\n");
    page.0
}

struct Page(String);

impl Page {
    fn raw(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn row(&mut self, label: &str, value: &str) {
        self.raw(&format!("<tr><th>{label}</th><td>{}</td></tr>", escaped(value)));
    }
}

fn head(page: &mut Page, report: &Report) {
    let (period, verdict) = (report.period, &report.verdict);
    let count = |outcome| report.audit.results.iter().filter(|result| result.outcome == outcome).count();
    let counts = Outcome::ALL.map(|outcome| format!("{} {}", count(outcome), text(outcome)));
    page.raw(&format!("<p>{}</p><table>", escaped(&counts.join(", "))));
    page.row("chain", report.origin());
    page.row("receipts", &verdict.receipts().to_string());
    page.row("period", &format!("{} to {}", when(period.since), when(period.until)));
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

/// What could be markup stands as text; what moves a cursor or turns the direction of writing is shown as its code.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                // Writing to a string cannot fail.
                _ = write!(out, "\\u{{{:x}}}", u32::from(letter));
            }
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}
