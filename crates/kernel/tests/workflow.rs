//! Runs of workflows in a scripted world: what starts when, and that a run that is broken off anywhere comes to the same
//! end from what was recorded.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cascade_kernel::csl::{Document, Spec};
use cascade_kernel::workflow::{
    Effect, End, Ended, Event, HttpCall, Place, Rendered, Rest, Role, RunCommand, Workflow,
};
use cascade_receipt::json::Value;
use cascade_receipt::time::Timestamp;

const START: u64 = 1_800_000_000_000;

fn spec(steps: &str) -> Arc<Spec> {
    let text = format!(
        "csl: 1\nname: a\nversion: '1'\ninputs: {{hosts: {{type: list<string>, default: [x, yy, z]}}}}\n{steps}"
    );
    Arc::new(Document::read(text.as_bytes()).map_err(|faults| faults.to_string()).unwrap().spec)
}

fn inputs() -> Value {
    Value::object([("hosts", Value::Array(vec!["x".into(), "yy".into(), "z".into()]))])
}

/// What the world answers to a command by its program: exit codes, one for each attempt, the last one for ever.
type Script<'a> = BTreeMap<&'a str, Vec<Ended>>;

struct World<'a> {
    script: Script<'a>,
    workflow: Workflow,
    /// What runs, the oldest first.
    running: Vec<(Place, Rendered)>,
    /// Everything that happened, as a chain would hold it.
    log: Vec<Event>,
    words: Vec<String>,
    end: Option<End>,
    clock: u64,
}

fn word(spec: &Spec, place: Place) -> String {
    let id = &spec.steps.get(place.step).unwrap().id;
    let role = match place.role {
        Role::Step => "",
        Role::Compensation => "undo ",
        Role::Reconciler => "ask ",
    };
    format!(
        "{role}{id}{}#{}",
        if place.item > 0 { format!("[{}]", place.item) } else { String::new() },
        place.attempt
    )
}

impl<'a> World<'a> {
    fn new(spec: &Arc<Spec>, script: Script<'a>) -> Self {
        let (workflow, effects) =
            Workflow::begin(Arc::clone(spec), &inputs(), "r_00", Timestamp::from_ms(START));
        let mut world =
            Self { script, workflow, running: vec![], log: vec![], words: vec![], end: None, clock: START };
        world.take(effects);
        world
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Start { place, what } => {
                    self.words.push(word(self.workflow.spec(), place));
                    self.running.push((place, what));
                }
                Effect::Finish(end) => self.end = Some(end),
            }
        }
    }

    fn feed(&mut self, event: Event) {
        let effects = self.workflow.step(event.clone()).unwrap();
        self.log.push(event);
        self.take(effects);
    }

    fn answer(&mut self, place: Place, what: &Rendered) -> Event {
        self.clock += 1;
        let Rendered::Command(command) = what else {
            let at = if let Rendered::Wait(until) = what { until.ms() } else { self.clock };
            self.clock = self.clock.max(at);
            let at = Timestamp::from_ms(self.clock);
            return Event::Ended { place, at, ended: Ended::Completed, result: BTreeMap::new() };
        };
        let program = command.argv.first().unwrap().as_str();
        let endings = self.script.get(program);
        let nth = usize::try_from(place.attempt - 1).unwrap();
        let ended = endings.and_then(|all| all.get(nth).or(all.last())).cloned().unwrap_or(Ended::Completed);
        let code = i64::from(ended != Ended::Completed);
        let stdout = format!("{{\"said\": \"{program}\", \"argv\": {}}}", command.argv.len());
        let result = [("exit_code".to_owned(), Value::Int(code)), ("stdout".to_owned(), stdout.into())];
        Event::Ended { place, at: Timestamp::from_ms(self.clock), ended, result: result.into() }
    }

    /// Ends the attempt at `at` of those that run, or lets time pass. False where only people can help.
    fn go_on(&mut self, at: usize) -> bool {
        if self.running.is_empty() {
            match self.workflow.rest() {
                Rest::Until(until) => {
                    self.clock = self.clock.max(until.ms());
                    self.feed(Event::Woke { at: until });
                    return true;
                }
                Rest::Running | Rest::People => return false,
            }
        }
        let (place, what) = self.running.remove(at % self.running.len());
        let event = self.answer(place, &what);
        self.feed(event);
        true
    }

    fn run(mut self) -> Self {
        while self.end.is_none() && self.go_on(0) {}
        self
    }
}

