//! What the router remembered.

use cascade_receipt::digest;
use cascade_receipt::json::Value;

use super::super::look::Look;
use super::super::sheet::{Row, Section, Tone, cell, dim, members, plain};
use crate::exit::Failure;
use crate::output;
use crate::verb::memory as remembered;

/// Characters of a task.
const TASK_CHARS: usize = 60;

pub(super) fn memory(look: &Look<'_>) -> Result<Section, Failure> {
    let standing = remembered::Standing::at(look.moment, look.at)?;
    let mut rows = Vec::new();
    for memory in look.moment.memories()? {
        let state = standing.of(look.moment, &memory)?;
        let document = Value::Object(remembered::members(&memory, state).into_iter().collect());
        if !memory.is_alive(look.at) {
            rows.push(Row::quiet(document));
            continue;
        }
        let tone = match state {
            "verified" | "trusted" => Tone::Good,
            "quarantined" => Tone::Bad,
            _ => Tone::Care,
        };
        let cells = vec![
            plain(digest::to_hex(&memory.id)),
            cell(tone, state),
            plain(output::shortened(&remembered::task_text(look.moment, &memory)?, TASK_CHARS)),
            dim(format!("until {}", memory.expires)),
        ];
        rows.push(Row::new(document, cells));
    }
    Ok(Section::list("memory", "remembered", "nothing is remembered", rows))
}

pub(super) fn wrong_hits(look: &Look<'_>) -> Result<Section, Failure> {
    let row = |wrong: cascade_ledger::WrongHit| {
        let document = members([
            ("at", wrong.at.to_string().into()),
            ("learned", wrong.learned.to_string().into()),
            ("receipt_id", wrong.receipt_id.to_string().into()),
        ]);
        let of = plain(format!("learned by {}", wrong.learned));
        Row::new(document, vec![plain(wrong.receipt_id.to_string()), of, dim(wrong.at.to_string())])
    };
    let rows = look.moment.wrong_hits()?.into_iter().map(row).collect();
    Ok(Section::list("wrong_hits", "wrong hits that count", "none", rows))
}
