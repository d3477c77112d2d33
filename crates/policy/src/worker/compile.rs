//! From a manifest as it is written to a grammar that can be relied on.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascade_receipt::decision::RiskTier;

use super::classification::Finding;
use super::grammar::{Arity, Choice, Command, Defaults, Node, Rule, Setting, Source, Step, Worker, Wraps};
use super::manifest::{self, Globals, Kind, Reading};
use super::pattern::Pattern;
use super::place::{Place, Places};

/// A manifest that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("{message}")]
    Toml { message: String, offset: Option<usize> },
    #[error("`{word}` is not a risk tier; use LOW, MEDIUM, HIGH or CRITICAL")]
    Tier { word: String },
    #[error("`{word}` is not a place")]
    Place { word: String },
    #[error("rule `{code}` has no tests")]
    Untested { code: String },
    #[error("rule `{code}` has no condition, so it would speak about every call")]
    Unconditional { code: String },
    #[error("rule `{code}` is failfast, so its tier must be CRITICAL")]
    FailfastTier { code: String },
    #[error("command `{0}` needs a path and a tier")]
    Command(String),
    #[error("`{0}` is both a plain option and another kind")]
    Twice(String),
    #[error("`{0}` names no default file; write plain names with blanks between")]
    Defaults(String),
    #[error("resource `{0}` has no tests; write `LINE => NAME`")]
    Unproved(&'static str),
    #[error("`host` is for a database only")]
    Holder,
    #[error("`[[worker.intent]]` or `[[worker.inverse]]` stands where it is no table of its own")]
    Misplaced,
    #[error("inverse of `{0}`: {1}")]
    Inverse(String, &'static str),
    #[error("`{0}` is in `programs` or in a worker's names, but not in both")]
    Announced(String),
}

impl Worker {
    pub(super) fn compile(raw: manifest::Worker) -> Result<Self, Malformed> {
        let rules = raw.rule.into_iter().map(Rule::compile).collect::<Result<Vec<_>, _>>()?;
        let mut own = Node::compile(raw.own)?;
        let mut nodes = Vec::new();
        for command in raw.command {
            let paths = paths(&command.path);
            if command.tier.is_none() || paths.iter().any(Vec::is_empty) {
                return Err(Malformed::Command(command.path));
            }
            nodes.push((paths, Node::compile(command)?));
        }
        declare(&rules, &mut own, &mut nodes);
        let resources = raw.resource.into_iter().map(Source::compile).collect::<Result<Vec<_>, _>>()?;
        declare_named(&resources, &mut own, &mut nodes);
        let anywhere = raw.globals == Globals::Anywhere;
        own.settle(&rules, None, anywhere);
        if nodes.is_empty() && own.tier.is_none() {
            return Err(Malformed::Command(raw.names));
        }
        let mut commands = Vec::new();
        for (paths, mut node) in nodes {
            node.settle(&rules, Some(&paths), anywhere);
            let node = Arc::new(node);
            commands.extend(paths.into_iter().map(|path| Command { path, node: node.clone() }));
        }
        Ok(Self {
            names: words(&raw.names),
            style: raw.style,
            abbreviations: raw.abbreviations,
            negations: raw.negations,
            loose_dashes: raw.loose_dashes,
            globals: raw.globals,
            lies: raw.lies,
            own,
            commands,
            rules,
            resources,
            defaults: raw.defaults.into_iter().map(Defaults::compile).collect::<Result<_, _>>()?,
            settings: raw.setting.into_iter().map(Setting::compile).collect(),
        })
    }

    /// The name that codes use.
    pub(super) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

/// An option that only a rule mentions is a flag of the commands that the rule is about.
fn declare(rules: &[Rule], own: &mut Node, nodes: &mut [(Vec<Vec<Step>>, Node)]) {
    for rule in rules {
        for choice in rule.options.iter().flatten() {
            let arity = if choice.value.is_some() { Arity::Value(Kind::Text) } else { Arity::Flag };
            let mut known = false;
            for (paths, node) in nodes.iter_mut() {
                let about = rule.commands.as_ref().is_some_and(|listed| {
                    paths.iter().any(|path| listed.iter().any(|steps| same(steps, path)))
                });
                known |= node.options.contains_key(&choice.name);
                if about
                    && !node.options.contains_key(&choice.name)
                    && !own.options.contains_key(&choice.name)
                {
                    node.options.insert(choice.name.clone(), arity);
                    known = true;
                }
            }
            if !known {
                own.options.entry(choice.name.clone()).or_insert(arity);
            }
        }
    }
}

/// An option that names a resource, and that nothing else mentions, takes a value; so it does wherever unknown options
/// would be taken for flags.
fn declare_named(resources: &[Source], own: &mut Node, nodes: &mut [(Vec<Vec<Step>>, Node)]) {
    for source in resources {
        for name in source.options.iter().map(|(name, _)| name).chain(&source.host_options) {
            if nodes.iter().all(|(_, node)| node.lenient || !node.options.contains_key(name)) {
                own.options.entry(name.clone()).or_insert(Arity::Value(Kind::Text));
            }
            for (paths, node) in nodes.iter_mut().filter(|(_, node)| node.lenient) {
                let about = |listed: &Vec<Vec<Step>>| {
                    paths.iter().any(|path| listed.iter().any(|steps| same(steps, path)))
                };
                if source.commands.as_ref().is_none_or(about) {
                    node.options.entry(name.clone()).or_insert(Arity::Value(Kind::Text));
                }
            }
        }
    }
}

/// A rule's path is about a command when it names it or something above it.
fn same(listed: &[Step], path: &[Step]) -> bool {
    listed.len() <= path.len()
        && listed.iter().zip(path).all(|(listed, step)| match (listed, step) {
            (Step::Word(listed), Step::Word(word)) => listed == word,
            (Step::Glob(pattern), Step::Word(word)) => pattern.matches(word),
            (Step::Glob(listed), Step::Glob(glob)) => listed == glob,
            (Step::Deep, Step::Deep) => true,
            _ => false,
        })
}

impl Node {
    fn compile(raw: manifest::Node) -> Result<Self, Malformed> {
        let mut options = BTreeMap::new();
        let groups = [
            (raw.flags.as_str(), Arity::Flag),
            (raw.values.as_str(), Arity::Value(Kind::Text)),
            (raw.optional.as_str(), Arity::Optional(Kind::Text)),
        ];
        let kinds = raw.kinds.iter().map(|(kind, names)| (names.as_str(), Arity::Value(*kind)));
        for (names, arity) in groups.into_iter().chain(kinds) {
            for name in names.split_whitespace() {
                if options.insert(name.to_owned(), arity).is_some_and(|other| other != arity) {
                    return Err(Malformed::Twice(name.to_owned()));
                }
            }
        }
        Ok(Self {
            tier: raw.tier.as_deref().map(tier).transpose()?,
            text: raw.text,
            unresolved: raw.unresolved.as_deref().map(tier).transpose()?,
            options,
            lenient: raw.lenient,
            numeric: raw.numeric,
            arguments: raw.arguments,
            shifts: Choice::list(&raw.shifts),
            dry: Choice::list(&raw.dry),
            dry_unless: Choice::list(&raw.dry_unless),
            dry_tier: raw.dry_tier.as_deref().map(tier).transpose()?,
            wraps: raw.wraps.map(|wraps| Wraps {
                form: wraps.form,
                skip: wraps.skip,
                assignments: wraps.assignments,
                unread: wraps.unread,
                away: wraps.away,
                enters: wraps.enters,
                apart: words(&wraps.apart),
                line_if: Choice::list(&wraps.line_if),
                regroups: Choice::list(&wraps.regroups),
                unless: Choice::list(&wraps.unless),
            }),
            stdin: raw.stdin,
            stdin_unless: Choice::list(&raw.stdin_unless),
            stdin_below: raw.stdin_below,
            stdin_fed: raw.stdin_fed,
            emits: raw.emits,
            emits_paths_if: Choice::list(&raw.emits_paths_if),
            emits_changed_if: Choice::list(&raw.emits_changed_if),
        })
    }

    /// Computes what an unresolved word ranks: the highest tier that anything says about this node, up to HIGH. Whether
    /// a rule that is CRITICAL could speak is asked about the words at hand.
    fn settle(&mut self, rules: &[Rule], paths: Option<&[Vec<Step>]>, anywhere: bool) {
        let wraps = self
            .wraps
            .iter()
            .flat_map(|wraps| wraps.line_if.iter().chain(&wraps.unless).chain(&wraps.regroups));
        for choice in self
            .dry
            .iter()
            .chain(&self.dry_unless)
            .chain(&self.shifts)
            .chain(&self.stdin_unless)
            .chain(&self.emits_paths_if)
            .chain(&self.emits_changed_if)
            .chain(wraps)
        {
            let arity = if choice.value.is_some() { Arity::Optional(Kind::Text) } else { Arity::Flag };
            self.options.entry(choice.name.clone()).or_insert(arity);
        }
        if self.unresolved.is_some() {
            return;
        }
        let about = |rule: &&Rule| match (&rule.commands, paths) {
            // A rule about the program's own options cannot be met by a word after the subcommand.
            (None, _) => {
                let near = |choice: &Choice| self.options.contains_key(&choice.name);
                paths.is_none()
                    || anywhere
                    || rule.options.is_empty()
                    || rule.options.iter().flatten().any(near)
            }
            (Some(_), None) => false,
            (Some(listed), Some(paths)) => {
                paths.iter().any(|path| listed.iter().any(|steps| same(steps, path)))
            }
        };
        let ruled = rules.iter().filter(about).map(|rule| rule.finding.tier);
        let kinds = self.options.values().filter_map(|arity| match arity {
            Arity::Flag => None,
            Arity::Value(kind) | Arity::Optional(kind) => Some(*kind),
        });
        let kinds = kinds.chain(self.arguments.iter().copied()).map(worst);
        let wrapped = self.wraps.iter().map(|_| RiskTier::High);
        let highest = ruled.chain(kinds).chain(wrapped).chain(self.tier).max();
        self.unresolved = Some(highest.unwrap_or(RiskTier::Low).min(RiskTier::High));
    }
}

/// The most that a value of this kind can do.
pub(super) const fn worst(kind: Kind) -> RiskTier {
    match kind {
        Kind::Text | Kind::Path | Kind::Obeyed | Kind::Replace | Kind::Directory => RiskTier::Low,
        Kind::Read
        | Kind::Upload
        | Kind::Send
        | Kind::Write
        | Kind::Copy
        | Kind::Line
        | Kind::Exec
        | Kind::Code
        | Kind::Snippet
        | Kind::Mongo
        | Kind::Module
        | Kind::Awk
        | Kind::Sed
        | Kind::Sql
        | Kind::Script
        | Kind::Config => RiskTier::High,
    }
}

impl Defaults {
    fn compile(raw: manifest::Defaults) -> Result<Self, Malformed> {
        let files = words(&raw.files);
        if files.is_empty() || files.iter().any(|file| file.contains(['*', '?', '['])) {
            return Err(Malformed::Defaults(raw.files));
        }
        let commands = raw.command.as_deref().map(paths);
        Ok(Self {
            programs: words(&raw.programs),
            commands,
            files,
            unless: words(&raw.unless),
            within: raw.within,
        })
    }
}

impl Rule {
    fn compile(raw: manifest::Rule) -> Result<Self, Malformed> {
        let finding =
            Finding { tier: tier(&raw.tier)?, code: raw.code, failfast: raw.failfast, text: raw.text };
        let mut placed = Places::default();
        for word in raw.place.split_whitespace() {
            placed =
                placed.with(Place::parse(word).ok_or_else(|| Malformed::Place { word: word.to_owned() })?);
        }
        let rule = Self {
            commands: raw.command.as_deref().map(paths),
            options: raw.options.iter().map(|entry| Choice::list(entry)).collect(),
            without: Choice::list(&raw.without),
            arguments: raw.argument.iter().map(|glob| Pattern::new(glob)).collect(),
            except: raw.except.iter().map(|glob| Pattern::new(glob)).collect(),
            at: raw.at,
            from: raw.from,
            places: placed,
            min: raw.min,
            max: raw.max,
            dashes: raw.dashes,
            spares: raw.spares,
            certain: raw.certain,
            tests: raw.tests,
            finding,
        };
        let code = || rule.finding.code.clone();
        if rule.tests.is_empty() {
            return Err(Malformed::Untested { code: code() });
        }
        if rule.finding.failfast && rule.finding.tier != RiskTier::Critical {
            return Err(Malformed::FailfastTier { code: code() });
        }
        let conditions = rule.commands.is_some()
            || !rule.options.is_empty()
            || !rule.without.is_empty()
            || !rule.arguments.is_empty()
            || !rule.places.is_empty();
        if !conditions && rule.min == 0 && rule.max.is_none() && !rule.dashes {
            return Err(Malformed::Unconditional { code: code() });
        }
        Ok(rule)
    }
}

impl Setting {
    fn compile(raw: manifest::Setting) -> Self {
        Self {
            env: raw.env.split_whitespace().map(Pattern::new).collect(),
            env_text: words(&raw.env),
            config: raw.config.split_whitespace().map(Pattern::new).collect(),
            effect: raw.effect,
            commands: raw.command.as_deref().map(paths),
            tests: raw.tests,
        }
    }
}

impl Source {
    fn compile(raw: manifest::Named) -> Result<Self, Malformed> {
        let tests: Option<Vec<(String, String)>> = raw
            .tests
            .iter()
            .map(|test| test.rsplit_once(" => ").map(|(line, name)| (line.to_owned(), name.to_owned())))
            .collect();
        let tests = tests.filter(|tests| !tests.is_empty()).ok_or(Malformed::Unproved(raw.kind.as_str()))?;
        let (host_options, host_env) = (words(&raw.host.options), words(&raw.host.env));
        let held = !host_options.is_empty() || !host_env.is_empty();
        if held && !matches!(raw.reading, Reading::Database | Reading::Forge) {
            return Err(Malformed::Holder);
        }
        let option = |word: &str| match word.split_once('=') {
            Some((name, key)) => (name.to_owned(), Some(key.to_owned())),
            None => (word.to_owned(), None),
        };
        Ok(Self {
            kind: raw.kind,
            reading: raw.reading,
            programs: words(&raw.programs),
            commands: raw.command.as_deref().map(paths),
            except: raw.except.as_deref().map(paths).unwrap_or_default(),
            options: raw.options.split_whitespace().map(option).collect(),
            at: raw.at,
            from: raw.from,
            env: words(&raw.env),
            host_options,
            host_env,
            usual: Some(raw.usual).filter(|usual| !usual.is_empty()),
            elsewhere: Choice::list(&raw.elsewhere),
            elsewhere_env: words(&raw.elsewhere_env),
            hidden_by: words(&raw.hidden_by),
            default: raw.default,
            always: raw.always,
            tests,
        })
    }
}

pub(super) fn tier(word: &str) -> Result<RiskTier, Malformed> {
    RiskTier::parse(word).ok_or_else(|| Malformed::Tier { word: word.to_owned() })
}

pub(super) fn paths(text: &str) -> Vec<Vec<Step>> {
    text.split(',').map(|path| path.split_whitespace().map(Step::parse).collect()).collect()
}

pub(super) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