fn ran(spec: &Arc<Spec>, script: &[(&'static str, &[Ended])]) -> (String, Option<(bool, String)>) {
    let script = script.iter().map(|(program, endings)| (*program, endings.to_vec())).collect();
    let world = World::new(spec, script).run();
    let end = world.end.map(|end| (end.completed, end.reasons.join(" ")));
    (world.words.join(" "), end)
}

#[test]
fn steps_start_when_what_they_need_is_over() {
    let spec = spec(
        "steps:\n  - {id: a, run: [a]}\n  - {id: b, run: [b], needs: [a]}\n  - {id: c, run: [c], needs: [a]}\n  - {id: d, run: [d], needs: [b, c]}\n",
    );
    assert_eq!(ran(&spec, &[]), ("a#1 b#1 c#1 d#1".to_owned(), Some((true, String::new()))));
}

#[test]
fn no_more_run_at_once_than_may() {
    let spec = spec(
        "constraints: {max_parallel: 2}\nsteps:\n  - {id: all, foreach: inputs.hosts, run: [go, '${item}', '${index}']}\n  - {id: w, wait: 5s}\n",
    );
    let world = World::new(&spec, Script::new());
    assert_eq!(world.words.join(" "), "all#1 all[1]#1 w#1", "a wait takes no room");
    let world = world.run();
    assert_eq!(world.words.join(" "), "all#1 all[1]#1 w#1 all[2]#1");
    assert_eq!(world.end.unwrap().count.completed, 4);
}

#[test]
fn a_run_is_named_in_conditions_lists_and_outputs() {
    let spec = spec(
        "steps:\n  - {id: a, when: run.id == 'r_00', foreach: '[run.started]', run: [say, '${item}']}\noutputs: {run: '${run.id}'}\n",
    );
    let world = World::new(&spec, Script::new()).run();
    let end = world.end.unwrap();
    assert!(end.completed, "{end:?}");
    assert_eq!((end.count.completed, end.outputs.get("run").map(String::as_str)), (1, Some("r_00")));
    let keyed = "csl: 1\nname: a\nversion: '1'\nsteps: [{id: a, when: run.key != '', run: [say]}]\noutputs: {key: '${run.key}'}\n";
    let faults = Document::read(keyed.as_bytes()).unwrap_err().to_string();
    assert_eq!(faults.matches("it names an item of a step").count(), 2, "{faults}");
}

#[test]
fn results_flow_and_conditions_skip() {
    let steps = "steps:\n  - {id: a, run: [say]}\n  - {id: b, needs: [a], when: steps.a.exit_code == 1, run: [never]}\n  - {id: c, needs: [b], when: steps.b.status == 'skipped' && steps.a.json.argv == 1, run: [get, '${steps.a.json.said}']}\n  - {id: d, needs: [c], foreach: '[1, 2, 3].filter(x, x > 1)', run: [each, '${item}']}\n  - {id: e, needs: [d], run: [sum, '${steps.d.items.size()}', '${steps.d.ok}']}\noutputs: {last: '${steps.e.json.argv}'}\n";
    let world = World::new(&spec(steps), Script::new()).run();
    assert_eq!(world.words.join(" "), "a#1 c#1 d#1 d[1]#1 e#1");
    let end = world.end.unwrap();
    assert_eq!(end.outputs, BTreeMap::from([("last".to_owned(), "3".to_owned())]));
    assert_eq!((end.count.completed, end.count.skipped), (5, 1));
}

#[test]
fn what_fails_is_tried_again_and_then_ends_the_run() {
    let spec = spec(
        "steps:\n  - {id: a, run: [a], retry: {attempts: 3, backoff: 2s}}\n  - {id: b, run: [b], needs: [a]}\n",
    );
    let failed = Ended::Failed;
    let world =
        World::new(&spec, Script::from([("a", vec![failed.clone(), failed.clone(), Ended::Completed])]))
            .run();
    assert_eq!(world.words.join(" "), "a#1 a#2 a#3 b#1");
    assert!(world.clock >= START + 6_000, "2 s and then 4 s");
    assert_eq!(
        ran(&spec, &[("a", &[failed])]),
        ("a#1 a#2 a#3".to_owned(), Some((false, "step.failed".to_owned())))
    );
    assert_eq!(
        ran(&spec, &[("a", &[Ended::Refused])]),
        ("a#1".to_owned(), Some((false, "step.refused".to_owned())))
    );
}

#[test]
fn what_was_done_is_undone_the_last_first() {
    let steps = "steps:\n  - {id: a, run: [a], compensate: {run: [una, '${run.key}']}}\n  - {id: b, run: [b], needs: [a], foreach: inputs.hosts, compensate: {run: [unb, '${item}']}}\n  - {id: c, run: [c], needs: [b]}\n  - {id: d, run: [d], needs: [c]}\n";
    let (words, end) = ran(&spec(steps), &[("d", &[Ended::Failed])]);
    assert_eq!(words, "a#1 b#1 b[1]#1 b[2]#1 c#1 d#1 undo b[2]#1 undo b[1]#1 undo b#1 undo a#1");
    assert_eq!(end, Some((false, "step.failed".to_owned())));
    let (words, end) = ran(&spec(steps), &[("d", &[Ended::Failed]), ("unb", &[Ended::Failed])]);
    assert!(words.ends_with("undo b#1 undo a#1"), "the others are undone all the same: {words}");
    assert_eq!(end, Some((false, "step.failed compensation.failed".to_owned())));
    let world = World::new(&spec(steps), Script::from([("d", vec![Ended::Failed])]));
    let argv_of = |wanted: &str| {
        let mut world =
            World { log: vec![], ..World::new(&spec(steps), Script::from([("d", vec![Ended::Failed])])) };
        loop {
            let found = world.running.iter().find(|(place, _)| word(world.workflow.spec(), *place) == wanted);
            if let Some((_, Rendered::Command(command))) = found {
                return command.argv.clone();
            }
            assert!(world.go_on(0), "{wanted} never starts");
        }
    };
    drop(world);
    assert_eq!(argv_of("undo b[2]#1"), ["unb", "z"], "undone with the values it was done with");
}

#[test]
fn a_failure_that_may_be_lets_the_run_go_on() {
    let steps = "steps:\n  - {id: a, run: [a], on_failure: continue}\n  - {id: b, run: [b, '${steps.a.ok}'], needs: [a]}\n";
    assert_eq!(
        ran(&spec(steps), &[("a", &[Ended::Failed])]),
        ("a#1 b#1".to_owned(), Some((true, String::new())))
    );
}

/// Whom that which runs concerns.
fn concerned(world: &World<'_>) -> String {
    let whom = |(_, what): &(Place, Rendered)| match what {
        Rendered::Command(RunCommand { subject: Some(named), .. })
        | Rendered::Http(HttpCall { subject: Some(named), .. }) => {
            named.matter().unwrap_or(named.person()).to_owned()
        }
        _ => "nobody".to_owned(),
    };
    world.running.iter().map(whom).collect::<Vec<_>>().join(" ")
}

#[test]
fn all_that_is_done_for_a_step_concerns_the_same_person() {
    let steps = "steps:\n  - {id: a, run: [a], subject: {person: ada, matter: 'loan/${inputs.hosts[0]}'}, compensate: {run: [una]}, reconcile: {run: [ask]}}\n  - {id: b, needs: [a], http: {url: 'http://x'}, subject: {person: bob}}\n  - {id: c, needs: [b], run: [c]}\n";
    let script = Script::from([("a", vec![Ended::Unknown]), ("c", vec![Ended::Failed])]);
    let mut world = World::new(&spec(steps), script);
    let mut seen = vec![concerned(&world)];
    while world.end.is_none() && world.go_on(0) {
        seen.push(concerned(&world));
    }
    assert_eq!(world.words.join(", "), "a#1, ask a#1, b#1, c#1, undo a#1");
    assert_eq!(seen, ["ada/loan/x", "ada/loan/x", "bob", "nobody", "ada/loan/x", ""]);
}

#[test]
fn a_value_cannot_make_a_step_concern_somebody_else() {
    let steps = "steps:\n  - {id: a, foreach: '[\"x\", \"y/loan\", \"\", \"z\"]', run: [a], subject: {person: '${item}', matter: m}, on_failure: continue}\n";
    let world = World::new(&spec(steps), Script::new());
    assert_eq!(concerned(&world), "x/m z/m");
    let mut world = world.run();
    let end = world.end.take().unwrap();
    assert_eq!((end.completed, end.count.completed, end.count.failed), (true, 2, 2));
    let faults: Vec<String> = world.workflow.take_faults().into_iter().map(|(_, why)| why).collect();
    assert!(faults.iter().any(|why| why.contains("the name of a person holds no `/`")), "{faults:?}");
}

#[test]
fn what_nobody_knows_is_never_simply_run_again() {
    let unknown = [Ended::Unknown, Ended::Completed];
    let alone = spec("steps:\n  - {id: a, run: [a], retry: {attempts: 9}}\n  - {id: b, run: [b]}\n");
    let world = World::new(&alone, Script::from([("a", unknown.to_vec())])).run();
    assert_eq!((world.words.join(" "), world.workflow.rest()), ("a#1 b#1".to_owned(), Rest::People));
    let place = world.workflow.unknown().next().unwrap();
    for (happened, words) in [(true, "a#1 b#1"), (false, "a#1 b#1 a#2")] {
        let mut world = World::new(&alone, Script::from([("a", unknown.to_vec())])).run();
        world.feed(Event::Settled { place, at: Timestamp::from_ms(world.clock), happened });
        let world = world.run();
        assert_eq!((world.words.join(" ").as_str(), world.end.unwrap().completed), (words, true));
    }
    let steps = "steps:\n  - {id: a, run: [a], reconcile: {run: [look]}}\n";
    let (words, end) = ran(&spec(steps), &[("a", &unknown), ("look", &[Ended::Completed])]);
    assert_eq!((words.as_str(), end.unwrap().0), ("a#1 ask a#1", true), "it took effect");
    let (words, end) = ran(&spec(steps), &[("a", &unknown), ("look", &[Ended::Failed])]);
    assert_eq!((words.as_str(), end.unwrap().0), ("a#1 ask a#1 a#2", true), "it did not");
    let (words, end) = ran(&spec(steps), &[("a", &unknown), ("look", &[Ended::Unknown])]);
    assert_eq!((words.as_str(), end), ("a#1 ask a#1", None), "a person is asked");
}

#[test]
fn a_run_waits_for_people_while_the_rest_goes_on() {
    let steps = "steps:\n  - {id: a, run: [a]}\n  - {id: b, run: [b], needs: [a]}\n  - {id: c, run: [c]}\n";
    let world = World::new(&spec(steps), Script::from([("a", vec![Ended::Waiting])])).run();
    assert_eq!(
        (world.words.join(" ").as_str(), world.workflow.rest(), world.end),
        ("a#1 c#1", Rest::People, None)
    );
}

#[test]
fn a_cancelled_run_undoes_what_it_did() {
    let steps = "steps:\n  - {id: a, run: [a], compensate: {run: [una]}}\n  - {id: b, run: [b], needs: [a]}\n  - {id: c, run: [c], needs: [b]}\n";
    let mut world = World::new(&spec(steps), Script::new());
    assert!(world.go_on(0));
    world.feed(Event::Cancelled { at: Timestamp::from_ms(world.clock) });
    let world = world.run();
    assert_eq!(world.words.join(" "), "a#1 b#1 undo a#1", "what runs is waited for");
    let end = world.end.unwrap();
    assert_eq!((end.completed, end.reasons.join(" ")), (false, "cancelled".to_owned()));
    assert_eq!(
        (end.count.completed, end.count.skipped),
        (2, 0),
        "what never came to its turn is not counted"
    );
}

#[test]
fn a_run_ends_at_its_limits() {
    for (constraints, reason) in [("max_attempts: 2", "attempts"), ("duration: 1s", "duration")] {
        let steps = format!(
            "constraints: {{{constraints}}}\nsteps:\n  - {{id: a, run: [a]}}\n  - {{id: w, wait: 2s}}\n  - {{id: b, run: [b], needs: [a, w]}}\n"
        );
        let (words, end) = ran(&spec(&steps), &[]);
        assert_eq!((words.as_str(), end), ("a#1 w#1", Some((false, reason.to_owned()))), "{constraints}");
    }
}

#[test]
fn steps_start_only_while_the_window_is_open() {
    // 1_800_000_000 is 15 January 2027, a Friday, 08:00 UTC: 09:00 in Berlin.
    for (window, waits_ms) in [
        ("{from: \"09:00\", to: \"17:00\", zone: Europe/Berlin}", 0),
        ("{from: \"09:01\", to: \"17:00\", zone: Europe/Berlin}", 60_000),
        ("{from: \"08:00\", to: \"09:00\", zone: Europe/Berlin}", 23 * 3_600_000),
        ("{days: [mon], from: \"00:00\", to: \"24:00\", zone: Europe/Berlin}", (2 * 24 + 15) * 3_600_000),
    ] {
        let steps = format!("constraints: {{window: {window}}}\nsteps:\n  - {{id: a, run: [a]}}\n");
        let world = World::new(&spec(&steps), Script::new()).run();
        assert_eq!((world.words.join(" ").as_str(), world.clock), ("a#1", START + waits_ms + 1), "{window}");
    }
}

/// A run as a chain sees it: attempts begin and end in any order, and their ends are heard in any other.
struct Chain<'a> {
    world: World<'a>,
    begun: BTreeSet<Place>,
    unheard: Vec<Event>,
    record: Vec<Event>,
    turn: usize,
}

impl<'a> Chain<'a> {
    fn new(world: World<'a>, record: Vec<Event>, turn: usize) -> Self {
        Self { world, begun: BTreeSet::new(), unheard: Vec::new(), record, turn }
    }

    fn choose(&mut self, among: usize) -> usize {
        self.turn = self.turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.turn >> 33) % among.max(1)
    }

    fn run(&mut self) {
        while self.world.end.is_none() {
            let waiting: Vec<usize> = (0..self.world.running.len()).collect();
            if waiting.is_empty() && self.unheard.is_empty() {
                assert!(self.world.go_on(0), "nothing is left to do");
                continue;
            }
            if !self.unheard.is_empty() && (waiting.is_empty() || self.choose(3) == 0) {
                let at = self.choose(self.unheard.len());
                let event = self.unheard.remove(at);
                self.world.feed(event);
                continue;
            }
            let at = self.choose(waiting.len());
            let (place, what) = self.world.running.get(at).cloned().unwrap();
            if self.begun.insert(place) {
                self.world.clock += 1;
                self.record.push(Event::Started { place, at: Timestamp::from_ms(self.world.clock) });
            } else {
                self.world.running.remove(at);
                let ended = self.world.answer(place, &what);
                self.record.push(ended.clone());
                self.unheard.push(ended);
            }
        }
    }

    /// What is recorded by now, all that runs having come to its end.
    fn cut(&self, at: usize) -> Vec<Event> {
        let mut record: Vec<Event> = self.record.iter().take(at).cloned().collect();
        let ended: BTreeSet<Place> = record.iter().filter_map(ended_place).collect();
        let begun: Vec<Place> =
            record.iter().filter_map(started_place).filter(|place| !ended.contains(place)).collect();
        for place in begun {
            record.extend(self.record.iter().find(|event| ended_place(event) == Some(place)).cloned());
        }
        record
    }
}

