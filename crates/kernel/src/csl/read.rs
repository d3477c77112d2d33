//! Data to a spec: names, types and limits. Whether its parts fit together is checked afterwards.

use std::collections::BTreeSet;

use cascade_receipt::decision::RiskTier;

use super::expression::Expression;
use super::fault::Faults;
use super::fields::{Fields, list, map};
use super::input::{self, Input};
use super::node::{Node, Place};
use super::steps;
use super::template::Template;

/// The value of `csl`.
const LANGUAGE: &str = "1";
/// Most steps of one spec.
pub const STEPS_MAX: usize = 1_000;
/// Most items of one fan-out.
pub const FAN_OUT_MAX: usize = 10_000;
/// Most steps that run at once.
pub const PARALLEL_MAX: u64 = 64;
/// Steps that run at once where the spec says nothing.
const PARALLEL: u64 = 4;
/// Attempts of all steps together, where the spec says nothing.
const ATTEMPTS: u64 = 20_000;

/// A workflow.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// Its version, in the words of whoever writes it.
    pub version: String,
    /// For people.
    pub description: Option<String>,
    /// Groups whose members may start it; empty: whom the policy admits.
    pub starters: Vec<String>,
    /// What holds for every step.
    pub constraints: Constraints,
    /// What a run is given.
    pub inputs: Vec<Input>,
    /// The steps, in the order of the text.
    pub steps: Vec<Step>,
    /// What a run gives.
    pub outputs: Vec<(String, Template)>,
}

impl Constraints {
    /// Goes no further than `outer`, of which `elapsed_ms` have passed when this begins.
    pub fn hold_to(&mut self, outer: &Self, elapsed_ms: u64) {
        let least = |own: Option<u64>, outer: Option<u64>| own.into_iter().chain(outer).min();
        self.max_parallel = self.max_parallel.min(outer.max_parallel);
        self.max_attempts = self.max_attempts.min(outer.max_attempts);
        self.tokens = least(self.tokens, outer.tokens);
        self.cost_microusd = least(self.cost_microusd, outer.cost_microusd);
        let left = outer.duration_ms.map(|outer| outer.saturating_sub(elapsed_ms));
        self.duration_ms = least(self.duration_ms, left);
        self.outer_windows.extend(outer.window.iter().chain(&outer.outer_windows).cloned());
    }
}

/// What holds for every step, on top of the policy.
#[derive(Clone, Debug)]
pub struct Constraints {
    /// No step may rank higher.
    pub max_tier: Option<RiskTier>,
    /// Only these programs may run.
    pub workers: Option<Vec<String>>,
    /// These packs must be active.
    pub packs: Vec<String>,
    /// Steps that run at once.
    pub max_parallel: u64,
    /// Attempts of all steps together.
    pub max_attempts: u64,
    /// From the start of the run until no further step starts.
    pub duration_ms: Option<u64>,
    /// Tokens of all tasks together.
    pub tokens: Option<u64>,
    /// Millionths of a dollar of all tasks together.
    pub cost_microusd: Option<u64>,
    /// Steps start only then.
    pub window: Option<Window>,
    /// The windows of the runs that it belongs to; a spec does not say them.
    pub outer_windows: Vec<Window>,
}

/// A daily span of time in a zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    /// Days on which it opens, Monday = 1 to Sunday = 7.
    pub days: Vec<u8>,
    /// Minutes after midnight at which it opens.
    pub from_min: u16,
    /// Minutes after midnight at which it closes; later than it opens.
    pub to_min: u16,
    /// IANA name.
    pub zone: String,
    pub(super) place: Place,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// `steps.ID` in expressions.
    pub id: String,
    /// For people.
    pub title: Option<String>,
    /// Ids of the steps that must be over first.
    pub needs: Vec<(String, Place)>,
    /// It is skipped unless this is true.
    pub when: Option<(Expression, Place)>,
    /// It is done once for each item.
    pub foreach: Option<FanOut>,
    /// What is done.
    pub work: Work,
    /// Whom outside it concerns.
    pub subject: Option<Subject>,
    /// An attempt is ended after this long.
    pub timeout_ms: Option<u64>,
    /// How often it is tried.
    pub retry: Retry,
    /// What follows when it has failed for good.
    pub on_failure: OnFailure,
    /// Undoes it.
    pub compensate: Option<Command>,
    /// Tells whether an attempt whose outcome is unknown has taken effect: exit 0 it has, 1 it has not.
    pub reconcile: Option<Command>,
    pub(super) place: Place,
}

/// A person outside whom a step concerns: a debtor, a customer, a patient.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Who.
    pub person: Template,
    /// A debt or case of theirs.
    pub matter: Option<Template>,
}

/// Once for each item of a list.
#[derive(Clone, Debug)]
pub struct FanOut {
    /// The list.
    pub over: Expression,
    pub(super) place: Place,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Work {
    /// Runs a command.
    Command(Command),
    /// Gives a task to the router.
    Task(TaskOf),
    /// Waits for people.
    Approval(Approval),
    /// Runs another spec.
    Workflow(SubWorkflow),
    /// Calls an HTTP server.
    Http(Http),
    /// Lets time pass.
    Wait(Wait),
}

impl Work {
    /// The member that names it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Command(_) => "run",
            Self::Task(_) => "task",
            Self::Approval(_) => "approval",
            Self::Workflow(_) => "workflow",
            Self::Http(_) => "http",
            Self::Wait(_) => "wait",
        }
    }
}

