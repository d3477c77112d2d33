//! One run of a workflow: what starts when, what is tried again, what is undone.
//!
//! | an attempt ended as | what follows |
//! | --- | --- |
//! | completed | its result can be named; what needs it may start |
//! | failed | another attempt after a wait, while there are any; then what `on_failure` says |
//! | refused | by the gates, before or while it ran: never tried again; then what `on_failure` says |
//! | waiting | people must answer first; whatever does not need it goes on |
//! | unknown | Cascade died while it ran: its reconciler is asked, or a person; never simply run again |
//!
//! The run ends as completed when every step is over, or as aborted: nothing new starts, what runs is waited for, and what
//! was completed and declares how it is undone is undone, the last first.
//!
//! A run that goes on after a crash is the same machine: [`Workflow::restore`] takes over what the chain says, in its order,
//! and [`Workflow::go_on`] asks for whatever has not been done. While it takes over it decides nothing: the ends of
//! attempts were heard in another order than their receipts were written, so what was started when is known from the
//! record alone. Nothing here may look at a clock or a map without order.

mod compensate;
mod event;
mod foresee;
mod look;
mod render;
mod restore;
mod settle;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

pub use self::event::{Count, Effect, End, Ended, Event, Place, Rest, Role, Unexpected};
pub use self::foresee::{Foresight, order};
pub use self::render::{Asked, HttpCall, Rendered, RunCommand};
pub use self::window::opens;
use crate::csl::{OnFailure, Scope, Spec, Step, Work, map_of};

/// Bytes of one text of a result that expressions can name; a longer one is left out, and `truncated` says so.
pub const RESULT_TEXT_MAX: usize = 64 * 1024;

/// How a step or an item of it is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    Completed,
    Failed,
    Refused,
    Skipped,
    Unknown,
}

impl Count {
    const fn add(&mut self, status: Status) {
        match status {
            Status::Completed => self.completed += 1,
            Status::Failed | Status::Refused => self.failed += 1,
            Status::Skipped => self.skipped += 1,
            Status::Unknown => self.unknown += 1,
        }
    }
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
        }
    }
}

/// Where one item of a step stands.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Stage {
    /// May start.
    Ready,
    /// May start from then on.
    Backoff(Timestamp),
    /// An attempt runs.
    Running,
    /// Its reconciler is to be asked.
    Reconcile,
    /// Its reconciler runs.
    Reconciling,
    /// An approval is missing.
    Waiting,
    /// Nobody knows what became of it, and only a person can say.
    Unknown,
    /// Over.
    Over(Status),
}

#[derive(Clone, Debug)]
struct Item {
    stage: Stage,
    attempt: u32,
    /// What it is an item of a fan-out for.
    value: Option<cel::Value>,
    result: Option<cel::Value>,
}

#[derive(Clone, Debug)]
enum StepState {
    /// What it needs is not over.
    Pending,
    Started(Vec<Item>),
    Over,
}

/// Why nothing new starts.
#[derive(Clone, Debug, Default)]
struct Stopping {
    reasons: Vec<String>,
    /// What is to be undone, the next one last; `None` until all that runs has ended.
    left: Option<Vec<(usize, usize)>>,
    /// What is being undone.
    undoing: Option<Place>,
    /// People must answer before the next thing can be undone.
    waits: bool,
}

/// One run.
#[derive(Debug)]
pub struct Workflow {
    spec: Arc<Spec>,
    scope: Scope,
    run_id: String,
    started: Timestamp,
    now: Timestamp,
    needs: Vec<Vec<usize>>,
    steps: Vec<StepState>,
    running: u64,
    /// Of these, how many take no room: points for people and waits.
    idle: u64,
    attempts: u64,
    spent: Spent,
    /// Items that were completed, with the times of their receipts.
    completed: Vec<(Timestamp, usize, usize)>,
    /// The place of each step in an order that can run.
    ranks: Vec<usize>,
    /// When each step that is over was.
    over_at: Vec<Timestamp>,
    /// For each step, how many of its first items are over.
    passed: Vec<usize>,
    /// Steps that could not be asked for, and why.
    faults: Vec<(Place, String)>,
    /// The record is being taken over; nothing is decided.
    restoring: bool,
    count: Count,
    stopping: Option<Stopping>,
    is_finished: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    tokens: u64,
    microusd: u64,
}

impl Workflow {
    /// A run of `spec` with inputs that were checked ([`crate::csl::Document::inputs`]), and its first effects.
    #[must_use]
    pub fn begin(spec: Arc<Spec>, inputs: &Value, run_id: &str, started: Timestamp) -> (Self, Vec<Effect>) {
        let mut workflow = Self::new(spec, inputs, run_id, started);
        let effects = workflow.go_on();
        (workflow, effects)
    }

