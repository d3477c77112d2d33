//! The sections of the page.

use crate::control::{Outcome, between, when};
use crate::page::{Page, escaped};
use crate::replay::Tally;

use super::chart;
use super::figures::{Approver, Counted, Counts, ROWS_MAX, Told};
use super::{Drift, Report};

pub(super) fn write(page: &mut Page, report: &Report<'_>) {
    page.raw("<h1>Governed actions</h1>");
    head(page, report);
    ran(page, report);
    stopped(page, report);
    approved(page, report);
    drifted(page, report);
    governed(page, report);
    controls(page, report);
    unproven(page, report);
    receipts(page, report);
}

fn head(page: &mut Page, report: &Report<'_>) {
    let (figures, given) = (&report.figures, &report.given);
    let Counts { asked, ran, stopped, waited, rehearsed } = figures.all;
    page.raw(&format!(
        "<p>Actions asked for: {asked}. Ran: {ran}; stopped: {stopped}; asked people first: {waited}; dry runs: {rehearsed}.</p><table>"
    ));
    page.row("chain", given.verdict.identity().map_or("", |identity| identity.log_origin.as_str()));
    page.row("period", &between(given.period));
    page.row("made", &when(given.period.now));
    page.row("receipts of the chain", &given.verdict.receipts().to_string());
    let said = match given.verdict.fault() {
        None => {
            "valid: every line follows from the one before and is signed by a key of the chain".to_owned()
        }
        Some(fault) => format!("not valid: {} ({})", fault.code.meaning(), fault.code.as_str()),
    };
    page.row("verification", &said);
    let anchored = given.verdict.anchored_through();
    page.row(
        "held by others",
        &anchored.map_or("nothing yet".to_owned(), |seq| format!("through receipt {seq}")),
    );
    page.raw("</table>");
}

fn ran(page: &mut Page, report: &Report<'_>) {
    let figures = &report.figures;
    page.raw("<section><h2>What ran</h2>");
    if figures.bars.is_empty() {
        page.raw("<p>Nothing was asked for in this period.</p></section>");
        return;
    }
    page.raw(&chart::bars(&figures.bars, figures.bar_days));
    let ending = |(kind, count): &(String, u64)| {
        let word = if kind.is_empty() { "still open" } else { kind.strip_prefix("task_").unwrap_or(kind) };
        format!("{count} {}", escaped(word))
    };
    let endings: Vec<String> = figures.endings.iter().map(ending).collect();
    page.raw(&format!("<p>Of those that ran: {}.</p></section>", endings.join(", ")));
    counted(page, report, "risk tier", &figures.tiers);
    if figures.programs.is_empty() {
        page.raw("<p>Which programs ran is private, and not at hand here.</p>");
    } else {
        counted(page, report, "program", &figures.programs);
        if figures.undisclosed > 0 {
            page.raw(&format!(
                "<p class=\"dim\">Of {} actions the command is not at hand.</p>",
                figures.undisclosed
            ));
        }
    }
    counted(page, report, "who asked", &figures.principals);
}

fn counted(page: &mut Page, report: &Report<'_>, what: &str, rows: &[Counted]) {
    let row = |one: &Counted| {
        let Counts { asked, ran, stopped, waited, .. } = one.counts;
        let mut cells = vec![escaped(&report.name(&one.what))];
        cells.extend([asked, ran, waited, stopped].map(|count| count.to_string()));
        cells.push(link(&one.first));
        cells.push(link(&one.last));
        cells
    };
    page.table(&[what, "asked#", "ran#", "asked people#", "stopped#", "first", "last"], rows.iter().map(row));
    cut(page, rows.len());
}

fn cut(page: &mut Page, rows: usize) {
    if rows == ROWS_MAX {
        page.raw(&format!("<p class=\"dim\">The first {ROWS_MAX} are shown.</p>"));
    }
}

fn stopped(page: &mut Page, report: &Report<'_>) {
    page.raw("<section><h2>What was stopped</h2>");
    if report.figures.all.stopped == 0 {
        page.raw("<p>Nothing was stopped in this period.</p></section>");
        return;
    }
    page.raw("<p>By what spoke against it; an action stands under each.</p></section>");
    let row = |one: &Counted| {
        vec![escaped(&one.what), one.counts.asked.to_string(), link(&one.first), link(&one.last)]
    };
    page.table(&["gate and reason", "stopped#", "first", "last"], report.figures.reasons.iter().map(row));
    cut(page, report.figures.reasons.len());
    page.raw("<p>The newest:</p>");
    told(page, report, "command", &report.figures.stopped);
}

fn told(page: &mut Page, report: &Report<'_>, what: &str, rows: &[Told]) {
    let row = |one: &Told| {
        let what = if one.what.starts_with("r_") { link(&one.what) } else { escaped(&one.what) };
        vec![link(&one.id), when(one.at), escaped(&one.kind), escaped(&report.name(&one.who)), what]
    };
    page.table(&["receipt", "when", "kind", "who", what], rows.iter().map(row));
    cut(page, rows.len());
}

