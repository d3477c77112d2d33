//! Words of an action that lead into the home of Cascade itself, where its keys lie and what it decides by.
//!
//! Paths are followed as the kernel would follow them, links included, on this machine. What a script or program makes up
//! is not seen, and neither is what was linked to hard, or mounted, under another name.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use cascade_ledger::Reader;
use cascade_policy::decide;
use cascade_policy::facts::{Action, Invocation};
use cascade_policy::worker::{Mention, Registry};

/// Links that are followed in one path where what they lead to is not there (yet).
const LINKS_MAX: usize = 40;

/// The words of `action` that lead there, sorted. `env` says where `~` is.
pub(crate) fn look(
    ledger: &Reader,
    registry: &Registry,
    action: &Action,
    env: &[(OsString, OsString)],
) -> Vec<String> {
    let Some(own) = Own::of(ledger) else { return Vec::new() };
    let cwd = PathBuf::from(OsString::from_vec(action.cwd.clone()));
    // Where it is not known where names start, a bare one leads nowhere that could be followed.
    if (!cwd.is_absolute() || own.is_far(&cwd)) && is_plain(action, &cwd) {
        return Vec::new();
    }
    let mentioned = decide::mentioned(registry, action);
    let leads = |mention: &&Mention| own.is_reached(mention, &cwd, env);
    let mut words: Vec<String> = mentioned.iter().filter(leads).map(|mention| mention.word.clone()).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The home, and the directory beside it where recovery files are unless they were taken elsewhere.
struct Own([PathBuf; 2]);

impl Own {
    fn of(ledger: &Reader) -> Option<Self> {
        // `<home>/tenants/<tenant>`.
        let home = ledger.dir().ancestors().nth(2)?;
        let mut recovery = home.as_os_str().to_owned();
        recovery.push("-recovery");
        Some(Self([home.to_owned(), PathBuf::from(recovery)]))
    }

    fn holds(&self, path: &Path) -> bool {
        self.0.iter().any(|root| path.starts_with(root))
    }

    fn lies_in(&self, path: &Path) -> bool {
        self.0.iter().any(|root| root.starts_with(path))
    }

    /// Neither in it nor above it, so that no bare name leads there but by a link.
    fn is_far(&self, cwd: &Path) -> bool {
        let real = resolved(cwd);
        !self.holds(&real) && !self.lies_in(&real)
    }

    fn is_reached(&self, mention: &Mention, cwd: &Path, env: &[(OsString, OsString)]) -> bool {
        if mention.path.is_empty() {
            return self.0.iter().any(|root| contains(mention.word.as_bytes(), root.as_os_str().as_bytes()));
        }
        let Some(path) = absolute(&mention.path, cwd, env) else { return false };
        if mention.pattern {
            return self.is_matched(&path, mention.whole);
        }
        let real = resolved(&path);
        self.holds(&normal(&path)) || self.holds(&real) || (mention.whole && self.lies_in(&real))
    }

    /// May a shell make a path of this pattern that lies there?
    fn is_matched(&self, pattern: &Path, whole: bool) -> bool {
        let fixed: PathBuf = pattern.components().take_while(|part| !is_wild(part.as_os_str())).collect();
        let real = resolved(&fixed);
        let rest = pattern.strip_prefix(&fixed).unwrap_or(Path::new(""));
        let spelled = real.join(rest);
        self.0.iter().any(|root| {
            let mut parts = spelled.components();
            for own in root.components() {
                match parts.next() {
                    Some(part) if part.as_os_str() == "**" => return true,
                    Some(part) if matches(part.as_os_str(), own.as_os_str()) => {}
                    None => return whole,
                    Some(_) => return false,
                }
            }
            true
        })
    }
}

/// Only names without any sign that could make them a path, none of them a link. The program itself is one only where
/// it is not known where the others start.
fn is_plain(action: &Action, cwd: &Path) -> bool {
    let Invocation::Cli(argv) = &action.invocation else { return false };
    let sign = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_link = |name: &[u8]| cwd.is_absolute() && cwd.join(OsStr::from_bytes(name)).is_symlink();
    action.script.is_none()
        && argv.iter().skip(usize::from(cwd.is_absolute())).all(|word| {
            word.iter().all(sign)
                && word != b".."
                && !is_link(word)
                && !word.get(2..).is_some_and(|attached| word.starts_with(b"-") && is_link(attached))
        })
}

/// The path as a program would open it; nothing where it is not known where it starts.
fn absolute(text: &str, cwd: &Path, env: &[(OsString, OsString)]) -> Option<PathBuf> {
    let path = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let given = env.iter().find(|(name, _)| name == "HOME").map(|(_, value)| value.clone());
            let home = given.or_else(|| std::env::var_os("HOME"))?;
            cwd.join(home).join(rest.trim_start_matches('/'))
        }
        _ => cwd.join(text),
    };
    path.is_absolute().then_some(path)
}