    /// The same before its first effects, for a record to be taken over.
    #[must_use]
    pub fn new(spec: Arc<Spec>, inputs: &Value, run_id: &str, started: Timestamp) -> Self {
        let at: BTreeMap<&str, usize> =
            spec.steps.iter().enumerate().map(|(index, step)| (step.id.as_str(), index)).collect();
        let needs_of =
            |step: &Step| step.needs.iter().filter_map(|(id, _)| at.get(id.as_str()).copied()).collect();
        let needs = spec.steps.iter().map(needs_of).collect();
        let mut scope = Scope::new(inputs);
        scope.set_run(map_of(render::run_of(run_id, started).into_iter()));
        let mut ranks = vec![0; spec.steps.len()];
        for (rank, step) in order(&spec).into_iter().enumerate() {
            if let Some(place) = ranks.get_mut(step) {
                *place = rank;
            }
        }
        Self {
            scope,
            run_id: run_id.to_owned(),
            started,
            now: started,
            needs,
            steps: spec.steps.iter().map(|_| StepState::Pending).collect(),
            running: 0,
            idle: 0,
            attempts: 0,
            spent: Spent::default(),
            completed: Vec::new(),
            ranks,
            over_at: vec![started; spec.steps.len()],
            passed: vec![0; spec.steps.len()],
            faults: Vec::new(),
            restoring: true,
            count: Count::default(),
            stopping: None,
            is_finished: false,
            spec,
        }
    }

    /// What is to be done next, the record taken over.
    pub fn go_on(&mut self) -> Vec<Effect> {
        self.restoring = false;
        self.end_steps();
        self.advance()
    }

    /// The same where the run is to be ended: nothing more starts, and what was done is undone.
    pub fn wind_up(&mut self, at: Timestamp) -> Vec<Effect> {
        self.restoring = false;
        self.now = self.now.max(at);
        self.stop("cancelled");
        self.end_steps();
        self.advance()
    }

    /// Takes one event.
    ///
    /// # Errors
    /// [`Unexpected`] when it names an attempt that does not run; the state is unchanged.
    pub fn step(&mut self, event: Event) -> Result<Vec<Effect>, Unexpected> {
        let at = match &event {
            Event::Started { at, .. }
            | Event::Ended { at, .. }
            | Event::Settled { at, .. }
            | Event::Woke { at }
            | Event::Cancelled { at } => *at,
        };
        match event {
            Event::Ended { place, ended, result, .. } => {
                self.is_expected(place)?;
                self.now = self.now.max(at);
                self.ended(place, at, &ended, &result);
            }
            Event::Settled { place, happened, .. } => {
                let item = self.item(place).filter(|item| item.stage == Stage::Unknown);
                item.ok_or(Unexpected(place))?;
                self.now = self.now.max(at);
                self.settled(place, at, happened);
            }
            Event::Started { place, .. } => return Err(Unexpected(place)),
            Event::Woke { .. } => self.now = self.now.max(at),
            Event::Cancelled { .. } => {
                self.now = self.now.max(at);
                self.stop("cancelled");
            }
        }
        Ok(self.advance())
    }

