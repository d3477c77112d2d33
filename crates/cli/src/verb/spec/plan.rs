//! `spec plan`.

use std::path::PathBuf;

use cascade_kernel::csl::{Document, Step, Work};
use cascade_kernel::workflow::{Foresight, order};
use cascade_receipt::json::Value;
use clap::Args;

use super::graph::{self, Format};
use super::inputs::{self, Given};
use super::outlook::{Judge, Known, Outlook, Row};
use super::read;
use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{self, BAD, CARE, DIM, Painted, tier_style, verdict_style};

/// Longest cell of the table, in characters.
const CELL_CHARS_MAX: usize = 32;
/// What stands where only a run can tell.
const AT_RUN_TIME: &str = "at run time";

#[derive(Args, Debug)]
pub(super) struct Plan {
    /// The spec, YAML or JSON
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the steps as a graph instead
    #[arg(long, value_name = "FORMAT")]
    graph: Option<Format>,
    #[command(flatten)]
    given: Given,
}

pub(super) fn run(global: &Global, args: &Plan) -> Exit {
    let document = read(&args.file)?;
    let given = args.given.read(&document)?;
    let (bound, missing) =
        document.inputs_so_far(&given).map_err(|faults| inputs::wrong(faults.join("; "), &document))?;
    let drawn = args.graph.map(|format| graph::draw(&document.spec, format));
    if let (Some(text), false) = (&drawn, global.json) {
        output::result(text)?;
        return Ok(exit::DONE);
    }
    let seen = Foresight::new(&bound, missing.iter().cloned());
    let mut judge = Judge::new(global, &document)?;
    let steps = order(&document.spec).into_iter().filter_map(|at| document.spec.steps.get(at));
    let rows = steps.map(|step| judge.row(step, &seen)).collect::<Result<Vec<_>, Failure>>()?;
    if global.json {
        output::json(&as_document(&document, &rows, &missing, drawn))?;
        return Ok(exit::DONE);
    }
    table(&document, &rows)?;
    for name in &missing {
        output::say(format_args!(
            "input `{name}` is missing: what hangs on it is decided with --input {name}=VALUE"
        ));
    }
    if global.acting_as.is_none() {
        output::say("decided as for an agent; `--as person` decides as for you");
    }
    Ok(exit::DONE)
}

