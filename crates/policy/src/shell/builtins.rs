//! Which builtins evaluate text, assign variables or change what names mean.

use std::collections::BTreeSet;

use super::neutral::{Found, Piece, RawWord};
use super::{Opaque, scan};

/// The words after `builtin` and `command`, which run what follows them.
pub(super) fn unwrapped(mut words: &[RawWord]) -> &[RawWord] {
    while let [first, rest @ ..] = words {
        match first.literal().as_deref() {
            Some("builtin") => words = rest,
            Some("command") => {
                let options = rest.iter().take_while(|word| is_option(word)).count();
                // `command -v` only asks.
                let asks = rest
                    .iter()
                    .take(options)
                    .any(|word| word.literal().is_some_and(|w| w.contains(['v', 'V'])));
                if asks {
                    return words;
                }
                words = rest.get(options..).unwrap_or(&[]);
            }
            _ => break,
        }
    }
    words
}

fn is_option(word: &RawWord) -> bool {
    word.literal().is_some_and(|text| text.starts_with('-') && text.len() > 1)
}

/// Builtins that give variables values, or run text that may.
pub(super) fn assigns(name: &str) -> bool {
    matches!(
        name,
        "declare"
            | "typeset"
            | "local"
            | "export"
            | "readonly"
            | "read"
            | "mapfile"
            | "readarray"
            | "getopts"
            | "printf"
            | "let"
            | "unset"
            | "eval"
            | "source"
            | "."
            | "wait"
            | "coproc"
            | "trap"
            | "set"
            | "shopt"
    )
}

/// Variables whose value the shell evaluates or obeys.
pub(super) fn is_obeyed(name: &str) -> bool {
    name.starts_with("BASH_")
        || matches!(
            name,
            "PROMPT_COMMAND"
                | "PS0"
                | "PS1"
                | "PS2"
                | "PS3"
                | "PS4"
                | "ENV"
                | "IFS"
                | "SHELLOPTS"
                | "BASHOPTS"
                | "CDPATH"
                | "GLOBIGNORE"
                | "EXECIGNORE"
                | "MAILPATH"
                | "POSIXLY_CORRECT"
                | "histchars"
                | "BASH"
        )
}

/// Variables that decide which file a program name means, or what is loaded into it.
pub(super) fn is_searched(name: &str) -> bool {
    name == "PATH" || name.starts_with("LD_") || name.starts_with("DYLD_")
}

/// What a builtin call says about the line.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) opaque: BTreeSet<Opaque>,
    /// Variables given a value, with the value where the call shows it.
    pub(super) assigned: Vec<(String, Option<RawWord>)>,
    /// Texts evaluated as arithmetic; `None` for one that is not known.
    pub(super) arithmetic: Vec<Option<String>>,
}

/// Looks at one call.
pub(super) fn look(words: &[RawWord]) -> Seen {
    let mut seen = Seen::default();
    let words = unwrapped(words);
    let Some((first, args)) = words.split_first() else { return seen };
    let Some(name) = first.literal() else { return seen };
    let options = args.iter().take_while(|word| is_option(word)).filter_map(RawWord::literal);
    let option = |letter: char| options.clone().any(|text| !text.starts_with("--") && text.contains(letter));
    let mut add = |reason: Opaque| {
        seen.opaque.insert(reason);
    };
    match name.as_str() {
        "eval" => add(Opaque::Eval),
        "." | "source" if matches!(args, [only] if only.literal().is_some_and(|path| super::is_environment(&path))) =>
            {}
        "." | "source" => add(Opaque::Source),
        "alias" if args.iter().all(|word| word.literal().as_deref() == Some("-p")) => {}
        "alias" | "unalias" => add(Opaque::Alias),
        "trap" if args.iter().all(|word| matches!(word.literal().as_deref(), Some("-p" | "-l"))) => {}
        "trap" => add(Opaque::Trap),
        "enable" if args.is_empty() => {}
        "enable" | "bind" | "fc" => add(Opaque::CommandTable),
        "hash" if !args.is_empty() && !option('r') && !asks(args) => add(Opaque::CommandTable),
        "jobs" if option('x') => add(Opaque::Eval),
        "complete" | "compgen" | "compopt" => add(Opaque::Callback),
        "set" => set(args, &mut seen),
        "shopt" => shopt(args, &mut seen),
        "coproc" if first.bare().is_some() => add(Opaque::Coprocess),
        "let" => seen.arithmetic.extend(args.iter().map(RawWord::literal)),
        "declare" | "typeset" | "local" | "export" | "readonly" => {
            if option('n') && name != "export" {
                add(Opaque::Nameref);
            }
            let (integer, array) = (option('i'), option('a') || option('A'));
            declared(args, integer, array, &mut seen);
        }
        "read" => named(args, "a", "dinNptu", &mut seen),
        "mapfile" | "readarray" => {
            if option('C') || args.iter().any(|word| word.literal().is_some_and(|w| w.starts_with("-C"))) {
                add(Opaque::Callback);
            }
            named(args, "", "dnOsuCc", &mut seen);
        }
        "unset" => named(args, "", "", &mut seen),
        "getopts" => named(args.get(1..2).unwrap_or(&[]), "", "", &mut seen),
        "wait" => named(args, "p", "", &mut Seen::default()),
        "printf" if option('v') => named(args.get(..2).unwrap_or(args), "v", "", &mut seen),
        "test" | "[" => {
            for pair in args.windows(2) {
                if let [flag, operand] = pair
                    && matches!(flag.literal().as_deref(), Some("-v" | "-R"))
                {
                    variable(operand, &mut seen.opaque);
                }
            }
        }
        _ => {}
    }
    if name == "wait" && option('p') {
        named(args, "p", "", &mut seen);
    }
    seen
}

