//! From raw words to the words a program would get, as far as the text decides.

use std::collections::{BTreeMap, BTreeSet};

use super::brace::{self, Atom};
use super::builtins;
use super::neutral::{Found, Loop, Piece, RawCommand, RawInput, RawWord};
use super::{Assignment, Command, Input, Opaque, Redirect, Word, scratch};

/// Variables with a certain value at a point of the line.
type Values = BTreeMap<String, String>;

/// Stands for the home directory among the values; no line can hold it.
const HOME: &str = "\0";

const PWD: &str = "PWD";

/// In front of a pattern whose matches a variable takes one by one; no line can hold it.
const FILES: &str = "\u{3}";

/// Under this name stands what a substitution in the command at hand prints; no variable can have it.
const PRINTED: &str = "\0";

/// Most readings of one command in loops.
const TURNS_MAX: usize = 8;

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

pub(super) fn commands(found: &Found, scratch: bool, opaque: &mut BTreeSet<Opaque>) -> Vec<Command> {
    let constant = constants(found, scratch);
    let cooked = with(found, &constant, opaque);
    // A variable may have turned into `unset` or `read`; then nothing was constant.
    let reassigns = cooked.iter().flat_map(Command::readings).any(|words| {
        let words: Vec<RawWord> = words.iter().map(RawWord::from).collect();
        builtins::unwrapped(&words)
            .first()
            .and_then(RawWord::literal)
            .is_some_and(|name| builtins::assigns(&name))
    });
    if !reassigns || (constant.names.is_empty() && constant.loops.is_empty()) {
        return cooked;
    }
    let ambient = Constant { names: BTreeSet::new(), loops: Vec::new(), ..constant };
    with(found, &ambient, opaque)
}

/// What is certain of variables.
struct Constant<'a> {
    /// Assigned once.
    names: BTreeSet<String>,
    /// Given their values by loops only.
    loops: Vec<&'a Loop>,
    /// The line leaves the home directory alone.
    home: bool,
    /// And the directory for temporary files.
    scratch: bool,
    /// And the name of the working directory.
    here: bool,
}

fn with(found: &Found, constant: &Constant<'_>, opaque: &mut BTreeSet<Opaque>) -> Vec<Command> {
    let mut values = Values::new();
    if constant.home {
        values.insert("HOME".to_owned(), HOME.to_owned());
    }
    if constant.scratch {
        let names = scratch::DEFAULTED.into_iter().chain(["TMPDIR"]);
        values.extend(names.map(|name| (name.to_owned(), scratch::DIRECTORY.to_owned())));
    }
    let mut all = Vec::with_capacity(found.commands.len());
    for (at, raw) in found.commands.iter().enumerate() {
        let printed = scratch::printed(raw, at, found);
        if let Some(text) = &printed {
            values.insert(PRINTED.to_owned(), text.clone());
        }
        if constant.here && scratch::mounts(raw) {
            values.insert(PWD.to_owned(), ".".to_owned());
        }
        let mut command = cook(raw, &values, opaque);
        command.inside = raw.inside;
        turns(raw, at, constant, &values, &mut command, opaque);
        // A redirect that fails takes the assignment with it.
        if raw.straight && raw.words.is_empty() && raw.redirects.is_empty() {
            for assignment in &command.assignments {
                let value = match &assignment.value {
                    Word::Known(value) => value.clone(),
                    _ if is_made(raw, at, found) => scratch::MADE.to_owned(),
                    _ => continue,
                };
                if constant.names.contains(&assignment.name) {
                    values.insert(assignment.name.clone(), value);
                }
            }
        }
        values.remove(PRINTED);
        values.remove(PWD);
        all.push(command);
    }
    all
}

/// Variables assigned exactly once in the line, plainly, with nothing else about that could
/// assign to them. Their value after that assignment is certain.
fn constants(found: &Found, scratch: bool) -> Constant<'_> {
    let home = leaves(found, "HOME");
    let scratch = scratch && leaves(found, "TMPDIR");
    let here = leaves(found, "PWD");
    let none = || Constant { names: BTreeSet::new(), loops: Vec::new(), home, scratch, here };
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for command in &found.commands {
        let words = builtins::unwrapped(&command.words);
        let name = words.first().and_then(RawWord::literal);
        if name.is_some_and(|name| builtins::assigns(&name)) {
            return none();
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
        return none();
    }
    let bound = |name: &str| found.bound.iter().filter(|(other, _)| other == name).count();
    let looped = |name: &str| {
        found.loops.iter().filter(|each| each.name == name).map(|each| each.values.len()).sum::<usize>()
    };
    // Each parser notes each value once; anything beyond that is another way to give the variable a value.
    let only_loops = |each: &&Loop| {
        bound(&each.name) == 2 * looped(&each.name)
            && times.get(each.name.as_str()).is_none_or(|count| *count == 2 * bound(&each.name))
            && !SETTLED_ELSEWHERE.contains(&each.name.as_str())
            && !each.name.starts_with("BASH")
            && !found.arithmetic.iter().any(|text| text.contains(each.name.as_str()))
            && each
                .values
                .iter()
                .all(|value| value.literal().is_some_and(|text| is_plain(&text) || is_files(&text)))
    };
    let loops: Vec<&Loop> = found.loops.iter().collect();
    let loops = loops
        .iter()
        .filter(|each| {
            found.loops.iter().filter(|other| other.name == each.name).all(|other| only_loops(&other))
        })
        .copied()
        .collect();
    let names = times
        .into_iter()
        .filter(|(name, times)| {
            *times == 1
                && !SETTLED_ELSEWHERE.contains(name)
                && !name.starts_with("BASH")
                && !found.arithmetic.iter().any(|text| text.contains(name))
        })
        .map(|(name, _)| name.to_owned())
        .collect();
    Constant { names, loops, home, scratch, here }
}