fn ended_place(event: &Event) -> Option<Place> {
    if let Event::Ended { place, .. } = event { Some(*place) } else { None }
}

fn started_place(event: &Event) -> Option<Place> {
    if let Event::Started { place, .. } = event { Some(*place) } else { None }
}

/// Broken off after any receipt, whatever had been heard by then, a run goes on from its record to the same end, and
/// nothing that has started is started again.
#[test]
fn a_run_goes_on_from_its_record_wherever_it_was_broken_off() {
    let steps = "constraints: {max_parallel: 3}\nsteps:\n  - {id: a, run: [a], retry: {attempts: 2}, compensate: {run: [una]}}\n  - {id: b, run: [b], needs: [a], foreach: inputs.hosts, compensate: {run: [unb, '${item}']}}\n  - {id: c, run: [c], needs: [a], reconcile: {run: [look]}}\n  - {id: w, wait: 3s, needs: [c]}\n  - {id: d, run: [d, '${steps.c.status}'], needs: [b, w], on_failure: continue}\n  - {id: skip, run: [skip], needs: [a], when: 'false'}\n  - {id: e, run: [e], needs: [d, skip], when: '!steps.d.ok', compensate: {run: [une]}}\n  - {id: g, run: [g], needs: [a]}\n  - {id: h, run: [h], needs: [skip]}\n  - {id: f, run: [f], needs: [e]}\n";
    let spec = spec(steps);
    let script = |last: Ended| -> Script<'static> {
        BTreeMap::from([
            ("a", vec![Ended::Failed, Ended::Completed]),
            ("c", vec![Ended::Unknown, Ended::Completed]),
            ("look", vec![Ended::Failed]),
            ("d", vec![Ended::Failed]),
            ("f", vec![last]),
        ])
    };
    for (last, reasons) in [(Ended::Completed, &[][..]), (Ended::Failed, &["step.failed"][..])] {
        for turn in 0..30 {
            let mut whole = Chain::new(World::new(&spec, script(last.clone())), Vec::new(), turn);
            whole.run();
            assert_eq!(whole.world.end.as_ref().unwrap().reasons, reasons);
            for cut in 0..=whole.record.len() {
                let record = whole.cut(cut);
                let mut machine =
                    Workflow::new(Arc::clone(&spec), &inputs(), "r_00", Timestamp::from_ms(START));
                for event in &record {
                    machine
                        .restore(event)
                        .unwrap_or_else(|defect| panic!("turn {turn}, cut {cut}: {defect}"));
                }
                let mut world = World::new(&spec, script(last.clone()));
                (world.workflow, world.clock) = (machine, whole.world.clock);
                (world.running, world.words) = (Vec::new(), Vec::new());
                let effects = world.workflow.go_on();
                world.take(effects);
                let known: BTreeSet<Place> = record.iter().filter_map(started_place).collect();
                assert!(
                    world.running.iter().all(|(place, _)| !known.contains(place)),
                    "nothing is done twice"
                );
                let mut again = Chain::new(world, record, turn + 1);
                again.run();
                let words = |chain: &Chain<'_>| {
                    let places = chain.record.iter().filter_map(started_place);
                    let mut words: Vec<String> = places.map(|place| word(&spec, place)).collect();
                    words.sort();
                    words
                };
                assert_eq!(words(&whole), words(&again), "turn {turn}, cut {cut}");
                assert_eq!(whole.world.end, again.world.end, "turn {turn}, cut {cut}");
            }
        }
    }
}

