//! Through a shell line from left to right: directory, variables, pipes and redirects.

use std::collections::BTreeSet;

use cascade_receipt::decision::RiskTier;

use super::base::Base;
use super::classification::{Classification, Classified, Finding};
use super::entered;
use super::judge::Judgement;
use super::leak::{self, Passed};
use super::place::Location;
use super::registry::Registry;
use super::scene::{Feed, Scene, Variable};
use super::walk::{DEPTH_MAX, Walk, doubt};
use super::weigh::{secret_read, written};
use super::whereabouts::{Spot, Whereabouts};
use super::word::Word;
use crate::shell::{self, Command, Input, Line, Opaque, Redirect, RedirectOp};

impl Walk<'_> {
    /// Looks at every command of a line; answers what its last one writes to standard output.
    pub(super) fn line(&mut self, text: &str, scene: &Scene<'_>) -> Feed {
        if scene.depth > DEPTH_MAX {
            self.answer.refuse("depth");
            return Feed::Unknown;
        }
        let line = match shell::parse_where(text, scratch(scene)) {
            Ok(line) => line,
            Err(refusal) => {
                self.answer.refuse(&refusal.to_string());
                return Feed::Unknown;
            }
        };
        let functions = own_functions(&line, self.registry);
        self.whole(text, &line, functions.is_some());
        self.writes.extend(fresh(&line, scene));
        let whereabouts = Whereabouts::new(Spot { place: scene.directory.clone(), base: scene.base.clone() });
        let functions = functions.cloned().unwrap_or_default();
        let mut state = State { whereabouts, env: Vec::new(), feeds: Vec::new(), functions };
        let mut passed = Vec::with_capacity(line.commands.len());
        for (at, command) in line.commands.iter().enumerate() {
            let (start, written) = (self.answer.commands.len(), self.writes.len());
            let feed = self.command(command, at, scene, &mut state);
            state.feeds.push(feed.clone());
            let kept = self.writes.iter().skip(written).any(|file| !file.is_device());
            passed.push(Passed { feed, start, kept });
        }
        let starts: Vec<usize> = passed.iter().map(|one| one.start).collect();
        self.substituted(&line, &starts, &state.feeds);
        for at in leak::senders(&line, &passed, &self.answer.commands) {
            let mut judgement = nowhere();
            judgement.sent();
            self.amend(at, judgement);
        }
        state.feeds.pop().unwrap_or(Feed::Unknown)
    }

    /// `sh -c "$(curl …)"` and `bash <(curl …)` are `curl … | sh` in other words.
    fn substituted(&mut self, line: &Line, starts: &[usize], feeds: &[Feed]) {
        for (at, command) in line.commands.iter().enumerate().rev().filter(|(_, command)| command.inside > 0)
        {
            let inside = feeds.get(at + 1..=at + command.inside).unwrap_or_default();
            let (code, text) = if inside.contains(&Feed::Network) {
                ("pipe.network.executed", "executes what it gets from the network")
            } else if inside.contains(&Feed::Decoded) {
                ("pipe.decoded.executed", "executes what was hidden by an encoding")
            } else {
                continue;
            };
            let (start, end) = (starts.get(at).copied(), starts.get(at + 1).copied());
            let end = end.unwrap_or(self.answer.commands.len());
            let executes = |finding: &Finding| EXECUTED.contains(&finding.code.as_str());
            let found = (start.unwrap_or(end)..end).find(|at| {
                self.answer.commands.get(*at).is_some_and(|command| command.findings.iter().any(executes))
            });
            if let Some(found) = found {
                let mut judgement = nowhere();
                judgement.stop(code, text);
                self.amend(found, judgement);
            }
        }
    }

    /// What the line as a whole shows.
    fn whole(&mut self, text: &str, line: &Line, functions_followed: bool) {
        let mut findings: Vec<Finding> = line
            .opaque
            .iter()
            .filter(|opaque| !(functions_followed && **opaque == Opaque::FunctionShadows))
            .map(|opaque| doubt(opaque.code(), "part of the line cannot be read beforehand"))
            .collect();
        if is_fork_bomb(text) {
            findings.push(Finding {
                code: "shell.fork_bomb".to_owned(),
                tier: RiskTier::Critical,
                failfast: true,
                text: "starts copies of itself without end".to_owned(),
            });
        }
        if let Some(tier) = findings.iter().map(|finding| finding.tier).max() {
            let (words, program) = (Vec::new(), String::new());
            let subcommand = String::new();
            self.answer.add(Classified {
                words,
                program,
                subcommand,
                tier,
                classified: false,
                findings,
                resources: Vec::new(),
                sought: Vec::new(),
            });
        }
    }

    fn command(&mut self, command: &Command, place: usize, scene: &Scene<'_>, state: &mut State) -> Feed {
        let Spot { place: directory, base } = state.whereabouts.at(&command.moved_by).clone();
        let assigned: Vec<Variable> = command
            .assignments
            .iter()
            .map(|assignment| Variable {
                name: assignment.name.clone(),
                value: Word::from(&assignment.value),
                ambient: false,
            })
            .collect();
        self.named_programs(&assigned, scene);
        for word in assigned.iter().map(|variable| &variable.value) {
            self.mention_word(&base, word, false);
        }
        for redirect in &command.redirects {
            self.mention_word(&base, &Word::from(&redirect.target), false);
        }
        let readings = command.readings().map(|words| words.iter().map(Word::from).collect::<Vec<Word>>());
        let at = self.answer.commands.len();
        let mut feed = Feed::Unknown;
        if command.words.is_empty() {
            // Whether these reach a program depends on what was exported before.
            self.unset |= assigned.iter().any(|variable| variable.name.contains(char::is_uppercase));
            state.env.extend(assigned);
        } else {
            let line = scene.env.with(state.env.clone());
            let env = line.with(assigned);
            let fresh = self.writes.clone();
            let input = self.input(
                command,
                scene,
                &Spot { place: directory.clone(), base: base.clone() },
                &state.feeds,
            );
            let (directory, apart, depth) = (directory.clone(), scene.apart, scene.depth);
            let (fresh, beyond, entered) = (fresh.as_slice(), scene.beyond, scene.entered);
            let inner = Scene { directory, base, env: &env, input, fresh, beyond, apart, entered, depth };
            let set = state.env.len();
            let feeds: Vec<Feed> = readings
                .map(|words| {
                    let own =
                        words.first().and_then(Word::known).filter(|name| state.functions.contains(*name));
                    let feed = match own {
                        Some(name) => self.own_function(name, &words, command),
                        None => self.call(&words, &inner),
                    };
                    state.whereabouts.follow(place, &command.moved_by, &words);
                    state.export(&words);
                    feed
                })
                .collect();
            feed = feeds.into_iter().reduce(Feed::and).unwrap_or(Feed::Unknown);
            self.named_programs(state.env.get(set..).unwrap_or_default(), scene);
        }
        self.redirects(&command.redirects, at, Judgement::new(directory, Base::Unknown), &feed, scene);
        feed
    }

    /// What arrives on a command's standard input.
    fn input(&self, command: &Command, scene: &Scene<'_>, spot: &Spot, feeds: &[Feed]) -> Feed {
        let read = command.redirects.iter().filter(|redirect| redirect.op == RedirectOp::Read);
        let read: Vec<Word> = read.map(|redirect| Word::from(&redirect.target)).collect();
        if !read.is_empty() {
            let known = || read.iter().filter_map(Word::known);
            if known().any(|text| self.is_fetched(&spot.place, text)) {
                return Feed::Network;
            }
            return Feed::File(
                read.iter().filter_map(Word::path).flat_map(|path| spot.base.files(&path)).collect(),
            );
        }
        match &command.stdin {
            Input::Inherited => scene.input.clone(),
            Input::Pipe(from) => from
                .iter()
                .map(|index| feeds.get(*index).cloned().unwrap_or(Feed::Unknown))
                .reduce(Feed::and)
                .unwrap_or(Feed::Unknown),
            Input::Text(word) => match Word::from(word) {
                Word::Known(text) => Feed::Text(text),
                _ => Feed::Unknown,
            },
        }
    }

    /// A call of a function of the line: what it does was found in its body, unless something is fed to it.
    fn own_function(&mut self, name: &str, words: &[Word], command: &Command) -> Feed {
        let fed = command.stdin != Input::Inherited
            || command.redirects.iter().any(|redirect| redirect.op == RedirectOp::Read);
        let text = "what is fed to a function of the line cannot be followed";
        let findings = if fed { vec![doubt("shell.function_fed", text)] } else { Vec::new() };
        self.answer.add(Classified {
            words: words.iter().map(Word::shown).collect(),
            program: name.to_owned(),
            subcommand: String::new(),
            tier: if fed { RiskTier::High } else { RiskTier::Low },
            classified: !fed,
            findings,
            resources: Vec::new(),
            sought: Vec::new(),
        });
        Feed::Unknown
    }

    /// Files that the shell itself opens count for the command.
    fn redirects(
        &mut self,
        redirects: &[Redirect],
        at: usize,
        mut judgement: Judgement,
        feed: &Feed,
        scene: &Scene<'_>,
    ) {
        for redirect in redirects {
            let target = Word::from(&redirect.target);
            match redirect.op {
                RedirectOp::Read => secret_read(&target, &mut judgement),
                RedirectOp::Write | RedirectOp::Append | RedirectOp::ReadWrite => {
                    written(&target, &mut judgement);
                }
                RedirectOp::Duplicate => {}
            }
        }
        entered::weigh_writes(scene, &mut judgement);
        if *feed == Feed::Network {
            self.fetched.extend(judgement.writes.iter().cloned());
        }
        self.writes.append(&mut judgement.writes);
        if !judgement.findings.is_empty() {
            self.amend(at, judgement);
        }
    }

    fn amend(&mut self, at: usize, judgement: Judgement) {
        let Judgement { tier, classified, findings, .. } = judgement;
        let (words, program, subcommand) = (Vec::new(), String::new(), String::new());
        let resources = Vec::new();
        let found = Classified {
            words,
            program,
            subcommand,
            tier,
            classified,
            findings,
            resources,
            sought: Vec::new(),
        };
        amend(&mut self.answer, at, found);
    }
}

