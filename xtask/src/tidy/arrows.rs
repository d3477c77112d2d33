//! Which crate may use which, which names a crate may not have, and what keeps the pure ones pure.

use std::collections::BTreeSet;

use super::Finding;
use super::mask::{is_test, line_of, outside_tests};
use super::tree::Tree;
use super::workspace::Workspace;

/// Arrows from user to used. A crate that is not here may not exist: add it together with its arrows
/// and with its line in ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("receipt", &[]),
    ("policy", &["receipt"]),
    ("kernel", &["policy", "receipt"]),
    ("audit", &["kernel", "policy", "receipt"]),
    ("synthesis", &[]),
    ("timestamp", &["receipt"]),
    ("ledger", &["receipt"]),
    ("runtime", &["audit", "ledger", "kernel", "policy", "synthesis", "timestamp", "receipt"]),
    ("server", &["audit", "runtime", "ledger", "policy", "receipt"]),
    (
        "cli",
        &[
            "bench",
            "verify",
            "server",
            "runtime",
            "audit",
            "ledger",
            "kernel",
            "policy",
            "timestamp",
            "receipt",
        ],
    ),
    ("verify", &["timestamp", "receipt"]),
    ("bench", &["audit", "runtime", "verify", "ledger", "kernel", "policy", "receipt"]),
    ("xtask", &["receipt"]),
    ("fuzz", &["policy", "receipt"]),
];

/// What only tests use: the local model that xtask starts.
const TESTED_WITH: &[(&str, &str)] = &[("runtime", "xtask"), ("cli", "xtask"), ("bench", "xtask")];

/// Names that say nothing about what a crate is for, so that everything ends up in it.
const NAMES_REFUSED: &[&str] =
    &["core", "common", "types", "utils", "util", "models", "shared", "base", "misc"];

/// Crates that read no file, clock, environment or randomness.
const PURE: &[&str] = &["receipt", "policy", "kernel", "audit", "synthesis", "timestamp"];

/// What the clippy.toml of a pure crate must disallow, at the least; a path or everything below it.
const IMPURE: &[&str] = &[
    "std::time::SystemTime",
    "std::time::Instant",
    "std::env::var",
    "std::env::var_os",
    "std::env::args",
    "std::fs::read",
    "std::fs::read_to_string",
    "std::fs::write",
    "std::fs::File",
    "std::thread::spawn",
    "std::process::Command",
    "std::net::TcpStream",
    "std::collections::HashMap",
    "std::collections::HashSet",
];

/// Powers that few crates have (invariant I11): what using it looks like, who may, and what it is.
const POWERS: &[(&str, &[&str], &str)] = &[
    ("process::Command", &["runtime"], "starts processes"),
    ("Command::new(", &["runtime"], "starts processes"),
    ("Ed25519KeyPair", &["ledger"], "holds private keys"),
    // `runtime` signs with people's SSH keys; the keys of chains stay in `ledger`. `audit` signs trial chains, with keys
    // that follow from names in the open.
    ("SigningKey", &["audit", "ledger", "runtime"], "holds private keys"),
    // `audit` has a database in memory and no file.
    ("rusqlite", &["audit", "ledger"], "knows SQLite"),
    ("Connection::open(", &["ledger"], "opens the database"),
    ("Connection::open_with_flags", &["ledger"], "opens the database"),
];

/// Every arrow between our crates is a listed one; every crate has a name that says what it is for.
pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ours: Vec<&str> = workspace.ours().map(|package| short(&package.name)).collect();
    for package in workspace.ours() {
        let user = short(&package.name);
        if NAMES_REFUSED.contains(&user) {
            findings.push(Finding::new(&package.name, "names a crate after nothing: say what it is for"));
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == user) else {
            findings.push(Finding::new(&package.name, "has no arrows in xtask/src/tidy/arrows.rs"));
            continue;
        };
        let built = package.dependencies.iter().map(|name| (short(name), false));
        let tested = package.test_dependencies.iter().map(|name| (short(name), true));
        let used: BTreeSet<(&str, bool)> = built.chain(tested).collect();
        for (used, tested) in used.into_iter().filter(|(used, _)| ours.contains(used)) {
            let listed = allowed.contains(&used) || (tested && TESTED_WITH.contains(&(user, used)));
            if used != user && !listed {
                findings.push(Finding::new(&package.name, format!("may not use `{used}`: no such arrow")));
            }
        }
    }
    findings
}

/// Every pure crate disallows what would make its answers depend on the machine.
///
/// A crate under `no_std` cannot name those things at all, so the compiler holds the rule there.
pub(super) fn purity(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in PURE {
        let library = tree.text(&format!("crates/{name}/src/lib.rs")).unwrap_or_default();
        if library.lines().any(|line| line.trim() == "#![no_std]") {
            continue;
        }
        let path = format!("crates/{name}/clippy.toml");
        let Some(list) = tree.text(&path) else {
            findings
                .push(Finding::new(path, "is missing: a pure crate is no_std or disallows what is impure"));
            continue;
        };
        let disallows = |refused: &str| {
            list.contains(&format!("\"{refused}\"")) || list.contains(&format!("\"{refused}::"))
        };
        for refused in IMPURE.iter().filter(|refused| !disallows(refused)) {
            findings.push(Finding::new(path.clone(), format!("does not disallow `{refused}`")));
        }
        // A crate's own clippy.toml replaces the root's, so the shared keys have to be repeated.
        for shared in tree.text("clippy.toml").unwrap_or_default().lines().filter(|line| line.contains('=')) {
            if !list.lines().any(|line| line == shared) {
                findings.push(Finding::new(path.clone(), format!("does not repeat the root's `{shared}`")));
            }
        }
    }
    findings
}

