//! What a newcomer meets: README, map, big files, and manifests that nobody would ship.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::Tree;

/// A reader who has not seen a command by here has left.
const README_COMMAND_LINE: usize = 20;
/// Lines of the README.
const README_LINES_MAX: usize = 119;
/// Bytes of one file: a clone stays fast, and generated bulk belongs in a release.
const FILE_BYTES_MAX: usize = 1 << 20;

/// README, ARCHITECTURE, file sizes and worker manifests are as they should be.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(readme(tree));
    findings.extend(map(tree));
    findings.extend(workers(tree));
    for (path, bytes) in tree.files().filter(|(_, bytes)| bytes.len() > FILE_BYTES_MAX) {
        let text = format!("{} bytes, at most {FILE_BYTES_MAX}: generate it, or keep a sample", bytes.len());
        findings.push(Finding::new(path, text));
    }
    findings
}

fn readme(tree: &Tree) -> Vec<Finding> {
    let path = "README.md";
    let Some(text) = tree.text(path) else { return vec![Finding::new(path, "is missing")] };
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > README_LINES_MAX {
        let text = format!("{lines} lines, at most {README_LINES_MAX}: move the rest to docs/");
        findings.push(Finding::new(path, text));
    }
    let first = text.lines().position(|line| line.trim_start().starts_with("```"));
    if first.is_none_or(|index| index + 1 >= README_COMMAND_LINE) {
        let text = format!("no command before line {README_COMMAND_LINE}: show first, explain later");
        findings.push(Finding::new(path, text));
    }
    findings
}

/// ARCHITECTURE.md names every room of the house.
fn map(tree: &Tree) -> Vec<Finding> {
    let path = "ARCHITECTURE.md";
    let Some(text) = tree.text(path) else { return vec![Finding::new(path, "is missing")] };
    let mut rooms = BTreeSet::new();
    for (file, _) in tree.files() {
        let mut parts = file.split('/');
        let (first, second, third) = (parts.next(), parts.next(), parts.next());
        // Hidden folders hold settings of tools, not rooms.
        if let (Some(top), Some(_)) = (first.filter(|top| !top.starts_with('.')), second) {
            rooms.insert(top);
        }
        if let (Some("crates"), Some(name), Some(_)) = (first, second, third) {
            rooms.insert(name);
        }
    }
    rooms
        .into_iter()
        .filter(|room| !names_room(text, room))
        .map(|room| Finding::new(path, format!("does not name `{room}`")))
        .collect()
}

/// Whether a text names a folder or a crate as such, not as a word that happens to be spelled alike.
fn names_room(text: &str, room: &str) -> bool {
    [format!("{room}/"), format!("`{room}`"), format!("cascade-{room}")].iter().any(|name| {
        text.match_indices(name.as_str()).any(|(at, _)| {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
        })
    })
}

/// Every worker manifest is part of the binary: one that is not would be reviewed and never used.
///
/// The embedding source names each manifest in a literal, by path or by its bare name.
fn workers(tree: &Tree) -> Vec<Finding> {
    let embedding: String = tree
        .ending(".rs")
        .filter(|(path, text)| path.starts_with("crates/policy/src/") && text.contains("include_str!("))
        .filter(|(_, text)| text.contains("workers/"))
        .flat_map(|(_, text)| text.lines().filter(|line| !line.trim_start().starts_with("//")))
        .collect();
    tree.ending(".toml")
        .filter_map(|(path, _)| Some((path, path.strip_prefix("workers/")?.strip_suffix(".toml")?)))
        .filter(|(path, name)| {
            !embedding.contains(&format!("\"{name}\"")) && !embedding.contains(&format!("/{path}\""))
        })
        .map(|(path, _)| Finding::new(path, "is not embedded: name it in policy::worker::builtin"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::tree;

    const README: &str = "# Cascade\n\n```\ncargo run\n```\n";

    fn texts(files: &[(&str, &str)]) -> Vec<String> {
        check(&tree(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn readme_limits_hold_at_and_past() {
        let full = format!("{README}{}", "x\n".repeat(README_LINES_MAX - 5));
        let past = format!("{full}x\n");
        let late = format!("{}{README}", "x\n".repeat(README_COMMAND_LINE - 3));
        let map = ("ARCHITECTURE.md", "");
        assert_eq!(texts(&[("README.md", &full), map]), Vec::<String>::new());
        assert!(texts(&[("README.md", &past), map])[0].contains("120 lines"));
        assert!(texts(&[("README.md", &late), map])[0].contains("no command before line 20"));
        assert_eq!(texts(&[]), ["README.md: is missing", "ARCHITECTURE.md: is missing"]);
    }

    #[test]
    fn a_room_without_a_line_on_the_map_is_found() {
        let map = "crates/ holds `receipt` and cascade-ledger; docs/ and workers/ are data";
        let readme = ("README.md", README);
        let known = [readme, ("ARCHITECTURE.md", map), ("crates/receipt/src/lib.rs", ""), ("docs/a.md", "")];
        assert_eq!(texts(&known), Vec::<String>::new());
        let files = [readme, ("ARCHITECTURE.md", map), ("crates/oracle/src/lib.rs", ""), ("vectors/a", "")];
        let expected =
            ["ARCHITECTURE.md: does not name `oracle`", "ARCHITECTURE.md: does not name `vectors`"];
        assert_eq!(texts(&files), expected);
    }

    #[test]
    fn big_files_and_manifests_left_outside_are_found() {
        let big = "x".repeat(FILE_BYTES_MAX + 1);
        let source = "include_str!(concat!(\"../../../../workers/\", $name, \".toml\"))\n\
                      texts! { \"git\" }\n// \"npm\"\ninclude_str!(\"../../../../workers/psql.toml\")";
        let files = [
            ("README.md", README),
            ("ARCHITECTURE.md", "crates/ policy/ workers/ `docs`"),
            ("crates/policy/src/worker/builtin.rs", source),
            ("workers/git.toml", ""),
            ("workers/npm.toml", ""),
            ("workers/psql.toml", ""),
            ("docs/big.bin", &big),
        ];
        let found = texts(&files);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("workers/npm.toml: is not embedded"), "{found:?}");
        assert!(found[1].starts_with("docs/big.bin: 1048577 bytes"), "{found:?}");
    }
}
