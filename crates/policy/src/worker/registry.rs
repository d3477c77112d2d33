//! All manifests, each parsed when one of its programs is first asked for.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::base::Base;
use super::classification::{Classification, Classified};
use super::compile::Malformed;
use super::grammar::{Source, Worker};
use super::intent::Index;
use super::inverse::Inverse;
use super::manifest::{self, Enters, File, Intent, Lies};
use super::mention::Mention;
use super::place::Location;
use super::scene::{Environment, Feed, Scene, Variable};
use super::walk::Walk;
use super::word::Word;

/// The known programs.
#[derive(Debug)]
pub struct Registry {
    pub(super) manifests: Vec<Manifest>,
    /// Program name -> index of the manifest.
    programs: BTreeMap<String, usize>,
    intents: OnceLock<Index>,
}

/// One manifest and, once it was needed, what is in it.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) name: String,
    text: String,
    parsed: OnceLock<Result<Parsed, Malformed>>,
    beside: OnceLock<Result<Beside, Malformed>>,
}

/// What no decision reads, for each worker in the order of [`Parsed::workers`].
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) intents: Vec<Vec<Intent>>,
    pub(super) inverses: Vec<Vec<Inverse>>,
}

/// What is in a manifest.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) workers: Vec<Worker>,
    /// Tier -> lines.
    pub(super) tests: BTreeMap<String, Vec<String>>,
}

/// A program as it was called.
#[derive(Debug)]
pub(super) struct Found<'r> {
    pub(super) worker: &'r Worker,
    pub(super) name: String,
    /// Called by a path outside the usual directories.
    pub(super) elsewhere: bool,
    /// Not spelled in the usual case.
    pub(super) respelled: bool,
}

impl Registry {
    /// Takes manifests as name and TOML text. Only the first line of each, `programs = "…"`, is read here: looking
    /// at one program must not cost the parsing of all others. The first manifest that announces a program has it.
    pub fn new(manifests: impl IntoIterator<Item = (String, String)>) -> Self {
        let manifest =
            |(name, text)| Manifest { name, text, parsed: OnceLock::new(), beside: OnceLock::new() };
        let manifests: Vec<Manifest> = manifests.into_iter().map(manifest).collect();
        let mut programs = BTreeMap::new();
        for (index, manifest) in manifests.iter().enumerate() {
            for program in manifest.announced() {
                programs.entry(program.to_owned()).or_insert(index);
            }
        }
        Self { manifests, programs, intents: OnceLock::new() }
    }

    /// Classifies one program call with the environment it gets.
    #[must_use]
    pub fn classify_argv(&self, argv: &[Vec<u8>], env: &[(Vec<u8>, Vec<u8>)]) -> Classification {
        let words: Vec<Word> = argv.iter().map(|bytes| Word::of_bytes(bytes)).collect();
        let mut walk = Walk::new(self);
        if words.is_empty() {
            walk.answer.leave_unclassified();
        }
        walk.call(&words, &scene(&ambient(env)));
        let mut answer = walk.finish();
        // That is the executable, which stands in an action by itself.
        answer.obeyed.retain(|file| argv.first().is_none_or(|own| own != file.path.as_bytes()));
        answer
    }

    /// Classifies a shell line with the environment it gets.
    #[must_use]
    pub fn classify_line(&self, line: &str, env: &[(Vec<u8>, Vec<u8>)]) -> Classification {
        let mut walk = Walk::new(self);
        walk.line(line, &scene(&ambient(env)));
        if walk.answer.commands.is_empty() && walk.answer.refused.is_none() && !line.trim().is_empty() {
            walk.answer.add(Classified::nothing());
        }
        walk.finish()
    }

    /// The paths that the words of a program call may name.
    #[must_use]
    pub fn mentioned_by_argv(&self, argv: &[Vec<u8>], env: &[(Vec<u8>, Vec<u8>)]) -> BTreeSet<Mention> {
        let words: Vec<Word> = argv.iter().map(|bytes| Word::of_bytes(bytes)).collect();
        let mut walk = Walk::noting(self);
        walk.call(&words, &scene(&ambient(env)));
        walk.mentions.unwrap_or_default()
    }

    /// The paths that the words of a shell line may name.
    #[must_use]
    pub fn mentioned_by_line(&self, line: &str, env: &[(Vec<u8>, Vec<u8>)]) -> BTreeSet<Mention> {
        let mut walk = Walk::noting(self);
        walk.line(line, &scene(&ambient(env)));
        walk.mentions.unwrap_or_default()
    }

