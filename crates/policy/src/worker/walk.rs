//! From an outer call inwards: wrappers, settings and aliases are followed until nothing is left to unfold.

use std::collections::BTreeSet;

use cascade_receipt::decision::RiskTier;

use super::base::Base;
use super::call::{Argument, Call, Given};
use super::classification::{Classification, Classified, Finding};
use super::entered;
use super::judge::{Follow, Judgement, judge};
use super::manifest::{Emits, Enters, Kind, Lies};
use super::mention::Mention;
use super::obeyed;
use super::place::Location;
use super::registry::{Found, Registry};
use super::scene::{Feed, Scene, Variable};
use super::settings::{self, Expanded};
use super::touched::{Astray, touched};
use super::word::Word;

/// Wrappers and inner lines around a command.
pub(super) const DEPTH_MAX: usize = 8;
/// Program calls in one classification.
pub(super) const COMMANDS_MAX: usize = 50;
/// Words of one call.
pub(super) const WORDS_MAX: usize = 4096;
/// Bytes of one argv.
pub(super) const ARGV_BYTES_MAX: usize = 1 << 20;

/// One classification while it is made.
#[derive(Debug)]
pub(super) struct Walk<'r> {
    pub(super) registry: &'r Registry,
    pub(super) answer: Classification,
    /// Files written by the calls so far.
    pub(super) writes: Vec<Location>,
    /// Those among them whose contents come from the network.
    pub(super) fetched: Vec<Location>,
    /// The line has changed where a repository's remotes lead.
    led: bool,
    /// It has set where the home directory is.
    rehomed: bool,
    /// It may have taken variables away, or set them where that is not seen.
    pub(super) unset: bool,
    /// Paths that words may name, where somebody wants to know.
    pub(super) mentions: Option<BTreeSet<Mention>>,
}

impl<'r> Walk<'r> {
    pub(super) const fn new(registry: &'r Registry) -> Self {
        Self {
            registry,
            answer: Classification::empty(),
            writes: Vec::new(),
            fetched: Vec::new(),
            led: false,
            rehomed: false,
            unset: false,
            mentions: None,
        }
    }

    /// The same, noting the paths that words may name.
    pub(super) fn noting(registry: &'r Registry) -> Self {
        Self { mentions: Some(BTreeSet::new()), ..Self::new(registry) }
    }

    /// Looks at one program call and everything inside it; answers what it writes to standard output.
    pub(super) fn call(&mut self, words: &[Word], scene: &Scene<'_>) -> Feed {
        if self.passes_limit(words, scene) {
            return Feed::Unknown;
        }
        let spelled = self.registry.spelled_out(words);
        let words = spelled.as_deref().unwrap_or(words);
        self.mention(&scene.base, words);
        let Some((program, arguments)) = words.split_first() else { return Feed::Unknown };
        let path = program.path().filter(|name| name.contains('/'));
        if let Some(path) = &path {
            self.obey(&scene.base, path, true);
        }
        let Some(found) = program.known().and_then(|name| self.registry.program(name)) else {
            let fetched = path.is_some_and(|path| self.is_fetched(&scene.directory, &path));
            self.answer.add(Classified { resources: scene.beyond.to_vec(), ..unknown(words, fetched) });
            return Feed::Unknown;
        };
        let call = Call::read(found.worker, arguments);
        let added = settings::options(&call, scene.env);
        if added.is_empty() {
            return self.read(words, &found, &call, arguments, scene);
        }
        let arguments: Vec<Word> = arguments.iter().cloned().chain(added).collect();
        self.read(words, &found, &Call::read(found.worker, &arguments), &arguments, scene)
    }

    /// The finished answer.
    pub(super) fn finish(mut self) -> Classification {
        if !self.answer.classified {
            self.answer.leave_unclassified();
        }
        self.answer
    }

    fn passes_limit(&mut self, words: &[Word], scene: &Scene<'_>) -> bool {
        let bytes: usize = words.iter().map(|word| word.known().map_or(1, str::len)).sum();
        let limits = [
            (scene.depth > DEPTH_MAX, "depth"),
            (self.answer.commands.len() >= COMMANDS_MAX, "commands"),
            (words.len() > WORDS_MAX, "words"),
            (bytes > ARGV_BYTES_MAX, "argument bytes"),
        ];
        let passed = limits.iter().find(|(passed, _)| *passed);
        if let Some((_, name)) = passed {
            self.answer.refuse(name);
        }
        passed.is_some() || self.answer.refused.is_some()
    }

