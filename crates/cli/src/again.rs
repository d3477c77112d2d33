//! Commands that are suggested. Whoever copies one is to reach the same ledger as here, so each carries what was
//! typed of it: `--home`, `--tenant` and, where the same principal goes on, `--as`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::OnceLock;

use clap::CommandFactory as _;

use crate::args::{Cli, Global};

/// What was typed, ready to be typed again.
struct Typed {
    /// Which ledger: empty, or words with a space before each.
    place: String,
    /// The same for who asks.
    who: String,
}

static TYPED: OnceLock<Typed> = OnceLock::new();

/// Verbs that the same principal goes on with. The others only read, or are for somebody else to answer with.
const OWN: &[&str] = &[
    "run",
    "rollback",
    "task",
    "erase",
    "checkpoint",
    "anchor",
    "key",
    "people",
    "grant",
    "secret",
    "policy",
    "pack",
    "subject",
];
/// What only reads among them.
const READING: &[&str] = &["list", "history", "diff", "check", "test", "explain", "show", "export"];
/// The tenant that is meant when none is named.
const TENANT: &str = "default";

/// Remembers what was typed, once, before anything is said.
pub(crate) fn remember(global: &Global) {
    let mut place = String::new();
    let from_env = std::env::var_os("CASCADE_HOME");
    // What the environment says, it will say again.
    if let Some(home) = global.home.as_ref().filter(|home| from_env.as_deref() != Some(home.as_os_str())) {
        let home = std::path::absolute(home).unwrap_or_else(|_| home.clone());
        place.push_str(&format!(" --home {}", quoted(home.as_os_str())));
    }
    if global.tenant != TENANT {
        place.push_str(&format!(" --tenant {}", quoted(OsStr::new(&global.tenant))));
    }
    let who = global.acting_as.as_ref().map(|who| format!(" --as {}", quoted(OsStr::new(who))));
    TYPED.get_or_init(|| Typed { place, who: who.unwrap_or_default() });
}

/// A hint whose commands can be run as they stand: those in backticks, after a colon or after a pipe.
pub(crate) fn runnable(hint: &str) -> String {
    let Some(typed) = TYPED.get() else { return hint.to_owned() };
    let cli = Cli::command();
    completed(hint, typed, &|verb| cli.get_subcommands().any(|known| known.get_name() == verb))
}

/// A command for a principal of this name, or for the person at a terminal.
pub(crate) fn for_other(who: Option<&str>, rest: &str) -> String {
    let place = TYPED.get().map(|typed| typed.place.as_str()).unwrap_or_default();
    let who = who.map(|who| format!(" --as {}", quoted(OsStr::new(who)))).unwrap_or_default();
    // With something between them, `runnable` leaves it alone.
    if place.is_empty() && who.is_empty() {
        return format!("cascade {rest}");
    }
    format!("cascade{place}{who} {rest}")
}

fn completed(hint: &str, typed: &Typed, is_verb: &dyn Fn(&str) -> bool) -> String {
    const NAME: &str = "cascade ";
    let mut out = String::with_capacity(hint.len());
    let mut rest = hint;
    while let Some(at) = rest.find(NAME) {
        let (before, found) = rest.split_at(at);
        let words = found.get(NAME.len()..).unwrap_or_default();
        let mut word = words.split([' ', '`', ',', ';']);
        let (verb, next) = (word.next().unwrap_or_default(), word.next().unwrap_or_default());
        // `cascade run` alone is a name, not something to type.
        let named = words.starts_with("run`");
        out.push_str(before);
        let typed_here = before.is_empty() && out.is_empty()
            || ["`", ": ", "| "].iter().any(|mark| before.ends_with(mark));
        out.push_str(NAME.trim_end());
        if typed_here && !named && is_verb(verb) {
            out.push_str(&typed.place);
            if OWN.contains(&verb) && !READING.contains(&next) {
                out.push_str(&typed.who);
            }
        }
        out.push(' ');
        rest = words;
    }
    out.push_str(rest);
    out
}

/// A word as a shell takes it: bare where it can be, in quotes, or spelled out where it holds what no terminal
/// should be given.
pub(crate) fn quoted(word: &OsStr) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(byte);
    let bytes = word.as_bytes();
    if !bytes.is_empty() && bytes.iter().all(plain) {
        return word.to_string_lossy().into_owned();
    }
    match word.to_str() {
        Some(text) if crate::screen::visible(text) == text => format!("'{}'", text.replace('\'', r"'\''")),
        _ => format!("$'{}'", bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(hint: &str) -> String {
        let typed = Typed { place: " --home /h".to_owned(), who: " --as agent:ci".to_owned() };
        completed(hint, &typed, &|verb| ["run", "approve", "log", "grant", "fsck"].contains(&verb))
    }

    #[test]
    fn what_is_suggested_reaches_the_same_ledger() {
        for (hint, expected) in [
            ("run `cascade fsck`", "run `cascade --home /h fsck`"),
            ("then: cascade run --approval r_1", "then: cascade --home /h --as agent:ci run --approval r_1"),
            ("they run: cascade approve r_1", "they run: cascade --home /h approve r_1"),
            (
                "`cascade grant list` and `cascade log`",
                "`cascade --home /h grant list` and `cascade --home /h log`",
            ),
            ("cat x | cascade log", "cat x | cascade --home /h log"),
            ("no cascade log of words", "no cascade log of words"),
            ("`cascade --home /o fsck`", "`cascade --home /o fsck`"),
            ("`cascade nonsense`", "`cascade nonsense`"),
            ("a new `cascade run`", "a new `cascade run`"),
        ] {
            assert_eq!(typed(hint), expected);
        }
    }

    #[test]
    fn words_for_a_shell() {
        for (word, expected) in [
            (&b"/plain/home"[..], "/plain/home"),
            (b"", "''"),
            (b"/my home", "'/my home'"),
            (b"it's", r"'it'\''s'"),
            (b"$(rm)", "'$(rm)'"),
            (b"a\nb", r"$'\x61\x0a\x62'"),
            (b"\xff", r"$'\xff'"),
        ] {
            assert_eq!(quoted(OsStr::from_bytes(word)), expected);
        }
    }
}
