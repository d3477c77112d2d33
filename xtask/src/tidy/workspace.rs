//! What Cargo says about the packages: ours and everything they pull in on this platform.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::tools;

/// Every package of the build graph.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) packages: Vec<Package>,
}

/// One package.
#[derive(Debug, Default)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// The SPDX expression; empty when the package states none.
    pub(super) licence: String,
    /// Where it came from; `None` for a package of this workspace.
    pub(super) source: Option<String>,
    /// Names of the packages that it is built with.
    pub(super) dependencies: Vec<String>,
    /// Names of the packages that its tests are built with besides.
    pub(super) test_dependencies: Vec<String>,
    /// Root source files of its targets, from the workspace root. Ours only.
    pub(super) roots: Vec<String>,
}

/// Folders with a workspace of their own, and the flags under which all that they may build is built.
const APART: &[(&str, &str)] = &[("fuzz", "--cfg fuzzing --cfg fuzzing_libfuzzer")];

impl Workspace {
    /// Asks Cargo. Only what this platform builds is listed: the rest need not be on the disk.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut workspace = Self::read_one(root, None)?;
        for (folder, flags) in APART.iter().filter(|(folder, _)| root.join(folder).is_dir()) {
            workspace.join(folder, Self::read_one(&root.join(folder), Some(flags))?);
        }
        Ok(workspace)
    }

    /// Takes in what another workspace adds; its path dependencies are here already.
    fn join(&mut self, folder: &str, other: Self) {
        for mut package in other.packages {
            let same = |known: &Package| known.name == package.name && known.version == package.version;
            if !self.packages.iter().any(same) {
                package.roots = package.roots.iter().map(|path| format!("{folder}/{path}")).collect();
                self.packages.push(package);
            }
        }
    }

    fn read_one(root: &Path, flags: Option<&str>) -> Result<Self> {
        let host = tools::host()?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", &host])
            .envs(flags.map(|flags| ("RUSTFLAGS", flags)))
            .current_dir(root)
            .output()
            .context("couldn't start cargo")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let metadata = serde_json::from_slice(&output.stdout).context("couldn't read cargo's metadata")?;
        let mut workspace = Self::from_metadata(&metadata);
        let built = built(root, flags)?;
        workspace.packages.retain(|package| {
            package.source.is_none() || built.contains(&format!("{} v{}", package.name, package.version))
        });
        Ok(workspace)
    }

    fn from_metadata(metadata: &Value) -> Self {
        let root = format!("{}/", text(metadata, "workspace_root"));
        let packages = list(metadata, "packages").iter().map(|package| Package::new(package, &root));
        Self { packages: packages.collect() }
    }

    /// The packages of this workspace.
    pub(super) fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.source.is_none())
    }
}

impl Package {
    fn new(package: &Value, root: &str) -> Self {
        let names = |key: &str, member: &str| -> Vec<String> {
            list(package, key).iter().map(|value| text(value, member)).collect()
        };
        let dependencies = |of_tests: bool| -> Vec<String> {
            let all = list(package, "dependencies").iter();
            let kind = all.filter(|one| (one.get("kind").and_then(Value::as_str) == Some("dev")) == of_tests);
            kind.map(|one| text(one, "name")).collect()
        };
        let roots = names("targets", "src_path");
        Self {
            name: text(package, "name"),
            version: text(package, "version"),
            licence: text(package, "license"),
            source: package.get("source").and_then(Value::as_str).map(str::to_owned),
            dependencies: dependencies(false),
            test_dependencies: dependencies(true),
            roots: roots.iter().filter_map(|path| path.strip_prefix(root)).map(str::to_owned).collect(),
        }
    }
}

/// `name vX.Y.Z` of all that is really built. Cargo's metadata also lists what a feature that nobody turns on would
/// bring.
fn built(root: &Path, flags: Option<&str>) -> Result<BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--workspace", "--edges", "all", "--prefix", "none", "--format", "{p}"])
        .envs(flags.map(|flags| ("RUSTFLAGS", flags)))
        .current_dir(root)
        .output()
        .context("couldn't start cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let name = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Ok(text.lines().map(name).collect())
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_metadata_becomes_packages() {
        let metadata = serde_json::json!({
            "workspace_root": "/home/me/cascade",
            "packages": [
                { "name": "cascade-policy", "version": "0.1.0", "license": "Apache-2.0", "source": null,
                  "dependencies": [{ "name": "toml", "kind": null }, { "name": "proptest", "kind": "dev" }],
                  "targets": [{ "src_path": "/home/me/cascade/crates/policy/src/lib.rs" }] },
                { "name": "toml", "version": "1.2.0", "license": null, "source": "registry+x",
                  "dependencies": [], "targets": [{ "src_path": "/elsewhere/toml/src/lib.rs" }] },
            ],
        });
        let workspace = Workspace::from_metadata(&metadata);
        let ours: Vec<&Package> = workspace.ours().collect();
        assert_eq!(ours.len(), 1);
        assert_eq!(ours[0].dependencies, ["toml"]);
        assert_eq!(ours[0].test_dependencies, ["proptest"]);
        assert_eq!(ours[0].roots, ["crates/policy/src/lib.rs"]);
        assert_eq!(workspace.packages[1].licence, "");
        assert!(workspace.packages[1].roots.is_empty());
    }

    #[test]
    fn a_workspace_apart_adds_what_is_new_in_it() {
        let package = |name: &str| Package {
            name: name.to_owned(),
            roots: vec!["src/lib.rs".to_owned()],
            ..Package::default()
        };
        let mut workspace = Workspace { packages: vec![package("cascade-receipt")] };
        let apart = Workspace { packages: vec![package("cascade-receipt"), package("cascade-fuzz")] };
        workspace.join("fuzz", apart);
        let roots: Vec<&str> = workspace.packages.iter().map(|package| package.roots[0].as_str()).collect();
        assert_eq!(roots, ["src/lib.rs", "fuzz/src/lib.rs"]);
    }
}