    /// What the name says by which the program is called.
    fn named(&self, found: &Found<'_>, words: &[Word], scene: &Scene<'_>, judgement: &mut Judgement) {
        let text = words.first().and_then(Word::known).unwrap_or_default();
        let place = judgement.directory.join(text);
        if found.worker.lies == Lies::Project && scene.fresh.iter().any(|written| written.meets(&place)) {
            judgement.doubt("script.fresh", "executes a file that the same line writes");
        }
        if found.elsewhere {
            judgement.doubt("program.elsewhere", "the program stands in an unusual directory");
        }
        if text.contains('/') && self.is_fetched(&scene.directory, text) {
            judgement.stop("pipe.network.executed", "executes what it gets from the network");
        }
        if found.respelled {
            judgement.doubt("program.respelled", "the program's name is spelled unusually");
        }
    }

    /// Judges a call that was read, and follows what is inside.
    fn read(
        &mut self,
        words: &[Word],
        found: &Found<'_>,
        call: &Call<'_>,
        arguments: &[Word],
        scene: &Scene<'_>,
    ) -> Feed {
        let pairs = settings::pairs(call, scene.env);
        let aliased = call.unknown_command.as_ref().and_then(|name| {
            let body = settings::alias(found.worker, name, &pairs)?;
            let at = arguments.iter().position(|word| word.known() == Some(name.as_str()))?;
            Some(settings::expand(words.first()?, arguments, at, body))
        });
        let mut judgement = judge(call, scene);
        if judgement.base != scene.base {
            self.mention(&judgement.base, words);
        }
        self.named(found, words, scene, &mut judgement);
        settings::weigh(call, scene.env, &pairs, &mut judgement);
        if let Some(expanded) = aliased {
            judgement.findings.retain(|finding| finding.code != "worker.subcommand.unknown");
            judgement.classified = true;
            judgement.tier = RiskTier::Low;
            judgement.follow.push(match expanded {
                Expanded::Line(word) => Follow::Line(word),
                Expanded::Argv(words) => Follow::Argv(words),
            });
        }
        entered::weigh(call, scene, &mut judgement);
        self.remember(call, scene, &mut judgement);
        self.obeyed(found, call, &judgement);
        let feed = match emitted(call, scene, &judgement.directory) {
            Feed::Unknown | Feed::Decoded if self.passes_on(call, &judgement.directory) => Feed::Network,
            Feed::Unknown if call.node.emits == Emits::Input => copied(call, &judgement.base),
            feed => feed,
        };
        let assigned = call.assignments.iter().filter_map(|word| Variable::assigned(word.known()?));
        let assigned: Vec<Variable> = assigned.collect();
        self.named_programs(&assigned, scene);
        let env = scene.env.with(assigned);
        self.answer.stdin_executes |= judgement.stdin_executes;
        let Judgement { tier, classified, findings, follow, directory, base, writes, .. } = judgement;
        self.writes.extend(writes);
        self.writes.extend(fetched(call, &directory));
        self.unset |= strays(&found.name, call);
        let variables = self.unset || self.rehomed || scene.base == Base::Away;
        let astray = Astray { variables, remotes: self.led };
        let (resources, sought) = touched(&found.name, call, scene, astray);
        let shown = std::iter::once(found.name.clone()).chain(words.iter().skip(1).map(Word::shown));
        let at = self.answer.commands.len();
        self.answer.add(Classified {
            words: shown.collect(),
            program: found.name.clone(),
            subcommand: call.path.join(" "),
            tier: if classified { tier } else { tier.max(RiskTier::High) },
            classified,
            findings,
            resources: resources.clone(),
            sought,
        });
        let (fresh, depth) = (scene.fresh, scene.depth + 1);
        let away = call.inner.is_some_and(|(wraps, _)| wraps.away);
        let base = if away { Base::Away } else { base };
        let beyond = if away { resources.as_slice() } else { scene.beyond };
        let apart = scene.apart || call.is_apart();
        let entered = call.inner.map_or(Enters::Nothing, |(wraps, _)| wraps.enters).max(scene.entered);
        let input = scene.input.clone();
        let inner = Scene { directory, base, env: &env, input, fresh, beyond, apart, entered, depth };
        self.follow(follow, &inner, at).unwrap_or(feed)
    }