/// Only the crates that may start processes, hold private keys or open the database do so, tests aside.
pub(super) fn powers(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in tree.ending(".rs") {
        let Some((user, rest)) = path.strip_prefix("crates/").and_then(|path| path.split_once('/')) else {
            continue;
        };
        if !rest.starts_with("src/") || is_test(path) {
            continue;
        }
        let code = outside_tests(source);
        for (sign, allowed, power) in POWERS.iter().filter(|(_, allowed, _)| !allowed.contains(&user)) {
            if let Some(at) = code.find(sign) {
                let text = format!("`{sign}`: only {} {power}", allowed.join(", "));
                findings.push(Finding::at(path, line_of(&code, at), text));
            }
        }
    }
    findings
}

fn short(package: &str) -> &str {
    package.strip_prefix("cascade-").unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::tree;
    use crate::tidy::workspace::Package;

    fn workspace(packages: &[(&str, &[&str])]) -> Workspace {
        let package = |(name, used): &(&str, &[&str])| Package {
            name: (*name).to_owned(),
            dependencies: used.iter().map(|name| (*name).to_owned()).collect(),
            ..Package::default()
        };
        Workspace { packages: packages.iter().map(package).collect() }
    }

    #[test]
    fn only_listed_arrows_pass() {
        let receipt: (&str, &[&str]) = ("cascade-receipt", &["sha2"]);
        let ledger: (&str, &[&str]) = ("cascade-ledger", &["cascade-receipt"]);
        let verify: (&str, &[&str]) = ("cascade-verify", &["cascade-receipt"]);
        assert_eq!(check(&workspace(&[receipt, ledger, verify])), []);
        let back: (&str, &[&str]) = ("cascade-receipt", &["cascade-ledger"]);
        let wide: (&str, &[&str]) = ("cascade-verify", &["cascade-ledger", "cascade-receipt"]);
        let found = check(&workspace(&[back, ledger, wide]));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].text.contains("may not use `ledger`"));
    }

    #[test]
    fn what_tests_use_is_not_used_by_what_they_test() {
        let mut both = workspace(&[("cascade-runtime", &[]), ("xtask", &[])]);
        both.packages[0].test_dependencies.push("xtask".to_owned());
        assert_eq!(check(&both), []);
        both.packages[0].dependencies.push("xtask".to_owned());
        both.packages[0].test_dependencies.clear();
        assert_eq!(check(&both).len(), 1);
        // Once for each: named as both is used.
        both.packages[0].test_dependencies.push("xtask".to_owned());
        assert_eq!(check(&both).len(), 1);
    }

    #[test]
    fn empty_names_and_unlisted_crates_are_found() {
        let found = check(&workspace(&[("cascade-common", &[])]));
        assert_eq!(found.len(), 2, "{found:?}");
        let found = check(&workspace(&[("cascade-oracle", &[])]));
        assert!(found[0].text.contains("no arrows"), "{found:?}");
    }

    #[test]
    fn a_pure_crate_needs_its_list() {
        let full: String = IMPURE.iter().map(|path| format!("{{ path = \"{path}\" }},\n")).collect();
        let with_shared = format!("threshold = 70\n{full}");
        let pure = "#![no_std]\n";
        let good = [
            ("clippy.toml", "threshold = 70\n"),
            ("crates/receipt/src/lib.rs", pure),
            ("crates/policy/clippy.toml", with_shared.as_str()),
            ("crates/kernel/src/lib.rs", pure),
            ("crates/audit/src/lib.rs", pure),
            ("crates/synthesis/src/lib.rs", pure),
            ("crates/timestamp/src/lib.rs", pure),
        ];
        assert_eq!(purity(&tree(&good)), []);
        let cut = full.replace("\"std::env::var\"", "\"std::env::vars\"");
        let bad = [("clippy.toml", "threshold = 70\n"), ("crates/policy/clippy.toml", cut.as_str())];
        let found = purity(&tree(&bad));
        let texts: Vec<&str> = found.iter().map(|finding| finding.text.as_str()).collect();
        assert!(texts.contains(&"does not disallow `std::env::var`"), "{texts:?}");
        assert!(texts.contains(&"does not repeat the root's `threshold = 70`"), "{texts:?}");
        assert_eq!(
            found.iter().filter(|finding| finding.text.contains("is missing")).count(),
            PURE.len() - 1
        );
    }

    #[test]
    fn powers_stay_where_they_belong() {
        let start = "use std::process::Command;\nfn a() { Command::new(\"git\"); }\n";
        let in_test = format!("#[cfg(test)]\nmod tests {{\n{start}}}\n");
        let fine = [
            ("crates/runtime/src/process.rs", start),
            ("crates/cli/src/run.rs", in_test.as_str()),
            ("crates/cli/tests/crash.rs", start),
            ("crates/cli/src/init.rs", "// rusqlite is not ours\nconst A: &str = \"SigningKey\";"),
        ];
        assert_eq!(powers(&tree(&fine)), []);
        let found = powers(&tree(&[("crates/cli/src/run.rs", start)]));
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(
            found[0].to_string(),
            "crates/cli/src/run.rs:1: `process::Command`: only runtime starts processes"
        );
        assert_eq!(powers(&tree(&[("crates/verify/src/main.rs", "use x::SigningKey;")])).len(), 1);
        let opens = "use rusqlite::Connection;\nfn a() { Connection::open(\"x\"); }\n";
        assert_eq!(powers(&tree(&[("crates/audit/src/a.rs", opens)])).len(), 1);
        let in_memory = opens.replace("open(\"x\")", "open_in_memory()");
        assert_eq!(powers(&tree(&[("crates/audit/src/a.rs", &in_memory)])), []);
    }
}
