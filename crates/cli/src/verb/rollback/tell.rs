//! What a person or a program is told of a rollback.

use std::collections::BTreeMap;

use cascade_kernel::rollback::{Fate, Source, Why};
use cascade_receipt::decision::Verdict;
use cascade_receipt::json::Value;
use cascade_runtime::facts::Command;
use cascade_runtime::rollback::{Became, Item, Rolled, Undone};

use crate::args::Global;
use crate::exit::{self, Exit, Failure};
use crate::output::{BAD, CARE, DIM, GOOD, Painted, Style};
use crate::{output, reasons};
use cascade_runtime::record::{ERASED, quoted};

/// Most of a command in a line.
const COMMAND_CHARS_MAX: usize = 60;
/// Most lines of a failed command's last words.
const LAST_LINES: usize = 5;

/// The plan, for people.
pub(super) fn plan(items: &[Item]) -> Result<(), Failure> {
    for item in items {
        let id = item.closer.as_ref().map_or(item.intent, |closer| closer.receipt_id);
        let (style, fate) = fate_of(item);
        let command = output::shortened(&command_of(item), COMMAND_CHARS_MAX);
        output::line(format_args!("{}  {command}", Painted(DIM, id)))?;
        output::line(format_args!("    {}", Painted(style, output::safe(&fate))))?;
    }
    Ok(())
}

fn fate_of(item: &Item) -> (Style, String) {
    match &item.fate {
        Fate::Undo(undoing) => {
            let source = match undoing.source {
                Source::Manifest => "",
                Source::Step => " (as its step says)",
            };
            let assumes = undoing.assumes.as_ref().map(|what| format!(", assuming that {what}"));
            (GOOD, format!("undo: {}{source}{}", words_of(&undoing.command), assumes.unwrap_or_default()))
        }
        Fate::Undone(by) => (DIM, format!("undone by {by}")),
        Fate::Nothing => (DIM, "it changed nothing".to_owned()),
        Fate::Left(why) => (CARE, format!("left: {}", why_text(why))),
    }
}

/// Why something is left, and what to do about it.
fn why_text(why: &Why) -> String {
    match why {
        Why::Failed => "it failed; what it did before that is for a person to find out".to_owned(),
        Why::Revoked => "it was ended; what it did before that is for a person to find out".to_owned(),
        Why::Unknown => "nobody knows what became of it".to_owned(),
        Why::Running => "it runs".to_owned(),
        Why::Erased => "what it was is erased".to_owned(),
        Why::OfOpenRun(chain) => format!("its run {chain} has not ended"),
        Why::NoInverse(why) => why.clone(),
        Why::Assumes(what) => format!("its inverse is right only if {what}; --assume says so"),
        Why::BeingUndone(by) => format!("{by} undoes it just now"),
        Why::UndoingUnknown(by) => {
            format!("nobody knows whether {by} undid it; look, then --retry undoes it once more")
        }
    }
}

const fn why_word(why: &Why) -> &'static str {
    match why {
        Why::Failed => "failed",
        Why::Revoked => "revoked",
        Why::Unknown => "unknown",
        Why::Running => "running",
        Why::Erased => "erased",
        Why::OfOpenRun(_) => "open_run",
        Why::NoInverse(_) => "no_inverse",
        Why::Assumes(_) => "assumes",
        Why::BeingUndone(_) => "being_undone",
        Why::UndoingUnknown(_) => "undoing_unknown",
    }
}

/// A plan that is not carried out: because that is what was asked for, or as there is nothing to do.
pub(super) fn only_planned(global: &Global, items: &[Item], asked: bool) -> Exit {
    let is_left = items.iter().any(|item| matches!(item.fate, Fate::Left(_)));
    let code = if is_left && !asked { exit::COULD_NOT } else { exit::DONE };
    let outcome = if asked { "planned" } else { outcome_of(code) };
    if global.json {
        output::json(&document(items, &[], outcome, code))?;
    } else if !asked {
        output::say(if is_left {
            "nothing that could be undone is left"
        } else {
            "there is nothing to undo"
        });
    }
    Ok(code)
}

/// One undoing, as soon as it is over.
pub(super) fn undone(item: &Item, undone: &Undone) {
    let Fate::Undo(undoing) = &item.fate else { return };
    let (style, word) = became(&undone.became);
    let command = output::safe(&words_of(&undoing.command));
    let last = undone.receipts.last().map(|id| format!("  {id}")).unwrap_or_default();
    output::say(format_args!("{}: {command}{}", Painted(style, word), Painted(DIM, last)));
    if let Became::Denied | Became::Waiting(_) | Became::Rehearsed(Verdict::Deny | Verdict::Escalate) =
        undone.became
    {
        for text in undone.ruling.iter().flat_map(reasons::texts) {
            output::say(format_args!("  {}", output::safe(&text)));
        }
    }
    if let (Became::Failed, Some(code)) = (&undone.became, undone.exit_code) {
        output::say(format_args!("  exit {code}"));
        let text = String::from_utf8_lossy(&undone.stderr);
        let lines: Vec<&str> = text.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(LAST_LINES)) {
            output::say(format_args!("  {}", output::safe(line)));
        }
    }
}

const fn became(became: &Became) -> (Style, &'static str) {
    match became {
        Became::Done => (GOOD, "undone"),
        Became::Failed => (BAD, "failed"),
        Became::Denied => (BAD, "denied"),
        Became::Waiting(_) => (CARE, "waiting"),
        Became::Unknown => (CARE, "unknown"),
        Became::Elsewhere => (CARE, "elsewhere"),
        Became::Rehearsed(Verdict::Admit) => (GOOD, "admit"),
        Became::Rehearsed(Verdict::Escalate) => (CARE, "escalate"),
        Became::Rehearsed(Verdict::Deny) => (BAD, "deny"),
    }
}

