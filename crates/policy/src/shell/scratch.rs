//! Values that the text alone does not give, but of which enough is certain: `$TMPDIR`, what `mktemp` prints, and what
//! an `echo` of plain words, `nproc` and `pwd` print in `$(…)`.

use super::brace::Atom;
use super::neutral::{Found, Piece, RawCommand, RawWord};

/// Spellings of the directory for temporary files that cannot be empty.
pub(super) const DEFAULTED: [&str; 2] = ["TMPDIR:-/tmp", "TMPDIR:-/var/tmp"];

/// Stand for such values; no line can hold them.
pub(super) const DIRECTORY: &str = "\u{1}";
pub(super) const MADE: &str = "\u{2}";

/// The text that such a value has, where what follows in the word leaves no doubt: the variable may be empty, and then
/// `$TMPDIR/*` is `/*` and `$TMPDIR/etc` is `/etc`.
pub(super) fn text(value: &str, after: &[Atom<'_>]) -> Option<&'static str> {
    match value {
        DIRECTORY => names_own(after).then_some("/tmp"),
        MADE => (after.iter().all(|atom| *atom == Atom::Quote) || names_own(after))
            .then_some("/tmp/tmp.XXXXXXXXXX"),
        _ => None,
    }
}

/// `/name…` with a name that is no directory of the system and no pattern.
fn names_own(after: &[Atom<'_>]) -> bool {
    let chars: Option<String> = after
        .iter()
        .filter(|atom| **atom != Atom::Quote)
        .map_while(|atom| match atom {
            Atom::Char(c, quoted) => Some((*c != '*' && *c != '?' && *c != '[' || *quoted).then_some(*c)),
            _ => None,
        })
        .collect();
    let Some(path) = chars else { return false };
    let Some(path) = path.strip_prefix('/') else { return false };
    let first = path.split('/').next().unwrap_or_default();
    let plain = first.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let own = first.len() > 2 && plain && !first.starts_with("..") && !TOP.contains(&first);
    own && !path.split('/').any(|name| name == "..")
}

/// Does a command only make a file or directory for temporary use and print its name?
pub(super) fn makes(command: &RawCommand) -> bool {
    let words: Option<Vec<String>> = command.words.iter().map(RawWord::literal).collect();
    let Some(words) = words else { return false };
    let Some((program, arguments)) = words.split_first() else { return false };
    let mut in_place = arguments.is_empty() || arguments.iter().any(|word| is_switch(word));
    let mut template = false;
    for word in arguments {
        template |= word == "-t";
        let below = word.strip_prefix("/tmp/").or_else(|| word.strip_prefix("/var/tmp/"));
        let named = below.is_some_and(|name| !name.contains('/')) || (template && !word.contains('/'));
        in_place &= is_switch(word) || word == "-t" || named;
    }
    program == "mktemp" && in_place && command.assignments.is_empty()
}

fn is_switch(word: &str) -> bool {
    matches!(word, "-d" | "-q" | "-dq" | "-qd" | "--directory" | "--quiet" | "-t")
}

/// What the only substitution in a command prints, where its words say so.
pub(super) fn printed(raw: &RawCommand, at: usize, found: &Found) -> Option<String> {
    let words = raw.words.iter().chain(raw.assignments.iter().map(|assignment| &assignment.value));
    let mut outputs = 0;
    for piece in words.flat_map(|word| &word.0) {
        match piece {
            Piece::Output { .. } => outputs += 1,
            Piece::Text { .. } | Piece::Var { .. } => {}
            Piece::Number | Piece::Array | Piece::Expansion => return None,
        }
    }
    let inner = found.commands.get(at + 1)?;
    let alone = raw.inside == 1 && outputs == 1 && raw.redirects.is_empty();
    let bare = inner.redirects.is_empty() && inner.assignments.is_empty();
    if !alone || !bare {
        return None;
    }
    let words: Vec<String> = inner.words.iter().map(RawWord::literal).collect::<Option<_>>()?;
    let (program, arguments) = words.split_first()?;
    let plain = |text: &String| {
        !text.starts_with('-')
            && !text.contains(['\\', '%', '\n', '*', '?', '[', '{', '~', '!'])
            && !text.ends_with(' ')
    };
    match program.as_str() {
        "echo" if !arguments.is_empty() && arguments.iter().all(plain) => Some(arguments.join(" ")),
        "nproc" if arguments.is_empty() => Some("8".to_owned()),
        "pwd" if arguments.is_empty() && mounts(raw) => Some(".".to_owned()),
        _ => None,
    }
}

/// Does a command give directories to a container? They are seen from where it stands, so that the name of the working
/// directory is `.` there, whatever a `cd` before it did.
pub(super) fn mounts(command: &RawCommand) -> bool {
    let program = command.words.first().and_then(RawWord::literal);
    matches!(program.as_deref(), Some("docker" | "podman" | "nerdctl"))
}

/// Names below `/` that are not for scratch.
const TOP: &[&str] = &[
    "bin",
    "boot",
    "dev",
    "etc",
    "home",
    "lib",
    "lib32",
    "lib64",
    "media",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "sbin",
    "srv",
    "sys",
    "usr",
    "var",
    "data",
    "Users",
    "System",
    "Library",
    "Applications",
    "Volumes",
    "private",
    "nix",
    "snap",
];
