//! From a call to the one that undoes it, as manifests say.
//!
//! Nothing is guessed: a call has an inverse only where an entry of its manifest accounts for every option and every
//! argument. What hangs on how things stood before the call, which no receipt says, is either said not to be undoable or
//! carries what it `assumes`, so that a person can say whether that was so.

mod proof;

use super::call::{Call, Given, Value};
use super::compile::{Malformed, paths, words, worst};
use super::grammar::{Choice, Step};
use super::manifest::{self, Style};
use super::registry::{Found, Registry, ambient};
use super::settings;
use super::word::Word;
use cascade_receipt::decision::RiskTier;

/// What is known of how a call is undone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Inversion {
    /// By another call.
    Undo(Undoing),
    /// It changes nothing.
    Reads,
    /// Not by a manifest; why, for people.
    Cannot(String),
}

/// A call that undoes another one. It is decided like any other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Undoing {
    /// Program and arguments; to be run where the other one ran.
    pub argv: Vec<String>,
    /// What must have been so before, and what no receipt says.
    pub assumes: Option<String>,
}

/// An entry of a manifest; see [`manifest::Inverse`].
#[derive(Debug)]
pub(super) struct Inverse {
    programs: Vec<String>,
    commands: Vec<Vec<Step>>,
    with: Vec<Vec<Choice>>,
    allows: Vec<String>,
    keeps: Vec<String>,
    /// Names of the arguments, and whether the last stands for one or more.
    arguments: Option<(Vec<String>, bool)>,
    answer: Answer,
    /// Lines, and what undoes them.
    tests: Vec<(String, Option<String>)>,
    not: Vec<String>,
}

#[derive(Debug)]
enum Answer {
    Undo { argv: Vec<Part>, assumes: Option<String> },
    Reads,
    Cannot(String),
}

/// A word of `undo`.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Word(String),
    Argument(usize),
    /// All arguments from this one on, the last first.
    Rest(usize),
    /// The value of the option that goes by these names.
    Option(Vec<String>),
    Kept,
}

impl Inverse {
    pub(super) fn compile(raw: manifest::Inverse) -> Result<Self, Malformed> {
        let name = raw.command.as_deref().unwrap_or(&raw.programs).to_owned();
        let wrong = |what| Malformed::Inverse(name.clone(), what);
        let arguments = raw.arguments.map(named);
        let answer = match (raw.undo, raw.cannot, raw.reads) {
            (Some(undo), None, false) => {
                let names = arguments.as_ref().ok_or_else(|| wrong("`undo` needs `arguments`"))?;
                let parts = undo.iter().map(|word| part(word, names, &raw.with));
                let argv: Option<Vec<Part>> = parts.collect();
                let argv = argv.ok_or_else(|| wrong("`undo` names a value that nothing gives"))?;
                if !matches!(argv.first(), Some(Part::Word(_))) {
                    return Err(wrong("`undo` begins with a program"));
                }
                if !raw.keeps.is_empty() && !argv.contains(&Part::Kept) {
                    return Err(wrong("`keeps` needs `{kept}` in `undo`"));
                }
                Answer::Undo { argv, assumes: raw.assumes.clone() }
            }
            (None, Some(why), false) => Answer::Cannot(why),
            (None, None, true) => Answer::Reads,
            _ => return Err(wrong("it has one of `undo`, `cannot` and `reads`")),
        };
        let undoes = matches!(answer, Answer::Undo { .. });
        if raw.assumes.is_some() && !undoes {
            return Err(wrong("`assumes` belongs to `undo`"));
        }
        let tests: Option<Vec<_>> = raw.tests.iter().map(|test| told(test, undoes)).collect();
        let tests = tests.filter(|tests| !tests.is_empty());
        Ok(Self {
            programs: words(&raw.programs),
            commands: raw.command.as_deref().map(paths).unwrap_or_default(),
            with: raw.with.iter().map(|entry| Choice::list(entry)).collect(),
            allows: words(&raw.allows),
            keeps: words(&raw.keeps),
            arguments,
            answer,
            tests: tests
                .ok_or_else(|| wrong("it has no tests; write `LINE => WORDS`, or `LINE` without `undo`"))?,
            not: raw.not,
        })
    }