    /// Whether both hold the same manifests, to the byte.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || (self.manifests.len() == other.manifests.len()
                && self
                    .manifests
                    .iter()
                    .zip(&other.manifests)
                    .all(|(own, other)| own.name == other.name && own.text == other.text))
    }

    /// Patterns of the environment variables that can change what this call, or one it wraps, does.
    #[must_use]
    pub fn governing_env(&self, argv: &[Vec<u8>]) -> Vec<String> {
        let mut patterns: Vec<String> = ["PATH", "LD_*", "DYLD_*"].map(str::to_owned).to_vec();
        for program in self.classify_argv(argv, &[]).commands {
            let Some(found) = self.program(&program.program) else { continue };
            let set = found.worker.settings.iter().flat_map(|setting| &setting.env_text);
            patterns.extend(set.filter(|name| *name != "*").cloned());
            patterns.extend(found.worker.resources.iter().flat_map(Source::variables).cloned());
        }
        patterns.sort_unstable();
        patterns.dedup();
        patterns
    }

    /// Every phrase of every manifest; the first task in words reads them all.
    pub(super) fn intents(&self) -> &Index {
        self.intents.get_or_init(|| Index::of(self))
    }

    /// How calls of a program are undone; nothing where its manifest cannot be read, which [`Registry::check`] tells.
    pub(super) fn inverses_of(&self, found: &Found<'_>) -> &[Inverse] {
        self.manifests
            .iter()
            .find_map(|manifest| {
                // Only what was parsed can have been found.
                let parsed = manifest.parsed.get()?.as_ref().ok()?;
                let at = parsed.workers.iter().position(|worker| std::ptr::eq(worker, found.worker))?;
                manifest.inverses().ok()?.get(at).map(Vec::as_slice)
            })
            .unwrap_or_default()
    }

    /// The programs, in order.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.programs.keys().map(String::as_str)
    }

    /// `git-push` is `git push`.
    pub(super) fn spelled_out(&self, words: &[Word]) -> Option<Vec<Word>> {
        let (first, rest) = words.split_first()?;
        let text = first.known()?;
        let at = text.rfind('/').map_or(0, |at| at + 1);
        let (directory, base) = (text.get(..at)?, text.get(at..)?);
        let subcommand = base.strip_prefix("git-").filter(|name| !name.is_empty())?;
        if self.program(text).is_some() {
            return None;
        }
        let program = [format!("{directory}git"), subcommand.to_owned()].map(Word::Known);
        Some(program.into_iter().chain(rest.iter().cloned()).collect())
    }

    /// The program that a first word names.
    pub(super) fn program(&self, word: &str) -> Option<Found<'_>> {
        let (directory, base) = match word.rfind(['/', '\\']) {
            Some(at) => (word.get(..=at), word.get(at + 1..).unwrap_or_default()),
            None => (None, word),
        };
        let lower = base.to_ascii_lowercase();
        let stem = SUFFIXES.iter().find_map(|suffix| lower.strip_suffix(suffix)).unwrap_or(&lower);
        let plain = stem.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').trim_end_matches('-');
        let names = [base, stem, plain];
        let (name, index) = names.iter().find_map(|name| Some((*name, *self.programs.get(*name)?)))?;
        let parsed = self.manifests.get(index)?.parsed().as_ref().ok()?;
        let worker = parsed.workers.iter().find(|worker| worker.names.iter().any(|own| own == name))?;
        Some(Found {
            worker,
            name: name.to_owned(),
            elsewhere: directory.is_some_and(|directory| {
                let own = worker.lies == Lies::Project && directory == "./";
                !own && !USUAL.contains(&directory)
            }),
            respelled: lower != base && name != base,
        })
    }
}

