//! May this principal take this action now?

use std::collections::BTreeSet;

use cascade_receipt::decision::{Decision, RiskTier, Verdict};
use cascade_receipt::time::Timestamp;

use crate::facts::{Action, Facts, Invocation, Stdin};
use crate::gate::{self, Case, Evaluation};
use crate::limits::{self, Concern, Draw};
use crate::resource::Place;
use crate::snapshot::Snapshot;
use crate::worker::{Classification, Mention, Obeyed, Registry};

/// Stack, in bytes, that a caller gives to [`decide`], [`Snapshot::compile`] and
/// [`Snapshot::load`].
///
/// Parsing and evaluating policies recurse, and the evaluator answers differently when little stack
/// remains. Limits on policies keep every call within this size, so that a decision depends on
/// snapshot and facts alone. The crate starts no threads: who decides on a thread of its own spawns
/// it with this size; the main thread and default threads have at least as much.
pub const STACK_BYTES: usize = 2 * 1024 * 1024;

/// What people are asked for.
///
/// Met by approvals of at least `required` distinct people, each a member of at least one of
/// `groups`, every one of `groups` represented.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EscalationTerms {
    /// Number of people.
    pub required: u32,
    /// Groups by name, sorted.
    pub groups: Vec<String>,
    /// How long the escalation stays open, in milliseconds.
    pub expires_after_ms: u64,
    /// Approvals must carry a verified signature.
    pub signature_required: bool,
}

/// A decision and what explains it.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// Ten gates and the verdict, as the receipt holds them.
    pub decision: Decision,
    /// The tier the gates judged; at least that of `classification`.
    pub risk_tier: RiskTier,
    /// False where some part of the action could not be understood.
    pub classified: bool,
    /// How the command was taken apart.
    pub classification: Classification,
    /// Present exactly when the verdict is escalate.
    pub escalation: Option<EscalationTerms>,
    /// It is admitted because the glass is broken, and would not be otherwise.
    pub glass_broken: bool,
    /// What a run takes out of the budgets.
    pub draws: Vec<Draw>,
    /// The first moment at which a window may answer otherwise. An intent of that moment or later needs another
    /// decision.
    pub holds_until: Option<Timestamp>,
    /// What the limits say, in words for people; nothing where an action is admitted and runs.
    pub limits: Vec<String>,
}

/// How an action is understood under the manifests of a policy. Who asks, when, and what people said is not looked at:
/// it follows from manifests and action alone, so that whoever decides about the same words again may keep it.
#[derive(Clone, Debug)]
pub struct Understood {
    classification: Classification,
    risk_tier: RiskTier,
    classified: bool,
}

impl Understood {
    /// Takes the action apart. Needs [`STACK_BYTES`] of stack.
    #[must_use]
    pub fn of(snapshot: &Snapshot, action: &Action) -> Self {
        let classification = classify(snapshot.registry(), action);
        let (mut risk_tier, mut classified) = assess(&classification, action.stdin);
        if is_elsewhere(action) {
            (risk_tier, classified) = (risk_tier.max(RiskTier::High), false);
        }
        Self { classification, risk_tier, classified }
    }

    /// The tier that the gates judge.
    #[must_use]
    pub const fn risk_tier(&self) -> RiskTier {
        self.risk_tier
    }
}

/// Decides. Total and deterministic: what cannot be evaluated is denied, and a denial is an answer,
/// not an error.
///
/// Needs [`STACK_BYTES`] of stack.
#[must_use]
pub fn decide(snapshot: &Snapshot, facts: &Facts) -> Ruling {
    let understood = Understood::of(snapshot, &facts.action);
    let Evaluation { gates, terms, glass_broken } = evaluated(snapshot, facts, &understood);
    let decision = Decision::from_gates(gates);
    let escalation = if decision.verdict == Verdict::Escalate { terms } else { None };
    let Understood { classification, risk_tier, classified } = understood;
    let mut ruling = Ruling {
        decision,
        risk_tier,
        classified,
        classification,
        escalation,
        glass_broken,
        draws: Vec::new(),
        holds_until: None,
        limits: Vec::new(),
    };
    add_limits(snapshot, facts, &mut ruling);
    ruling
}

/// The decision of [`decide`] and nothing beside it, about an action that was understood before: `understood` is of this
/// snapshot and the action of these facts.
///
/// Needs [`STACK_BYTES`] of stack.
#[must_use]
pub fn decision(snapshot: &Snapshot, facts: &Facts, understood: &Understood) -> Decision {
    Decision::from_gates(evaluated(snapshot, facts, understood).gates)
}

