//! What may be built in: licences, refused packages, sources, and one version of each cipher.
//!
//! The lists stand in deny.toml alone, where cargo-deny reads them too. An empty list is a finding, so
//! that a moved or misspelt section cannot pass as permission.

use std::collections::BTreeSet;

use super::Finding;
use super::workspace::Workspace;

/// Holds deny.toml against what Cargo would build here.
pub(super) fn check(workspace: &Workspace, deny: &str) -> Vec<Finding> {
    let lists = Lists::read(deny);
    let mut findings = lists.faults();
    for package in &workspace.packages {
        let place = format!("{} {}", package.name, package.version);
        if !allowed(&package.licence, &lists.licences) {
            let text = format!("licence `{}` is not one that deny.toml allows", package.licence);
            findings.push(Finding::new(&place, text));
        }
        if let Some((_, reason)) = lists.refused.iter().find(|(name, _)| *name == package.name) {
            findings.push(Finding::new(&place, format!("is refused: {reason}")));
        }
        if let Some(source) = &package.source {
            let registry = source.strip_prefix("registry+").or_else(|| source.strip_prefix("sparse+"));
            if !registry.is_some_and(|registry| lists.registries.contains(&registry)) {
                findings
                    .push(Finding::new(&place, format!("comes from `{source}`, not from a listed registry")));
            }
        }
    }
    findings.extend(duplicates(workspace, &lists));
    findings
}

/// The lists of deny.toml.
struct Lists<'a> {
    licences: Vec<&'a str>,
    registries: Vec<&'a str>,
    /// Packages that may not come in at all, with the reason.
    refused: Vec<(&'a str, &'a str)>,
    /// Packages that may come in once.
    single: Vec<&'a str>,
    /// `name@version` of a second version that has a reason.
    excused: Vec<&'a str>,
}

impl<'a> Lists<'a> {
    fn read(deny: &'a str) -> Self {
        let mut refused = Vec::new();
        let mut single = Vec::new();
        for entry in entries(deny, "bans", "deny") {
            let Some(name) = member(entry, "crate = ") else { continue };
            if entry.contains("deny-multiple-versions = true") {
                single.push(name);
            } else {
                refused.push((name, member(entry, "reason = ").unwrap_or("deny.toml gives no reason")));
            }
        }
        Self {
            licences: entries(deny, "licenses", "allow").filter_map(|entry| member(entry, "")).collect(),
            registries: entries(deny, "sources", "allow-registry").filter_map(|e| member(e, "")).collect(),
            refused,
            single,
            excused: entries(deny, "bans", "skip").filter_map(|entry| member(entry, "crate = ")).collect(),
        }
    }

    fn faults(&self) -> Vec<Finding> {
        let counts = [
            ("licenses.allow", self.licences.len()),
            ("sources.allow-registry", self.registries.len()),
            ("bans.deny", self.refused.len()),
            ("bans.deny with deny-multiple-versions", self.single.len()),
        ];
        let empty = counts.into_iter().filter(|(_, count)| *count == 0);
        empty.map(|(list, _)| Finding::new("deny.toml", format!("`{list}` lists nothing"))).collect()
    }
}

/// The lines of one array of a section.
fn entries<'a>(toml: &'a str, section: &str, key: &str) -> impl Iterator<Item = &'a str> {
    let header = format!("[{section}]");
    let opening = format!("{key} = [");
    toml.lines()
        .map(str::trim)
        .skip_while(move |line| *line != header)
        .skip(1)
        .take_while(|line| !(line.starts_with('[') && line.ends_with(']')))
        .skip_while(move |line| *line != opening)
        .skip(1)
        .take_while(|line| *line != "]")
        .filter(|line| !line.starts_with('#'))
}

/// The string after a key within an entry.
fn member<'a>(entry: &'a str, key: &str) -> Option<&'a str> {
    let (_, tail) = if key.is_empty() { ("", entry) } else { entry.split_once(key)? };
    tail.split('"').nth(1)
}

/// More than one version of a package that may come in once, and excuses that excuse nothing.
fn duplicates(workspace: &Workspace, lists: &Lists<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let versions = |name: &str| -> BTreeSet<&str> {
        let same = workspace.packages.iter().filter(|package| package.name == name);
        same.map(|package| package.version.as_str()).collect()
    };
    for name in &lists.single {
        let all = versions(name);
        let left: Vec<&str> = all.into_iter().filter(|version| !excused(name, version, lists)).collect();
        if left.len() > 1 {
            let text = format!("comes in {} versions: {}", left.len(), left.join(", "));
            findings.push(Finding::new(*name, text));
        }
    }
    for excuse in &lists.excused {
        let name = excuse.split('@').next().unwrap_or_default();
        let all = versions(name);
        if all.len() < 2 || !all.iter().any(|version| excuses(excuse, name, version)) {
            findings.push(Finding::new(
                "deny.toml",
                format!("`{excuse}` is skipped but no longer doubled: drop it"),
            ));
        }
    }
    findings
}

fn excused(name: &str, version: &str, lists: &Lists<'_>) -> bool {
    lists.excused.iter().any(|excuse| excuses(excuse, name, version))
}

