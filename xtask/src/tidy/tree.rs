//! The files that belong to the project: what git tracks or would track.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

/// File contents by path from the root, separated by `/`.
#[derive(Debug, Default)]
pub(super) struct Tree {
    files: BTreeMap<String, Vec<u8>>,
}

/// Folders that never belong to the project, for trees that came without git.
const OUTSIDE: &[&str] = &[".git", "target", "__pycache__", "node_modules"];

impl Tree {
    /// Reads every file that git tracks or would track, and without git every file outside build folders.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let paths = match listed(root) {
            Some(paths) => paths,
            None => walked(root)?,
        };
        let mut files = BTreeMap::new();
        for path in paths {
            let full = root.join(&path);
            // A file deleted but not yet committed is still in git's list.
            if full.is_file() {
                let bytes = std::fs::read(&full).with_context(|| format!("couldn't read `{path}`"))?;
                files.insert(path, bytes);
            }
        }
        Ok(Self { files })
    }

    /// Every path with its bytes.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// Every file that is text, with its path.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter_map(|(path, bytes)| {
            let text = std::str::from_utf8(bytes).ok()?;
            (!text.contains('\0')).then_some((path, text))
        })
    }

    /// Every text file with this ending.
    pub(super) fn ending(&self, ending: &str) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(move |(path, _)| path.ends_with(ending))
    }

    /// One file's text, when it is there and text.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// Whether a file or a folder of this path exists.
    pub(super) fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }
}

/// Git's list; `None` where there is no git or no repository.
fn listed(root: &Path) -> Option<Vec<String>> {
    let arguments =
        ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(arguments).current_dir(root).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn walked(root: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in
            std::fs::read_dir(&folder).with_context(|| format!("couldn't list {}", folder.display()))?
        {
            let entry = entry?;
            let outside = OUTSIDE.iter().any(|name| entry.file_name() == *name);
            if entry.file_type()?.is_dir() {
                if !outside {
                    folders.push(entry.path());
                }
            } else {
                paths.push(entry.path().strip_prefix(root)?.to_string_lossy().into_owned());
            }
        }
    }
    Ok(paths)
}

#[cfg(test)]
pub(super) fn tree(files: &[(&str, &str)]) -> Tree {
    Tree { files: files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_git_build_folders_stay_outside() {
        let root = std::env::temp_dir().join(format!("cascade-tidy-{}", std::process::id()));
        for path in ["a/src/b.rs", "target/debug/c.rs", "a/target.md", ".ci/run"] {
            let full = root.join(path);
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, "").unwrap();
        }
        let mut paths = walked(&root).unwrap();
        paths.sort();
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(paths, [".ci/run", "a/src/b.rs", "a/target.md"]);
    }

    #[test]
    fn files_and_folders_exist_and_prefixes_do_not() {
        let tree = tree(&[("docs/design/a.md", "")]);
        for (path, expected) in
            [("docs/design/a.md", true), ("docs/design", true), ("docs/", true), ("docs/des", false)]
        {
            assert_eq!(tree.has(path), expected, "{path}");
        }
    }
}