    /// What earlier calls of the line mean for this one, and this one for later ones.
    fn remember(&mut self, call: &Call<'_>, scene: &Scene<'_>, judgement: &mut Judgement) {
        let obeys = |name: &String| obeyed::obeys(name, &judgement.directory, &self.fetched);
        if judgement.tier > RiskTier::Low && call.worker.names.iter().any(obeys) {
            judgement.stop("pipe.network.executed", "executes what it gets from the network");
        }
        let network = call.node.emits == Emits::Network;
        // What is piped into a database is no program of this machine, nor is what it reads from a file.
        let sql = call.node.stdin == Some(Kind::Sql);
        if !sql && judgement.executes.iter().any(|text| self.is_fetched(&judgement.directory, text)) {
            judgement.stop("pipe.network.executed", "executes what it gets from the network");
        }
        if network || scene.input == Feed::Network || self.names_fetched(call, &judgement.directory) {
            self.fetched.extend(judgement.writes.iter().cloned());
        }
        let named = ["-O", "--remote-name", "--remote-name-all"].iter().any(|name| call.gives_name(name));
        if network && (named || call.worker.name() == "wget") {
            self.fetched.extend(fetched(call, &judgement.directory));
        }
        let leads = |argument: &Argument<'_>| {
            argument.word.known().is_some_and(|key| key.starts_with("remote.") || key.starts_with("url."))
        };
        match (call.worker.name(), call.path.as_slice()) {
            ("git", ["remote", "add" | "set-url" | "rename", ..]) => self.led = true,
            ("git", ["config", ..]) if call.arguments.iter().any(leads) => self.led = true,
            ("git", ["push" | "send-pack", ..]) if self.led => {
                let text = "sends commits to a remote that the same line has set";
                judgement.find("git.push.new_remote", RiskTier::High, text);
            }
            _ => {}
        }
    }

    /// Does this path lead to a file whose contents come from the network?
    pub(super) fn is_fetched(&self, directory: &Location, text: &str) -> bool {
        let file = directory.join(text);
        self.fetched.iter().any(|fetched| fetched.meets(&file))
    }

    /// One of its arguments is such a file: `mv x y`.
    fn names_fetched(&self, call: &Call<'_>, directory: &Location) -> bool {
        let mut texts = call.arguments.iter().filter_map(|argument| argument.word.known());
        texts.any(|text| self.is_fetched(directory, text))
    }

    /// It writes out what stands in such a file.
    fn passes_on(&self, call: &Call<'_>, directory: &Location) -> bool {
        let passes = matches!(call.node.emits, Emits::Input | Emits::Lines | Emits::Changed | Emits::Decoded);
        passes && self.names_fetched(call, directory)
    }

    fn obey(&mut self, base: &Base, text: &str, named: bool) {
        let known = |path: &String| !(self.rehomed && path.starts_with('~'));
        for path in base.files(text).into_iter().filter(known).collect::<Vec<_>>() {
            self.answer.obey(path, named);
        }
    }

    /// Notes the files whose bytes say what a call does.
    fn obeyed(&mut self, found: &Found<'_>, call: &Call<'_>, judgement: &Judgement) {
        let file = |text: &&String| *text != "-" && !text.contains("://");
        for text in judgement.obeys.iter().filter(file) {
            self.obey(&judgement.base, text, true);
        }
        let here = judgement.base != Base::Away;
        for name in judgement.searched.iter().filter(|_| here) {
            self.answer.search(name);
        }
        for path in &judgement.fed {
            self.answer.obey(path.clone(), true);
        }
        for defaults in call.worker.defaults.iter().filter(|one| one.is_about(&found.name, &call.path)) {
            let instead = |given: &Given<'_>| {
                matches!(given.kind, Kind::Script | Kind::Obeyed)
                    && defaults.unless.iter().any(|name| given.names.contains(&name.as_str()))
            };
            if call.given.iter().any(instead) {
                continue;
            }
            let named =
                defaults.within.and_then(|at| call.arguments.get(at)).map(|argument| argument.word.path());
            let base = match named {
                None => judgement.base.clone(),
                Some(path) => path.map_or(Base::Unknown, |path| judgement.base.join(&path)),
            };
            for file in &defaults.files {
                self.obey(&base, file, false);
            }
        }
    }

    /// Programs that variables name, such as a pager: whoever sets them means them to run.
    pub(super) fn named_programs(&mut self, variables: &[Variable], scene: &Scene<'_>) {
        self.rehomed |= variables.iter().any(|variable| variable.name == "HOME");
        for variable in variables.iter().filter(|variable| settings::names_program(variable)) {
            if let Some(line) = variable.value.known() {
                self.line(line, &Scene { depth: scene.depth + 1, ..scene.clone() });
                continue;
            }
            let text = format!("`{}` names a program that cannot be known", variable.name);
            self.answer.add(Classified {
                words: Vec::new(),
                program: String::new(),
                subcommand: String::new(),
                tier: RiskTier::High,
                classified: false,
                findings: vec![doubt("env.program", &text)],
                resources: Vec::new(),
                sought: Vec::new(),
            });
        }
    }

    /// What is inside a call; answers what the last inner call writes.
    fn follow(&mut self, follow: Vec<Follow>, scene: &Scene<'_>, at: usize) -> Option<Feed> {
        let mut feed = None;
        for inner in follow {
            match inner {
                Follow::Package(words) => {
                    let known =
                        words.first().and_then(Word::known).and_then(|name| self.registry.program(name));
                    if known.is_some() {
                        feed = Some(self.call(&words, scene));
                    }
                }
                Follow::Argv(words) => feed = Some(self.call(&words, scene)),
                Follow::Line(Word::Known(line)) => feed = Some(self.line(&line, scene)),
                Follow::Line(word) => {
                    match &word {
                        Word::Around(line) => drop(self.line(line, scene)),
                        Word::One { before, after } => drop(self.line(&format!("{before}$x{after}"), scene)),
                        _ => {}
                    }
                    self.doubt_at(at, "line.unknown", "a shell line cannot be known before it runs");
                }
                Follow::Literals(literals) => self.literals(&literals, scene),
            }
        }
        feed
    }

    /// A text in source code counts only when it is stopped without appeal.
    fn literals(&mut self, literals: &[String], scene: &Scene<'_>) {
        for literal in literals {
            let mut walk = Walk::new(self.registry);
            walk.line(literal, scene);
            if !walk.answer.failfast.is_empty() {
                for command in walk.answer.commands {
                    self.answer.add(command);
                }
            }
        }
    }

    /// Adds a doubt to a call that was added before.
    fn doubt_at(&mut self, at: usize, code: &str, text: &str) {
        self.answer.leave_unclassified();
        if let Some(command) = self.answer.commands.get_mut(at) {
            command.classified = false;
            command.tier = command.tier.max(RiskTier::High);
            command.findings.push(doubt(code, text));
        }
    }
}

