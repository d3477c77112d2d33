//! Lineage for people.

use std::io;

use cascade_audit::lineage::{Following, Lineage, Node, Weight};
use cascade_receipt::id::ReceiptId;

use crate::output::{self, BAD, BOLD, CARE, DIM, GOOD, Painted};

/// Widest a command is shown.
const WIDTH: usize = 60;

pub(super) fn lineage(found: &Lineage) -> io::Result<()> {
    let style = match found.continuity.weight() {
        Weight::Told => GOOD,
        Weight::NotProvable => CARE,
        Weight::Broken => BAD,
    };
    output::line(format_args!("{}: {}", found.about, Painted(style, found.continuity.verdict())))?;
    for answer in &found.answers {
        output::line(format_args!("\n{}", Painted(BOLD, answer.question.text())))?;
        for sentence in &answer.sentences {
            let text = output::safe(&sentence.text);
            output::line(format_args!("  {text}  {}", Painted(DIM, ids(&sentence.receipts))))?;
        }
    }
    output::line(format_args!("\n{}", Painted(BOLD, "receipts, the oldest first")))?;
    for node in found.graph.nodes.values() {
        output::line(row(node))?;
    }
    for folded in &found.graph.heartbeats {
        let more = if folded.more { " or more" } else { "" };
        output::line(format_args!("  {} heartbeats{more} of {}", folded.count, folded.intent))?;
    }
    for edge in &found.graph.missing {
        output::line(format_args!("  {} ({} of {}) is not here", edge.to, edge.rel, edge.from))?;
    }
    if found.graph.left_out > 0 {
        output::line(format_args!("  {} more are left out", found.graph.left_out))?;
    }
    Ok(())
}

fn ids(ids: &[ReceiptId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn row(node: &Node) -> String {
    let receipt = &node.receipt;
    let roles = node.roles.iter().copied().collect::<Vec<_>>().join(", ");
    let what = node.command.as_deref().map(|command| output::shortened(command, WIDTH)).unwrap_or_default();
    format!(
        "  {}  {:<20} {:<18} {what}  {}",
        Painted(DIM, receipt.at),
        output::safe(&receipt.kind),
        Painted(DIM, roles),
        Painted(DIM, receipt.id)
    )
}

pub(super) fn following(following: &Following) -> io::Result<()> {
    let about = &following.about;
    output::line(format_args!(
        "{} {}, and what followed from it",
        Painted(BOLD, output::safe(&about.kind)),
        about.id
    ))?;
    if following.followers.is_empty() {
        output::line(if following.partial { "  nothing that is here" } else { "  nothing" })?;
    }
    for one in &following.followers {
        let what = one.command.as_deref().map(|text| output::shortened(text, WIDTH)).unwrap_or_default();
        output::line(format_args!(
            "  {}  {:<18} {:<20} {what}  {}  {}",
            Painted(DIM, one.receipt.at),
            output::safe(&one.receipt.kind),
            format!("{} {}", one.rel, if one.depth == 1 { String::new() } else { one.from.to_string() }),
            Painted(DIM, one.principal.as_deref().map(output::safe).unwrap_or_default()),
            Painted(DIM, one.receipt.id)
        ))?;
    }
    if following.heartbeats > 0 {
        output::line(format_args!("  and {} heartbeats", following.heartbeats))?;
    }
    if following.partial {
        output::line("  not every later receipt is here: what else followed cannot be seen")?;
    }
    if following.more {
        output::line(format_args!("  and more: these are {}; --limit shows others", following.limit))?;
    }
    Ok(())
}
