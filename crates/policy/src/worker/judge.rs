//! What the rules say about one call that was read.

use cascade_receipt::decision::RiskTier;

use super::base::Base;
use super::call::{Call, Value};
use super::classification::Finding;
use super::grammar::{Rule, Step, covers};
use super::manifest::{Emits, Kind, Style};
use super::place::{Location, Places};
use super::possible::{Met, could_apply};
use super::scene::{Feed, Scene};
use super::spared;
use super::unfold::{fill, standard_input, starts, wrapped};
use super::weigh::{place_of, secret_read, weigh};
use super::word::{Word, literal};

/// The answer about one call, and what must be looked at because of it.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) tier: RiskTier,
    pub(super) classified: bool,
    pub(super) findings: Vec<Finding>,
    pub(super) follow: Vec<Follow>,
    /// The directory in which the call works.
    pub(super) directory: Location,
    /// The same, as a program would open it.
    pub(super) base: Base,
    pub(super) stdin_executes: bool,
    /// Files that it writes.
    pub(super) writes: Vec<Location>,
    /// Files whose bytes it obeys, as it names them.
    pub(super) obeys: Vec<String>,
    /// Those among them that are programs.
    pub(super) executes: Vec<String>,
    /// Scripts that a shell looks for along `PATH` too.
    pub(super) searched: Vec<String>,
    /// Files whose contents reach it as standard input, and are obeyed; as they are opened from where the action starts.
    pub(super) fed: Vec<String>,
}

/// Something inside a call that is executed too.
#[derive(Debug)]
pub(super) enum Follow {
    /// A shell line.
    Line(Word),
    /// Program and arguments.
    Argv(Vec<Word>),
    /// The same, but looked at only where a manifest knows the program.
    Package(Vec<Word>),
    /// Texts in source code that may be handed to a shell: only what is stopped without appeal counts.
    Literals(Vec<String>),
}

impl Judgement {
    pub(super) const fn new(directory: Location, base: Base) -> Self {
        Self {
            tier: RiskTier::Low,
            classified: true,
            findings: Vec::new(),
            follow: Vec::new(),
            directory,
            base,
            stdin_executes: false,
            writes: Vec::new(),
            obeys: Vec::new(),
            executes: Vec::new(),
            searched: Vec::new(),
            fed: Vec::new(),
        }
    }

    pub(super) fn find(&mut self, code: impl Into<String>, tier: RiskTier, text: impl Into<String>) {
        self.push(Finding { code: code.into(), tier, failfast: false, text: text.into() });
    }

    /// CRITICAL, without appeal.
    pub(super) fn stop(&mut self, code: &str, text: &str) {
        let tier = RiskTier::Critical;
        self.push(Finding { code: code.to_owned(), tier, failfast: true, text: text.to_owned() });
    }

    /// What a feed of secrets holds leaves the machine.
    pub(super) fn sent(&mut self) {
        let text = "sends environment variables, a database or an image away, secrets among it";
        self.find("env.sent", RiskTier::High, text);
    }

    /// The bytes of this file are obeyed, or of each of several behind commas.
    pub(super) fn obey(&mut self, text: &str) {
        let parts = text.split(',').filter(|_| text.contains(','));
        self.obeys.extend(std::iter::once(text).chain(parts).map(str::to_owned));
    }

    /// The same, of a script.
    pub(super) fn execute(&mut self, text: &str) {
        self.obeys.push(text.to_owned());
        self.executes.push(text.to_owned());
    }

