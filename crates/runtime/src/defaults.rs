//! Names that stand in files and that a command leaves to them, such as the current context of `kubectl`.
//!
//! Only the one key is read, with a limit, from files of bytes. What is not plainly there is not named, and stays unknown.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use cascade_policy::resource::Place;
use rustix::fs::{Mode, OFlags};

use crate::facts::Command;

/// Most bytes of one file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most files of one place.
const FILES_MAX: usize = 16;
/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// What stands at these places for `command`, in their order.
pub(crate) fn look(command: &Command, places: &BTreeSet<Place>) -> Vec<(Place, String)> {
    let found = |place: &Place| match place {
        Place::Kubeconfig => Some((*place, context(command)?)),
    };
    places.iter().filter_map(found).collect()
}

/// The current context: the first file that names one counts.
fn context(command: &Command) -> Option<String> {
    let value =
        |name: &str| command.env.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_os_str());
    let paths: Vec<PathBuf> = match value("KUBECONFIG").filter(|list| !list.is_empty()) {
        Some(list) => list
            .as_bytes()
            .split(|byte| *byte == b':')
            .filter(|path| !path.is_empty())
            .map(|path| command.cwd.join(OsStr::from_bytes(path)))
            .collect(),
        None => vec![command.cwd.join(value("HOME")?).join(".kube/config")],
    };
    if paths.len() > FILES_MAX {
        return None;
    }
    for path in paths {
        // A file that cannot be read might have named one before the others.
        if !path.exists() {
            continue;
        }
        if let Some(name) = current(&text(&path)?).ok()? {
            return Some(name);
        }
    }
    None
}

/// What a file says cannot be told by looking for one plain key.
#[derive(PartialEq, Eq, Debug)]
struct Unclear;

/// The value of the plain key `current-context`, where the file has one.
fn current(text: &str) -> Result<Option<String>, Unclear> {
    if text.trim_start().starts_with('{') || text.lines().any(|line| line.starts_with(['\t', '"', '\'', '?']))
    {
        return Err(Unclear);
    }
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("current-context"));
    let Some(line) = lines.next() else { return Ok(None) };
    let value = line.trim_start().strip_prefix(':').ok_or(Unclear)?.trim();
    let bare = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let name = bare.unwrap_or(value);
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "-_.:/@+=".contains(sign);
    if lines.next().is_some()
        || name.len() > NAME_BYTES_MAX
        || !name.chars().all(plain)
        || name.contains("://")
    {
        return Err(Unclear);
    }
    Ok(Some(name.to_owned()).filter(|name| !name.is_empty()))
}

/// The text of a file of bytes. Nothing blocks here: a pipe is never opened for good.
fn text(path: &Path) -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).ok()?;
    (u64::try_from(read).ok()? <= FILE_BYTES_MAX).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_key_is_believed() {
        let name = |text: &str| Ok(Some(text.to_owned()));
        for (text, expected) in [
            ("apiVersion: v1\ncurrent-context: prod-eu\nkind: Config\n", name("prod-eu")),
            ("current-context: \"prod\"\n", name("prod")),
            ("current-context: 'arn:aws:eks:eu:1:cluster/a'\n", name("arn:aws:eks:eu:1:cluster/a")),
            ("current-context: \"\"\n", Ok(None)),
            ("contexts:\n- name: a\n  current-context: b\n", Ok(None)),
            ("current-context: a\ncurrent-context: b\n", Err(Unclear)),
            ("current-context: a # b\n", Err(Unclear)),
            ("current-context: &a b\n", Err(Unclear)),
            ("current-context: |\n  a\n", Err(Unclear)),
            ("current-context: https://ann:secret@x\n", Err(Unclear)),
            ("{\"current-context\": \"a\"}", Err(Unclear)),
            ("\"current-context\": a\n", Err(Unclear)),
        ] {
            assert_eq!(current(text), expected, "{text}");
        }
        assert_eq!(current(&format!("current-context: {}\n", "x".repeat(NAME_BYTES_MAX + 1))), Err(Unclear));
    }
}
