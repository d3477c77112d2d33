//! Relative links in Markdown lead to a file of the tree, and to a heading that is there.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::Tree;

/// Every relative link resolves. Links to other sites are not followed: a check must not need a network.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".md") {
        for (line, target) in links(text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if let Some(fault) = fault(tree, path, &target) {
                findings.push(Finding::at(path, line, format!("link `{target}`: {fault}")));
            }
        }
    }
    findings
}

fn fault(tree: &Tree, from: &str, target: &str) -> Option<String> {
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let Some(file) = resolve(from, file) else { return Some("leads out of the tree".to_owned()) };
    if !tree.has(&file) {
        return Some("leads to nothing".to_owned());
    }
    let anchor = anchor?;
    let known = tree.text(&file).is_some_and(|text| anchors(text).iter().any(|known| known == anchor));
    (!known).then(|| format!("no heading `#{anchor}` in {file}"))
}

/// The path a link means, from the root; `None` when it climbs above it.
fn resolve(from: &str, file: &str) -> Option<String> {
    if file.is_empty() {
        return Some(from.to_owned());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            ".." => drop(parts.pop()?),
            "." | "" => {}
            other => parts.push(other),
        }
    }
    Some(parts.join("/"))
}

/// Line and target of every inline link and link definition outside code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // A code span may hold what looks like a link; every second piece between backticks is one.
        let line: String = line.split('`').step_by(2).collect();
        let mut targets: Vec<&str> = Vec::new();
        let mut rest = line.as_str();
        while let Some((_, tail)) = rest.split_once("](") {
            let (target, after) = tail.split_once(')').unwrap_or((tail, ""));
            targets.push(target);
            rest = after;
        }
        let definition = line.strip_prefix('[').and_then(|tail| tail.split_once("]: "));
        targets.extend(definition.map(|(_, target)| target));
        for target in targets {
            // A title may follow the target, and angle brackets may hold it.
            let bare = target.split_whitespace().next().unwrap_or_default();
            found.push((number, bare.trim_matches(['<', '>']).to_owned()));
        }
    }
    found
}

/// The lines outside code blocks, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            return None;
        }
        (!in_code).then_some((index + 1, line))
    })
}

/// The anchors GitHub makes of a text's headings.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = Vec::new();
    for (_, line) in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let slug: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let count = seen.entry(slug.clone()).or_default();
        anchors.push(if *count == 0 { slug } else { format!("{slug}-{count}") });
        *count += 1;
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::tree;

    #[test]
    fn links_that_lead_somewhere_pass() {
        let files = [
            (
                "docs/a.md",
                "# A b: `c`\n[x](b.md) [y](../README.md#two-2) [z](#a-b-c \"title\") [w](../crates/)\n\
                 [web](https://example.org/none)\n```\n[no](nowhere.md)\n```\n[r]: <b.md>\n",
            ),
            ("docs/b.md", ""),
            ("README.md", "# One\n## Two\n## Two\n## Two\n"),
            ("crates/x.rs", ""),
        ];
        assert_eq!(check(&tree(&files)), []);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let table = [
            ("[x](gone.md)", "leads to nothing"),
            ("[x](../../up.md)", "leads out of the tree"),
            ("[x](#missing)", "no heading `#missing` in docs/a.md"),
            ("[r]: gone.md", "leads to nothing"),
            ("text `[z](no.md)` [`x`](a.md) and [y](gone.md)", "leads to nothing"),
        ];
        for (text, expected) in table {
            let found = check(&tree(&[("docs/a.md", text)]));
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].text.ends_with(expected), "{text}: {found:?}");
        }
    }
}