/// Adds what was found later to the call at `at`, or as a call without words.
fn amend(answer: &mut Classification, at: usize, found: Classified) {
    let Some(command) = answer.commands.get(at).cloned() else {
        answer.add(found);
        return;
    };
    let mut findings = command.findings;
    findings.extend(found.findings);
    let rest = answer.commands.split_off(at + 1);
    answer.commands.truncate(at);
    answer.add(Classified {
        tier: command.tier.max(found.tier),
        classified: command.classified && found.classified,
        findings,
        ..command
    });
    answer.commands.extend(rest);
}

/// Codes of calls that execute a word which cannot be known.
const EXECUTED: &[&str] = &["line.unknown", "script.unknown", "code.unknown", "stdin.executed"];

/// What changes from command to command.
struct State {
    whereabouts: Whereabouts,
    /// Functions of the line that are no more than their bodies, which are looked at where they stand.
    functions: BTreeSet<String>,
    env: Vec<Variable>,
    feeds: Vec<Feed>,
}

impl State {
    /// The shell's own commands that change variables.
    fn export(&mut self, mut words: &[Word]) {
        while let [Word::Known(first), rest @ ..] = words {
            if !matches!(first.as_str(), "builtin" | "command" | "-p" | "--") {
                break;
            }
            words = rest;
        }
        let Some((program, arguments)) = words.split_first() else { return };
        if let Some("export" | "declare" | "typeset" | "readonly" | "local") = program.known() {
            self.env.extend(arguments.iter().filter_map(|word| Variable::assigned(word.known()?)));
        }
    }
}