    /// What this entry says of a call, where it is about it.
    fn of(&self, call: &Call<'_>, found: &Found<'_>, typed: &str) -> Option<Inversion> {
        if !self.is_about(call, found) || !self.with.iter().all(|choices| call.mentions(choices)) {
            return None;
        }
        let (argv, assumes) = match &self.answer {
            Answer::Cannot(why) => return Some(Inversion::Cannot(why.clone())),
            _ if !call.given.iter().all(|given| !given.taken_back && self.expects(call, given)) => {
                return None;
            }
            Answer::Reads => {
                let words = self.words_of(call)?;
                return self.fits(&words).then_some(Inversion::Reads);
            }
            Answer::Undo { argv, assumes } => (argv, assumes),
        };
        let words = self.words_of(call)?;
        let argv = self.fits(&words).then(|| self.filled(argv, (call, &words), found, typed))??;
        Some(Inversion::Undo(Undoing { argv, assumes: assumes.clone() }))
    }

    fn is_about(&self, call: &Call<'_>, found: &Found<'_>) -> bool {
        let is_named = self.programs.is_empty() || self.programs.contains(&found.name);
        is_named && self.depth(call).is_some()
    }

    /// How many words of the subcommand path the entry names. What a `*` of the grammar stands for beyond them is an
    /// argument.
    fn depth(&self, call: &Call<'_>) -> Option<usize> {
        let named = call.named_path().count();
        if self.commands.is_empty() {
            return (named == 0).then_some(0);
        }
        let starts = |steps: &&Vec<Step>| {
            let mut words = steps.iter().zip(&call.path);
            named <= steps.len()
                && steps.len() <= call.path.len()
                && words.all(|(step, word)| step.matches(word))
        };
        self.commands.iter().filter(starts).map(Vec::len).max()
    }

    fn words_of<'c>(&self, call: &Call<'c>) -> Option<Vec<&'c str>> {
        let beyond = call.path.get(self.depth(call)?..)?.iter().copied().map(Some);
        beyond.chain(call.arguments.iter().map(|argument| argument.word.known())).collect()
    }

    /// Every argument is one that the entry speaks about.
    fn fits(&self, words: &[&str]) -> bool {
        match &self.arguments {
            None => true,
            Some((names, false)) => words.len() == names.len(),
            Some((names, true)) => words.len() >= names.len(),
        }
    }

    /// So is the option.
    fn expects(&self, call: &Call<'_>, given: &Given<'_>) -> bool {
        let listed = |name: &str| {
            let mut own = self.allows.iter().chain(&self.keeps);
            own.any(|own| own == name) || self.with.iter().flatten().any(|choice| choice.name == name)
        };
        let is_known = |name: &str| {
            let (node, own) = (call.node, &call.worker.own);
            node.lenient || node.options.contains_key(name) || own.options.contains_key(name)
        };
        let any = self.allows.iter().any(|name| name == ANY) && worst(given.kind) == RiskTier::Low;
        given.names.iter().all(|name| listed(name) || (any && is_known(name)))
    }

    fn filled(
        &self,
        parts: &[Part],
        (call, words): (&Call<'_>, &[&str]),
        found: &Found<'_>,
        typed: &str,
    ) -> Option<Vec<String>> {
        let mut argv = Vec::with_capacity(parts.len());
        let mut dashes = false;
        for part in parts {
            let values = match part {
                Part::Word(word) => {
                    dashes |= word == "--";
                    // The program of then, not another one of that name.
                    let same = argv.is_empty() && *word == found.name;
                    argv.push(if same { typed.to_owned() } else { word.clone() });
                    continue;
                }
                Part::Kept => {
                    argv.extend(self.kept(call)?);
                    continue;
                }
                Part::Argument(at) => vec![(*words.get(*at)?).to_owned()],
                Part::Rest(from) => words.get(*from..)?.iter().rev().map(|word| (*word).to_owned()).collect(),
                Part::Option(names) => vec![value_of(call, names)?],
            };
            // It would be an option there, or nothing at all.
            if values.iter().any(|value| value.is_empty() || (!dashes && value.starts_with('-'))) {
                return None;
            }
            argv.extend(values);
        }
        Some(argv)
    }

    /// The options that both calls are given, spelled so that both read them alike.
    fn kept(&self, call: &Call<'_>) -> Option<Vec<String>> {
        let mut kept = Vec::new();
        for given in &call.given {
            let [name] = given.names.as_slice() else { return None };
            if !self.keeps.iter().any(|own| own == name) {
                continue;
            }
            let long = name.starts_with("--") || call.worker.style == Style::Go;
            match given.value {
                Value::None => kept.push((*name).to_owned()),
                Value::Attached(text) if long => kept.push(format!("{name}={text}")),
                Value::Attached(text) => kept.push(format!("{name}{text}")),
                Value::Word(word) => kept.extend([(*name).to_owned(), word.known()?.to_owned()]),
                Value::Words(_) => return None,
            }
        }
        Some(kept)
    }
}