fn evaluated(snapshot: &Snapshot, facts: &Facts, understood: &Understood) -> Evaluation {
    let Understood { classification, risk_tier, classified } = understood;
    let judgement = snapshot.engine().judge(facts, classification);
    gate::evaluate(&Case {
        facts,
        thresholds: snapshot.thresholds(),
        packs: snapshot.packs(),
        unready: snapshot.unready(),
        classification,
        tier: *risk_tier,
        classified: *classified,
        judgement: &judgement,
    })
}

/// How the command of an action is taken apart, as [`decide`] does it.
///
/// Needs [`STACK_BYTES`] of stack.
#[must_use]
pub fn taken_apart(snapshot: &Snapshot, facts: &Facts) -> Classification {
    Understood::of(snapshot, &facts.action).classification
}

/// The budgets that an action draws on, whose counters [`decide`] wants in the facts.
///
/// Needs [`STACK_BYTES`] of stack.
#[must_use]
pub fn draws(snapshot: &Snapshot, facts: &Facts) -> Vec<Draw> {
    let limits = &snapshot.thresholds().limits;
    if limits.budgets.is_empty() {
        return Vec::new();
    }
    let Understood { classification, risk_tier: tier, .. } = Understood::of(snapshot, &facts.action);
    limits.draws(&concern(snapshot, facts, &classification, tier)).filter_map(|(_, draw)| draw.ok()).collect()
}

fn add_limits(snapshot: &Snapshot, facts: &Facts, ruling: &mut Ruling) {
    let limits = &snapshot.thresholds().limits;
    if limits.is_empty() {
        return;
    }
    let concern = concern(snapshot, facts, &ruling.classification, ruling.risk_tier);
    let draws = limits.draws(&concern).filter_map(|(_, draw)| draw.ok()).collect();
    let told = ruling.decision.verdict != Verdict::Admit || facts.dry_run;
    let words = if told { limits::explain(limits, &concern) } else { Vec::new() };
    (ruling.draws, ruling.holds_until, ruling.limits) = (draws, limits.holds_until(&concern), words);
}

/// What the limits say of an action, in words for people, whatever was decided.
///
/// Needs [`STACK_BYTES`] of stack.
#[must_use]
pub fn limits_told(snapshot: &Snapshot, facts: &Facts) -> Vec<String> {
    let limits = &snapshot.thresholds().limits;
    if limits.is_empty() {
        return Vec::new();
    }
    let Understood { classification, risk_tier: tier, .. } = Understood::of(snapshot, &facts.action);
    limits::explain(limits, &concern(snapshot, facts, &classification, tier))
}

fn concern<'a>(
    snapshot: &'a Snapshot,
    facts: &'a Facts,
    classification: &'a Classification,
    tier: RiskTier,
) -> Concern<'a> {
    Concern { facts, classification, tier, families: &snapshot.thresholds().families }
}

/// The files whose bytes say what an action does, beside its executable: scripts, build files, manifests. As
/// [`Classification::obeyed`].
#[must_use]
pub fn obeyed(registry: &Registry, action: &Action) -> Vec<Obeyed> {
    let mut files = classify(registry, action).obeyed;
    files.sort_unstable();
    files.dedup();
    files
}

/// Where names stand of what the action acts on and does not name.
#[must_use]
pub fn sought(registry: &Registry, action: &Action) -> BTreeSet<Place> {
    let found = classify(registry, action);
    found.commands.into_iter().flat_map(|command| command.sought).collect()
}

/// The paths that the words of an action may name; of a tool, those of its arguments.
///
/// Needs [`STACK_BYTES`] of stack.
#[must_use]
pub fn mentioned(registry: &Registry, action: &Action) -> BTreeSet<Mention> {
    let of_line = |line: &[u8]| match str::from_utf8(line) {
        Ok(line) => registry.mentioned_by_line(line, &action.env),
        Err(_) => BTreeSet::new(),
    };
    match &action.invocation {
        Invocation::Cli(argv) => {
            let mut found = registry.mentioned_by_argv(argv, &action.env);
            found.extend(action.script.as_deref().map(of_line).unwrap_or_default());
            found
        }
        Invocation::Shell(line) => of_line(line),
        Invocation::Tool(call) => call.mentioned(),
        Invocation::Task(_) | Invocation::Workflow(_) | Invocation::Schedule(_) => BTreeSet::new(),
    }
}

