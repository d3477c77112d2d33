//! What makes a line opaque although both parsers agree on it.

use std::collections::{BTreeMap, BTreeSet};

use super::builtins::{self, Seen};
use super::neutral::{Found, Piece, RawCommand, RawWord};
use super::{Command, Opaque, Word, scan};

/// Adds every reason found in the line.
pub(super) fn line(text: &str, found: &Found, commands: &[Command], opaque: &mut BTreeSet<Opaque>) {
    if text.contains('\r') {
        opaque.insert(Opaque::CarriageReturn);
    }
    if text.contains(is_direction_mark) {
        opaque.insert(Opaque::LookAlike);
    }
    let mut seen = builtins::look_all(found);
    let mut expanded = Vec::new();
    for (raw, command) in found.commands.iter().zip(commands) {
        spelling(raw, opaque);
        for words in command.readings() {
            program(words, found, opaque);
            // What a variable or a brace turned into a builtin is looked at as what it became.
            let known: Vec<RawWord> = words.iter().map(RawWord::from).collect();
            let mut again = builtins::look(&known);
            expanded.extend(again.opaque.into_iter().filter(|reason| *reason != Opaque::VariableName));
            again.assigned.retain(|(_, value)| value.is_none());
            seen.assigned.append(&mut again.assigned);
        }
    }
    opaque.extend(expanded);
    opaque.extend(seen.opaque.iter().copied());
    variables(found, &seen, opaque);
    if found.functions.contains("command_not_found_handle") {
        opaque.insert(Opaque::FunctionShadows);
    }
    arrays(found, &seen, opaque);
    arithmetic(found, &seen, opaque);
}

fn program(words: &[Word], found: &Found, opaque: &mut BTreeSet<Opaque>) {
    let Some(Word::Known(name) | Word::Glob(name)) = words.first() else { return };
    if !name.is_ascii() || name.contains(|c: char| c.is_ascii_control()) {
        opaque.insert(Opaque::LookAlike);
    }
    if found.functions.contains(name) {
        opaque.insert(Opaque::FunctionShadows);
    }
}

/// Reasons in how the words of one command are written.
fn spelling(raw: &RawCommand, opaque: &mut BTreeSet<Opaque>) {
    for word in &raw.words {
        if !raw.redirects.is_empty() && word.bare().is_some_and(is_descriptor_variable) {
            opaque.insert(Opaque::DescriptorVariable);
        }
        for piece in &word.0 {
            let Piece::Text { text, quoted: false } = piece else { continue };
            if text.contains(is_invisible) {
                opaque.insert(Opaque::LookAlike);
            }
            if is_history(text) {
                opaque.insert(Opaque::History);
            }
        }
    }
}

fn is_descriptor_variable(text: &str) -> bool {
    let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && scan::name_length(name) == name.len())
}

/// `!` where an interactive shell would put in an older command. `[!a]`, `!(a)` and `!=` are not.
fn is_history(text: &str) -> bool {
    let mut class = false;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let designates =
            rest.peek().is_some_and(|next| next.is_ascii_alphanumeric() || "!$*^?#:-_/".contains(*next));
        if c == '!' && !class && designates {
            return true;
        }
        class = c == '[';
    }
    false
}

const fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Blanks and formatting characters that the shell takes for letters.
fn is_invisible(c: char) -> bool {
    !c.is_ascii()
        && (c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{115f}' | '\u{1160}' | '\u{3164}'))
}

fn variables(found: &Found, seen: &Seen, opaque: &mut BTreeSet<Opaque>) {
    let assigned = found.commands.iter().flat_map(|command| {
        let lasting = command.words.is_empty();
        // `IFS= read …` is how lines are read; the assignment ends with the command.
        command.assignments.iter().filter(move |a| lasting || a.name != "IFS").map(|a| a.name.as_str())
    });
    let lasting = found.commands.iter().filter(|command| command.words.is_empty());
    let lasting = lasting.flat_map(|command| &command.assignments).map(|a| a.name.as_str());
    if lasting.chain(seen.assigned.iter().map(|(name, _)| name.as_str())).any(builtins::is_searched) {
        opaque.insert(Opaque::CommandTable);
    }
    let others = seen.assigned.iter().map(|(name, _)| name.as_str());
    let bound = found.bound.iter().map(|(name, _)| name.as_str());
    if assigned.chain(others).chain(bound).any(builtins::is_obeyed) {
        opaque.insert(Opaque::ShellVariable);
    }
}

/// A declared value that expands is read as a list of words again when its variable is an array.
fn arrays(found: &Found, seen: &Seen, opaque: &mut BTreeSet<Opaque>) {
    let mut all = found.commands.iter().flat_map(|command| &command.assignments);
    let expands = |word: &RawWord| {
        word.0.iter().any(|p| matches!(p, Piece::Var { .. } | Piece::Output { .. } | Piece::Expansion))
    };
    let declared: BTreeSet<&str> = seen
        .assigned
        .iter()
        .filter(|(_, value)| value.as_ref().is_some_and(expands))
        .map(|(name, _)| name.as_str())
        .collect();
    if all.any(|assignment| !assignment.plain && declared.contains(assignment.name.as_str())) {
        opaque.insert(Opaque::Eval);
    }
}

/// Arithmetic runs the substitutions in the *values* of the variables it names, so each must be
/// known to be a number or must not be assigned in the line at all.
fn arithmetic(found: &Found, seen: &Seen, opaque: &mut BTreeSet<Opaque>) {
    let mut numeric: BTreeMap<&str, bool> = BTreeMap::new();
    let mut assign = |name, is: bool| {
        let all = numeric.entry(name).or_insert(true);
        *all &= is;
    };
    for assignment in found.commands.iter().flat_map(|command| &command.assignments) {
        assign(assignment.name.as_str(), is_number(&assignment.value));
    }
    for (name, value) in &found.bound {
        assign(name, is_number(value));
    }
    for (name, value) in &seen.assigned {
        assign(name, value.as_ref().is_some_and(is_number));
    }
    let known = |name: &str| numeric.get(name).copied().unwrap_or(true);
    let texts = found.arithmetic.iter().map(Some).chain(seen.arithmetic.iter().map(Option::as_ref));
    for text in texts {
        if !text.is_some_and(|text| is_certain(text, &known)) {
            opaque.insert(Opaque::Arithmetic);
        }
    }
}

fn is_number(word: &RawWord) -> bool {
    word.0.iter().all(|piece| match piece {
        Piece::Number => true,
        Piece::Text { text, .. } => text.chars().all(|c| c.is_ascii_digit() || c == '-'),
        Piece::Var { .. } | Piece::Output { .. } | Piece::Array | Piece::Expansion => false,
    })
}

fn is_certain(text: &str, known: &impl Fn(&str) -> bool) -> bool {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = scan::name_length(rest);
        if length > 0 {
            if !rest.get(..length).is_some_and(known) {
                return false;
            }
            rest = rest.get(length..).unwrap_or("");
        } else if c.is_ascii_digit() {
            rest =
                rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '#' | '@' | '_'));
        } else if c == '`' {
            return false;
        } else if c == '$' {
            let Some(after) = certain_expansion(rest.get(1..).unwrap_or(""), known) else { return false };
            rest = after;
        } else {
            rest = rest.get(c.len_utf8()..).unwrap_or("");
        }
    }
    true
}

/// The text after a `$…` that yields a number, if it does.
fn certain_expansion<'a>(rest: &'a str, known: &impl Fn(&str) -> bool) -> Option<&'a str> {
    if let Some(body) = rest.strip_prefix('{') {
        let (body, after) = body.split_once('}')?;
        let name = body.strip_prefix('#').unwrap_or(body);
        let plain = scan::name_length(name) == name.len() && known(name);
        return (body.starts_with('#') && !name.contains(['$', '`']) || plain).then_some(after);
    }
    if rest.starts_with("((") {
        return rest.get(2..);
    }
    let c = rest.chars().next()?;
    if matches!(c, '#' | '?' | '$' | '!') {
        return rest.get(1..);
    }
    // `$name` is read again as a name.
    (scan::name_length(rest) > 0).then_some(rest)
}