/// For what is found of a line, not of a call.
fn nowhere() -> Judgement {
    Judgement::new(Location::START, Base::Unknown)
}

/// Is `$TMPDIR` a directory for temporary files, as far as anything says?
fn scratch(scene: &Scene<'_>) -> bool {
    scene.env.iter().filter(|variable| variable.name == "TMPDIR").all(|variable| {
        let place = |text: &str| super::place::places(&Location::START, &format!("{text}/x"));
        variable.value.known().is_some_and(|text| place(text).has(super::place::Place::Temp))
    })
}

/// The functions of the line, where calling one does what its body says and nothing else: none has the name of a
/// program or builtin, and nothing in the line changes variables or the directory under a body.
fn own_functions<'l>(line: &'l Line, registry: &Registry) -> Option<&'l BTreeSet<String>> {
    let changes = |command: &Command| {
        let named = |word: &shell::Word| match word {
            shell::Word::Known(name) => CHANGING.contains(&name.as_str()),
            _ => false,
        };
        !command.assignments.is_empty() || command.words.iter().take(4).any(named)
    };
    let own = |name: &String| !name.starts_with("command_not_found") && registry.program(name).is_none();
    let own = line.functions.iter().all(own) && !line.commands.iter().any(changes);
    (own && !line.functions.is_empty()).then_some(&line.functions)
}

/// Builtins that change what a body finds.
const CHANGING: &[&str] = &[
    "cd", "pushd", "popd", "export", "declare", "typeset", "readonly", "set", "shopt", "unset", "read",
    "exec",
];

/// The files that a line writes, to recognise when it executes them.
fn fresh(line: &Line, scene: &Scene<'_>) -> Vec<Location> {
    let redirects = line.commands.iter().flat_map(|command| &command.redirects);
    let written =
        redirects.filter(|redirect| !matches!(redirect.op, RedirectOp::Read | RedirectOp::Duplicate));
    let known = written.filter_map(|redirect| match &redirect.target {
        shell::Word::Known(text) => Some(scene.directory.join(text)),
        shell::Word::Glob(_) | shell::Word::One { .. } | shell::Word::Unknown => None,
    });
    known.chain(scene.fresh.iter().cloned()).collect()
}

/// A function that pipes itself into itself in the background.
fn is_fork_bomb(text: &str) -> bool {
    let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let Some((before, body)) = dense.split_once("(){") else { return false };
    let name = before.rsplit([';', '&', '|', '\n']).next().unwrap_or_default();
    let name = name.strip_prefix("function").unwrap_or(name);
    !name.is_empty() && body.contains(&format!("{name}|{name}&"))
}

impl From<&shell::Word> for Word {
    fn from(word: &shell::Word) -> Self {
        match word {
            shell::Word::Known(text) => Self::Known(text.clone()),
            shell::Word::Glob(text) => Self::Glob(text.clone()),
            shell::Word::One { before, after } => Self::One { before: before.clone(), after: after.clone() },
            shell::Word::Unknown => Self::Unknown,
        }
    }
}