/// Does this call change variables in a way that is not followed? What it calls, and what comes later, then has
/// others than those that are known.
fn strays(name: &str, call: &Call<'_>) -> bool {
    let clears = ["-", "-i", "--ignore-environment", "-u", "--unset"];
    match name {
        "env" => clears.iter().any(|name| call.gives_name(name)),
        "export" | "declare" | "typeset" | "readonly" | "local" => {
            call.arguments.iter().any(|argument| argument.word.known().is_none())
        }
        "printf" => call.arguments.first().is_some_and(|argument| argument.word.known() == Some("-v")),
        name => STRAYS.contains(&name),
    }
}

/// Programs that set variables, or take them away, for what comes after.
const STRAYS: &[&str] = &[
    "sudo",
    "doas",
    "su",
    "source",
    ".",
    "eval",
    "unset",
    "read",
    "mapfile",
    "readarray",
    "getopts",
    "direnv",
    "dotenv",
    "env-cmd",
    "aws-vault",
];

/// What a call writes to standard output.
fn emitted(call: &Call<'_>, scene: &Scene<'_>, directory: &Location) -> Feed {
    if call.gives(&call.node.emits_paths_if) {
        return Feed::Words(vec![Word::Glob("./*".to_owned())]);
    }
    let cuts = call.mentions(&call.node.emits_changed_if);
    match if cuts { Emits::Changed } else { call.node.emits } {
        Emits::Format if call.arguments.len() != 1 => Feed::Unknown,
        Emits::Unknown => Feed::Unknown,
        Emits::Arguments | Emits::Format => said(call),
        Emits::Paths if *directory == Location::Unknown => Feed::Unknown,
        Emits::Paths => Feed::Words(super::unfold::starts(call, directory)),
        Emits::Network => Feed::Network,
        Emits::Decoded if scene.input == Feed::Secret => Feed::Secret,
        Emits::Decoded => Feed::Decoded,
        Emits::Secret => Feed::Secret,
        Emits::Input | Emits::Lines | Emits::Changed
            if super::judge::kinds(call).any(|kind| kind == Kind::Read) =>
        {
            Feed::Unknown
        }
        Emits::Input if scene.input != Feed::Inherited => scene.input.clone(),
        Emits::Lines | Emits::Changed
            if matches!(scene.input, Feed::Network | Feed::Decoded | Feed::Secret) =>
        {
            scene.input.clone()
        }
        Emits::Lines => match &scene.input {
            Feed::Words(words) if words.iter().all(|word| word.pattern().is_some()) => scene.input.clone(),
            _ => Feed::Unknown,
        },
        Emits::Input | Emits::Changed => Feed::Unknown,
    }
}