fn approved(page: &mut Page, report: &Report<'_>) {
    let figures = &report.figures;
    page.raw("<section><h2>Who approved</h2>");
    if figures.approvers.is_empty() {
        page.raw("<p>Nobody answered anything in this period.</p>");
    }
    if figures.unanswered > 0 {
        page.raw(&format!("<p>Questions without an answer: {}.</p>", figures.unanswered));
    }
    page.raw("</section>");
    if figures.approvers.is_empty() {
        return;
    }
    let row = |one: &Approver| {
        vec![
            escaped(&report.name(&one.who)),
            one.approved.to_string(),
            one.denied.to_string(),
            span(one.percentile(50)),
            span(one.percentile(90)),
            link(&one.last),
        ]
    };
    page.table(
        &["who", "approved#", "denied#", "half within#", "nine of ten within#", "last"],
        figures.approvers.iter().map(row),
    );
    told(page, report, "answers", &figures.answers);
}

fn span(ms: i64) -> String {
    match ms / 1_000 {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds < 7_200 => format!("{} min", seconds / 60),
        seconds if seconds < 172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn drifted(page: &mut Page, report: &Report<'_>) {
    page.raw("<section><h2>What drifted</h2>");
    if let Some(drift) = &report.given.drift {
        drift_of(page, drift);
    } else {
        page.raw("<p>Not known here: decisions can be made again only where their facts are at hand.</p>");
    }
    page.raw("</section>");
}

fn drift_of(page: &mut Page, drift: &Drift<'_>) {
    let line = |tally: &Tally, under: &str| {
        format!(
            "<p>Under {under}: {} of {} decisions come out the same, {} differ, {} are erased, {} would need what nobody noted.</p>",
            tally.matches, tally.decisions, tally.divergences, tally.erased, tally.unknown
        )
    };
    page.raw(&line(drift.then, "the policy of then"));
    page.raw(&line(drift.now, &format!("the policy in force, <code>{}</code>", escaped(drift.policy))));
    let rows: Vec<_> = [drift.then, drift.now]
        .into_iter()
        .flat_map(|tally| tally.groups.iter())
        .map(|(key, group)| {
            let first = group.examples.first().map(|one| one.receipt_id.to_string()).unwrap_or_default();
            vec![
                key.by.as_str().to_owned(),
                escaped(&key.value),
                escaped(&key.change.replace('_', " ")),
                group.count.to_string(),
                format!("<code>{first}</code>"),
            ]
        })
        .take(ROWS_MAX)
        .collect();
    if !rows.is_empty() {
        page.table(&["by", "which", "what", "decisions#", "first"], rows);
    }
}

fn governed(page: &mut Page, report: &Report<'_>) {
    page.raw("<section><h2>What changed in the governance itself</h2>");
    if report.figures.governance.is_empty() {
        page.raw("<p>Nothing in this period.</p>");
    }
    page.raw("</section>");
    if !report.figures.governance.is_empty() {
        told(page, report, "policy of then", &report.figures.governance);
    }
}

fn controls(page: &mut Page, report: &Report<'_>) {
    page.raw("<section><h2>Controls</h2>");
    if report.given.audits.is_empty() {
        page.raw("<p>No pack was declared or asked for.</p></section>");
        return;
    }
    let row = |audit: &crate::control::Report| {
        let count =
            |outcome| audit.audit.results.iter().filter(|one| one.outcome == outcome).count().to_string();
        let mut cells = vec![escaped(&audit.controls.pack)];
        cells.extend(Outcome::ALL.map(count));
        cells
    };
    page.table(
        &["pack", "satisfied#", "not applicable#", "not provable#", "violated#", "failed to run#"],
        report.given.audits.iter().map(row),
    );
    page.raw("<p class=\"dim\">What each asks and found: cascade audit --pack NAME.</p></section>");
}

fn unproven(page: &mut Page, report: &Report<'_>) {
    page.raw("<section><h2>What is not provable</h2><ul>");
    let said = report.given.verdict.not_proven();
    for line in &said {
        page.raw(&format!("<li>{}</li>", escaped(line)));
    }
    let open = report.figures.endings.iter().find(|(kind, _)| kind.is_empty() || kind == "task_unknown");
    if let Some((_, count)) = open {
        page.raw(&format!("<li>outcome: of {count} actions nobody knows how they ended</li>"));
    }
    if report.figures.erased > 0 {
        page.raw(&format!(
            "<li>erased: private bytes of {} receipts are gone for good</li>",
            report.figures.erased
        ));
    }
    for audit in report.given.audits {
        let results = audit.audit.results.iter().filter(|one| one.outcome == Outcome::NotProvable);
        for result in results {
            let why = result.unprovable.first().map(|one| one.summary.as_str()).unwrap_or_default();
            page.raw(&format!(
                "<li><code>{}</code> {}: {}</li>",
                escaped(&result.control.id),
                escaped(&result.control.title),
                escaped(why)
            ));
        }
    }
    page.raw("</ul></section>");
}

/// Where the receipts stand that are named above.
fn receipts(page: &mut Page, report: &Report<'_>) {
    page.raw("<h2>Receipts named here</h2><p class=\"dim\">cascade show ID and cascade lineage ID say more of each.</p>");
    let row = |(id, (seq, at, kind)): (&String, &(i64, i64, String))| {
        vec![format!("<code id=\"{0}\">{0}</code>", escaped(id)), seq.to_string(), when(*at), escaped(kind)]
    };
    page.table(&["receipt", "seq#", "when", "kind"], report.figures.named.iter().map(row));
}

/// A receipt that the last table places.
fn link(id: &str) -> String {
    if id.starts_with("r_") {
        format!("<a href=\"#{0}\"><code>{0}</code></a>", escaped(id))
    } else {
        escaped(id)
    }
}