/// A command; never through a shell.
#[derive(Clone, Debug)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<Template>,
    /// Working directory, from that of the run.
    pub cwd: Option<Template>,
    /// Variables on top of those of the run.
    pub env: Vec<(String, Template)>,
    /// Standard input; nothing without it.
    pub stdin: Option<Template>,
}

/// A task for the router.
#[derive(Clone, Debug)]
pub struct TaskOf {
    /// In words.
    pub text: Template,
    /// The function wanted.
    pub signature: Option<String>,
    /// Calls and results.
    pub examples: Vec<String>,
    /// The caller's tests.
    pub tests: Option<String>,
    /// `code`, `cli` or `ask`.
    pub kind: Option<String>,
    /// The last layer that may be asked.
    pub max_layer: Option<String>,
    /// The least evidence that counts as done.
    pub evidence: Option<String>,
}

/// A point where people must agree.
#[derive(Clone, Debug)]
pub struct Approval {
    /// What they are asked.
    pub text: Template,
    /// Whose members may answer.
    pub groups: Vec<String>,
    /// How many must.
    pub required: u32,
    /// How long the question stands.
    pub expires_ms: u64,
    /// Whether they must sign.
    pub signature: bool,
}

/// Another spec that is run as a step.
#[derive(Clone, Debug)]
pub struct SubWorkflow {
    /// Its file, from the directory of this spec.
    pub file: String,
    /// Its hash, in hex: a step cannot become another one unseen.
    pub spec_hash: String,
    /// Its inputs.
    pub inputs: Vec<(String, Expression, Place)>,
}

/// A call of an HTTP server.
#[derive(Clone, Debug)]
pub struct Http {
    /// `GET`, `POST` …
    pub method: String,
    /// Where to.
    pub url: Template,
    /// Header fields.
    pub headers: Vec<(String, Template)>,
    /// What is sent.
    pub body: Option<Template>,
    /// Status codes that count as done; empty: 200 to 299.
    pub status: Vec<u16>,
}

/// Time that must pass.
#[derive(Clone, Debug)]
pub enum Wait {
    /// So many milliseconds from when the step was reached.
    For(u64),
    /// Until a moment, RFC 3339 with three decimals and `Z`.
    Until(Template),
}

/// How often a step is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retry {
    /// All attempts, the first included.
    pub attempts: u32,
    /// Before the second.
    pub backoff_ms: u64,
    /// Each wait is this many times the one before.
    pub factor: u32,
    /// No wait is longer.
    pub backoff_max_ms: u64,
}

impl Retry {
    /// How long to wait before attempt `next` (from 2).
    #[must_use]
    pub fn wait_ms(&self, next: u32) -> u64 {
        let doublings = next.saturating_sub(2).min(62);
        let grown = u64::from(self.factor).saturating_pow(doublings).saturating_mul(self.backoff_ms);
        grown.min(self.backoff_max_ms)
    }
}

/// What follows a step that has failed for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnFailure {
    /// Nothing new starts; what was done is undone, and the run ends as aborted.
    Abort,
    /// The run goes on; expressions see that it failed.
    Continue,
}

/// Reads a spec.
pub(super) fn spec(node: &Node) -> Result<Spec, Faults> {
    let mut faults = Faults::default();
    let spec = read(node, &mut faults);
    match spec {
        Some(spec) => faults.or(spec),
        None => {
            faults.add(node.place, "the spec is not complete");
            faults.or(()).and_then(|()| Err(Faults::default()))
        }
    }
}

fn read(node: &Node, faults: &mut Faults) -> Option<Spec> {
    let mut fields = Fields::of(node, "a spec", faults)?;
    let place = fields.place;
    if let Some(version) = fields.required("csl")
        && !matches!(&version.data, super::node::Data::Int(1))
    {
        fields.faults.add(version.place, format!("this version of Cascade reads `csl: {LANGUAGE}`"));
    }
    let name = fields.required_text("name");
    let version = fields.required_text("version");
    let description = fields.text("description");
    let authority = fields.optional("authority");
    let constraints = fields.optional("constraints");
    let inputs = fields.optional("inputs");
    let steps_node = fields.required("steps");
    let outputs = fields.optional("outputs");
    fields.finish();
    if name.as_ref().is_some_and(|name| !is_title(name)) {
        faults.add(place, "`name` is lower-case letters, digits, `-` and `_`, at most 64, a letter first");
    }
    if version.as_ref().is_some_and(|text| text.is_empty() || text.len() > 64) {
        faults.add(place, "`version` is a text of 1 to 64 bytes");
    }
    let starters = authority.map(|node| read_authority(node, faults)).unwrap_or_default();
    let constraints =
        constraints.map_or_else(|| Some(unconstrained()), |node| read_constraints(node, faults));
    let inputs = inputs.map(|node| input::read(node, faults)).unwrap_or_default();
    let steps = steps_node.map(|node| read_steps(node, faults)).unwrap_or_default();
    let outputs = outputs.map(|node| read_outputs(node, faults)).unwrap_or_default();
    Some(Spec {
        name: name?,
        version: version?,
        description,
        starters,
        constraints: constraints?,
        inputs,
        steps,
        outputs,
    })
}