/// What `cat FILE` writes.
fn copied(call: &Call<'_>, base: &Base) -> Feed {
    let files = call.arguments.iter().filter_map(|argument| argument.word.path());
    let files: Vec<String> = files.flat_map(|path| base.files(&path)).collect();
    if files.is_empty() { Feed::Unknown } else { Feed::File(files) }
}

/// The words that echo writes; unknown where an escape or a conversion may stand for something else.
fn said(call: &Call<'_>) -> Feed {
    let switch = |word: &Word| {
        word.known().and_then(|text| text.strip_prefix('-')).is_some_and(|letters| {
            !letters.is_empty() && letters.chars().all(|letter| "neE".contains(letter))
        })
    };
    let words = call.arguments.iter().map(|argument| argument.word.clone());
    let words: Vec<Word> = words.skip_while(switch).collect();
    if words.iter().any(|word| word.known().is_some_and(|text| text.contains(['\\', '%']))) {
        return Feed::Unknown;
    }
    let texts: Option<Vec<&str>> = words.iter().map(Word::known).collect();
    texts.map(|texts| Feed::Text(texts.join(" "))).unwrap_or(Feed::Words(words))
}

/// The file that a program of the network makes when it is not told a name.
fn fetched(call: &Call<'_>, directory: &Location) -> Option<Location> {
    let address = call.arguments.first().filter(|_| call.node.emits == Emits::Network)?.word.known()?;
    let name = address.rsplit('/').next()?.split(['?', '#']).next().filter(|name| !name.is_empty())?;
    Some(directory.join(name))
}

/// A call of a program that no manifest knows.
fn unknown(words: &[Word], fetched: bool) -> Classified {
    let shown: Vec<String> = words.iter().map(Word::shown).collect();
    let mut judgement = Judgement::new(Location::START, Base::Unknown);
    judgement.doubt("worker.program.unknown", "no manifest knows this program");
    if fetched {
        judgement.stop("pipe.network.executed", "executes what it gets from the network");
    }
    let Judgement { tier, classified, findings, .. } = judgement;
    Classified {
        program: shown.first().cloned().unwrap_or_default(),
        words: shown,
        subcommand: String::new(),
        tier,
        classified,
        findings,
        resources: Vec::new(),
        sought: Vec::new(),
    }
}

pub(super) fn doubt(code: &str, text: &str) -> Finding {
    Finding { code: code.to_owned(), tier: RiskTier::High, failfast: false, text: text.to_owned() }
}