fn classify(registry: &Registry, action: &Action) -> Classification {
    let mut found = read(registry, action);
    for (place, name) in &action.defaults {
        found.commands.iter_mut().for_each(|command| command.name(*place, name));
    }
    if !action.home.is_empty() {
        found.enter_home(&action.home);
    }
    found
}

fn read(registry: &Registry, action: &Action) -> Classification {
    match &action.invocation {
        Invocation::Cli(argv) if argv.is_empty() => refusal("empty"),
        Invocation::Cli(argv) => {
            let mut found = registry.classify_argv(argv, &action.env);
            if let Some(line) = action.script.as_deref().and_then(|script| str::from_utf8(script).ok()) {
                add_script(&mut found, registry.classify_line(line, &action.env));
            }
            found
        }
        Invocation::Shell(line) => match str::from_utf8(line) {
            Ok(line) => registry.classify_line(line, &action.env),
            Err(_) => refusal("encoding"),
        },
        Invocation::Task(task) => task.classification(),
        Invocation::Workflow(act) => act.classification(),
        Invocation::Schedule(act) => act.classification(),
        Invocation::Tool(call) => call.classification(registry),
    }
}

/// Adds what a shell was given to execute on its standard input. A script past the limits of a line is not
/// refused for that: it stays what it is without being read, unclassified.
fn add_script(found: &mut Classification, script: Classification) {
    if script.refused.is_none() {
        found.tier = found.tier.max(script.tier);
        found.failfast.extend(script.failfast);
        found.commands.extend(script.commands);
        found.obeyed.extend(script.obeyed);
    }
}

/// Directories below a project where tools install what the project uses.
const PROJECT_BINS: &[&str] = &["/node_modules/.bin/", "/.venv/bin/", "/venv/bin/"];
/// Places where anybody may write.
const TEMPORARY: &[&str] = &["/tmp/", "/var/tmp/", "/dev/shm/"];

/// A bare name that `PATH` leads into the working directory or a temporary place need not be the program that
/// the manifest of that name describes. (A name with a slash is judged where words are.)
pub(crate) fn is_elsewhere(action: &Action) -> bool {
    let (Invocation::Cli(argv), Some(executable)) = (&action.invocation, &action.executable) else {
        return false;
    };
    if argv.first().is_none_or(|word| word.contains(&b'/')) {
        return false;
    }
    let path = String::from_utf8_lossy(&executable.path);
    let cwd = String::from_utf8_lossy(&action.cwd);
    let in_project = cwd.len() > 1 && path.strip_prefix(&*cwd).is_some_and(|rest| rest.starts_with('/'));
    let temporary = TEMPORARY.iter().any(|place| path.starts_with(place));
    (in_project || temporary) && !PROJECT_BINS.iter().any(|place| path.contains(place))
}

/// The classification of something that no parser was allowed to see.
fn refusal(limit: &str) -> Classification {
    Classification {
        tier: RiskTier::High,
        classified: false,
        refused: Some(limit.to_owned()),
        failfast: Vec::new(),
        commands: Vec::new(),
        stdin_executes: false,
        obeyed: Vec::new(),
    }
}

/// A program that executes its standard input does something that nobody has classified, unless
/// there is no input.
fn assess(classification: &Classification, stdin: Stdin) -> (RiskTier, bool) {
    let unseen = classification.stdin_executes && stdin != Stdin::None;
    let classified = classification.classified && classification.refused.is_none() && !unseen;
    let floor = if classified { RiskTier::Low } else { RiskTier::High };
    (classification.tier.max(floor), classified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_that_is_executed_unseen_is_not_classified() {
        let low = Classification { tier: RiskTier::Low, classified: true, refused: None, ..refusal("none") };
        let reads = Classification { stdin_executes: true, ..low.clone() };
        let digest = cascade_receipt::digest::Digest([0; 32]);
        for stdin in [Stdin::Terminal, Stdin::Stream, Stdin::Captured(digest)] {
            assert_eq!(assess(&low, stdin), (RiskTier::Low, true));
            assert_eq!(assess(&reads, stdin), (RiskTier::High, false));
        }
        assert_eq!(assess(&reads, Stdin::None), (RiskTier::Low, true));
    }
}