/// Neither split nor expanded when it stands for a variable without quotes.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-+_./:=@%,".contains(c))
}

/// A pattern that matches files and nothing that could be an option.
fn is_files(text: &str) -> bool {
    let fixed = text.split(['*', '?']).next().unwrap_or_default();
    fixed.len() < text.len()
        && is_plain(fixed)
        && !fixed.starts_with('-')
        && is_plain(&text.replace(['*', '?'], "x"))
}

/// A variable is what it was before the line unless something in the line could change it.
fn leaves(found: &Found, name: &str) -> bool {
    let assigned = found.commands.iter().flat_map(|command| &command.assignments).map(|a| a.name.as_str());
    let bound = found.bound.iter().map(|(name, _)| name.as_str());
    let seen = builtins::look_all(found);
    let set = seen.assigned.iter().map(|(name, _)| name.as_str());
    !assigned.chain(bound).chain(set).any(|other| other == name)
}

/// The other words of a command in a loop over listed values.
fn turns(
    raw: &RawCommand,
    at: usize,
    constant: &Constant<'_>,
    values: &Values,
    command: &mut Command,
    opaque: &mut BTreeSet<Opaque>,
) {
    let around: Vec<&&Loop> = constant.loops.iter().filter(|each| each.body.contains(&at)).collect();
    let named = |name: &str| {
        raw.words
            .iter()
            .flat_map(|word| &word.0)
            .any(|piece| matches!(piece, Piece::Var { name: own, .. } if own == name))
    };
    let mut all = vec![values.clone()];
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for each in &around {
        if !named(&each.name) || !names.insert(&each.name) {
            continue;
        }
        let texts: BTreeSet<String> = around
            .iter()
            .filter(|other| other.name == each.name)
            .flat_map(|other| &other.values)
            .filter_map(RawWord::literal)
            .collect();
        if all.len() * texts.len() > TURNS_MAX {
            return;
        }
        all = all
            .iter()
            .flat_map(|values| {
                texts.iter().map(|text| {
                    let mut values = values.clone();
                    let files = if is_files(text) { FILES } else { "" };
                    values.insert(each.name.clone(), format!("{files}{text}"));
                    values
                })
            })
            .collect();
    }
    if names.is_empty() {
        return;
    }
    let mut readings = all.iter().map(|values| words(raw, values, opaque)).collect::<Vec<_>>().into_iter();
    if let Some(first) = readings.next() {
        command.words = first;
        command.also = readings.collect();
    }
}

fn words(raw: &RawCommand, values: &Values, opaque: &mut BTreeSet<Opaque>) -> Vec<Word> {
    raw.words.iter().flat_map(|word| expand(word, values, opaque)).collect()
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
    let words = words(raw, values, opaque);
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
    Command { assignments, words, redirects, stdin, ..Command::default() }
}

