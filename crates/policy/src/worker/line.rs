//! Through a shell line from left to right: directory, variables, pipes and redirects.

use cascade_receipt::decision::RiskTier;

use super::classification::{Classification, Classified, Finding};
use super::judge::Judgement;
use super::place::Location;
use super::scene::{Feed, Scene, Variable};
use super::walk::{DEPTH_MAX, Walk, doubt};
use super::weigh::{secret_read, written};
use super::word::Word;
use crate::shell::{self, Command, Input, Line, Redirect, RedirectOp};

impl Walk<'_> {
    /// Looks at every command of a line; answers what its last one writes to standard output.
    pub(super) fn line(&mut self, text: &str, scene: &Scene<'_>) -> Feed {
        if scene.depth > DEPTH_MAX {
            self.answer.refuse("depth");
            return Feed::Unknown;
        }
        let line = match shell::parse(text) {
            Ok(line) => line,
            Err(refusal) => {
                self.answer.refuse(&refusal.to_string());
                return Feed::Unknown;
            }
        };
        self.whole(text, &line);
        self.writes.extend(fresh(&line, scene));
        let mut state = State { directory: scene.directory.clone(), env: Vec::new(), feeds: Vec::new() };
        let mut starts = Vec::with_capacity(line.commands.len());
        for command in &line.commands {
            starts.push(self.answer.commands.len());
            let feed = self.command(command, scene, &mut state);
            state.feeds.push(feed);
        }
        self.substituted(&line, &starts, &state.feeds);
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
                let mut judgement = Judgement::new(Location::START);
                judgement.stop(code, text);
                self.amend(found, judgement);
            }
        }
    }

    /// What the line as a whole shows.
    fn whole(&mut self, text: &str, line: &Line) {
        let mut findings: Vec<Finding> = line
            .opaque
            .iter()
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
            self.answer.add(Classified { words, program, subcommand, tier, classified: false, findings });
        }
    }

    fn command(&mut self, command: &Command, scene: &Scene<'_>, state: &mut State) -> Feed {
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
        let readings = command.readings().map(|words| words.iter().map(Word::from).collect::<Vec<Word>>());
        let at = self.answer.commands.len();
        let mut feed = Feed::Unknown;
        if command.words.is_empty() {
            state.env.extend(assigned);
        } else {
            let line = scene.env.with(state.env.clone());
            let env = line.with(assigned);
            let fresh = self.writes.clone();
            let input = input(command, scene, &state.feeds);
            let (directory, depth) = (state.directory.clone(), scene.depth);
            let inner = Scene { directory, env: &env, input, fresh: &fresh, depth };
            let set = state.env.len();
            let feeds: Vec<Feed> = readings
                .map(|words| {
                    let feed = self.call(&words, &inner);
                    state.follow(&words);
                    feed
                })
                .collect();
            feed = feeds.into_iter().reduce(Feed::and).unwrap_or(Feed::Unknown);
            self.named_programs(state.env.get(set..).unwrap_or_default(), scene);
        }
        self.redirects(&command.redirects, at, state);
        feed
    }

    /// Files that the shell itself opens count for the command.
    fn redirects(&mut self, redirects: &[Redirect], at: usize, state: &State) {
        let mut judgement = Judgement::new(state.directory.clone());
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
        if !judgement.findings.is_empty() {
            self.amend(at, judgement);
        }
    }

    fn amend(&mut self, at: usize, judgement: Judgement) {
        let Judgement { tier, classified, findings, .. } = judgement;
        let (words, program, subcommand) = (Vec::new(), String::new(), String::new());
        amend(&mut self.answer, at, Classified { words, program, subcommand, tier, classified, findings });
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
    directory: Location,
    env: Vec<Variable>,
    feeds: Vec<Feed>,
}

impl State {
    /// The shell's own commands that change directory or variables.
    fn follow(&mut self, mut words: &[Word]) {
        while let [Word::Known(first), rest @ ..] = words {
            if !matches!(first.as_str(), "builtin" | "command" | "-p" | "--") {
                break;
            }
            words = rest;
        }
        let Some((program, arguments)) = words.split_first() else { return };
        match program.known() {
            Some("cd" | "pushd") => {
                let target = arguments.iter().find(|word| !matches!(word.known(), Some("-P" | "-L" | "--")));
                self.directory = match target {
                    None => Location::Home(Vec::new()),
                    Some(Word::Known(text)) if text != "-" => self.directory.join(text),
                    Some(Word::Glob(text)) if !text.contains(['*', '?', '[', '{']) => {
                        self.directory.join(text)
                    }
                    Some(_) => Location::Unknown,
                };
            }
            Some("popd") => self.directory = Location::Unknown,
            Some("export" | "declare" | "typeset" | "readonly" | "local") => {
                self.env.extend(arguments.iter().filter_map(|word| Variable::assigned(word.known()?)));
            }
            _ => {}
        }
    }
}

/// What arrives on a command's standard input.
fn input(command: &Command, scene: &Scene<'_>, feeds: &[Feed]) -> Feed {
    if command.redirects.iter().any(|redirect| redirect.op == RedirectOp::Read) {
        return Feed::Unknown;
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