/// Where a path leads, as far as there is something; what is not there (yet) is taken by its text.
fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Some((real, rest)) = path.ancestors().find_map(|above| {
            let real = std::fs::canonicalize(above).ok()?;
            Some((real, path.strip_prefix(above).ok()?.to_owned()))
        }) else {
            break;
        };
        let mut parts = rest.components();
        let Some(next) = parts.next() else { return real };
        // A link to something that is not there is made by whoever writes to it.
        match std::fs::read_link(real.join(next)) {
            Ok(target) => path = real.join(target).join(parts.as_path()),
            Err(_) => return normal(&real.join(rest)),
        }
    }
    normal(&path)
}

/// `a/../b` is `b`.
fn normal(path: &Path) -> PathBuf {
    let mut kept = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(kept.pop()),
            Component::CurDir => {}
            part => kept.push(part),
        }
    }
    kept
}

/// The text of a path within a longer one, and not the beginning of another name.
fn contains(text: &[u8], path: &[u8]) -> bool {
    let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !path.is_empty()
        && text
            .windows(path.len())
            .enumerate()
            .any(|(at, found)| found == path && !text.get(at + path.len()).is_some_and(goes_on))
}

const WILD: [char; 4] = ['*', '?', '[', '{'];

fn is_wild(part: &OsStr) -> bool {
    part.to_string_lossy().contains(WILD)
}

/// May this part of a pattern stand for `name`? Everything behind its first sign counts as if it did.
fn matches(part: &OsStr, name: &OsStr) -> bool {
    let (part, name) = (part.to_string_lossy(), name.to_string_lossy());
    match part.find(WILD) {
        None => part == name,
        // A shell leaves hidden names out unless the pattern begins with their dot.
        Some(0) => !name.starts_with('.') || part.starts_with(['[', '{']),
        Some(at) => part.get(..at).is_some_and(|start| name.starts_with(start)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Own {
        Own([PathBuf::from("/srv/no/.cascade"), PathBuf::from("/srv/no/.cascade-recovery")])
    }

    fn reached(path: &str, pattern: bool, whole: bool) -> bool {
        let (path, word) = (path.to_owned(), String::new());
        own().is_reached(&Mention { path, word, pattern, whole }, Path::new("/srv/no"), &[])
    }

    #[test]
    fn paths_are_normal_before_they_are_compared() {
        for (path, expected) in [
            ("/srv/no/.cascade", true),
            ("/srv/no/.cascade/tenants/default/ledger.db", true),
            ("/srv//no/./x/../.cascade/keys", true),
            (".cascade/keys", true),
            ("../no/.cascade/keys", true),
            ("/srv/no/.cascade-recovery/default", true),
            ("/srv/no/.cascade-notes", false),
            ("/srv/no/.cascade/../x", false),
            ("/srv/no", false),
        ] {
            assert_eq!(reached(path, false, false), expected, "{path}");
        }
    }

    #[test]
    fn what_is_moved_goes_as_a_whole() {
        assert!(reached("/srv/no", false, true));
        assert!(reached("/srv", false, true));
        assert!(!reached("/srv/yes", false, true));
    }

    #[test]
    fn a_pattern_may_lead_there() {
        for (pattern, expected) in [
            ("/srv/no/.cas*/keys", true),
            (".c*", true),
            ("/srv/*/.cascade/x", true),
            ("/srv/no/*/keys", false),
            ("/srv/no/**", true),
            ("/srv/yes/.cas*", false),
            ("/srv/no/.x*", false),
        ] {
            assert_eq!(reached(pattern, true, false), expected, "{pattern}");
        }
    }

    #[test]
    fn a_longer_text_may_name_it() {
        let said = |text: &str| {
            let (path, word) = (String::new(), text.to_owned());
            own().is_reached(&Mention { path, word, pattern: false, whole: false }, Path::new(""), &[])
        };
        assert!(said("ATTACH '/srv/no/.cascade/tenants/default/ledger.db' AS x"));
        assert!(said("w /srv/no/.cascade"));
        assert!(!said("/srv/no/.cascade-old/x"));
        assert!(!said("see /srv/no"));
    }

    #[test]
    fn links_are_followed_also_to_what_is_not_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        let place = std::fs::canonicalize(dir.path()).unwrap();
        std::fs::create_dir(place.join("home")).unwrap();
        std::os::unix::fs::symlink(place.join("home"), place.join("link")).unwrap();
        std::os::unix::fs::symlink("link/new", place.join("dangling")).unwrap();
        for (path, expected) in [
            ("link", "home"),
            ("link/a", "home/a"),
            ("dangling", "home/new"),
            ("link/../x", "x"),
            ("home/../link/b/../c", "home/c"),
        ] {
            assert_eq!(resolved(&place.join(path)), place.join(expected), "{path}");
        }
        std::os::unix::fs::symlink("circle", place.join("circle")).unwrap();
        assert_eq!(resolved(&place.join("circle/a")), place.join("circle/a"));
    }
}
