//! Words that may not stand in the tree, each with what to write instead.
//!
//! The needles are put together from halves, so that this file does not contain them.

use super::Finding;
use super::mask::{line_of, mask};
use super::tree::Tree;

/// A text that may not occur, whether it must stand alone as a word, and what to do instead.
struct Refused {
    needle: &'static str,
    whole_word: bool,
    instead: &'static str,
}

const ANYWHERE: &[Refused] = &[
    Refused { needle: concat!("/wo", "rk/"), whole_word: true, instead: PATH },
    Refused { needle: concat!("/ro", "ot/"), whole_word: true, instead: PATH },
    Refused { needle: concat!("TO", "DO"), whole_word: true, instead: "do it now, or state the known gap" },
    Refused { needle: concat!("FIX", "ME"), whole_word: true, instead: "fix it, or state the known gap" },
    Refused { needle: concat!("<<<<", "<<< "), whole_word: false, instead: "settle what was merged" },
    Refused { needle: concat!(">>>>", ">>> "), whole_word: false, instead: "settle what was merged" },
];

const PATH: &str = "a path of one machine: use a relative one, or /srv and /home/me in examples";

const IN_CODE: &[Refused] = &[
    Refused { needle: concat!("to", "do!("), whole_word: true, instead: "write it" },
    Refused { needle: concat!("unimple", "mented!("), whole_word: true, instead: "write it" },
    Refused {
        needle: concat!("#[ig", "nore"),
        whole_word: false,
        instead: "make the test fast and sure, or delete it",
    },
    Refused {
        needle: concat!("[al", "low("),
        whole_word: false,
        instead: "use `expect` with the invariant as reason",
    },
];

/// Parts of a type's name that say nothing, with the question that finds the better name.
const NAMES: &[(&str, &str)] = &[
    ("Manager", "name what it keeps: Ledger, Vault, Registry"),
    ("Handler", "name what happens: a verb for a function, the event for a type"),
    ("Helper", "name what it does"),
    ("Util", "name what it does"),
    ("Utils", "name what it does"),
    ("Service", "name what it does for whom"),
    ("Impl", "name what sets it apart from the other implementations"),
];

/// Where packages may come from, as the lock files spell it.
const SOURCES: &[(&str, &str, &str)] = &[
    ("Cargo.lock", "source = \"", "registry+https://github.com/rust-lang/crates.io-index"),
    ("package-lock.json", "\"resolved\": \"", "https://registry.npmjs.org/"),
];

/// No refused word, name or package source anywhere in the tree.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        findings.extend(refused(path, text, ANYWHERE));
        findings.extend(sources(path, text));
        if path.ends_with(".rs") {
            let code = mask(text);
            findings.extend(refused(path, &code, IN_CODE));
            findings.extend(names(path, &code));
        }
    }
    findings
}

fn refused(path: &str, text: &str, list: &[Refused]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for word in list {
        for (at, _) in text.match_indices(word.needle) {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            let after = text.get(at + word.needle.len()..).and_then(|text| text.chars().next());
            let opens = word.needle.starts_with(|c: char| c.is_alphanumeric()) && before.is_some_and(is_word);
            let closes = word.needle.ends_with(|c: char| c.is_alphanumeric()) && after.is_some_and(is_word);
            // A path is absolute only at the start of a word: `src/work/` is somebody's folder.
            let inside = word.needle.starts_with('/') && before.is_some_and(|c| is_word(c) || c == '.');
            if !word.whole_word || !(opens || closes || inside) {
                let text_found = format!("`{}`: {}", word.needle, word.instead);
                findings.push(Finding::at(path, line_of(text, at), text_found));
            }
        }
    }
    findings
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Types and functions whose names say nothing.
fn names(path: &str, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for keyword in ["struct ", "enum ", "trait ", "type ", "union "] {
        for (at, name) in defined(code, keyword) {
            let segment = NAMES.iter().find(|(refused, _)| has_segment(name, refused));
            if let Some((refused, instead)) = segment {
                let text = format!("`{name}` says nothing by `{refused}`: {instead}");
                findings.push(Finding::at(path, line_of(code, at), text));
            }
        }
    }
    for (at, name) in defined(code, "fn ") {
        if let Some(better) = name.strip_prefix("get_") {
            findings.push(Finding::at(path, line_of(code, at), format!("`{name}`: call it `{better}`")));
        }
    }
    findings
}

/// Offset and name of every item a keyword introduces.
fn defined<'a>(code: &'a str, keyword: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    code.match_indices(keyword).filter_map(move |(at, _)| {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        if before.is_some_and(is_word) {
            return None;
        }
        let name = code.get(at + keyword.len()..)?.split(|c| !is_word(c)).next()?;
        (!name.is_empty()).then_some((at, name))
    })
}

/// Whether a name has this capitalised part: `KeyManager` has, `Managerial` has not.
fn has_segment(name: &str, segment: &str) -> bool {
    name.match_indices(segment).any(|(at, _)| {
        !name.get(at + segment.len()..).unwrap_or_default().starts_with(|c: char| c.is_ascii_lowercase())
    })
}

/// Lines of a lock file that name another place than the public registry: such a build works on one
/// network only.
fn sources(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, key, allowed) in SOURCES {
        if path.rsplit('/').next() != Some(file) {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            let source = line.trim_start().strip_prefix(key);
            if source.is_some_and(|source| !source.starts_with(allowed)) {
                findings.push(Finding::at(path, index + 1, format!("package source is not `{allowed}`")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::tree;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&tree(&[(path, text)])).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn every_refused_text_is_found_where_it_counts() {
        for word in ANYWHERE {
            let text = format!("see {} here", word.needle);
            assert_eq!(found("docs/a.md", &text).len(), 1, "{text}");
        }
        for word in IN_CODE {
            let text = format!("fn a() {{ {}) }}", word.needle);
            assert_eq!(found("a/src/a.rs", &text).len(), 1, "{text}");
            // As text of a message it is harmless, and so it is in prose.
            assert_eq!(found("a/src/a.rs", &format!("const A: &str = \"{text}\";")).len(), 0, "{text}");
        }
    }

    #[test]
    fn longer_words_and_inner_folders_pass() {
        for text in [concat!("TO", "DOS are many"), concat!("a/wo", "rk/b"), concat!("./ro", "ot/x")] {
            assert_eq!(found("docs/a.md", text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        let table = [
            ("struct KeyManager;", 1),
            ("pub enum HandlerKind {}", 1),
            ("trait StoreImpl {}", 1),
            ("fn get_head() {}", 1),
            ("struct Utility; struct Managerial; fn target_of() {}", 0),
            ("// struct KeyManager\nuse other::SignalHandler;", 0),
        ];
        for (text, count) in table {
            assert_eq!(found("a/src/a.rs", text).len(), count, "{text}");
        }
    }

    #[test]
    fn a_private_package_source_is_found() {
        let public = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        assert_eq!(found("Cargo.lock", public).len(), 0);
        assert_eq!(found("Cargo.lock", "source = \"registry+https://crates.example.org/\"\n").len(), 1);
        assert_eq!(found("fuzz/Cargo.lock", "source = \"git+https://github.com/a/b\"\n").len(), 1);
        assert_eq!(
            found("console/package-lock.json", "  \"resolved\": \"https://npm.example.org/x\"").len(),
            1
        );
    }
}