impl Manifest {
    /// The names in the first line.
    pub(super) fn announced(&self) -> impl Iterator<Item = &str> {
        let first = self.text.lines().next().unwrap_or_default();
        let names = first.strip_prefix("programs = \"").and_then(|rest| rest.strip_suffix('"'));
        names.unwrap_or_default().split_whitespace()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Was it needed so far?
    #[cfg(test)]
    pub(super) fn is_parsed(&self) -> bool {
        self.parsed.get().is_some()
    }

    /// The intents of each worker, in order; read when a task in words or a check first asks.
    pub(super) fn intents(&self) -> Result<&[Vec<Intent>], &Malformed> {
        self.beside().as_ref().map(|beside| beside.intents.as_slice())
    }

    /// How calls of each worker are undone, in order; read when somebody first asks.
    pub(super) fn inverses(&self) -> Result<&[Vec<Inverse>], &Malformed> {
        self.beside().as_ref().map(|beside| beside.inverses.as_slice())
    }

    fn beside(&self) -> &Result<Beside, Malformed> {
        self.beside.get_or_init(|| {
            let mut whole = read(&self.text)?;
            let intents = whole.worker.iter_mut().map(|worker| std::mem::take(&mut worker.intent)).collect();
            let inverses: Vec<_> =
                whole.worker.iter_mut().map(|worker| std::mem::take(&mut worker.inverse)).collect();
            let rest = read(&without_beside(&self.text))?;
            // Rules must not hang on what a line in some longer text looks like.
            if format!("{whole:?}") != format!("{rest:?}") {
                return Err(Malformed::Misplaced);
            }
            let compile = |all: Vec<manifest::Inverse>| all.into_iter().map(Inverse::compile).collect();
            Ok(Beside { intents, inverses: inverses.into_iter().map(compile).collect::<Result<_, _>>()? })
        })
    }

    /// Everything that is in it.
    pub(super) fn whole(&self) -> Result<(&Parsed, &Beside), &Malformed> {
        Ok((self.parsed().as_ref()?, self.beside().as_ref()?))
    }

    pub(super) fn parsed(&self) -> &Result<Parsed, Malformed> {
        self.parsed.get_or_init(|| {
            // Nobody who runs a command waits for phrases to be read.
            let file = read(&without_beside(&self.text))?;
            let tests = file.tests;
            let compile = |worker: manifest::Worker| Worker::compile(worker);
            let workers = file.worker.into_iter().map(compile).collect::<Result<Vec<_>, _>>()?;
            let named: Vec<&str> =
                workers.iter().flat_map(|worker| &worker.names).map(String::as_str).collect();
            let announced: Vec<&str> = file.programs.split_whitespace().collect();
            let odd = announced.iter().find(|name| !named.contains(name));
            let odd = odd.or_else(|| named.iter().find(|name| !announced.contains(name)));
            match odd {
                Some(name) => Err(Malformed::Announced((*name).to_owned())),
                None => Ok(Parsed { workers, tests }),
            }
        })
    }
}

fn read(text: &str) -> Result<File, Malformed> {
    toml::from_str(text).map_err(|error| Malformed::Toml {
        message: error.message().to_owned(),
        offset: error.span().map(|span| span.start),
    })
}

/// The text with blanks in the place of its intents and inverses, so that everything else stays where it is. It goes by
/// lines; [`Manifest::beside`] compares what came of it with the whole.
fn without_beside(text: &str) -> Cow<'_, str> {
    if !BESIDE.iter().any(|table| text.contains(table)) {
        return Cow::Borrowed(text);
    }
    let mut rest = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        if line.starts_with('[') {
            inside = BESIDE.contains(&line.trim_end());
        }
        if inside {
            rest.extend(line.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            rest.push_str(line);
        }
    }
    Cow::Owned(rest)
}

/// How the tables begin that no decision reads.
const BESIDE: [&str; 2] = ["[[worker.intent]]", "[[worker.inverse]]"];

pub(super) fn ambient(env: &[(Vec<u8>, Vec<u8>)]) -> Environment<'static> {
    let own = env
        .iter()
        .map(|(name, value)| Variable {
            name: String::from_utf8_lossy(name).into_owned(),
            value: Word::of_bytes(value),
            ambient: true,
        })
        .collect();
    Environment { outer: None, own }
}

fn scene<'a>(env: &'a Environment<'a>) -> Scene<'a> {
    Scene {
        directory: Location::START,
        base: Base::start(),
        env,
        input: Feed::Inherited,
        fresh: &[],
        beyond: &[],
        apart: false,
        entered: Enters::Nothing,
        depth: 0,
    }
}

/// Directories in which a known name is taken for the program itself.
const USUAL: &[&str] = &[
    "/bin/",
    "/usr/bin/",
    "/usr/local/bin/",
    "/sbin/",
    "/usr/sbin/",
    "/usr/local/sbin/",
    "/snap/bin/",
    "/opt/homebrew/bin/",
    "/run/current-system/sw/bin/",
    "/usr/lib/git-core/",
    "/usr/libexec/git-core/",
];
const SUFFIXES: &[&str] = &[".exe", ".cmd", ".bat", ".com"];
