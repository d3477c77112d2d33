//! What a receipt changed in the state, row by row, in words.

use cascade_ledger::{Cell as Held, RowChange};
use cascade_receipt::digest;
use cascade_receipt::json::Value;

use super::look::Look;
use super::sheet::{Row, Section, Tone, cell, dim, members, number, plain};
use crate::exit::Failure;

/// Cells of a new or a gone row that people are shown.
const CELLS_SHOWN: usize = 6;
/// What rows of each view are called.
const NOUNS: [(&str, &str); 26] = [
    ("approvals", "answer"),
    ("budgets", "draw"),
    ("chain_receipts", "receipt of a run"),
    ("chains", "run"),
    ("consents", "consent"),
    ("conversations", "conversation"),
    ("ended", "deleted tenant"),
    ("erased", "erased"),
    ("glass", "break-glass"),
    ("grants", "grant"),
    ("invocations", "invocation"),
    ("keys", "key"),
    ("known", "known of a subject"),
    ("memory", "memory"),
    ("open_actions", "open action"),
    ("people", "person"),
    ("policies", "policy in force"),
    ("regimes", "regime"),
    ("schedules", "schedule"),
    ("secrets", "credential"),
    ("standing", "standing"),
    ("subjects", "asked of people"),
    ("tokens", "token"),
    ("tools", "pinned tool"),
    ("wrong_hits", "wrong hit"),
    ("zones", "zone of a subject"),
];
/// Cells that tell people nothing they do not see elsewhere.
const UNSHOWN: [&str; 4] = ["entry_hash", "id", "seq", "ssh_key"];

/// What the receipt of this place changed.
pub(super) fn section(look: &Look<'_>) -> Result<Section, Failure> {
    let mut rows = Vec::new();
    for change in look.timeline.changes()? {
        rows.push(row(look, &change)?);
    }
    Ok(Section::list("changed", "what it changed", "nothing: the state is that of the receipt before", rows))
}

fn row(look: &Look<'_>, change: &RowChange) -> Result<Row, Failure> {
    let sides = [("after", &change.after), ("before", &change.before)];
    let sides = sides.into_iter().filter_map(|(name, side)| Some((name, object(side.as_ref()?))));
    let document = members(sides.chain([("table", change.table.into())]));
    let noun = NOUNS.iter().find(|(table, _)| *table == change.table).map_or(change.table, |(_, noun)| noun);
    let mut cells = match (&change.before, &change.after) {
        (None, _) => vec![cell(Tone::Good, "+"), plain(noun)],
        (_, None) => vec![cell(Tone::Bad, "-"), plain(noun)],
        _ => vec![cell(Tone::Care, "~"), plain(noun)],
    };
    cells.push(plain(key(look, change)?));
    cells.push(dim(told(look, change)?));
    Ok(Row::new(document, cells))
}

/// The row by which it is told apart.
fn key(look: &Look<'_>, change: &RowChange) -> Result<String, Failure> {
    let row = change.after.as_ref().or(change.before.as_ref());
    let parts = change.key.iter().filter_map(|at| row?.get(*at));
    let parts = parts.filter(|(name, _)| change.table != "standing" || name != "id");
    let texts: Vec<String> = parts.map(|(_, held)| text(look, held)).collect::<Result<_, _>>()?;
    Ok(texts.join(" "))
}

fn told(look: &Look<'_>, change: &RowChange) -> Result<String, Failure> {
    let mut parts = Vec::new();
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            for ((name, was), (_, is)) in before.iter().zip(after).filter(|(was, is)| was != is) {
                parts.push(format!("{} {} -> {}", label(name), text(look, was)?, text(look, is)?));
            }
        }
        (only, other) => {
            let row = only.as_ref().or(other.as_ref());
            let cells = row.into_iter().flatten().enumerate().filter(|(at, _)| !change.key.contains(at));
            let cells = cells.filter(|(_, (name, held))| {
                *held != Held::Nothing && !UNSHOWN.contains(&name.as_str()) && !name.ends_with("_hash")
            });
            for (_, (name, held)) in cells.take(CELLS_SHOWN) {
                parts.push(format!("{} {}", label(name), text(look, held)?));
            }
        }
    }
    Ok(parts.join(", "))
}

fn label(name: &str) -> String {
    name.trim_end_matches("_ms").trim_end_matches("_seq").replace('_', " ")
}

fn text(look: &Look<'_>, held: &Held) -> Result<String, Failure> {
    Ok(match held {
        Held::Nothing => "nothing".to_owned(),
        Held::Flag(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Held::Number(number) => number.to_string(),
        Held::Text(text) => text.clone(),
        Held::Receipt(id) => id.to_string(),
        Held::Principal(id) => look.name(*id)?,
        Held::Hash(hash) => hash.to_hex().chars().take(16).collect(),
        Held::Time(time) => time.to_string(),
        Held::Bytes(bytes) => digest::to_hex(bytes),
    })
}

fn object(cells: &[(String, Held)]) -> Value {
    let stands = cells.iter().filter_map(|(name, held)| Some((name.clone(), value(held)?)));
    Value::Object(stands.collect())
}

fn value(held: &Held) -> Option<Value> {
    Some(match held {
        Held::Nothing => return None,
        Held::Flag(yes) => (*yes).into(),
        Held::Number(n) => number(*n),
        Held::Text(text) => text.as_str().into(),
        Held::Receipt(id) => id.to_string().into(),
        Held::Principal(id) => id.to_string().into(),
        Held::Hash(hash) => hash.to_hex().into(),
        Held::Time(time) => time.to_string().into(),
        Held::Bytes(bytes) => digest::to_hex(bytes).into(),
    })
}
