//! The graph in DOT, for Graphviz.

use super::Lineage;
use super::mermaid::label;

/// A directed graph, the oldest on top.
#[must_use]
pub fn dot(lineage: &Lineage) -> String {
    let graph = &lineage.graph;
    let mut lines = vec![
        "digraph lineage {".to_owned(),
        "  rankdir=TB;".to_owned(),
        "  node [shape=box, fontname=\"sans-serif\"];".to_owned(),
    ];
    for node in graph.nodes.values() {
        let bold = if node.receipt.id == lineage.about { ", penwidth=3" } else { "" };
        let label = label(node, graph).iter().map(|line| escaped(line)).collect::<Vec<_>>().join("\\n");
        lines.push(format!("  \"{}\" [label=\"{label}\"{bold}];", node.receipt.id));
    }
    for edge in &graph.edges {
        lines.push(format!("  \"{}\" -> \"{}\" [label=\"{}\"];", edge.from, edge.to, escaped(edge.rel)));
    }
    for edge in &graph.missing {
        lines.push(format!("  \"{}\" [label=\"{} (not here)\", style=dashed];", edge.to, edge.to));
        lines.push(format!(
            "  \"{}\" -> \"{}\" [label=\"{}\", style=dashed];",
            edge.from,
            edge.to,
            escaped(edge.rel)
        ));
    }
    lines.push("}".to_owned());
    lines.push(String::new());
    lines.join("\n")
}

/// Text within double quotes. A backslash begins escapes of labels (`\N`, `\G`), and `&` entities.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_others_acts_in_a_label() {
        assert_eq!(escaped("a\"]; b [\"\\N & <b>"), "a\\\"]; b [\\\"\\\\N &amp; &lt;b&gt;");
        assert_eq!(escaped("a\nb\u{1b}c"), "a b c");
    }
}
