//! Everything below a directory but for a few paths, as the fewest paths whose whole content is meant: Landlock allows,
//! and cannot take back below.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::ShellError;

/// Entries that are told apart. `/usr/bin` has some thousands.
pub(super) const ENTRIES_MAX: usize = 100_000;

/// What covers `root` without `but`; both are canonical. A file of another name there that is the same is left out with
/// it, since a rule is one on the file, whatever it is called. What is made later in a directory that had to be taken
/// apart is not covered.
///
/// Known gap: another name of such a file in a directory that need not be taken apart stays covered.
///
/// # Errors
/// [`ShellError::TooMany`].
pub(super) fn cover(root: &Path, but: &[PathBuf]) -> Result<Vec<PathBuf>, ShellError> {
    bounded(root, but, ENTRIES_MAX)
}

fn bounded(root: &Path, but: &[PathBuf], max: usize) -> Result<Vec<PathBuf>, ShellError> {
    let same = |found: &Metadata| (found.dev(), found.ino());
    let left_out: BTreeSet<_> =
        but.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|found| same(&found)).collect();
    let (mut covered, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(path) = open.pop() {
        let is_left_out = std::fs::metadata(&path).is_ok_and(|found| left_out.contains(&same(&found)));
        if is_left_out || but.contains(&path) {
            continue;
        }
        if !but.iter().any(|left_out| left_out.starts_with(&path)) {
            covered.push(path);
        } else {
            // A link needs no rule: what it leads to is looked at where it lies. A rule on it would be one on that.
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            let real = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()));
            open.extend(real.map(|entry| entry.path()));
        }
        if covered.len() + open.len() > max {
            return Err(ShellError::TooMany);
        }
    }
    Ok(covered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_what_is_left_out() {
        let place = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(place.path()).unwrap();
        for dir in ["bin", "lib/deep"] {
            std::fs::create_dir_all(root.join(dir)).unwrap();
        }
        for file in ["bin/git", "bin/ls", "lib/deep/x"] {
            std::fs::write(root.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink("git", root.join("bin/link")).unwrap();
        std::fs::hard_link(root.join("bin/git"), root.join("bin/git-shell")).unwrap();
        let named = |but: &[&str]| {
            let but: Vec<PathBuf> = but.iter().map(|name| root.join(name)).collect();
            let mut all: Vec<String> = cover(&root, &but)
                .unwrap()
                .into_iter()
                .map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned())
                .collect();
            all.sort();
            all
        };
        assert_eq!(named(&[]), [""]);
        assert_eq!(named(&["bin/git"]), ["bin/ls", "lib"]);
        assert_eq!(named(&["bin"]), ["lib"]);
        assert_eq!(named(&["bin/git", "lib/deep/x"]), ["bin/ls"]);
        assert_eq!(named(&[""]), [""; 0]);
        let many = root.join("many");
        std::fs::create_dir(&many).unwrap();
        assert_eq!(named(&["many/absent"]), ["bin", "lib"]);
        let but = [root.join("bin/git")];
        assert!(bounded(&root, &but, 5).is_ok());
        assert!(matches!(bounded(&root, &but, 4), Err(ShellError::TooMany)));
    }
}
