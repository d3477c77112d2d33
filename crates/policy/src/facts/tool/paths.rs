//! Files that the own tools of coding agents name in their arguments. To manifests each is an option of the call:
//! `agent:claude-code Write --file_path=/srv/app/a.rs`.

use serde_json::{Map, Value};

/// Most files that one call may name.
const PATHS_MAX: usize = 256;
/// Servers whose tools a coding agent has of its own.
const AGENT: &str = "agent:";
/// Members that hold a path or several. What else a call says does not move its tier.
const MEMBERS: &[&str] =
    &["absolute_path", "dir_path", "directory", "file_path", "include", "notebook_path", "path", "paths"];
/// Lines by which a patch of Codex names its files.
const HEADS: &[&str] = &["*** Add File: ", "*** Delete File: ", "*** Move to: ", "*** Update File: "];
/// The tool that takes such patches, in its member `command`.
const PATCH: (&str, &str) = ("apply_patch", "command");

/// The options that say which files a call names; nothing of servers that are no coding agent. `None` where the
/// arguments cannot be read, or name too many.
pub(super) fn options(server: &str, tool: &str, arguments: &str) -> Option<Vec<String>> {
    if !server.starts_with(AGENT) {
        return Some(Vec::new());
    }
    let arguments: Map<String, Value> = serde_json::from_str(arguments).ok()?;
    let mut found = Vec::new();
    for name in MEMBERS {
        match arguments.get(*name) {
            None | Some(Value::Null) => {}
            Some(Value::String(path)) => found.push(option(name, path)),
            Some(Value::Array(paths)) => {
                for path in paths {
                    found.push(option(name, path.as_str()?));
                }
            }
            Some(_) => return None,
        }
    }
    if tool == PATCH.0 {
        let patch = arguments.get(PATCH.1)?.as_str()?;
        let named =
            patch.lines().filter_map(|line| HEADS.iter().find_map(|head| line.trim().strip_prefix(head)));
        found.extend(named.map(|path| option("file_path", path.trim())));
    }
    (found.len() <= PATHS_MAX).then_some(found)
}

fn option(name: &str, path: &str) -> String {
    format!("--{name}={path}")
}

#[cfg(test)]
mod tests {
    use super::{PATHS_MAX, options};

    #[test]
    fn files_are_options() {
        let of = |tool, arguments| options("agent:x", tool, arguments);
        let some = |all: &[&str]| Some(all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_eq!(of("Write", r#"{"file_path":"/a b","content":"x"}"#), some(&["--file_path=/a b"]));
        assert_eq!(of("read_many_files", r#"{"paths":["a","b"]}"#), some(&["--paths=a", "--paths=b"]));
        let patch = r#"{"command":"*** Begin Patch\n*** Update File: a.rs\n*** Move to: .git/hooks/x\n*** End Patch"}"#;
        assert_eq!(of("apply_patch", patch), some(&["--file_path=a.rs", "--file_path=.git/hooks/x"]));
        assert_eq!(options("mcp:x", "Write", r#"{"file_path":"/a"}"#), some(&[]));
        for unreadable in ["", "[]", r#"{"file_path":7}"#, r#"{"paths":[7]}"#] {
            assert_eq!(of("Read", unreadable), None, "{unreadable}");
        }
        assert_eq!(of("apply_patch", "{}"), None);
    }

    #[test]
    fn a_call_names_so_many_files_and_no_more() {
        let paths = |count| format!(r#"{{"paths":[{}]}}"#, vec![r#""a""#; count].join(","));
        assert_eq!(options("agent:x", "Read", &paths(PATHS_MAX)).map(|all| all.len()), Some(PATHS_MAX));
        assert_eq!(options("agent:x", "Read", &paths(PATHS_MAX + 1)), None);
    }
}
