//! From raw words to the words a program would get, as far as the text decides.

use std::collections::{BTreeMap, BTreeSet};

use super::brace::{self, Atom};
use super::builtins;
use super::neutral::{Found, Piece, RawCommand, RawInput, RawWord};
use super::{Assignment, Command, Input, Opaque, Redirect, Word};

/// Variables with a certain value at a point of the line.
type Values = BTreeMap<String, String>;

/// Variables whose value an assignment does not settle.
const SETTLED_ELSEWHERE: [&str; 14] = [
    "_",
    "DIRSTACK",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "FUNCNAME",
    "GROUPS",
    "LINENO",
    "OPTARG",
    "OPTIND",
    "PPID",
    "RANDOM",
    "SECONDS",
    "UID",
];

pub(super) fn commands(found: &Found, opaque: &mut BTreeSet<Opaque>) -> Vec<Command> {
    let constant = constants(found);
    let cooked = with(found, &constant, opaque);
    // A variable may have turned into `unset` or `read`; then nothing was constant.
    let reassigns = cooked.iter().any(|command| {
        let words: Vec<RawWord> = command.words.iter().map(RawWord::from).collect();
        builtins::unwrapped(&words)
            .first()
            .and_then(RawWord::literal)
            .is_some_and(|name| builtins::assigns(&name))
    });
    if constant.is_empty() || !reassigns {
        return cooked;
    }
    with(found, &BTreeSet::new(), opaque)
}

fn with(found: &Found, constant: &BTreeSet<String>, opaque: &mut BTreeSet<Opaque>) -> Vec<Command> {
    let mut values = Values::new();
    let mut all = Vec::with_capacity(found.commands.len());
    for raw in &found.commands {
        let command = cook(raw, &values, opaque);
        // A redirect that fails takes the assignment with it.
        if raw.straight && raw.words.is_empty() && raw.redirects.is_empty() {
            for assignment in &command.assignments {
                if let (true, Word::Known(value)) = (constant.contains(&assignment.name), &assignment.value) {
                    values.insert(assignment.name.clone(), value.clone());
                }
            }
        }
        all.push(command);
    }
    all
}

/// Variables assigned exactly once in the line, plainly, with nothing else about that could
/// assign to them. Their value after that assignment is certain.
fn constants(found: &Found) -> BTreeSet<String> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for command in &found.commands {
        let words = builtins::unwrapped(&command.words);
        let name = words.first().and_then(RawWord::literal);
        if name.is_some_and(|name| builtins::assigns(&name)) {
            return BTreeSet::new();
        }
        for assignment in &command.assignments {
            let uncertain = !assignment.plain || !command.words.is_empty();
            *times.entry(&assignment.name).or_default() += if uncertain { 2 } else { 1 };
        }
    }
    for (name, _) in &found.bound {
        *times.entry(name).or_default() += 2;
    }
    if !found.functions.is_empty() || times.contains_key("IFS") {
        return BTreeSet::new();
    }
    times
        .into_iter()
        .filter(|(name, times)| {
            *times == 1
                && !SETTLED_ELSEWHERE.contains(name)
                && !name.starts_with("BASH")
                && !found.arithmetic.iter().any(|text| text.contains(name))
        })
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn cook(raw: &RawCommand, values: &Values, opaque: &mut BTreeSet<Opaque>) -> Command {
    let assignments = raw
        .assignments
        .iter()
        .map(|assignment| Assignment {
            name: assignment.name.clone(),
            value: if assignment.plain { single(&assignment.value, values) } else { Word::Unknown },
        })
        .collect();
    let words = raw.words.iter().flat_map(|word| expand(word, values, opaque)).collect();
    let mut redirects = Vec::with_capacity(raw.redirects.len());
    for redirect in &raw.redirects {
        let mut targets = expand(&redirect.target, values, opaque);
        let target = targets.pop().filter(|_| targets.is_empty()).unwrap_or(Word::Unknown);
        redirects.push(Redirect { op: redirect.op, target });
    }
    let stdin = match &raw.stdin {
        RawInput::Inherited => Input::Inherited,
        RawInput::Pipe(feeders) => Input::Pipe(feeders.clone()),
        RawInput::Text(word) => Input::Text(match single(word, values) {
            Word::Glob(text) => Word::Known(text),
            other => other,
        }),
    };
    Command { assignments, words, redirects, stdin }
}

