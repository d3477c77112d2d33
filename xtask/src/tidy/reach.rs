//! No source file lies around unused: each is the root of a target or reached from one by `mod`.
//!
//! This also finds a forgotten integration test: a file below `tests/` that no test binary includes
//! looks like a promise and defends nothing.

use std::collections::BTreeSet;

use super::Finding;
use super::mask::{braced, mask};
use super::tree::Tree;
use super::workspace::Workspace;

/// Every `.rs` file is reached from a target.
pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<(String, bool)> = Vec::new();
    for package in workspace.ours() {
        open.extend(package.roots.iter().map(|root| (root.clone(), true)));
    }
    while let Some((path, is_root)) = open.pop() {
        if !reached.insert(path.clone()) {
            continue;
        }
        let Some(source) = tree.text(&path) else { continue };
        open.extend(children(&path, is_root, source, tree));
    }
    tree.ending(".rs")
        .filter(|(path, _)| !reached.contains(*path))
        .map(|(path, _)| Finding::new(path, "no target reaches it: add a `mod` or delete it"))
        .collect()
}

/// The files that a file names: modules, and sources included as text.
fn children(path: &str, is_root: bool, source: &str, tree: &Tree) -> Vec<(String, bool)> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let own = is_root || file == "mod.rs";
    let below = if own { folder.to_owned() } else { join(folder, file.trim_end_matches(".rs")) };
    let masked = mask(source);
    let text = Text { source, masked: &masked, folder, tree };
    let mut found = Vec::new();
    text.modules(0, masked.len(), &below, &mut found);
    for (at, _) in masked.match_indices("include!(") {
        if let Some(name) = quoted(source.get(at..).unwrap_or_default()) {
            found.push((join(folder, name), true));
        }
    }
    found
}

/// One source file while its modules are looked up.
struct Text<'a> {
    source: &'a str,
    masked: &'a str,
    folder: &'a str,
    tree: &'a Tree,
}

impl Text<'_> {
    /// Collects the files of the `mod` items between two offsets; `below` is where their files lie.
    fn modules(&self, mut from: usize, to: usize, below: &str, found: &mut Vec<(String, bool)>) {
        while let Some(at) = self.masked.get(from..to).and_then(|text| text.find("mod ")) {
            let keyword = from + at;
            from = keyword + 4;
            let before = self.masked.get(..keyword).and_then(|text| text.chars().next_back());
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let tail = self.masked.get(from..to).unwrap_or_default();
            let name = tail.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            let next = tail.get(name.len()..).unwrap_or_default();
            match next.trim_start().chars().next() {
                Some(';') => found.push((self.file(keyword, name, below), false)),
                Some('{') => {
                    let open = to - next.trim_start().len();
                    let close = open + braced(self.masked.get(open..to).unwrap_or_default());
                    self.modules(open, close, &join(below, name), found);
                    from = close;
                }
                _ => {}
            }
        }
    }

    /// The file of `mod name;`: the attribute's path, or one of the two places Rust looks.
    fn file(&self, keyword: usize, name: &str, below: &str) -> String {
        let start =
            self.masked.get(..keyword).and_then(|text| text.rfind([';', '}', '{'])).map_or(0, |at| at + 1);
        let attributes = self.source.get(start..keyword).unwrap_or_default();
        if let Some(path) = attributes.find("#[path").and_then(|at| quoted(attributes.get(at..)?)) {
            return join(self.folder, path);
        }
        let flat = join(below, &format!("{name}.rs"));
        if self.tree.text(&flat).is_some() { flat } else { join(below, &format!("{name}/mod.rs")) }
    }
}

/// The first string literal of a text.
fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}

/// A relative path seen from a folder, with `..` resolved.
fn join(folder: &str, name: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            other => parts.push(other),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::tree;
    use crate::tidy::workspace::Package;

    fn orphans(roots: &[&str], files: &[(&str, &str)]) -> Vec<String> {
        let roots = roots.iter().map(|root| (*root).to_owned()).collect();
        let workspace = Workspace { packages: vec![Package { roots, ..Package::default() }] };
        check(&tree(files), &workspace).into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn modules_in_every_place_are_reached() {
        let files = [
            ("a/src/lib.rs", "mod b;\npub mod c;\nmod d { mod e; }\n#[path = \"odd.rs\"]\nmod f;\n"),
            ("a/src/b.rs", "mod g;"),
            ("a/src/b/g.rs", ""),
            ("a/src/c/mod.rs", "pub(crate) mod h;"),
            ("a/src/c/h.rs", "include!(\"../text.rs\");"),
            ("a/src/text.rs", ""),
            ("a/src/d/e.rs", ""),
            ("a/src/odd.rs", ""),
        ];
        assert_eq!(orphans(&["a/src/lib.rs"], &files), Vec::<String>::new());
    }

    #[test]
    fn orphans_and_forgotten_tests_are_found() {
        let files = [
            ("a/src/lib.rs", "// mod b;\nconst X: &str = \"mod c;\";"),
            ("a/src/b.rs", ""),
            ("a/src/c.rs", ""),
            ("a/tests/suite/main.rs", "mod run;"),
            ("a/tests/suite/run.rs", ""),
            ("a/tests/suite/forgotten.rs", "#[test] fn t() {}"),
        ];
        let found = orphans(&["a/src/lib.rs", "a/tests/suite/main.rs"], &files);
        assert_eq!(found, ["a/src/b.rs", "a/src/c.rs", "a/tests/suite/forgotten.rs"]);
    }
}