/// The end of it.
pub(super) fn told(global: &Global, target: &str, rolled: &Rolled) -> Exit {
    let code = code(rolled);
    if global.json {
        output::json(&document(&rolled.items, &rolled.undone, outcome_of(code), code))?;
        return Ok(code);
    }
    let left = rolled.items.iter().filter(|item| matches!(item.fate, Fate::Left(_))).count();
    if left > 0 {
        output::say(format_args!("{left} action(s) are left as they are, as the plan says"));
    }
    if rolled.not_tried > 0 {
        output::say(format_args!("{} action(s) were not tried; --keep-going does", rolled.not_tried));
    }
    let waiting = rolled.undone.iter().filter_map(|one| match one.became {
        Became::Waiting(asked) => Some(asked),
        _ => None,
    });
    for asked in waiting {
        output::hint_line(format_args!("somebody eligible runs: cascade approve {asked}"));
        output::hint_line(format_args!("then: cascade rollback {target} --yes"));
    }
    if rolled.undone.iter().any(|one| matches!(one.became, Became::Failed)) {
        output::hint_line(format_args!("mend what it says, then: cascade rollback {target}"));
    }
    Ok(code)
}

/// The first thing that kept something from being undone.
fn code(rolled: &Rolled) -> u8 {
    let of = |one: &Undone| match one.became {
        Became::Done | Became::Rehearsed(Verdict::Admit) => exit::DONE,
        Became::Denied | Became::Rehearsed(Verdict::Deny) => exit::DENIED,
        Became::Waiting(_) | Became::Rehearsed(Verdict::Escalate) => exit::WAITING,
        Became::Failed | Became::Unknown | Became::Elsewhere => exit::COULD_NOT,
    };
    let is_left = rolled.items.iter().any(|item| matches!(item.fate, Fate::Left(_)));
    let left = if is_left { exit::COULD_NOT } else { exit::DONE };
    rolled.undone.iter().map(of).find(|code| *code != exit::DONE).unwrap_or(left)
}

const fn outcome_of(code: u8) -> &'static str {
    match code {
        exit::DONE => "done",
        exit::DENIED => "denied",
        exit::WAITING => "waiting",
        _ => "left",
    }
}

fn document(items: &[Item], undone: &[Undone], outcome: &str, code: u8) -> Value {
    let planned = items.iter().enumerate().map(|(at, item)| {
        let mut members = members_of(item);
        members.extend(undone.iter().find(|one| one.at == at).into_iter().flat_map(became_members));
        Value::Object(members)
    });
    let receipts = undone.iter().flat_map(|one| &one.receipts).map(|id| id.to_string().into());
    Value::object([
        ("exit_code", u32::from(code).into()),
        ("outcome", outcome.into()),
        ("plan", Value::Array(planned.collect())),
        ("receipts", Value::Array(receipts.collect())),
    ])
}

fn members_of(item: &Item) -> BTreeMap<String, Value> {
    let id = item.closer.as_ref().map_or(item.intent, |closer| closer.receipt_id);
    let mut members = BTreeMap::from([
        ("command".to_owned(), command_of(item).into()),
        ("receipt_id".to_owned(), id.to_string().into()),
    ]);
    let mut put = |key: &str, value: Value| drop(members.insert(key.to_owned(), value));
    if let Some(chain) = item.chain {
        put("chain", chain.to_string().into());
    }
    match &item.fate {
        Fate::Undo(undoing) => {
            put("fate", "undo".into());
            let argv = undoing.command.argv.iter().map(|word| word.to_string_lossy().into_owned().into());
            put("undo", Value::Array(argv.collect()));
            put("cwd", undoing.command.cwd.to_string_lossy().into_owned().into());
            let source = if undoing.source == Source::Step { "step" } else { "manifest" };
            put("source", source.into());
            if let Some(assumes) = &undoing.assumes {
                put("assumes", assumes.as_str().into());
            }
        }
        Fate::Undone(by) => {
            put("fate", "undone".into());
            put("by", by.to_string().into());
        }
        Fate::Nothing => put("fate", "nothing".into()),
        Fate::Left(why) => {
            put("fate", "left".into());
            put("reason", why_word(why).into());
            put("text", why_text(why).into());
        }
    }
    members
}

fn became_members(undone: &Undone) -> Vec<(String, Value)> {
    let receipts = undone.receipts.iter().map(|id| id.to_string().into());
    let mut members = vec![
        ("became".to_owned(), became(&undone.became).1.into()),
        ("receipts".to_owned(), Value::Array(receipts.collect())),
    ];
    if let Some(ruling) = &undone.ruling {
        members.push(("verdict".to_owned(), ruling.decision.verdict.as_str().into()));
        members.push(("risk_tier".to_owned(), ruling.risk_tier.as_str().into()));
        members.push(("reasons".to_owned(), reasons::document(ruling)));
    }
    if let Some(code) = undone.exit_code {
        members.push(("exit_code".to_owned(), u32::from(code).into()));
    }
    if let Became::Waiting(asked) = undone.became {
        members.push(("asked".to_owned(), asked.to_string().into()));
    }
    if !undone.stderr.is_empty() {
        members.push(("stderr".to_owned(), String::from_utf8_lossy(&undone.stderr).into_owned().into()));
    }
    members
}

fn command_of(item: &Item) -> String {
    match &item.argv {
        Some(argv) => argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        None => ERASED.to_owned(),
    }
}

fn words_of(command: &Command) -> String {
    let words = command.argv.iter().map(|word| quoted(&word.to_string_lossy()));
    words.collect::<Vec<_>>().join(" ")
}