/// A value that is neither split nor expanded to several words.
fn single(word: &RawWord, values: &Values) -> Word {
    let mut text = String::new();
    for piece in &word.0 {
        match piece {
            Piece::Text { text: more, .. } => text.push_str(more),
            Piece::Var { name, .. } => match values.get(name) {
                Some(value) => text.push_str(value),
                None => return Word::Unknown,
            },
            Piece::Number | Piece::Array | Piece::Expansion => return Word::Unknown,
        }
    }
    match word.0.first() {
        Some(Piece::Text { text: first, quoted: false }) if first.starts_with('~') => Word::Glob(text),
        _ => Word::Known(text),
    }
}

fn expand(word: &RawWord, values: &Values, opaque: &mut BTreeSet<Opaque>) -> Vec<Word> {
    let mut atoms = Vec::new();
    for piece in &word.0 {
        match piece {
            Piece::Text { text, quoted } if text.is_empty() && *quoted => atoms.push(Atom::Quote),
            Piece::Text { text, quoted } => atoms.extend(text.chars().map(|c| Atom::Char(c, *quoted))),
            other => atoms.push(Atom::Part(other)),
        }
    }
    match brace::expand(&atoms) {
        Ok(all) => all.iter().flat_map(|atoms| fields(atoms, values)).collect(),
        Err(brace::PastBound) => {
            opaque.insert(Opaque::BraceLimit);
            vec![Word::Unknown]
        }
    }
}

/// What a field has turned out to be; a later kind outweighs an earlier one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Kind {
    #[default]
    Absent,
    Known,
    Glob,
    Unknown,
}

#[derive(Default)]
struct Field {
    text: String,
    kind: Kind,
    /// An unquoted `[` came by: alone it is a program, with its partner a pattern.
    bracket: bool,
}

impl Field {
    fn is(&mut self, kind: Kind) {
        self.kind = self.kind.max(kind);
    }

    fn push(&mut self, c: char, quoted: bool) {
        self.text.push(c);
        let glob = !quoted && (matches!(c, '*' | '?' | '(') || c == ']' && self.bracket);
        self.bracket |= !quoted && c == '[';
        self.is(if glob { Kind::Glob } else { Kind::Known });
    }

    fn finish(&mut self, out: &mut Vec<Word>) {
        let field = std::mem::take(self);
        match field.kind {
            Kind::Absent => {}
            Kind::Known => out.push(Word::Known(field.text)),
            Kind::Glob => out.push(Word::Glob(field.text)),
            Kind::Unknown => out.push(Word::Unknown),
        }
    }
}

fn fields(atoms: &[Atom<'_>], values: &Values) -> Vec<Word> {
    let mut out = Vec::new();
    let mut field = Field::default();
    if atoms.first() == Some(&Atom::Char('~', false)) {
        field.is(Kind::Glob);
    }
    for atom in atoms {
        match atom {
            Atom::Char(c, quoted) => field.push(*c, *quoted),
            Atom::Quote => field.is(Kind::Known),
            Atom::Part(Piece::Var { name, quoted }) => match values.get(name) {
                Some(value) if *quoted => {
                    field.is(Kind::Known);
                    value.chars().for_each(|c| field.push(c, true));
                }
                Some(value) => {
                    for c in value.chars() {
                        if matches!(c, ' ' | '\t' | '\n') {
                            field.finish(&mut out);
                        } else {
                            field.push(c, false);
                        }
                    }
                }
                None => field.is(Kind::Unknown),
            },
            Atom::Part(_) => field.is(Kind::Unknown),
        }
    }
    field.finish(&mut out);
    out
}