/// What had not started when a run was broken off starts under the limits of the moment at which it goes on.
#[test]
fn a_run_that_goes_on_keeps_to_the_limits_of_now() {
    for (constraints, later_ms, rest) in [
        ("duration: 3s", 6_000, None),
        ("window: {from: \"00:00\", to: \"08:01\", zone: UTC}", 120_000, Some(24 * 3_600_000)),
    ] {
        let text = format!("constraints: {{{constraints}}}\nsteps:\n  - {{id: a, run: [a]}}\n");
        let spec = spec(&text);
        let mut machine = Workflow::new(spec, &inputs(), "r_00", Timestamp::from_ms(START));
        machine.restore(&Event::Woke { at: Timestamp::from_ms(START + later_ms) }).unwrap();
        let effects = machine.go_on();
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Start { .. })), "{constraints}");
        if let Some(wait) = rest {
            assert_eq!(
                machine.rest(),
                Rest::Until(Timestamp::from_ms(START - 8 * 3_600_000 + wait)),
                "{constraints}"
            );
        }
    }
}

#[test]
fn a_record_of_another_run_is_no_record() {
    let spec = spec("steps:\n  - {id: a, run: [a]}\n  - {id: b, run: [b], needs: [a]}\n");
    let at = Timestamp::from_ms(START);
    let place = |step, attempt, role| Place { step, item: 0, attempt, role };
    let done = |place| Event::Ended { place, at, ended: Ended::Completed, result: BTreeMap::new() };
    let first = place(0, 1, Role::Step);
    for record in [
        vec![Event::Started { place: place(1, 1, Role::Step), at }],
        vec![Event::Started { place: place(0, 2, Role::Step), at }],
        vec![Event::Started { place: place(2, 1, Role::Step), at }],
        vec![done(first), done(first)],
        vec![Event::Started { place: first, at }, Event::Started { place: first, at }],
        vec![done(first), Event::Started { place: place(0, 1, Role::Compensation), at }],
        vec![Event::Started { place: place(0, 1, Role::Reconciler), at }],
        vec![done(first), Event::Settled { place: first, at, happened: true }],
    ] {
        let mut machine = Workflow::new(Arc::clone(&spec), &inputs(), "r_00", at);
        assert!(record.iter().any(|event| machine.restore(event).is_err()), "{record:?}");
    }
}