/// Whether `name@1.2` covers a version `1.2.3` of `name`.
fn excuses(excuse: &str, name: &str, version: &str) -> bool {
    excuse
        .split_once('@')
        .is_some_and(|(of, prefix)| of == name && format!("{version}.").starts_with(&format!("{prefix}.")))
}

/// Whether a licence expression can be met with allowed licences alone. What cannot be read is not allowed.
fn allowed(expression: &str, licences: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    matches!(either(&words, licences), Some((true, [])))
}

/// `a OR b OR …`: whether it is met, and the words after it.
fn either<'a, 'b>(words: &'b [&'a str], licences: &[&str]) -> Option<(bool, &'b [&'a str])> {
    let (mut met, mut rest) = both(words, licences)?;
    while let ["OR", tail @ ..] = rest {
        let (other, after) = both(tail, licences)?;
        met |= other;
        rest = after;
    }
    Some((met, rest))
}

/// `a AND b AND …`, which binds tighter than OR.
fn both<'a, 'b>(words: &'b [&'a str], licences: &[&str]) -> Option<(bool, &'b [&'a str])> {
    let (mut met, mut rest) = one(words, licences)?;
    while let ["AND", tail @ ..] = rest {
        let (other, after) = one(tail, licences)?;
        met &= other;
        rest = after;
    }
    Some((met, rest))
}

/// A licence, a licence with an exception, or an expression in brackets.
fn one<'a, 'b>(words: &'b [&'a str], licences: &[&str]) -> Option<(bool, &'b [&'a str])> {
    match words {
        ["(", tail @ ..] => match either(tail, licences)? {
            (met, [")", rest @ ..]) => Some((met, rest)),
            _ => None,
        },
        [licence, "WITH", exception, rest @ ..] => {
            Some((licences.contains(&format!("{licence} WITH {exception}").as_str()), rest))
        }
        ["AND" | "OR" | "WITH" | ")", ..] | [] => None,
        [licence, rest @ ..] => Some((licences.contains(licence), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::workspace::Package;

    const DENY: &str = r#"
[licenses]
allow = [
    "MIT",
    "Apache-2.0", # ours
    "Apache-2.0 WITH LLVM-exception",
]
[bans]
deny = [
    { crate = "evalexpr", reason = "AGPL" },
    { crate = "sha2", deny-multiple-versions = true },
]
skip = [
]
[sources]
allow-registry = [
    "https://github.com/rust-lang/crates.io-index",
]
"#;
    const SKIPPED: &str = "skip = [\n    { crate = \"sha2@0.10\", reason = \"ssh-key\" },";
    const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

    fn texts(packages: &[(&str, &str, &str)], source: &str, deny: &str) -> Vec<String> {
        let package = |(name, version, licence): &(&str, &str, &str)| Package {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            licence: (*licence).to_owned(),
            source: Some(source.to_owned()),
            ..Package::default()
        };
        let workspace = Workspace { packages: packages.iter().map(package).collect() };
        check(&workspace, deny).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn licence_expressions_are_read_as_spdx_means_them() {
        let lists = Lists::read(DENY);
        let table = [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0 AND MIT", false),
            ("GPL-3.0 AND MIT OR Apache-2.0", true),
            ("GPL-3.0 AND (MIT OR Apache-2.0)", false),
            ("(MIT OR GPL-3.0) AND Apache-2.0", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("MIT WITH LLVM-exception", false),
            ("AGPL-3.0-only", false),
            ("", false),
            ("MIT OR", false),
            ("(MIT", false),
            ("MIT Apache-2.0", false),
        ];
        for (expression, expected) in table {
            assert_eq!(allowed(expression, &lists.licences), expected, "{expression}");
        }
    }

    #[test]
    fn refused_packages_licences_and_sources_are_found() {
        let none: Vec<String> = Vec::new();
        assert_eq!(texts(&[("toml", "1.0.0", "MIT")], CRATES_IO, DENY), none);
        assert_eq!(
            texts(&[("evalexpr", "13.0.0", "MIT")], CRATES_IO, DENY),
            ["evalexpr 13.0.0: is refused: AGPL"]
        );
        assert_eq!(texts(&[("a", "1.0.0", "GPL-3.0")], CRATES_IO, DENY).len(), 1);
        assert_eq!(texts(&[("a", "1.0.0", "MIT")], "git+https://github.com/a/b", DENY).len(), 1);
    }

    #[test]
    fn a_second_version_needs_a_live_excuse() {
        let none: Vec<String> = Vec::new();
        let twice = [("sha2", "0.10.9", "MIT"), ("sha2", "0.11.0", "MIT")];
        let excused = DENY.replace("skip = [", SKIPPED);
        assert_eq!(texts(&twice, CRATES_IO, DENY), ["sha2: comes in 2 versions: 0.10.9, 0.11.0"]);
        assert_eq!(texts(&twice, CRATES_IO, &excused), none);
        let once = [("sha2", "0.11.0", "MIT")];
        assert!(texts(&once, CRATES_IO, &excused)[0].contains("no longer doubled"));
    }

    #[test]
    fn an_empty_list_permits_nothing() {
        let found = texts(&[], CRATES_IO, "");
        assert_eq!(found.len(), 4, "{found:?}");
    }
}