fn read_steps(node: &Node, faults: &mut Faults) -> Vec<Step> {
    let Some(items) = list(node, "steps", STEPS_MAX, faults) else { return Vec::new() };
    if items.is_empty() {
        faults.add(node.place, "a spec has at least one step");
    }
    let steps: Vec<Step> = items.iter().filter_map(|item| steps::step(item, faults)).collect();
    let mut seen = BTreeSet::new();
    for step in &steps {
        if !seen.insert(step.id.as_str()) {
            faults.add(step.place, format!("there is another step `{}`", step.id));
        }
    }
    steps
}

fn read_authority(node: &Node, faults: &mut Faults) -> Vec<String> {
    let Some(mut fields) = Fields::of(node, "`authority`", faults) else { return Vec::new() };
    let groups = fields.texts("groups", 32).unwrap_or_default();
    fields.finish();
    groups
}

fn read_outputs(node: &Node, faults: &mut Faults) -> Vec<(String, Template)> {
    let members = map(node, "outputs", 64, faults).unwrap_or_default();
    let mut outputs = Vec::new();
    for (name, place, value) in members {
        if !is_name(name) {
            faults.add(
                place,
                format!("`{name}` is no name: lower-case letters, digits and `_`, a letter first"),
            );
        }
        if let Some(template) = super::fields::template(value, faults) {
            outputs.push((name.to_owned(), template));
        }
    }
    outputs
}

const fn unconstrained() -> Constraints {
    Constraints {
        max_tier: None,
        workers: None,
        packs: Vec::new(),
        max_parallel: PARALLEL,
        max_attempts: ATTEMPTS,
        duration_ms: None,
        tokens: None,
        cost_microusd: None,
        window: None,
        outer_windows: Vec::new(),
    }
}

fn read_constraints(node: &Node, faults: &mut Faults) -> Option<Constraints> {
    let mut fields = Fields::of(node, "`constraints`", faults)?;
    let max_tier = fields.text("max_tier").and_then(|word| {
        let tier = RiskTier::parse(&word);
        if tier.is_none() {
            fields.faults.add(node.place, format!("`{word}` is no tier: LOW, MEDIUM, HIGH or CRITICAL"));
        }
        tier
    });
    let constraints = Constraints {
        max_tier,
        workers: fields.texts("workers", 256),
        packs: fields.texts("packs", 64).unwrap_or_default(),
        max_parallel: fields.number("max_parallel", 1, PARALLEL_MAX).unwrap_or(PARALLEL),
        max_attempts: fields.number("max_attempts", 1, 1_000_000).unwrap_or(ATTEMPTS),
        duration_ms: fields.duration_ms("duration"),
        tokens: fields.number("tokens", 0, u64::from(u32::MAX)),
        cost_microusd: fields.number("cost_microusd", 0, u64::from(u32::MAX)),
        window: None,
        outer_windows: Vec::new(),
    };
    let window = fields.optional("window");
    fields.finish();
    let window = window.and_then(|node| read_window(node, faults));
    Some(Constraints { window, ..constraints })
}

fn read_window(node: &Node, faults: &mut Faults) -> Option<Window> {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let mut fields = Fields::of(node, "`window`", faults)?;
    let days = fields.texts("days", 7);
    let (from, to) = (fields.required_text("from"), fields.required_text("to"));
    let zone = fields.required_text("zone");
    fields.finish();
    let mut numbers = Vec::new();
    for day in days.unwrap_or_else(|| DAYS.map(str::to_owned).to_vec()) {
        match DAYS.iter().position(|known| *known == day) {
            Some(at) => numbers.push(u8::try_from(at + 1).unwrap_or(7)),
            None => faults.add(node.place, format!("`{day}` is no day; there are {}", DAYS.join(", "))),
        }
    }
    let mut minutes = |text: &Option<String>| {
        let text = text.as_ref()?;
        let minutes = minutes_of(text);
        if minutes.is_none() {
            faults.add(node.place, format!("`{text}` is no time of day; write \"09:00\" or \"24:00\""));
        }
        minutes
    };
    let (from_min, to_min) = (minutes(&from)?, minutes(&to)?);
    if from_min >= to_min {
        faults.add(node.place, "a window opens before it closes; one over midnight is two days' windows");
    }
    Some(Window { days: numbers, from_min, to_min, zone: zone?, place: node.place })
}

fn minutes_of(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str| {
        let two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        two.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= 24 * 60).then_some(all)
}

/// Ids and names of inputs: what an expression can read behind a dot.
pub(super) fn is_name(text: &str) -> bool {
    /// Words of the expression language.
    const RESERVED: [&str; 4] = ["false", "in", "null", "true"];
    text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !RESERVED.contains(&text)
}

fn is_title(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
}