    /// The spec of the run.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    fn places(&self, wanted: fn(&Stage) -> bool) -> impl Iterator<Item = Place> {
        self.steps.iter().enumerate().flat_map(move |(step, state)| {
            let items = if let StepState::Started(items) = state { items.as_slice() } else { &[] };
            items
                .iter()
                .enumerate()
                .filter(move |(_, item)| wanted(&item.stage))
                .map(move |(at, item)| Place { step, item: at, attempt: item.attempt, role: Role::Step })
        })
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.steps.iter().flat_map(|state| match state {
            StepState::Started(items) => items.as_slice(),
            StepState::Pending | StepState::Over => &[],
        })
    }

    fn item(&self, place: Place) -> Option<&Item> {
        match self.steps.get(place.step)? {
            StepState::Started(items) => items.get(place.item).filter(|item| item.attempt == place.attempt),
            StepState::Pending | StepState::Over => None,
        }
    }

    fn item_mut(&mut self, place: Place) -> Option<&mut Item> {
        match self.steps.get_mut(place.step)? {
            StepState::Started(items) => items.get_mut(place.item),
            StepState::Pending | StepState::Over => None,
        }
    }

    fn is_expected(&self, place: Place) -> Result<(), Unexpected> {
        let runs = match place.role {
            Role::Compensation => {
                self.stopping.as_ref().is_some_and(|stopping| stopping.undoing == Some(place))
            }
            Role::Step => self.item(place).is_some_and(|item| item.stage == Stage::Running),
            Role::Reconciler => self.item(place).is_some_and(|item| item.stage == Stage::Reconciling),
        };
        if runs { Ok(()) } else { Err(Unexpected(place)) }
    }

    fn stop(&mut self, reason: &str) {
        let stopping = self.stopping.get_or_insert_default();
        if !stopping.reasons.iter().any(|known| known == reason) {
            stopping.reasons.push(reason.to_owned());
        }
    }

    /// Does whatever can be done now.
    fn advance(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        loop {
            let before = effects.len();
            self.begin_steps();
            self.ask_reconcilers(&mut effects);
            self.start_items(&mut effects);
            if !self.end_steps() && effects.len() == before {
                break;
            }
        }
        if !self.is_finished && self.running == 0 {
            self.finish(&mut effects);
        }
        effects
    }

    /// Steps whose needs are over come to their items.
    fn begin_steps(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        for step in 0..self.steps.len() {
            let is_pending = matches!(self.steps.get(step), Some(StepState::Pending));
            let needs = self.needs.get(step).map(Vec::as_slice).unwrap_or_default();
            let is_free = needs.iter().all(|need| matches!(self.steps.get(*need), Some(StepState::Over)));
            if is_pending && is_free {
                let items = self.expand(step);
                if let Some(state) = self.steps.get_mut(step) {
                    *state = StepState::Started(items);
                }
            }
        }
    }

    /// The items of a step; one that is over where there is nothing to do.
    fn expand(&mut self, at: usize) -> Vec<Item> {
        let spec = Arc::clone(&self.spec);
        let Some(step) = spec.steps.get(at) else { return Vec::new() };
        match render::expand(step, &self.scope) {
            Ok(None) => {
                vec![Item { stage: Stage::Over(Status::Skipped), attempt: 0, value: None, result: None }]
            }
            Ok(Some(values)) => values
                .into_iter()
                .map(|value| Item { stage: Stage::Ready, attempt: 0, value, result: None })
                .collect(),
            Err(fault) => {
                let place = Place { step: at, item: 0, attempt: 1, role: Role::Step };
                self.faults.push((place, fault.to_string()));
                let result = Some(settle::result_of_fault(&fault.to_string()));
                vec![Item { stage: Stage::Over(Status::Failed), attempt: 0, value: None, result }]
            }
        }
    }

    /// Starts items while there is room.
    fn start_items(&mut self, effects: &mut Vec<Effect>) {
        if self.stopping.is_some() || self.window_opens().is_some() {
            return;
        }
        for step in 0..self.steps.len() {
            let count = match self.steps.get(step) {
                Some(StepState::Started(items)) => items.len(),
                _ => 0,
            };
            for at in self.pass(step)..count {
                if self.stopping.is_some() {
                    return;
                }
                if self.is_full() && !self.is_idle(step) {
                    break;
                }
                self.start_item(step, at, effects);
            }
        }
    }

    fn start_item(&mut self, step: usize, at: usize, effects: &mut Vec<Effect>) {
        let now = self.now;
        let Some(StepState::Started(items)) = self.steps.get_mut(step) else { return };
        let Some(item) = items.get_mut(at) else { return };
        let may_start = match item.stage {
            Stage::Ready => true,
            Stage::Backoff(until) => until <= now,
            _ => false,
        };
        if !may_start {
            return;
        }
        item.attempt += 1;
        let place = Place { step, item: at, attempt: item.attempt, role: Role::Step };
        if let Some(reason) = self.exhausted(step) {
            return self.stop(reason);
        }
        let rendered = self.render(place);
        let Some(item) = self.item_mut(place) else { return };
        match rendered {
            Ok(what) => {
                item.stage = Stage::Running;
                self.running += 1;
                self.idle += u64::from(self.is_idle(step));
                self.attempts += 1;
                effects.push(Effect::Start { place, what });
            }
            Err(fault) => {
                item.stage = Stage::Over(Status::Failed);
                item.result = Some(settle::result_of_fault(&fault.to_string()));
                self.faults.push((place, fault.to_string()));
            }
        }
    }

    fn is_full(&self) -> bool {
        self.running - self.idle >= self.spec.constraints.max_parallel
    }

    /// Whether the step takes no room while it runs.
    fn is_idle(&self, step: usize) -> bool {
        self.spec.steps.get(step).is_some_and(|step| matches!(step.work, Work::Approval(_) | Work::Wait(_)))
    }

    /// Asks what became of attempts nobody knows of. While a run is being ended, too: what took effect is undone.
    fn ask_reconcilers(&mut self, effects: &mut Vec<Effect>) {
        let wanted: Vec<Place> = self.places(|stage| *stage == Stage::Reconcile).collect();
        for place in wanted {
            if self.is_full() {
                return;
            }
            let place = Place { role: Role::Reconciler, ..place };
            let rendered = self.render(place);
            let unknown = self.nobody_knows();
            let Some(item) = self.item_mut(place) else { return };
            match rendered {
                Ok(what) => {
                    item.stage = Stage::Reconciling;
                    self.running += 1;
                    effects.push(Effect::Start { place, what });
                }
                Err(_) => item.stage = unknown,
            }
        }
    }

    /// What the run may not go past.
    fn exhausted(&self, step: usize) -> Option<&'static str> {
        let constraints = &self.spec.constraints;
        let past = |limit: Option<u64>, spent: u64| limit.is_some_and(|limit| spent >= limit);
        // What a nested run spends counts here.
        let spends = |step: &Step| matches!(step.work, Work::Task(_) | Work::Workflow(_));
        let is_task = self.spec.steps.get(step).is_some_and(spends);
        let elapsed = self.now.ms().saturating_sub(self.started.ms());
        if self.attempts >= constraints.max_attempts {
            return Some("attempts");
        }
        if past(constraints.duration_ms, elapsed) {
            return Some("duration");
        }
        if is_task && past(constraints.tokens, self.spent.tokens) {
            return Some("tokens");
        }
        (is_task && past(constraints.cost_microusd, self.spent.microusd)).then_some("cost")
    }

    fn window_opens(&self) -> Option<Timestamp> {
        let constraints = &self.spec.constraints;
        let all = constraints.window.iter().chain(&constraints.outer_windows);
        all.filter_map(|window| opens(window, self.now)).max()
    }

    /// Steps of whose items every one is over are over. Whether there was one.
    fn end_steps(&mut self) -> bool {
        let mut any = false;
        for step in 0..self.steps.len() {
            let is_over = match self.steps.get(step) {
                Some(StepState::Started(items)) => items.len() == self.pass(step),
                _ => false,
            };
            if is_over {
                self.end_step(step);
                any = true;
            }
        }
        any
    }

    /// How many of the first items of a step are over. Looked at from where it was found last, so that a fan-out is gone
    /// through once and not once an item.
    fn pass(&mut self, step: usize) -> usize {
        let (Some(StepState::Started(items)), Some(passed)) =
            (self.steps.get(step), self.passed.get_mut(step))
        else {
            return 0;
        };
        while items.get(*passed).is_some_and(|item| matches!(item.stage, Stage::Over(_))) {
            *passed += 1;
        }
        *passed
    }

    fn end_step(&mut self, step: usize) {
        if let Some(over_at) = self.over_at.get_mut(step) {
            *over_at = self.now;
        }
        let Some(state) = self.steps.get_mut(step) else { return };
        let StepState::Started(items) = std::mem::replace(state, StepState::Over) else { return };
        let spec = Arc::clone(&self.spec);
        let Some(of) = spec.steps.get(step) else { return };
        let statuses = items.iter().filter_map(|item| match item.stage {
            Stage::Over(status) => Some(status),
            _ => None,
        });
        for status in statuses.clone() {
            self.count.add(status);
        }
        let worst = settle::worst(statuses);
        self.scope.add_step(&of.id, settle::result_of_step(of, worst, &items));
        if of.on_failure == OnFailure::Abort && matches!(worst, Status::Failed | Status::Refused) {
            self.stop(if worst == Status::Failed { "step.failed" } else { "step.refused" });
        }
    }

    fn finish(&mut self, effects: &mut Vec<Effect>) {
        if self.stopping.is_some() {
            return self.undo(effects);
        }
        if !self.steps.iter().all(|state| matches!(state, StepState::Over)) {
            return;
        }
        let spec = Arc::clone(&self.spec);
        let outputs: Result<BTreeMap<_, _>, _> = spec
            .outputs
            .iter()
            .map(|(name, template)| Ok((name.clone(), template.render(&self.scope)?)))
            .collect::<Result<_, crate::csl::EvaluationFault>>();
        match outputs {
            Ok(outputs) => {
                self.is_finished = true;
                effects.push(Effect::Finish(End {
                    completed: true,
                    reasons: Vec::new(),
                    outputs,
                    count: self.count,
                }));
            }
            // What was promised cannot be given.
            Err(_) => {
                self.stop("outputs");
                self.undo(effects);
            }
        }
    }
}