#[test]
fn an_end_that_nothing_ran_for_is_refused() {
    let spec = spec("steps:\n  - {id: a, run: [a]}\n  - {id: b, run: [b], needs: [a]}\n");
    let (mut workflow, _) = Workflow::begin(spec, &inputs(), "r_00", Timestamp::from_ms(START));
    for (step, attempt, role) in
        [(1, 1, Role::Step), (0, 2, Role::Step), (0, 1, Role::Compensation), (7, 1, Role::Step)]
    {
        let place = Place { step, item: 0, attempt, role };
        let ended = Event::Ended {
            place,
            at: Timestamp::from_ms(START),
            ended: Ended::Completed,
            result: BTreeMap::new(),
        };
        assert!(workflow.step(ended).is_err(), "{place:?}");
    }
}

#[test]
fn keys_name_the_item_and_not_the_attempt() {
    let steps = "steps:\n  - {id: a, foreach: inputs.hosts, run: [a, '${run.key}'], retry: {attempts: 2, backoff: 1ms}, compensate: {run: [una, '${run.key}']}}\n  - {id: b, needs: [a], run: [b]}\n";
    let mut world = World::new(
        &spec(steps),
        Script::from([("a", vec![Ended::Failed, Ended::Completed]), ("b", vec![Ended::Failed])]),
    );
    let mut keys: BTreeMap<String, BTreeSet<(Role, usize)>> = BTreeMap::new();
    while world.end.is_none() {
        for (place, what) in &world.running {
            if let Rendered::Command(command) = what
                && let [_, key] = command.argv.as_slice()
            {
                keys.entry(key.clone()).or_default().insert((place.role, place.item));
                assert!(command.env.contains(&("CASCADE_IDEMPOTENCY_KEY".to_owned(), key.clone())));
            }
        }
        assert!(world.go_on(0));
    }
    assert_eq!(keys.len(), 6, "three items, and three to undo");
    assert!(keys.values().all(|places| places.len() == 1), "{keys:?}");
}
