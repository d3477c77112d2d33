//! Snippets out of the Python files they are written in.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::Snippet;
use crate::library::hex;
use crate::spec::signature;
use crate::templates::words;

/// Modules that snippets use, by the name they use them under.
const MODULES: &[(&str, &str)] = &[
    ("base64", "base64"),
    ("calendar", "calendar"),
    ("collections", "collections"),
    ("csv", "csv"),
    ("datetime", "datetime"),
    ("functools", "functools"),
    ("hashlib", "hashlib"),
    ("io", "io"),
    ("ipaddress", "ipaddress"),
    ("itertools", "itertools"),
    ("json", "json"),
    ("math", "math"),
    ("re", "re"),
    ("unicodedata", "unicodedata"),
    ("urllib", "urllib.parse"),
];

/// Every function of a file. What cannot be read is left out; a test counts.
pub(super) fn snippets(file: &str) -> Vec<Snippet> {
    file.split("\n\n\n").filter(|part| part.starts_with("def ")).filter_map(snippet).collect()
}

fn snippet(text: &str) -> Option<Snippet> {
    let text = text.trim_end();
    let task = signature(text, 1).ok()?;
    let rest = text.strip_prefix(task.header.as_str())?.trim_start().strip_prefix("\"\"\"")?;
    let (documentation, body) = rest.split_once("\"\"\"")?;
    let (description, examples) = documentation.split_once(">>>")?;
    let names: Vec<&str> = task.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let mut python = String::new();
    for (name, module) in MODULES {
        if uses(body, name) {
            let _ = writeln!(python, "import {module}");
        }
    }
    if !python.is_empty() {
        python.push_str("\n\n");
    }
    let body = body.trim_start_matches('\n').trim_end();
    let _ = write!(python, "def {}({}):\n{body}\n", task.name, names.join(", "));
    Some(Snippet {
        hash: hex(&Sha256::digest(&python)),
        python,
        parameters: task.parameters.iter().map(|parameter| parameter.of.clone()).collect(),
        returns: task.returns?,
        description: description.split_whitespace().collect::<Vec<_>>().join(" "),
        examples: format!(">>>{examples}").replace("\n    ", "\n").trim_end().to_owned() + "\n",
        words: words(&format!("{} {description}", task.name)),
        name: task.name,
    })
}

/// Whether a module is used under this name.
fn uses(body: &str, name: &str) -> bool {
    let dotted = format!("{name}.");
    places(body, &dotted).next().is_some()
}

/// Where a word begins that nothing comes before.
fn places<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text.get(..*at).unwrap_or_default();
        !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.')
    })
}

/// The text with a function under another name.
pub(super) fn renamed(text: &str, name: &str, other: &str) -> String {
    let call = format!("{name}(");
    let mut out = String::new();
    let mut from = 0;
    for at in places(text, &call) {
        out.push_str(text.get(from..at).unwrap_or_default());
        out.push_str(other);
        from = at + name.len();
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

pub(super) fn digest(snippets: &[Snippet]) -> String {
    let mut hash = Sha256::new();
    for snippet in snippets {
        for part in [&snippet.name, &snippet.description, &snippet.hash] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(format!("{:?} {:?}", snippet.parameters, snippet.returns));
    }
    hex(&hash.finalize())
}