impl Registry {
    /// How a call is undone, run with this environment, as the manifest of its program says.
    #[must_use]
    pub fn inverse(&self, argv: &[Vec<u8>], env: &[(Vec<u8>, Vec<u8>)]) -> Inversion {
        self.inverse_by(argv, env).0
    }

    /// The same, and the entry that says so.
    fn inverse_by(&self, argv: &[Vec<u8>], env: &[(Vec<u8>, Vec<u8>)]) -> (Inversion, Option<&Inverse>) {
        let cannot = |why: String| (Inversion::Cannot(why), None);
        let words: Vec<Word> = argv.iter().map(|bytes| Word::of_bytes(bytes)).collect();
        let Some((program, arguments)) = words.split_first() else { return cannot("it is empty".to_owned()) };
        let Some(typed) = program.known().filter(|_| words.iter().all(|word| word.known().is_some())) else {
            return cannot("a word of it is not UTF-8".to_owned());
        };
        let Some(found) = self.program(typed) else {
            return cannot(format!("no manifest knows `{typed}`"));
        };
        if found.elsewhere || found.respelled {
            return cannot(format!("`{typed}` need not be the program that its manifest speaks of"));
        }
        let call = Call::read(found.worker, arguments);
        if !settings::options(&call, &ambient(env)).is_empty() {
            return cannot("variables add options to it".to_owned());
        }
        let entries = self.inverses_of(&found);
        let says = |entry: &Inverse| entry.of(&call, &found, typed);
        let answer =
            entries.iter().filter(|_| is_whole(&call)).find_map(|entry| Some((says(entry)?, Some(entry))));
        answer.unwrap_or_else(|| cannot(none_of(entries, &call, &found)))
    }
}

/// Everything in it was understood, and nothing is inside that another program would be asked about.
const fn is_whole(call: &Call<'_>) -> bool {
    call.unknown_option.is_none()
        && call.unknown_command.is_none()
        && call.inner.is_none()
        && !call.unresolved.any
        && !call.help
}

fn none_of(entries: &[Inverse], call: &Call<'_>, found: &Found<'_>) -> String {
    let what = [&[found.name.as_str()], call.path.as_slice()].concat().join(" ");
    let is_about = entries.iter().any(|entry| entry.is_about(call, found));
    let some = if is_about { " with these options and arguments" } else { "" };
    format!("the manifest has no inverse of `{what}`{some}")
}

/// In `allows`: every option that is known and neither writes nor executes.
const ANY: &str = "*";

/// Names of arguments; the last may stand for several.
fn named(mut names: Vec<String>) -> (Vec<String>, bool) {
    let open = names.last_mut().and_then(|last| Some(last.strip_suffix("...")?.to_owned()));
    match (open, names.last_mut()) {
        (Some(bare), Some(last)) => {
            *last = bare;
            (names, true)
        }
        _ => (names, false),
    }
}

fn part(word: &str, (names, open): &(Vec<String>, bool), with: &[String]) -> Option<Part> {
    let Some(inside) = word.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return (!word.contains(['{', '}'])).then(|| Part::Word(word.to_owned()));
    };
    if inside == "kept" {
        return Some(Part::Kept);
    }
    if inside.starts_with('-') {
        let entries = with.iter().map(|entry| Choice::list(entry));
        let mut names = entries.map(|entry| entry.into_iter().map(|choice| choice.name).collect::<Vec<_>>());
        return names.find(|names| names.iter().any(|name| name == inside)).map(Part::Option);
    }
    let (inside, rest) = inside.strip_suffix("...").map_or((inside, false), |bare| (bare, true));
    let at = names.iter().position(|name| name == inside)?;
    // One of several would leave the others as they are.
    match (rest, *open && at + 1 == names.len()) {
        (true, true) => Some(Part::Rest(at)),
        (false, false) => Some(Part::Argument(at)),
        _ => None,
    }
}

/// The value of an option that is given once, by whichever of its names.
fn value_of(call: &Call<'_>, names: &[String]) -> Option<String> {
    let is_it = |given: &&Given<'_>| given.names.iter().any(|name| names.iter().any(|own| own == name));
    let mut given = call.given.iter().filter(is_it);
    match (given.next(), given.next()) {
        (Some(one), None) => one.value.known().map(str::to_owned),
        _ => None,
    }
}

fn told(test: &str, undoes: bool) -> Option<(String, Option<String>)> {
    match test.split_once(" => ") {
        Some((line, words)) if undoes => Some((line.to_owned(), Some(words.to_owned()))),
        None if !undoes => Some((test.to_owned(), None)),
        _ => None,
    }
}
