//! The rules of the source tree that no compiler holds.
//!
//! Every rule is a pure function from file texts, or from what Cargo says about the packages, to
//! findings; reading happens here and nowhere else. So each rule has a test that shows it failing.

mod arrows;
mod house;
mod licences;
mod links;
mod mask;
mod reach;
mod sizes;
mod tree;
mod words;
mod workspace;

use std::fmt;
use std::path::Path;

use anyhow::Result;

use tree::Tree;
use workspace::Workspace;

/// A rule that does not hold somewhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Finding {
    /// A path, with a line where there is one, or a package.
    place: String,
    /// What is wrong and what to do instead.
    text: String,
}

impl Finding {
    fn new(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), text: text.into() }
    }

    fn at(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), text)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Applies every rule to the tree at `root`.
///
/// # Errors
/// The tree could not be read, or Cargo could not describe it. A finding is not an error.
pub(crate) fn run(root: &Path) -> Result<Vec<Finding>> {
    let tree = Tree::read(root)?;
    let workspace = Workspace::read(root)?;
    let mut findings = Vec::new();
    findings.extend(arrows::check(&workspace));
    findings.extend(arrows::purity(&tree));
    findings.extend(arrows::powers(&tree));
    findings.extend(licences::check(&workspace, tree.text("deny.toml").unwrap_or_default()));
    findings.extend(sizes::check(&tree));
    findings.extend(reach::check(&tree, &workspace));
    findings.extend(links::check(&tree));
    findings.extend(words::check(&tree));
    findings.extend(house::check(&tree));
    findings.sort();
    findings.dedup();
    Ok(findings)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        let findings = super::run(&crate::root()).unwrap();
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "{} findings\n{}", lines.len(), lines.join("\n"));
    }
}