fn table(document: &Document, rows: &[Row<'_>]) -> std::io::Result<()> {
    let spec = &document.spec;
    let version = output::safe(&spec.version);
    output::line(format_args!("{} {version}  {}", spec.name, Painted(DIM, document.hash().to_hex())))?;
    let mut lines = vec![["ID", "KIND", "NEEDS", "WHEN", "FAN-OUT"].map(str::to_owned).to_vec()];
    for row in rows {
        lines.push(cells(row));
        lines.extend(row.outlooks.iter().filter(|one| one.role != "run").map(|one| {
            let blank = String::new;
            vec![format!("  {}", one.role), "run".to_owned(), blank(), blank(), blank()]
        }));
    }
    let width = |at: usize| {
        lines.iter().filter_map(|cells| cells.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..5).map(width).collect();
    let padded = |cells: &[String]| -> String {
        cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect()
    };
    let mut lines = lines.iter();
    let mut next = move || lines.next().map(|cells| padded(cells)).unwrap_or_default();
    output::line(format_args!("{}", Painted(DIM, format!("{}{:<8}  VERDICT", next(), "TIER"))))?;
    for row in rows {
        let own = row.outlooks.iter().find(|one| one.role == "run");
        output::line(format_args!("{}{}", next(), verdict(row, own)))?;
        for outlook in row.outlooks.iter().filter(|one| one.role != "run") {
            output::line(format_args!("{}{}", next(), verdict(row, Some(outlook))))?;
        }
    }
    rows.iter().try_for_each(notes)
}

fn cells(row: &Row<'_>) -> Vec<String> {
    let step = row.step;
    let needs: Vec<&str> = step.needs.iter().map(|(id, _)| id.as_str()).collect();
    let when = step.when.as_ref().map_or("", |(when, _)| when.source());
    let fan_out = step.foreach.as_ref().map(|fan_out| {
        let source = fan_out.over.source();
        row.items.map_or_else(|| source.to_owned(), |items| format!("{items} × {source}"))
    });
    [&step.id, step.work.as_str(), &needs.join(","), when, &fan_out.unwrap_or_default()]
        .map(|cell| output::shortened(cell, CELL_CHARS_MAX))
        .to_vec()
}

/// Tier and verdict.
fn verdict(row: &Row<'_>, outlook: Option<&Outlook>) -> String {
    let plain = |text: &str| format!("{:<8}  {text}", "-");
    if row.fault.is_some() {
        return plain(&Painted(BAD, "fails").to_string());
    }
    if row.wanted == Some(false) {
        return plain("skipped");
    }
    match (outlook.map(|one| &one.known), &row.step.work) {
        (Some(Known::Decided(judged)), _) => {
            let (tier, verdict) = (judged.tier, judged.verdict);
            format!(
                "{:<8}  {}",
                Painted(tier_style(tier), tier.as_str()),
                Painted(verdict_style(verdict), verdict)
            )
        }
        (Some(Known::Failing(_)), _) => plain(&Painted(BAD, "fails").to_string()),
        (Some(Known::AtRunTime), _) if row.items == Some(0) => plain("nothing to do"),
        (None, Work::Approval(approval)) => {
            let asked = format!("asks {} of {}", approval.required, approval.groups.join(", "));
            plain(&Painted(CARE, output::safe(&asked)).to_string())
        }
        (None, Work::Wait(_)) => plain("waits"),
        _ => plain(AT_RUN_TIME),
    }
}

/// Why something would not simply run.
fn notes(row: &Row<'_>) -> std::io::Result<()> {
    let id = &row.step.id;
    if let Some(fault) = &row.fault {
        output::line(format_args!("{id}: {}", output::safe(fault)))?;
    }
    for outlook in &row.outlooks {
        let name = if outlook.role == "run" { id.clone() } else { format!("{id}, {}", outlook.role) };
        let texts = match &outlook.known {
            Known::Decided(judged) => judged.reasons.iter().map(|(_, text)| text.clone()).collect(),
            Known::Failing(fault) => vec![fault.clone()],
            Known::AtRunTime => Vec::new(),
        };
        for text in texts {
            output::line(format_args!("{name}: {}", output::safe(&text)))?;
        }
    }
    Ok(())
}

fn as_document(document: &Document, rows: &[Row<'_>], missing: &[String], drawn: Option<String>) -> Value {
    let spec = &document.spec;
    let mut members = vec![
        ("missing_inputs", texts(missing)),
        ("name", spec.name.as_str().into()),
        ("spec_hash", document.hash().to_hex().as_str().into()),
        ("steps", Value::Array(rows.iter().map(step_document).collect())),
        ("version", spec.version.as_str().into()),
    ];
    members.extend(drawn.map(|text| ("graph", text.as_str().into())));
    object(members)
}

fn step_document(row: &Row<'_>) -> Value {
    let step: &Step = row.step;
    let needs: Vec<String> = step.needs.iter().map(|(id, _)| id.clone()).collect();
    let mut members = vec![
        ("commands", Value::Array(row.outlooks.iter().map(command_document).collect())),
        ("id", step.id.as_str().into()),
        ("kind", step.work.as_str().into()),
        ("needs", texts(&needs)),
    ];
    members.extend(step.title.as_deref().map(|title| ("title", title.into())));
    members.extend(row.fault.as_deref().map(|fault| ("fault", fault.into())));
    if let Some((when, _)) = &step.when {
        let mut condition = vec![("expression", Value::from(when.source()))];
        condition.extend(row.wanted.map(|wanted| ("value", wanted.into())));
        members.push(("when", object(condition)));
    }
    if let Some(fan_out) = &step.foreach {
        let mut list = vec![("expression", Value::from(fan_out.over.source()))];
        list.extend(row.items.map(|items| ("items", Value::Int(i64::try_from(items).unwrap_or(i64::MAX)))));
        members.push(("foreach", object(list)));
    }
    if let Work::Approval(approval) = &step.work {
        members.push(("groups", texts(&approval.groups)));
        members.push(("required", approval.required.into()));
    }
    object(members)
}

fn command_document(outlook: &Outlook) -> Value {
    let mut members = vec![("role", Value::from(outlook.role))];
    members.extend(outlook.argv.as_deref().map(|argv| ("argv", texts(argv))));
    match &outlook.known {
        Known::AtRunTime => members.push(("known", AT_RUN_TIME.into())),
        Known::Failing(fault) => {
            members.extend([("known", "fails".into()), ("fault", fault.as_str().into())]);
        }
        Known::Decided(judged) => {
            let reason = |(code, text): &(String, String)| {
                object(vec![("code", code.as_str().into()), ("text", text.as_str().into())])
            };
            members.extend([
                ("known", "decided".into()),
                ("reasons", Value::Array(judged.reasons.iter().map(reason).collect())),
                ("risk_tier", judged.tier.as_str().into()),
                ("verdict", judged.verdict.as_str().into()),
            ]);
        }
    }
    object(members)
}

fn texts(all: &[String]) -> Value {
    Value::Array(all.iter().map(|one| one.as_str().into()).collect())
}

fn object(members: Vec<(&str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
