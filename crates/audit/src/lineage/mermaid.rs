//! The graph as Mermaid, which many viewers of Markdown draw.

use super::{Graph, Lineage, Node};

/// A flowchart, the oldest on top.
#[must_use]
pub fn mermaid(lineage: &Lineage) -> String {
    let graph = &lineage.graph;
    let mut lines = vec!["flowchart TB".to_owned()];
    for node in graph.nodes.values() {
        let id = node.receipt.id;
        lines.push(format!(
            "  {id}[\"{}\"]",
            label(node, graph).iter().map(|line| escaped(line)).collect::<Vec<_>>().join("<br/>")
        ));
    }
    for edge in &graph.edges {
        lines.push(format!("  {} -->|{}| {}", edge.from, escaped(edge.rel), edge.to));
    }
    for edge in &graph.missing {
        lines.push(format!("  {}[\"{} (not here)\"]", edge.to, edge.to));
        lines.push(format!("  {} -.->|{}| {}", edge.from, escaped(edge.rel), edge.to));
    }
    lines.push(format!("  style {} stroke-width:3px", lineage.about));
    lines.push(String::new());
    lines.join("\n")
}

/// What stands in a node, line by line.
pub(super) fn label(node: &Node, graph: &Graph) -> Vec<String> {
    let receipt = &node.receipt;
    let mut lines = vec![receipt.kind.clone(), format!("{} · seq {}", receipt.id, receipt.seq)];
    if let Some(command) = &node.command {
        lines.push(shortened(command));
    }
    if let Some(who) = &node.principal {
        lines.push(format!("by {who}"));
    }
    if let Some(verdict) = receipt.verdict() {
        lines.push(verdict.to_owned());
    }
    if let Some(folded) = graph.heartbeats.iter().find(|folded| folded.intent == receipt.id) {
        lines.push(format!("{} heartbeats", folded.count));
    }
    lines
}

/// Long commands make no picture.
const LABEL_MAX: usize = 60;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LABEL_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Every character that means something to Mermaid, Markdown or HTML stands as an entity; what cannot be seen does not
/// stand at all.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            ' ' | '_' | '-' | '.' | ',' | '/' | ':' | '·' | '…' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c if c.is_control() => out.push(' '),
            c => out.push_str(&format!("#{};", u32::from(c))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_others_acts_in_a_label() {
        assert_eq!(escaped("a\"] --> x[\"<b>"), "a#34;#93; --#62; x#91;#34;#60;b#62;");
        assert_eq!(escaped("a\nb\u{1b}[1m`c`"), "a b #91;1m#96;c#96;");
        assert_eq!(escaped("git push über_1"), "git push über_1");
        assert_eq!(escaped("a\u{202e}b"), "a#8238;b");
        assert_eq!(shortened(&"x".repeat(61)).chars().count(), 61);
    }
}