/// `hash -t NAME`, `hash -l`: shows what is remembered.
fn asks(args: &[RawWord]) -> bool {
    args.first()
        .and_then(RawWord::literal)
        .is_some_and(|first| matches!(first.as_str(), "-t" | "-l" | "-lt" | "-tl"))
}

/// `set`: letters that change nothing about how text is read.
fn set(args: &[RawWord], seen: &mut Seen) {
    let mut args = args.iter();
    while let Some(word) = args.next() {
        let Some(text) = word.literal() else { break };
        let Some(letters) = text.strip_prefix(['-', '+']) else { break };
        if letters.is_empty() || letters == "-" {
            break;
        }
        let harmless = letters.chars().all(|c| "euxvfCnETabhmo".contains(c));
        let mut safe = harmless;
        if harmless && letters.contains('o') {
            let option = args.next().and_then(RawWord::literal);
            safe = matches!(
                option.as_deref(),
                None | Some(
                    "errexit"
                        | "nounset"
                        | "xtrace"
                        | "verbose"
                        | "noglob"
                        | "noclobber"
                        | "pipefail"
                        | "errtrace"
                        | "functrace"
                        | "monitor"
                        | "notify"
                        | "noexec"
                        | "allexport"
                )
            );
        }
        if !safe {
            seen.opaque.insert(Opaque::ShellOption);
        }
    }
}

fn shopt(args: &[RawWord], seen: &mut Seen) {
    let safe = args.iter().all(|word| {
        matches!(
            word.literal().as_deref(),
            Some(
                "-s" | "-u"
                    | "-q"
                    | "-p"
                    | "nullglob"
                    | "globstar"
                    | "dotglob"
                    | "failglob"
                    | "nocaseglob"
                    | "nocasematch"
                    | "inherit_errexit"
                    | "checkwinsize"
                    | "histappend"
            )
        )
    });
    if !safe {
        seen.opaque.insert(Opaque::ShellOption);
    }
}

fn declared(args: &[RawWord], integer: bool, array: bool, seen: &mut Seen) {
    for word in args {
        let Some(Piece::Text { text, .. }) = word.0.first() else {
            seen.opaque.insert(Opaque::VariableName);
            continue;
        };
        if text.starts_with(['-', '+']) {
            continue;
        }
        let Some((name, value)) = text.split_once('=') else {
            variable(word, &mut seen.opaque);
            // From here on, assigning to it evaluates.
            seen.arithmetic.extend(integer.then(|| Some(text.clone())));
            continue;
        };
        let name = name.strip_suffix('+').unwrap_or(name);
        plain_name(name, &mut seen.opaque);
        let mut rest = RawWord::default();
        rest.text(value, false);
        word.0.iter().skip(1).cloned().for_each(|piece| rest.push(piece));
        if integer {
            seen.arithmetic.push(rest.literal());
            seen.arithmetic.push(Some(name.to_owned()));
        }
        // A text in parentheses, given to an array, is read again as a list of words.
        let expands = rest
            .0
            .iter()
            .any(|piece| matches!(piece, Piece::Var { .. } | Piece::Output { .. } | Piece::Expansion));
        if value.starts_with('(') || array && expands {
            seen.opaque.insert(Opaque::Eval);
        }
        seen.assigned.push((name.to_owned(), Some(rest)));
    }
}

/// Arguments that name variables, after options. `naming` options take a name, `taking` a value.
fn named(args: &[RawWord], naming: &str, taking: &str, seen: &mut Seen) {
    let mut args = args.iter();
    let mut options = true;
    while let Some(word) = args.next() {
        if options && is_option(word) {
            let text = word.literal().unwrap_or_default();
            if text == "--" {
                options = false;
                continue;
            }
            let Some((at, letter)) =
                text.char_indices().skip(1).find(|(_, c)| naming.contains(*c) || taking.contains(*c))
            else {
                continue;
            };
            let attached = text.get(at + 1..).unwrap_or("");
            let value = if attached.is_empty() { args.next().cloned() } else { Some(RawWord::of(attached)) };
            if let (true, Some(value)) = (naming.contains(letter), value) {
                variable(&value, &mut seen.opaque);
                seen.assigned.extend(value.literal().map(|name| (name, None)));
            }
            continue;
        }
        options = false;
        variable(word, &mut seen.opaque);
        seen.assigned.extend(word.literal().map(|name| (name, None)));
    }
}

/// A word that must be the plain name of a variable.
fn variable(word: &RawWord, opaque: &mut BTreeSet<Opaque>) {
    match word.literal() {
        Some(name) => plain_name(&name, opaque),
        None => {
            opaque.insert(Opaque::VariableName);
        }
    }
}

/// A subscript is evaluated, and evaluation runs substitutions.
fn plain_name(name: &str, opaque: &mut BTreeSet<Opaque>) {
    let length = scan::name_length(name);
    let subscript = name.get(length..).unwrap_or("");
    let index = subscript.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let numeric = index.is_some_and(|index| index.chars().all(|c| c.is_ascii_digit()));
    if length == 0 || !(subscript.is_empty() || numeric) {
        opaque.insert(Opaque::VariableName);
    }
}

/// Everything the calls of a line assign or evaluate.
pub(super) fn look_all(found: &Found) -> Seen {
    let mut all = Seen::default();
    for command in &found.commands {
        let mut seen = look(&command.words);
        all.opaque.append(&mut seen.opaque);
        all.assigned.append(&mut seen.assigned);
        all.arithmetic.append(&mut seen.arithmetic);
    }
    all
}