    pub(super) fn push(&mut self, finding: Finding) {
        self.tier = self.tier.max(finding.tier);
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// HIGH, because nobody can vouch for it.
    pub(super) fn doubt(&mut self, code: &str, text: impl Into<String>) {
        self.classified = false;
        self.find(code, RiskTier::High, text);
    }
}

/// Judges a call.
pub(super) fn judge(call: &Call<'_>, scene: &Scene<'_>) -> Judgement {
    let (mut directory, mut base) = (scene.directory.clone(), scene.base.clone());
    for given in call.given.iter().filter(|given| given.kind == Kind::Directory) {
        let text = given.value.known();
        directory = text.map_or(Location::Unknown, |text| directory.join(text));
        base = text.map_or(Base::Unknown, |text| base.join(&literal(text)));
    }
    let mut judgement = Judgement::new(directory, base);
    let asks_help = call.help && call.given.is_empty() && call.arguments.is_empty() && call.inner.is_none();
    let says_dry = call.rehearses(&call.node.dry) || call.rehearses(&call.worker.own.dry);
    let undone = call.mentions(&call.node.dry_unless) || call.mentions(&call.worker.own.dry_unless);
    let dry = asks_help || (says_dry && !undone && !call.unresolved.any);
    if !dry {
        ranked(call, &mut judgement);
        rules(call, &mut judgement);
    } else if let Some(tier) = call.node.dry_tier.filter(|_| !asks_help) {
        judgement.find("worker.dry", tier, "a rehearsal, but what the project says runs");
    }
    unknowns(call, &mut judgement);
    for given in &call.given {
        match (given.value, given.kind) {
            (Value::Words(words), Kind::Module) => {
                if let Some((module, files)) = words.split_first() {
                    weigh(Kind::Module, module, dry, scene, &mut judgement);
                    files.iter().for_each(|file| secret_read(file, &mut judgement));
                }
                judgement.follow.push(Follow::Package(words.to_vec()));
            }
            (Value::Words(words), _) => {
                let starts = starts(call, &judgement.directory);
                let mut filled = fill(words, "{}", &starts);
                if call.worker.style == Style::Gnu && filled == words {
                    filled.extend(starts);
                }
                judgement.follow.push(Follow::Argv(filled));
            }
            (value, kind) => {
                if let Some(word) = value.to_word() {
                    weigh(kind, &word, dry, scene, &mut judgement);
                }
            }
        }
    }
    for (argument, kind) in call.arguments.iter().zip(kinds(call)) {
        weigh(kind, argument.word, dry, scene, &mut judgement);
    }
    if scene.input == Feed::Secret && (call.node.emits == Emits::Network || call.worker.name() == "ssh") {
        judgement.sent();
    }
    wrapped(call, scene, &mut judgement);
    standard_input(call, scene, &mut judgement);
    judgement
}

fn ranked(call: &Call<'_>, judgement: &mut Judgement) {
    let tier = call.node.tier.unwrap_or(RiskTier::Low);
    if tier == RiskTier::Low {
        return;
    }
    let (name, path) = (call.worker.name(), call.path.join(" "));
    let code = if path.is_empty() { name.to_owned() } else { format!("{name}.{}", call.path.join(".")) };
    let text = call.node.text.clone().unwrap_or_else(|| format!("runs `{name} {path}`").replace(" `", "`"));
    judgement.find(code, tier, text);
}

fn rules(call: &Call<'_>, judgement: &mut Judgement) {
    let mut unreadable = call.unresolved.any;
    let mut worst = None;
    let places: Vec<Places> = call
        .arguments
        .iter()
        .zip(kinds(call))
        .filter(|(_, kind)| !matches!(kind, Kind::Text | Kind::Obeyed))
        .map(|(argument, _)| place_of(argument.word, &judgement.directory))
        .collect();
    for rule in call.worker.rules.iter().filter(|rule| covers(rule.commands.as_deref(), &call.path)) {
        unreadable |= !rule.arguments.is_empty()
            && call.arguments.iter().any(|argument| argument.word.pattern().is_some());
        if applies(rule, call, &places, &judgement.directory) {
            judgement.push(rule.finding.clone());
        } else if rule.finding.tier == RiskTier::Critical && worst.is_none() && has_unknown(call) {
            let met = Met {
                argument: (rule.from..call.arguments.len()).any(|at| matches(rule, call, at)),
                place: places.iter().any(|place| place.meets(rule.places)),
            };
            worst = could_apply(rule, call, &met, &judgement.directory).then_some(rule);
        }
    }
    if let Some(rule) = worst {
        let text = format!(
            "a word cannot be known before it runs, and there are some with which it {}",
            rule.finding.text
        );
        judgement.find("worker.word.unresolved", RiskTier::Critical, text);
    }
    if call.unresolved.subcommand
        && let Some(tier) = furthest(call).filter(|tier| *tier > RiskTier::Low)
    {
        let text = "the subcommand cannot be known before it runs";
        judgement.find("worker.subcommand.unresolved", tier, text);
    }
    let tier = call.node.unresolved.unwrap_or(RiskTier::High);
    if unreadable && tier > RiskTier::Low && worst.is_none() {
        judgement.find("worker.word.unresolved", tier, "a word cannot be known before it runs");
    }
}

/// The most that a subcommand further down can be.
fn furthest(call: &Call<'_>) -> Option<RiskTier> {
    let below = |steps: &[Step]| {
        steps.len() > call.path.len() && steps.iter().zip(&call.path).all(|(step, word)| step.matches(word))
    };
    let about = |rule: &&Rule| {
        let listed = rule.commands.as_ref();
        !rule.certain && listed.map_or(call.path.is_empty(), |listed| listed.iter().any(|steps| below(steps)))
    };
    let ruled = call.worker.rules.iter().filter(about).map(|rule| rule.finding.tier);
    let nodes = call.worker.commands.iter().filter(|command| below(&command.path));
    ruled.chain(nodes.filter_map(|command| command.node.tier)).max()
}

fn has_unknown(call: &Call<'_>) -> bool {
    call.unresolved.any || call.arguments.iter().any(|argument| argument.word.known().is_none())
}

/// Does the argument at this place match one of the rule's patterns?
fn matches(rule: &Rule, call: &Call<'_>, at: usize) -> bool {
    call.arguments.get(at).and_then(|argument| argument.word.known()).is_some_and(|text| {
        let lower = text.to_ascii_lowercase();
        let excepted = rule.except.iter().any(|pattern| pattern.matches(text));
        !excepted && rule.arguments.iter().any(|pattern| pattern.matches(text) || pattern.matches(&lower))
    })
}

fn applies(rule: &Rule, call: &Call<'_>, places: &[Places], directory: &Location) -> bool {
    let count = call.arguments.len();
    let argument = |at: usize| matches(rule, call, at);
    !rule.spares.is_some_and(|spares| spared::is_spared(spares, call, directory))
        && rule.options.iter().all(|group| call.mentions(group))
        && !call.gives(&rule.without)
        && (rule.arguments.is_empty() || rule.at.map_or_else(|| (rule.from..count).any(argument), argument))
        && (rule.places.is_empty() || places.iter().any(|place| place.meets(rule.places)))
        && count >= rule.min
        && rule.max.is_none_or(|max| count <= max)
        && (!rule.dashes || call.arguments.iter().any(|argument| argument.after_dashes))
}

fn unknowns(call: &Call<'_>, judgement: &mut Judgement) {
    if let Some(command) = &call.unknown_command {
        let text = format!("`{}` has no known subcommand `{command}`", call.worker.name());
        judgement.doubt("worker.subcommand.unknown", text);
    } else if let Some(option) = call.unknown_option {
        let option: String = option.chars().take(80).collect();
        judgement.doubt("worker.option.unknown", format!("option `{option}` is not known here"));
    }
}

/// The kind of each argument.
pub(super) fn kinds(call: &Call<'_>) -> impl Iterator<Item = Kind> {
    let shifted = usize::from(call.mentions(&call.node.shifts));
    let listed = call.node.arguments.get(shifted..).unwrap_or_default();
    let count = call.arguments.len();
    (0..count).map(move |at| {
        let kind = listed.get(at).or(listed.last()).copied().unwrap_or(Kind::Text);
        match kind {
            Kind::Copy if at + 1 == count => Kind::Write,
            Kind::Copy => Kind::Read,
            kind => kind,
        }
    })
}