/// A value that is neither split nor expanded to several words.
fn single(word: &RawWord, values: &Values) -> Word {
    let mut text = String::new();
    for piece in &word.0 {
        match piece {
            Piece::Text { text: more, .. } => text.push_str(more),
            Piece::Var { name, .. } => match values.get(name) {
                Some(value)
                    if matches!(value.as_str(), scratch::DIRECTORY | scratch::MADE)
                        || value.starts_with(FILES) =>
                {
                    return Word::Unknown;
                }
                Some(value) if value != HOME => text.push_str(value),
                Some(_) if text.is_empty() && word.0.first() == Some(piece) => text.push('~'),
                _ => return Word::Unknown,
            },
            Piece::Output { .. } if values.contains_key(PRINTED) => {
                text.push_str(values.get(PRINTED).map_or("", String::as_str));
            }
            Piece::Number | Piece::Array | Piece::Output { .. } | Piece::Expansion => return Word::Unknown,
        }
    }
    match word.0.first() {
        Some(Piece::Var { name, .. }) if values.get(name).is_some_and(|value| value == HOME) => {
            Word::Glob(text)
        }
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
    /// One word, with a part that is not known.
    One,
    Unknown,
}

#[derive(Default)]
struct Field {
    text: String,
    kind: Kind,
    /// Where the first part that is not known stands, and where the last.
    gap: Option<(usize, usize)>,
    /// It holds a pattern.
    glob: bool,
    /// An unquoted `[` came by: alone it is a program, with its partner a pattern.
    bracket: bool,
}

impl Field {
    fn is(&mut self, kind: Kind) {
        self.glob |= kind == Kind::Glob;
        self.kind = self.kind.max(kind);
    }

    /// A part that is not known, and that is not split.
    fn gap(&mut self) {
        let at = self.text.len();
        self.gap = Some((self.gap.map_or(at, |(first, _)| first), at));
        self.is(Kind::One);
    }

    /// The home directory, where the word starts with it.
    fn home(&mut self, quoted: bool) {
        if self.text.is_empty() && self.gap.is_none() {
            self.text.push('~');
            self.is(Kind::Glob);
            self.glob = false;
        } else if quoted {
            self.gap();
        } else {
            self.is(Kind::Unknown);
        }
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
            Kind::One => out.push(field.one()),
            Kind::Unknown => out.push(Word::Unknown),
        }
    }

    /// A pattern may become several words; only below a directory are they surely no options.
    fn one(self) -> Word {
        let (first, last) = self.gap.unwrap_or_default();
        let (before, after) = (self.text.get(..first), self.text.get(last..));
        let (before, after) = (before.unwrap_or_default().to_owned(), after.unwrap_or_default().to_owned());
        if self.glob && !before.starts_with(['/', '~']) && !after.starts_with('/') {
            return Word::Unknown;
        }
        Word::One { before, after }
    }
}

/// What an expansion stands for, where that is certain, and whether it stands in quotes.
fn value<'v>(atom: &Atom<'_>, values: &'v Values) -> (Option<&'v str>, bool) {
    let (name, quoted) = match atom {
        Atom::Part(Piece::Var { name, quoted }) => (name.as_str(), *quoted),
        Atom::Part(Piece::Output { quoted }) => (PRINTED, *quoted),
        _ => return (None, false),
    };
    (values.get(name).map(String::as_str), quoted)
}

/// Is the value what a `mktemp` alone prints?
fn is_made(raw: &RawCommand, at: usize, found: &Found) -> bool {
    let [assignment] = raw.assignments.as_slice() else { return false };
    let alone = matches!(assignment.value.0.as_slice(), [Piece::Output { .. }]);
    let quoted = matches!(
        assignment.value.0.as_slice(),
        [Piece::Text { text, .. }, Piece::Output { .. }] if text.is_empty()
    );
    let inner = found.commands.get(at + 1);
    raw.inside == 1 && (alone || quoted) && inner.is_some_and(scratch::makes)
}

fn fields(atoms: &[Atom<'_>], values: &Values) -> Vec<Word> {
    let mut out = Vec::new();
    let mut field = Field::default();
    if atoms.first() == Some(&Atom::Char('~', false)) {
        field.is(Kind::Glob);
    }
    for (at, atom) in atoms.iter().enumerate() {
        match atom {
            Atom::Char(c, quoted) => field.push(*c, *quoted),
            Atom::Quote => field.is(Kind::Known),
            Atom::Part(Piece::Var { .. } | Piece::Output { .. }) => match value(atom, values) {
                (Some(value), quoted) if matches!(value, scratch::DIRECTORY | scratch::MADE) => {
                    let rest = atoms.get(at + 1..).unwrap_or_default();
                    let known =
                        scratch::text(value, rest).filter(|_| field.text.is_empty() && field.gap.is_none());
                    match known {
                        Some(text) => text.chars().for_each(|c| field.push(c, true)),
                        None if quoted => field.gap(),
                        None => field.is(Kind::Unknown),
                    }
                }
                (Some(HOME), quoted) => field.home(quoted),
                (Some(value), quoted) if value.starts_with(FILES) => {
                    // Without quotes a name falls apart at its blanks.
                    if quoted {
                        value.chars().skip(1).for_each(|c| field.push(c, false));
                    } else {
                        field.is(Kind::Unknown);
                    }
                }
                (Some(value), true) => {
                    field.is(Kind::Known);
                    value.chars().for_each(|c| field.push(c, true));
                }
                (Some(value), false) => {
                    for c in value.chars() {
                        if matches!(c, ' ' | '\t' | '\n') {
                            field.finish(&mut out);
                        } else {
                            field.push(c, false);
                        }
                    }
                }
                (None, true) => field.gap(),
                (None, false) => field.is(Kind::Unknown),
            },
            Atom::Part(Piece::Number) => field.gap(),
            Atom::Part(_) => field.is(Kind::Unknown),
        }
    }
    field.finish(&mut out);
    out
}
